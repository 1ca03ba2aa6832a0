/* reactor_test.c: what reactor.h promises of turns, flushes, signals and stop. */
#include "cmocka_all.h"
#include "ear.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <partyline/stats.h>
#include <partyline/thread.h>

static void turn(struct scene *s)
{
	assert_int_equal(pl_reactor_turn(s->reactor, 0), 0);
}

/* --- the turn -------------------------------------------------------------------- */

struct note {
	struct pl_timer timer;
	struct pl_flush flush;
	struct scene *scene;
	const char *word;
	struct note *then; /* what a flush asks for, or cancels */
	bool cancels;
};

static void note_timer(struct pl_timer *t)
{
	struct note *n = pl_container_of(t, struct note, timer);

	scene_note(n->scene, "%s", n->word);
}

static void note_flush(struct pl_flush *f)
{
	struct note *n = pl_container_of(f, struct note, flush);

	scene_note(n->scene, "%s", n->word);
	if (n->then && n->cancels)
		pl_flush_cancel(&n->then->flush);
	else if (n->then)
		pl_call_at_flush(n->scene->reactor, &n->then->flush);
}

static struct note note(struct scene *s, const char *word)
{
	return (struct note){
		.timer.fn = note_timer, .flush.fn = note_flush, .scene = s, .word = word
	};
}

static int note_call(void *arg)
{
	struct scene *s = arg;

	scene_note(s, "call");
	return 0;
}

static void a_turn_runs_timers_then_watches_then_calls_then_flushes(void **state)
{
	struct scene *s = *state;
	struct note timer = note(s, "timer"), flush = note(s, "flush");
	struct ear *a = ear_new(s, 'a');

	pl_call_at_flush(s->reactor, &flush.flush);
	assert_int_equal(pl_call_from_thread(s->reactor, note_call, s), 0);
	ear_set(a, PL_READ);
	ear_tell(a);
	pl_call_later(s->reactor, &timer.timer, 0);
	turn(s);
	assert_string_equal(s->log, "timer ar call flush");
	ear_free(a);
}

static void look_at_the_clock(struct pl_timer *t)
{
	struct note *n = pl_container_of(t, struct note, timer);
	struct pl_reactor *r = n->scene->reactor;
	uint64_t first = pl_reactor_now(r);

	for (int i = 0; i < 10; i++)
		if (pl_reactor_now(r) != first)
			scene_note(n->scene, "moved");
	scene_note(n->scene, "looked");
}

static void time_stands_still_while_a_turn_runs(void **state)
{
	struct scene *s = *state;
	struct note n = note(s, "");
	uint64_t before;

	n.timer.fn = look_at_the_clock;
	pl_call_later(s->reactor, &n.timer, 0);
	s->step_ms = 13;
	turn(s);
	assert_string_equal(s->log, "looked");
	before = pl_reactor_now(s->reactor);
	assert_int_equal(pl_reactor_now(s->reactor), before);
	turn(s);
	assert_true(pl_reactor_now(s->reactor) > before);
}

static void the_wall_clock_and_random_bytes_are_the_platforms(void **state)
{
	struct scene *s = *state;
	unsigned char bytes[3] = { 0 };

	assert_int_equal(pl_reactor_wall(s->reactor), 7000005000);
	s->now_ms += 5; /* asked for now, not once a turn */
	assert_int_equal(pl_reactor_wall(s->reactor), 7000005005);
	pl_reactor_random(s->reactor, bytes, 2);
	assert_int_equal(bytes[0], 7);
	assert_int_equal(bytes[1], 7);
	assert_int_equal(bytes[2], 0);
}

static void an_interrupted_poll_is_an_empty_result(void **state)
{
	struct scene *s = *state;
	struct note timer = note(s, "timer"), flush = note(s, "flush");
	struct ear *a = ear_new(s, 'a');

	ear_set(a, PL_READ);
	ear_tell(a);
	pl_call_later(s->reactor, &timer.timer, 0);
	pl_call_at_flush(s->reactor, &flush.flush);
	s->fail_errno = EINTR;
	turn(s);
	assert_string_equal(s->log, "timer flush");
	turn(s);
	assert_string_equal(s->log, "timer flush ar");
	ear_free(a);
}

static void another_failure_of_poll_is_returned(void **state)
{
	struct scene *s = *state;
	struct ear *a = ear_new(s, 'a');

	ear_set(a, PL_READ);
	ear_tell(a);
	s->fail_errno = ENOMEM;
	assert_int_equal(pl_reactor_turn(s->reactor, 0), -ENOMEM);
	s->fail_errno = EINVAL;
	assert_int_equal(pl_reactor_run(s->reactor), -EINVAL);
	assert_string_equal(s->log, "");
	turn(s); /* and it goes on when poll() does */
	assert_string_equal(s->log, "ar");
	ear_free(a);
}

