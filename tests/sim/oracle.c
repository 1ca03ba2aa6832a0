/* oracle.c: a side protocol whose answers are worked out by jobs.
 *
 * "7" asks question 7, which a job of the reactor's pool answers ("= 7 ANSWER"); "drop 7"
 * says that nobody waits for it any more.  The world finishes jobs in an order of its own.
 * Each question is answered once, or dropped, and then not answered; each job comes back
 * once, to its step or to be discarded. */
#include "sim.h"

#include <partyline/thread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the server's side ------------------------------------------------------------------- */

struct oracle {
	struct pl_line_receiver line;
	struct question *questions;
};

struct question {
	struct pl_job job;
	struct pl_step step;
	struct oracle *oracle;
	struct question *next, **link;
	unsigned number;
	unsigned long long answer;
};

static struct pl_line_factory factory;
static long jobs_open;

static unsigned long long answer_to(unsigned number)
{
	return sim_mix(number) >> 32;
}

static void unlink_question(struct question *q)
{
	if (!q->link)
		return;
	*q->link = q->next;
	if (q->next)
		q->next->link = q->link;
	q->link = NULL;
}

static int run(struct pl_job *job)
{
	struct question *q = pl_container_of(job, struct question, job);

	q->answer = answer_to(q->number);
	return 0;
}

static void discard(struct pl_job *job)
{
	jobs_open--;
	free(pl_container_of(job, struct question, job));
}

static struct pl_result on_value(struct pl_step *step, struct pl_result in)
{
	struct question *q = pl_container_of(step, struct question, step);

	jobs_open--;
	sim_note(NULL, "a job is done:", q->number);
	unlink_question(q);
	pl_send_linef(&q->oracle->line, "= %u %llu", q->number, q->answer);
	free(q);
	return in;
}

static bool begin(struct oracle *o, unsigned number)
{
	struct question *q = calloc(1, sizeof *q);
	struct pl_deferred *d;

	if (!q)
		return false;
	q->job = (struct pl_job){ .run = run, .discard = discard };
	q->step.on_value = q->step.on_failure = on_value;
	q->number = number;
	q->oracle = o;
	d = pl_defer_to_thread(sim->reactor, NULL, &q->job);
	if (!d) {
		free(q);
		return false;
	}
	sim->result->jobs++;
	jobs_open++;
	q->next = o->questions;
	q->link = &o->questions;
	if (q->next)
		q->next->link = &q->next;
	o->questions = q;
	pl_deferred_add(d, &q->step);
	return true;
}

static void forget(struct question *q)
{
	unlink_question(q);
	pl_step_cancel(&q->step);
}

static void drop(struct oracle *o, unsigned number)
{
	struct question *q = o->questions;

	while (q && q->number != number)
		q = q->next;
	if (q && !plant_strikes(PLANT_JOB_NOT_CANCELLED))
		forget(q);
	pl_send_linef(&o->line, "%s %u", q ? "dropped" : "late", number);
}

static void line_received(struct pl_line_receiver *l, const char *line, size_t len)
{
	struct oracle *o = pl_container_of(l, struct oracle, line);
	unsigned number;

	(void)len;
	if (sscanf(line, "drop %u", &number) == 1)
		drop(o, number);
	else if (sscanf(line, "%u", &number) == 1 && !begin(o, number))
		pl_send_linef(l, "sorry %u", number);
}

static void connection_lost(struct pl_line_receiver *l, int reason)
{
	struct oracle *o = pl_container_of(l, struct oracle, line);

	(void)reason;
	while (o->questions)
		forget(o->questions);
}

static const struct pl_line_receiver_ops ops = {
	.line_received = line_received,
	.connection_lost = connection_lost,
};

struct pl_factory *oracle_factory(void)
{
	return &factory.factory;
}

void oracle_begin(void)
{
	jobs_open = 0;
	pl_line_factory_init(&factory, &ops, sizeof(struct oracle));
}

void oracle_end(void)
{
	if (jobs_open)
		sim_break("jobs", "%ld jobs have never come back", jobs_open);
}

/* --- who asks ------------------------------------------------------------------------------ */

enum { ASKED, ANSWERED, DROPPED };

struct asking {
	unsigned count, max;
	unsigned char *state; /* of question 1 and so on, from place 0 */
};

void oracle_ask(struct visit *v)
{
	struct asking *a = v->asking;
	char text[40];
	unsigned drop = 0;
	int n;

	if (!a) {
		a = v->asking = sim_grow(NULL, sizeof *a);
		*a = (struct asking){ 0 };
	}
	if (a->count == a->max) {
		a->max = 2 * a->max + 16;
		a->state = sim_grow(a->state, a->max);
	}
	if (a->count && sim_chance(3))
		drop = a->count - (unsigned)sim_draw(a->count < 4 ? a->count : 4);
	if (!drop)
		a->state[a->count++] = ASKED;
	n = snprintf(text, sizeof text, drop ? "drop %u\n" : "%u\n",
	             drop ? drop : a->count);
	visit_type(v, text, (size_t)n);
}

void oracle_read(struct visit *v, const char *line, size_t len)
{
	struct asking *a = v->asking;
	unsigned long long answer = 0;
	unsigned number = 0;
	char word[10] = "";

	(void)len;
	if (sscanf(line, "= %u %llu", &number, &answer) != 2)
		sscanf(line, "%9s %u", word, &number);
	if (!a || number < 1 || number > a->count) {
		sim_break("jobs", "%s read \"%.60s\"", sim_who(v), line);
		return;
	}
	sim->result->read++;
	if (line[0] == '=' && a->state[number - 1] != ASKED)
		sim_break("jobs", "question %u of %s was answered %s", number, sim_who(v),
		          a->state[number - 1] == DROPPED ? "after it was dropped"
		                                          : "twice");
	if (line[0] == '=' && answer != answer_to(number))
		sim_break("jobs", "question %u of %s has a wrong answer", number,
		          sim_who(v));
	if (line[0] == '=' || strcmp(word, "sorry") == 0)
		a->state[number - 1] = ANSWERED;
	else if (strcmp(word, "dropped") == 0)
		a->state[number - 1] = DROPPED;
}

/* Nothing is under way: all that he has asked has been answered or dropped. */
void oracle_quiet(struct visit *v)
{
	const struct asking *a = v->asking;

	for (unsigned i = 0; a && !v->out.len && i < a->count; i++)
		if (a->state[i] == ASKED)
			sim_break("jobs", "question %u of %s has never been answered",
			          i + 1, sim_who(v));
}

void oracle_over(struct visit *v)
{
	if (!v->asking)
		return;
	sim_free(v->asking->state);
	sim_free(v->asking);
	v->asking = NULL;
}
