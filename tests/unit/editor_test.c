/* editor_test.c: the keys that terminal programs send, the lines they mean, and what is
 * then on the screen.
 *
 * Rows are fed in all the ways that reads can cut them.  The log of a run is the bytes
 * drawn, with entered lines in angle brackets; a terminal shows what they look like. */
#include "cmocka_all.h"
#include "chunking.h"
#include "terminal.h"

#include <string.h>

#define FFFD "\xef\xbf\xbd"

/* What the line layer does with an editor, in small. */
struct typist {
	struct pl_editor editor;
	struct chunk_log lines;
	struct terminal screen;
	bool out_of_memory;
};

static void type(struct typist *y, const char *keys, size_t len, struct chunk_log *log)
{
	struct pl_drawing d;

	for (size_t i = 0; i < len; i++) {
		d.len = 0;
		const int status = pl_editor_key(&y->editor, (unsigned char)keys[i], &d);

		chunk_log_bytes(log, d.bytes, d.len);
		terminal_show(&y->screen, d.bytes, d.len);
		y->out_of_memory |= status < 0;
		if (status > 0) {
			size_t line_len;
			const char *line = pl_editor_take(&y->editor, &line_len);

			chunk_log_text(&y->lines, "<");
			chunk_log_bytes(&y->lines, line, line_len);
			chunk_log_text(&y->lines,
			               line[line_len] == '\0' ? ">" : "without a NUL>");
			const char *end = pl_editor_settle(&y->editor);

			chunk_log_text(log, end);
			terminal_show(&y->screen, end, strlen(end));
		}
	}
}

static void feed(void *parser, const char *data, size_t len, struct chunk_log *log)
{
	struct typist *y = parser;

	if (!y->screen.width)
		terminal_init(&y->screen, 80);
	type(y, data, len, log);
}

static void end(void *parser, struct chunk_log *log)
{
	struct typist *y = parser;

	chunk_log_text(log, y->lines.text ? y->lines.text : "");
	if (y->screen.fault)
		chunk_log_text(log, y->screen.fault);
	pl_editor_finish(&y->editor);
	free(y->lines.text);
}

static const struct chunk_subject editor = { sizeof(struct typist), feed, end };

static struct typist *typist(unsigned width)
{
	struct typist *y = calloc(1, sizeof *y);

	assert_non_null(y);
	chunk_log_text(&y->lines, "");
	terminal_init(&y->screen, width);
	y->editor.width = width == 80 ? 0 : width;
	return y;
}

static void typist_free(struct typist *y)
{
	pl_editor_finish(&y->editor);
	free(y->lines.text);
	free(y);
}

static void type_text(struct typist *y, const char *keys)
{
	struct chunk_log log = { NULL, 0, 0 };

	type(y, keys, strlen(keys), &log);
	free(log.text);
}

/* A line comes in from outside. */
static void hear(struct typist *y, const char *text, bool own)
{
	char row[PL_EDITOR_ROW_MAX];
	const char *before = pl_editor_before(&y->editor, own);

	terminal_show(&y->screen, before, strlen(before));
	terminal_show(&y->screen, text, strlen(text));
	terminal_show(&y->screen, "\r\n", 2);
	terminal_show(&y->screen, row, pl_editor_row(&y->editor, row));
}

struct row {
	const char *what, *keys;
	size_t len;
	const char *lines, *screen;
};

#define ROW(what, keys, lines, screen) \
	{ \
		what, keys, sizeof(keys) - 1, lines, screen \
	}

static void check(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct row *row = &rows[i];
		struct typist *y = typist(80);
		struct chunk_log log = { NULL, 0, 0 };
		const char *fault;

		type(y, row->keys, row->len, &log);
		free(log.text);
		if (strcmp(y->lines.text, row->lines) != 0 ||
		    strcmp(terminal_text(&y->screen), row->screen) != 0)
			fail_msg("%s: \"%s\" and on the screen \"%s\"", row->what,
			         y->lines.text, terminal_text(&y->screen));
		assert_null(y->screen.fault);
		typist_free(y);

		fault = chunking_fault(&editor, row->keys, row->len, 1000, &log);
		free(log.text);
		if (fault)
			fail_msg("%s: %s", row->what, fault);
	}
}

#define CHECK(rows) check(rows, sizeof(rows) / sizeof((rows)[0]))

