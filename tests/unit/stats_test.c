/* stats_test.c: counters come up when something is counted, and none is ever lost. */
#include "cmocka_all.h"
#include "scene.h"

#include <partyline/stats.h>
#include <stdio.h>
#include <string.h>

static void what_never_happened_has_no_counter(void **state)
{
	struct scene *s = *state;
	const char *what;
	uint64_t n;

	assert_false(pl_counter_at(s->reactor, 0, &what, &n));
	assert_int_equal(pl_counted(s->reactor, "test: nothing"), 0);
}

static void counts_add_up_under_their_name(void **state)
{
	struct scene *s = *state;
	const char literal[] = "test: twice";
	char other_place[sizeof literal];

	memcpy(other_place, literal, sizeof literal);
	pl_count(s->reactor, literal, 1);
	pl_count(s->reactor, other_place, 41);
	pl_count(s->reactor, "test: once", 1);
	assert_int_equal(pl_counted(s->reactor, "test: twice"), 42);
	assert_int_equal(pl_counted(s->reactor, "test: once"), 1);
}

static void they_are_in_the_order_of_their_names(void **state)
{
	struct scene *s = *state;
	const char *names[] = { "udp: b", "lines: a", "udp: a", "tcp: z", "lines: b" };
	const char *sorted[] = { "lines: a", "lines: b", "tcp: z", "udp: a", "udp: b" };
	const char *what;
	uint64_t n;

	for (size_t i = 0; i < 5; i++)
		pl_count(s->reactor, names[i], i + 1);
	for (size_t i = 0; i < 5; i++) {
		assert_true(pl_counter_at(s->reactor, i, &what, &n));
		assert_string_equal(what, sorted[i]);
	}
	assert_false(pl_counter_at(s->reactor, 5, &what, &n));
	assert_int_equal(pl_counted(s->reactor, "udp: b"), 1);
}

static void what_finds_no_place_is_counted_all_the_same(void **state)
{
	static char names[PL_COUNTERS_MAX + 10][16];
	struct scene *s = *state;
	uint64_t n, total = 0;
	const char *what;
	size_t i;

	for (i = 0; i < PL_COUNTERS_MAX + 10; i++) {
		snprintf(names[i], sizeof names[i], "test: %zu", i);
		pl_count(s->reactor, names[i], 1);
	}
	for (i = 0; pl_counter_at(s->reactor, i, &what, &n); i++)
		total += n;
	assert_int_equal(i, PL_COUNTERS_MAX);
	assert_int_equal(total, PL_COUNTERS_MAX + 10);
	assert_int_equal(pl_counted(s->reactor, "other"), 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_never_happened_has_no_counter,
		                                scene_setup, scene_teardown),
		cmocka_unit_test_setup_teardown(counts_add_up_under_their_name,
		                                scene_setup, scene_teardown),
		cmocka_unit_test_setup_teardown(they_are_in_the_order_of_their_names,
		                                scene_setup, scene_teardown),
		cmocka_unit_test_setup_teardown(what_finds_no_place_is_counted_all_the_same,
		                                scene_setup, scene_teardown),
	};

	return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
