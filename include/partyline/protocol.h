/* protocol.h: what handles one connection, and what makes one per connection.
 *
 * A protocol is called; it calls back through transport.h.  These are the promises that
 * every transport keeps, each with a test of the conformance suite:
 *
 *  1. connection_made comes first and once; connection_lost last and once, and only
 *     after connection_made.
 *  2. No call down makes a call up.  While pl_listen, pl_write, pl_lose, pl_abort or
 *     pl_pause_reading run, no protocol is entered.  What they cause arrives later, so
 *     a loop over all members of a room can write to each without one of them vanishing
 *     under it.
 *  3. data is valid during the call only, and may be any split of the stream, down to
 *     one byte.
 *  4. After pl_lose or pl_abort there is no further data_received.
 *  5. Writing to a closing or closed transport is a silent no-op.  Order is kept.
 *     Nothing is written twice.  Out of memory aborts that connection with -ENOMEM.
 *  6. At the peer's end of input, data already received is delivered first; then an EOF
 *     event while writing still works (an unfinished last line is handed up, its answer
 *     goes out); then the transport behaves as after pl_lose, unless the protocol asked
 *     in that event to stay open (pl_stay_open).
 *  7. p->transport stays valid until connection_lost returns.  The protocol frees
 *     itself there.
 *  8. pause_writing and resume_writing alternate, beginning with pause.
 *  9. Everything happens on the reactor's thread; only pl_reactor_stop,
 *     pl_call_from_thread and pl_blocking_call_from_thread (-ECANCELED once the reactor
 *     has stopped) may be called from elsewhere. */
#ifndef PARTYLINE_PROTOCOL_H
#define PARTYLINE_PROTOCOL_H

#include <partyline/error.h>

PL_BEGIN_DECLS

struct pl_transport;
struct pl_protocol;
struct pl_factory;
struct pl_port;
struct pl_endpoint;

/* Who is at the other end.  Lives as long as the transport. */
struct pl_peer {
	const char *type; /* "tcp" */
	const char *name; /* "192.0.2.7:50312", "/dev/ttyUSB0"; never NULL */
	bool terminal;    /* a terminal that sends single keys and does not echo them */
	bool datagrams;   /* pl_pause_reading() does not slow him: what comes is lost */
	/* private: */
	const char *facts; /* "key=value", one after the other, an empty one at the end */
	struct pl_endpoint *endpoint;
};

/* A key of the endpoint that the peer came in by ("nick", "room" ...); NULL without. */
const char *pl_peer_option(const struct pl_peer *p, const char *key);

/* What the transport knows for certain: "address" (without the port), "uid", "device",
 * "usb-serial"; NULL where it does not apply. */
const char *pl_peer_fact(const struct pl_peer *p, const char *fact);

enum pl_event_type {
	PL_EVENT_EOF,        /* the peer will send no more (promise 6) */
	PL_EVENT_RECORD_END, /* the datagram that data_received brought ends here */
	PL_EVENT_WINDOW,     /* columns and rows, 0 when unknown */
	PL_EVENT_BREAK,      /* a break on a serial line */
	PL_EVENT_CARRIER,    /* on: data carrier detect is up */
	PL_EVENT_LINES_LOST /* lines: so many to the peer were dropped; there is room again */
};

struct pl_event {
	enum pl_event_type type;
	int columns, rows;
	bool on;
	size_t lines;
};

struct pl_protocol_ops {
	void (*connection_made)(struct pl_protocol *p);
	void (*data_received)(struct pl_protocol *p, const char *data, size_t len);
	/* reason: 0 for an orderly end, else a negative errno (pl_reason() says it) */
	void (*connection_lost)(struct pl_protocol *p, int reason);
	/* Optional: more than the high mark is waiting for a peer that does not take it;
	 * it has come down to the low mark. */
	void (*pause_writing)(struct pl_protocol *p);
	void (*resume_writing)(struct pl_protocol *p);
	void (*event)(struct pl_protocol *p, const struct pl_event *ev); /* optional */
};

/* Embedded at any place in the protocol's own struct. */
struct pl_protocol {
	const struct pl_protocol_ops *ops;
	struct pl_transport *transport; /* set before connection_made */
};

struct pl_factory_ops {
	/* NULL refuses the connection (out of memory is a reason). */
	struct pl_protocol *(*build_protocol)(struct pl_factory *f,
	                                      const struct pl_peer *peer);
	/* The endpoint keys that this factory understands, "[:nick=NAME][:room=ROOM]";
	 * PL_LINE_USAGE of line.h first where its protocols are line receivers; or NULL. */
	const char *usage;
	/* Optional: are the values of those keys right?  Called by pl_listen with a peer of
	 * which only pl_peer_option() is of use; 0, or a negative errno with a sentence, in
	 * front of which the endpoint is put. */
	int (*check)(struct pl_factory *f, const struct pl_peer *peer,
	             struct pl_error *err);
	/* Optional: the program is about to end every connection; say goodbye. */
	void (*stopping)(struct pl_factory *f);
};

/* A factory outlives its ports and its connections. */
struct pl_factory {
	const struct pl_factory_ops *ops;
};

PL_END_DECLS
#endif