static void what_is_typed_is_echoed_and_entered(void **state)
{
	static const struct row rows[] = {
		ROW("screen, minicom, picocom, tio, microcom", "hi\r", "<hi>", "hi\n"),
		ROW("telnet in character mode", "hi\r\0ho\r\0", "<hi><ho>", "hi\nho\n"),
		ROW("CR LF, and LF alone", "hi\r\nho\n", "<hi><ho>", "hi\nho\n"),
		ROW("paste of 3 lines", "l1\rl2\rl3\r", "<l1><l2><l3>", "l1\nl2\nl3\n"),
		ROW("not yet entered", "half", "", "half"),
		ROW("Enter alone", "\r\r", "<><>", "\n\n"),
		ROW("TAB is a blank", "a\tb\r", "<a b>", "a b\n"),
		ROW("UTF-8", "\xc3\xa9\xe4\xb8\xad\r", "<\xc3\xa9\xe4\xb8\xad>",
		    "\xc3\xa9\xe4\xb8\xad\n"),
		ROW("not UTF-8", "x\xffy\r", "<x" FFFD "y>", "x" FFFD "y\n"),
		ROW("half a character, then Enter", "a\xe2\x82\r", "<a" FFFD ">",
		    "a" FFFD "\n"),
		ROW("C1 and overrides", "x\xc2\x9b\xe2\x80\xaey\r", "<xy>", "xy\n"),
	};

	(void)state;
	CHECK(rows);
}

static void editing_keys_edit(void **state)
{
	static const struct row rows[] = {
		ROW("Backspace, all but minicom", "hellp\x7fo\r", "<hello>", "hello\n"),
		ROW("Backspace, minicom", "hellp\x08o\r", "<hello>", "hello\n"),
		ROW("Backspace on nothing", "\x7f\x08x\x7f\x7fy\r", "<y>", "y\n"),
		ROW("over two bytes", "x\xc3\xa9\x7fy\r", "<xy>", "xy\n"),
		ROW("over two columns", "x\xe4\xb8\xad\x7fy\r", "<xy>", "xy\n"),
		ROW("over a combining mark", "xe\xcc\x81\x7fy\r", "<xy>", "xy\n"),
		ROW("over a replaced byte", "x\xff\x7fy\r", "<xy>", "xy\n"),
		ROW("over half a character", "x\xe2\x82\x7fy\r", "<xy>", "xy\n"),
		ROW("over a mark that begins the line", "\xcc\x81\x7fy\r", "<y>", "y\n"),
		ROW("^U", "xyz\x15w\r", "<w>", "w\n"),
		ROW("^C", "xyz\x03w\r", "<w>", "w\n"),
		ROW("^U on nothing", "\x15\x03w\r", "<w>", "w\n"),
		ROW("^W", "one two\x17three\r", "<one three>", "one three\n"),
		ROW("^W over blanks", "one two  \x17three\r", "<one three>", "one three\n"),
		ROW("^W over the only word", "one\x17\x17two\r", "<two>", "two\n"),
		ROW("^W over wide ones", "x \xe4\xb8\xad\xe6\x96\x87\x17y\r", "<x y>",
		    "x y\n"),
		ROW("^L and ^R", "xy\x0c\x12z\r", "<xyz>", "xyz\n"),
	};

	(void)state;
	CHECK(rows);
}

static void other_keys_do_nothing(void **state)
{
	static const struct row rows[] = {
		ROW("Up Down Right Left", "a\033[A\033[B\033[C\033[Db\r", "<ab>", "ab\n"),
		ROW("Home End Delete PgUp", "a\033[1~\033[4~\033[3~\033[5~b\r", "<ab>",
		    "ab\n"),
		ROW("F1, and of the Linux console", "a\033OP\033[[Ab\r", "<ab>", "ab\n"),
		ROW("Shift-Up", "a\033[1;2Ab\r", "<ab>", "ab\n"),
		ROW("Alt-x", "a\033xb\r", "<ab>", "ab\n"),
		ROW("a lone ESC before keys that edit", "x\033\x7f\033\x15y\033\r", "<y>",
		    "y\n"),
		ROW("^D ^S ^Q ^Z ^G", "\x04x\x04\x13\x11\x1a\x07y\r", "<xy>", "xy\n"),
		ROW("a break", "a\0b\r", "<ab>", "ab\n"),
	};

	(void)state;
	CHECK(rows);
}

