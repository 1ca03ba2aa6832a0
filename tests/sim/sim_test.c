/* sim_test.c: runs the simulation: as a test, or by hand.
 *
 *     test_sim_server                 a fixed set of seeds, and every planted mistake
 *     test_sim_server --seed N        that run, as it was; --trace tells all that happens
 *     test_sim_server --seeds N       N seeds from a fixed start
 *     test_sim_server --seconds S     seeds that nobody has tried, for so long
 *     test_sim_server --people N --turns N    so many, and so many turns in which they
 *                                     act, instead of what the seed says
 *     test_sim_server --plant N       with a planted mistake, by its number
 */
#include "sim.h"

#include "cmocka_all.h"

#include <inttypes.h>
#include <partyline/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FIXED_SEEDS = 12, FIRST_SEED = 1000, PLANT_SEEDS = 40 };

struct sum {
	unsigned long runs, broken, turns, said, read, skipped, visits, failed, jobs;
};

static void add(struct sum *s, const struct sim_result *r)
{
	s->runs++;
	s->broken += r->broken[0] != '\0';
	s->turns += r->turns;
	s->said += r->said;
	s->read += r->read;
	s->skipped += r->skipped;
	s->visits += r->visits;
	s->failed += r->failed_allocations;
	s->jobs += r->jobs;
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void print_sum(const struct sum *s, double took)
{
	printf("sim: %lu seeds, %lu turns, %lu visits; %lu lines said, %lu read, %lu "
	       "skipped and told; %lu jobs, %lu allocations failed; %.0f turns/s\n",
	       s->runs, s->turns, s->visits, s->said, s->read, s->skipped, s->jobs,
	       s->failed, (double)s->turns / took);
}

/* What --seed needs beside it to do the same again. */
static void print_options(const struct sim_options *o)
{
	if (o->people)
		fprintf(stderr, " --people %u", o->people);
	if (o->turns)
		fprintf(stderr, " --turns %u", o->turns);
	if (o->plant)
		fprintf(stderr, " --plant %d", (int)o->plant);
}

/* Runs one seed and tells when it broke. */
static bool run(const struct sim_options *o, struct sum *sum)
{
	struct sim_result r;

	sim_run(o, &r);
	add(sum, &r);
	if (r.broken[0]) {
		fflush(stdout);
		fprintf(stderr, "sim: seed %" PRIu64, o->seed);
		print_options(o);
		fprintf(stderr, " %s\nThe last that happened:\n%s", r.broken,
		        r.last_events ? r.last_events : "");
	}
	free(r.last_events);
	return !r.broken[0];
}

static bool run_many(struct sim_options o, unsigned long n, struct sum *sum)
{
	bool good = true;

	for (; n > 0; n--, o.seed++)
		good = run(&o, sum) && good;
	return good;
}

/* --- the tests -------------------------------------------------------------------------- */

static void a_fixed_set_of_seeds_keeps_all_that_is_promised(void **state)
{
	struct sum sum = { 0 };
	const double start = seconds();
	const bool good =
		run_many((struct sim_options){ .seed = FIRST_SEED }, FIXED_SEEDS, &sum);

	(void)state;
	print_sum(&sum, seconds() - start);
	assert_true(good);
	/* It has done what it is there for. */
	assert_true(sum.said > 10000 && sum.read > 100000);
	assert_true(sum.skipped > 1000 && sum.failed > 10 && sum.jobs > 1000);
}

static void a_crowd_keeps_all_that_is_promised(void **state)
{
	struct sum sum = { 0 };
	const double start = seconds();
	const struct sim_options o = { .seed = 7, .people = 300, .turns = 70 };
	const bool good = run(&o, &sum);

	(void)state;
	print_sum(&sum, seconds() - start);
	assert_true(good);
	assert_true(sum.visits > 300);
}

static uint64_t hash_of(uint64_t seed, enum plant plant)
{
	const struct sim_options o = { .seed = seed, .plant = plant };
	struct sim_result r;

	sim_run(&o, &r);
	free(r.last_events);
	return r.hash;
}

static void a_seed_is_the_same_run_every_time(void **state)
{
	(void)state;
	for (uint64_t seed = FIRST_SEED; seed < FIRST_SEED + 5; seed++)
		assert_true(hash_of(seed, PLANT_NONE) == hash_of(seed, PLANT_NONE));
	assert_true(hash_of(1, PLANT_NONE) != hash_of(2, PLANT_NONE));
	/* ... and it would show if it were not. */
	assert_true(hash_of(1, PLANT_REAL_CLOCK) != hash_of(1, PLANT_REAL_CLOCK));
}

/* Does the verdict, "turn 5123: twice: ...", begin with that word? */
static bool is_verdict(const char *broken, const char *word)
{
	const char *at = strstr(broken, ": ");

	return at && strncmp(at + 2, word, strlen(word)) == 0 &&
	       at[2 + strlen(word)] == ':';
}

static bool is_caught(enum plant plant)
{
	struct sim_options o = { .plant = plant };
	struct sim_result r;

	for (unsigned i = 0; i < PLANT_SEEDS; i++) {
		o.seed = FIRST_SEED + i;
		sim_run(&o, &r);
		free(r.last_events);
		if (!r.broken[0])
			continue;
		printf("sim: when %s: seed %" PRIu64 " %s\n", plant_name(plant), o.seed,
		       r.broken);
		return is_verdict(r.broken, plant_verdict(plant));
	}
	printf("sim: when %s: not caught by %d seeds\n", plant_name(plant), PLANT_SEEDS);
	return false;
}

static void every_planted_mistake_is_caught_and_called_by_its_name(void **state)
{
	unsigned missed = 0;

	(void)state;
	for (int plant = PLANT_NONE + 1; plant < PLANTS; plant++)
		if (plant != PLANT_REAL_CLOCK && !is_caught((enum plant)plant)) {
			missed++;
			print_error("%s: should have been \"%s\"\n",
			            plant_name((enum plant)plant),
			            plant_verdict((enum plant)plant));
		}
	assert_int_equal(missed, 0);
}

/* --- by hand --------------------------------------------------------------------------------- */

struct arguments {
	struct sim_options options;
	unsigned long seeds, seconds;
	bool seed_given;
};

static bool parse(int argc, char **argv, struct arguments *a)
{
	for (int i = 1; i < argc; i++) {
		const char *name = argv[i];
		unsigned long long value;

		if (strcmp(name, "--trace") == 0) {
			a->options.trace = true;
			continue;
		}
		if (i + 1 == argc)
			return false;
		value = strtoull(argv[++i], NULL, 10);
		if (strcmp(name, "--seed") == 0) {
			a->options.seed = value;
			a->seed_given = true;
		} else if (strcmp(name, "--seeds") == 0) {
			a->seeds = (unsigned long)value;
		} else if (strcmp(name, "--seconds") == 0) {
			a->seconds = (unsigned long)value;
		} else if (strcmp(name, "--people") == 0) {
			a->options.people = (unsigned)value;
		} else if (strcmp(name, "--turns") == 0) {
			a->options.turns = (unsigned)value;
		} else if (strcmp(name, "--plant") == 0 && value < PLANTS) {
			a->options.plant = (enum plant)value;
		} else {
			return false;
		}
	}
	return true;
}

/* Until the time is over or the first seed breaks. */
static bool run_for(struct arguments *a, struct sum *sum)
{
	const double end = seconds() + (double)a->seconds;
	bool good = true;

	if (!a->seed_given)
		a->options.seed = (uint64_t)time(NULL) * 1000000;
	printf("sim: seeds from %" PRIu64 " on, for %lu s\n", a->options.seed, a->seconds);
	fflush(stdout);
	for (; good && seconds() < end; a->options.seed++)
		good = run(&a->options, sum);
	return good;
}

static int by_hand(int argc, char **argv)
{
	struct arguments a = { .seeds = 1 };
	struct sum sum = { 0 };
	const double start = seconds();
	bool good;

	if (!parse(argc, argv, &a)) {
		fprintf(stderr,
		        "usage: %s [--seed N] [--seeds N] [--seconds S] [--people N] "
		        "[--turns N] [--plant N] [--trace]\n",
		        argv[0]);
		return 2;
	}
	if (!a.seed_given)
		a.options.seed = FIRST_SEED;
	good = a.seconds ? run_for(&a, &sum) : run_many(a.options, a.seeds, &sum);
	print_sum(&sum, seconds() - start);
	return good ? 0 : 1;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fixed_set_of_seeds_keeps_all_that_is_promised),
		cmocka_unit_test(a_crowd_keeps_all_that_is_promised),
		cmocka_unit_test(a_seed_is_the_same_run_every_time),
		cmocka_unit_test(every_planted_mistake_is_caught_and_called_by_its_name),
	};

	pl_log_set_level(PL_LOG_ERROR);
	if (argc > 1)
		return by_hand(argc, argv);
	return cmocka_run_group_tests_name("simulation", tests, NULL, NULL);
}
