/* world.c: the world of testing.h, and people at the other end of mem: endpoints.
 *
 * The one idea is in fake_poll(): when nothing is ready, time passes.  Nothing here waits
 * for a real clock, but world_turn(), for the sake of kernels that take a moment.  What
 * a test cannot go on after (no memory, poll() failing) ends the program. */
#include "world.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <partyline/log.h>
#include <partyline/thread.h>

enum { START_MS = 1000000 };
#define START_WALL_MS INT64_C(1000000000000)

/* More turns without time passing are two protocols that answer each other for ever. */
enum { SETTLE_MAX = 1000000 };

struct pl_world {
	struct pl_reactor *reactor;
	uint64_t now_ms;
	int64_t wall_step_ms; /* how far the wall clock was set */
	uint64_t random;
	int real_ms;      /* how long the next poll() may wait in earnest */
	bool time_passes; /* when nothing is ready */
	bool idle;        /* the last poll() found nothing to do but to wait */

	struct pl_job *held; /* jobs under way, by their `next` */
	size_t n_held;
	unsigned hold_for, interrupted; /* one in so many; 0: never */
};

static void give_up(const char *what)
{
	fprintf(stderr, "world: %s\n", what);
	abort();
}

/* --- the platform ---------------------------------------------------------------- */

static uint64_t fake_now(void *ctx)
{
	const struct pl_world *w = ctx;

	return w->now_ms;
}

static int64_t fake_wall(void *ctx)
{
	const struct pl_world *w = ctx;

	return START_WALL_MS + w->wall_step_ms + (int64_t)(w->now_ms - START_MS);
}

