/* threads_test.c: threads, and what they wait for each other with, are not to be had.
 *
 * Real threads on a clock that runs fifty times as fast.  A job is refused or done, a call
 * from a thread answered or refused, and a serial line without its thread is tried again
 * until it has one. */
#include "cmocka_all.h"
#include "far.h"
#include "faults.h"
#include "world.h"

#include <errno.h>
#include <partyline/log.h>
#include <partyline/thread.h>
#include <partyline/transport.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FASTER = 50, PATIENCE_MS = 10000 };

static char failing[80];

/* --- a fast world ------------------------------------------------------------------------ */

static uint64_t real_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static uint64_t fast_now(void *ctx)
{
	(void)ctx;
	return real_ms() * FASTER;
}

static int64_t fast_wall(void *ctx)
{
	return (int64_t)fast_now(ctx);
}

static int fast_poll(void *ctx, struct pollfd *fds, nfds_t n, int timeout_ms)
{
	(void)ctx;
	return poll(fds, n, timeout_ms > 0 ? timeout_ms / FASTER + 1 : timeout_ms);
}

static void no_random(void *ctx, void *buf, size_t len)
{
	(void)ctx;
	memset(buf, 7, len);
}

static const struct pl_platform fast = {
	.now = fast_now, .wall = fast_wall, .poll = fast_poll, .random = no_random
};

static void turn(struct pl_reactor *r)
{
	faults_on();
	pl_reactor_turn(r, FASTER);
	faults_off();
}

/* The threads of a reactor that is gone end by themselves, and free what they share. */
static bool is_as_before(long live)
{
	const uint64_t until_ms = real_ms() + PATIENCE_MS;

	while (faults_live() != live && real_ms() < until_ms)
		nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
	return faults_live() == live;
}

/* --- jobs and calls ------------------------------------------------------------------------ */

struct errand {
	struct pl_job job;
	struct pl_step step;
	bool taken, done;
};

static int run_errand(struct pl_job *job)
{
	(void)job;
	return 0;
}

static void discard_errand(struct pl_job *job)
{
	(void)job;
}

static struct pl_result errand_done(struct pl_step *step, struct pl_result in)
{
	pl_container_of(step, struct errand, step)->done = true;
	return in;
}

static void give(struct pl_reactor *r, struct pl_worker *w, struct errand *e)
{
	struct pl_deferred *d;

	*e = (struct errand){ .job = { .run = run_errand, .discard = discard_errand },
		              .step = { .on_value = errand_done } };
	faults_on();
	d = pl_defer_to_thread(r, w, &e->job);
	faults_off();
	e->taken = d != NULL;
	if (d)
		pl_deferred_add(d, &e->step);
}

struct caller {
	struct pl_reactor *reactor;
	atomic_bool over;
	int answer;
};

static int answer_42(void *arg)
{
	(void)arg;
	return 42;
}

static void *call(void *arg)
{
	struct caller *c = arg;

	c->answer = pl_blocking_call_from_thread(c->reactor, answer_42, NULL);
	atomic_store(&c->over, true);
	return NULL;
}

static void let_somebody_call(struct pl_reactor *r)
{
	struct caller c = { .reactor = r };
	pthread_t thread;

	if (pthread_create(&thread, NULL, call, &c) != 0)
		abort();
	while (!atomic_load(&c.over))
		turn(r);
	pthread_join(thread, NULL);
	if (c.answer != 42 && (c.answer >= 0 || !faults_struck()))
		fail_msg("%s: the answer is %d", failing, c.answer);
}

static void let_errands_be_run(struct pl_reactor *r, struct pl_worker *w)
{
	const uint64_t until_ms = real_ms() + PATIENCE_MS;
	struct errand errands[3];
	int refused = 0;

	for (int i = 0; i < 3; i++) {
		give(r, w, &errands[i]);
		refused += !errands[i].taken;
		while (errands[i].taken && !errands[i].done && real_ms() < until_ms)
			turn(r);
		if (errands[i].taken && !errands[i].done)
			fail_msg("%s: a job that was taken is not done", failing);
	}
	if (refused > faults_struck())
		fail_msg("%s: %d jobs were refused", failing, refused);
}