static void stop_reactor(struct pl_reactor *r, int signo, void *arg)
{
	(void)signo, (void)arg;
	pl_reactor_stop(r);
}

static void a_poll_without_memory_is_asked_again_after_a_rest(void **state)
{
	struct scene *s = *state;
	const int codes[] = { ENOMEM, EAGAIN };

	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		const uint64_t before_ms = s->now_ms;

		assert_int_equal(pl_reactor_on_signal(s->reactor, SIGUSR1, stop_reactor,
		                                      NULL),
		                 0);
		raise(SIGUSR1);
		s->fail_errno = codes[i];
		assert_int_equal(pl_reactor_run(s->reactor), 0);
		assert_true(s->now_ms > before_ms);
		assert_int_equal(pl_counted(s->reactor, "reactor: poll() had no memory"),
		                 i + 1);
	}
}

/* --- flushes --------------------------------------------------------------------- */

static void flushes_run_once_in_the_order_they_were_asked_for(void **state)
{
	struct scene *s = *state;
	struct note a = note(s, "a"), b = note(s, "b"), c = note(s, "c");

	pl_call_at_flush(s->reactor, &b.flush);
	pl_call_at_flush(s->reactor, &a.flush);
	pl_call_at_flush(s->reactor, &b.flush); /* asking twice is asking once */
	pl_call_at_flush(s->reactor, &c.flush);
	turn(s);
	assert_string_equal(s->log, "b a c");
	turn(s);
	assert_string_equal(s->log, "b a c");
}

static void a_flush_asked_for_inside_a_flush_runs_in_the_next_turn_which_does_not_wait(
	void **state)
{
	struct scene *s = *state;
	struct note a = note(s, "a"), b = note(s, "b");

	a.then = &b;
	b.then = &a;
	pl_call_at_flush(s->reactor, &a.flush);
	turn(s);
	assert_string_equal(s->log, "a");
	pl_reactor_turn(s->reactor, 500);
	assert_int_equal(s->timeout_ms, 0);
	assert_string_equal(s->log, "a b");
	b.then = NULL;
	a.then = &a; /* itself */
	pl_reactor_turn(s->reactor, 500);
	assert_int_equal(s->timeout_ms, 0);
	assert_string_equal(s->log, "a b a");
	a.then = NULL;
	pl_reactor_turn(s->reactor, 500);
	pl_reactor_turn(s->reactor, 500);
	assert_int_equal(s->timeout_ms, 500);
	assert_string_equal(s->log, "a b a a");
}

static void a_flush_asked_for_between_turns_is_not_waited_for(void **state)
{
	struct scene *s = *state;
	struct note a = note(s, "a");

	pl_call_at_flush(s->reactor, &a.flush);
	pl_reactor_turn(s->reactor, 500);
	assert_int_equal(s->timeout_ms, 0);
	assert_string_equal(s->log, "a");
}

static void a_cancelled_flush_does_not_run(void **state)
{
	struct scene *s = *state;
	struct note a = note(s, "a"), b = note(s, "b"), c = note(s, "c");

	pl_flush_cancel(&a.flush); /* not asked for */
	pl_call_at_flush(s->reactor, &a.flush);
	pl_call_at_flush(s->reactor, &b.flush);
	pl_call_at_flush(s->reactor, &c.flush);
	pl_flush_cancel(&b.flush);
	turn(s);
	assert_string_equal(s->log, "a c");

	s->log[0] = '\0';
	a.then = &b;
	a.cancels = true;
	pl_call_at_flush(s->reactor, &a.flush);
	pl_call_at_flush(s->reactor, &b.flush); /* cancelled by a, in the same flush */
	pl_call_at_flush(s->reactor, &c.flush);
	turn(s);
	turn(s);
	assert_string_equal(s->log, "a c");
}

/* --- signals --------------------------------------------------------------------- */

static void note_signal(struct pl_reactor *r, int signo, void *arg)
{
	struct scene *s = arg;

	scene_note(s, "%s%s",
	           signo == SIGUSR1   ? "usr1"
	           : signo == SIGUSR2 ? "usr2"
	                              : "?",
	           r == s->reactor ? "" : "!");
}

