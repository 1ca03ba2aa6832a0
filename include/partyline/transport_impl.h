/* transport_impl.h: for files in transports/ and for layers.
 *
 * A backend is one `struct pl_backend` in the list of src/core/backends.c.  Its listen()
 * makes a port; the port makes transports; a transport embeds `struct pl_transport` and
 * hands bytes up through the five functions below.  Queueing, marks, closing order and
 * the promises of protocol.h live in src/core/transport.c, once, for all of them.
 *
 * States of a transport:
 *
 *   OPENING  pl_write queues; left by pl_transport_up (OPEN)
 *   OPEN     pl_write queues, sent at the end of the turn; bytes are delivered; left by
 *            pl_lose, the peer's EOF unless the protocol stays (CLOSING), pl_abort,
 *            pl_transport_down (CLOSED)
 *   CLOSING  pl_write is ignored; what comes is thrown away, but read (a close over
 *            unread input is a reset, and the farewell would be lost); when the queue is
 *            empty, half-close, then the peer's FIN or 1 s; 5 s in all
 *   CLOSED   the descriptor is given back on entering it: scarce things go first; in the
 *            next turn connection_lost, destroy */
#ifndef PARTYLINE_TRANSPORT_IMPL_H
#define PARTYLINE_TRANSPORT_IMPL_H

#include <partyline/endpoint.h>
#include <partyline/reactor.h>
#include <partyline/transport.h>
#include <sys/socket.h>
#include <sys/stat.h>

PL_BEGIN_DECLS

/* --- transports ------------------------------------------------------------------- */

enum { PL_CONTROL_HALF_CLOSE }; /* no more will be written: tell the peer */
enum { PL_CONTROL_LATER = 1 };

struct pl_transport_ops {
	const char *type;
	size_t max_unit; /* 0: a stream of bytes; else units, packed up to so many bytes */
	/* There is something to send: pl_out_peek, send, pl_out_sent, until the queue is
	 * empty or the kernel is full.  In the latter case call it again (pl_transport_kick)
	 * when there is room. */
	void (*kick)(struct pl_transport *t);
	void (*set_reading)(struct pl_transport *t, bool on);
	void (*close)(struct pl_transport *t); /* give the descriptor back; no calls up */
	void (*destroy)(struct pl_transport *t); /* last call: free the memory */
	/* Optional; 0 or a negative errno (-ENOTSUP for what it does not know).  For a
	 * half-close also PL_CONTROL_LATER: the farewell is on its way, pl_transport_down()
	 * follows when it is out. */
	int (*control)(struct pl_transport *t, unsigned op, void *arg);
};

enum pl_transport_state {
	PL_TRANSPORT_OPENING,
	PL_TRANSPORT_OPEN,
	PL_TRANSPORT_CLOSING,
	PL_TRANSPORT_CLOSED
};

/* Bytes in order; for datagrams as units behind a length each. */
struct pl_outq {
	char *data;
	size_t head, len, cap; /* len bytes from head on */
	size_t last;           /* offset of the last unit's length, for packing */
};

struct pl_transport {
	const struct pl_transport_ops *ops;
	struct pl_reactor *reactor;
	struct pl_protocol *protocol; /* NULL before pl_transport_up */
	struct pl_peer peer;
	/* private to src/core/transport.c: */
	struct pl_transport *next, **link; /* all of the reactor's */
	struct pl_flush flush;
	struct pl_timer timer; /* age while open, patience while closing, then the end */
	struct pl_outq out;
	struct pl_source *source;
	struct pl_origin *origin; /* limits.c */
	const struct pl_marks *marks;
	size_t dropped, lines_lost; /* units since the start; lines not told of yet */
	int reason;
	unsigned char state;
	bool reading_paused, behind, pause_told, half_closed, eof, mute, staying, admitted;
};

/* OPENING.  Takes a reference to ep (which may be NULL). */
void pl_transport_init(struct pl_transport *t, const struct pl_transport_ops *ops,
                       struct pl_reactor *r, struct pl_endpoint *ep);

/* Names the peer, before pl_transport_up: pairs of a fact and its value follow, then
 * NULL; a pair whose value is NULL is left out.  0 or -ENOMEM. */
int pl_transport_name(struct pl_transport *t, const char *name, ...) PL_SENTINEL;

/* Where t comes from, before pl_transport_up: whom the limits of endpoint.h count as one
 * source.  Not for who is on this machine.  0 or -ENOMEM. */
