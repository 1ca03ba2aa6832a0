/* error_test.c: sentences for failures. */
#include "cmocka_all.h"

#include <errno.h>
#include <string.h>

#include <partyline/error.h>

static void a_failure_is_a_code_and_a_sentence(void **state)
{
	struct pl_error err = { 0 };

	(void)state;
	assert_int_equal(pl_fail(&err, -EINVAL, "udp:%d: port must be 0..%d", 99999, 65535),
	                 -EINVAL);
	assert_int_equal(err.code, -EINVAL);
	assert_string_equal(err.text, "udp:99999: port must be 0..65535");
}

static void who_wants_no_sentence_gets_the_code(void **state)
{
	(void)state;
	assert_int_equal(pl_fail(NULL, -ENOMEM, "%s", "out of memory"), -ENOMEM);
}

static void a_longer_sentence_is_cut(void **state)
{
	struct {
		struct pl_error err;
		char behind[8];
	} place = { .behind = "behind" };
	char text[500];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(pl_fail(&place.err, -EIO, "%s", text), -EIO);
	assert_int_equal(strlen(place.err.text), sizeof(place.err.text) - 1);
	assert_string_equal(place.behind, "behind");
}

static void every_reason_has_words(void **state)
{
	(void)state;
	assert_string_equal(pl_reason(-ECONNRESET), "connection reset");
	for (int reason = -200; reason <= 0; reason++) {
		assert_non_null(pl_reason(reason));
		assert_true(strlen(pl_reason(reason)) > 0);
		assert_ptr_equal(pl_reason(reason), pl_reason(reason)); /* constant */
	}
	assert_string_not_equal(pl_reason(0), pl_reason(-ETIMEDOUT));
	assert_string_not_equal(pl_reason(-ENOBUFS), pl_reason(-ETIMEDOUT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failure_is_a_code_and_a_sentence),
		cmocka_unit_test(who_wants_no_sentence_gets_the_code),
		cmocka_unit_test(a_longer_sentence_is_cut),
		cmocka_unit_test(every_reason_has_words),
	};

	return cmocka_run_group_tests_name("errors", tests, NULL, NULL);
}
