/* deferred_test.c: what deferred.h promises: chains of results, later ones, cancelling. */
#include "cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <partyline/deferred.h>

/* A step that writes down what it received and returns what it was told to. */
struct link {
	struct pl_step step;
	char letter;
	struct pl_result returns;
	bool passes;               /* returns what it received */
	struct pl_deferred *frees; /* the deferred that it frees */
};

static char log_text[500];
static unsigned cancelled; /* how often the producer was told */

static void note(char letter, char way, struct pl_result in)
{
	size_t used = strlen(log_text);

	snprintf(log_text + used, sizeof(log_text) - used, "%s%c%c%d%s", used ? " " : "",
	         letter, way, in.status, in.value ? (const char *)in.value : "");
}

static struct pl_result act(struct pl_step *step, char way, struct pl_result in)
{
	struct link *l = pl_container_of(step, struct link, step);

	note(l->letter, way, in);
	free(l->frees);
	return l->passes ? in : l->returns;
}

static struct pl_result on_value(struct pl_step *step, struct pl_result in)
{
	return act(step, '+', in);
}

static struct pl_result on_failure(struct pl_step *step, struct pl_result in)
{
	return act(step, '-', in);
}

static struct link link_of(char letter, struct pl_result returns)
{
	return (struct link){ .step = { .on_value = on_value, .on_failure = on_failure },
		              .letter = letter,
		              .returns = returns };
}

static struct pl_result value(const char *text)
{
	return (struct pl_result){ .value = (void *)(uintptr_t)text };
}

static struct pl_result failure(int status)
{
	return (struct pl_result){ .status = status };
}

static struct pl_result later(struct pl_deferred *d)
{
	return (struct pl_result){ .later = d };
}

static void count_cancel(struct pl_deferred *d)
{
	(void)d;
	cancelled++;
}

static void free_cancelled(struct pl_deferred *d)
{
	cancelled++;
	free(d);
}

static int setup(void **state)
{
	(void)state;
	log_text[0] = '\0';
	cancelled = 0;
	return 0;
}

/* --- chains ---------------------------------------------------------------------- */

static void a_step_receives_the_value(void **state)
{
	struct pl_deferred d;
	struct link a = link_of('a', value(""));

	(void)state;
	pl_deferred_init(&d, NULL);
	pl_deferred_add(&d, &a.step);
	assert_string_equal(log_text, "");
	pl_deferred_fire(&d, value("x"));
	assert_string_equal(log_text, "a+0x");
}

static void each_step_receives_what_the_one_before_returned(void **state)
{
	struct pl_deferred d;
	struct link a = link_of('a', value("y")), b = link_of('b', failure(-EIO)),
		    c = link_of('c', value("z")), e = link_of('e', value(""));

	(void)state;
	pl_deferred_init(&d, NULL);
	pl_deferred_add(&d, &a.step);
	pl_deferred_add(&d, &b.step);
	pl_deferred_add(&d, &c.step);
	pl_deferred_add(&d, &e.step);
	pl_deferred_fire(&d, value("x"));
	assert_string_equal(log_text, "a+0x b+0y c--5 e+0z");
}

static void a_step_without_the_matching_function_is_passed_over(void **state)
{
	struct pl_deferred d;
	struct link a = link_of('a', value("y")), b = link_of('b', value("z")),
		    c = link_of('c', value(""));

	(void)state;
	a.step.on_failure = NULL;
	b.step.on_value = NULL;
	pl_deferred_init(&d, NULL);
	pl_deferred_add(&d, &a.step);
	pl_deferred_add(&d, &b.step);
	pl_deferred_add(&d, &c.step);
	pl_deferred_fire(&d, failure(-ENOENT));
	assert_string_equal(log_text, "b--2 c+0z");

	log_text[0] = '\0';
	pl_deferred_init(&d, NULL);
	pl_deferred_add(&d, &a.step);
	pl_deferred_add(&d, &b.step);
	pl_deferred_add(&d, &c.step);
	pl_deferred_fire(&d, value("x"));
	assert_string_equal(log_text, "a+0x c+0y");
}

static void a_step_added_after_the_result_runs_at_once(void **state)
{
	struct pl_deferred d;
	struct link a = link_of('a', value(""));

	(void)state;
	pl_deferred_init(&d, count_cancel);
	pl_deferred_fire(&d, failure(-EACCES));
	assert_string_equal(log_text, "");
	pl_deferred_add(&d, &a.step);
	assert_string_equal(log_text, "a--13");
}

/* --- later ----------------------------------------------------------------------- */

