/* stream.c: stream sockets: accepting them, reading and writing them.
 *
 * All that tcp and unix have in common, and any other stream socket would.  It does not
 * know addresses or endpoints. */
#include <partyline/log.h>
#include <partyline/stats.h>
#include <partyline/transport_impl.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ACCEPTS_A_TURN 32
#define REST_MS 100
#define EPISODE_MS (60 * 1000) /* a shortage that pauses for less is one */
#define PIECES_A_WRITE 64

/* --- one connection ------------------------------------------------------------------- */

static struct pl_stream *stream_of(struct pl_transport *t)
{
	return pl_container_of(t, struct pl_stream, transport);
}

/* Cannot fail: the watch has its place since pl_stream_create. */
static void update_wants(struct pl_stream *s)
{
	unsigned wants = s->wants_write ? PL_WRITE : 0;

	if (pl_transport_reading(&s->transport))
		wants |= PL_READ;
	else if (s->transport.state == PL_TRANSPORT_OPEN && !s->transport.eof &&
	         !s->transport.mute)
		wants |= PL_HANGUP; /* who is made to wait may give up */
	pl_watch_set(s->transport.reactor, &s->watch, wants);
}

static void stream_set_reading(struct pl_transport *t, bool on PL_UNUSED)
{
	update_wants(stream_of(t));
}

/* The peer is gone.  That shows in the read too, behind his last words; but the error is
 * told once, and we have it. */
static void broken(struct pl_stream *s, int code)
{
	s->wants_write = false;
	s->broken = code;
	pl_transport_mute(&s->transport);
}

static void write_failed(struct pl_stream *s, int code)
{
	const bool short_of_memory = code == -ENOBUFS || code == -ENOMEM;

	if (s->transport.state != PL_TRANSPORT_OPEN || short_of_memory)
		pl_transport_down(&s->transport, code);
	else /* EPIPE is no more than his orderly end, which we wrote after */
		broken(s, code == -EPIPE ? 0 : code);
}

static void stream_kick(struct pl_transport *t)
{
	struct pl_stream *s = stream_of(t);
	struct iovec iov[PIECES_A_WRITE];
	struct msghdr msg = { .msg_iov = iov };
	size_t total = 0;

	while (!s->wants_write) {
		size_t asked = 0;
		ssize_t sent;

		msg.msg_iovlen = pl_out_peek(t, iov, PIECES_A_WRITE, PL_WRITE_MAX);
		if (!msg.msg_iovlen)
			return;
		if (total >= PL_WRITE_MAX) {
			pl_source_ready(t); /* the rest in the next turn */
			return;
		}
		for (size_t i = 0; i < (size_t)msg.msg_iovlen; i++)
			asked += iov[i].iov_len;
		sent = sendmsg(s->watch.fd, &msg, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
			write_failed(s, -errno);
			return;
		}
		if (sent > 0) {
			pl_out_sent(t, (size_t)sent);
			total += (size_t)sent;
		}
		/* A short write says that the kernel is full as clearly as EAGAIN. */
		s->wants_write = sent < 0 || (size_t)sent < asked;
	}
	update_wants(s);
}

static void read_some(struct pl_stream *s)
{
	struct pl_transport *t = &s->transport;
	char *buffer = pl_read_buffer(t->reactor);
	const ssize_t n = recv(s->watch.fd, buffer, PL_READ_MAX, 0);

	if (n > 0) {
		pl_transport_input(t, buffer, (size_t)n);
	} else if (n == 0 && s->broken) {
		pl_transport_down(t, s->broken);
	} else if (n == 0) {
		pl_transport_event(t, &(struct pl_event){ .type = PL_EVENT_EOF });
		if (t->state != PL_TRANSPORT_CLOSED)
			update_wants(s);
	} else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
		pl_transport_down(t, -errno);
	}
}

static int pending_error(int fd)
{
	int code = 0;
	socklen_t len = sizeof code;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len) < 0 || !code)
		return -ECONNRESET;
	return -code;
}

/* HANGUP or ERROR where nobody reads.  After an orderly end (EPIPE: it was one, before we
 * wrote) his last words are read when reading goes on; a reset is the end of all. */
static void gone_unread(struct pl_stream *s, unsigned events)
{
	const int code = events & PL_ERROR ? pending_error(s->watch.fd) : -EPIPE;

	if (s->transport.state == PL_TRANSPORT_OPEN && code == -EPIPE) {
		broken(s, 0);
		update_wants(s);
	} else {
		pl_transport_down(&s->transport, code);
	}
}

static void on_stream(struct pl_watch *w, unsigned events)
{
	struct pl_stream *s = pl_container_of(w, struct pl_stream, watch);
	struct pl_transport *t = &s->transport;

	if (events & ~(unsigned)PL_WRITE) {
		if (pl_transport_reading(t))
			read_some(s); /* they show there, behind the last words */
		else
			gone_unread(s, events);
	}
	if (t->state == PL_TRANSPORT_CLOSED || !(events & PL_WRITE) || !s->wants_write)
		return;
	s->wants_write = false;
	update_wants(s);
	pl_transport_kick(t);
}

static void stream_close(struct pl_transport *t)
{
	struct pl_stream *s = stream_of(t);

	pl_watch_stop(&s->watch);
	close(s->watch.fd);
	s->watch.fd = -1;
}

static void stream_destroy(struct pl_transport *t)
{
	free(stream_of(t));
}

