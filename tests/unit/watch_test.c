/* watch_test.c: what reactor.h promises of watches, and that stop means stopped. */
#include "cmocka_all.h"
#include "ear.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void turn(struct scene *s)
{
	assert_int_equal(pl_reactor_turn(s->reactor, 0), 0);
}

/* --- events ---------------------------------------------------------------------- */

static void a_watch_hears_of_what_can_be_read(void **state)
{
	struct scene *s = *state;
	struct ear *a = ear_new(s, 'a');

	ear_set(a, PL_READ);
	turn(s);
	assert_string_equal(s->log, "");
	ear_tell(a);
	turn(s);
	turn(s); /* nobody has read it: level, not edge */
	assert_string_equal(s->log, "ar ar");
	ear_read_it(a);
	turn(s);
	assert_string_equal(s->log, "ar ar");
	ear_free(a);
}

static void a_watch_hears_of_room_to_write(void **state)
{
	struct scene *s = *state;
	struct ear *a = ear_new(s, 'a');
	struct pl_watch *w = &a->watch;
	int reading = w->fd;

	w->fd = a->in; /* the writing end */
	a->in = reading;
	ear_set(a, PL_WRITE);
	turn(s);
	ear_set(a, PL_READ | PL_WRITE);
	turn(s);
	assert_string_equal(s->log, "aw aw");
	ear_free(a);
}

static void last_words_and_hangup_come_together_as_two_bits(void **state)
{
	struct scene *s = *state;
	struct ear *a = ear_new(s, 'a');

	a->then = ear_read_it;
	ear_set(a, PL_READ);
	ear_tell(a);
	close(a->in);
	a->in = -1;
	turn(s);
	assert_string_equal(s->log, "arh");
	turn(s);
	assert_string_equal(s->log, "arh ah");
	ear_free(a);
}

static void an_error_is_a_bit_of_its_own(void **state)
{
	struct scene *s = *state;
	struct ear *a = ear_new(s, 'a');
	int reading = a->watch.fd;

	a->watch.fd = a->in;
	a->in = -1;
	close(reading); /* a pipe that nobody reads: POLLERR */
	ear_set(a, PL_READ);
	turn(s);
	assert_string_equal(s->log, "ae");
	ear_free(a);
}

static void what_is_wanted_can_be_changed(void **state)
{
	struct scene *s = *state;
	struct ear *a = ear_new(s, 'a');

	s->asked_for = a->watch.fd;
	ear_set(a, PL_READ);
	turn(s);
	assert_int_equal(s->asked, POLLIN);
	ear_set(a, PL_WRITE);
	turn(s);
	assert_int_equal(s->asked, POLLOUT);
	ear_set(a, PL_READ | PL_WRITE);
	turn(s);
	assert_int_equal(s->asked, POLLIN | POLLOUT);
	pl_watch_stop(&a->watch);
	turn(s);
	assert_int_equal(s->asked, -1);
	ear_free(a);
}

static void a_watch_that_wants_nothing_leaves_the_poll_set(void **state)
{
	struct scene *s = *state;
	struct ear *a = ear_new(s, 'a');

	s->asked_for = a->watch.fd;
	ear_set(a, PL_READ);
	ear_set(a, 0);
	close(a->in); /* HANGUP from now on */
	a->in = -1;
	turn(s);
	assert_int_equal(s->asked, -1);
	assert_string_equal(s->log, "");
	ear_set(a, PL_READ);
	turn(s);
	assert_string_equal(s->log, "ah");
	ear_free(a);
}

static void a_hung_up_watch_that_wants_nothing_does_not_spin(void **state)
{
	struct scene *s = *state;
	struct ear *a = ear_new(s, 'a');

	ear_set(a, PL_READ);
	ear_set(a, 0);
	close(a->in);
	a->in = -1;
	scene_run_to(s, s->now_ms + 60000);
	assert_string_equal(s->log, "");
	assert_true(s->polls <= 3);
	ear_free(a);
}

static void a_watch_may_be_set_to_nothing_at_first(void **state)
{
	struct scene *s = *state;
	struct ear *a = ear_new(s, 'a');

	ear_tell(a);
	ear_set(a, 0);
	turn(s);
	assert_string_equal(s->log, "");
	ear_set(a, PL_READ);
	turn(s);
	assert_string_equal(s->log, "ar");
	ear_free(a);
}

/* --- stop means stopped ---------------------------------------------------------- */

