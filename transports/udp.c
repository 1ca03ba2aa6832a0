/* udp.c: datagram sockets seen as many connections.
 *
 * One unconnected socket per address and a table of peers, each of them a transport.  A
 * peer exists only once udp_door.c is satisfied that it is where it says, so a forged
 * sender costs one short line and no memory.  There is no retransmission: a lost line is
 * lost, as in a noisy room.
 *
 * The dangers by number: U1 reflection, U3 forged joins, U7 ends of datagrams, U10 errors
 * of others, U15 one peer in the way of the rest. */
#include "udp.h"

#include <errno.h>
#include <partyline/stats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <utlist.h>

#define DATAGRAMS_PER_TURN 64 /* and watch: the others want their turn too */

/* As long as a router that follows RFC 4787, REQ-5, remembers the way back. */
#define IDLE_DEFAULT_S 300
#define IDLE_MAX_S (24 * 60 * 60)

/* With a queue of 16 KiB and a session each, 2048 peers are some 50 MiB.  One network has
 * as many of them as one source may have of anything; whoever has many networks has an
 * eighth of all (U3). */
#define PEERS_MAX 2048
#define PEERS_PER_WIDE_PREFIX 256

#define UNHEARD_TEXT "-- too fast: %zu line%s dropped --\r\n"
#define FULL_TEXT "-- full, try again later --\r\n"
#define CUT_TEXT "-- too much at once: the end of it is lost --\r\n"
#define IDLE_TEXT \
	"-- no word from you for %ld %s%s: you have left; type anything to return --\r\n"
_Static_assert(sizeof FULL_TEXT - 1 <= PL_UDP_ANSWER_MAX, "U1");

/* Above high the sender of room lines counts them; answers still go, up to hard. */
static const struct pl_marks udp_marks = {
	.low = 4 * 1024,
	.high = 12 * 1024,
	.hard = 16 * 1024,
	.lossy = true,
};

static struct udp_peer *peer_of(struct pl_transport *t)
{
	return pl_container_of(t, struct udp_peer, transport);
}

static unsigned table_hash(const struct udp_port *port, const struct pl_udp_key *key)
{
	return (unsigned)pl_udp_hash(&port->table_key, key, sizeof *key);
}

struct udp_peer *pl_udp_find(const struct udp_port *port, const struct pl_udp_key *key)
{
	const unsigned hash = table_hash(port, key);
	struct udp_peer *peer;

	HASH_FIND_BYHASHVALUE(hh, port->peers, key, sizeof *key, hash, peer);
	return peer;
}

/* --- peers -------------------------------------------------------------------------- */

/* The socket is everybody's and is read on (U15): deliver() drops what comes, and when he
 * is heard again he is told. */
static void udp_set_reading(struct pl_transport *t, bool on)
{
	struct udp_peer *peer = peer_of(t);
	char text[80];
	int len;

	if (!on || !peer->unheard)
		return;
	len = snprintf(text, sizeof text, UNHEARD_TEXT, peer->unheard,
	               peer->unheard == 1 ? " of yours was" : "s of yours were");
	peer->unheard = 0;
	pl_write(t, text, (size_t)len);
}

static void leave_open(struct udp_peer *peer)
{
	if (!peer->open)
		return;
	peer->open = false;
	DL_DELETE(peer->socket->port->open, peer);
}

/* It stays in the table, or its next words would make another peer of it. */
static void udp_close(struct pl_transport *t)
{
	struct udp_peer *peer = peer_of(t);

	peer->closed = true;
	leave_open(peer);
	pl_udp_wait_no_more(peer);
}

static void close_sockets(struct udp_port *port)
{
	for (int i = 0; i < port->n_sockets; i++) {
		pl_watch_stop(&port->sockets[i].watch);
		close(port->sockets[i].watch.fd);
	}
}

static void udp_destroy(struct pl_transport *t)
{
	struct udp_peer *peer = peer_of(t);
	struct udp_port *port = peer->socket->port;

	if (peer->hh.tbl)
		HASH_DELETE(hh, port->peers, peer);
	free(peer);
	if (port->stopping && !port->peers) {
		close_sockets(port);
		pl_port_release(&port->port);
	}
}

static const struct pl_transport_ops udp_ops = {
	.type = "udp",
	.max_unit = PL_UDP_DATAGRAM_MAX,
	.kick = pl_udp_kick,
	.set_reading = udp_set_reading,
	.close = udp_close,
	.destroy = udp_destroy,
};

