/* editor.c: the line that is typed on a terminal which sends single keys.
 *
 * A pure function: a byte goes in, the line changes, and what to draw comes out.  The
 * line lives on one row of the screen and scrolls sideways in it, so that CR, BS and ESC
 * [ K are all the terminal must understand; the last column stays free, because
 * terminals differ in what they do there.  A line that scrolls jumps by half a row: at
 * 9600 baud to draw the row again for every key would take longer than to type it.
 *
 * No cursor keys and no history yet: sequences of ESC are swallowed (utf8.c).  A lone
 * ESC takes the next character with it. */
#include "line_impl.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <utf8proc.h>

enum {
	CTRL_C = 0x03,
	BACKSPACE = 0x08, /* minicom; all others send DEL */
	CTRL_L = 0x0c,
	CTRL_R = 0x12,
	CTRL_U = 0x15,
	CTRL_W = 0x17,
	ESC = 0x1b,
	DEL = 0x7f
};

enum { WIDTH_UNKNOWN = 80, WIDTH_MIN = 8 };

/* --- drawing ---------------------------------------------------------------------------- */

static void draw(struct pl_drawing *d, const char *bytes, size_t len)
{
	assert(len <= sizeof d->bytes - d->len);
	memcpy(d->bytes + d->len, bytes, len);
	d->len += len;
}

static void draw_row(struct pl_editor *e, struct pl_drawing *d)
{
	char row[PL_EDITOR_ROW_MAX];

	draw(d, "\r", 1);
	draw(d, row, pl_editor_row(e, row));
	draw(d, "\033[K", 3);
}

/* --- characters and columns --------------------------------------------------------------- */

static unsigned columns_of(uint32_t code)
{
	const int width = utf8proc_charwidth((utf8proc_int32_t)code);

	return width > 0 ? (unsigned)width : 0;
}

/* Where the last character before `end` begins, with the marks that combine with it, and
 * its columns. */
static size_t previous(const struct pl_editor *e, size_t end, unsigned *columns)
{
	const char *text = e->line.bytes;
	uint32_t code;

	*columns = 0;
	while (end > 0 && !*columns) {
		while ((text[--end] & 0xc0) == 0x80)
			;
		pl_utf8_get(text + end, &code);
		*columns = columns_of(code);
	}
	return end;
}

/* Shows so much of the end of the line as fits into so many columns. */
static void show_tail(struct pl_editor *e, unsigned max)
{
	unsigned used = 0;

	e->first = (uint32_t)e->line.len;
	while (e->first > 0) {
		unsigned columns;
		const size_t start = previous(e, e->first, &columns);

		if (used + columns > max)
			break;
		used += columns;
		e->first = (uint32_t)start;
	}
	e->column = used + (e->first > 0);
}

static void measure(struct pl_editor *e)
{
	uint32_t code;

	e->column = e->first > 0;
	for (size_t at = e->first; at < e->line.len;) {
		at += pl_utf8_get(e->line.bytes + at, &code);
		e->column += columns_of(code);
	}
}

static unsigned row_columns(const struct pl_editor *e)
{
	return (e->width ? e->width : WIDTH_UNKNOWN) - 1;
}

/* The whole line where that fits, else half a row of it. */
static void scroll(struct pl_editor *e)
{
	show_tail(e, row_columns(e));
	if (e->first > 0)
		show_tail(e, row_columns(e) / 2);
}

/* --- keys --------------------------------------------------------------------------------- */

static int insert(struct pl_editor *e, uint32_t code, struct pl_drawing *d)
{
	const unsigned columns = columns_of(code);
	const size_t start = e->line.len;
	int status;

	if (e->full)
		return 0;
	status = pl_linebuf_put(&e->line, code);
	if (status == -ENOSPC) {
		e->full = true; /* one bell, not one for each key of a long paste */
		draw(d, "\a", 1);
		return 0;
	}
	if (status)
		return status;
	e->column += columns;
	if (e->column <= row_columns(e)) {
		draw(d, e->line.bytes + start, e->line.len - start);
	} else {
		scroll(e);
		draw_row(e, d);
	}
	return 0;
}

