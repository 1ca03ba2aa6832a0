/* mem.c: both ends of a connection in one process, without a kernel between them.
 *
 * Each end has an inbox with a capacity, as a socket has; the other end's kick() fills
 * it, and a timer without delay empties it into the protocol, so that nothing is ever
 * delivered from inside a call.  Closing is orderly: what is in the inbox is read first. */
#include <assert.h>
#include <errno.h>
#include <partyline/mem.h>
#include <partyline/transport_impl.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY (64 * 1024)

struct mem_end {
	struct pl_transport transport;
	struct mem_end *other; /* NULL when it has closed */
	struct pl_factory *factory;
	struct pl_timer timer; /* comes up, then delivers */
	char *inbox;
	size_t len, allocated, capacity, chunk;
	bool ending; /* nothing will follow what is in the inbox */
	bool ended;  /* ... and the protocol knows */
};

static struct mem_end *end_of(struct pl_transport *t)
{
	return pl_container_of(t, struct mem_end, transport);
}

static void deliver_soon(struct mem_end *e)
{
	if (!pl_timer_active(&e->timer))
		pl_call_later(e->transport.reactor, &e->timer, 0);
}

/* --- towards the other end -------------------------------------------------------------- */

static int put(struct mem_end *e, const void *data, size_t len)
{
	if (e->len + len > e->allocated) {
		char *inbox = realloc(e->inbox, e->len + len);

		if (!inbox)
			return -ENOMEM;
		e->inbox = inbox;
		e->allocated = e->len + len;
	}
	memcpy(e->inbox + e->len, data, len);
	e->len += len;
	deliver_soon(e);
	return 0;
}

static void mem_kick(struct pl_transport *t)
{
	struct mem_end *to = end_of(t)->other;
	struct iovec piece;

	while (pl_out_peek(t, &piece, 1, SIZE_MAX)) {
		int code = 0;
		size_t n = piece.iov_len;

		if (!to || to->ending) {
			pl_transport_mute(
				t); /* his end is in our inbox, behind his last words */
			return;
		}
		if (to->len >= to->capacity)
			return; /* deliver() kicks us when there is room */
		if (n > to->capacity - to->len)
			n = to->capacity - to->len;
		code = put(to, piece.iov_base, n);
		if (code) {
			pl_transport_down(t, code);
			return;
		}
		pl_out_sent(t, n);
	}
}

static void end_inbox(struct mem_end *e)
{
	e->ending = true;
	deliver_soon(e);
}

static int mem_control(struct pl_transport *t, unsigned op, void *arg PL_UNUSED)
{
	struct mem_end *e = end_of(t);

	if (op != PL_CONTROL_HALF_CLOSE)
		return -ENOTSUP;
	if (e->other)
		end_inbox(e->other);
	return 0;
}

/* --- from the other end -------------------------------------------------------------------- */

static void deliver(struct mem_end *e)
{
	struct pl_transport *t = &e->transport;
	char *data = pl_read_buffer(t->reactor);
	size_t n = e->len;

	if (!pl_transport_reading(t))
		return; /* set_reading() comes back to it */
	if (n) {
		if (e->chunk && n > e->chunk)
			n = e->chunk;
		if (n > PL_READ_MAX)
			n = PL_READ_MAX;
		/* Out of the inbox first: while the protocol reads, more may be put there. */
		memcpy(data, e->inbox, n);
		e->len -= n;
		memmove(e->inbox, e->inbox + n, e->len);
		pl_transport_input(t, data, n);
		if (e->other)
			pl_transport_kick(&e->other->transport);
	}
	if (t->state == PL_TRANSPORT_CLOSED)
		return;
	if (e->len) {
		deliver_soon(e);
	} else if (e->ending && !e->ended) {
		if (n) {
			deliver_soon(e); /* the end is a turn of its own, as on a socket */
			return;
		}
		e->ended = true;
		pl_transport_event(t, &(struct pl_event){ .type = PL_EVENT_EOF });
	}
}

static void on_timer(struct pl_timer *timer)
{
	struct mem_end *e = pl_container_of(timer, struct mem_end, timer);

	if (e->transport.state != PL_TRANSPORT_OPENING)
		deliver(e);
	else if (pl_transport_up(&e->transport, e->factory) == 0 &&
	         e->transport.state != PL_TRANSPORT_CLOSED && (e->len || e->ending))
		deliver_soon(e);
}