static void a_signal_is_heard_in_a_later_turn(void **state)
{
	struct scene *s = *state;

	assert_int_equal(pl_reactor_on_signal(s->reactor, SIGUSR1, note_signal, s), 0);
	assert_int_equal(pl_reactor_on_signal(s->reactor, SIGUSR2, note_signal, s), 0);
	turn(s);
	assert_string_equal(s->log, "");
	raise(SIGUSR1);
	assert_string_equal(s->log, "");
	turn(s);
	assert_string_equal(s->log, "usr1");
	raise(SIGUSR2);
	turn(s);
	turn(s);
	assert_string_equal(s->log, "usr1 usr2");
	raise(SIGUSR1);
	turn(s);
	assert_string_equal(s->log, "usr1 usr2 usr1");
	pl_reactor_on_signal(s->reactor, SIGUSR1, NULL, NULL);
	pl_reactor_on_signal(s->reactor, SIGUSR2, NULL, NULL);
}

static void a_signal_is_given_back_its_default(void **state)
{
	struct scene *s = *state;
	struct sigaction now;

	pl_reactor_on_signal(s->reactor, SIGUSR1, note_signal, s);
	sigaction(SIGUSR1, NULL, &now);
	assert_true(now.sa_handler != SIG_DFL);
	assert_int_equal(pl_reactor_on_signal(s->reactor, SIGUSR1, NULL, NULL), 0);
	sigaction(SIGUSR1, NULL, &now);
	assert_true(now.sa_handler == SIG_DFL);
}

static void a_reactor_that_is_destroyed_leaves_no_handler_behind(void **state)
{
	struct scene *s = *state, *other;
	struct sigaction now;
	void *second;

	(void)s;
	assert_int_equal(scene_setup(&second), 0);
	other = second;
	pl_reactor_on_signal(other->reactor, SIGUSR1, note_signal, other);
	assert_int_equal(scene_teardown(&second), 0);
	sigaction(SIGUSR1, NULL, &now);
	assert_true(now.sa_handler == SIG_DFL);
}

static void a_signal_belongs_to_the_reactor_that_asked_last(void **state)
{
	struct scene *s = *state, *other;
	void *second;

	assert_int_equal(scene_setup(&second), 0);
	other = second;
	pl_reactor_on_signal(s->reactor, SIGUSR1, note_signal, s);
	pl_reactor_on_signal(other->reactor, SIGUSR1, note_signal, other);
	raise(SIGUSR1);
	turn(s);
	turn(other);
	assert_string_equal(s->log, "");
	assert_string_equal(other->log, "usr1");
	pl_reactor_on_signal(other->reactor, SIGUSR1, NULL, NULL);
	assert_int_equal(scene_teardown(&second), 0);
}

static void a_signal_that_does_not_exist_is_refused(void **state)
{
	struct scene *s = *state;

	assert_true(pl_reactor_on_signal(s->reactor, 100000, note_signal, s) < 0);
	assert_true(pl_reactor_on_signal(s->reactor, -1, note_signal, s) < 0);
	assert_true(pl_reactor_on_signal(s->reactor, SIGKILL, note_signal, s) < 0);
}

/* --- stop ------------------------------------------------------------------------ */

struct stop {
	struct pl_timer timer;
	struct pl_flush flush;
	struct scene *scene;
	struct pl_reactor *reactor;
};

static void stop_now(struct pl_timer *t)
{
	struct stop *s = pl_container_of(t, struct stop, timer);

	pl_reactor_stop(s->reactor);
	if (s->scene)
		scene_note(s->scene, "stop");
}

static void run_returns_after_the_turn_in_which_it_was_stopped(void **state)
{
	struct scene *s = *state;
	struct stop stop = { .timer.fn = stop_now, .scene = s, .reactor = s->reactor };
	struct note timer = note(s, "timer"), late = note(s, "late"),
		    flush = note(s, "flush");

	pl_call_later(s->reactor, &stop.timer, 10);
	pl_call_later(s->reactor, &timer.timer, 10);
	pl_call_later(s->reactor, &late.timer, 20);
	assert_int_equal(pl_reactor_turn(s->reactor, 0), 0);
	pl_call_at_flush(s->reactor, &flush.flush);
	assert_int_equal(pl_reactor_run(s->reactor), 0);
	assert_string_equal(s->log, "flush stop timer");
	pl_timer_cancel(&late.timer);
}

static void run_returns_at_once_when_it_was_stopped_before(void **state)
{
	struct scene *s = *state;
	struct ear *a = ear_new(s, 'a');

	pl_reactor_stop(s->reactor);
	assert_int_equal(pl_reactor_run(s->reactor), 0); /* nothing else would end it */
	assert_true(s->timeout_ms != -1);
	ear_free(a);
}

static void *stop_from_thread(void *arg)
{
	pl_reactor_stop(arg);
	return NULL;
}

