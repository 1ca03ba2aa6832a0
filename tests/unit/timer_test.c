/* timer_test.c: what reactor.h promises of timers. */
#include "cmocka_all.h"
#include "scene.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

/* A timer that writes its letter and the time into the log. */
struct bell {
	struct pl_timer timer;
	struct scene *scene;
	char letter;
	uint64_t again_ms; /* arms itself anew */
	unsigned again;
	struct bell *cancels, *arms;
};

static void ring(struct pl_timer *t)
{
	struct bell *b = pl_container_of(t, struct bell, timer);
	struct scene *s = b->scene;

	scene_note(s, "%c%llu%s", b->letter, (unsigned long long)pl_reactor_now(s->reactor),
	           pl_timer_active(t) ? "!" : "");
	if (b->again > 0) {
		b->again--;
		pl_call_later(s->reactor, t, b->again_ms);
	}
	if (b->cancels)
		pl_timer_cancel(&b->cancels->timer);
	if (b->arms)
		pl_call_later(s->reactor, &b->arms->timer, 0);
}

static struct bell bell(struct scene *s, char letter)
{
	return (struct bell){ .timer.fn = ring, .scene = s, .letter = letter };
}

/* --- tests ----------------------------------------------------------------------- */

static void a_timer_rings_once_at_its_time(void **state)
{
	struct scene *s = *state;
	struct bell a = bell(s, 'a');

	pl_call_later(s->reactor, &a.timer, 250);
	scene_run_to(s, 5249);
	assert_string_equal(s->log, "");
	scene_run_to(s, 9000);
	assert_string_equal(s->log, "a5250");
}

static void timers_ring_by_deadline_and_each_sees_its_own_time(void **state)
{
	struct scene *s = *state;
	struct bell a = bell(s, 'a'), b = bell(s, 'b'), c = bell(s, 'c');

	pl_call_later(s->reactor, &c.timer, 30);
	pl_call_later(s->reactor, &a.timer, 10);
	pl_call_later(s->reactor, &b.timer, 20);
	scene_run_to(s, 6000);
	assert_string_equal(s->log, "a5010 b5020 c5030");
}

static void timers_of_one_deadline_ring_in_order_of_arming(void **state)
{
	struct scene *s = *state;
	struct bell bells[26];

	for (int i = 0; i < 26; i++)
		bells[i] = bell(s, (char)('a' + i));
	for (int i = 0; i < 26; i++)
		pl_call_later(s->reactor, &bells[i].timer, 100);
	pl_call_later(s->reactor, &bells[3].timer, 100); /* d is now the last */
	s->now_ms += 100;
	pl_reactor_turn(s->reactor, 0);
	assert_string_equal(s->log,
	                    "a5100 b5100 c5100 e5100 f5100 g5100 h5100 i5100 j5100 k5100 "
	                    "l5100 m5100 n5100 o5100 p5100 q5100 r5100 s5100 t5100 u5100 "
	                    "v5100 w5100 x5100 y5100 z5100 d5100");
}

static void overdue_timers_ring_by_deadline_not_by_arming(void **state)
{
	struct scene *s = *state;
	struct bell a = bell(s, 'a'), b = bell(s, 'b');

	pl_call_later(s->reactor, &a.timer, 50);
	pl_call_later(s->reactor, &b.timer, 40);
	s->now_ms += 1000; /* the machine slept */
	pl_reactor_turn(s->reactor, -1);
	assert_string_equal(s->log, "b6000 a6000");
	assert_int_equal(s->timeout_ms, 0);
}

static void a_timer_armed_by_a_timer_waits_for_the_next_turn(void **state)
{
	struct scene *s = *state;
	struct bell a = bell(s, 'a'), b = bell(s, 'b');

	a.arms = &b;
	pl_call_later(s->reactor, &a.timer, 0);
	pl_reactor_turn(s->reactor, -1);
	assert_string_equal(s->log, "a5000");
	pl_reactor_turn(s->reactor, -1);
	assert_string_equal(s->log, "a5000 b5000");
}

