/* world.h: what the tests of this tree ask of a world beyond testing.h. */
#ifndef TESTS_WORLD_H
#define TESTS_WORLD_H

#include <partyline/testing.h>

/* One turn whose clock stands still.  When nothing is ready, it waits up to real_ms of
 * real time for the kernel: a byte takes a moment to cross a terminal line.  Returns
 * whether there was nothing to do. */
bool world_turn(struct pl_world *w, int real_ms);

/* Somebody sets the wall clock, forward or back; nothing else changes. */
void world_step_wall(struct pl_world *w, int64_t ms);

/* The clock moves; what is due then runs in the next turn. */
void world_pass(struct pl_world *w, uint64_t ms);

/* Did the last turn find nothing that needs no waiting? */
bool world_is_idle(const struct pl_world *w);

/* From now on jobs do not run at once: at each poll() one of those under way, drawn from
 * the seed, is done with a chance of one in so many, and so on.  0: at once again, for
 * those to come.  Jobs of the reactor's pool only. */
void world_hold_jobs(struct pl_world *w, unsigned one_in);

/* One poll() in so many says EINTR; 0: none. */
void world_interrupt_polls(struct pl_world *w, unsigned one_in);

/* How many descriptors are open: as many after a test as before. */
int open_descriptors(void);

#endif
