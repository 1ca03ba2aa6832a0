/* tcp.c: people with telnet, nc, PuTTY: stream sockets of the internet.
 *
 * All that is special to TCP: where to listen and three socket options.  Accepting,
 * reading, writing and closing are pl_acceptor's and pl_stream's, addresses address.h's. */
#define _DEFAULT_SOURCE /* TCP_KEEPIDLE and its like */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <partyline/address.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A peer whose machine has vanished is found out after about two minutes, invisibly to
 * the person: nothing is written on his screen to keep the line alive. */
#define KEEPALIVE_IDLE_S 60
#define KEEPALIVE_INTERVAL_S 15
#define KEEPALIVE_PROBES 4

/* What the kernel keeps besides what is on its way: up to 4 MiB if it is not told, for each
 * who does not read, and he would read minutes later what was said when he stopped. */
#define UNSENT_MAX (16 * 1024)

/* What one customer of a provider has: an address, and what a home is given (RFC 6177). */
#define SOURCE_BITS_V4 32
#define SOURCE_BITS_V6 56

struct tcp_port {
	struct pl_port port;
	struct pl_acceptor acceptors[PL_ADDRESS_LIST];
	size_t n;
};

static struct tcp_port *port_of(struct pl_port *p)
{
	return pl_container_of(p, struct tcp_port, port);
}

/* None of these is worth losing a connection for. */
static void set_options(int fd)
{
	const int on = 1;

	/* Lines are already gathered, one write a turn: waiting for more would only show
	 * as 40 ms of delay. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
#ifdef TCP_NOTSENT_LOWAT
	const int unsent = UNSENT_MAX;

	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
#endif
#ifdef TCP_KEEPIDLE
	const int idle_s = KEEPALIVE_IDLE_S, interval_s = KEEPALIVE_INTERVAL_S;
	const int probes = KEEPALIVE_PROBES;

	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
#endif
}

static void accepted(struct tcp_port *port, int fd, const struct sockaddr *from)
{
	char name[PL_ADDRESS_TEXT], address[PL_ADDRESS_TEXT];
	struct pl_prefix source;
	struct pl_stream *s =
		pl_stream_create(port->port.reactor, "tcp", fd, port->port.endpoint);

	if (!s)
		return; /* out of memory refuses one connection */
	set_options(fd);
	pl_address_text(from, name, sizeof name);
	pl_address_host(from, address, sizeof address);
	pl_prefix_of(from, SOURCE_BITS_V4, SOURCE_BITS_V6, &source);
	if (pl_transport_name(&s->transport, name, "address", address, NULL) < 0 ||
	    (!pl_address_is_loopback(from) &&
	     pl_transport_set_origin(&s->transport, &source) < 0))
		pl_transport_discard(&s->transport);
	else
		pl_transport_up(&s->transport, port->port.factory);
}

/* One acceptor per address family; the way from an acceptor to its port. */
static void accepted_first(struct pl_acceptor *a, int fd, const struct sockaddr *from,
                           socklen_t len PL_UNUSED)
{
	accepted(pl_container_of(a, struct tcp_port, acceptors[0]), fd, from);
}

static void accepted_second(struct pl_acceptor *a, int fd, const struct sockaddr *from,
                            socklen_t len PL_UNUSED)
{
	accepted(pl_container_of(a, struct tcp_port, acceptors[1]), fd, from);
}

static void tcp_stop(struct pl_port *p)
{
	struct tcp_port *port = port_of(p);

	for (size_t i = 0; i < port->n; i++)
		pl_acceptor_stop(&port->acceptors[i]);
	pl_port_release(p);
}

static void tcp_destroy(struct pl_port *p)
{
	free(port_of(p));
}

static const struct pl_port_ops tcp_port_ops = { .stop = tcp_stop, .destroy = tcp_destroy };

/* Takes over the bound sockets. */
static int start_accepting(struct tcp_port *port, const int *fds, size_t n, long backlog,
                           struct pl_error *err)
{
	static pl_accepted_fn *const accepted_fns[] = { accepted_first, accepted_second };
	int code = 0;

	for (size_t i = 0; i < n && i < PL_ADDRESS_LIST; i++) {
		if (!code && listen(fds[i], (int)backlog) < 0)
			code = -errno;
		if (code) {
			close(fds[i]);
			continue;
		}
		code = pl_acceptor_start(&port->acceptors[i], port->port.reactor, fds[i],
		                         accepted_fns[i]);
		if (!code)
			port->n++;
	}
	if (code)
		pl_fail(err, code, "%s: %s", pl_endpoint_text(port->port.endpoint),
		        strerror(-code));
	return code;
}

static int tcp_listen(struct pl_reactor *r, struct pl_endpoint *ep, struct pl_factory *f,
                      struct pl_port **out, struct pl_error *err)
{
	struct pl_address list[PL_ADDRESS_LIST];
	int fds[PL_ADDRESS_LIST], n, code;
	struct tcp_port *port;
	long number, backlog;

	code = pl_address_arg(ep, &number, err);
	if (!code)
		code = pl_endpoint_int(ep, "backlog", 1, 65535, SOMAXCONN, &backlog, err);
	if (code)
		return code;
	n = pl_address_list(ep, number, list, PL_ADDRESS_LIST, err);
	if (n < 0)
		return n;
	port = calloc(1, sizeof *port);
	if (!port)
		return pl_fail(err, -ENOMEM, "%s: out of memory", pl_endpoint_text(ep));
	pl_port_init(&port->port, &tcp_port_ops, r, ep, f);
	n = code = pl_bind_all(ep, SOCK_STREAM, list, (size_t)n, fds, &number, err);
	if (code < 0)
		goto free_port;
	code = start_accepting(port, fds, (size_t)n, backlog, err);
	if (!code && pl_address_describe(&port->port, "telnet", "", number) < 0)
		code = pl_fail(err, -ENOMEM, "%s: out of memory", pl_endpoint_text(ep));
	if (code)
		goto stop_accepting;
	*out = &port->port;
	return 0;
stop_accepting:
	for (size_t i = 0; i < port->n; i++)
		pl_acceptor_stop(&port->acceptors[i]);
free_port:
	pl_port_finish(&port->port);
	free(port);
	return code;
}

const struct pl_backend pl_tcp_backend = {
	.type = "tcp",
	.usage = "tcp:PORT" PL_ADDRESS_USAGE "[:backlog=N]",
	.help = "telnet or nc; this machine only, unless interface= names an address or *",
	.listen = tcp_listen,
};
