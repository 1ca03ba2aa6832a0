/* command_test.c: every command, right, wrong, too long, and twice. */
#include "hall.h"

#include <partyline/stats.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct pl_mem_user *ann(void **state)
{
	struct hall *h = *state;

	return h->people[0];
}

static struct pl_mem_user *bob(void **state)
{
	struct hall *h = *state;

	return h->people[1];
}

static int ann_and_bob(void **state)
{
	hall_open(state);
	hall_fill(*state, 2);
	pl_mem_user_type(ann(state), "/nick ann\n");
	pl_mem_user_type(bob(state), "/nick bob\n");
	pl_mem_user_clear(ann(state));
	pl_mem_user_clear(bob(state));
	return 0;
}

/* --- /exit -------------------------------------------------------------------------- */

static void exit_says_goodbye_and_leaves(void **state)
{
	assert_answer(ann(state), "/exit", "-- goodbye, ann --\n");
	assert_true(pl_mem_user_is_lost(ann(state)));
	assert_reads(bob(state), "* ann has left (mem)\n");
}

static void quit_is_exit_whatever_follows_it(void **state)
{
	assert_answer(ann(state), "/QUIT see you  ", "-- goodbye, ann --\n");
	assert_true(pl_mem_user_is_lost(ann(state)));
	assert_reads(bob(state), "* ann has left (mem)\n");
}

static void nothing_typed_after_exit_counts(void **state)
{
	assert_answer(ann(state), "/exit\nhello\n/nick eve\n/exit", "-- goodbye, ann --\n");
	assert_reads(bob(state), "* ann has left (mem)\n");
}

static void the_name_of_who_left_is_free_at_once(void **state)
{
	/* Both in one turn: his connection is still there. */
	pl_mem_user_stop_reading(ann(state));
	pl_mem_user_type(ann(state), "/exit\n");
	pl_mem_user_clear(bob(state));
	assert_answer(bob(state), "/nick ann", "* bob is now ann\n");
}

/* --- /nick -------------------------------------------------------------------------- */

static void nick_changes_the_name_before_everybody(void **state)
{
	assert_answer(ann(state), "/nick A_1.-z", "* ann is now A_1.-z\n");
	assert_reads(bob(state), "* ann is now A_1.-z\n");
	pl_mem_user_type(ann(state), "hello\n");
	assert_reads(bob(state), "<A_1.-z> hello\n");
}

static void every_bad_name_is_refused_with_what_is_right(void **state)
{
#define LETTERS \
	"-- a name has only letters a to z, digits and _ . -; you are still ann --\n"
#define LONG "-- a name has at most 16 characters; you are still ann --\n"
#define RESERVED "-- that name is reserved; you are still ann --\n"
#define TAKEN "-- bob is taken; you are still ann --\n"
#define MISSING "-- you are ann; a name has 1 to 16 letters, digits and _ . - --\n"
	static const struct {
		const char *name, *answer;
	} table[] = {
		{ "", MISSING },
		{ "   ", MISSING },
		{ "abcdefghijklmnopq", LONG },
		{ "ann smith", LETTERS },
		{ "ann\tsmith", LETTERS },
		{ "ann!", LETTERS },
		{ "<bob>", LETTERS },
		{ "/exit", LETTERS },
		{ "*", LETTERS },
		{ "%s%s%n", LETTERS },
		{ "\xc3\xa4nne", LETTERS },
		{ "b\xd0\xbe"
		  "b",
		  LETTERS }, /* a Cyrillic o */
		{ "ann\x80", LETTERS },
		{ "server", RESERVED },
		{ "SERVER", RESERVED },
		{ "Admin", RESERVED },
		{ "bob", TAKEN },
		{ "BOB", TAKEN },
		{ "  Bob  ", TAKEN },
		{ "ann", "-- you are ann already --\n" },
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		char typed[64];

		snprintf(typed, sizeof typed, "/nick %s", table[i].name);
		assert_answer(ann(state), typed, table[i].answer);
	}
	assert_reads(bob(state), "");
}

static void names_of_one_and_sixteen_characters_are_good(void **state)
{
	assert_answer(ann(state), "/nick 7", "* ann is now 7\n");
	assert_answer(ann(state), "/nick abcdefghijklmnop",
	              "* 7 is now abcdefghijklmnop\n");
}

static void a_name_as_long_as_a_line_is_refused(void **state)
{
	char typed[PL_LINE_MAX + 1];

	memset(typed, 'x', PL_LINE_MAX);
	memcpy(typed, "/nick ", 6);
	typed[PL_LINE_MAX] = '\0';
	assert_answer(ann(state), typed, LONG);
}

static void the_own_name_in_other_letters_is_good(void **state)
{
	assert_answer(ann(state), "/nick ANN", "* ann is now ANN\n");
	assert_answer(ann(state), "/nick ANN", "-- you are ANN already --\n");
}

