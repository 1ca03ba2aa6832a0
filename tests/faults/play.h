/* play.h: a conversation in which one thing fails, and what has to be true after it. */
#ifndef TESTS_PLAY_H
#define TESTS_PLAY_H

#include "far.h"
#include "faults.h"

/* Plays it once on that wire: ann and bob sit on mem: endpoints, cat comes in by the wire,
 * talks, leaves, comes again as somebody else and vanishes; then, with everything working
 * again, ann and bob must still be talking and a newcomer must be served; then the server
 * stops.  Fails the running test when something is wrong.  Returns whether the point was
 * reached. */
bool play(const struct wire *wire, const struct point *point);

/* The play under way, for who reads of its failure; "" between two. */
const char *play_under_way(void);

/* "recv ECONNRESET 17", "allocation ENOMEM 3 and after". */
void point_text(const struct point *point, char *text, size_t size);

#endif
