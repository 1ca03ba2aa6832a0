/* deferred.c: steps that wait for a result, and the result when it comes.
 *
 * A chain is a list of steps.  When a step returns a result that is still to come, the
 * steps behind it move over to that deferred: there is no third object that ties two
 * deferreds together, and nothing to free. */
#include <assert.h>
#include <partyline/deferred.h>
#include <string.h>

void pl_deferred_init(struct pl_deferred *d, pl_cancel_fn *cancel)
{
	memset(d, 0, sizeof *d);
	d->cancel = cancel;
}

static void run_steps(struct pl_step *steps, struct pl_result result);

/* A deferred whose result was taken waits for itself: nothing else could. */
static bool is_spent(const struct pl_deferred *d)
{
	return d->result.later == d;
}

static void spend(struct pl_deferred *d)
{
	d->result.later = d;
}

static void append(struct pl_deferred *d, struct pl_step *steps)
{
	struct pl_step **last = &d->first;

	while (*last)
		last = &(*last)->next;
	*last = steps;
	for (; steps; steps = steps->next)
		steps->at = d;
}

/* Hands steps to a deferred: they wait there, or run at once if it has fired. */
static void wait_at(struct pl_deferred *d, struct pl_step *steps)
{
	if (!d->fired) {
		append(d, steps);
		return;
	}
	assert(!is_spent(d)); /* a result is handed on once */
	struct pl_result result = d->result;

	spend(d);
	if (result.later)
		wait_at(result.later, steps);
	else
		run_steps(steps, result);
}

/* The steps wait at a deferred of our own meanwhile: so one of them can cancel those
 * behind it, as it could before. */
static void run_steps(struct pl_step *steps, struct pl_result result)
{
	struct pl_deferred running = { .fired = true };
	struct pl_step *step;

	append(&running, steps);
	while ((step = running.first)) {
		pl_step_fn *fn = result.status < 0 ? step->on_failure : step->on_value;

		running.first = step->next;
		step->next = NULL;
		step->at = NULL;
		if (fn)
			result = fn(step, result); /* may free the step */
		if (running.first && result.later) {
			wait_at(result.later, running.first);
			return;
		}
	}
}

void pl_deferred_add(struct pl_deferred *d, struct pl_step *step)
{
	step->next = NULL;
	step->at = NULL;
	wait_at(d, step);
}

void pl_deferred_fire(struct pl_deferred *d, struct pl_result result)
{
	struct pl_step *steps = d->first;

	assert(!d->fired);
	d->fired = true;
	d->result = result;
	d->first = NULL;
	if (!steps)
		return; /* kept for the step that comes */
	spend(d);
	if (result.later)
		wait_at(result.later, steps);
	else
		run_steps(steps, result);
}

void pl_deferred_cancel(struct pl_deferred *d)
{
	while (d->first) {
		struct pl_step *step = d->first;

		d->first = step->next;
		step->next = NULL;
		step->at = NULL;
	}
	if (!d->fired && d->cancel)
		d->cancel(d);
}

void pl_step_cancel(struct pl_step *step)
{
	if (step->at)
		pl_deferred_cancel(step->at);
}
