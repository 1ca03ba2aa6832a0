/* utf8_test.c: what becomes of bytes of unknown origin.  The tables are those of Unicode
 * (chapter 3, tables 3-7 and 3-8 and the text around them) and of PITFALLS T1 and T2. */
#include "cmocka_all.h"
#include "line/line_impl.h"

#include <stdio.h>
#include <string.h>

#define FFFD "\xef\xbf\xbd"

struct row {
	const char *in, *out;
};

static void check(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char out[256];
		const size_t len =
			pl_clean_text(out, sizeof out, rows[i].in, strlen(rows[i].in));

		assert_string_equal(out, rows[i].out);
		assert_int_equal(len, strlen(rows[i].out));
	}
}

#define CHECK(rows) check(rows, sizeof(rows) / sizeof((rows)[0]))

static void text_stays_as_it_is(void **state)
{
	static const struct row rows[] = {
		{ "", "" },
		{ "hello, world ~", "hello, world ~" },
		{ "a\tb", "a\tb" },
		{ "é ß ж א ا 中 😀", "é ß ж א ا 中 😀" },
		{ "\xc2\xa0", "\xc2\xa0" }, /* the first that is no C1 */
		{ "\xdf\xbf\xe0\xa0\x80", "\xdf\xbf\xe0\xa0\x80" },
		{ "\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80" },
		{ "\xef\xbf\xbf\xf0\x90\x80\x80", "\xef\xbf\xbf\xf0\x90\x80\x80" },
		{ "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf" }, /* U+10FFFF */
		{ "e\xcc\x81", "e\xcc\x81" },               /* a combining mark */
		{ "\xe2\x80\x8fx", "\xe2\x80\x8fx" }, /* a mark that turns nothing around */
	};

	(void)state;
	CHECK(rows);
}

static void each_maximal_invalid_sequence_becomes_one_replacement(void **state)
{
	static const struct row rows[] = {
		/* Unicode, table 3-8 */
		{ "x\xf1\x80\x80\xe1\x80\xc2y\x80z\x80\xbfw",
		  "x" FFFD FFFD FFFD "y" FFFD "z" FFFD FFFD "w" },
		{ "\xc0\x80", FFFD FFFD },          /* a NUL in two bytes */
		{ "\xe0\x80\xaf", FFFD FFFD FFFD }, /* a slash in three */
		{ "\xed\xa0\x80", FFFD FFFD FFFD }, /* a surrogate */
		{ "\xf0\x80\x80\x80", FFFD FFFD FFFD FFFD },
		{ "\xf4\x90\x80\x80", FFFD FFFD FFFD FFFD }, /* beyond U+10FFFF */
		{ "\xf4\x8f\xbf", FFFD },                    /* the end is missing */
		{ "\xe2\x82\xe2\x82\xac", FFFD "\xe2\x82\xac" },
		{ "\xc3", FFFD },
		{ "caf\xe9", "caf" FFFD }, /* Latin-1 */
		{ "\xfe\xff", FFFD FFFD },
	};

	(void)state;
	CHECK(rows);
}

static void controls_are_dropped_after_decoding(void **state)
{
	static const struct row rows[] = {
		{ "x\x01\x07\x08\x0b\x0e\x1fy", "xy" },
		{ "a\r\nb", "ab" },
		{ "x\x7fy", "xy" },
		{ "x\xc2\x80y\xc2\x9fz", "xyz" }, /* C1: 8-bit escapes for many terminals */
		{ "\xc2\x9b[31m", "[31m" },
		{ "x\x9by", "x" FFFD "y" }, /* a lone byte 9b is no character at all */
		{ "\xc3\x9b", "\xc3\x9b" }, /* and one inside a character is a part of it */
	};

	(void)state;
	CHECK(rows);
}

static void what_turns_a_line_around_is_dropped(void **state)
{
	/* NOLINTBEGIN(misc-misleading-bidirectional): that is what they are */
	static const struct row rows[] = {
		{ "x\xe2\x80\xaa\xe2\x80\xab\xe2\x80\xac\xe2\x80\xad\xe2\x80\xaey", "xy" },
		{ "x\xe2\x81\xa6\xe2\x81\xa7\xe2\x81\xa8\xe2\x81\xa9y", "xy" },
		{ "x\xe2\x80\xa8\xe2\x80\xa9y", "xy" }, /* line ends that are none here */
		{ "\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xaa",
		  "\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xaa" },
	};
	/* NOLINTEND(misc-misleading-bidirectional) */

	(void)state;
	CHECK(rows);
}