/* splitmix64: every seed is a good one. */
static uint64_t next_random(struct pl_world *w)
{
	uint64_t z = w->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static void fake_random(void *ctx, void *buf, size_t len)
{
	struct pl_world *w = ctx;
	unsigned char *byte = buf;

	while (len-- > 0)
		*byte++ = (unsigned char)(next_random(w) >> 56);
}

static bool once_in(struct pl_world *w, unsigned n)
{
	return n > 0 && next_random(w) % n == 0;
}

static struct pl_job *take_held(struct pl_world *w, size_t place)
{
	struct pl_job **at = &w->held, *job;

	while (place-- > 0)
		at = &(*at)->next;
	job = *at;
	*at = job->next;
	w->n_held--;
	return job;
}

/* Any of the jobs under way may be the next that is done, or none of them. */
static void finish_some(struct pl_world *w)
{
	while (w->n_held > 0 && (w->hold_for == 0 || once_in(w, w->hold_for))) {
		struct pl_job *job = take_held(w, next_random(w) % w->n_held);

		pl_job_run(job);
		pl_job_finished(job);
	}
}

static int fake_submit(void *ctx, struct pl_job *job)
{
	struct pl_world *w = ctx;

	if (w->hold_for > 0) {
		job->next = w->held;
		w->held = job;
		w->n_held++;
		return 0;
	}
	pl_job_run(job);
	pl_job_finished(job);
	return 0;
}

static int fake_poll(void *ctx, struct pollfd *fds, nfds_t n, int timeout_ms)
{
	struct pl_world *w = ctx;
	int ready;

	finish_some(w);
	w->idle = false;
	if (once_in(w, w->interrupted)) {
		errno = EINTR;
		return -1;
	}
	ready = poll(fds, n, timeout_ms == 0 ? 0 : w->real_ms);
	w->idle = ready == 0 && timeout_ms != 0 && w->n_held == 0;
	if (w->idle && w->time_passes && timeout_ms > 0)
		w->now_ms += (uint64_t)timeout_ms;
	return ready;
}

/* --- the world ------------------------------------------------------------------- */

struct pl_world *pl_world_create(uint64_t seed)
{
	struct pl_world *w = calloc(1, sizeof(*w));
	struct pl_platform platform = {
		.now = fake_now,
		.wall = fake_wall,
		.poll = fake_poll,
		.random = fake_random,
		.submit = fake_submit,
		.ctx = w,
	};

	if (!w)
		return NULL;
	w->now_ms = START_MS;
	w->random = seed;
	w->reactor = pl_reactor_create(&platform);
	if (!w->reactor) {
		free(w);
		return NULL;
	}
	return w;
}

void pl_world_destroy(struct pl_world *w)
{
	if (!w)
		return;
	pl_reactor_destroy(w->reactor);
	while (w->held) { /* as on a thread that the reactor left behind */
		struct pl_job *job = take_held(w, 0);

		pl_job_run(job);
		job->discard(job);
	}
	free(w);
}

struct pl_reactor *pl_world_reactor(struct pl_world *w)
{
	return w->reactor;
}

/* Without memory poll() is asked again, as pl_reactor_run() does. */
static void turn(struct pl_world *w, int max_wait_ms)
{
	const int code = pl_reactor_turn(w->reactor, max_wait_ms);

	if (code == -ENOMEM || code == -EAGAIN)
		w->idle = false;
	else if (code < 0)
		give_up("poll failed");
}

bool world_turn(struct pl_world *w, int real_ms)
{
	w->real_ms = real_ms;
	turn(w, -1);
	w->real_ms = 0;
	return w->idle;
}

void pl_world_settle(struct pl_world *w)
{
	int turns = 0;

	do {
		if (turns++ == SETTLE_MAX)
			give_up("it does not settle");
		turn(w, -1);
	} while (!w->idle);
}

void pl_world_advance(struct pl_world *w, uint64_t ms)
{
	uint64_t end_ms = w->now_ms + ms;
	uint64_t left_ms;
	int turns = 0;

	w->time_passes = true;
	while ((left_ms = end_ms - w->now_ms) > 0) {
		turns = w->idle ? 0 : turns + 1;
		if (turns == SETTLE_MAX)
			give_up("no time passes");
		turn(w, left_ms > 1000000 ? 1000000 : (int)left_ms);
	}
	w->time_passes = false;
	pl_world_settle(w);
}

void world_step_wall(struct pl_world *w, int64_t ms)
{
	w->wall_step_ms += ms;
}

void world_pass(struct pl_world *w, uint64_t ms)
{
	w->now_ms += ms;
}

bool world_is_idle(const struct pl_world *w)
{
	return w->idle;
}

void world_hold_jobs(struct pl_world *w, unsigned one_in)
{
	w->hold_for = one_in;
}

void world_interrupt_polls(struct pl_world *w, unsigned one_in)
{
	w->interrupted = one_in;
}

int open_descriptors(void)
{
	enum { AT_ONCE = 64 };
	struct pollfd fds[AT_ONCE];
	int count = 0;

	pl_log_begin(); /* the log's own may be open from now on */
	for (int fd = 0; fd < 4096; fd += AT_ONCE) {
		for (int i = 0; i < AT_ONCE; i++)
			fds[i] = (struct pollfd){ .fd = fd + i };
		if (poll(fds, AT_ONCE, 0) < 0)
			give_up("poll failed");
		for (int i = 0; i < AT_ONCE; i++)
			count += !(fds[i].revents & POLLNVAL);
	}
	return count;
}

/* --- people ---------------------------------------------------------------------- */

struct pl_mem_user {
	struct pl_protocol protocol;
	struct pl_factory factory;
	struct pl_world *world;
	char *screen;
	size_t len, size;
	bool made, lost;
};

static void user_made(struct pl_protocol *p)
{
	pl_container_of(p, struct pl_mem_user, protocol)->made = true;
}

static void user_data(struct pl_protocol *p, const char *data, size_t len)
{
	struct pl_mem_user *u = pl_container_of(p, struct pl_mem_user, protocol);

	if (u->len + len >= u->size) {
		u->size = 2 * (u->len + len + 1);
		u->screen = realloc(u->screen, u->size);
		if (!u->screen)
			give_up("out of memory");
	}
	memcpy(u->screen + u->len, data, len);
	u->len += len;
	u->screen[u->len] = '\0';
}

static void user_lost(struct pl_protocol *p, int reason)
{
	(void)reason;
	pl_container_of(p, struct pl_mem_user, protocol)->lost = true;
}

static const struct pl_protocol_ops user_ops = {
	.connection_made = user_made,
	.data_received = user_data,
	.connection_lost = user_lost,
};

static struct pl_protocol *user_build(struct pl_factory *f, const struct pl_peer *peer)
{
	struct pl_mem_user *u = pl_container_of(f, struct pl_mem_user, factory);

	(void)peer;
	return &u->protocol;
}

static const struct pl_factory_ops user_factory_ops = { .build_protocol = user_build };

static bool user_is_there(const struct pl_mem_user *u)
{
	return u->made && !u->lost;
}

struct pl_mem_user *pl_mem_user_join(struct pl_world *w, const char *name)
{
	struct pl_mem_user *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->world = w;
	u->protocol.ops = &user_ops;
	u->factory.ops = &user_factory_ops;
	u->screen = calloc(1, 1);
	u->size = 1;
	if (!u->screen || pl_mem_connect(w->reactor, name, &u->factory, NULL) < 0)
		goto refused;
	pl_world_settle(w);
	/* Who was let in and then sent away has something to read. */
	if (!u->made || (u->lost && u->len == 0))
		goto refused;
	return u;
refused:
	free(u->screen);
	free(u);
	return NULL;
}

void pl_mem_user_destroy(struct pl_mem_user *u)
{
	if (!u)
		return;
	if (user_is_there(u))
		pl_mem_user_hang_up(u);
	if (user_is_there(u)) { /* the other side does not let go */
		pl_abort(u->protocol.transport, 0);
		pl_world_settle(u->world);
	}
	free(u->screen);
	free(u);
}

void pl_mem_user_send(struct pl_mem_user *u, const char *bytes, size_t len)
{
	if (!user_is_there(u))
		return;
	pl_write(u->protocol.transport, bytes, len);
	pl_world_settle(u->world);
}

void pl_mem_user_type(struct pl_mem_user *u, const char *bytes)
{
	pl_mem_user_send(u, bytes, strlen(bytes));
}

const char *pl_mem_user_screen(const struct pl_mem_user *u)
{
	return u->screen;
}

void pl_mem_user_clear(struct pl_mem_user *u)
{
	u->len = 0;
	u->screen[0] = '\0';
}

void pl_mem_user_stop_reading(struct pl_mem_user *u)
{
	if (user_is_there(u))
		pl_pause_reading(u->protocol.transport);
}

void pl_mem_user_start_reading(struct pl_mem_user *u)
{
	if (!user_is_there(u))
		return;
	pl_resume_reading(u->protocol.transport);
	pl_world_settle(u->world);
}

void pl_mem_user_hang_up(struct pl_mem_user *u)
{
	if (!user_is_there(u))
		return;
	pl_lose(u->protocol.transport);
	pl_world_settle(u->world);
}

bool pl_mem_user_is_lost(const struct pl_mem_user *u)
{
	return u->lost;
}