static void a_timer_that_arms_itself_with_zero_rings_once_a_turn(void **state)
{
	struct scene *s = *state;
	struct bell a = bell(s, 'a');

	a.again = 3;
	pl_call_later(s->reactor, &a.timer, 0);
	pl_reactor_turn(s->reactor, -1);
	assert_string_equal(s->log, "a5000");
	for (int i = 0; i < 3; i++)
		pl_reactor_turn(s->reactor, -1);
	assert_string_equal(s->log, "a5000 a5000 a5000 a5000");
	assert_int_equal(s->polls, 4);
}

static void a_timer_armed_anew_for_a_time_long_past_waits_for_the_next_turn(void **state)
{
	struct scene *s = *state;
	struct bell a = bell(s, 'a'), b = bell(s, 'b');

	/* b is due; a rings before it and moves it: it was armed in this turn. */
	a.arms = &b;
	pl_call_later(s->reactor, &a.timer, 10);
	pl_call_later(s->reactor, &b.timer, 20);
	s->now_ms += 100;
	pl_reactor_turn(s->reactor, 0);
	assert_string_equal(s->log, "a5100");
	pl_reactor_turn(s->reactor, 0);
	assert_string_equal(s->log, "a5100 b5100");
}

static void a_cancelled_timer_does_not_ring(void **state)
{
	struct scene *s = *state;
	struct bell a = bell(s, 'a');

	pl_timer_cancel(&a.timer); /* not armed yet */
	pl_call_later(s->reactor, &a.timer, 10);
	pl_timer_cancel(&a.timer);
	pl_timer_cancel(&a.timer);
	scene_run_to(s, 6000);
	assert_string_equal(s->log, "");
}

static void a_timer_cancelled_in_its_own_turn_does_not_ring(void **state)
{
	struct scene *s = *state;
	struct bell a = bell(s, 'a'), *b = malloc(sizeof(*b)), c = bell(s, 'c');

	*b = bell(s, 'b');
	a.cancels = b;
	pl_call_later(s->reactor, &a.timer, 10);
	pl_call_later(s->reactor, &b->timer, 10);
	pl_call_later(s->reactor, &c.timer, 10);
	scene_run_to(s, 6000);
	assert_string_equal(s->log, "a5010 c5010");
	free(b);
}

static void free_bell(struct pl_timer *t)
{
	struct bell *b = pl_container_of(t, struct bell, timer);

	if (b->cancels) {
		pl_timer_cancel(&b->cancels->timer);
		free(b->cancels);
	}
	free(b);
}

static void a_timer_may_free_itself_and_others_when_it_rings(void **state)
{
	struct scene *s = *state;
	struct bell *a = malloc(sizeof(*a)), *b = malloc(sizeof(*b)), c = bell(s, 'c');

	*a = bell(s, 'a');
	*b = bell(s, 'b');
	a->timer.fn = free_bell;
	a->cancels = b;
	pl_call_later(s->reactor, &a->timer, 10);
	pl_call_later(s->reactor, &b->timer, 10);
	pl_call_later(s->reactor, &c.timer, 10);
	scene_run_to(s, 6000);
	assert_string_equal(s->log, "c5010");
}

static void arming_an_armed_timer_moves_it(void **state)
{
	struct scene *s = *state;
	struct bell a = bell(s, 'a'), b = bell(s, 'b');

	pl_call_later(s->reactor, &a.timer, 10);
	pl_call_later(s->reactor, &b.timer, 20);
	pl_call_later(s->reactor, &a.timer, 30);
	scene_run_to(s, 6000);
	assert_string_equal(s->log, "b5020 a5030");

	s->log[0] = '\0';
	pl_call_later(s->reactor, &a.timer, 300);
	pl_call_later(s->reactor, &b.timer, 200);
	pl_call_later(s->reactor, &a.timer, 100);
	scene_run_to(s, 7000);
	assert_string_equal(s->log, "a6100 b6200");
}

