/* telnet_test.c: the commands that clients send, as they were measured, and what is left
 * of them.  The log of a run is the text that came through and, in braces, the commands
 * that mean something. */
#include "cmocka_all.h"
#include "chunking.h"
#include "line/line_impl.h"

#include <string.h>

static void feed(void *parser, const char *data, size_t len, struct chunk_log *log)
{
	static const char *const names[] = {
		[PL_TELNET_NOTHING] = "",
		[PL_TELNET_INTERRUPT] = "{interrupt}",
		[PL_TELNET_KEY] = "{key}",
		[PL_TELNET_ARE_YOU_THERE] = "{there?}",
		[PL_TELNET_TIMING_MARK] = "{mark}",
	};

	while (len > 0) {
		enum pl_telnet_piece piece;
		const size_t n = pl_telnet_next(parser, data, len, &piece);

		if (n == 0 || n > len) {
			chunk_log_text(log, "{wrong length}");
			return;
		}
		if (piece == PL_TELNET_TEXT)
			chunk_log_bytes(log, data, n);
		else
			chunk_log_text(log, names[piece]);
		data += n;
		len -= n;
	}
}

static void end(void *parser, struct chunk_log *log)
{
	(void)parser;
	(void)log;
}

static const struct chunk_subject telnet = { sizeof(struct pl_telnet), feed, end };

struct row {
	const char *what, *in;
	size_t len;
	const char *out;
	size_t out_len;
};

#define ROW(what, in, out) \
	{ \
		what, in, sizeof(in) - 1, out, sizeof(out) - 1 \
	}

static void check(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct chunk_log log;
		const char *fault =
			chunking_fault(&telnet, rows[i].in, rows[i].len, 1000, &log);
		const bool right = log.len == rows[i].out_len &&
		                   memcmp(log.text, rows[i].out, log.len) == 0;

		if (!right)
			print_error("%s: \"%s\", not \"%s\"\n", rows[i].what, log.text,
			            rows[i].out);
		free(log.text);
		assert_true(right);
		if (fault)
			fail_msg("%s: %s", rows[i].what, fault);
	}
}

#define CHECK(rows) check(rows, sizeof(rows) / sizeof((rows)[0]))

static void what_clients_send_leaves_their_text_alone(void **state)
{
	static const struct row rows[] = {
		ROW("nc", "ac\n", "ac\n"),
		ROW("UTF-8", "\xc3\xa9\xf0\x9f\x98\x80\n", "\xc3\xa9\xf0\x9f\x98\x80\n"),
		ROW("telnet, its answer to ECHO and SGA",
		    "\xff\xfd\x01\xff\xfd\x03"
		    "hi\r\n",
		    "hi\r\n"),
		ROW("telnet, NAWS 80x24",
		    "x\xff\xfb\x1f\xff\xfa\x1f\0\x50\0\x18\xff\xf0y", "xy"),
		ROW("telnet, a size of 255", "x\xff\xfa\x1f\0\xff\xff\0\x18\xff\xf0y", "xy"),
		ROW("telnet, TTYPE", "x\xff\xfb\x18\xff\xfa\x18\0TMUX-256COLOR\xff\xf0y",
		    "xy"),
		ROW("telnet on port 23",
		    "\xff\xfd\x26\xff\xfb\x26\xff\xfd\x03\xff\xfb\x18\xff\xfb\x1f\xff\xfb\x20"
		    "\xff\xfb\x21\xff\xfb\x22\xff\xfb\x27\xff\xfd\x05"
		    "hi\r\n",
		    "hi\r\n"),
		ROW("PuTTY",
		    "\xff\xfb\x1f\xff\xfb\x20\xff\xfb\x18\xff\xfb\x27\xff\xfd\x01\xff\xfb\x03"
		    "\xff\xfd\x03"
		    "hi\r\n",
		    "hi\r\n"),
		ROW("nc -t",
		    "\xff\xfe\x01\xff\xfe\x03\xff\xfc\x1f"
		    "hi\n",
		    "hi\n"),
		ROW("ncat -t, malformed", "x\xff\0\x18y\n", "x\0\x18y\n"),
	};

	(void)state;
	CHECK(rows);
}