static void another_thread_can_stop_it(void **state)
{
	struct pl_reactor *r = pl_reactor_create(NULL);
	pthread_t thread;

	(void)state;
	assert_non_null(r);
	assert_int_equal(pthread_create(&thread, NULL, stop_from_thread, r), 0);
	assert_int_equal(pl_reactor_run(r), 0);
	pthread_join(thread, NULL);
	pl_reactor_destroy(r);
}

static struct pl_reactor *stopped_by_signal; /* a signal handler has no argument */

static void stop_in_handler(int signo)
{
	(void)signo;
	pl_reactor_stop(stopped_by_signal);
}

static void *raise_from_thread(void *arg)
{
	pthread_kill(*(pthread_t *)arg, SIGUSR1);
	return NULL;
}

static void a_signal_handler_can_stop_it(void **state)
{
	struct sigaction action = { .sa_handler = stop_in_handler }, before;
	pthread_t self = pthread_self(), thread;

	(void)state;
	stopped_by_signal = pl_reactor_create(NULL);
	assert_non_null(stopped_by_signal);
	sigaction(SIGUSR1, &action, &before);
	assert_int_equal(pthread_create(&thread, NULL, raise_from_thread, &self), 0);
	assert_int_equal(pl_reactor_run(stopped_by_signal), 0);
	pthread_join(thread, NULL);
	sigaction(SIGUSR1, &before, NULL);
	pl_reactor_destroy(stopped_by_signal);
}

static void stop_on_signal(struct pl_reactor *r, int signo, void *arg)
{
	(void)signo;
	*(bool *)arg = true;
	pl_reactor_stop(r);
}

static void a_signal_wakes_a_reactor_that_waits(void **state)
{
	struct pl_reactor *r = pl_reactor_create(NULL);
	pthread_t self = pthread_self(), thread;
	bool heard = false;

	(void)state;
	assert_non_null(r);
	assert_int_equal(pl_reactor_on_signal(r, SIGUSR1, stop_on_signal, &heard), 0);
	assert_int_equal(pthread_create(&thread, NULL, raise_from_thread, &self), 0);
	assert_int_equal(pl_reactor_run(r), 0);
	pthread_join(thread, NULL);
	assert_true(heard);
	pl_reactor_destroy(r);
}

static void the_real_clock_moves_forward_and_real_timers_ring(void **state)
{
	struct pl_reactor *r = pl_reactor_create(NULL);
	struct stop stop = { .timer.fn = stop_now, .reactor = r };
	uint64_t before;
	unsigned char bytes[64] = { 0 }, zeros[64] = { 0 };

	(void)state;
	assert_non_null(r);
	assert_int_equal(pl_reactor_turn(r, 0), 0);
	before = pl_reactor_now(r);
	pl_call_later(r, &stop.timer, 5);
	assert_int_equal(pl_reactor_run(r), 0);
	assert_true(pl_reactor_now(r) >= before + 5);
	assert_true(pl_reactor_wall(r) > INT64_C(1600000000000));
	pl_reactor_random(r, bytes, sizeof(bytes));
	assert_memory_not_equal(bytes, zeros, sizeof(bytes));
	pl_reactor_destroy(r);
}

static void destroying_no_reactor_is_nothing(void **state)
{
	(void)state;
	pl_reactor_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
		T(a_turn_runs_timers_then_watches_then_calls_then_flushes),
		T(time_stands_still_while_a_turn_runs),
		T(the_wall_clock_and_random_bytes_are_the_platforms),
		T(an_interrupted_poll_is_an_empty_result),
		T(another_failure_of_poll_is_returned),
		T(a_poll_without_memory_is_asked_again_after_a_rest),
		T(flushes_run_once_in_the_order_they_were_asked_for),
		T(a_flush_asked_for_inside_a_flush_runs_in_the_next_turn_which_does_not_wait),
		T(a_flush_asked_for_between_turns_is_not_waited_for),
		T(a_cancelled_flush_does_not_run),
		T(a_signal_is_heard_in_a_later_turn),
		T(a_signal_is_given_back_its_default),
		T(a_reactor_that_is_destroyed_leaves_no_handler_behind),
		T(a_signal_belongs_to_the_reactor_that_asked_last),
		T(a_signal_that_does_not_exist_is_refused),
		T(run_returns_after_the_turn_in_which_it_was_stopped),
		T(run_returns_at_once_when_it_was_stopped_before),
		T(another_thread_can_stop_it),
		T(a_signal_handler_can_stop_it),
		T(a_signal_wakes_a_reactor_that_waits),
		T(the_real_clock_moves_forward_and_real_timers_ring),
		T(destroying_no_reactor_is_nothing),
	};

	return cmocka_run_group_tests_name("reactor", tests, NULL, NULL);
}