static void escape_sequences_are_dropped_whole(void **state)
{
	static const struct row rows[] = {
		{ "a\033[Ab", "ab" },
		{ "a\033[31;1mb\033[0m", "ab" },
		{ "a\033[3~b\033OPc", "abc" },
		{ "a\033[[Ab", "ab" },      /* F1 of the Linux console */
		{ "a\033(B\033[mb", "ab" }, /* tput sgr0 */
		{ "a\033cb", "ab" },        /* reset */
		{ "a\033\033[Ab", "ab" },
		{ "a\033[\033[Ab", "ab" },
		{ "a\033[3\xc3\xa9", "a\xc3\xa9" }, /* no part of a sequence */
		{ "a\033[3\tb", "a\tb" },
		{ "x\033\xffy", "x" FFFD "y" },
		{ "a\033", "a" },
		{ "a\033[", "a" },
	};

	(void)state;
	CHECK(rows);
}

/* Not one control character comes out, whatever goes in: all pairs of bytes. */
static void no_pair_of_bytes_lets_an_escape_through(void **state)
{
	char in[3] = "", out[16];

	(void)state;
	for (unsigned pair = 0; pair < 0x10000; pair++) {
		in[0] = (char)(pair >> 8);
		in[1] = (char)pair;
		const size_t len = pl_clean_text(out, sizeof out, in, 2);

		for (size_t i = 0; i < len; i++) {
			const unsigned char c = (unsigned char)out[i];

			if ((c < 0x20 && c != '\t') || c == 0x7f)
				fail_msg("%02x %02x gave %02x", pair >> 8, pair & 0xff, c);
			if (c == 0xc2 && (unsigned char)out[i + 1] < 0xa0)
				fail_msg("%02x %02x gave a C1", pair >> 8, pair & 0xff);
		}
	}
}

static void every_character_is_written_and_read_alike(void **state)
{
	(void)state;
	for (uint32_t code = 1; code <= 0x10ffff; code++) {
		char bytes[5] = "";
		uint32_t again;

		if (code >= 0xd800 && code <= 0xdfff)
			continue;
		const size_t len = pl_utf8_put(bytes, code);

		if (pl_utf8_get(bytes, &again) != len || again != code)
			fail_msg("U+%04X was read as U+%04X", (unsigned)code,
			         (unsigned)again);
	}
}

static void a_full_buffer_gets_no_half_character(void **state)
{
	char out[8];

	(void)state;
	memset(out, 'x', sizeof out);
	assert_int_equal(pl_clean_text(out, 4, "ab\xe2\x82\xac", 5), 2);
	assert_string_equal(out, "ab");
	assert_int_equal(pl_clean_text(out, 6, "ab\xe2\x82\xac", 5), 5);
	assert_string_equal(out, "ab\xe2\x82\xac");
	assert_int_equal(pl_clean_text(out, 3, "a\xff", 2), 1);
	assert_int_equal(pl_clean_text(out, 1, "abc", 3), 0);
	assert_string_equal(out, "");
	out[0] = 'x';
	assert_int_equal(pl_clean_text(out, 0, "abc", 3), 0);
	assert_int_equal(out[0], 'x');
}

static void a_nul_is_dropped_and_does_not_end_the_text(void **state)
{
	char out[8];

	(void)state;
	assert_int_equal(pl_clean_text(out, sizeof out, "a\0b", 3), 2);
	assert_string_equal(out, "ab");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_stays_as_it_is),
		cmocka_unit_test(each_maximal_invalid_sequence_becomes_one_replacement),
		cmocka_unit_test(controls_are_dropped_after_decoding),
		cmocka_unit_test(what_turns_a_line_around_is_dropped),
		cmocka_unit_test(escape_sequences_are_dropped_whole),
		cmocka_unit_test(no_pair_of_bytes_lets_an_escape_through),
		cmocka_unit_test(every_character_is_written_and_read_alike),
		cmocka_unit_test(a_full_buffer_gets_no_half_character),
		cmocka_unit_test(a_nul_is_dropped_and_does_not_end_the_text),
	};

	return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
