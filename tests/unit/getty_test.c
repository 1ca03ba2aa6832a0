/* getty_test.c: who joins a terminal line, and what joins nobody. */
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include <partyline/testing.h>
#include <partyline/transport_impl.h>

#define INVITATION "partyline: press Enter to join\r\n"

static struct pl_world *world;
static struct pl_getty getty;
static char screen[1000];
static unsigned joined, not_text;
static size_t wasted;

static void on_write(struct pl_getty *g, const char *data, size_t len)
{
	(void)g;
	if (strlen(screen) + len < sizeof screen)
		strncat(screen, data, len);
}

static void on_join(struct pl_getty *g)
{
	(void)g;
	joined++;
}

static void on_wasted(struct pl_getty *g, size_t bytes, bool text)
{
	(void)g;
	wasted += bytes;
	not_text += !text;
}

static const struct pl_getty_ops ops = { .write = on_write,
	                                 .join = on_join,
	                                 .wasted = on_wasted };

static int prepare(const char *endpoint)
{
	struct pl_endpoint *ep = pl_endpoint_parse(endpoint, NULL);
	struct pl_error err;
	int code;

	screen[0] = '\0';
	joined = not_text = 0;
	wasted = 0;
	if (!ep)
		return -1;
	code = pl_getty_init(&getty, &ops, pl_world_reactor(world), ep, &err);
	pl_endpoint_unref(ep);
	return code;
}

static int set_up(void **state)
{
	(void)state;
	world = pl_world_create(1);
	return world ? prepare("pty:x") : -1;
}

static int tear_down(void **state)
{
	(void)state;
	pl_getty_cancel(&getty);
	pl_world_destroy(world);
	return 0;
}

static void send_bytes(const char *bytes, size_t len)
{
	pl_getty_input(&getty, bytes, len);
}

static void type(const char *text)
{
	send_bytes(text, strlen(text));
}

/* The line opens, and a quiet second passes. */
static void open_line(void)
{
	pl_getty_start(&getty);
	pl_world_advance(world, 1000);
}

static void it_invites_once_and_says_nothing_else(void **state)
{
	(void)state;
	open_line();
	type("AT\r\n");
	pl_world_advance(world, 1000);
	type("hello");
	pl_world_advance(world, 100000);
	assert_string_equal(screen, INVITATION);
	assert_int_equal(joined, 0);
}

static void enter_alone_joins_after_a_quarter_of_a_second(void **state)
{
	(void)state;
	open_line();
	type("\r");
	pl_world_advance(world, 249);
	assert_int_equal(joined, 0);
	pl_world_advance(world, 1);
	assert_int_equal(joined, 1);
	pl_world_advance(world, 10000);
	assert_int_equal(joined, 1);
}

static void every_kind_of_enter_joins(void **state)
{
	static const char *const enters[] = { "\r", "\n", "\r\n", "\r\r", "\n\r" };

	(void)state;
	for (size_t i = 0; i < sizeof enters / sizeof enters[0]; i++) {
		pl_getty_cancel(&getty);
		joined = 0;
		open_line();
		/* Byte by byte, the second 100 ms after the first. */
		for (const char *c = enters[i]; *c; c++) {
			send_bytes(c, 1);
			pl_world_advance(world, 100);
		}
		pl_world_advance(world, 150);
		assert_int_equal(joined, 1);
	}
}

static void a_byte_shortly_before_enter_spoils_it(void **state)
{
	(void)state;
	open_line();
	type("x");
	pl_world_advance(world, 249);
	type("\r");
	pl_world_advance(world, 1000);
	assert_int_equal(joined, 0);
	type("x");
	pl_world_advance(world, 250);
	type("\r");
	pl_world_advance(world, 250);
	assert_int_equal(joined, 1);
}

static void a_byte_shortly_after_enter_spoils_it(void **state)
{
	(void)state;
	open_line();
	type("\r");
	pl_world_advance(world, 249);
	type("x");
	pl_world_advance(world, 1000);
	assert_int_equal(joined, 0);
}

static void a_byte_in_the_same_read_spoils_enter(void **state)
{
	static const char *const junk[] = { "\rx", "x\r", "\r\nOK\r\n", "~\rAT S7=45\r",
		                            "\r\033" };

	(void)state;
	open_line();
	for (size_t i = 0; i < sizeof junk / sizeof junk[0]; i++) {
		type(junk[i]);
		pl_world_advance(world, 1000);
		assert_int_equal(joined, 0);
	}
}