static void heard(struct udp_peer *peer)
{
	struct udp_port *port = peer->socket->port;

	leave_open(peer);
	peer->open = true;
	DL_APPEND(port->open, peer);
	peer->heard_ms = pl_reactor_now(port->port.reactor);
	peer->refusals = 0;
	if (!pl_timer_active(&port->idle))
		pl_call_later(port->port.reactor, &port->idle, port->idle_ms);
}

static void on_idle(struct pl_timer *timer)
{
	struct udp_port *port = pl_container_of(timer, struct udp_port, idle);
	const uint64_t now_ms = pl_reactor_now(port->port.reactor);
	const long seconds = (long)(port->idle_ms / 1000);
	const bool minutes = seconds % 60 == 0;
	const long n = minutes ? seconds / 60 : seconds;
	struct udp_peer *peer;
	char text[128];

	snprintf(text, sizeof text, IDLE_TEXT, n, minutes ? "minute" : "second",
	         n == 1 ? "" : "s");
	while ((peer = port->open) && now_ms - peer->heard_ms >= port->idle_ms) {
		leave_open(peer);
		pl_count(port->port.reactor, "udp: peers gone: silent for too long", 1);
		pl_write(&peer->transport, text, strlen(text));
		pl_lose(&peer->transport);
	}
	if (peer)
		pl_call_later(port->port.reactor, timer,
		              peer->heard_ms + port->idle_ms - now_ms);
}

/* A new peer, or NULL. */
static struct udp_peer *join(struct udp_socket *s, const struct pl_udp_sender *sender)
{
	struct udp_port *port = s->port;
	struct udp_peer *peer = calloc(1, sizeof *peer);
	char name[PL_ADDRESS_TEXT], host[PL_ADDRESS_TEXT];
	struct pl_prefix source;

	if (!peer) {
		pl_count(port->port.reactor, "connections: refused, out of memory", 1);
		return NULL;
	}
	peer->socket = s;
	peer->sender = *sender;
	pl_transport_init(&peer->transport, &udp_ops, port->port.reactor,
	                  port->port.endpoint);
	pl_set_marks(&peer->transport, &udp_marks);
	peer->transport.peer.datagrams = true;
	pl_address_text(pl_udp_address(sender), name, sizeof name);
	pl_address_host(pl_udp_address(sender), host, sizeof host);
	HASH_ADD_BYHASHVALUE(hh, port->peers, sender.key, sizeof sender->key,
	                     table_hash(port, &sender->key), peer);
	pl_prefix_of(pl_udp_address(sender), PL_UDP_PREFIX_V4, PL_UDP_PREFIX_V6, &source);
	if (!peer->hh.tbl ||
	    pl_transport_name(&peer->transport, name, "address", host, NULL) < 0 ||
	    (!pl_udp_door_trusts(&port->door, pl_udp_address(sender)) &&
	     pl_transport_set_origin(&peer->transport, &source) < 0)) {
		if (!peer->hh.tbl)
			pl_count(port->port.reactor,
			         "connections: refused, out of memory", 1);
		pl_transport_discard(&peer->transport);
		return NULL;
	}
	if (pl_transport_up(&peer->transport, port->port.factory) < 0 || peer->closed)
		return NULL;
	if (port->stopping) /* by its own protocol */
		pl_lose(&peer->transport);
	else
		heard(peer);
	return peer;
}

/* No more at all, or from what may be one customer's many networks.  Of one network as many
 * may come as the limits of endpoint.h say. */
static bool is_full(const struct udp_port *port, const struct sockaddr *sa)
{
	struct pl_prefix wide;
	size_t neighbours = 0;

	if (HASH_CNT(hh, port->peers) >= PEERS_MAX)
		return true;
	if (pl_udp_door_trusts(&port->door, sa))
		return false;
	pl_prefix_of(sa, PL_UDP_WIDE_PREFIX_V4, PL_UDP_WIDE_PREFIX_V6, &wide);
	for (const struct udp_peer *p = port->peers; p; p = p->hh.next)
		neighbours += pl_prefix_holds(&wide, pl_udp_address(&p->sender));
	return neighbours >= PEERS_PER_WIDE_PREFIX;
}

/* --- receiving ---------------------------------------------------------------------- */

/* Up to and with the last line end; 0 when there is none. */
static size_t whole_lines(const char *data, size_t len)
{
	while (len > 0 && data[len - 1] != '\n' && data[len - 1] != '\r')
		len--;
	return len;
}

