/* line.h: a protocol that sees lines.
 *
 * Between a transport and a line receiver stand the framer (LF, CRLF, CR and CR NUL end a
 * line, UTF-8 is checked, control characters are dropped), the few telnet commands that
 * a plain client may send, and, for terminals that send single keys, a line editor.  The
 * receiver cannot tell which of them is in use: it gets clean lines and sends lines. */
#ifndef PARTYLINE_LINE_H
#define PARTYLINE_LINE_H

#include <partyline/msg.h>
#include <partyline/protocol.h>

PL_BEGIN_DECLS

struct pl_line_receiver;
struct pl_line_factory;
struct pl_group_link;
struct pl_line; /* framer, editor and telnet state: private to src/line/ */

/* The longest line, in bytes of UTF-8 after cleaning.  The rest of a longer one is
 * dropped up to its end and the sender is told; the connection is kept. */
enum { PL_LINE_MAX = 1024 };

/* The endpoint keys of the line layer, for a factory's usage string. */
#define PL_LINE_USAGE "[:edit=auto|on|off]"

struct pl_line_receiver_ops {
	void (*connection_made)(struct pl_line_receiver *l); /* optional */
	/* Valid UTF-8 without control characters (but TAB), no terminator; also ends with a
	 * NUL, which len does not count. */
	void (*line_received)(struct pl_line_receiver *l, const char *line, size_t len);
	/* Optional with a pl_line_factory, which frees the receiver after it; else free it
	 * here. */
	void (*connection_lost)(struct pl_line_receiver *l, int reason);
	/* Optional: all lines have come and no more will, but he still reads.  True: the
	 * connection stays, for answers, until pl_line_lose(); false (as without it): it ends
	 * now. */
	bool (*input_ended)(struct pl_line_receiver *l);
};

/* Embedded in the receiver's own struct: at any place, or first for a pl_line_factory. */
struct pl_line_receiver {
	struct pl_protocol protocol; /* protocol.transport is the connection */
	const struct pl_line_receiver_ops *ops;
	struct pl_line_factory *factory; /* the one below that made it, or NULL */
	/* private: */
	struct pl_line *line;
	struct pl_group_link *links; /* the groups it is in */
};

/* Prepares l and returns what build_protocol should.  Cannot fail. */
struct pl_protocol *pl_line_receiver_init(struct pl_line_receiver *l,
                                          const struct pl_line_receiver_ops *ops);

/* A factory of receivers that begin as zeroed memory: `size` bytes each, the first of them
 * its pl_line_receiver.  They are freed after connection_lost, which is optional here. */
struct pl_line_factory {
	struct pl_factory factory;
	const struct pl_line_receiver_ops *ops;
	size_t size;
};

void pl_line_factory_init(struct pl_line_factory *f,
                          const struct pl_line_receiver_ops *ops, size_t size);

/* One line to this one person, without terminator; the wire's own line end is added.
 * Line ends inside make it several lines, one at its end adds none.  Text from others
 * must have come through line_received or pl_clean_text(). */
void pl_send_line(struct pl_line_receiver *l, const char *line, size_t len);
void pl_send_linef(struct pl_line_receiver *l, const char *fmt, ...) PL_PRINTF(2, 3);
void pl_send_msg(struct pl_line_receiver *l, struct pl_msg *m);

/* loseConnection.  Lines that follow in the same read are not delivered. */
void pl_line_lose(struct pl_line_receiver *l);

/* No line_received from now on, those that came in the same read included, until
 * pl_line_resume(); then they come in a later turn.  Not to be mixed with
 * pl_pause_reading(), which knows nothing of lines.  The end of the input waits as well:
 * who has paused keeps the connection until he resumes. */
void pl_line_pause(struct pl_line_receiver *l);
void pl_line_resume(struct pl_line_receiver *l);

const struct pl_peer *pl_line_peer(const struct pl_line_receiver *l);

/* Text of unknown origin (a line of a file, a name) made fit for any terminal: invalid
 * UTF-8 becomes U+FFFD; escape sequences, C0 but TAB, DEL, C1 and bidirectional overrides
 * are dropped.  Writes at most size - 1 bytes and a NUL, never half a character; returns
 * the bytes written. */
size_t pl_clean_text(char *out, size_t size, const char *text, size_t len);

PL_END_DECLS
#endif
