/* line_impl.h: what the files of src/line/ know of each other.
 *
 * framer, editor and telnet are pure: bytes go in, lines, drawings and commands come out,
 * and nobody but line.c, which joins them to a connection, touches a transport.  All of
 * them begin as zeroed memory and take any split of the input. */
#ifndef PARTYLINE_LINE_IMPL_H
#define PARTYLINE_LINE_IMPL_H

#include <partyline/group.h>
#include <partyline/reactor.h>
#include <sys/types.h>

/* --- characters: utf8.c ------------------------------------------------------------- */

enum { PL_REPLACEMENT = 0xFFFD }; /* stands for bytes that are no character */

/* From bytes of unknown origin to characters that are fit for any terminal. */
struct pl_clean {
	uint32_t code;           /* what is known of the character under way */
	unsigned char need;      /* bytes that it lacks */
	unsigned char low, high; /* the next of them lies between these */
	unsigned char escape;    /* how far into an escape sequence we are */
};

/* Takes a byte and gives the characters that are complete with it, 0 to 2 of them: one
 * that was cut short and another that comes at once. */
size_t pl_clean_feed(struct pl_clean *c, unsigned char byte, uint32_t out[2]);

/* No more bytes will come: gives 0 or 1 characters and begins anew. */
size_t pl_clean_end(struct pl_clean *c, uint32_t *out);

/* Writes code as UTF-8 and returns the number of bytes. */
size_t pl_utf8_put(char out[4], uint32_t code);

/* Reads the character at text, which is valid UTF-8; returns the number of bytes. */
size_t pl_utf8_get(const char *text, uint32_t *code);

/* --- the framer: framer.c ------------------------------------------------------------- */

/* The line under way.  Its memory comes with its first character and goes when it is
 * found empty after a read: ten thousand people who are idle cost nothing. */
struct pl_linebuf {
	char *bytes; /* PL_LINE_MAX + 1, or NULL */
	size_t len;
};

int pl_linebuf_put(struct pl_linebuf *b, uint32_t code); /* 0, -ENOMEM, -ENOSPC */

/* Ends the line with a NUL and empties the buffer; the text stays until the next put. */
const char *pl_linebuf_take(struct pl_linebuf *b, size_t *len);

void pl_linebuf_trim(struct pl_linebuf *b);   /* frees an empty one */
void pl_linebuf_finish(struct pl_linebuf *b); /* frees any */

struct pl_framer {
	struct pl_linebuf line;
	struct pl_clean clean;
	bool swallow; /* the last byte was a CR: an LF now belongs to it */
	bool cut;     /* the line under way is full: the rest of it is dropped */
};

/* A line, ended by a NUL that len does not count, valid during the call; false stops the
 * framer behind that line.  Or NULL: the line under way is longer than PL_LINE_MAX, and
 * what is returned does not matter. */
typedef bool pl_framed_fn(void *arg, const char *line, size_t len);

/* Returns how many of the bytes it took: fewer than len only when fn said stop.  Or
 * -ENOMEM. */
ssize_t pl_framer_feed(struct pl_framer *f, const char *data, size_t len,
                       pl_framed_fn *fn, void *arg);

/* The end of a datagram or of the input: an unfinished line is one.  0 or -ENOMEM. */
int pl_framer_end(struct pl_framer *f, pl_framed_fn *fn, void *arg);

/* Forgets the unfinished line and frees its memory. */
void pl_framer_drop(struct pl_framer *f);

/* --- telnet: telnet.c ------------------------------------------------------------------ */

struct pl_telnet {
	unsigned char state;
	unsigned char key;      /* the command that a key stands for, of the last piece */
	unsigned short skipped; /* bytes of the subnegotiation under way */
};

enum pl_telnet_piece {
	PL_TELNET_TEXT,      /* bytes for the framer */
	PL_TELNET_NOTHING,   /* a piece of a command, dealt with */
	PL_TELNET_INTERRUPT, /* IP or BRK: the unfinished line is not wanted any more */
	PL_TELNET_KEY,       /* SUSP or AO: what they are for is not here */
	PL_TELNET_ARE_YOU_THERE,
	PL_TELNET_TIMING_MARK /* DO TIMING-MARK: has to be answered */
};

/* Takes the first piece of data (len is not 0) and returns how long it is. */
size_t pl_telnet_next(struct pl_telnet *t, const char *data, size_t len,
                      enum pl_telnet_piece *piece);

/* The telnet of inetutils (2.4) takes single bytes for its special keys, inside UTF-8 too:
 * c3 9c, a character of two, leaves as c3 and BRK.  After INTERRUPT or KEY in the middle
 * of a character: the byte that it was. */
char pl_telnet_eaten(const struct pl_telnet *t);

/* --- the editor: editor.c ---------------------------------------------------------------- */

struct pl_editor {
	struct pl_linebuf line;
	struct pl_clean clean;
	uint32_t first; /* offset of what the row shows; above 0 a '<' stands before it */
	unsigned column; /* of the cursor, counted from 0: so much of the row is ours */
	unsigned width;  /* of the terminal; 0 before the first use */
	bool swallow;    /* as in the framer */
	bool full;       /* the line is full, and the bell has rung */
	bool entered;    /* the row shows a line that was entered just now */
	bool stale;      /* a drawing was lost on the way: the row may show anything */
};

