/* framer_test.c: the bytes that clients send, and the lines they mean.
 *
 * Every row is fed in all the ways that reads can cut it.  The log of a run is the lines
 * in angle brackets; `!` where a line turned out to be too long. */
#include "cmocka_all.h"
#include "chunking.h"
#include "line/line_impl.h"

#include <string.h>

#define FFFD "\xef\xbf\xbd"

static bool note(void *arg, const char *line, size_t len)
{
	struct chunk_log *log = arg;

	if (!line) {
		chunk_log_text(log, "!");
		return true;
	}
	chunk_log_text(log, "<");
	chunk_log_bytes(log, line, len);
	chunk_log_text(log, line[len] == '\0' ? ">" : "without a NUL>");
	return true;
}

static void feed(void *parser, const char *data, size_t len, struct chunk_log *log)
{
	if (pl_framer_feed(parser, data, len, note, log) != (ssize_t)len)
		chunk_log_text(log, "(not all was taken)");
}

static void end(void *parser, struct chunk_log *log)
{
	if (pl_framer_end(parser, note, log))
		chunk_log_text(log, "(out of memory)");
	pl_framer_drop(parser);
}

static const struct chunk_subject framer = { sizeof(struct pl_framer), feed, end };

struct row {
	const char *client, *in;
	size_t len;
	const char *out;
};

/* Inputs may have NULs inside. */
#define ROW(client, in, out) \
	{ \
		client, in, sizeof(in) - 1, out \
	}

static void check(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct chunk_log log;
		const char *fault =
			chunking_fault(&framer, rows[i].in, rows[i].len, 1000, &log);
		const bool right = strcmp(log.text, rows[i].out) == 0;

		if (!right)
			print_error("%s: \"%s\", not \"%s\"\n", rows[i].client, log.text,
			            rows[i].out);
		free(log.text);
		assert_true(right);
		if (fault)
			fail_msg("%s: %s", rows[i].client, fault);
	}
}

#define CHECK(rows) check(rows, sizeof(rows) / sizeof((rows)[0]))

static void every_client_s_enter_ends_one_line(void **state)
{
	static const struct row rows[] = {
		ROW("nc, socat", "hi\n", "<hi>"),
		ROW("nc -C, telnet in line mode", "hi\r\n", "<hi>"),
		ROW("socat raw, screen, minicom, picocom, tio, microcom", "hi\r", "<hi>"),
		ROW("telnet in character mode", "hi\r\0", "<hi>"),
		ROW("paste into screen", "l1\rl2\rl3\r", "<l1><l2><l3>"),
		ROW("paste into telnet", "line1\r\0line2\r\0line3\r\0",
		    "<line1><line2><line3>"),
		ROW("paste into nc -u", "p1\np2\n", "<p1><p2>"),
		ROW("Enter alone, three times", "\r\r\n\n", "<><><>"),
		ROW("telnet, Enter alone", "\r\0\r\0", "<><>"),
		ROW("LF CR is two ends", "a\n\rb\r", "<a><><b>"),
		ROW("only one byte belongs to a CR", "a\r\n\nb\r\0\nc\n", "<a><><b><><c>"),
		ROW("old minicom's modem string", "~^M~AT S7=45 S0=0 L1 V1\r",
		    "<~^M~AT S7=45 S0=0 L1 V1>"),
	};

	(void)state;
	CHECK(rows);
}

static void an_unfinished_line_ends_with_the_record(void **state)
{
	static const struct row rows[] = {
		ROW("nc -u, text then ^D", "hal", "<hal>"),
		ROW("nothing", "", ""),
		ROW("a finished one", "hello\n", "<hello>"),
		ROW("two lines, the second without an end", "a\r\nb", "<a><b>"),
		ROW("ends in the middle of a character", "a\xe2\x82", "<a" FFFD ">"),
		ROW("half a character is all", "\xe2\x82", "<" FFFD ">"),
		ROW("telnet, ^D on an empty line", "\x04", ""),
		ROW("half an escape sequence", "a\033[3", "<a>"),
	};

	(void)state;
	CHECK(rows);
}

