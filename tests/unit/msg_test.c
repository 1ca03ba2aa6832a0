/* msg_test.c: messages, and how they read. */
#include "cmocka_all.h"

#include <partyline/msg.h>

#include <string.h>

static void check_plain(enum pl_msg_kind kind, const char *want)
{
	struct pl_msg *m = pl_msg_new(kind, "ann", "lobby", 42, "waves", 5);
	size_t len;

	assert_non_null(m);
	assert_string_equal(pl_msg_render(m, PL_STYLE_PLAIN, &len), want);
	assert_int_equal(len, strlen(want));
	pl_msg_unref(m);
}

static void each_kind_reads_as_it_should(void **state)
{
	(void)state;
	check_plain(PL_MSG_TEXT, "<ann> waves");
	check_plain(PL_MSG_ACTION, "* ann waves");
	check_plain(PL_MSG_NOTICE, "* waves");
	check_plain(PL_MSG_SERVER, "-- waves --");
	check_plain(PL_MSG_LINE, "waves");
}

static void a_message_keeps_its_own_copy_of_everything(void **state)
{
	char from[] = "ann", group[] = "lobby", text[] = "hello there";
	struct pl_msg *m = pl_msg_new(PL_MSG_TEXT, from, group, 1234, text, 5);

	(void)state;
	assert_non_null(m);
	memset(from, 'x', 3);
	memset(group, 'x', 5);
	memset(text, 'x', 11);
	assert_string_equal(m->from, "ann");
	assert_string_equal(m->group, "lobby");
	assert_string_equal(m->text, "hello");
	assert_int_equal(m->text_len, 5);
	assert_int_equal(m->time_ms, 1234);
	assert_int_equal(m->kind, PL_MSG_TEXT);
	pl_msg_unref(m);
}

static void sender_group_and_text_may_be_missing(void **state)
{
	struct pl_msg *m = pl_msg_new(PL_MSG_NOTICE, NULL, NULL, 0, NULL, 0);
	size_t len;

	(void)state;
	assert_non_null(m);
	assert_string_equal(m->from, "");
	assert_string_equal(m->group, "");
	assert_string_equal(m->text, "");
	assert_string_equal(pl_msg_render(m, PL_STYLE_PLAIN, &len), "* ");
	pl_msg_unref(m);
	pl_msg_unref(NULL);
}

static void a_style_is_rendered_once(void **state)
{
	struct pl_msg *m = pl_msg_new(PL_MSG_TEXT, "ann", NULL, 0, "hi", 2);
	size_t len;
	const char *first;

	(void)state;
	assert_non_null(m);
	first = pl_msg_render(m, PL_STYLE_PLAIN, &len);
	assert_ptr_equal(pl_msg_render(m, PL_STYLE_PLAIN, &len), first);
	pl_msg_unref(m);
}

static void the_last_reference_frees(void **state)
{
	struct pl_msg *m = pl_msg_new(PL_MSG_TEXT, "ann", NULL, 0, "hi", 2);

	(void)state;
	assert_non_null(m);
	assert_ptr_equal(pl_msg_ref(m), m);
	pl_msg_unref(m);
	assert_string_equal(m->text, "hi"); /* a sanitizer looks on */
	pl_msg_unref(m);
}

static void a_formatted_message_is_as_long_as_it_needs(void **state)
{
	char long_text[5000];
	struct pl_msg *m;

	(void)state;
	memset(long_text, 'x', sizeof long_text);
	long_text[sizeof long_text - 1] = '\0';
	m = pl_msg_newf(PL_MSG_SERVER, "%d %s", 3, long_text);
	assert_non_null(m);
	assert_int_equal(m->text_len, 2 + strlen(long_text));
	assert_memory_equal(m->text, "3 xxx", 5);
	pl_msg_unref(m);
}

static void a_length_beyond_all_memory_is_refused(void **state)
{
	(void)state;
	assert_null(pl_msg_new(PL_MSG_TEXT, "ann", NULL, 0, "hi", SIZE_MAX - 2));
	assert_null(pl_msg_new(PL_MSG_TEXT, "ann", NULL, 0, "hi", SIZE_MAX / 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_reads_as_it_should),
		cmocka_unit_test(a_message_keeps_its_own_copy_of_everything),
		cmocka_unit_test(sender_group_and_text_may_be_missing),
		cmocka_unit_test(a_style_is_rendered_once),
		cmocka_unit_test(the_last_reference_frees),
		cmocka_unit_test(a_formatted_message_is_as_long_as_it_needs),
		cmocka_unit_test(a_length_beyond_all_memory_is_refused),
	};

	return cmocka_run_group_tests_name("msg", tests, NULL, NULL);
}
