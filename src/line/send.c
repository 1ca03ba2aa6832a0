/* send.c: lines on their way to one person.
 *
 * What a terminal needs around a line, because somebody may be typing there, is put
 * together here, so that one line is one pl_write on every wire. */
#include "line_impl.h"

#include <partyline/transport.h>

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void pl_line_fail(struct pl_line_receiver *l)
{
	if (!l->line)
		return;
	l->line->ended = true;
	pl_abort(l->protocol.transport, -ENOMEM);
}

/* One unit.  False when a lossy wire had no room for it: then it must be as if it had not
 * been drawn. */
static bool put(struct pl_line_receiver *l, const char *bytes, size_t len)
{
	const size_t dropped = pl_dropped(l->protocol.transport);

	pl_write(l->protocol.transport, bytes, len);
	return pl_dropped(l->protocol.transport) == dropped;
}

void pl_line_put(struct pl_line_receiver *l, const char *bytes)
{
	put(l, bytes, strlen(bytes));
}

bool pl_line_settle(struct pl_line_receiver *l)
{
	struct pl_editor *editor = &l->line->in.editor;
	const char *end = pl_editor_settle(editor);

	if (!put(l, end, strlen(end)))
		editor->entered = true;
	return *end != '\0';
}

void pl_line_put_drawing(struct pl_line_receiver *l, struct pl_drawing *d)
{
	if (d->len && !put(l, d->bytes, d->len))
		l->line->in.editor.stale = true;
	d->len = 0;
}

static char *add(char *at, const char *bytes, size_t len)
{
	if (len)
		memcpy(at, bytes, len);
	return at + len;
}

/* One line without a line end inside, and what a terminal needs around it, in one piece. */
static void show_one(struct pl_line_receiver *l, const char *text, size_t len, bool own)
{
	struct pl_line *line = l->line;
	const bool entered = line->editing && line->in.editor.entered;
	const char *before = line->editing ? pl_editor_before(&line->in.editor, own) : "";
	const size_t lead = strlen(before), max = lead + len + 2 + PL_EDITOR_ROW_MAX;
	char usual[2 * PL_LINE_MAX + 256], *out = max <= sizeof usual ? usual : malloc(max);
	char *at;

	if (!out) {
		pl_line_fail(l);
		return;
	}
	if (line->echo)
		pl_echo_shown(line->echo, text, len);
	at = add(out, before, lead);
	at = add(at, text, len);
	at = add(at, "\r\n", 2); /* a terminal makes a staircase of bare LFs */
	if (line->editing)
		at += pl_editor_row(&line->in.editor, at);
	if (!put(l, out, (size_t)(at - out)) && line->editing) {
		line->in.editor.entered = entered;
		line->in.editor.stale = true;
	}
	if (out != usual)
		free(out);
}

/* Where the line that begins at text ends: at LF, CR LF or CR, or with the text. */
static size_t length_of_line(const char *text, size_t len, size_t *with_end)
{
	size_t n = 0;

	while (n < len && text[n] != '\r' && text[n] != '\n')
		n++;
	*with_end = n + (n < len);
	if (n + 1 < len && text[n] == '\r' && text[n + 1] == '\n')
		*with_end = n + 2;
	return n;
}

/* Text with line ends inside, that of a file, is several lines; one at its end adds no
 * empty line. */
void pl_line_show(struct pl_line_receiver *l, const char *text, size_t len, bool own)
{
	if (!l->line)
		return;
	do {
		size_t with_end;
		const size_t n = length_of_line(text, len, &with_end);

		show_one(l, text, n, own);
		text += with_end;
		len -= with_end;
	} while (len > 0);
}

bool pl_line_echoes(const struct pl_line_receiver *l)
{
	return l->line && l->line->editing;
}

void pl_send_line(struct pl_line_receiver *l, const char *line, size_t len)
{
	pl_line_show(l, line, len, false);
}

void pl_send_linef(struct pl_line_receiver *l, const char *fmt, ...)
{
	struct pl_msg *m;
	va_list args;

	va_start(args, fmt);
	m = pl_msg_newv(PL_MSG_LINE, fmt, args);
	va_end(args);
	if (m)
		pl_send_line(l, m->text, m->text_len);
	else
		pl_line_fail(l);
	pl_msg_unref(m);
}

void pl_send_msg(struct pl_line_receiver *l, struct pl_msg *m)
{
	size_t len;
	const char *line = pl_msg_render(m, PL_STYLE_PLAIN, &len);

	if (line)
		pl_send_line(l, line, len);
	else
		pl_line_fail(l);
}