static void a_result_still_to_come_is_waited_for(void **state)
{
	struct pl_deferred first, second;
	struct link a = link_of('a', later(&second)), b = link_of('b', value("w")),
		    c = link_of('c', value(""));

	(void)state;
	pl_deferred_init(&first, NULL);
	pl_deferred_init(&second, NULL);
	pl_deferred_add(&first, &a.step);
	pl_deferred_add(&first, &b.step);
	pl_deferred_add(&first, &c.step);
	pl_deferred_fire(&first, value("x"));
	assert_string_equal(log_text, "a+0x");
	pl_deferred_fire(&second, value("y"));
	assert_string_equal(log_text, "a+0x b+0y c+0w");
}

static void a_later_result_that_is_there_already_is_taken_at_once(void **state)
{
	struct pl_deferred first, second;
	struct link a = link_of('a', later(&second)), b = link_of('b', value(""));

	(void)state;
	pl_deferred_init(&first, NULL);
	pl_deferred_init(&second, NULL);
	pl_deferred_fire(&second, failure(-EBUSY));
	pl_deferred_add(&first, &a.step);
	pl_deferred_add(&first, &b.step);
	pl_deferred_fire(&first, value("x"));
	assert_string_equal(log_text, "a+0x b--16");
}

static void the_later_deferreds_own_steps_run_first(void **state)
{
	struct pl_deferred first, second;
	struct link a = link_of('a', later(&second)), b = link_of('b', value("")),
		    own = link_of('o', value("z"));

	(void)state;
	pl_deferred_init(&first, NULL);
	pl_deferred_init(&second, NULL);
	pl_deferred_add(&second, &own.step);
	pl_deferred_add(&first, &a.step);
	pl_deferred_add(&first, &b.step);
	pl_deferred_fire(&first, value("x"));
	pl_deferred_fire(&second, value("y"));
	assert_string_equal(log_text, "a+0x o+0y b+0z");
}

static void firing_with_a_result_still_to_come_waits_for_it(void **state)
{
	struct pl_deferred first, second;
	struct link a = link_of('a', value(""));

	(void)state;
	pl_deferred_init(&first, NULL);
	pl_deferred_init(&second, NULL);
	pl_deferred_add(&first, &a.step);
	pl_deferred_fire(&first, later(&second));
	assert_string_equal(log_text, "");
	pl_deferred_fire(&second, value("y"));
	assert_string_equal(log_text, "a+0y");

	log_text[0] = '\0';
	pl_deferred_init(&first, NULL);
	pl_deferred_init(&second, NULL);
	pl_deferred_fire(&first, later(&second)); /* nobody waits yet */
	pl_deferred_add(&first, &a.step);
	assert_string_equal(log_text, "");
	pl_deferred_fire(&second, value("z"));
	assert_string_equal(log_text, "a+0z");
}

static void later_may_come_several_times_in_one_chain(void **state)
{
	struct pl_deferred first, second, third;
	struct link a = link_of('a', later(&second)), b = link_of('b', later(&third)),
		    c = link_of('c', value(""));

	(void)state;
	pl_deferred_init(&first, NULL);
	pl_deferred_init(&second, NULL);
	pl_deferred_init(&third, NULL);
	pl_deferred_add(&first, &a.step);
	pl_deferred_add(&first, &b.step);
	pl_deferred_add(&first, &c.step);
	pl_deferred_fire(&first, value("1"));
	pl_deferred_fire(&second, value("2"));
	assert_string_equal(log_text, "a+01 b+02");
	pl_deferred_fire(&third, value("3"));
	assert_string_equal(log_text, "a+01 b+02 c+03");
}

/* --- cancelling ------------------------------------------------------------------ */

static void a_cancelled_deferred_runs_no_step_and_tells_the_producer(void **state)
{
	struct pl_deferred d;
	struct link a = link_of('a', value("")), b = link_of('b', value(""));

	(void)state;
	pl_deferred_init(&d, count_cancel);
	pl_deferred_add(&d, &a.step);
	pl_deferred_add(&d, &b.step);
	pl_deferred_cancel(&d);
	assert_int_equal(cancelled, 1);
	assert_string_equal(log_text, "");
	pl_step_cancel(&a.step); /* waits for nothing any more */
	assert_int_equal(cancelled, 1);
}

static void the_producer_may_free_the_deferred_when_it_is_cancelled(void **state)
{
	struct pl_deferred *d = malloc(sizeof(*d));
	struct link a = link_of('a', value(""));

	(void)state;
	pl_deferred_init(d, free_cancelled);
	pl_deferred_add(d, &a.step);
	pl_step_cancel(&a.step);
	assert_int_equal(cancelled, 1);
	assert_string_equal(log_text, "");
}

