/* tty.c: a terminal line, from its descriptor to the people on it.
 *
 * All that serial lines and pseudo-terminals do alike: a getty while nobody is there, a
 * session while somebody is, bytes both ways, and the end when poll() says so, whatever a
 * read returns (WIRES W13).  The session ends, the line stays.  Where lines come from and
 * what becomes of one that hung up is the backend's affair. */
#include <partyline/stats.h>
#include <partyline/transport_impl.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#define BITS_A_BYTE 10 /* start, eight, stop */
#define PACE_MS 20     /* a paced line is given so much at a time */
#define DRAIN_MS 20    /* between two looks at a farewell on its way */
#define PIECES_A_WRITE 16

/* Allocated when somebody joins: the line may end before the session's memory does. */
struct pl_tty_session {
	struct pl_transport transport;
	struct pl_tty *tty; /* NULL once closed */
	struct pl_marks marks;
	struct pl_timer timer; /* the next of a paced line's bytes, or a look at a farewell */
	uint64_t free_us;      /* when a paced line has sent what it was given */
	bool blocked;          /* the kernel is full */
	bool draining;
};

static struct pl_tty_session *session_of(struct pl_transport *t)
{
	return pl_container_of(t, struct pl_tty_session, transport);
}

/* Also of a line that rests: who comes next must not find the session of who has left.
 * Cannot fail: the watch has its place since pl_tty_open(). */
static void update_wants(struct pl_tty *tty)
{
	const struct pl_tty_session *s = tty->session;
	unsigned wants = PL_HANGUP | (s && s->blocked ? PL_WRITE : 0);

	if (tty->watch.fd < 0)
		return;
	if (!s || pl_transport_reading(&s->transport))
		wants |= PL_READ;
	pl_watch_set(tty->port->reactor, &tty->watch, wants);
}

/* --- sending ------------------------------------------------------------------------------ */

/* How much may be written now; 0: the timer comes back to it.  Who is turned away reads a
 * sentence, which is little, and nobody would come back to the rest of it. */
static size_t allowance(struct pl_tty_session *s)
{
	const uint64_t now_us = pl_reactor_now(s->transport.reactor) * 1000;
	const size_t bytes = (size_t)s->tty->baud * PACE_MS / 1000 / BITS_A_BYTE;

	if (!s->tty->paced || s->transport.state == PL_TRANSPORT_OPENING)
		return PL_WRITE_MAX;
	if (s->free_us <= now_us) {
		s->free_us = now_us;
		return bytes ? bytes : 1;
	}
	pl_call_later(s->transport.reactor, &s->timer, (s->free_us - now_us + 999) / 1000);
	return 0;
}

static void session_kick(struct pl_transport *t)
{
	struct pl_tty_session *s = session_of(t);
	const size_t may = s->blocked ? 0 : allowance(s);
	struct iovec iov[PIECES_A_WRITE];
	size_t n, asked = 0;
	ssize_t sent;

	if (!may)
		return;
	n = pl_out_peek(t, iov, PIECES_A_WRITE, may);
	for (size_t i = 0; i < n; i++)
		asked += iov[i].iov_len;
	if (!asked)
		return;
	sent = writev(s->tty->watch.fd, iov, (int)n);
	if (sent < 0 && errno != EAGAIN && errno != EINTR) {
		s->tty->ops->hung_up(s->tty);
		return;
	}
	if (sent > 0) {
		s->tty->taken += (uint64_t)sent;
		pl_out_sent(t, (size_t)sent);
		s->free_us +=
			(uint64_t)sent * BITS_A_BYTE * 1000000 / (uint64_t)s->tty->baud;
	}
	s->blocked = sent < (ssize_t)asked;
	update_wants(s->tty);
	if (!s->blocked && pl_queued(t))
		pl_source_ready(t); /* the rest in the next turn */
}

static void on_timer(struct pl_timer *timer)
{
	struct pl_tty_session *s = pl_container_of(timer, struct pl_tty_session, timer);

	if (!s->draining)
		pl_transport_kick(&s->transport);
	else if (s->tty->ops->sending(s->tty))
		pl_call_later(s->transport.reactor, timer, DRAIN_MS);
	else
		pl_transport_down(&s->transport, 0);
}

/* A line has no half-close, but a farewell takes its time: the port may be about to stop,
 * and what has not left the kernel by then is forgotten. */
static int session_control(struct pl_transport *t, unsigned op, void *arg PL_UNUSED)
{
	struct pl_tty_session *s = session_of(t);

	if (op != PL_CONTROL_HALF_CLOSE)
		return -ENOTSUP;
	s->draining = true;
	pl_call_later(t->reactor, &s->timer, 0);
	return PL_CONTROL_LATER;
}

/* --- a session ----------------------------------------------------------------------------- */

static void session_set_reading(struct pl_transport *t, bool on PL_UNUSED)
{
	update_wants(session_of(t)->tty);
}

static void session_close(struct pl_transport *t)
{
	struct pl_tty_session *s = session_of(t);
	struct pl_tty *tty = s->tty;

	pl_timer_cancel(&s->timer);
	if (t->reason == -EPROTO)
		pl_getty_no_person(&tty->getty);
	if (!t->protocol)
		pl_getty_refused(&tty->getty);
	s->tty = NULL;
	tty->session = NULL;
	update_wants(tty);
	tty->ops->session_over(tty); /* the last use of tty */
}