enum {
	PL_EDITOR_ROW_MAX = 1 + PL_LINE_MAX,            /* '<' and the text */
	PL_EDITOR_KEY_MAX = 2 * (PL_EDITOR_ROW_MAX + 4) /* two times CR, row, ESC [ K */
};

/* What is to be shown. */
struct pl_drawing {
	size_t len;
	char bytes[2 * PL_EDITOR_KEY_MAX];
};

/* Takes a byte, appends to *d what it changes on the screen, at most PL_EDITOR_KEY_MAX
 * bytes.  0; 1 when a line was entered; -ENOMEM. */
int pl_editor_key(struct pl_editor *e, unsigned char byte, struct pl_drawing *d);

/* After Enter, once: the line, ended by a NUL, valid until the next key. */
const char *pl_editor_take(struct pl_editor *e, size_t *len);

/* Draws what has to stand before a line that comes in; `own` takes the place of the line
 * entered just now. */
const char *pl_editor_before(struct pl_editor *e, bool own);

/* Draws the unfinished line, behind a line that came in; returns the number of bytes. */
size_t pl_editor_row(const struct pl_editor *e, char out[PL_EDITOR_ROW_MAX]);

/* The line entered just now keeps its row: draws the end of it ("" when it is gone). */
const char *pl_editor_settle(struct pl_editor *e);

void pl_editor_resize(struct pl_editor *e, unsigned columns, struct pl_drawing *d);
void pl_editor_finish(struct pl_editor *e);

/* --- how a connection begins: first_words.c ------------------------------------------------ */

struct pl_first_words {
	unsigned char bytes; /* how many of the first two have come */
	bool over;           /* the first line has */
};

/* Of a stream, until two bytes have come: do they begin a TLS handshake? */
bool pl_first_bytes_are_tls(struct pl_first_words *f, const char *data, size_t len);

/* The first line (it ends with a NUL): an HTTP request, or a command for a modem? */
bool pl_first_line_is_no_persons(const struct pl_peer *peer, const char *line, size_t len);

/* --- is it an echo: echo.c ------------------------------------------------------------------ */

enum { PL_ECHO_SLOTS = 256, PL_ECHO_FIRST = 4 };

/* What was shown to somebody at a terminal, and what of it has come back. */
struct pl_echo {
	uint32_t texts[PL_ECHO_SLOTS]; /* hashes; 0: none */
	unsigned char levels[PL_ECHO_SLOTS];
	uint32_t first[PL_ECHO_FIRST]; /* hashes of the first lines shown */
	uint32_t key; /* of the hashes, so that nobody can make them meet */
	unsigned n_first;
	int n_same;    /* so many of these came first; -1: something else came */
	int score;     /* how much speaks for an echo */
	unsigned keys; /* that have changed the screen since a line was said ... */
	uint64_t keys_since_ms; /* ... and since then */
	bool editing;
};

void pl_echo_init(struct pl_echo *e, uint32_t key, bool editing);

/* A line is shown to him. */
void pl_echo_shown(struct pl_echo *e, const char *text, size_t len);

/* These come from him: a line; a key that changes the screen.  true: it is an echo. */
bool pl_echo_heard(struct pl_echo *e, const char *text, size_t len);
bool pl_echo_drew(struct pl_echo *e, uint64_t now_ms);

/* --- a connection: line.c ------------------------------------------------------------------ */

/* What a read brought behind the line that paused.  Exists only while there is such. */
struct held {
	struct pl_timer timer; /* hands it on, in a later turn */
	struct pl_line_receiver *receiver;
	char *data;
	size_t start, len;
	bool record_end; /* the datagram ended behind it */
};

struct pl_line {
	union {
		struct pl_framer framer;
		struct pl_editor editor;
	} in;
	struct held *held;
	struct pl_echo *echo; /* of a terminal */
	struct pl_telnet telnet;
	struct pl_first_words first;
	bool editing : 1; /* in.editor, else in.framer */
	bool paused : 1;  /* pl_line_pause() */
	bool eof : 1;     /* no more will come; what is held has still to be handed on */
	bool ended : 1;   /* no further line_received */
};

/* There may be ten thousand idle people. */
_Static_assert(sizeof(struct pl_line) <= 64, "go beyond this for a good reason only");

/* --- to one person: send.c ----------------------------------------------------------------- */

/* Are the keys of this person echoed, and his line replaced by what the others see? */
bool pl_line_echoes(const struct pl_line_receiver *l);

/* pl_send_line(); `own` is the line that he has entered, as the others see it. */
void pl_line_show(struct pl_line_receiver *l, const char *text, size_t len, bool own);

/* Bytes; the end of the row of a line entered just now (true: there was one to draw); and
 * what was drawn, as they are. */
void pl_line_put(struct pl_line_receiver *l, const char *bytes);
bool pl_line_settle(struct pl_line_receiver *l);
void pl_line_put_drawing(struct pl_line_receiver *l, struct pl_drawing *d);

/* Out of memory: ends the connection. */
void pl_line_fail(struct pl_line_receiver *l);

/* --- to those of a group: group.c ------------------------------------------------------------ */

/* The member has caught up: tells him how many lines he missed, if he did. */
void pl_group_caught_up(struct pl_group_link *k);

#endif