static void keys_leave_nothing_in_the_text(void **state)
{
	static const struct row rows[] = {
		ROW("Up Down Right Left",
		    "x\x1b\x5b\x41\x1b\x5b\x42\x1b\x5b\x43\x1b\x5b\x44y\n", "<xy>"),
		ROW("Home End Delete PgUp",
		    "x\x1b\x5b\x31\x7e\x1b\x5b\x34\x7e\x1b\x5b\x33\x7e\x1b\x5b\x35\x7ey\n",
		    "<xy>"),
		ROW("F1", "x\x1b\x4f\x50y\n", "<xy>"),
		ROW("^C ^Z ^\\ ^D ^U ^W ^S ^Q", "x\x03\x1a\x1c\x04\x15\x17\x13\x11y\n",
		    "<xy>"),
		ROW("both Backspaces", "x\x08\x7fy\n", "<xy>"),
		ROW("a break on a serial line", "a\0b\n", "<ab>"),
		ROW("TAB", "a\tb\n", "<a\tb>"),
		ROW("ESC, then Enter", "a\033\rb\033[\nc\033O\r\n", "<a><b><c>"),
	};

	(void)state;
	CHECK(rows);
}

static void characters_are_whole_or_replaced(void **state)
{
	static const struct row rows[] = {
		ROW("é, in two reads from minicom", "\xc3\xa9\r", "<\xc3\xa9>"),
		ROW("an emoji", "\xf0\x9f\x98\x80\n", "<\xf0\x9f\x98\x80>"),
		ROW("Latin-1", "caf\xe9\n", "<caf" FFFD ">"),
		ROW("cut by Enter", "a\xe2\x82\r\nb\n", "<a" FFFD "><b>"),
		ROW("C1", "a\xc2\x9b[2Jb\n", "<a[2Jb>"),
		ROW("turned around", "x\xe2\x80\xaey\n", "<xy>"),
		ROW("line separator", "x\xe2\x80\xa8y\n", "<xy>"),
	};

	(void)state;
	CHECK(rows);
}

/* Feeds `fill` times a character, then a tail; the line must come out with `len` bytes. */
static void check_limit(const char *character, size_t times, const char *tail, size_t len,
                        bool cut)
{
	struct chunk_log in = { NULL, 0, 0 }, out, want = { NULL, 0, 0 };
	const char *fault;

	for (size_t i = 0; i < times; i++)
		chunk_log_text(&in, character);
	chunk_log_text(&in, tail);
	if (cut)
		chunk_log_text(&want, "!");
	chunk_log_text(&want, "<");
	chunk_log_bytes(&want, in.text, len);
	chunk_log_text(&want, "><b>");
	chunk_log_text(&in, "\r\nb\n");
	fault = chunking_fault(&framer, in.text, in.len, 1000, &out);
	const bool right = strcmp(out.text, want.text) == 0;

	free(in.text);
	free(out.text);
	free(want.text);
	assert_true(right);
	assert_null(fault);
}

static void a_line_too_long_is_cut_said_once_and_the_next_is_whole(void **state)
{
	(void)state;
	check_limit("x", PL_LINE_MAX, "", PL_LINE_MAX, false);
	check_limit("x", PL_LINE_MAX, "y", PL_LINE_MAX, true);
	check_limit("x", 2 * PL_LINE_MAX, "", PL_LINE_MAX, true);
	/* What is dropped anyway does not count. */
	check_limit("x", PL_LINE_MAX, "\033[A\x01\x7f", PL_LINE_MAX, false);
	/* Whole characters, and nothing from behind the gap. */
	check_limit("\xc3\xa9", PL_LINE_MAX / 2, "", PL_LINE_MAX, false);
	check_limit("\xe2\x82\xac", 342, "z", 341 * 3, true);
}

static void a_too_long_line_without_an_end_is_said_at_once(void **state)
{
	struct pl_framer f = { 0 };
	struct chunk_log log = { NULL, 0, 0 };
	char xs[100000];
	bool said, again;

	(void)state;
	chunk_log_text(&log, "");
	memset(xs, 'x', sizeof xs);
	pl_framer_feed(&f, xs, sizeof xs, note, &log);
	said = strcmp(log.text, "!") == 0;
	pl_framer_feed(&f, xs, sizeof xs, note, &log);
	again = strcmp(log.text, "!") != 0;
	pl_framer_end(&f, note, &log);
	assert_int_equal(log.len, 1 + PL_LINE_MAX + 2);
	free(log.text);
	assert_true(said);
	assert_false(again);
}

