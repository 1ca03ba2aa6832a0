/* address.h: internet addresses, from endpoint to socket to text.
 *
 * What tcp, udp and any other transport on IP share: which addresses `interface=` means,
 * sockets bound to them with one port number, and how an address is shown and matched.
 * An IPv4 address inside IPv6 (::ffff:192.0.2.7) is the IPv4 address everywhere here, so
 * a datagram from it, which only a forger sends, must not get as far as any of this.
 * No names are looked up: that would block. */
#ifndef PARTYLINE_ADDRESS_H
#define PARTYLINE_ADDRESS_H

#include <partyline/transport_impl.h>
#include <sys/socket.h>

PL_BEGIN_DECLS

struct pl_address {
	struct sockaddr_storage ss;
	socklen_t len;
};

/* One place to listen has at most two addresses, one per family; a written address with
 * brackets, scope and port fits into PL_ADDRESS_TEXT bytes. */
enum { PL_ADDRESS_LIST = 2, PL_ADDRESS_TEXT = 80 };

/* The key that pl_address_list() understands, for a backend's usage string. */
#define PL_ADDRESS_USAGE "[:interface=ADDR]"

/* What ep's interface= means: none 127.0.0.1 and ::1, `*` every address of both families,
 * else the one that is written.  Returns how many addresses there are (out has room for
 * max), or -EINVAL or -ENOMEM with a sentence. */
int pl_address_list(const struct pl_endpoint *ep, long port, struct pl_address *out,
                    size_t max, struct pl_error *err);

/* The port that is ARG, 0 to 65535; 0, or -EINVAL with a sentence. */
int pl_address_arg(const struct pl_endpoint *ep, long *port, struct pl_error *err);

/* Sockets bound to the addresses of list, non-blocking and close-on-exec, all with one
 * number: port 0 is tried again until one is free for both, and *port is set to it.  Of
 * two addresses the second is done without where there is no IPv6.  Returns how many
 * sockets were put into fds, or a negative errno with a sentence. */
int pl_bind_all(const struct pl_endpoint *ep, int socktype, struct pl_address *list,
                size_t n, int *fds, long *port, struct pl_error *err);

/* pl_port_describe() for a port of the internet: its endpoint with the real number,
 * where it is, and the command that joins it, `client` ("telnet", "nc -u") HOST PORT;
 * `then` is what else has to be done ("then Enter"), or "". */
int pl_address_describe(struct pl_port *p, const char *client, const char *then, long port);

/* A number, not a name: "192.0.2.7", "::1", "fe80::1%eth0".  0, -EINVAL or -ENOMEM. */
int pl_address_parse(const char *text, long port, struct pl_address *out);

/* "192.0.2.7:50312", "[::1]:5000"; and without the port: "192.0.2.7", "::1". */
void pl_address_text(const struct sockaddr *sa, char *out, size_t size);
void pl_address_host(const struct sockaddr *sa, char *out, size_t size);

long pl_address_port(const struct sockaddr *sa);
bool pl_address_is_loopback(const struct sockaddr *sa);

/* May one machine have it?  Not unspecified, multicast, broadcast or reserved. */
bool pl_address_is_unicast(const struct sockaddr *sa);

/* Addresses that begin with the same bits.  IPv4 counts as ::ffff:0:0/96. */
struct pl_prefix {
	unsigned char bytes[16]; /* zero behind the bits */
	unsigned bits;
};

/* "10.0.0.0/8", "2001:db8::/32", "192.0.2.7": 0 or -EINVAL. */
int pl_prefix_parse(const char *text, struct pl_prefix *out);

/* The prefix that sa lies in, so many bits long. */
void pl_prefix_of(const struct sockaddr *sa, unsigned bits_v4, unsigned bits_v6,
                  struct pl_prefix *out);
bool pl_prefix_holds(const struct pl_prefix *prefix, const struct sockaddr *sa);

PL_END_DECLS
#endif