struct pl_prefix;
int pl_transport_set_origin(struct pl_transport *t, const struct pl_prefix *prefix);

/* Builds the protocol and calls connection_made.  From a watch, timer or step, never
 * from listen() (promise 2).  On failure (-ECONNREFUSED: the factory said no, or he is one
 * too many, and kick() has been called with a sentence that says so) close() and destroy()
 * have been called, or will be: t is gone. */
int pl_transport_up(struct pl_transport *t, struct pl_factory *f);

/* For a transport that never came up: close(), destroy(). */
void pl_transport_discard(struct pl_transport *t);

/* Bytes from the peer, as long as pl_transport_reading() says so. */
void pl_transport_input(struct pl_transport *t, const char *data, size_t len);

/* May pl_transport_input be called: OPEN and not paused, or CLOSING; before EOF. */
bool pl_transport_reading(const struct pl_transport *t);

/* An event from the peer.  PL_EVENT_EOF begins the close (promise 6). */
void pl_transport_event(struct pl_transport *t, const struct pl_event *ev);

/* The peer takes no more bytes, but some of his may still be unread (promise 6): what is
 * queued and what is written from here on is dropped.  His EOF, or pl_transport_down(),
 * is the backend's to bring. */
void pl_transport_mute(struct pl_transport *t);

/* The connection is gone (0 or a negative errno): CLOSED; connection_lost comes in the
 * next turn, unless it was down already.  Calls close(). */
void pl_transport_down(struct pl_transport *t, int reason);

/* The kernel takes bytes again: calls kick() and does what an emptier queue allows. */
void pl_transport_kick(struct pl_transport *t);

/* What is to be sent next: at most n pieces, at most max_bytes, the number of pieces is
 * returned, 0 when there is nothing.  For datagrams: the pieces of one datagram.  The
 * pieces are valid until the next call for t. */
size_t pl_out_peek(struct pl_transport *t, struct iovec *iov, size_t n, size_t max_bytes);

/* So many of the peeked bytes were taken (for datagrams: all of them, or the datagram is
 * given up). */
void pl_out_sent(struct pl_transport *t, size_t bytes);

/* How many lines end in it. */
size_t pl_count_lines(const char *data, size_t len);

/* What somebody reads where lines to him are missing: "-- 3 lines were lost on the way to
 * you --", without a line end. */
enum { PL_LOST_TEXT = 72 };
void pl_lost_text(char out[PL_LOST_TEXT], size_t lines);

/* Low 4 KiB, high 16 KiB, hard 64 KiB, age 10 min: what a transport starts with. */
extern const struct pl_marks pl_stream_marks;

/* --- ports -------------------------------------------------------------------------- */

struct pl_port_ops {
	/* Take no more connections.  Ends with pl_port_release(), at once or when the last
	 * connection that needs the port has gone. */
	void (*stop)(struct pl_port *p);
	void (*destroy)(struct pl_port *p); /* last call: free the memory */
};

struct pl_port {
	const struct pl_port_ops *ops;
	struct pl_reactor *reactor;
	struct pl_endpoint *endpoint; /* referenced */
	struct pl_factory *factory;
	/* set by pl_port_describe() */
	char *name, *place, *command, *remark;
	/* private to src/core/port.c: */
	struct pl_port *next, **link;
	struct pl_timer ending;
	bool stopped;
};

/* Enters the port into the reactor's list.  Takes a reference to ep. */
void pl_port_init(struct pl_port *p, const struct pl_port_ops *ops, struct pl_reactor *r,
                  struct pl_endpoint *ep, struct pl_factory *f);

/* The ports of a reactor, those included that are stopped and not yet gone: the first for
 * NULL, the next one for any other, NULL behind the last. */
struct pl_port *pl_port_next(struct pl_reactor *r, const struct pl_port *p);

/* See pl_port_name(), pl_port_place() and so on for what they are; copies.  0, -ENOMEM. */
int pl_port_describe(struct pl_port *p, const char *name, const char *place,
                     const char *command, const char *remark);

/* Nothing needs the port any more: destroy() comes in a later turn.  Once, and only
 * after stop() was called.  For a listen() that fails half-way: pl_port_finish(). */
void pl_port_release(struct pl_port *p);

/* Takes the port out of the list and frees what pl_port_init and pl_port_describe took,
 * without calling ops: for a listen() that fails. */