static void a_break_joins_nobody_and_spoils_enter(void **state)
{
	(void)state;
	open_line();
	send_bytes("\0", 1);
	pl_world_advance(world, 1000);
	assert_int_equal(joined, 0);
	send_bytes("\r\0", 2);
	pl_world_advance(world, 1000);
	assert_int_equal(joined, 0);
	send_bytes("\0", 1);
	pl_world_advance(world, 200);
	type("\r");
	pl_world_advance(world, 1000);
	assert_int_equal(joined, 0);
	type("\r");
	pl_world_advance(world, 1000);
	assert_int_equal(joined, 1);
}

/* Also at 110 baud, where its bytes come 91 ms apart. */
static void the_invitation_that_comes_back_joins_nobody(void **state)
{
	(void)state;
	open_line();
	type(INVITATION);
	pl_world_advance(world, 1000);
	assert_int_equal(joined, 0);
	for (const char *c = INVITATION; *c; c++) {
		send_bytes(c, 1);
		pl_world_advance(world, 91);
	}
	pl_world_advance(world, 1000);
	assert_int_equal(joined, 0);
	assert_string_equal(screen, INVITATION);
}

static void enter_just_after_the_opening_does_not_count(void **state)
{
	(void)state;
	pl_getty_start(&getty);
	pl_world_advance(world, 200);
	type("\r");
	pl_world_advance(world, 1000);
	assert_int_equal(joined, 0);
}

static void after_a_session_it_invites_again(void **state)
{
	(void)state;
	open_line();
	type("\r");
	pl_world_advance(world, 250);
	assert_int_equal(joined, 1);
	pl_getty_start(&getty);
	type("\n"); /* of the CR LF that ended the last line */
	pl_world_advance(world, 1000);
	assert_int_equal(joined, 1);
	assert_string_equal(screen, INVITATION INVITATION);
	type("\r");
	pl_world_advance(world, 250);
	assert_int_equal(joined, 2);
}

static void what_comes_during_a_session_is_not_its_affair(void **state)
{
	(void)state;
	open_line();
	type("\r");
	pl_world_advance(world, 250);
	type("\r");
	pl_world_advance(world, 1000);
	assert_int_equal(joined, 1);
}

static void when_the_line_goes_nobody_joins(void **state)
{
	(void)state;
	open_line();
	type("\r");
	pl_world_advance(world, 100);
	pl_getty_cancel(&getty);
	pl_world_advance(world, 1000);
	assert_int_equal(joined, 0);
}

static void join_open_joins_when_the_line_opens(void **state)
{
	(void)state;
	assert_int_equal(prepare("pty:x:join=open"), 0);
	pl_getty_start(&getty);
	assert_int_equal(joined, 0); /* not inside the call */
	pl_world_settle(world);
	pl_world_advance(world, 1);
	assert_int_equal(joined, 1);
	assert_string_equal(screen, "");
}

static void join_open_does_not_join_again_before_the_next_opening(void **state)
{
	(void)state;
	assert_int_equal(prepare("pty:x:join=open"), 0);
	open_line();
	assert_int_equal(joined, 1);
	pl_getty_start(&getty); /* the session has ended */
	pl_world_advance(world, 10000);
	assert_int_equal(joined, 1);
	assert_string_equal(screen, INVITATION);
	type("\r");
	pl_world_advance(world, 250);
	assert_int_equal(joined, 2);
	pl_getty_cancel(&getty);
	open_line();
	assert_int_equal(joined, 3);
}

static void join_open_tries_again_as_long_as_it_is_refused(void **state)
{
	(void)state;
	assert_int_equal(prepare("pty:x:join=open"), 0);
	open_line();
	for (unsigned n = 1; n <= 5; n++) {
		assert_int_equal(joined, n);
		pl_getty_refused(&getty);
		pl_getty_start(&getty);
		pl_world_advance(world, 5000);
		type("temp 21.5\r\n"); /* which is no reason not to */
		pl_world_advance(world, 4900);
		assert_int_equal(joined, n);
		pl_world_advance(world, 200);
	}
	assert_int_equal(joined, 6);
	pl_getty_start(&getty); /* that one was a session, and has ended */
	pl_world_advance(world, 60000);
	assert_int_equal(joined, 6);
}

static void who_was_refused_may_press_enter_meanwhile(void **state)
{
	(void)state;
	assert_int_equal(prepare("pty:x:join=open"), 0);
	open_line();
	pl_getty_refused(&getty);
	pl_getty_start(&getty);
	pl_world_advance(world, 1000);
	type("\r");
	pl_world_advance(world, 300);
	assert_int_equal(joined, 2);
	pl_world_advance(world, 60000);
	assert_int_equal(joined, 2);
	pl_getty_refused(&getty);
	pl_getty_start(&getty);
	pl_getty_cancel(&getty); /* the line has gone */
	pl_world_advance(world, 60000);
	assert_int_equal(joined, 2);
}

