/* address.c: internet addresses, from endpoint to socket to text.
 *
 * Every IPv6 socket is IPv6 alone and IPv4 has one of its own, so that one family can be
 * missing without harm to the other.  A mapped address that a person wrote is the IPv4
 * address that it carries.  One that a datagram came from is forged: no option of a socket
 * keeps it away, and here it is read as the IPv4 address too.  Who acts on the source of
 * a datagram has refused it before. */
#include <partyline/address.h>

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Another program holds a random number on one family only now and then; eight times in
 * a row means that something else is wrong. */
enum { BIND_TRIES = 8 };

/* sa itself, or the IPv4 address that it carries, made in *v4. */
static const struct sockaddr *unmapped(const struct sockaddr *sa, struct sockaddr_in *v4)
{
	const struct sockaddr_in6 *v6 = (const void *)sa;

	if (sa->sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		return sa;
	*v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = v6->sin6_port };
	memcpy(&v4->sin_addr, v6->sin6_addr.s6_addr + 12, 4);
	return (const void *)v4;
}

static void set_port(struct pl_address *a, long port)
{
	if (a->ss.ss_family == AF_INET)
		((struct sockaddr_in *)&a->ss)->sin_port = htons((uint16_t)port);
	else
		((struct sockaddr_in6 *)&a->ss)->sin6_port = htons((uint16_t)port);
}

int pl_address_parse(const char *text, long port, struct pl_address *out)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	const struct sockaddr *sa;
	struct sockaddr_in v4;
	const int code = getaddrinfo(text, NULL, &hints, &found);

	if (code)
		return code == EAI_MEMORY ? -ENOMEM : -EINVAL;
	sa = unmapped(found->ai_addr, &v4);
	memset(out, 0, sizeof *out);
	out->len = sa->sa_family == AF_INET ? sizeof v4 : found->ai_addrlen;
	memcpy(&out->ss, sa, out->len);
	freeaddrinfo(found);
	set_port(out, port);
	return 0;
}

int pl_address_arg(const struct pl_endpoint *ep, long *port, struct pl_error *err)
{
	if (strpbrk(pl_endpoint_arg(ep), ":."))
		return pl_fail(err, -EINVAL,
		               "%s: port must be 0..65535; the address goes into interface=",
		               pl_endpoint_text(ep));
	return pl_endpoint_arg_int(ep, "port", 0, 65535, port, err);
}

int pl_address_list(const struct pl_endpoint *ep, long port, struct pl_address *out,
                    size_t max, struct pl_error *err)
{
	const char *text = pl_endpoint_text(ep);
	const char *interface = pl_endpoint_str(ep, "interface");
	const char *pair[2] = { "127.0.0.1", "::1" };
	int code = -EINVAL;

	assert(max >= PL_ADDRESS_LIST);
	if (interface && strcmp(interface, "*") != 0) {
		/* The number alone is looked at: getaddrinfo takes "" and "1" as well. */
		if (strpbrk(interface, ".:"))
			code = pl_address_parse(interface, port, out);
		if (code == -EINVAL)
			return pl_fail(err, code,
			               "%s: interface must be an address of this machine, "
			               "or * for all of them",
			               text);
		return code ? pl_fail(err, code, "%s: out of memory", text) : 1;
	}
	if (interface) {
		pair[0] = "0.0.0.0";
		pair[1] = "::";
	}
	for (int i = 0; i < 2; i++) {
		code = pl_address_parse(pair[i], port, &out[i]);
		if (code == -EINVAL && i > 0)
			return i; /* a C library without IPv6 */
		if (code)
			return pl_fail(err, code, "%s: %s: %s", text, pair[i],
			               code == -ENOMEM ? "out of memory"
			                               : "the system cannot read it");
	}
	return 2;
}

long pl_address_port(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)(const void *)sa)->sin_port);
	if (sa->sa_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)(const void *)sa)->sin6_port);
	return 0;
}

void pl_address_host(const struct sockaddr *sa, char *out, size_t size)
{
	struct sockaddr_in v4;
	socklen_t len;

	sa = unmapped(sa, &v4);
	len = sa->sa_family == AF_INET ? sizeof v4 : sizeof(struct sockaddr_in6);
	if (getnameinfo(sa, len, out, (socklen_t)size, NULL, 0, NI_NUMERICHOST) != 0)
		snprintf(out, size, "?");
}

void pl_address_text(const struct sockaddr *sa, char *out, size_t size)
{
	char host[PL_ADDRESS_TEXT];
	bool brackets;

	pl_address_host(sa, host, sizeof host);
	brackets = strchr(host, ':');
	snprintf(out, size, "%s%s%s:%ld", brackets ? "[" : "", host, brackets ? "]" : "",
	         pl_address_port(sa));
}

