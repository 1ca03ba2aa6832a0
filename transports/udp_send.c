/* udp_send.c: what leaves by a datagram socket, to whom, and what is lost on the way.
 *
 * Each datagram of a peer's queue is offered to the kernel once.  A kernel that is full is
 * waited for, all peers in turn; one that refuses for another reason has lost the datagram,
 * and what the peer reads next is how many lines that were, at the place where they are
 * missing (U11).  An error may be about a datagram sent before, to somebody else: it ends
 * him and nobody else (U10). */
#include "udp.h"

#include <errno.h>
#include <partyline/stats.h>
#include <stdio.h>
#include <string.h>

#include <utlist.h>

#define PIECES_MAX 32

/* Errors of others between two sends: more than so many do not come on end. */
#define SEND_TRIES 8

/* ICMP can be forged: from afar, one error among lines that arrive is not believed. */
#define REFUSALS 2

/* Where nothing more is said, this often it is tried to tell of what was lost. */
#define GAP_MS 1000

bool pl_udp_read_errors(struct udp_socket *s)
{
	struct pl_udp_sender from;
	bool refused, any = false;

	for (; pl_udp_next_error(s->watch.fd, &from, &refused); any = true) {
		struct udp_peer *peer;

		if (refused && pl_udp_is_nobody(&from)) {
			pl_count(s->port->port.reactor, PL_UDP_NOBODY, 1);
			continue;
		}
		peer = refused ? pl_udp_find(s->port, &from.key) : NULL;
		if (!peer || !peer->open)
			continue;
		if (++peer->refusals < REFUSALS &&
		    !pl_address_is_loopback(pl_udp_address(&from))) {
			pl_count(s->port->port.reactor, "udp: ICMP errors not believed", 1);
			continue;
		}
		pl_count(s->port->port.reactor, "udp: peers gone: nobody there (ICMP)", 1);
		pl_transport_down(&peer->transport, -ECONNREFUSED);
	}
	return any;
}

/* A datagram to `to`, who is `peer` or (NULL) none.  0 or a negative errno, which is about
 * this datagram: errors of others have been read, and the peer may be closed by one. */
static int send_one(struct udp_socket *s, const struct udp_peer *peer,
                    const struct pl_udp_sender *to, struct iovec *iov, size_t n)
{
	int code = 0;

	for (int tries = 0; tries < SEND_TRIES; tries++) {
		code = pl_udp_send(s->watch.fd, to, iov, n);
		if (!code)
			return 0;
		if (code == -EAGAIN || code == -EWOULDBLOCK)
			return -EAGAIN;
		const bool others = pl_udp_read_errors(s);

		/* The kernel may have had no room to write down whose it was: so once more
		 * in any case. */
		if ((peer && peer->closed) || (!others && tries > 0))
			break;
	}
	return code;
}

/* --- gaps --------------------------------------------------------------------------- */

/* Tells him of what he has lost, on its own: the datagram behind it is full. */
static int send_gap(struct udp_peer *peer)
{
	char text[PL_LOST_TEXT], end[] = "\r\n";
	struct iovec iov[] = { { .iov_base = text }, { end, sizeof end - 1 } };
	int code;

	if (!peer->gap)
		return 0;
	pl_lost_text(text, peer->gap);
	iov[0].iov_len = strlen(text);
	code = send_one(peer->socket, peer, &peer->sender, iov, 2);
	if (!code)
		peer->gap = 0;
	return code;
}

void pl_udp_on_gaps(struct pl_timer *timer)
{
	struct udp_port *port = pl_container_of(timer, struct udp_port, gaps);
	bool left = false;

	for (struct udp_peer *peer = port->peers; peer; peer = peer->hh.next)
		if (peer->open && !peer->waiting && send_gap(peer) < 0)
			left = true;
	if (left)
		pl_call_later(port->port.reactor, timer, GAP_MS);
}

static void give_up(struct udp_peer *peer, const struct iovec *iov, size_t n)
{
	struct udp_port *port = peer->socket->port;
	size_t lines = 0;

	for (size_t i = 0; i < n; i++)
		lines += pl_count_lines(iov[i].iov_base, iov[i].iov_len);
	lines += lines == 0; /* a part of one that is too long for a datagram */
	peer->gap += lines;
	pl_count(port->port.reactor, "udp: datagrams lost on the way out", 1);
	pl_count(port->port.reactor, "udp: lines lost on the way out", lines);
	if (!pl_timer_active(&port->gaps))
		pl_call_later(port->port.reactor, &port->gaps, GAP_MS);
}

/* --- a peer's queue ----------------------------------------------------------------- */

void pl_udp_set_wants(struct udp_socket *s)
{
	const unsigned read = s->port->stopping ? 0 : PL_READ;

	pl_watch_set(s->port->port.reactor, &s->watch, read | (s->waiting ? PL_WRITE : 0));
}

static void wait_for_room(struct udp_peer *peer)
{
	peer->waiting = true;
	DL_APPEND2(peer->socket->waiting, peer, wait_prev, wait_next);
	pl_udp_set_wants(peer->socket);
}

void pl_udp_wait_no_more(struct udp_peer *peer)
{
	if (!peer->waiting)
		return;
	peer->waiting = false;
	DL_DELETE2(peer->socket->waiting, peer, wait_prev, wait_next);
	pl_udp_set_wants(peer->socket); /* or poll() would report room to nobody, for ever */
}

/* One datagram of the peer's queue; 1 when there is no more, or -EAGAIN. */
static int send_next(struct udp_peer *peer, size_t *sent)
{
	struct iovec iov[PIECES_MAX];
	const size_t n =
		pl_out_peek(&peer->transport, iov, PIECES_MAX, PL_UDP_DATAGRAM_MAX);
	size_t bytes = 0;
	int code;

	if (!n)
		return 1;
	code = send_gap(peer); /* where it is not taken, the rest is not tried */
	if (!code)
		code = send_one(peer->socket, peer, &peer->sender, iov, n);
	if (code == -EAGAIN)
		return code;
	if (peer->closed)
		return 1;
	/* ENOBUFS and the like: a socket that stays writable is not to be waited for. */
	if (code)
		give_up(peer, iov, n);
	for (size_t i = 0; i < n; i++)
		bytes += iov[i].iov_len;
	*sent += bytes;
	pl_out_sent(&peer->transport, bytes);
	return 0;
}

void pl_udp_kick(struct pl_transport *t)
{
	struct udp_peer *peer = pl_container_of(t, struct udp_peer, transport);
	size_t sent = 0;
	int code = 0;

	if (peer->waiting)
		return;
	while (!code)
		code = sent < PL_WRITE_MAX ? send_next(peer, &sent) : -EAGAIN;
	if (code == -EAGAIN)
		wait_for_room(peer);
}

/* Each in turn, and who finds no room again goes to the end. */
void pl_udp_send_waiting(struct udp_socket *s)
{
	struct udp_peer *peer;

	while ((peer = s->waiting)) {
		pl_udp_wait_no_more(peer);
		pl_transport_kick(&peer->transport);
		if (peer->waiting)
			break;
	}
	pl_udp_set_wants(s);
}

/* --- to strangers --------------------------------------------------------------------- */

void pl_udp_answer(struct udp_socket *s, const struct pl_udp_sender *to, const char *text)
{
	struct iovec iov = { (void *)(uintptr_t)text, strlen(text) };

	if (send_one(s, NULL, to, &iov, 1) < 0) /* he will ask again */
		pl_count(s->port->port.reactor, "udp: answers to strangers lost", 1);
}
