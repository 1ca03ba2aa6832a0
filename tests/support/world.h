/* world.h: what the tests of this tree ask of a world beyond testing.h. */
#ifndef TESTS_WORLD_H
#define TESTS_WORLD_H

#include <partyline/testing.h>

/* One turn whose clock stands still.  When nothing is ready, it waits up to real_ms of
 * real time for the kernel: a byte takes a moment to cross a terminal line. */
void world_turn(struct pl_world *w, int real_ms);

/* Somebody sets the wall clock, forward or back; nothing else changes. */
void world_step_wall(struct pl_world *w, int64_t ms);

/* How many descriptors are open: as many after a test as before. */
int open_descriptors(void);

#endif