/* The line ends at `len` now. */
static void shorten(struct pl_editor *e, size_t len, struct pl_drawing *d)
{
	const bool one_byte = len + 1 == e->line.len;

	if (len == e->line.len)
		return;
	e->line.len = len;
	e->full = false;
	measure(e);
	if (e->first > 0 && e->column <= row_columns(e) / 4) {
		scroll(e); /* too little of it is left to see */
		draw_row(e, d);
	} else if (one_byte) {
		draw(d, "\b \b", 3);
	} else {
		draw_row(e, d);
	}
}

static void erase_character(struct pl_editor *e, struct pl_drawing *d)
{
	unsigned columns;

	shorten(e, previous(e, e->line.len, &columns), d);
}

static void erase_word(struct pl_editor *e, struct pl_drawing *d)
{
	size_t len = e->line.len;

	while (len > 0 && e->line.bytes[len - 1] == ' ')
		len--;
	while (len > 0 && e->line.bytes[len - 1] != ' ')
		len--;
	shorten(e, len, d);
}

static int control(struct pl_editor *e, unsigned char byte, struct pl_drawing *d)
{
	switch (byte) {
	case '\r':
	case '\n':
		return 1;
	case '\t':
		return insert(e, ' ', d);
	case BACKSPACE:
	case DEL:
		erase_character(e, d);
		break;
	case CTRL_W:
		erase_word(e, d);
		break;
	case CTRL_C:
	case CTRL_U:
		shorten(e, 0, d);
		break;
	case CTRL_L:
	case CTRL_R:
		draw_row(e, d);
		break;
	default: /* also NUL, which follows a CR, and as which a break is read */
		break;
	}
	return 0;
}

int pl_editor_key(struct pl_editor *e, unsigned char byte, struct pl_drawing *d)
{
	const bool swallow = e->swallow && byte == '\n';
	const bool is_control = (byte < 0x20 && byte != ESC) || byte == DEL;
	uint32_t codes[2];
	size_t n;
	int status = 0;

	e->swallow = byte == '\r';
	if (swallow)
		return 0;
	n = is_control ? pl_clean_end(&e->clean, codes)
	               : pl_clean_feed(&e->clean, byte, codes);
	for (size_t i = 0; i < n && !status; i++)
		status = insert(e, codes[i], d);
	return status || !is_control ? status : control(e, byte, d);
}

/* --- the line among those that come in ------------------------------------------------------ */

const char *pl_editor_take(struct pl_editor *e, size_t *len)
{
	e->entered = true;
	e->full = false;
	e->first = 0;
	e->column = 0;
	return pl_linebuf_take(&e->line, len);
}

const char *pl_editor_before(struct pl_editor *e, bool own)
{
	const bool stays = e->entered && !own;
	const bool goes = e->entered || e->stale || e->line.len > 0;

	e->entered = false;
	e->stale = false;
	return stays ? "\r\n" : goes ? "\r\033[K" : "";
}

size_t pl_editor_row(const struct pl_editor *e, char out[PL_EDITOR_ROW_MAX])
{
	const size_t shown = e->line.len - e->first, mark = e->first > 0;

	if (mark)
		out[0] = '<';
	if (shown)
		memcpy(out + mark, e->line.bytes + e->first, shown);
	return mark + shown;
}

const char *pl_editor_settle(struct pl_editor *e)
{
	return e->entered ? pl_editor_before(e, false) : "";
}

void pl_editor_resize(struct pl_editor *e, unsigned columns, struct pl_drawing *d)
{
	e->width = columns && columns < WIDTH_MIN ? WIDTH_MIN : columns;
	if (!e->line.len)
		return;
	scroll(e);
	draw_row(e, d);
}

void pl_editor_finish(struct pl_editor *e)
{
	pl_linebuf_finish(&e->line);
}
