/* msg.c: messages, and how they read.
 *
 * A message and its texts are one block of memory; a rendering is another, made when the
 * first listener of its style wants it. */
#include "line_impl.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The plain style: `head`, the sender where he is named, `middle`, the text, `tail`. */
static const struct shape {
	const char *head;
	bool named;
	const char *middle, *tail;
} shapes[] = {
	[PL_MSG_TEXT] = { "<", true, "> ", "" },
	[PL_MSG_ACTION] = { "* ", true, " ", "" },
	[PL_MSG_NOTICE] = { "* ", false, "", "" },
	[PL_MSG_SERVER] = { "-- ", false, "", " --" },
	[PL_MSG_LINE] = { "", false, "", "" },
};

/* Copies, and returns the place behind the copy. */
static char *add(char *at, const char *text, size_t len)
{
	if (len)
		memcpy(at, text, len);
	return at + len;
}

/* All but the text, for which there is room at *text. */
static struct pl_msg *create(enum pl_msg_kind kind, const char *from, const char *group,
                             int64_t time_ms, size_t len, char **text)
{
	const size_t from_size = strlen(from) + 1, group_size = strlen(group) + 1;
	struct pl_msg *m;
	char *names;

	if (len > SIZE_MAX / 2 - sizeof *m - from_size - group_size)
		return NULL;
	m = malloc(sizeof *m + from_size + group_size + len + 1);
	if (!m)
		return NULL;
	names = (char *)(m + 1);
	*text = add(add(names, from, from_size), group, group_size);
	(*text)[len] = '\0';
	*m = (struct pl_msg){
		.kind = kind,
		.time_ms = time_ms,
		.from = names,
		.group = names + from_size,
		.text = *text,
		.text_len = len,
		.refs = 1,
	};
	return m;
}

struct pl_msg *pl_msg_new(enum pl_msg_kind kind, const char *from, const char *group,
                          int64_t time_ms, const char *text, size_t len)
{
	char *at;
	struct pl_msg *m =
		create(kind, from ? from : "", group ? group : "", time_ms, len, &at);

	if (m)
		add(at, text, len);
	return m;
}

/* Printed twice, the first time to learn the length. */
struct pl_msg *pl_msg_newv(enum pl_msg_kind kind, const char *fmt, va_list args)
{
	struct pl_msg *m = NULL;
	va_list copy;
	char *at;
	int len;

	va_copy(copy, args);
	len = vsnprintf(NULL, 0, fmt, copy);
	va_end(copy);
	if (len >= 0)
		m = create(kind, "", "", 0, (size_t)len, &at);
	if (m)
		vsnprintf(at, (size_t)len + 1, fmt, args);
	return m;
}

struct pl_msg *pl_msg_newf(enum pl_msg_kind kind, const char *fmt, ...)
{
	struct pl_msg *m;
	va_list args;

	va_start(args, fmt);
	m = pl_msg_newv(kind, fmt, args);
	va_end(args);
	return m;
}

struct pl_msg *pl_msg_ref(struct pl_msg *m)
{
	m->refs++;
	return m;
}

void pl_msg_unref(struct pl_msg *m)
{
	if (!m || --m->refs)
		return;
	for (size_t i = 0; i < PL_STYLES; i++)
		free(m->rendered[i]);
	free(m);
}

static void render(struct pl_msg *m, enum pl_style style)
{
	const struct shape *shape = &shapes[m->kind];
	const char *from = shape->named ? m->from : "";
	const size_t head = strlen(shape->head), name = strlen(from);
	const size_t middle = strlen(shape->middle), tail = strlen(shape->tail);
	const size_t len = head + name + middle + m->text_len + tail;
	char *line = malloc(len + 1), *at;

	if (!line)
		return;
	at = add(line, shape->head, head);
	at = add(at, from, name);
	at = add(at, shape->middle, middle);
	at = add(at, m->text, m->text_len);
	at = add(at, shape->tail, tail);
	*at = '\0';
	m->rendered[style] = line;
	m->rendered_len[style] = len;
}

const char *pl_msg_render(struct pl_msg *m, enum pl_style style, size_t *len)
{
	assert((unsigned)style < PL_STYLES);
	if (!m->rendered[style])
		render(m, style);
	*len = m->rendered_len[style];
	return m->rendered[style];
}