static void a_line_that_comes_in_leaves_the_half_typed_one_below_it(void **state)
{
	struct typist *y = typist(80);

	(void)state;
	hear(y, "<bob> nobody has typed yet", false);
	type_text(y, "half ty");
	hear(y, "<bob> hello", false);
	hear(y, "<bob> are you there?", false);
	type_text(y, "ped\x7f");
	assert_string_equal(terminal_text(&y->screen), "<bob> nobody has typed yet\n"
	                                               "<bob> hello\n"
	                                               "<bob> are you there?\n"
	                                               "half type");
	type_text(y, "d\r");
	assert_string_equal(y->lines.text, "<half typed>");
	assert_null(y->screen.fault);
	typist_free(y);
}

/* Enter, and during the call something comes. */
static void enter(struct typist *y)
{
	struct pl_drawing d;
	size_t len;

	d.len = 0;
	assert_int_equal(pl_editor_key(&y->editor, '\r', &d), 1);
	assert_int_equal(d.len, 0); /* until it is known what will be there */
	pl_editor_take(&y->editor, &len);
}

static void the_own_line_takes_the_place_of_the_typed_one(void **state)
{
	struct typist *y = typist(80);

	(void)state;
	type_text(y, "hello");
	enter(y);
	hear(y, "<ann> hello", true);
	assert_string_equal(pl_editor_settle(&y->editor), "");
	type_text(y, "ag");
	assert_string_equal(terminal_text(&y->screen), "<ann> hello\nag");
	typist_free(y);
}

static void an_answer_leaves_the_typed_line_above_it(void **state)
{
	struct typist *y = typist(80);

	(void)state;
	type_text(y, "/who");
	enter(y);
	hear(y, "ann", false);
	hear(y, "bob", false);
	assert_string_equal(pl_editor_settle(&y->editor), "");
	assert_string_equal(terminal_text(&y->screen), "/who\nann\nbob\n");
	typist_free(y);
}

static void an_own_line_that_comes_later_is_a_line_like_others(void **state)
{
	struct typist *y = typist(80);

	(void)state;
	type_text(y, "hello\rnex");
	hear(y, "<ann> hello", true);
	assert_string_equal(terminal_text(&y->screen), "hello\n<ann> hello\nnex");
	typist_free(y);
}

/* The row must show an end of the line, all of it where it fits, and never reach the last
 * column. */
static const char *row_fault(struct typist *y)
{
	const char *row = terminal_row(&y->screen);
	const struct pl_linebuf *line = &y->editor.line;
	size_t len = strlen(row);

	if (y->screen.fault)
		return y->screen.fault;
	if (y->screen.column != y->editor.column)
		return "the editor is wrong about the cursor";
	if (y->screen.column >= y->screen.width)
		return "the cursor is in the last column";
	if (row[0] == '<') {
		row++;
		len--;
		if (y->screen.column < y->screen.width / 4 - 1)
			return "too little is shown";
	} else if (len != line->len) {
		return "something else is shown";
	}
	if (len > line->len ||
	    (len && memcmp(line->bytes + line->len - len, row, len) != 0))
		return "not the end of the line";
	return NULL;
}

static void a_line_longer_than_the_row_scrolls_sideways(void **state)
{
	static const char *const characters[] = { "x", "\xc3\xa9", "\xe4\xb8\xad" };
	static const unsigned widths[] = { 8, 20, 79, 80, 132 };

	(void)state;
	for (size_t w = 0; w < 5; w++) {
		struct typist *y = typist(widths[w]);
		const char *fault = NULL;

		for (int i = 0; i < 300 && !fault; i++) {
			type_text(y, characters[i % 7 % 3]);
			fault = row_fault(y);
		}
		if (fault)
			fail_msg("%u columns: %s: %s", widths[w], fault,
			         terminal_row(&y->screen));
		while (y->editor.line.len > 0 && !fault) {
			type_text(y, "\x7f");
			fault = row_fault(y);
		}
		if (fault)
			fail_msg("%u columns: %s: %s", widths[w], fault,
			         terminal_row(&y->screen));
		assert_string_equal(terminal_text(&y->screen), "");
		typist_free(y);
	}
}

