/* testing.h: a world for tests of protocols and transports.
 *
 * A reactor whose time is fake: it polls real descriptors without waiting, and when
 * nothing is ready its clock jumps to the end of the wait that was asked for.  So timers
 * fire in order, each seeing its own time, and no test sleeps.  Random numbers come from
 * a seed; jobs run at once, on the caller's thread. */
#ifndef PARTYLINE_TESTING_H
#define PARTYLINE_TESTING_H

#include <partyline/mem.h>
#include <partyline/reactor.h>

PL_BEGIN_DECLS

struct pl_world;

/* NULL when out of memory.  The clock starts at 1,000,000 ms, the wall clock at
 * 2001-09-09 01:46:40 UTC. */
struct pl_world *pl_world_create(uint64_t seed);
void pl_world_destroy(struct pl_world *w); /* with its reactor; accepts NULL */

struct pl_reactor *pl_world_reactor(struct pl_world *w);

/* Turns until so much fake time has passed, timers in between included. */
void pl_world_advance(struct pl_world *w, uint64_t ms);

/* Turns until nothing is ready that needs no waiting. */
void pl_world_settle(struct pl_world *w);

/* A person at the other end of a mem: endpoint: types bytes, reads what came. */
struct pl_mem_user;

/* Connects to mem:NAME and settles; NULL when refused. */
struct pl_mem_user *pl_mem_user_join(struct pl_world *w, const char *name);
void pl_mem_user_destroy(struct pl_mem_user *u); /* hangs up if need be; accepts NULL */

/* Sends bytes as they are and settles. */
void pl_mem_user_type(struct pl_mem_user *u, const char *bytes);
void pl_mem_user_send(struct pl_mem_user *u, const char *bytes, size_t len);

/* All that came since the last pl_mem_user_clear(), NUL-terminated. */
const char *pl_mem_user_screen(const struct pl_mem_user *u);
void pl_mem_user_clear(struct pl_mem_user *u);

void pl_mem_user_stop_reading(struct pl_mem_user *u);
void pl_mem_user_start_reading(struct pl_mem_user *u);
void pl_mem_user_hang_up(struct pl_mem_user *u); /* an orderly end, from his side */
bool pl_mem_user_is_lost(const struct pl_mem_user *u);

PL_END_DECLS
#endif
