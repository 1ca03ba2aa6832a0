/* transport.h: what a protocol may do to its connection.
 *
 * Nothing here blocks, fails or calls back (promise 2 of protocol.h).  What is written
 * during a turn of the reactor is sent at its end, in one go. */
#ifndef PARTYLINE_TRANSPORT_H
#define PARTYLINE_TRANSPORT_H

#include <partyline/protocol.h>
#include <sys/uio.h>

PL_BEGIN_DECLS

/* Sends a copy of data.  One call is one unit: a datagram is never cut inside it unless
 * it is longer than a datagram can be, and what is dropped is dropped by whole units.
 * The hard mark does not count for a unit that finds the queue empty, however long. */
void pl_write(struct pl_transport *t, const char *data, size_t len);

/* loseConnection: sends what is queued, then closes.  A peer that does not take it is
 * given 5 s in all. */
void pl_lose(struct pl_transport *t);

/* Closes at once; what is queued is forgotten.  reason (0 or a negative errno) is what
 * connection_lost will get. */
void pl_abort(struct pl_transport *t, int reason);

/* In the EOF event: there is still something to do for the peer, so the connection is not
 * lost now but stays open for writing until pl_lose().  Then nothing more may show that the
 * peer has gone entirely, so do not stay for ever.  Before that event and after pl_lose()
 * it does nothing. */
void pl_stay_open(struct pl_transport *t);

/* No data_received until pl_resume_reading().  What the kernel holds slows the peer;
 * datagrams are dropped instead. */
void pl_pause_reading(struct pl_transport *t);
void pl_resume_reading(struct pl_transport *t);

/* Bytes that wait to be sent, a source's pending ones included. */
size_t pl_queued(const struct pl_transport *t);

/* Is the peer behind: did more than the high mark wait, although the kernel was offered
 * it, and has it not come down to the low mark since?  May send, never calls up. */
bool pl_writing_paused(struct pl_transport *t);

const struct pl_peer *pl_transport_peer(const struct pl_transport *t);
struct pl_reactor *pl_transport_reactor(const struct pl_transport *t);

/* How much may wait for a peer, in bytes.  After lines were dropped PL_EVENT_LINES_LOST
 * comes at low. */
struct pl_marks {
	size_t low, high; /* resume_writing at low, pause_writing above high */
	size_t hard;      /* above it the connection ends with -ENOBUFS ... */
	bool lossy;       /* ... or, when this is set, the unit is dropped and counted */
	uint64_t age_ms;  /* above high for longer: ends with -ETIMEDOUT; 0: for ever */
};

/* The marks are kept, not copied: they outlive the transport. */
void pl_set_marks(struct pl_transport *t, const struct pl_marks *m);

/* Bytes that are pulled when they can be sent, after those of pl_write.  gather() offers
 * at most max_bytes in at most n pieces and returns the number of pieces; on transports
 * of datagrams the pieces of one gather() are whole units and make one datagram. */
struct pl_source {
	size_t (*gather)(struct pl_source *s, struct iovec *iov, size_t n,
	                 size_t max_bytes);
	void (*sent)(struct pl_source *s, size_t bytes); /* so many of the first are gone */
	size_t (*pending)(const struct pl_source *s); /* counted by pl_queued, marks, age */
};

/* The source is kept until connection_lost or until another (or NULL) is set. */
void pl_set_source(struct pl_transport *t, struct pl_source *s);

/* The source has something new. */
void pl_source_ready(struct pl_transport *t);

/* Units that were dropped because a lossy queue was full, since the start. */
size_t pl_dropped(const struct pl_transport *t);

/* Every connection of the reactor: pl_lose() for all, pl_abort() for all, their number. */
void pl_lose_all(struct pl_reactor *r);
void pl_abort_all(struct pl_reactor *r, int reason);
size_t pl_connections(const struct pl_reactor *r);

PL_END_DECLS
#endif