static void a_timer_tells_whether_it_is_armed_and_what_is_left(void **state)
{
	struct scene *s = *state;
	struct bell a = bell(s, 'a');

	assert_false(pl_timer_active(&a.timer));
	assert_int_equal(pl_timer_left_ms(&a.timer), 0);
	pl_call_later(s->reactor, &a.timer, 100);
	assert_true(pl_timer_active(&a.timer));
	assert_int_equal(pl_timer_left_ms(&a.timer), 100);
	pl_reactor_turn(s->reactor, 60);
	assert_int_equal(pl_timer_left_ms(&a.timer), 40);
	pl_reactor_turn(s->reactor, 60);
	assert_false(pl_timer_active(&a.timer));
	assert_int_equal(pl_timer_left_ms(&a.timer), 0);
	assert_string_equal(s->log, "a5100"); /* nor was it active while it rang */
}

static void poll_waits_until_the_earliest_timer_and_no_longer(void **state)
{
	struct scene *s = *state;
	struct bell a = bell(s, 'a'), b = bell(s, 'b');

	pl_reactor_turn(s->reactor, -1);
	assert_int_equal(s->timeout_ms, -1);
	pl_reactor_turn(s->reactor, 70);
	assert_int_equal(s->timeout_ms, 70);

	pl_call_later(s->reactor, &a.timer, 300);
	pl_call_later(s->reactor, &b.timer, 200);
	pl_reactor_turn(s->reactor, 0);
	assert_int_equal(s->timeout_ms, 0);
	pl_reactor_turn(s->reactor, 50);
	assert_int_equal(s->timeout_ms, 50);
	pl_reactor_turn(s->reactor, -1);
	assert_int_equal(s->timeout_ms, 150);
	pl_reactor_turn(s->reactor, 1000);
	assert_int_equal(s->timeout_ms, 100);
	assert_string_equal(s->log, "b5270 a5370");
}

static void a_delay_longer_than_poll_can_wait_is_waited_for_in_parts(void **state)
{
	struct scene *s = *state;
	struct bell a = bell(s, 'a');
	uint64_t delay_ms = (uint64_t)INT_MAX * 2 + 1000;

	pl_call_later(s->reactor, &a.timer, delay_ms);
	for (int i = 0; i < 10 && s->log[0] == '\0'; i++) {
		pl_reactor_turn(s->reactor, -1);
		assert_true(s->timeout_ms >= 0);
	}
	assert_int_equal(s->now_ms, 5000 + delay_ms);
	assert_true(s->log[0] == 'a');
}

static void a_delay_beyond_all_time_does_not_come_round(void **state)
{
	struct scene *s = *state;
	struct bell a = bell(s, 'a');

	pl_call_later(s->reactor, &a.timer, UINT64_MAX);
	assert_true(pl_timer_active(&a.timer));
	scene_run_to(s, 100000);
	assert_string_equal(s->log, "");
	pl_timer_cancel(&a.timer);
}

/* --- against a model ------------------------------------------------------------- */

enum { MODEL_TIMERS = 1000 };

struct model_timer {
	struct pl_timer timer;
	struct model *model;
	uint64_t due_ms, order;
	bool armed;
};

struct model {
	struct scene *scene;
	struct model_timer timers[MODEL_TIMERS];
	uint64_t order, turn_order; /* orders from turn_order on were armed in this turn */
	unsigned random, rung;
	char wrong[100];
};

static unsigned pick(struct model *m, unsigned n)
{
	m->random = m->random * 1103515245 + 12345;
	return (m->random >> 16) % n;
}

static void model_arm(struct model *m, struct model_timer *t, uint64_t delay_ms)
{
	t->due_ms = pl_reactor_now(m->scene->reactor) + delay_ms;
	t->order = m->order++;
	t->armed = true;
	pl_call_later(m->scene->reactor, &t->timer, delay_ms);
}