static void a_free_guest_name_may_be_taken(void **state)
{
	struct hall *h = *state;

	assert_answer(ann(state), "/nick guest2", "* ann is now guest2\n");
	assert_reads(hall_enter(h, "lobby"), "-- you are guest1 --\n");
	assert_reads(hall_enter(h, "lobby"), "-- you are guest3 --\n");
	assert_answer(bob(state), "/nick GUEST3",
	              "-- guest3 is taken; you are still bob --\n");
}

static void two_people_may_swap_names(void **state)
{
	assert_answer(ann(state), "/nick x", "* ann is now x\n");
	assert_answer(bob(state), "/nick ann", "* bob is now ann\n");
	assert_answer(ann(state), "/nick bob", "* x is now bob\n");
}

/* --- /me ---------------------------------------------------------------------------- */

static void me_says_what_one_does(void **state)
{
	assert_answer(ann(state), "/me  waves at bob ", "");
	assert_reads(bob(state), "* ann waves at bob\n");
}

static void me_without_a_text_is_explained(void **state)
{
	assert_answer(ann(state), "/me",
	              "-- /me needs a text: /me waves shows * ann waves --\n");
	assert_answer(ann(state), "/me  ",
	              "-- /me needs a text: /me waves shows * ann waves --\n");
	assert_reads(bob(state), "");
}

/* --- /who --------------------------------------------------------------------------- */

static void who_shows_name_wire_address_and_idle(void **state)
{
	struct hall *h = *state;

	hall_listen(h, "mem:/dev/a-desk:nick=Carl");
	hall_enter(h, "/dev/a-desk");
	pl_world_advance(h->world, 61 * 1000);
	pl_mem_user_type(bob(state), "hello\n");
	pl_world_advance(h->world, 12 * 1000);
	assert_answer(ann(state), "/who",
	              "name  wire  address      idle\n"
	              "ann   mem   lobby        0s\n"
	              "bob   mem   lobby        12s\n"
	              "Carl  mem   /dev/a-desk  1m\n"
	              "-- 3 people --\n");
}

static void who_counts_idle_in_the_largest_unit(void **state)
{
	static const struct {
		uint64_t seconds;
		const char *shown;
	} table[] = {
		{ 59, "59s" },     { 60, "1m" },     { 3599, "59m" },      { 3600, "1h" },
		{ 172799, "47h" }, { 172800, "2d" }, { 40000000, "462d" },
	};
	struct hall *h = *state;

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		char row[80];

		pl_mem_user_type(bob(state), "\n");
		pl_world_advance(h->world, table[i].seconds * 1000);
		snprintf(row, sizeof row,
		         "name  wire  address  idle\nbob   mem   lobby    %s\n"
		         "-- 1 person --\n",
		         table[i].shown);
		assert_answer(ann(state), "/who bob", row);
	}
}

static void who_finds_names_by_their_beginning(void **state)
{
	struct hall *h = *state;

	hall_fill(h, 1);
	assert_answer(ann(state), "/WHO B",
	              "name  wire  address  idle\n"
	              "bob   mem   lobby    1s\n"
	              "-- 1 person --\n");
	assert_answer(ann(state), "/who guest",
	              "name    wire  address  idle\n"
	              "guest1  mem   lobby    1s\n"
	              "-- 1 person --\n");
	assert_answer(ann(state), "/who bobby",
	              "-- nobody here has a name that begins with bobby --\n");
}

static void who_fits_eighty_columns_whatever_the_address(void **state)
{
	struct hall *h = *state;
	char arg[101], endpoint[160];
	const char *row, *end;

	/* Of a long one the end is shown, and no half character. */
	memset(arg, 'x', 100);
	arg[55] = '\xc3';
	arg[56] = '\xa9';
	memcpy(arg + 96, "-end", 5);
	snprintf(endpoint, sizeof endpoint, "mem:%s:nick=sixteen_letters_", arg);
	hall_listen(h, endpoint);
	hall_enter(h, arg);
	pl_mem_user_clear(ann(state));
	pl_mem_user_type(ann(state), "/who sixteen\n");
	row = strstr(pl_mem_user_screen(ann(state)), "\nsixteen_letters_  mem   ...xxx");
	assert_non_null(row);
	end = strstr(row + 1, "\r\n");
	assert_in_range(end - row - 1, 1, 79);
	assert_memory_equal(end - 8, "-end  0s", 8);
}

