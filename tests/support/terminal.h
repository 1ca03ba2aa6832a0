/* terminal.h: the screen of somebody who types, as far as the editor needs one.
 *
 * It understands printing characters, CR, LF, BS, BEL and ESC [ K; anything else is a
 * fault, because a terminal at the other end of a serial line may know no more.  Marks
 * that combine are not kept. */
#ifndef TESTS_TERMINAL_H
#define TESTS_TERMINAL_H

#include "line/line_impl.h"

#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

enum { TERMINAL_COLUMNS = 300, TERMINAL_TEXT = 1 << 16 };

struct terminal {
	unsigned width;
	unsigned column;
	unsigned bells;
	const char *fault;                  /* or NULL */
	uint32_t row[TERMINAL_COLUMNS + 1]; /* 0: empty, or the right half of a wide one */
	char text[TERMINAL_TEXT];           /* the rows above, then terminal_text()'s */
	size_t len;
};

static inline void terminal_init(struct terminal *t, unsigned width)
{
	memset(t, 0, sizeof *t);
	t->width = width;
}

/* Appends the row as UTF-8, without blanks at its end; returns the new length. */
static inline size_t terminal_add_row(struct terminal *t)
{
	size_t len = t->len, end = t->len;

	for (unsigned i = 0; i < t->width && len + 5 < sizeof t->text; i++) {
		if (t->row[i]) {
			len += pl_utf8_put(t->text + len, t->row[i]);
			if (t->row[i] != ' ')
				end = len;
			if (utf8proc_charwidth((utf8proc_int32_t)t->row[i]) == 2)
				i++;
		} else {
			t->text[len++] = ' ';
		}
	}
	t->text[end] = '\0';
	return end;
}

static inline void terminal_line_feed(struct terminal *t)
{
	t->len = terminal_add_row(t);
	if (t->len + 2 < sizeof t->text)
		t->text[t->len++] = '\n';
	t->text[t->len] = '\0';
	memset(t->row, 0, sizeof t->row);
}

static inline void terminal_print(struct terminal *t, uint32_t code)
{
	const int columns = utf8proc_charwidth((utf8proc_int32_t)code);

	if (columns <= 0)
		return;
	if (t->column + (unsigned)columns > t->width) {
		terminal_line_feed(t);
		t->column = 0;
	}
	t->row[t->column] = code;
	if (columns == 2)
		t->row[t->column + 1] = 0;
	t->column += (unsigned)columns;
}

static inline void terminal_show(struct terminal *t, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len;) {
		uint32_t code = (unsigned char)bytes[i];

		if (code >= 0x20 && code != 0x7f) {
			i += pl_utf8_get(bytes + i, &code);
			terminal_print(t, code);
			continue;
		}
		i++;
		if (code == '\r') {
			t->column = 0;
		} else if (code == '\n') {
			terminal_line_feed(t);
		} else if (code == '\a') {
			t->bells++;
		} else if (code == '\b' && t->column > 0) {
			t->column--;
		} else if (code == 0x1b && len - i >= 2 && memcmp(bytes + i, "[K", 2) == 0) {
			i += 2;
			memset(t->row + t->column, 0,
			       (TERMINAL_COLUMNS - t->column) * sizeof t->row[0]);
		} else {
			t->fault = "a control that not every terminal understands";
		}
	}
}

/* All that was ever on it: rows end with an LF, the last is the cursor's. */
static inline const char *terminal_text(struct terminal *t)
{
	terminal_add_row(t);
	return t->text;
}

/* The cursor's row alone. */
static inline const char *terminal_row(struct terminal *t)
{
	terminal_add_row(t);
	return t->text + t->len;
}

#endif