static void a_stopped_watch_hears_nothing(void **state)
{
	struct scene *s = *state;
	struct ear *a = ear_new(s, 'a'), *b = ear_new(s, 'b');

	pl_watch_stop(&b->watch); /* never set */
	ear_set(a, PL_READ);
	ear_set(b, PL_READ);
	ear_tell(a);
	ear_tell(b);
	pl_watch_stop(&a->watch);
	pl_watch_stop(&a->watch);
	turn(s);
	assert_string_equal(s->log, "br");
	ear_set(a, PL_READ); /* and may be set again */
	pl_watch_stop(&b->watch);
	turn(s);
	assert_string_equal(s->log, "br ar");
	ear_free(a);
	ear_free(b);
}

static void free_other(struct ear *e)
{
	if (!e->other)
		return;
	e->other->other = NULL;
	ear_free(e->other);
	e->other = NULL;
}

static void a_watch_stopped_and_freed_by_another_of_the_turn_hears_nothing(void **state)
{
	struct scene *s = *state;

	/* Whichever is called first, in either order of setting. */
	for (int order = 0; order < 2; order++) {
		struct ear *a = ear_new(s, 'a'), *b = ear_new(s, 'b');

		s->log[0] = '\0';
		a->then = b->then = free_other;
		a->other = b;
		b->other = a;
		ear_set(order ? b : a, PL_READ);
		ear_set(order ? a : b, PL_READ);
		ear_tell(a);
		ear_tell(b);
		turn(s);
		assert_int_equal(strlen(s->log), 2);
		ear_free(s->log[0] == 'a' ? a : b);
	}
}

static void free_itself(struct ear *e)
{
	ear_free(e);
}

static void a_watch_may_stop_and_free_itself(void **state)
{
	struct scene *s = *state;
	struct ear *a = ear_new(s, 'a'), *b = ear_new(s, 'b');

	a->then = free_itself;
	b->then = free_itself;
	ear_set(a, PL_READ);
	ear_set(b, PL_READ);
	ear_tell(a);
	ear_tell(b);
	turn(s);
	turn(s);
	assert_int_equal(strlen(s->log), 5); /* "ar br", in any order */
}

/* Closes the other one and gives its descriptor's number to a third. */
static void reuse_number(struct ear *e)
{
	struct ear *old = e->other, *new;
	int number;

	if (!old || old->watch.fd < 0)
		return;
	number = old->watch.fd;
	new = old->other;
	ear_close(old);
	if (dup2(new->watch.fd, number) != number)
		abort();
	close(new->watch.fd);
	new->watch.fd = number;
	ear_set(new, PL_READ);
}

static void a_number_reused_in_the_same_turn_does_not_hear_the_old_event(void **state)
{
	struct scene *s = *state;

	for (int order = 0; order < 2; order++) {
		struct ear *a = ear_new(s, 'a'), *b = ear_new(s, 'b'), *c = ear_new(s, 'c');

		s->log[0] = '\0';
		a->then = reuse_number;
		a->other = b;
		b->other = c;
		b->then = ear_read_it;
		/* a has to be called before b: both orders are tried, one of them is it. */
		ear_set(order ? b : a, PL_READ);
		ear_set(order ? a : b, PL_READ);
		ear_tell(a);
		ear_tell(b);
		turn(s);
		assert_null(strchr(s->log, 'c'));
		a->then = ear_read_it;
		turn(s);
		assert_null(strchr(s->log, 'c')); /* nothing was written to it */
		ear_tell(c);
		turn(s);
		assert_non_null(strstr(s->log, "cr"));
		ear_free(a);
		ear_free(b);
		ear_free(c);
	}
}

static void set_other(struct ear *e)
{
	ear_read_it(e);
	ear_set(e->other, PL_READ);
}

static void a_watch_added_in_a_turn_is_not_looked_at_until_the_next(void **state)
{
	struct scene *s = *state;
	struct ear *a = ear_new(s, 'a'), *b = ear_new(s, 'b');

	a->then = set_other;
	a->other = b;
	ear_set(a, PL_READ);
	ear_tell(a);
	ear_tell(b);
	turn(s);
	assert_string_equal(s->log, "ar");
	turn(s);
	assert_string_equal(s->log, "ar br");
	ear_free(a);
	ear_free(b);
}

static void stop_and_add(struct ear *e)
{
	pl_watch_stop(&e->watch); /* its place in the set is free */
	ear_set(e->other, PL_READ);
}

