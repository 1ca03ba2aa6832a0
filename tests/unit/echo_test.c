/* echo_test.c: what an echo is, and what a person may do without being taken for one. */
#include "cmocka_all.h"

#include "line/line_impl.h"

#include <stdio.h>
#include <string.h>

static struct pl_echo echo;

static void begin(bool editing)
{
	static const char *const greeting[] = {
		"Welcome to partyline!", "Here now: ann.",
		"/help lists commands, /nick NAME names you, /exit leaves.",
		"-- you are bob --"
	};

	pl_echo_init(&echo, 12345, editing);
	for (size_t i = 0; i < sizeof greeting / sizeof greeting[0]; i++)
		pl_echo_shown(&echo, greeting[i], strlen(greeting[i]));
}

static void show(const char *text)
{
	pl_echo_shown(&echo, text, strlen(text));
}

static bool heard(const char *text)
{
	return pl_echo_heard(&echo, text, strlen(text));
}

/* In a chat: what he says is shown to him with his name before it. */
static bool says(const char *text)
{
	char line[PL_LINE_MAX + 20];

	if (heard(text))
		return true;
	snprintf(line, sizeof line, "<bob> %s", text);
	show(line);
	return false;
}

static void the_greeting_that_comes_back_is_an_echo(void **state)
{
	(void)state;
	for (int editing = 0; editing < 2; editing++) {
		begin(editing);
		assert_false(says("Welcome to partyline!"));
		assert_false(says("^[[KHere now: ann.")); /* as the kernel echoes ESC */
		assert_false(heard("/help lists commands, /nick NAME names you, "
		                   "/exit leaves."));
		assert_true(heard("<guest7> -- you are bob --")); /* another server did */
	}
}

static void a_greeting_with_something_missing_is_not(void **state)
{
	(void)state;
	begin(true);
	assert_false(says("Welcome to partyline!"));
	assert_false(says("/help lists commands, /nick NAME names you, /exit leaves."));
	assert_false(says("-- you are bob --"));
	assert_false(says("Here now: ann."));
	assert_false(says("Welcome to partyline!"));
}

/* All that is shown comes back, the oldest first; false when it goes on for ever. */
static bool comes_to_rest(const char *first, size_t *said)
{
	static char way[4000][220];
	size_t in = 0, out = 0;

	snprintf(way[in++], sizeof way[0], "%s", first);
	show(first);
	for (*said = 0; out < in; ++*said) {
		char text[200];

		memcpy(text, way[out++], sizeof text);
		if (says(text))
			return true;
		if (in + 2 > sizeof way / sizeof way[0] || strlen(text) > 190)
			return false;
		/* The keys, drawn, and the line as the others see it. */
		snprintf(way[in++], sizeof way[0], "%s", text);
		snprintf(way[in++], sizeof way[0], "<bob> %s", text);
	}
	return true;
}

static void an_echo_that_begins_later_is_found_out_within_some_lines(void **state)
{
	size_t said;

	(void)state;
	begin(true);
	assert_false(says("hello"));
	assert_true(comes_to_rest("<ann> hello bob", &said));
	assert_true(said >= 3 && said < 16);
}

static void it_does_not_matter_that_the_table_is_smaller_than_the_echo(void **state)
{
	char line[60];
	size_t said;

	(void)state;
	begin(true);
	assert_false(says("hello"));
	for (int i = 0; i < 1000; i++) {
		snprintf(line, sizeof line, "<ann> line %d of something long", i);
		show(line);
	}
	assert_true(comes_to_rest("<ann> and that was the last", &said));
	assert_true(said < 16);
}

/* Without an editor nothing is drawn, and a line is not shown to who said it. */
static void without_an_editor_quotes_alone_are_an_echo(void **state)
{
	char line[60];
	int i;

	(void)state;
	begin(false);
	assert_false(heard("hello"));
	for (i = 0; i < 100; i++) {
		snprintf(line, sizeof line, "<ann> line %d", i);
		show(line);
		if (heard(line))
			break;
	}
	assert_in_range(i, 24, 40);
}

/* A line that comes back is said in a later turn, when its room's rate allows: what is
 * shown is known by what is in it. */
static void it_does_not_matter_when_a_line_is_said(void **state)
{
	(void)state;
	begin(true);
	assert_false(heard("hello"));
	show("<ann> good day");
	assert_false(heard("<ann> good day"));
	show("<carl> something else");
	show("<bob> <ann> good day");
	assert_false(heard("something of his own"));
	assert_false(heard("<bob> <ann> good day"));
	show("<bob> <bob> <ann> good day");
	assert_false(heard("<bob> <bob> <ann> good day"));
	show("<bob> <bob> <bob> <ann> good day");
	assert_true(heard("<bob> <bob> <bob> <ann> good day"));
}