static bool stop_at_stop(void *arg, const char *line, size_t len)
{
	note(arg, line, len);
	return !line || strcmp(line, "stop") != 0;
}

static void the_framer_stops_behind_the_line_that_says_so(void **state)
{
	static const char in[] = "a\nstop\r\nb\nstop\n";
	struct pl_framer f = { 0 };
	struct chunk_log log = { NULL, 0, 0 };
	ssize_t first, rest;

	(void)state;
	first = pl_framer_feed(&f, in, sizeof in - 1, stop_at_stop, &log);
	assert_int_equal(first, strlen("a\nstop\r"));
	rest = pl_framer_feed(&f, in + first, sizeof in - 1 - (size_t)first, stop_at_stop,
	                      &log);
	assert_int_equal(rest, (ssize_t)sizeof in - 1 - first);
	assert_string_equal(log.text, "<a><stop><b><stop>");
	free(log.text);
	pl_framer_drop(&f);
}

static void a_dropped_line_is_forgotten_with_all_its_state(void **state)
{
	struct pl_framer f = { 0 };
	struct chunk_log log = { NULL, 0, 0 };
	char xs[2 * PL_LINE_MAX];

	(void)state;
	memset(xs, 'x', sizeof xs);
	pl_framer_feed(&f, xs, sizeof xs, note, &log);
	pl_framer_drop(&f);
	pl_framer_feed(&f, "\033[", 2, note, &log);
	pl_framer_drop(&f);
	pl_framer_feed(&f, "\xe2\x82", 2, note, &log);
	pl_framer_drop(&f);
	pl_framer_feed(&f, "new\n", 4, note, &log);
	assert_string_equal(log.text, "!<new>");
	free(log.text);
}

static void a_record_end_also_ends_the_wait_for_an_lf(void **state)
{
	struct pl_framer f = { 0 };
	struct chunk_log log = { NULL, 0, 0 };

	(void)state;
	pl_framer_feed(&f, "a\r", 2, note, &log);
	pl_framer_end(&f, note, &log);
	pl_framer_feed(&f, "\nb\n", 3, note, &log);
	assert_string_equal(log.text, "<a><><b>");
	free(log.text);
}

static void there_is_memory_only_while_a_line_is_unfinished(void **state)
{
	struct pl_framer f = { 0 };
	struct chunk_log log = { NULL, 0, 0 };

	(void)state;
	pl_framer_feed(&f, "a\nb", 3, note, &log);
	assert_non_null(f.line.bytes);
	pl_framer_feed(&f, "\n", 1, note, &log);
	assert_null(f.line.bytes);
	pl_framer_feed(&f, "\xe2\x82", 2, note, &log);
	assert_null(f.line.bytes);
	pl_framer_feed(&f, "\xac", 1, note, &log);
	assert_non_null(f.line.bytes);
	pl_framer_end(&f, note, &log);
	assert_null(f.line.bytes);
	free(log.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_client_s_enter_ends_one_line),
		cmocka_unit_test(an_unfinished_line_ends_with_the_record),
		cmocka_unit_test(keys_leave_nothing_in_the_text),
		cmocka_unit_test(characters_are_whole_or_replaced),
		cmocka_unit_test(a_line_too_long_is_cut_said_once_and_the_next_is_whole),
		cmocka_unit_test(a_too_long_line_without_an_end_is_said_at_once),
		cmocka_unit_test(the_framer_stops_behind_the_line_that_says_so),
		cmocka_unit_test(a_dropped_line_is_forgotten_with_all_its_state),
		cmocka_unit_test(a_record_end_also_ends_the_wait_for_an_lf),
		cmocka_unit_test(there_is_memory_only_while_a_line_is_unfinished),
	};

	return cmocka_run_group_tests_name("framer", tests, NULL, NULL);
}