static void without_join_open_nobody_is_tried_again(void **state)
{
	(void)state;
	open_line();
	type("\r");
	pl_world_advance(world, 300);
	assert_int_equal(joined, 1);
	pl_getty_refused(&getty);
	pl_getty_start(&getty);
	pl_world_advance(world, 60000);
	assert_int_equal(joined, 1);
}

static void a_join_that_is_no_word_of_ours_is_refused(void **state)
{
	(void)state;
	assert_true(prepare("pty:x:join=maybe") < 0);
}

/* --- what joins nobody (S10) --------------------------------------------------------------- */

static void every_byte_that_joins_nobody_is_counted_once(void **state)
{
	(void)state;
	open_line();
	type("AT\r\n");
	assert_int_equal(wasted, 4);
	pl_world_advance(world, 1000);
	type("\r\n");
	assert_int_equal(wasted, 4); /* it may join */
	pl_world_advance(world, 100);
	type("x");
	assert_int_equal(wasted, 7); /* it did not */
	pl_world_advance(world, 1000);
	type("\r");
	pl_world_advance(world, 1000);
	assert_int_equal(joined, 1);
	type("what is said is not wasted");
	assert_int_equal(wasted, 7);
}

static void much_that_no_terminal_shows_is_not_text(void **state)
{
	(void)state;
	open_line();
	for (int i = 0; i < 63; i++)
		send_bytes(i % 4 ? "x" : "\xf8", 1);
	assert_int_equal(not_text, 0);
	send_bytes("\0", 1);
	assert_int_equal(not_text, 1);
	/* Text is text, in any amount, with a byte of noise here and there. */
	for (int i = 0; i < 1000; i++)
		type(i % 10 ? "[    0.000000] Booting Linux\r\n" : "\xff");
	assert_int_equal(not_text, 1);
	assert_int_equal(joined, 0);
}

static void junk_is_forgotten_when_the_line_goes(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		open_line();
		type("\xff\xff\xff\xff");
		pl_getty_cancel(&getty);
	}
	assert_int_equal(not_text, 0);
	assert_int_equal(wasted, 400);
}

/* What minicom sent up to 2.5, with a second of silence for each ~ (WIRES 4): its first CR
 * is an Enter, and what follows may have some more. */
static void the_rest_of_a_modem_string_joins_nobody(void **state)
{
	static const char *const rests[] = { "\r", "\n", "OK\r", "ATZ\r" };

	(void)state;
	for (size_t i = 0; i < sizeof rests / sizeof rests[0]; i++) {
		pl_getty_cancel(&getty);
		joined = 0;
		open_line();
		type("\r");
		pl_world_advance(world, 1000);
		assert_int_equal(joined, 1);
		pl_getty_no_person(&getty); /* at the AT command */
		pl_getty_start(&getty);
		for (int k = 0; k < 3; k++) {
			pl_world_advance(world, 1000);
			type(rests[i]);
		}
		pl_world_advance(world, 1900);
		assert_int_equal(joined, 1);
		/* A person who comes after it is heard. */
		pl_world_advance(world, 500);
		type("\r");
		pl_world_advance(world, 250);
		assert_int_equal(joined, 2);
	}
}

static void a_line_that_comes_back_is_not_deaf(void **state)
{
	(void)state;
	open_line();
	pl_getty_no_person(&getty);
	pl_getty_cancel(&getty);
	open_line();
	type("\r");
	pl_world_advance(world, 250);
	assert_int_equal(joined, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(it_invites_once_and_says_nothing_else),
		TEST(enter_alone_joins_after_a_quarter_of_a_second),
		TEST(every_kind_of_enter_joins),
		TEST(a_byte_shortly_before_enter_spoils_it),
		TEST(a_byte_shortly_after_enter_spoils_it),
		TEST(a_byte_in_the_same_read_spoils_enter),
		TEST(a_break_joins_nobody_and_spoils_enter),
		TEST(the_invitation_that_comes_back_joins_nobody),
		TEST(enter_just_after_the_opening_does_not_count),
		TEST(after_a_session_it_invites_again),
		TEST(what_comes_during_a_session_is_not_its_affair),
		TEST(when_the_line_goes_nobody_joins),
		TEST(join_open_joins_when_the_line_opens),
		TEST(join_open_does_not_join_again_before_the_next_opening),
		TEST(join_open_tries_again_as_long_as_it_is_refused),
		TEST(who_was_refused_may_press_enter_meanwhile),
		TEST(without_join_open_nobody_is_tried_again),
		TEST(a_join_that_is_no_word_of_ours_is_refused),
		TEST(every_byte_that_joins_nobody_is_counted_once),
		TEST(much_that_no_terminal_shows_is_not_text),
		TEST(junk_is_forgotten_when_the_line_goes),
		TEST(the_rest_of_a_modem_string_joins_nobody),
		TEST(a_line_that_comes_back_is_not_deaf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
