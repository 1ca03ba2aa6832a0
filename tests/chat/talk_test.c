/* talk_test.c: what is typed without a slash, and what everybody makes of it. */
#include "hall.h"

#include <stdlib.h>
#include <string.h>

static int two_people(void **state)
{
	hall_open(state);
	hall_fill(*state, 2);
	return 0;
}

/* What guest2 reads when guest1 types this. */
static void assert_heard(struct hall *h, const char *typed, const char *text)
{
	pl_mem_user_type(h->people[0], typed);
	assert_reads(h->people[1], text);
}

static void a_line_is_heard_by_the_others_with_who_typed_it(void **state)
{
	struct hall *h = *state;

	hall_fill(h, 1);
	pl_mem_user_type(h->people[0], "hello\n");
	assert_reads(h->people[0], "");
	assert_reads(h->people[1], "<guest1> hello\n");
	assert_reads(h->people[2], "<guest1> hello\n");
}

static void lines_keep_their_order(void **state)
{
	assert_heard(*state, "1\n2\r\n3\r", "<guest1> 1\n<guest1> 2\n<guest1> 3\n");
}

static void a_line_in_pieces_is_one_line(void **state)
{
	struct hall *h = *state;

	for (const char *p = "hello, world\r\n"; *p; p++)
		pl_mem_user_send(h->people[0], p, 1);
	assert_reads(h->people[1], "<guest1> hello, world\n");
}

static void blanks_around_a_text_are_kept(void **state)
{
	assert_heard(*state, "\tvoid f(void) \n", "<guest1> \tvoid f(void) \n");
}

static void blank_lines_are_not_heard(void **state)
{
	assert_heard(*state, "\n\r\n   \n\t\n", "");
}

static void two_slashes_say_one(void **state)
{
	assert_heard(*state, "//exit\n", "<guest1> /exit\n");
	assert_heard(*state, "//\n", "<guest1> /\n");
	assert_heard(*state, "///\n", "<guest1> //\n");
}

static void a_slash_within_a_line_is_text(void **state)
{
	assert_heard(*state, " /exit\n", "<guest1>  /exit\n");
	assert_heard(*state, "and/or\n", "<guest1> and/or\n");
}

static void percent_signs_are_text(void **state)
{
	assert_heard(*state, "%s%n 100%\n", "<guest1> %s%n 100%\n");
	assert_heard(*state, "/me %s%n\n", "* guest1 %s%n\n");
}

static void control_characters_are_not_heard(void **state)
{
	struct hall *h = *state;

	pl_mem_user_send(h->people[0], "a\0b\ac\x80\n", 7);
	assert_reads(h->people[1], "<guest1> abc\xef\xbf\xbd\n");
}

static void a_line_without_end_troubles_nobody_else(void **state)
{
	struct hall *h = *state;
	char *text = malloc(100001), *screen;

	assert_non_null(text);
	memset(text, 'x', 100000);
	text[100000] = '\0';
	pl_mem_user_type(h->people[0], text);
	free(text);
	assert_reads(h->people[1], "");
	pl_mem_user_type(h->people[0], "\nshort\n");
	screen = strstr(pl_mem_user_screen(h->people[1]), "\r\n");
	assert_non_null(screen);
	assert_string_equal(screen, "\r\n<guest1> short\r\n");
	assert_false(pl_mem_user_is_lost(h->people[0]));
}

static void the_last_words_are_heard_before_the_leaving(void **state)
{
	struct hall *h = *state;

	pl_mem_user_type(h->people[0], "but");
	pl_mem_user_hang_up(h->people[0]);
	assert_reads(h->people[1], "<guest1> but\n* guest1 has left (mem)\n");
}

static void who_reads_nothing_holds_up_nobody(void **state)
{
	struct hall *h = *state;

	hall_fill(h, 1);
	pl_mem_user_stop_reading(h->people[2]);
	for (int i = 0; i < 5000; i++) {
		pl_mem_user_type(h->people[0], "this line is about as long as lines are\n");
		assert_reads(h->people[1],
		             "<guest1> this line is about as long as lines are\n");
	}
	assert_false(pl_mem_user_is_lost(h->people[2]));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, two_people, hall_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_line_is_heard_by_the_others_with_who_typed_it),
		TEST(lines_keep_their_order),
		TEST(a_line_in_pieces_is_one_line),
		TEST(blanks_around_a_text_are_kept),
		TEST(blank_lines_are_not_heard),
		TEST(two_slashes_say_one),
		TEST(a_slash_within_a_line_is_text),
		TEST(percent_signs_are_text),
		TEST(control_characters_are_not_heard),
		TEST(a_line_without_end_troubles_nobody_else),
		TEST(the_last_words_are_heard_before_the_leaving),
		TEST(who_reads_nothing_holds_up_nobody),
	};

	return cmocka_run_group_tests_name("talk", tests, NULL, NULL);
}
