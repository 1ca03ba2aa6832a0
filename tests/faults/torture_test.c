/* torture_test.c: the Nth call fails, for every N, in every way, on every wire.
 *
 * Run as `torture WIRE`, which takes every allocation (on terminal lines, whose kernel takes
 * its time, every second) and every so-manieth system call; `torture WIRE all` takes every
 * one; `torture WIRE CALL ERRNO N` plays one point alone,
 * for who looks for what it shows. */
#include "cmocka_all.h"
#include "play.h"

#include <partyline/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct wire *wire;
static bool all;

/* When not all points are tried: of a call that is made N times about so many in each way,
 * and of memory that runs out every so-manieth allocation. */
enum { SAMPLES = 5 };

/* How often each call is made when none fails. */
static unsigned long times[FAULTY_CALLS];

static void count_calls(void **state)
{
	const struct point nothing = { .nth = 0 };

	(void)state;
	assert_false(play(wire, &nothing));
	for (int i = 0; i < FAULTY_CALLS; i++)
		times[i] = faults_counted((enum faulty)i);
}

static void report(const char *what, unsigned long points)
{
	print_message("[          ] %s: %s: %lu points\n", wire->name, what, points);
}

/* From the first, each stride further, until a play comes to its end without. */
static unsigned long fail_each(struct point point, unsigned long first, unsigned long stride)
{
	unsigned long points = 0;

	for (point.nth = first; play(wire, &point); point.nth += stride)
		points++;
	return points;
}

static void every_allocation_fails_once(void **state)
{
	const struct point point = { .call = F_allocation };

	(void)state;
	report("allocation", fail_each(point, 1, wire->getty && !all ? 2 : 1));
}

static void memory_runs_out_and_does_not_come_back(void **state)
{
	const struct point point = { .call = F_allocation, .lasting = true };

	(void)state;
	report("allocation, and all after it", fail_each(point, 1, all ? 1 : SAMPLES));
}

/* Where the samples begin differs from way to way, so that together they cover more. */
static unsigned long fail_in_every_way(enum faulty call)
{
	const unsigned long stride = all ? 1 : 1 + times[call] / SAMPLES;
	unsigned long points = 0;

	for (int way = 0; way < WAYS_MAX && calls[call].ways[way].name; way++) {
		const struct point point = { .call = call, .way = way };

		points += fail_each(point, 1 + (unsigned long)way % stride, stride);
	}
	return points;
}

static void every_system_call_fails_in_every_way(void **state)
{
	unsigned long sum = 0;

	(void)state;
	for (int call = F_allocation + 1; call < FAULTY_CALLS; call++) {
		unsigned long points;

		if (times[call] == 0)
			continue;
		points = fail_in_every_way((enum faulty)call);
		report(calls[call].name, points);
		sum += points;
	}
	report("system calls", sum);
}

static int tell_where(void **state)
{
	(void)state;
	if (*play_under_way())
		print_error("it was: %s\n", play_under_way());
	return 0;
}

/* One alone. */
static struct point wanted;

static void this_point(void **state)
{
	(void)state;
	print_message("[          ] %s\n",
	              play(wire, &wanted) ? "it was reached" : "it was not reached");
}

static bool read_point(char **argv)
{
	for (int call = 0; call < FAULTY_CALLS; call++) {
		wanted.call = (enum faulty)call;
		for (wanted.way = 0;
		     strcmp(argv[0], calls[call].name) == 0 && wanted.way < WAYS_MAX &&
		     calls[call].ways[wanted.way].name;
		     wanted.way++)
			if (strcmp(argv[1], calls[call].ways[wanted.way].name) == 0) {
				wanted.nth = strtoul(argv[2], NULL, 10);
				return true;
			}
	}
	return false;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(count_calls, tell_where),
		cmocka_unit_test_teardown(every_allocation_fails_once, tell_where),
		cmocka_unit_test_teardown(memory_runs_out_and_does_not_come_back,
		                          tell_where),
		cmocka_unit_test_teardown(every_system_call_fails_in_every_way, tell_where),
	};
	const struct CMUnitTest one[] = { cmocka_unit_test_teardown(this_point,
		                                                    tell_where) };

	pl_log_set_level(PL_LOG_ERROR);
	wire = argc > 1 ? wire_find(argv[1]) : NULL;
	all = argc == 3 && strcmp(argv[2], "all") == 0;
	if (wire && argc >= 5 && read_point(argv + 2)) {
		wanted.lasting = argc > 5;
		return cmocka_run_group_tests_name(argv[1], one, NULL, NULL);
	}
	if (!wire || (argc > 2 && !all)) {
		fprintf(stderr, "usage: torture WIRE [all | CALL ERRNO N [lasting]]\n");
		return 2;
	}
	return cmocka_run_group_tests_name(argv[1], tests, NULL, NULL);
}
