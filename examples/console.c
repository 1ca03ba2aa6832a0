/* console.c: one more transport, brought along by a program: the terminal it was started
 * from takes part.
 *
 *     ./step4_console console:/dev/tty tcp:1234
 *
 * docs/transport.md walks through it.  It has one connection, from the start until /exit
 * or Ctrl-D.  Everything else about a connection is the library's. */
#include <errno.h>
#include <fcntl.h>
#include <partyline/transport_impl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct console {
	struct pl_port port;
	struct pl_transport transport;
	struct pl_watch watch;  /* of the terminal */
	struct pl_timer coming; /* until the first turn */
	bool there;             /* from connection_made to destroy() */
	bool wants_write;
};

static struct console *console_of(struct pl_transport *t)
{
	return pl_container_of(t, struct console, transport);
}

static void update_wants(struct console *c)
{
	unsigned wants = c->wants_write ? PL_WRITE : 0;

	if (pl_transport_reading(&c->transport))
		wants |= PL_READ;
	pl_watch_set(c->port.reactor, &c->watch, wants);
}

/* --- what the library asks for ------------------------------------------------------- */

static void console_set_reading(struct pl_transport *t, bool on PL_UNUSED)
{
	update_wants(console_of(t));
}

static void console_kick(struct pl_transport *t)
{
	struct console *c = console_of(t);
	struct iovec piece;

	while (!c->wants_write && pl_out_peek(t, &piece, 1, PL_WRITE_MAX)) {
		const ssize_t n = write(c->watch.fd, piece.iov_base, piece.iov_len);

		if (n >= 0) {
			pl_out_sent(t, (size_t)n);
		} else if (errno == EAGAIN) {
			c->wants_write = true;
			update_wants(c);
		} else if (errno != EINTR) {
			pl_transport_down(t, -errno);
			return;
		}
	}
}

static void console_close(struct pl_transport *t)
{
	struct console *c = console_of(t);

	pl_watch_stop(&c->watch);
	close(c->watch.fd);
}

static void console_destroy(struct pl_transport *t)
{
	struct console *c = console_of(t);

	c->there = false;
	if (c->port.stopped)
		pl_port_release(&c->port);
}

static const struct pl_transport_ops console_ops = {
	.type = "console",
	.kick = console_kick,
	.set_reading = console_set_reading,
	.close = console_close,
	.destroy = console_destroy,
};

/* --- what the terminal has to say ---------------------------------------------------- */

static void read_some(struct console *c)
{
	struct pl_transport *t = &c->transport;
	char *buffer = pl_read_buffer(c->port.reactor);
	const ssize_t n = read(c->watch.fd, buffer, PL_READ_MAX);

	if (n > 0)
		pl_transport_input(t, buffer, (size_t)n);
	else if (n == 0) /* Ctrl-D */
		pl_transport_event(t, &(struct pl_event){ .type = PL_EVENT_EOF });
	else if (errno != EAGAIN && errno != EINTR)
		pl_transport_down(t, -errno);
}

static void on_terminal(struct pl_watch *w, unsigned events)
{
	struct console *c = pl_container_of(w, struct console, watch);
	struct pl_transport *t = &c->transport;

	if (events & (PL_READ | PL_HANGUP | PL_ERROR)) {
		if (pl_transport_reading(t))
			read_some(c);
		else
			pl_transport_down(t, -EIO); /* nobody reads: it has hung up */
	}
	if (t->state == PL_TRANSPORT_CLOSED)
		return;
	if (events & PL_WRITE)
		c->wants_write = false;
	update_wants(c);
	if (events & PL_WRITE)
		pl_transport_kick(t);
}

/* --- the port ------------------------------------------------------------------------ */

static void on_coming(struct pl_timer *timer)
{
	struct console *c = pl_container_of(timer, struct console, coming);
	struct pl_transport *t = &c->transport;
	const char *path = pl_endpoint_arg(c->port.endpoint);

	pl_transport_init(t, &console_ops, c->port.reactor, c->port.endpoint);
	c->there = true;
	if (pl_transport_name(t, path, "device", path, NULL) < 0)
		pl_transport_discard(t);
	else
		pl_transport_up(t, c->port.factory);
}

static void console_stop(struct pl_port *p)
{
	struct console *c = pl_container_of(p, struct console, port);

	if (c->there)
		return; /* the connection lives on; its destroy() releases the port */
	if (pl_timer_active(&c->coming))
		console_close(&c->transport);
	pl_timer_cancel(&c->coming);
	pl_port_release(p);
}

static void console_port_destroy(struct pl_port *p)
{
	free(pl_container_of(p, struct console, port));
}

static const struct pl_port_ops port_ops = { console_stop, console_port_destroy };

static int console_listen(struct pl_reactor *r, struct pl_endpoint *ep,
                          struct pl_factory *f, struct pl_port **port, struct pl_error *err)
{
	const char *path = pl_endpoint_arg(ep);
	const int fd = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct console *c;

	if (fd < 0)
		return pl_fail(err, -errno, "%s: %s", pl_endpoint_text(ep),
		               strerror(errno));
	c = calloc(1, sizeof *c);
	if (!c)
		goto close_fd;
	c->watch = (struct pl_watch){ .fn = on_terminal, .fd = fd };
	c->coming.fn = on_coming;
	pl_port_init(&c->port, &port_ops, r, ep, f);
	if (pl_port_describe(&c->port, pl_endpoint_text(ep), path, "type here", "") < 0 ||
	    pl_watch_set(r, &c->watch, 0) < 0)
		goto finish_port;
	pl_call_later(r, &c->coming, 0);
	*port = &c->port;
	return 0;
finish_port:
	pl_port_finish(&c->port);
	free(c);
close_fd:
	close(fd);
	return pl_fail(err, -ENOMEM, "%s: out of memory", pl_endpoint_text(ep));
}

static const struct pl_backend console_backend = {
	.type = "console",
	.usage = "console:PATH",
	.help = "a terminal of this machine, /dev/tty for the one this was started from",
	.listen = console_listen,
};

/* This takes the place of the list in src/core/backends.c. */
extern const struct pl_backend pl_tcp_backend;

const struct pl_backend *const pl_backends[] = { &console_backend, &pl_tcp_backend, NULL };