/* Lines that say something, the last one with or without an end. */
static size_t said_lines(const char *data, size_t len)
{
	size_t lines = 0;
	bool within = false;

	for (size_t i = 0; i < len; i++) {
		const bool ends = data[i] == '\n' || data[i] == '\r';

		lines += !ends && !within;
		within = !ends;
	}
	return lines;
}

/* What a datagram says; its end is the end of a line (U7). */
static void deliver(struct udp_peer *peer, const char *data, size_t len, bool cut)
{
	const struct pl_event end = { .type = PL_EVENT_RECORD_END };
	struct pl_transport *t = &peer->transport;

	if (cut)
		pl_count(t->reactor, "udp: datagrams cut: longer than 16 KiB", 1);
	if (!pl_transport_reading(t)) {
		pl_count(t->reactor, "udp: datagrams dropped: their sender was paused", 1);
		peer->unheard += said_lines(data, len);
		return;
	}
	/* Half of the last line would look like a whole one.  A single line of this length is
	 * cut, and its end told of, by who reads lines. */
	const size_t whole = cut ? whole_lines(data, len) : 0;

	pl_transport_input(t, data, whole ? whole : len);
	pl_transport_event(t, &end);
	if (whole)
		pl_write(t, CUT_TEXT, sizeof CUT_TEXT - 1);
}

/* Of any port of the reactor, or two of them would talk to each other (U14). */
static bool is_own(const struct udp_port *port, const struct pl_udp_sender *from)
{
	struct pl_port *p = NULL;

	while ((p = pl_port_next(port->port.reactor, p))) {
		const struct udp_port *other = pl_container_of(p, struct udp_port, port);

		if (p->ops != port->port.ops)
			continue;
		for (int i = 0; i < other->n_sockets; i++) {
			const struct pl_address *bound = &other->sockets[i].bound;

			if (pl_udp_is_own(from, (const struct sockaddr *)&bound->ss))
				return true;
		}
	}
	return false;
}

/* Nothing is stored, told or logged before the door says so (U3). */
static void from_stranger(struct udp_socket *s, const struct pl_udp_sender *from,
                          const char *data, size_t len, bool cut)
{
	struct pl_reactor *r = s->port->port.reactor;
	char text[PL_UDP_ANSWER_MAX + 1];
	enum pl_udp_verdict verdict;
	struct udp_peer *peer;

	if (is_own(s->port, from)) {
		pl_count(r, "udp: strangers ignored: an address and port of our own", 1);
		return;
	}
	verdict = pl_udp_door_ask(&s->port->door, from, data, len, text);
	if (verdict == PL_UDP_ANSWER)
		pl_udp_answer(s, from, text);
	if (verdict == PL_UDP_ANSWER || verdict == PL_UDP_IGNORE)
		return;
	if (is_full(s->port, pl_udp_address(from))) {
		pl_count(r, "udp: joins refused: full", 1);
		pl_udp_answer(s, from, FULL_TEXT);
		return;
	}
	peer = join(s, from);
	if (peer && verdict == PL_UDP_JOIN_AND_SAY)
		deliver(peer, data, len, cut);
}

static void count_overflow(struct udp_socket *s, uint32_t overflowed)
{
	if (!overflowed || overflowed == s->overflowed)
		return;
	pl_count(s->port->port.reactor,
	         "udp: datagrams dropped by the kernel: too fast for us",
	         overflowed - s->overflowed);
	s->overflowed = overflowed;
}

static void receive(struct udp_socket *s)
{
	struct udp_port *port = s->port;
	char *data = pl_read_buffer(port->port.reactor);

	for (int i = 0; i < DATAGRAMS_PER_TURN && !port->stopping; i++) {
		struct iovec into = { data, PL_READ_MAX };
		struct pl_udp_sender from;
		struct udp_peer *peer;
		bool cut;
		ssize_t n = pl_udp_receive(s->watch.fd, &from, &into, &cut);

		if (n == -EAGAIN || n == -EWOULDBLOCK)
			return;
		if (n < 0) {
			pl_udp_read_errors(s);
			continue;
		}
		count_overflow(s, from.overflowed);
		if (pl_udp_is_nobody(&from)) {
			pl_count(port->port.reactor, PL_UDP_NOBODY, 1);
			continue;
		}
		peer = pl_udp_find(port, &from.key);
		if (!peer) {
			from_stranger(s, &from, data, (size_t)n, cut);
		} else if (peer->open) { /* else he is on his way out */
			heard(peer);
			deliver(peer, data, (size_t)n, cut);
		}
	}
}