static void mem_set_reading(struct pl_transport *t, bool on)
{
	struct mem_end *e = end_of(t);

	if (on && (e->len || e->ending))
		deliver_soon(e);
}

/* --- life ----------------------------------------------------------------------------------- */

static void mem_close(struct pl_transport *t)
{
	struct mem_end *e = end_of(t);

	pl_timer_cancel(&e->timer);
	if (!e->other)
		return;
	end_inbox(e->other);
	e->other->other = NULL;
	e->other = NULL;
}

static void mem_destroy(struct pl_transport *t)
{
	struct mem_end *e = end_of(t);

	free(e->inbox);
	free(e);
}

static const struct pl_transport_ops mem_ops = {
	.type = "mem",
	.kick = mem_kick,
	.set_reading = mem_set_reading,
	.close = mem_close,
	.destroy = mem_destroy,
	.control = mem_control,
};

/* The near end came by the port's endpoint; the far end by none (NULL). */
static struct mem_end *create_end(struct pl_port *port, struct pl_endpoint *ep,
                                  struct pl_factory *f)
{
	struct mem_end *e = calloc(1, sizeof *e);

	if (!e)
		return NULL;
	e->capacity = CAPACITY;
	e->factory = f;
	e->timer.fn = on_timer;
	pl_transport_init(&e->transport, &mem_ops, port->reactor, ep);
	if (pl_transport_name(&e->transport, pl_endpoint_arg(port->endpoint), NULL) == 0)
		return e;
	pl_transport_discard(&e->transport);
	return NULL;
}

int pl_mem_connect(struct pl_reactor *r, const char *name, struct pl_factory *f,
                   struct pl_error *err)
{
	struct pl_port *port = pl_port_find(r, "mem", name);
	struct mem_end *server, *client;

	if (!port)
		return pl_fail(err, -ECONNREFUSED, "mem:%s: nobody listens there", name);
	server = create_end(port, port->endpoint, port->factory);
	client = server ? create_end(port, NULL, f) : NULL;
	if (!client) {
		if (server)
			pl_transport_discard(&server->transport);
		return pl_fail(err, -ENOMEM, "mem:%s: out of memory", name);
	}
	server->other = client;
	client->other = server;
	pl_call_later(r, &server->timer, 0);
	pl_call_later(r, &client->timer, 0);
	return 0;
}

static struct mem_end *checked_end_of(struct pl_transport *t)
{
	assert(t->ops == &mem_ops);
	return end_of(t);
}

void pl_mem_set_chunk(struct pl_transport *t, size_t n)
{
	checked_end_of(t)->chunk = n;
}

void pl_mem_set_capacity(struct pl_transport *t, size_t n)
{
	checked_end_of(t)->capacity = n;
}

/* --- the port ---------------------------------------------------------------------------------- */

static void mem_stop(struct pl_port *p)
{
	pl_port_release(p);
}

static void mem_port_destroy(struct pl_port *p)
{
	free(p);
}

static const struct pl_port_ops mem_port_ops = { .stop = mem_stop,
	                                         .destroy = mem_port_destroy };

static int mem_listen(struct pl_reactor *r, struct pl_endpoint *ep, struct pl_factory *f,
                      struct pl_port **out, struct pl_error *err)
{
	const char *name = pl_endpoint_arg(ep);
	struct pl_port *port;

	if (pl_port_find(r, "mem", name))
		return pl_fail(err, -EADDRINUSE, "%s: the name is in use",
		               pl_endpoint_text(ep));
	port = malloc(sizeof *port);
	if (!port)
		return pl_fail(err, -ENOMEM, "%s: out of memory", pl_endpoint_text(ep));
	pl_port_init(port, &mem_port_ops, r, ep, f);
	if (pl_port_describe(port, pl_endpoint_text(ep), name, "pl_mem_connect()", "") < 0) {
		pl_port_finish(port);
		free(port);
		return pl_fail(err, -ENOMEM, "%s: out of memory", pl_endpoint_text(ep));
	}
	*out = port;
	return 0;
}

const struct pl_backend pl_mem_backend = {
	.type = "mem",
	.usage = "mem:NAME",
	.help = NULL,
	.listen = mem_listen,
};
