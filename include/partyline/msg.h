/* msg.h: one thing said.
 *
 * A message is facts (what kind, who, where, when, the text), not a finished line:
 * listeners differ in how they want to read it.  It is immutable and counted; each
 * style in which somebody reads it is rendered once, however many read it. */
#ifndef PARTYLINE_MSG_H
#define PARTYLINE_MSG_H

#include <partyline/base.h>
#include <stdarg.h>

PL_BEGIN_DECLS

enum pl_msg_kind {
	PL_MSG_TEXT,   /* <ann> hello */
	PL_MSG_ACTION, /* * ann waves */
	PL_MSG_NOTICE, /* * ann has joined (tcp) */
	PL_MSG_SERVER, /* -- 3 lines skipped -- */
	PL_MSG_LINE    /* the text alone, as it is */
};

/* How a listener reads.  One so far: more come with colours, times and machines. */
enum pl_style { PL_STYLE_PLAIN, PL_STYLES };

struct pl_msg {
	enum pl_msg_kind kind;
	int64_t time_ms;   /* since 1970; 0 when nobody asked */
	const char *from;  /* "" for the server */
	const char *group; /* "" for none */
	const char *text;
	size_t text_len;
	/* private: */
	unsigned refs;
	char *rendered[PL_STYLES];
	size_t rendered_len[PL_STYLES];
};

/* Copies everything; from and group may be NULL.  NULL when out of memory. */
struct pl_msg *pl_msg_new(enum pl_msg_kind kind, const char *from, const char *group,
                          int64_t time_ms, const char *text, size_t len);
struct pl_msg *pl_msg_newf(enum pl_msg_kind kind, const char *fmt, ...) PL_PRINTF(2, 3);
struct pl_msg *pl_msg_newv(enum pl_msg_kind kind, const char *fmt, va_list args)
	PL_PRINTF(2, 0);
struct pl_msg *pl_msg_ref(struct pl_msg *m);
void pl_msg_unref(struct pl_msg *m); /* accepts NULL */

/* The line in a style, without its end; made at the first call.  NULL when out of
 * memory. */
const char *pl_msg_render(struct pl_msg *m, enum pl_style style, size_t *len);

PL_END_DECLS
#endif