static void keys_of_a_telnet_in_line_mode_are_understood(void **state)
{
	static const struct row rows[] = {
		ROW("^C", "\xff\xf4\xff\xfd\x06", "{interrupt}{mark}"),
		ROW("^Z", "\xff\xed\xff\xfd\x06", "{key}{mark}"),
		ROW("abort output", "\xff\xf5x", "{key}x"),
		ROW("send brk", "\xff\xf3", "{interrupt}"),
		ROW("send ayt", "\xff\xf6x", "{there?}x"),
		ROW("WILL TIMING-MARK is no question", "\xff\xfb\x06\xff\xfe\x06x", "x"),
		ROW("^C in the middle of a line", "half\xff\xf4\xff\xfd\x06whole\r\n",
		    "half{interrupt}{mark}whole\r\n"),
		ROW("data mark, GA, EC, EL, NOP",
		    "x\xff\xf2\xff\xf9\xff\xf7\xff\xf8\xff\xf1y", "xy"),
	};

	(void)state;
	CHECK(rows);
}

static void what_is_no_command_is_text(void **state)
{
	static const struct row rows[] = {
		ROW("a doubled ff", "x\xff\xffy", "x\xffy"),
		ROW("four of them", "\xff\xff\xff\xff", "\xff\xff"),
		ROW("an y with diaeresis in Latin-1, then Enter", "a\xff\n", "a\n"),
		ROW("and before a CR", "a\xff\r\n", "a\r\n"),
		ROW("a stray SE", "x\xff\xf0y", "xy"),
	};

	(void)state;
	CHECK(rows);
}

static void a_subnegotiation_makes_nobody_mute(void **state)
{
	struct chunk_log in = { NULL, 0, 0 }, out;
	const char *fault;
	bool right;
	static const struct row rows[] = {
		ROW("SE forgotten before the next", "\xff\xfa\x1f\0\xff\xfd\x06x",
		    "{mark}x"),
		ROW("begins anew", "\xff\xfa\x1f\0\xff\xfa\x18\0\xff\xf0x", "x"),
		ROW("LINEMODE's table of 60 bytes",
		    "\xff\xfa\x22\x03\x01\0\0\x03\x62\x03\x04\x02\x0f\x05\x02\x14\x07\x62\x1c"
		    "\x08\x02\x04\x09\x42\x1a\x0a\x02\x7f\x0b\x02\x15\x0c\x02\x17\x0d\x02\x12"
		    "\x0e\x02\x16\x0f\x02\x11\x10\x02\x13\x11\0\0\x12\0\0\xff\xf0x",
		    "x"),
	};

	(void)state;
	CHECK(rows);

	/* One that never ends, made of bytes ff or of others, is given up. */
	for (int c = 0; c < 2; c++) {
		in = (struct chunk_log){ NULL, 0, 0 };
		chunk_log_text(&in, "\xff\xfa\x1f");
		for (int i = 0; i < 2000; i++)
			chunk_log_text(&in, c ? "\xff" : "z");
		chunk_log_text(&in, "z\nhello\n");
		fault = chunking_fault(&telnet, in.text, in.len, 1000, &out);
		right = strstr(out.text, "\nhello\n") != NULL;
		free(in.text);
		free(out.text);
		assert_true(right);
		assert_null(fault);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_clients_send_leaves_their_text_alone),
		cmocka_unit_test(keys_of_a_telnet_in_line_mode_are_understood),
		cmocka_unit_test(what_is_no_command_is_text),
		cmocka_unit_test(a_subnegotiation_makes_nobody_mute),
	};

	return cmocka_run_group_tests_name("telnet", tests, NULL, NULL);
}