/* --- prefixes ----------------------------------------------------------------------- */

static void cut(struct pl_prefix *p)
{
	for (unsigned i = 0; i < sizeof p->bytes; i++) {
		unsigned keep = p->bits > i * 8 ? p->bits - i * 8 : 0;

		if (keep < 8)
			p->bytes[i] &= (unsigned char)~(0xffu >> keep);
	}
}

void pl_prefix_of(const struct sockaddr *sa, unsigned bits_v4, unsigned bits_v6,
                  struct pl_prefix *out)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct sockaddr_in v4;

	sa = unmapped(sa, &v4);
	if (sa->sa_family == AF_INET) {
		memcpy(out->bytes, mapped, sizeof mapped);
		memcpy(out->bytes + 12,
		       &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
		out->bits = 96 + bits_v4;
	} else {
		memcpy(out->bytes,
		       &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
		out->bits = bits_v6;
	}
	cut(out);
}

bool pl_prefix_holds(const struct pl_prefix *prefix, const struct sockaddr *sa)
{
	struct pl_prefix other;

	pl_prefix_of(sa, 32, 128, &other);
	other.bits = prefix->bits;
	cut(&other);
	return memcmp(other.bytes, prefix->bytes, sizeof other.bytes) == 0;
}

int pl_prefix_parse(const char *text, struct pl_prefix *out)
{
	char host[PL_ADDRESS_TEXT];
	size_t len = strcspn(text, "/");
	struct pl_address a;
	unsigned long bits, most;
	char *end;

	if (len >= sizeof host)
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = '\0';
	if (!strpbrk(host, ".:") || pl_address_parse(host, 0, &a) != 0)
		return -EINVAL;
	most = bits = a.ss.ss_family == AF_INET ? 32 : 128;
	if (text[len] == '/') {
		if (text[len + 1] < '0' || text[len + 1] > '9')
			return -EINVAL;
		bits = strtoul(text + len + 1, &end, 10);
		if (*end || bits > most)
			return -EINVAL;
	}
	pl_prefix_of((const struct sockaddr *)&a.ss, (unsigned)bits, (unsigned)bits, out);
	return 0;
}

bool pl_address_is_loopback(const struct sockaddr *sa)
{
	static const struct pl_prefix v4 = { { [10] = 0xff, [11] = 0xff, [12] = 127 },
		                             96 + 8 };
	static const struct pl_prefix v6 = { { [15] = 1 }, 128 };

	return pl_prefix_holds(&v4, sa) || pl_prefix_holds(&v6, sa);
}

bool pl_address_is_unicast(const struct sockaddr *sa)
{
	struct pl_prefix whole;

	pl_prefix_of(sa, 32, 128, &whole);
	if (whole.bytes[0] == 0xff)
		return false;
	if (pl_prefix_holds(&(struct pl_prefix){ { [10] = 0xff, [11] = 0xff }, 96 }, sa))
		return whole.bytes[12] != 0 && whole.bytes[12] < 224;
	return !pl_prefix_holds(&(struct pl_prefix){ { 0 }, 128 }, sa);
}

/* --- sockets ------------------------------------------------------------------------ */

/* A bound socket, or a negative errno. */
static int bind_one(const struct pl_address *a, int socktype)
{
	int on = 1, fd = socket(a->ss.ss_family, socktype, 0), code;

	if (fd < 0)
		return -errno;
	code = pl_set_nonblocking(fd);
	if (code < 0)
		goto fail;
	/* Streams: listen again while old connections linger.  Datagrams: it would let
	 * another program take the port away. */
	if (socktype == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	code = a->ss.ss_family == AF_INET6
	               ? setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on)
	               : 0;
	if (code == 0)
		code = bind(fd, (const struct sockaddr *)&a->ss, a->len);
	if (code == 0)
		return fd;
	code = -errno;
fail:
	close(fd);
	return code;
}

static bool family_is_missing(int code)
{
	return code == -EAFNOSUPPORT || code == -EPROTONOSUPPORT || code == -EADDRNOTAVAIL;
}

static int bind_failed(const struct pl_endpoint *ep, const struct pl_address *a, int code,
                       struct pl_error *err)
{
	const char *text = pl_endpoint_text(ep);
	char place[PL_ADDRESS_TEXT];

	pl_address_text((const struct sockaddr *)&a->ss, place, sizeof place);
	if (code == -EADDRINUSE)
		return pl_fail(err, code, "%s: another program uses %s", text, place);
	if (code == -EADDRNOTAVAIL)
		return pl_fail(err, code, "%s: %s is no address of this machine", text,
		               place);
	if (code == -EACCES)
		return pl_fail(err, code,
		               "%s: not allowed to use %s; take a port from 1024 on",
		               text, place);
	return pl_fail(err, code, "%s: %s: %s", text, place, strerror(-code));
}

/* Binds all once.  Returns how many, or a negative errno and in *at whose. */
static int bind_round(int socktype, struct pl_address *list, size_t n, int *fds, size_t *at)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;

	for (size_t i = 0; i < n; i++) {
		fds[i] = bind_one(&list[i], socktype);
		*at = i;
		if (fds[i] < 0 && i > 0 && family_is_missing(fds[i]))
			return (int)i;
		if (fds[i] < 0) {
			int code = fds[i];

			while (i > 0)
				close(fds[--i]);
			return code;
		}
		if (i > 0)
			continue;
		if (getsockname(fds[0], (struct sockaddr *)&ss, &len) < 0) {
			int code = -errno;

			close(fds[0]);
			return code;
		}
		for (size_t k = 0; k < n; k++)
			set_port(&list[k], pl_address_port((struct sockaddr *)&ss));
	}
	return (int)n;
}

