/* stats.h: what was dropped, refused, skipped, reopened or failed, counted.
 *
 * Whoever has to give something up counts it here, in words that an operator understands;
 * what never happened has no counter.  So nothing is lost unseen, and a new transport
 * brings counters of its own without a list to enter them in. */
#ifndef PARTYLINE_STATS_H
#define PARTYLINE_STATS_H

#include <partyline/base.h>

PL_BEGIN_DECLS

struct pl_reactor;

/* Adds n to the counter `what`, a string of the form "udp: lines lost on the way out" that
 * lives as long as the reactor (a literal).  Cannot fail: there is room for
 * PL_COUNTERS_MAX, and what is counted beyond that goes to one called "other". */
enum { PL_COUNTERS_MAX = 96 };
void pl_count(struct pl_reactor *r, const char *what, uint64_t n);

/* The counter's value, 0 for one that nothing was added to. */
uint64_t pl_counted(const struct pl_reactor *r, const char *what);

/* The i-th of all counters that there are, in the order of their names; false behind the
 * last.  The order holds until a new counter comes up. */
bool pl_counter_at(const struct pl_reactor *r, size_t i, const char **what, uint64_t *n);

PL_END_DECLS
#endif