static void cancelling_after_the_result_does_not_tell_the_producer(void **state)
{
	struct pl_deferred d;

	(void)state;
	pl_deferred_init(&d, count_cancel);
	pl_deferred_fire(&d, value("x"));
	pl_deferred_cancel(&d);
	assert_int_equal(cancelled, 0);
}

static void a_step_that_was_never_added_may_be_cancelled(void **state)
{
	struct link a = link_of('a', value(""));

	(void)state;
	pl_step_cancel(&a.step);
	assert_string_equal(log_text, "");
}

static void cancelling_a_step_finds_the_deferred_that_the_chain_waits_for_now(void **state)
{
	struct pl_deferred first, *second = malloc(sizeof(*second));
	struct link a = link_of('a', later(second)), b = link_of('b', value(""));

	(void)state;
	pl_deferred_init(&first, count_cancel);
	pl_deferred_init(second, free_cancelled);
	pl_deferred_add(&first, &a.step);
	pl_deferred_add(&first, &b.step);
	pl_deferred_fire(&first, value("x"));
	pl_step_cancel(&b.step);
	assert_int_equal(cancelled, 1); /* the second, which has freed itself */
	assert_string_equal(log_text, "a+0x");
}

static void a_step_that_has_run_is_not_cancelled_with_the_chain(void **state)
{
	struct pl_deferred first, second;
	struct link a = link_of('a', later(&second)), b = link_of('b', value(""));

	(void)state;
	pl_deferred_init(&first, NULL);
	pl_deferred_init(&second, count_cancel);
	pl_deferred_add(&first, &a.step);
	pl_deferred_add(&first, &b.step);
	pl_deferred_fire(&first, value("x"));
	pl_step_cancel(&a.step); /* it waits for nothing: b still does */
	assert_int_equal(cancelled, 0);
	pl_deferred_fire(&second, value("y"));
	assert_string_equal(log_text, "a+0x b+0y");
}

/* --- memory ---------------------------------------------------------------------- */

static void the_first_step_may_free_the_deferred(void **state)
{
	struct pl_deferred *d = malloc(sizeof(*d));
	struct link a = link_of('a', value("y")), b = link_of('b', value(""));

	(void)state;
	a.frees = d;
	pl_deferred_init(d, count_cancel);
	pl_deferred_add(d, &a.step);
	pl_deferred_add(d, &b.step);
	pl_deferred_fire(d, value("x"));
	assert_string_equal(log_text, "a+0x b+0y");
}

static void a_step_added_too_late_may_free_the_deferred(void **state)
{
	struct pl_deferred *d = malloc(sizeof(*d));
	struct link a = link_of('a', value(""));

	(void)state;
	a.frees = d;
	pl_deferred_init(d, count_cancel);
	pl_deferred_fire(d, value("x"));
	pl_deferred_add(d, &a.step);
	assert_string_equal(log_text, "a+0x");
}

static struct pl_result free_step(struct pl_step *step, struct pl_result in)
{
	note('f', '+', in);
	free(pl_container_of(step, struct link, step));
	return in;
}

static void a_step_may_free_itself(void **state)
{
	struct pl_deferred d;
	struct link *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));

	(void)state;
	a->step.on_value = free_step;
	b->step.on_value = free_step;
	pl_deferred_init(&d, NULL);
	pl_deferred_add(&d, &a->step);
	pl_deferred_add(&d, &b->step);
	pl_deferred_fire(&d, value("x"));
	assert_string_equal(log_text, "f+0x f+0x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup(name, setup)
		T(a_step_receives_the_value),
		T(each_step_receives_what_the_one_before_returned),
		T(a_step_without_the_matching_function_is_passed_over),
		T(a_step_added_after_the_result_runs_at_once),
		T(a_result_still_to_come_is_waited_for),
		T(a_later_result_that_is_there_already_is_taken_at_once),
		T(the_later_deferreds_own_steps_run_first),
		T(firing_with_a_result_still_to_come_waits_for_it),
		T(later_may_come_several_times_in_one_chain),
		T(a_cancelled_deferred_runs_no_step_and_tells_the_producer),
		T(the_producer_may_free_the_deferred_when_it_is_cancelled),
		T(cancelling_after_the_result_does_not_tell_the_producer),
		T(a_step_that_was_never_added_may_be_cancelled),
		T(cancelling_a_step_finds_the_deferred_that_the_chain_waits_for_now),
		T(a_step_that_has_run_is_not_cancelled_with_the_chain),
		T(the_first_step_may_free_the_deferred),
		T(a_step_added_too_late_may_free_the_deferred),
		T(a_step_may_free_itself),
	};

	return cmocka_run_group_tests_name("deferreds", tests, NULL, NULL);
}
