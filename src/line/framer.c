/* framer.c: bytes in, lines out.
 *
 * Each byte is looked at once, in one of two ways: it ends the line, or it goes through
 * the cleaner (utf8.c) into the line's buffer.  What ends a line is LF, CR, CR LF or CR
 * NUL (raw clients send a bare CR, telnet CR NUL): the line ends AT the CR, and an LF or
 * NUL that follows is swallowed, also in a later read, because `nc -C` sends the text and
 * its CR LF apart, and the LF may as well never come. */
#include "line_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- the line under way ------------------------------------------------------------------ */

int pl_linebuf_put(struct pl_linebuf *b, uint32_t code)
{
	char bytes[4];
	const size_t n = pl_utf8_put(bytes, code);

	if (n > PL_LINE_MAX - b->len)
		return -ENOSPC;
	if (!b->bytes && !(b->bytes = malloc(PL_LINE_MAX + 1)))
		return -ENOMEM;
	memcpy(b->bytes + b->len, bytes, n);
	b->len += n;
	return 0;
}

const char *pl_linebuf_take(struct pl_linebuf *b, size_t *len)
{
	*len = b->len;
	if (!b->bytes)
		return "";
	b->bytes[b->len] = '\0';
	b->len = 0;
	return b->bytes;
}

void pl_linebuf_trim(struct pl_linebuf *b)
{
	if (!b->len)
		pl_linebuf_finish(b);
}

void pl_linebuf_finish(struct pl_linebuf *b)
{
	free(b->bytes);
	*b = (struct pl_linebuf){ 0 };
}

/* --- the framer ---------------------------------------------------------------------------- */

static int put(struct pl_framer *f, const uint32_t *codes, size_t n, pl_framed_fn *fn,
               void *arg)
{
	for (size_t i = 0; i < n && !f->cut; i++) {
		const int code = pl_linebuf_put(&f->line, codes[i]);

		if (code == -ENOMEM)
			return code;
		if (code) {
			f->cut = true; /* also for a shorter character: no gaps */
			fn(arg, NULL, 0);
		}
	}
	return 0;
}

/* 1: go on; 0: stop; -ENOMEM. */
static int end_line(struct pl_framer *f, pl_framed_fn *fn, void *arg)
{
	uint32_t last;
	const size_t n = pl_clean_end(&f->clean, &last);
	const int code = put(f, &last, n, fn, arg);
	const char *line;
	size_t len;

	if (code)
		return code;
	f->cut = false;
	line = pl_linebuf_take(&f->line, &len);
	return fn(arg, line, len);
}

static int take(struct pl_framer *f, unsigned char byte, pl_framed_fn *fn, void *arg)
{
	const bool swallow = f->swallow && byte == '\n'; /* the cleaner drops a NUL */
	uint32_t codes[2];
	int code;

	f->swallow = byte == '\r';
	if (swallow)
		return 1;
	if (byte == '\r' || byte == '\n')
		return end_line(f, fn, arg);
	code = put(f, codes, pl_clean_feed(&f->clean, byte, codes), fn, arg);
	return code ? code : 1;
}

ssize_t pl_framer_feed(struct pl_framer *f, const char *data, size_t len,
                       pl_framed_fn *fn, void *arg)
{
	size_t i = 0;
	int more = 1;

	while (i < len && more > 0)
		more = take(f, (unsigned char)data[i++], fn, arg);
	pl_linebuf_trim(&f->line);
	return more < 0 ? more : (ssize_t)i;
}

int pl_framer_end(struct pl_framer *f, pl_framed_fn *fn, void *arg)
{
	int code = 1;

	f->swallow = false;
	if (f->line.len || f->clean.need)
		code = end_line(f, fn, arg);
	pl_framer_drop(f);
	return code < 0 ? code : 0;
}

void pl_framer_drop(struct pl_framer *f)
{
	pl_linebuf_finish(&f->line);
	f->clean = (struct pl_clean){ 0 };
	f->cut = false;
}