static bool play_threads(const struct point *point)
{
	const long live = faults_live();
	const int descriptors = open_descriptors();
	struct pl_reactor *r;
	struct pl_worker *w;

	faults_begin(point);
	faults_on();
	r = pl_reactor_create(&fast);
	w = r ? pl_worker_create(r, 1) : NULL;
	faults_off();
	if (!w && !faults_struck())
		fail_msg("%s: no reactor, or no worker", failing);
	if (r)
		let_errands_be_run(r, NULL);
	if (w)
		let_errands_be_run(r, w);
	if (r)
		let_somebody_call(r);
	pl_reactor_destroy(r);
	if (!is_as_before(live) || open_descriptors() != descriptors)
		fail_msg("%s: something is left behind", failing);
	return faults_struck();
}

/* --- a serial line --------------------------------------------------------------------------- */

#ifdef PARTYLINE_HAVE_SERIAL
struct guest {
	struct pl_protocol protocol;
	struct pl_factory factory;
	bool made, lost;
};

static struct guest guest;

static void guest_made(struct pl_protocol *p)
{
	(void)p;
	guest.made = true;
}

static void guest_data(struct pl_protocol *p, const char *data, size_t len)
{
	(void)p, (void)data, (void)len;
}

static void guest_lost(struct pl_protocol *p, int reason)
{
	(void)p, (void)reason;
	guest.lost = true;
}

static const struct pl_protocol_ops guest_ops = { .connection_made = guest_made,
	                                          .data_received = guest_data,
	                                          .connection_lost = guest_lost };

static struct pl_protocol *build_guest(struct pl_factory *f, const struct pl_peer *peer)
{
	(void)f, (void)peer;
	return &guest.protocol;
}

static const struct pl_factory_ops guest_factory_ops = { .build_protocol = build_guest };

static struct far terminal;

/* Presses Enter once a second, as somebody does who waits for an answer. */
static void join(struct pl_reactor *r)
{
	const uint64_t until_ms = real_ms() + PATIENCE_MS;
	uint64_t pressed_ms = pl_reactor_now(r);

	while (!guest.made && real_ms() < until_ms) {
		turn(r);
		if (pl_reactor_now(r) - pressed_ms < 1000)
			continue;
		pressed_ms = pl_reactor_now(r);
		far_type(&terminal, "");
	}
}

static bool play_serial(const struct point *point)
{
	const struct wire *wire = wire_find("serial");
	const long live = faults_live();
	const int descriptors = open_descriptors();
	struct pl_error err = { .text = "" };
	struct pl_reactor *r;
	struct pl_port *port;

	wire->prepare();
	guest = (struct guest){ .protocol = { .ops = &guest_ops },
		                .factory = { .ops = &guest_factory_ops } };
	r = pl_reactor_create(&fast);
	assert_non_null(r);
	faults_begin(point);
	faults_on();
	port = wire_listen(wire, r, &guest.factory, &err);
	faults_off();
	if (!port && (!faults_struck() || !strstr(err.text, "memory")))
		fail_msg("%s: %s", failing, err.text);
	if (port && far_come(&terminal, wire, NULL, port) == 0)
		join(r);
	if (port && !guest.made)
		fail_msg("%s: the line is never open", failing);
	faults_end();
	pl_reactor_destroy(r);
	if (guest.made != guest.lost)
		fail_msg("%s: no end", failing);
	wire->tidy();
	if (!is_as_before(live) || open_descriptors() != descriptors)
		fail_msg("%s: something is left behind", failing);
	return faults_struck();
}
#endif

/* --- the points ------------------------------------------------------------------------------- */

static void fail_each(bool (*play)(const struct point *point), const char *what)
{
	static const enum faulty wanted[] = { F_pthread_create, F_pthread_mutex_init,
		                              F_pthread_cond_init, F_allocation };
	unsigned long points;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		const struct call *call = &calls[wanted[i]];

		points = 0;
		for (int way = 0; call->ways[way].name; way++) {
			struct point point = { .call = wanted[i], .way = way, .nth = 1 };

			do {
				snprintf(failing, sizeof(failing), "%s: %s %s %lu", what,
				         call->name, call->ways[way].name, point.nth);
			} while (play(&point) && point.nth++);
			points += point.nth - 1;
		}
		print_message("[          ] %s: %s: %lu points\n", what, call->name,
		              points);
	}
}

static void a_job_without_a_thread_is_refused(void **state)
{
	(void)state;
	fail_each(play_threads, "threads");
}

static void a_serial_line_without_a_thread_is_tried_again(void **state)
{
	(void)state;
#ifdef PARTYLINE_HAVE_SERIAL
	fail_each(play_serial, "serial on its thread");
#else
	skip();
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_job_without_a_thread_is_refused),
		cmocka_unit_test(a_serial_line_without_a_thread_is_tried_again),
	};

	pl_log_set_level(PL_LOG_ERROR);
	return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
