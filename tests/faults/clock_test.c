/* clock_test.c: somebody sets the clock of the machine while people talk.
 *
 * Hours forward and back, to before 1970 and beyond 2038: what the reactor does goes by a
 * clock that nobody can set, so no timer moves and nobody is lost.  The times of messages
 * are all that follows. */
#include "chat/chat.h"
#include "cmocka_all.h"
#include "world.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <partyline/endpoint.h>
#include <partyline/log.h>

#define HOUR_MS INT64_C(3600000)

static const int64_t steps_ms[] = {
	5 * HOUR_MS,
	-10 * HOUR_MS,
	HOUR_MS,
	-HOUR_MS,
	40 * 365 * 24 * HOUR_MS,
	-80 * 365 * 24 * HOUR_MS,
	1,
	-1,
};
enum { STEPS = sizeof steps_ms / sizeof *steps_ms };

struct place {
	struct pl_world *world;
	struct pl_reactor *reactor;
	struct chat *chat;
	struct pl_mem_user *ann, *bob;
};

static int64_t last_time_ms; /* of a message */

static bool note_time(struct pl_group_link *member, const struct pl_msg *m)
{
	(void)member;
	last_time_ms = m->time_ms;
	return true;
}

static const struct pl_group_ops group_ops = { .wants = note_time };

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof *p);

	pl_log_set_level(PL_LOG_ERROR);
	p->world = pl_world_create(1);
	p->reactor = pl_world_reactor(p->world);
	p->chat = chat_create(p->reactor, &(struct chat_options){ .name = "hall" });
	p->chat->lobby.group.ops = &group_ops;
	if (!pl_listen(p->reactor, "mem:plain", &p->chat->factory, NULL) ||
	    !pl_listen(p->reactor, "mem:edit:edit=on", &p->chat->factory, NULL))
		return -1;
	p->ann = pl_mem_user_join(p->world, "plain");
	p->bob = pl_mem_user_join(p->world, "edit");
	*state = p;
	return p->ann && p->bob ? 0 : -1;
}

static int teardown(void **state)
{
	struct place *p = *state;

	pl_mem_user_destroy(p->ann);
	pl_mem_user_destroy(p->bob);
	pl_world_destroy(p->world);
	chat_destroy(p->chat);
	free(p);
	return 0;
}

static void assert_they_talk(struct place *p)
{
	pl_mem_user_clear(p->ann);
	pl_mem_user_clear(p->bob);
	pl_mem_user_type(p->ann, "hello\n");
	assert_non_null(strstr(pl_mem_user_screen(p->bob), "<guest1> hello"));
	pl_mem_user_type(p->bob, "hi\r");
	assert_non_null(strstr(pl_mem_user_screen(p->ann), "<guest2> hi"));
	assert_false(pl_mem_user_is_lost(p->ann));
	assert_false(pl_mem_user_is_lost(p->bob));
}

static void nobody_is_lost_and_talk_goes_on(void **state)
{
	struct place *p = *state;

	for (int i = 0; i < STEPS; i++) {
		world_step_wall(p->world, steps_ms[i]);
		assert_they_talk(p);
		pl_world_advance(p->world, 20 * 60 * 1000);
		assert_they_talk(p);
	}
}

static void the_times_of_messages_follow_the_clock(void **state)
{
	struct place *p = *state;
	int64_t wanted_ms;

	assert_they_talk(p);
	wanted_ms = last_time_ms;
	assert_int_equal(wanted_ms, pl_reactor_wall(p->reactor));
	for (int i = 0; i < STEPS; i++) {
		world_step_wall(p->world, steps_ms[i]);
		wanted_ms += steps_ms[i];
		assert_they_talk(p);
		assert_int_equal(last_time_ms, wanted_ms);
	}
}

static unsigned fired;

static void on_fired(struct pl_timer *t)
{
	(void)t;
	fired++;
}

static void timers_do_not_move(void **state)
{
	struct place *p = *state;

	for (int i = 0; i < STEPS; i++) {
		struct pl_timer t = { .fn = on_fired };

		fired = 0;
		pl_call_later(p->reactor, &t, 10000);
		pl_world_advance(p->world, 5000);
		world_step_wall(p->world, steps_ms[i]);
		pl_world_advance(p->world, 4999);
		assert_int_equal(fired, 0);
		pl_world_advance(p->world, 1);
		assert_int_equal(fired, 1);
	}
}

static void idle_is_how_long_it_was_and_not_what_the_clock_says(void **state)
{
	struct place *p = *state;

	assert_they_talk(p);
	pl_world_advance(p->world, 3 * 60 * 1000);
	for (int i = 0; i < STEPS; i++) {
		world_step_wall(p->world, steps_ms[i]);
		pl_mem_user_clear(p->ann);
		pl_mem_user_type(p->ann, "/who guest2\n");
		assert_non_null(strstr(pl_mem_user_screen(p->ann), " 3m\r\n"));
	}
}

static void say_much(struct place *p)
{
	char line[1002];

	memset(line, 'x', sizeof line - 2);
	line[1000] = '\n';
	line[1001] = '\0';
	for (int i = 0; i < 200; i++)
		pl_mem_user_type(p->ann, line);
}

/* Above the high mark for 10 minutes is the end, on TCP as on mem:, and no sooner. */
static void who_is_behind_has_the_ten_minutes_that_are_his(void **state)
{
	struct place *p = *state;

	pl_mem_user_stop_reading(p->bob);
	say_much(p);
	for (int i = 0; i < STEPS; i++)
		world_step_wall(p->world, steps_ms[i]);
	world_step_wall(p->world, 5 * HOUR_MS);
	pl_world_advance(p->world, 10 * 60 * 1000 - 1000);
	assert_int_equal(p->chat->count, 2);
	pl_world_advance(p->world, 1000);
	assert_int_equal(p->chat->count, 1);
}

static void the_real_reactor_goes_by_the_clock_that_nobody_can_set(void **state)
{
	struct pl_reactor *r = pl_reactor_create(NULL);
	struct timespec ts;
	uint64_t before_ms, after_ms;

	(void)state;
	assert_non_null(r);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	before_ms = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	pl_reactor_turn(r, 0);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	after_ms = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	assert_in_range(pl_reactor_now(r), before_ms, after_ms);
	pl_reactor_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(nobody_is_lost_and_talk_goes_on),
		T(the_times_of_messages_follow_the_clock),
		T(timers_do_not_move),
		T(idle_is_how_long_it_was_and_not_what_the_clock_says),
		cmocka_unit_test(the_real_reactor_goes_by_the_clock_that_nobody_can_set),
		T(who_is_behind_has_the_ten_minutes_that_are_his),
	};

	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