static void model_cancel(struct model_timer *t)
{
	t->armed = false;
	pl_timer_cancel(&t->timer);
}

/* The one that has to ring now: the earliest that is due and older than this turn. */
static struct model_timer *model_next(struct model *m)
{
	struct model_timer *best = NULL;

	for (int i = 0; i < MODEL_TIMERS; i++) {
		struct model_timer *t = &m->timers[i];

		if (!t->armed || t->order >= m->turn_order || t->due_ms > m->scene->now_ms)
			continue;
		if (!best || t->due_ms < best->due_ms ||
		    (t->due_ms == best->due_ms && t->order < best->order))
			best = t;
	}
	return best;
}

static void model_ring(struct pl_timer *timer)
{
	struct model_timer *t = pl_container_of(timer, struct model_timer, timer);
	struct model *m = t->model;
	struct model_timer *expected = model_next(m);

	m->rung++;
	if (t != expected && m->wrong[0] == '\0')
		snprintf(m->wrong, sizeof(m->wrong), "timer %td rang instead of %td",
		         t - m->timers, expected ? expected - m->timers : -1);
	t->armed = false;
	for (int i = 0; i < 2; i++) {
		struct model_timer *other = &m->timers[pick(m, MODEL_TIMERS)];

		if (pick(m, 3) == 0)
			model_cancel(other);
		else
			model_arm(m, other, pick(m, 40));
	}
}

static void a_thousand_timers_ring_as_a_sorted_list_would(void **state)
{
	struct scene *s = *state;
	struct model *m = calloc(1, sizeof(*m));

	m->scene = s;
	m->random = 4;
	for (int i = 0; i < MODEL_TIMERS; i++) {
		m->timers[i].timer.fn = model_ring;
		m->timers[i].model = m;
		model_arm(m, &m->timers[i], pick(m, 100));
	}
	for (int i = 0; i < 200; i++) {
		s->now_ms += pick(m, 5);
		m->turn_order = m->order;
		pl_reactor_turn(s->reactor, 0);
		if (model_next(m) && m->wrong[0] == '\0')
			snprintf(m->wrong, sizeof(m->wrong), "one is left over");
	}
	for (int i = 0; i < MODEL_TIMERS; i++) {
		if (pl_timer_active(&m->timers[i].timer) != m->timers[i].armed)
			snprintf(m->wrong, sizeof(m->wrong), "timer %d is lost", i);
		pl_timer_cancel(&m->timers[i].timer);
	}
	assert_string_equal(m->wrong, "");
	assert_true(m->rung > MODEL_TIMERS);
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
		T(a_timer_rings_once_at_its_time),
		T(timers_ring_by_deadline_and_each_sees_its_own_time),
		T(timers_of_one_deadline_ring_in_order_of_arming),
		T(overdue_timers_ring_by_deadline_not_by_arming),
		T(a_timer_armed_by_a_timer_waits_for_the_next_turn),
		T(a_timer_that_arms_itself_with_zero_rings_once_a_turn),
		T(a_timer_armed_anew_for_a_time_long_past_waits_for_the_next_turn),
		T(a_cancelled_timer_does_not_ring),
		T(a_timer_cancelled_in_its_own_turn_does_not_ring),
		T(a_timer_may_free_itself_and_others_when_it_rings),
		T(arming_an_armed_timer_moves_it),
		T(a_timer_tells_whether_it_is_armed_and_what_is_left),
		T(poll_waits_until_the_earliest_timer_and_no_longer),
		T(a_delay_longer_than_poll_can_wait_is_waited_for_in_parts),
		T(a_delay_beyond_all_time_does_not_come_round),
		T(a_thousand_timers_ring_as_a_sorted_list_would),
	};

	return cmocka_run_group_tests_name("timers", tests, NULL, NULL);
}