static void a_watch_that_takes_the_place_of_a_stopped_one_does_not_hear_its_event(void **state)
{
	struct scene *s = *state;
	struct ear *a = ear_new(s, 'a'), *b = ear_new(s, 'b'), *c = ear_new(s, 'c');

	a->then = b->then = stop_and_add; /* the first that is called stops and adds c */
	a->other = b->other = c;
	ear_set(a, PL_READ);
	ear_set(b, PL_READ);
	ear_tell(a);
	ear_tell(b);
	turn(s);
	assert_null(strchr(s->log, 'c'));
	turn(s);
	assert_null(strchr(s->log, 'c'));
	ear_tell(c);
	turn(s);
	assert_non_null(strstr(s->log, "cr"));
	ear_free(a);
	ear_free(b);
	ear_free(c);
}

static void silence_other(struct ear *e)
{
	ear_set(e->other, 0);
}

static void a_watch_that_came_to_want_nothing_in_this_turn_hears_nothing(void **state)
{
	struct scene *s = *state;
	struct ear *a = ear_new(s, 'a'), *b = ear_new(s, 'b');

	a->then = b->then = silence_other;
	a->other = b;
	b->other = a;
	ear_set(a, PL_READ);
	ear_set(b, PL_READ);
	ear_tell(a);
	ear_tell(b);
	turn(s);
	assert_int_equal(strlen(s->log), 2); /* one of them */
	ear_free(a);
	ear_free(b);
}

struct stopper {
	struct pl_timer timer;
	struct ear *ear;
};

static void stop_other_watch(struct pl_timer *t)
{
	ear_free(pl_container_of(t, struct stopper, timer)->ear);
}

static void a_watch_freed_by_a_timer_of_the_turn_hears_nothing(void **state)
{
	struct scene *s = *state;
	struct stopper stopper = { .timer.fn = stop_other_watch, .ear = ear_new(s, 'a') };

	ear_set(stopper.ear, PL_READ);
	ear_tell(stopper.ear);
	pl_call_later(s->reactor, &stopper.timer, 0);
	turn(s);
	assert_string_equal(s->log, "");
}

static void holes_in_the_poll_set_are_closed(void **state)
{
	struct scene *s = *state;
	enum { N = 100 };
	struct ear *ears[N];
	bool set[N] = { false };
	unsigned random = 1;
	size_t base;

	turn(s);
	base = s->n;
	for (int i = 0; i < N; i++)
		ears[i] = ear_new(s, 'x');
	for (int round = 0; round < 300; round++) {
		size_t wanting = 0;

		for (int i = 0; i < N; i++) {
			random = random * 1103515245 + 12345;
			if ((random >> 16) % 3 == 0) {
				pl_watch_stop(&ears[i]->watch);
				set[i] = false;
			} else if ((random >> 16) % 3 == 1) {
				ear_set(ears[i], PL_READ);
				set[i] = true;
			}
			wanting += set[i];
		}
		turn(s);
		turn(s);
		assert_int_equal(s->n, base + wanting);
		assert_string_equal(s->log, "");
	}
	for (int i = 0; i < N; i++)
		ear_tell(ears[i]);
	for (int i = 0; i < N; i++)
		ear_set(ears[i], PL_READ);
	turn(s);
	assert_int_equal(strlen(s->log), 3 * N - 1); /* each once */
	for (int i = 0; i < N; i++)
		ear_free(ears[i]);
	turn(s);
	turn(s);
	assert_int_equal(s->n, base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
		T(a_watch_hears_of_what_can_be_read),
		T(a_watch_hears_of_room_to_write),
		T(last_words_and_hangup_come_together_as_two_bits),
		T(an_error_is_a_bit_of_its_own),
		T(what_is_wanted_can_be_changed),
		T(a_watch_that_wants_nothing_leaves_the_poll_set),
		T(a_hung_up_watch_that_wants_nothing_does_not_spin),
		T(a_watch_may_be_set_to_nothing_at_first),
		T(a_stopped_watch_hears_nothing),
		T(a_watch_stopped_and_freed_by_another_of_the_turn_hears_nothing),
		T(a_watch_may_stop_and_free_itself),
		T(a_number_reused_in_the_same_turn_does_not_hear_the_old_event),
		T(a_watch_added_in_a_turn_is_not_looked_at_until_the_next),
		T(a_watch_that_takes_the_place_of_a_stopped_one_does_not_hear_its_event),
		T(a_watch_that_came_to_want_nothing_in_this_turn_hears_nothing),
		T(a_watch_freed_by_a_timer_of_the_turn_hears_nothing),
		T(holes_in_the_poll_set_are_closed),
	};

	return cmocka_run_group_tests_name("watches", tests, NULL, NULL);
}