int pl_bind_all(const struct pl_endpoint *ep, int socktype, struct pl_address *list,
                size_t n, int *fds, long *port, struct pl_error *err)
{
	size_t at = 0;
	int got;

	for (int tries = 1;; tries++) {
		for (size_t k = 0; k < n; k++)
			set_port(&list[k], *port);
		got = bind_round(socktype, list, n, fds, &at);
		if (got >= 0)
			break;
		if (*port != 0 || at == 0 || got != -EADDRINUSE || tries == BIND_TRIES)
			return bind_failed(ep, &list[at], got, err);
	}
	*port = pl_address_port((const struct sockaddr *)&list[0].ss);
	return got;
}

/* --- for a person ------------------------------------------------------------------- */

static bool is_any(const struct pl_address *a)
{
	const struct sockaddr_in *v4 = (const void *)&a->ss;
	const struct sockaddr_in6 *v6 = (const void *)&a->ss;

	return a->ss.ss_family == AF_INET ? v4->sin_addr.s_addr == htonl(INADDR_ANY)
	                                  : IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
}

/* The endpoint with the real number: everything else of it stays as it was written. */
static char *name_with_port(const struct pl_endpoint *ep, long port)
{
	const char *type = pl_endpoint_type(ep),
		   *rest = pl_endpoint_text(ep) + strlen(type);
	size_t size;
	char *name;

	rest = *rest == ':' ? strchr(rest + 1, ':') : NULL;
	if (!rest)
		rest = "";
	size = strlen(type) + strlen(rest) + sizeof ":65535";
	name = malloc(size);
	if (name)
		snprintf(name, size, "%s:%ld%s", type, port, rest);
	return name;
}

int pl_address_describe(struct pl_port *p, const char *client, const char *then, long port)
{
	const char *interface = pl_endpoint_str(p->endpoint, "interface"), *local = "";
	char remark[80];
	char place[PL_ADDRESS_TEXT], host[256] = "localhost", command[320];
	struct pl_address list[PL_ADDRESS_LIST] = { { .len = 0 } };
	struct sockaddr *sa = (struct sockaddr *)&list[0].ss;
	char *name = name_with_port(p->endpoint, port);
	int code = -ENOMEM;

	if (!name)
		return code;
	code = pl_address_list(p->endpoint, port, list, PL_ADDRESS_LIST, NULL);
	if (code < 0)
		goto out;
	pl_address_text(sa, place, sizeof place);
	if (!interface)
		local = "local, interface=* opens"; /* this machine only, and how to open it */
	else if (pl_address_is_loopback(sa))
		local = "local";
	if (code == 2 && interface)
		snprintf(place, sizeof place, "*:%ld", port);
	if (is_any(&list[0]) && gethostname(host, sizeof host - 1) != 0)
		snprintf(host, sizeof host, "HOST");
	else if (interface && !is_any(&list[0]))
		pl_address_host(sa, host, sizeof host);
	host[sizeof host - 1] = '\0';
	snprintf(command, sizeof command, "%s %s %ld", client, host, port);
	snprintf(remark, sizeof remark, "%s%s%s", then, *then && *local ? "; " : "", local);
	code = pl_port_describe(p, name, place, command, remark);
out:
	free(name);
	return code;
}