static int stream_control(struct pl_transport *t, unsigned op, void *arg PL_UNUSED)
{
	if (op != PL_CONTROL_HALF_CLOSE)
		return -ENOTSUP;
	return shutdown(stream_of(t)->watch.fd, SHUT_WR) < 0 ? -errno : 0;
}

static const struct pl_transport_ops stream_ops = {
	.type = "stream",
	.kick = stream_kick,
	.set_reading = stream_set_reading,
	.close = stream_close,
	.destroy = stream_destroy,
	.control = stream_control,
};

struct pl_stream *pl_stream_create(struct pl_reactor *r, const char *type, int fd,
                                   struct pl_endpoint *ep)
{
	struct pl_stream *s = malloc(sizeof *s);

	if (!s)
		goto close_fd;
	*s = (struct pl_stream){ .watch = { .fn = on_stream, .fd = fd } };
	if (pl_watch_set(r, &s->watch, 0))
		goto free_stream;
	pl_transport_init(&s->transport, &stream_ops, r, ep);
	s->transport.peer.type = type;
	return s;
free_stream:
	free(s);
close_fd:
	close(fd);
	pl_count(r, "connections: refused, out of memory", 1);
	return NULL;
}

/* --- accepting ----------------------------------------------------------------------------- */

static void open_spare(struct pl_acceptor *a)
{
	a->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void rest(struct pl_acceptor *a)
{
	pl_watch_set(a->watch.reactor, &a->watch, 0);
	pl_call_later(a->watch.reactor, &a->rest, REST_MS);
}

static void on_rested(struct pl_timer *t)
{
	struct pl_acceptor *a = pl_container_of(t, struct pl_acceptor, rest);

	if (a->spare_fd < 0)
		open_spare(a);
	pl_watch_set(a->watch.reactor, &a->watch, PL_READ);
}

/* In the log once an episode: who is turned away again and again would fill it. */
static void tell_shortage(struct pl_acceptor *a, const char *of)
{
	const uint64_t now_ms = pl_reactor_now(a->watch.reactor);

	if (!a->short_ms || now_ms - a->short_ms >= EPISODE_MS)
		pl_log(PL_LOG_WARNING, "out of %s: nobody more is let in for now", of);
	a->short_ms = now_ms;
}

/* Out of descriptors: without this the waiting connection would stay, poll() would not
 * sleep, and the person would look at nothing.  False when nobody waits, or it cannot be
 * done. */
static bool turn_one_away(struct pl_acceptor *a)
{
	static const char sentence[] =
		"-- too many people here, please try again later --\r\n";
	int fd;

	if (a->spare_fd >= 0)
		close(a->spare_fd);
	fd = accept(a->watch.fd, NULL, NULL);
	if (fd < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
		pl_count(a->watch.reactor,
		         "connections: kept waiting, out of descriptors", 1);
	if (fd >= 0) {
		pl_count(a->watch.reactor, "connections: turned away, out of descriptors",
		         1);
		/* What he has said already, left unread, would make a reset of the close. */
		recv(fd, pl_read_buffer(a->watch.reactor), PL_READ_MAX, MSG_DONTWAIT);
		if (send(fd, sentence, sizeof sentence - 1, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
			shutdown(fd, SHUT_WR);
		close(fd);
	}
	open_spare(a);
	return fd >= 0;
}

static void on_acceptable(struct pl_watch *w, unsigned events PL_UNUSED)
{
	struct pl_acceptor *a = pl_container_of(w, struct pl_acceptor, watch);

	/* accepted() may stop the port: then the watch has no reactor any more. */
	for (int i = 0; i < ACCEPTS_A_TURN && w->reactor; i++) {
		struct sockaddr_storage from;
		socklen_t len = sizeof from;
		const int fd = accept(w->fd, (struct sockaddr *)&from, &len);

		if (fd >= 0) {
			if (pl_set_nonblocking(fd) < 0)
				close(fd);
			else
				a->accepted(a, fd, (struct sockaddr *)&from, len);
		} else if (errno == EMFILE || errno == ENFILE) {
			tell_shortage(a, "descriptors");
			if (turn_one_away(a))
				continue; /* all who wait, or a crowd of them would wait long */
			rest(a);
			return;
		} else if (errno == ENOBUFS || errno == ENOMEM) {
			pl_count(w->reactor, "connections: kept waiting, out of memory", 1);
			tell_shortage(a, "memory");
			rest(a);
			return;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			return; /* EAGAIN: that was all.  What else there is, accept(2) says, are
			           errors of the connection that did not come about. */
		}
	}
}

int pl_acceptor_start(struct pl_acceptor *a, struct pl_reactor *r, int fd,
                      pl_accepted_fn *accepted)
{
	int code;

	*a = (struct pl_acceptor){
		.accepted = accepted,
		.watch = { .fn = on_acceptable, .fd = fd },
		.rest = { .fn = on_rested },
	};
	open_spare(a);
	code = a->spare_fd < 0 ? -errno : pl_watch_set(r, &a->watch, PL_READ);
	if (code) {
		close(fd);
		if (a->spare_fd >= 0)
			close(a->spare_fd);
		a->accepted = NULL;
	}
	return code;
}

void pl_acceptor_stop(struct pl_acceptor *a)
{
	if (!a->accepted)
		return;
	pl_timer_cancel(&a->rest);
	pl_watch_stop(&a->watch);
	close(a->watch.fd);
	if (a->spare_fd >= 0)
		close(a->spare_fd);
	a->accepted = NULL;
}
