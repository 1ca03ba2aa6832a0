/* endpoint.h: places that connections come from, written as strings.
 *
 *     TYPE:ARG[:KEY=VALUE]...
 *
 *     tcp:1234    udp:1234:interface=[::1]    serial:/dev/ttyUSB0:baudrate=115200
 *
 * ARG is everything before the first `:word=`.  A backslash takes the next character as
 * it is; inside brackets, which stand around an IPv6 address, a colon is a colon.  A key
 * belongs to the transport, to the line layer or to the factory: their usage strings
 * are the only list of what there is, and a key that none of them claims is refused. */
#ifndef PARTYLINE_ENDPOINT_H
#define PARTYLINE_ENDPOINT_H

#include <partyline/error.h>
#include <partyline/protocol.h>

PL_BEGIN_DECLS

struct pl_reactor;

/* Starts to take connections for f.  Protocols are built from the next turn on.  NULL on
 * failure, with a sentence in *err.  The port belongs to the reactor: it is stopped with
 * pl_port_stop() or by pl_reactor_destroy(). */
struct pl_port *pl_listen(struct pl_reactor *r, const char *endpoint,
                          struct pl_factory *f, struct pl_error *err);

/* How many may be here at a time, and from one source (an IPv4 address, an IPv6 /56, a
 * network over UDP; nobody from this machine counts there), who may also come no faster
 * than so many at once and then one a second.  0: any number.  The keys max-users= and
 * per-source= say the same for one endpoint.  Who is one too many reads why. */
struct pl_limits {
	unsigned max_users, per_source;
};

enum { PL_MAX_USERS_DEFAULT = 16384, PL_PER_SOURCE_DEFAULT = 32, PL_LIMIT_MAX = 1000000 };

/* The keys that every endpoint has. */
#define PL_LIMITS_USAGE "[:max-users=N][:per-source=N]"

/* For those who come from now on; a reactor begins with the defaults. */
void pl_set_limits(struct pl_reactor *r, const struct pl_limits *limits);

/* "tcp:40231:interface=127.0.0.1": what pl_listen() would take to listen there again,
 * with the number that port 0 became.  Lives as long as the port. */
const char *pl_port_name(const struct pl_port *port);

/* For a person: where it is ("127.0.0.1:1234"), the command that joins ("telnet localhost
 * 1234"), and a remark ("this machine only; ..."), "" where there is none.  They live as
 * long as the port. */
const char *pl_port_type(const struct pl_port *port);
const char *pl_port_place(const struct pl_port *port);
const char *pl_port_command(const struct pl_port *port);
const char *pl_port_remark(const struct pl_port *port);

/* Takes no more connections; gives the port back at once.  Connections live on, except
 * datagram peers, which end with their socket.  The pointer is dead after the call. */
void pl_port_stop(struct pl_port *port);

/* Prints to stdout the usage of every transport that is built in, with a line of help, and
 * what the factory adds. */
void pl_print_endpoint_usage(const struct pl_factory *f);

/* Listens on all of them or on none: each failure is a line on stderr that begins with
 * prog, and the result then is the first one's negative errno. */
int pl_listen_all(struct pl_reactor *r, const char *prog, struct pl_factory *f,
                  const char *const *endpoints, size_t n, struct pl_port **ports);

/* Prints a ready line per port to stdout and runs the reactor until SIGINT or SIGTERM;
 * then calls f->ops->stopping, stops the ports, loses every connection and waits for
 * them, 2.5 s at most (a second signal: not at all).  0 or a negative errno. */
int pl_serve(struct pl_reactor *r, struct pl_factory *f, struct pl_port *const *ports,
             size_t n);

/* A whole program around a factory: the arguments are endpoints (or --help).  Returns
 * what main() should: 0, 1 when an endpoint could not be opened, 2 for wrong usage. */
int pl_main(int argc, char **argv, struct pl_factory *f);

PL_END_DECLS
#endif