void pl_port_finish(struct pl_port *p);

/* A live port of the reactor by type and ARG ("mem", "lobby"), or NULL. */
struct pl_port *pl_port_find(struct pl_reactor *r, const char *type, const char *arg);

/* --- endpoints ----------------------------------------------------------------------- */

struct pl_endpoint *pl_endpoint_parse(const char *text, struct pl_error *err); /* NULL */
struct pl_endpoint *pl_endpoint_ref(struct pl_endpoint *ep);
void pl_endpoint_unref(struct pl_endpoint *ep); /* accepts NULL */

const char *pl_endpoint_text(const struct pl_endpoint *ep); /* as it was written */
const char *pl_endpoint_type(const struct pl_endpoint *ep);
const char *pl_endpoint_arg(const struct pl_endpoint *ep); /* unescaped, brackets gone */

/* The value of a key, unescaped, brackets gone; NULL without. */
const char *pl_endpoint_str(const struct pl_endpoint *ep, const char *key);

/* A whole number from min to max; the fallback when the key is not there.  A sentence
 * that names range and key, and -EINVAL, for anything else.  *value is then untouched. */
int pl_endpoint_int(const struct pl_endpoint *ep, const char *key, long min, long max,
                    long fallback, long *value, struct pl_error *err);

/* yes|no (also on|off, true|false, 1|0). */
int pl_endpoint_bool(const struct pl_endpoint *ep, const char *key, bool fallback,
                     bool *value, struct pl_error *err);

/* One of the words of `choices` ("none|even|odd"); *value is its place, from 0. */
int pl_endpoint_choice(const struct pl_endpoint *ep, const char *key, const char *choices,
                       int fallback, int *value, struct pl_error *err);

/* `mode=` of a file, in octal; 600 when it is not there. */
int pl_endpoint_mode(const struct pl_endpoint *ep, mode_t *mode, struct pl_error *err);

/* ARG as a number, with the sentence "udp:99999: port must be 0..65535" for `what` =
 * "port" when it is not. */
int pl_endpoint_arg_int(const struct pl_endpoint *ep, const char *what, long min,
                        long max, long *value, struct pl_error *err);

struct pl_backend {
	const char *type;
	const char *usage; /* "tcp:PORT[:interface=ADDR][:backlog=N]": shape, keys, --help */
	const char *help; /* one line for a person; NULL: of no use on a command line */
	int (*listen)(struct pl_reactor *r, struct pl_endpoint *ep, struct pl_factory *f,
	              struct pl_port **port, struct pl_error *err);
};

extern const struct pl_backend *const pl_backends[]; /* NULL at the end */

/* --- stream sockets: src/core/stream.c ------------------------------------------------- */

/* A connected stream socket as a transport. */
struct pl_stream {
	struct pl_transport transport;
	struct pl_watch watch; /* watch.fd is the descriptor */
	bool wants_write;
	int broken; /* the negative errno of a write; told when all has been read */
};

/* An allocated stream around fd (made non-blocking and close-on-exec), OPENING: name it,
 * set options, then pl_transport_up.  NULL when out of memory: fd is closed then. */
struct pl_stream *pl_stream_create(struct pl_reactor *r, const char *type, int fd,
                                   struct pl_endpoint *ep);

struct pl_acceptor;
typedef void pl_accepted_fn(struct pl_acceptor *a, int fd, const struct sockaddr *from,
                            socklen_t len);

/* A listening socket: accepts at most 32 a turn; when descriptors run out a spare one
 * lets those in who wait, one by one, to be turned away with a sentence, and then
 * accepting rests 100 ms.  Each is counted, and the shortage is in the log once. */
struct pl_acceptor {
	pl_accepted_fn *accepted; /* owns fd, which is non-blocking and close-on-exec */
	struct pl_watch watch;
	struct pl_timer rest;
	int spare_fd;
	uint64_t short_ms; /* when descriptors or memory were wanting last; 0: never */
};

/* Takes over the listening fd (also on failure: -ENOMEM, -EMFILE). */
int pl_acceptor_start(struct pl_acceptor *a, struct pl_reactor *r, int fd,
                      pl_accepted_fn *accepted);
void pl_acceptor_stop(struct pl_acceptor *a); /* closes; accepts one never started */

/* --- a terminal line that keeps accepting: src/core/getty.c ------------------------------- */