static void who_quotes_what_he_reads_is_a_person(void **state)
{
	char line[60];

	(void)state;
	begin(true);
	for (int round = 0; round < 10; round++) {
		/* A hundred lines, then all of them pasted, with no word of his own. */
		for (int i = 0; i < 100; i++) {
			snprintf(line, sizeof line, "<ann> line %d of round %d", i, round);
			show(line);
		}
		for (int i = 0; i < 100; i++) {
			snprintf(line, sizeof line, "<ann> line %d of round %d", i, round);
			assert_false(says(line));
		}
	}
}

static void who_quotes_himself_now_and_then_is_a_person(void **state)
{
	(void)state;
	begin(true);
	for (int i = 0; i < 100; i++) {
		assert_false(says("I have said it before"));
		assert_false(says("<bob> I have said it before"));
		assert_false(says("and I say it again"));
	}
}

static void who_says_the_same_again_and_again_is_a_person(void **state)
{
	static const char *const words[] = { "hi",  "hello",   "/help",
		                             "lol", "Welcome", "-- you are bob --" };

	(void)state;
	begin(true);
	for (int i = 0; i < 1000; i++) {
		for (size_t k = 0; k < sizeof words / sizeof words[0]; k++) {
			assert_false(says(words[k]));
			show("<ann> hi");
			show("hi");
		}
	}
}

/* Another says what he says, word for word. */
static void two_who_repeat_each_other_are_persons(void **state)
{
	(void)state;
	begin(true);
	for (int i = 0; i < 1000; i++) {
		show("<ann> no, it is not");
		assert_false(says("no, it is not"));
		show("<ann> <bob> no, it is not");
		assert_false(says("yes, it is"));
	}
}

static void a_device_that_says_the_same_for_ever_is_none(void **state)
{
	(void)state;
	for (int editing = 0; editing < 2; editing++) {
		begin(editing);
		for (int i = 0; i < 10000; i++)
			assert_false(editing ? says("temp 21.5") : heard("temp 21.5"));
	}
}

static void keys_that_never_become_a_line_are_an_echo(void **state)
{
	const uint64_t start_ms = 1000000;
	uint64_t now_ms = start_ms;
	int keys = 0;

	(void)state;
	begin(true);
	while (!pl_echo_drew(&echo, now_ms) && keys < 100000) {
		keys++;
		now_ms = start_ms +
		         (uint64_t)keys * 2 * 10 * 1000 / 300; /* CR LF, 300 baud */
		assert_false(heard(""));
		assert_false(heard("  \t "));
	}
	assert_in_range(keys, PL_LINE_MAX, 8 * PL_LINE_MAX);
}

static void who_types_all_day_is_a_person(void **state)
{
	(void)state;
	begin(true);
	for (int line = 0; line < 1000; line++) {
		for (int key = 0; key < 2 * PL_LINE_MAX; key++)
			assert_false(pl_echo_drew(&echo, 1000000));
		assert_false(says("he has taken most of it back"));
	}
}

/* A terminal program that sends a CR against idleness; somebody who wakes his screen. */
static void who_presses_only_enter_for_days_is_a_person(void **state)
{
	static const uint64_t each_ms[] = { 60000, 10000, 200 };

	(void)state;
	for (size_t i = 0; i < sizeof each_ms / sizeof each_ms[0]; i++) {
		begin(true);
		for (uint64_t keys = 0; keys < 20000; keys++) {
			assert_false(pl_echo_drew(&echo, 1000000 + keys * each_ms[i]));
			assert_false(heard(""));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_greeting_that_comes_back_is_an_echo),
		cmocka_unit_test(a_greeting_with_something_missing_is_not),
		cmocka_unit_test(an_echo_that_begins_later_is_found_out_within_some_lines),
		cmocka_unit_test(it_does_not_matter_that_the_table_is_smaller_than_the_echo),
		cmocka_unit_test(without_an_editor_quotes_alone_are_an_echo),
		cmocka_unit_test(it_does_not_matter_when_a_line_is_said),
		cmocka_unit_test(who_quotes_what_he_reads_is_a_person),
		cmocka_unit_test(who_quotes_himself_now_and_then_is_a_person),
		cmocka_unit_test(who_says_the_same_again_and_again_is_a_person),
		cmocka_unit_test(two_who_repeat_each_other_are_persons),
		cmocka_unit_test(a_device_that_says_the_same_for_ever_is_none),
		cmocka_unit_test(keys_that_never_become_a_line_are_an_echo),
		cmocka_unit_test(who_types_all_day_is_a_person),
		cmocka_unit_test(who_presses_only_enter_for_days_is_a_person),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