static void an_incoming_line_finds_a_scrolled_row_and_leaves_it(void **state)
{
	struct typist *y = typist(20);
	char before[64];

	(void)state;
	type_text(y, "abcdefghijklmnopqrstuvwxyz0123456789");
	snprintf(before, sizeof before, "%s", terminal_row(&y->screen));
	hear(y, "<bob> hello", false);
	assert_string_equal(terminal_row(&y->screen), before);
	assert_null(row_fault(y));
	/* On a scrolled row: Ctrl-W, Ctrl-U, Enter. */
	type_text(y, " a b\x17z");
	assert_null(row_fault(y));
	type_text(y, "\x15");
	assert_string_equal(terminal_text(&y->screen), "<bob> hello\n");
	type_text(y, "abcdefghijklmnopqrstuvwxyz");
	enter(y);
	hear(y, "<ann> abc", true);
	assert_string_equal(terminal_text(&y->screen), "<bob> hello\n<ann> abc\n");
	typist_free(y);
}

static void a_new_width_is_followed(void **state)
{
	struct typist *y = typist(80);
	struct pl_drawing d;

	(void)state;
	type_text(y, "abcdefghijklmnopqrstuvwxyz0123456789");
	d.len = 0;
	y->screen.width = 20;
	memset(y->screen.row + 20, 0, 60 * sizeof y->screen.row[0]);
	pl_editor_resize(&y->editor, 20, &d);
	terminal_show(&y->screen, d.bytes, d.len);
	assert_null(row_fault(y));
	assert_int_equal(terminal_row(&y->screen)[0], '<');

	d.len = 0;
	y->screen.width = 80;
	pl_editor_resize(&y->editor, 0, &d); /* unknown */
	terminal_show(&y->screen, d.bytes, d.len);
	assert_string_equal(terminal_row(&y->screen),
	                    "abcdefghijklmnopqrstuvwxyz0123456789");

	d.len = 0;
	type_text(y, "\r");
	pl_editor_resize(&y->editor, 1, &d); /* nobody reads on one column */
	assert_int_equal(d.len, 0);
	y->screen.width = 8;
	type_text(y, "abcdefghijklmnopqrstuvwxyz0123456789");
	assert_null(row_fault(y));
	assert_in_range(strlen(terminal_row(&y->screen)), 3, 7);
	typist_free(y);
}

static void a_full_line_rings_once_and_takes_no_more(void **state)
{
	struct typist *y = typist(80);

	(void)state;
	for (int i = 0; i < PL_LINE_MAX; i++)
		type_text(y, "x");
	assert_int_equal(y->screen.bells, 0);
	type_text(y, "yyy");
	assert_int_equal(y->screen.bells, 1);
	type_text(y, "\x7f\xc3\xa9");
	assert_int_equal(y->screen.bells, 2); /* one byte is free, é has two */
	type_text(y, "\x7fyz\r");
	assert_int_equal(y->screen.bells, 2);
	assert_int_equal(y->lines.len, PL_LINE_MAX + 2);
	assert_memory_equal(y->lines.text + y->lines.len - 4, "xyz>", 4);
	type_text(y, "z\r");
	assert_string_equal(y->lines.text + y->lines.len - 3, "<z>");
	typist_free(y);
}

/* The longest a key can draw: a row of nothing but marks that take no column. */
static void a_drawing_has_its_bound(void **state)
{
	struct typist *y = typist(80);
	struct pl_drawing d;
	size_t most = 0;

	(void)state;
	for (int i = 0; i < PL_LINE_MAX / 2 - 1; i++)
		type_text(y, "\xcc\x81");
	d.len = 0;
	pl_editor_key(&y->editor, 0xc3, &d);
	pl_editor_key(&y->editor, 0x12, &d); /* U+FFFD, and the row again */
	most = d.len;
	assert_in_range(most, PL_LINE_MAX, PL_EDITOR_KEY_MAX);
	typist_free(y);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_typed_is_echoed_and_entered),
		cmocka_unit_test(editing_keys_edit),
		cmocka_unit_test(other_keys_do_nothing),
		cmocka_unit_test(a_line_that_comes_in_leaves_the_half_typed_one_below_it),
		cmocka_unit_test(the_own_line_takes_the_place_of_the_typed_one),
		cmocka_unit_test(an_answer_leaves_the_typed_line_above_it),
		cmocka_unit_test(an_own_line_that_comes_later_is_a_line_like_others),
		cmocka_unit_test(a_line_longer_than_the_row_scrolls_sideways),
		cmocka_unit_test(an_incoming_line_finds_a_scrolled_row_and_leaves_it),
		cmocka_unit_test(a_new_width_is_followed),
		cmocka_unit_test(a_full_line_rings_once_and_takes_no_more),
		cmocka_unit_test(a_drawing_has_its_bound),
	};

	return cmocka_run_group_tests_name("editor", tests, NULL, NULL);
}