static void session_destroy(struct pl_transport *t)
{
	free(session_of(t));
}

static const struct pl_transport_ops session_ops = {
	.type = "tty",
	.kick = session_kick,
	.set_reading = session_set_reading,
	.close = session_close,
	.destroy = session_destroy,
	.control = session_control,
};

static size_t at_least(size_t min, size_t n)
{
	return n > min ? n : min;
}

/* Seconds of line speed; the floors let a longest line through at any.  A line is never
 * dropped for being slow. */
static struct pl_marks marks_of(long baud)
{
	const size_t bytes_s = (size_t)baud / BITS_A_BYTE;

	return (struct pl_marks){
		.low = at_least(128, bytes_s),
		.high = at_least(1024, 4 * bytes_s),
		.hard = at_least(4096, 16 * bytes_s),
		.lossy = true,
	};
}

static void getty_join(struct pl_getty *g)
{
	struct pl_tty *tty = pl_container_of(g, struct pl_tty, getty);
	struct pl_port *port = tty->port;
	struct pl_tty_session *s = calloc(1, sizeof *s);
	struct pl_reactor *reactor;
	const char *refused;

	if (!s) {
		pl_count(port->reactor, tty->ops->refused, 1);
		pl_getty_refused(g); /* out of memory refuses one session */
		pl_getty_start(g);
		return;
	}
	s->tty = tty;
	s->timer.fn = on_timer;
	s->marks = marks_of(tty->baud);
	tty->session = s;
	pl_transport_init(&s->transport, &session_ops, port->reactor, port->endpoint);
	s->transport.peer.type = pl_endpoint_type(port->endpoint);
	s->transport.peer.terminal = true;
	pl_set_marks(&s->transport, &s->marks);
	/* A session that is refused may end the line, and the port. */
	refused = tty->ops->refused;
	reactor = port->reactor;
	if (tty->ops->name(tty, &s->transport) < 0)
		pl_transport_discard(&s->transport);
	else if (pl_transport_up(&s->transport, port->factory) == 0)
		return;
	pl_count(reactor, refused, 1);
}

static void getty_wasted(struct pl_getty *g, size_t bytes, bool text)
{
	struct pl_tty *tty = pl_container_of(g, struct pl_tty, getty);

	pl_count(tty->port->reactor, tty->ops->wasted, bytes);
	if (!text && tty->ops->not_text)
		tty->ops->not_text(tty);
}

/* What a stuck line does not take is lost: it is only the invitation. */
static void getty_write(struct pl_getty *g, const char *data, size_t len)
{
	const struct pl_tty *tty = pl_container_of(g, struct pl_tty, getty);
	const ssize_t PL_UNUSED sent = write(tty->watch.fd, data, len);
}

/* --- the line -------------------------------------------------------------------------------- */

static void on_line(struct pl_watch *w, unsigned events)
{
	struct pl_tty *tty = pl_container_of(w, struct pl_tty, watch);
	struct pl_tty_session *s = tty->session;
	char *buffer = pl_read_buffer(tty->port->reactor);

	if (s && (events & PL_WRITE)) {
		s->blocked = false;
		update_wants(tty);
		pl_transport_kick(&s->transport);
		if (!s->tty)
			return; /* closed, and the line perhaps with it */
	}
	if (!s || pl_transport_reading(&s->transport)) {
		const ssize_t n = read(w->fd, buffer, PL_READ_MAX);

		if (n > 0 && s)
			pl_transport_input(&s->transport, buffer, (size_t)n);
		else if (n > 0)
			pl_getty_input(&tty->getty, buffer, (size_t)n);
		if (n > 0)
			return; /* poll() will say again what else there is */
	}
	if (events & (PL_HANGUP | PL_ERROR))
		tty->ops->hung_up(tty);
}

static const struct pl_getty_ops getty_ops = { .write = getty_write,
	                                       .join = getty_join,
	                                       .wasted = getty_wasted };

int pl_tty_init(struct pl_tty *tty, const struct pl_tty_ops *ops, struct pl_port *port,
                long baud, struct pl_error *err)
{
	*tty = (struct pl_tty){
		.ops = ops,
		.port = port,
		.baud = baud,
		.watch = { .fn = on_line, .fd = -1 },
	};
	return pl_getty_init(&tty->getty, &getty_ops, port->reactor, port->endpoint, err);
}

int pl_tty_open(struct pl_tty *tty, int fd)
{
	tty->watch.fd = fd;
	const int code = pl_watch_set(tty->port->reactor, &tty->watch, PL_READ);

	if (code)
		tty->watch.fd = -1;
	return code;
}

bool pl_tty_is_open(const struct pl_tty *tty)
{
	return tty->watch.fd >= 0;
}

bool pl_tty_is_blocked(const struct pl_tty *tty)
{
	return tty->session && tty->session->blocked;
}

void pl_tty_invite(struct pl_tty *tty)
{
	pl_getty_start(&tty->getty);
}

void pl_tty_close(struct pl_tty *tty)
{
	pl_getty_cancel(&tty->getty);
	pl_watch_stop(&tty->watch);
	tty->watch.fd = -1;
}

bool pl_tty_end_session(struct pl_tty *tty, int reason)
{
	pl_getty_cancel(&tty->getty);
	if (!tty->session)
		return false;
	pl_transport_down(&tty->session->transport, reason);
	return true;
}
