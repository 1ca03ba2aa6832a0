/* stats.c: the counters of a reactor.
 *
 * A sorted array of some dozens, looked through by pointer first, because a counter's name
 * is a literal and comes from one place.  Nothing is allocated: running out of memory is
 * one of the things that are counted. */
#include "core.h"
#include <partyline/stats.h>

#include <string.h>

static struct pl_counter *find(struct pl_counter *counters, size_t n, const char *what)
{
	for (size_t i = 0; i < n; i++)
		if (counters[i].what == what)
			return &counters[i];
	for (size_t i = 0; i < n; i++)
		if (strcmp(counters[i].what, what) == 0)
			return &counters[i];
	return NULL;
}

/* Puts a new counter where its name belongs. */
static struct pl_counter *add(struct pl_reactor *r, const char *what)
{
	size_t at = r->n_counters;

	for (; at > 0 && strcmp(r->counters[at - 1].what, what) > 0; at--)
		r->counters[at] = r->counters[at - 1];
	r->n_counters++;
	r->counters[at] = (struct pl_counter){ .what = what };
	return &r->counters[at];
}

void pl_count(struct pl_reactor *r, const char *what, uint64_t n)
{
	struct pl_counter *c = find(r->counters, r->n_counters, what);

	/* The last place is kept for those that find none. */
	if (!c && r->n_counters >= PL_COUNTERS_MAX - 1) {
		what = "other";
		c = find(r->counters, r->n_counters, what);
	}
	if (!c)
		c = add(r, what);
	c->n += n;
}

uint64_t pl_counted(const struct pl_reactor *r, const char *what)
{
	for (size_t i = 0; i < r->n_counters; i++)
		if (strcmp(r->counters[i].what, what) == 0)
			return r->counters[i].n;
	return 0;
}

bool pl_counter_at(const struct pl_reactor *r, size_t i, const char **what, uint64_t *n)
{
	if (i >= r->n_counters)
		return false;
	*what = r->counters[i].what;
	*n = r->counters[i].n;
	return true;
}
