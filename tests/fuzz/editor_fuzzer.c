/* editor_fuzzer.c: whatever is typed, and whatever comes in between, the screen shows the
 * end of the line, and the cuts between reads change nothing.
 *
 * A byte fd makes a line come in, fe makes it the own one, ff changes the width to what
 * the next byte says: none of them is UTF-8. */
#include "chunking.h"
#include "terminal.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct typist {
	struct pl_editor editor;
	struct terminal screen;
	bool width_follows;
};

static void show(struct typist *y, const char *bytes, size_t len, struct chunk_log *log)
{
	chunk_log_bytes(log, bytes, len);
	terminal_show(&y->screen, bytes, len);
	assert(!y->screen.fault);
}

static void hear(struct typist *y, bool own, struct chunk_log *log)
{
	char row[PL_EDITOR_ROW_MAX];
	const char *before = pl_editor_before(&y->editor, own);

	show(y, before, strlen(before), log);
	show(y, "<bob> hello\r\n", 13, log);
	show(y, row, pl_editor_row(&y->editor, row), log);
}

static void enter(struct typist *y, struct chunk_log *log)
{
	size_t len;
	const char *line = pl_editor_take(&y->editor, &len), *rest;

	assert(len <= PL_LINE_MAX && line[len] == '\0' && strlen(line) == len);
	chunk_log_bytes(log, line, len);
	if (len % 3)
		hear(y, len % 3 == 1, log);
	rest = pl_editor_settle(&y->editor);
	show(y, rest, strlen(rest), log);
}

static void resize(struct typist *y, unsigned char columns, struct chunk_log *log)
{
	struct pl_drawing d;

	d.len = 0;
	y->screen.width = columns == 0 ? 80 : columns < 8 ? 8 : columns;
	/* What the window has lost is gone; longer rows would wrap in some terminals. */
	memset(y->screen.row, 0, sizeof y->screen.row);
	y->screen.column = 0;
	pl_editor_resize(&y->editor, columns, &d);
	show(y, d.bytes, d.len, log);
}

static void check_screen(struct typist *y)
{
	const struct pl_linebuf *line = &y->editor.line;
	unsigned columns = 0;
	uint32_t code;

	assert(y->screen.column == y->editor.column);
	assert(y->screen.column < y->screen.width);
	assert(y->editor.first <= line->len);
	if (y->editor.first > 0)
		assert(y->screen.row[columns++] == '<');
	for (size_t at = y->editor.first; at < line->len;) {
		at += pl_utf8_get(line->bytes + at, &code);
		const int width = utf8proc_charwidth((utf8proc_int32_t)code);

		if (width > 0) {
			assert(y->screen.row[columns] == code);
			columns += (unsigned)width;
		}
	}
	assert(columns == y->editor.column);
	for (; columns < y->screen.width; columns++)
		assert(y->screen.row[columns] == 0 || y->screen.row[columns] == ' ');
}

static void key(struct typist *y, unsigned char byte, struct chunk_log *log)
{
	struct pl_drawing d;
	int status;

	d.len = 0;
	if (y->width_follows) {
		y->width_follows = false;
		resize(y, byte, log);
	} else if (byte == 0xff) {
		y->width_follows = true;
	} else if (byte >= 0xfd) {
		hear(y, byte == 0xfe, log);
	} else {
		status = pl_editor_key(&y->editor, byte, &d);
		assert(status >= 0 && d.len <= PL_EDITOR_KEY_MAX);
		show(y, d.bytes, d.len, log);
		if (status > 0)
			enter(y, log);
	}
}

static void feed(void *parser, const char *data, size_t len, struct chunk_log *log)
{
	struct typist *y = parser;

	if (!y->screen.width)
		terminal_init(&y->screen, 80);
	for (size_t i = 0; i < len; i++)
		key(y, (unsigned char)data[i], log);
	check_screen(y);
	pl_linebuf_trim(&y->editor.line);
}

static void end(void *parser, struct chunk_log *log)
{
	struct typist *y = parser;

	(void)log;
	pl_editor_finish(&y->editor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct chunk_subject editor = { sizeof(struct typist), feed, end };

	chunking_check(&editor, (const char *)data, size);
	return 0;
}