/* What sits between an open terminal line and a session: writes the invitation once and
 * waits for a clean Enter, one with no other byte for 250 ms before and after it, so that
 * noise at a wrong speed, a modem's answers and a device that echoes join nobody. */
struct pl_getty;
struct pl_getty_ops {
	void (*write)(struct pl_getty *g, const char *data, size_t len);
	void (*join)(struct pl_getty *g); /* from a timer: make a session */
	/* So many more bytes have joined nobody; `text` is false when too much of what has
	 * come so far is none. */
	void (*wasted)(struct pl_getty *g, size_t bytes, bool text);
};

struct pl_getty {
	const struct pl_getty_ops *ops;
	bool join_on_open; /* join=open: no Enter needed */
	/* private: */
	struct pl_reactor *reactor;
	struct pl_timer timer;
	uint64_t last_byte_ms;
	uint64_t deaf_until_ms;     /* no Enter counts before */
	uint64_t retry_at_ms;       /* join=open joins again; 0: it does not */
	size_t enters;              /* bytes of the Enter under way */
	unsigned came, unprintable; /* bytes that joined nobody */
	unsigned char state;
};

/* `join=enter|open` of an endpoint; 0 or -EINVAL with a sentence. */
#define PL_GETTY_USAGE "[:join=enter|open]"
int pl_getty_init(struct pl_getty *g, const struct pl_getty_ops *ops, struct pl_reactor *r,
                  const struct pl_endpoint *ep, struct pl_error *err);
void pl_getty_start(struct pl_getty *g); /* the line is open and nobody is there: invite */
void pl_getty_input(struct pl_getty *g, const char *data, size_t len);
void pl_getty_cancel(struct pl_getty *g); /* the line is gone */

/* The session was a modem's or a program's: the rest of what it sends joins nobody. */
void pl_getty_no_person(struct pl_getty *g);

/* There was no session, it was refused: join=open tries again later. */
void pl_getty_refused(struct pl_getty *g);

/* --- the same, with its descriptor and its sessions: src/core/tty.c ------------------------ */

struct pl_tty;
struct pl_tty_session;

struct pl_tty_ops {
	/* Somebody joins: pl_transport_name() for t. */
	int (*name)(struct pl_tty *tty, struct pl_transport *t);
	/* poll() or a write says that the line is gone: pl_tty_close(), and the session (if
	 * there is one) with pl_tty_end_session(). */
	void (*hung_up)(struct pl_tty *tty);
	/* A session has ended, the line may go on: pl_tty_invite(), or the end of the line,
	 * which may be freed in here.  No calls up. */
	void (*session_over)(struct pl_tty *tty);
	/* Is output still on its way to the terminal?  Asked before a session ends. */
	bool (*sending)(struct pl_tty *tty);
	/* Optional: nobody has joined, and what comes is not text. */
	void (*not_text)(struct pl_tty *tty);
	/* Names of counters: bytes that joined nobody; sessions that were refused. */
	const char *wasted, *refused;
};

struct pl_tty {
	const struct pl_tty_ops *ops;
	struct pl_port *port;
	long baud;      /* marks are seconds of this speed */
	bool paced;     /* ... and we send no faster */
	uint64_t taken; /* bytes that the kernel took, of all sessions */
	/* private: */
	struct pl_watch watch; /* fd -1 while the line is closed */
	struct pl_getty getty;
	struct pl_tty_session *session;
};

/* Closed.  Reads join= of the port's endpoint: 0, or -EINVAL with a sentence. */
int pl_tty_init(struct pl_tty *tty, const struct pl_tty_ops *ops, struct pl_port *port,
                long baud, struct pl_error *err);

/* The line is open: listens to it, but does not invite yet.  fd (non-blocking) stays the
 * backend's.  0 or -ENOMEM. */
int pl_tty_open(struct pl_tty *tty, int fd);
bool pl_tty_is_open(const struct pl_tty *tty);
bool pl_tty_is_blocked(const struct pl_tty *tty); /* the kernel takes no more */

void pl_tty_invite(struct pl_tty *tty); /* somebody may be there */

/* Lets go of the descriptor.  A session is not ended by it, but must be, right after. */
void pl_tty_close(struct pl_tty *tty);

/* The person is gone (0 or a negative errno), or nobody is to join any more; false when
 * there was no session.  With one, session_over() is called from in here. */
bool pl_tty_end_session(struct pl_tty *tty, int reason);

PL_END_DECLS
#endif