static void on_socket(struct pl_watch *w, unsigned events)
{
	struct udp_socket *s = pl_container_of(w, struct udp_socket, watch);

	if (events & (PL_ERROR | PL_HANGUP))
		pl_udp_read_errors(s);
	if (events & PL_READ)
		receive(s);
	if (events & PL_WRITE && s->waiting)
		pl_udp_send_waiting(s);
}

/* --- the port ----------------------------------------------------------------------- */

static void udp_stop(struct pl_port *p)
{
	struct udp_port *port = pl_container_of(p, struct udp_port, port);

	port->stopping = true;
	pl_timer_cancel(&port->idle);
	for (int i = 0; i < port->n_sockets; i++)
		pl_udp_set_wants(&port->sockets[i]);
	for (struct udp_peer *peer = port->open; peer; peer = peer->next)
		pl_lose(&peer->transport);
	if (!port->peers) {
		close_sockets(port);
		pl_port_release(p);
	}
}

static void udp_port_destroy(struct pl_port *p)
{
	struct udp_port *port = pl_container_of(p, struct udp_port, port);

	pl_timer_cancel(&port->gaps);
	pl_udp_door_finish(&port->door);
	free(port);
}

static const struct pl_port_ops udp_port_ops = {
	.stop = udp_stop,
	.destroy = udp_port_destroy,
};

static int read_settings(struct udp_port *port, const struct pl_endpoint *ep,
                         struct pl_error *err)
{
	long idle_s;
	int code = pl_address_arg(ep, &port->number, err);

	if (!code)
		code = pl_endpoint_int(ep, "idle", 1, IDLE_MAX_S, IDLE_DEFAULT_S, &idle_s,
		                       err);
	if (!code)
		port->idle_ms = (uint64_t)idle_s * 1000;
	return code ? code : pl_udp_door_init(&port->door, port->port.reactor, ep, err);
}

static int open_sockets(struct udp_port *port, const struct pl_endpoint *ep,
                        struct pl_error *err)
{
	struct pl_address list[PL_ADDRESS_LIST];
	int fds[PL_ADDRESS_LIST];
	int n = pl_address_list(ep, port->number, list, PL_ADDRESS_LIST, err), code = 0;

	if (n > 0)
		n = pl_bind_all(ep, SOCK_DGRAM, list, (size_t)n, fds, &port->number, err);
	for (int i = 0; i < n; i++) {
		struct udp_socket *s = &port->sockets[port->n_sockets++];

		s->watch.fn = on_socket;
		s->watch.fd = fds[i];
		s->port = port;
		s->bound = list[i];
		pl_udp_prepare(fds[i], list[i].ss.ss_family);
		if (!code)
			code = pl_watch_set(port->port.reactor, &s->watch, PL_READ);
	}
	if (n > 0 && !code)
		code = pl_address_describe(&port->port, "nc -u", "then Enter",
		                           port->number);
	if (code)
		pl_fail(err, code, "%s: out of memory", pl_endpoint_text(ep));
	return n < 0 ? n : code;
}

static int udp_listen(struct pl_reactor *r, struct pl_endpoint *ep, struct pl_factory *f,
                      struct pl_port **out, struct pl_error *err)
{
	struct udp_port *port = calloc(1, sizeof *port);
	int code;

	if (!port)
		return pl_fail(err, -ENOMEM, "%s: out of memory", pl_endpoint_text(ep));
	port->idle.fn = on_idle;
	port->gaps.fn = pl_udp_on_gaps;
	pl_reactor_random(r, &port->table_key, sizeof port->table_key);
	pl_port_init(&port->port, &udp_port_ops, r, ep, f);
	code = read_settings(port, ep, err);
	if (!code)
		code = open_sockets(port, ep, err);
	if (code) {
		close_sockets(port);
		pl_port_finish(&port->port);
		udp_port_destroy(&port->port);
		return code;
	}
	*out = &port->port;
	return 0;
}

const struct pl_backend pl_udp_backend = {
	.type = "udp",
	.usage = "udp:PORT" PL_ADDRESS_USAGE PL_UDP_DOOR_USAGE "[:idle=SECONDS]",
	.help = "datagrams, for nc -u; who is on another machine proves his address first",
	.listen = udp_listen,
};