static void who_shows_a_hundred_at_most(void **state)
{
	struct hall *h = *state;
	size_t rows = 0;

	hall_fill(h, 110);
	pl_mem_user_type(ann(state), "/who\n");
	for (const char *p = pl_mem_user_screen(ann(state)); (p = strstr(p, "\r\n")); p += 2)
		rows++;
	assert_int_equal(rows, 102);
	assert_non_null(strstr(pl_mem_user_screen(ann(state)),
	                       "\n-- 100 of 112 people; /who NAME shows those whose names "
	                       "begin so --\r\n"));
	pl_mem_user_clear(ann(state));
	pl_mem_user_type(ann(state), "/who guest109\n");
	assert_non_null(strstr(pl_mem_user_screen(ann(state)),
	                       "\nguest109  mem   lobby    1s\r\n"));
}

/* --- /stats ---------------------------------------------------------------------------- */

static void stats_show_what_was_counted_in_the_order_of_its_names(void **state)
{
	struct hall *h = *state;

	assert_answer(ann(state), "/stats",
	              "         4  connections: made\n-- up for 1s, 2 people --\n");
	pl_count(pl_world_reactor(h->world), "lines: lost", UINT64_C(12345678901));
	pl_count(pl_world_reactor(h->world), "a: b", 7);
	pl_world_advance(h->world, 7200 * 1000);
	assert_answer(ann(state), "/stats",
	              "         7  a: b\n"
	              "         4  connections: made\n"
	              "12345678901  lines: lost\n"
	              "-- up for 2h, 2 people --\n");
	assert_reads(bob(state), "");
}

/* --- /help and what is no command ---------------------------------------------------- */

static void help_lists_what_there_is(void **state)
{
	assert_answer(ann(state), "/help",
	              "/exit            leave\n"
	              "/help [COMMAND]  what there is to type\n"
	              "/me TEXT         say what you do: /me waves shows * ann waves\n"
	              "/nick NAME       change your name: 1 to 16 letters, digits and _ . -\n"
	              "/quit            the same as /exit\n"
	              "/stats           what the server has counted: connections, losses, "
	              "refusals\n"
	              "/who [NAME]      who is here, or those whose names begin so\n"
	              "//TEXT           say a line that begins with a slash\n");
	assert_reads(bob(state), "");
}

static void help_explains_one_command(void **state)
{
	assert_answer(ann(state), "/help exit", "/exit            leave\n");
	assert_answer(ann(state), "/Help /EXIT", "/exit            leave\n");
	assert_answer(ann(state), "/help who are you",
	              "-- no command /who are you; /help lists them, and // begins a line "
	              "with / --\n");
}

static void an_unknown_command_gets_one_line_of_help(void **state)
{
	static const char *const words[] = { "exti", "", "ex", "exitt", "\xc3\xa9" };

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		char typed[32], answer[120];

		snprintf(typed, sizeof typed, "/%s now", words[i]);
		snprintf(answer, sizeof answer,
		         "-- no command /%s; /help lists them, and // begins a line with / "
		         "--\n",
		         words[i]);
		assert_answer(ann(state), typed, answer);
		assert_answer(ann(state), typed, answer);
	}
	assert_reads(bob(state), "");
}

static void a_command_as_long_as_a_line_is_unknown(void **state)
{
	char typed[PL_LINE_MAX + 1], answer[PL_LINE_MAX + 100];

	memset(typed, 'x', PL_LINE_MAX);
	typed[0] = '/';
	typed[PL_LINE_MAX] = '\0';
	snprintf(answer, sizeof answer,
	         "-- no command %s; /help lists them, and // begins a line with / --\n",
	         typed);
	assert_answer(ann(state), typed, answer);
}

static void a_tab_ends_a_command_as_a_blank_does(void **state)
{
	assert_answer(ann(state), "/nick\teve\t", "* ann is now eve\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, ann_and_bob, hall_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(exit_says_goodbye_and_leaves),
		TEST(quit_is_exit_whatever_follows_it),
		TEST(nothing_typed_after_exit_counts),
		TEST(the_name_of_who_left_is_free_at_once),
		TEST(nick_changes_the_name_before_everybody),
		TEST(every_bad_name_is_refused_with_what_is_right),
		TEST(names_of_one_and_sixteen_characters_are_good),
		TEST(a_name_as_long_as_a_line_is_refused),
		TEST(the_own_name_in_other_letters_is_good),
		TEST(a_free_guest_name_may_be_taken),
		TEST(two_people_may_swap_names),
		TEST(me_says_what_one_does),
		TEST(me_without_a_text_is_explained),
		TEST(who_shows_name_wire_address_and_idle),
		TEST(who_counts_idle_in_the_largest_unit),
		TEST(who_finds_names_by_their_beginning),
		TEST(who_fits_eighty_columns_whatever_the_address),
		TEST(who_shows_a_hundred_at_most),
		TEST(stats_show_what_was_counted_in_the_order_of_its_names),
		TEST(help_lists_what_there_is),
		TEST(help_explains_one_command),
		TEST(an_unknown_command_gets_one_line_of_help),
		TEST(a_command_as_long_as_a_line_is_unknown),
		TEST(a_tab_ends_a_command_as_a_blank_does),
	};

	return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
