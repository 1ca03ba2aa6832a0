/* udp_socket.c: datagrams in and out, and whose they are.
 *
 * Besides the sender it tells which of our addresses a datagram was sent to, so that the
 * answer leaves from there (a machine has several, and with interface=* the kernel would
 * choose), and whose datagram an error is about.  How to ask for either is what differs
 * between systems: all of that is here, with a way to do without. */
#define _GNU_SOURCE /* struct in_pktinfo and in6_pktinfo */
#include "udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/errqueue.h>
#endif

/* Room for what is asked for below: an address, or an error with an address. */
union control {
	struct cmsghdr align;
	char bytes[256];
};

/* A burst that comes while others have their turn: some thousand short lines. */
#define KERNEL_ROOM (1024 * 1024)

void pl_udp_prepare(int fd, int family)
{
	const int on = 1, room = KERNEL_ROOM;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
#ifdef SO_RXQ_OVFL
	setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
#endif
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
#ifdef IP_PKTINFO
	if (family == AF_INET)
		setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
#endif
#ifdef __linux__
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on);
	if (family == AF_INET)
		setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on);
#endif
}

void pl_udp_make_key(struct pl_udp_sender *from)
{
	const struct sockaddr *sa = pl_udp_address(from);
	const uint16_t port = (uint16_t)pl_address_port(sa);
	struct pl_prefix whole;

	pl_prefix_of(sa, 32, 128, &whole);
	memset(&from->key, 0, sizeof from->key);
	memcpy(from->key.host, whole.bytes, sizeof from->key.host);
	memcpy(from->key.port, &port, sizeof port);
	if (sa->sa_family == AF_INET6)
		memcpy(from->key.scope,
		       &((const struct sockaddr_in6 *)&from->from.ss)->sin6_scope_id,
		       sizeof from->key.scope);
}

bool pl_udp_is_nobody(const struct pl_udp_sender *from)
{
	const struct sockaddr_in6 *v6 = (const void *)&from->from.ss;

	return v6->sin6_family == AF_INET6 && (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) ||
	                                       IN6_IS_ADDR_V4COMPAT(&v6->sin6_addr));
}

static bool is_every_address(const struct sockaddr *sa)
{
	struct pl_prefix whole;
	static const unsigned char none[16] = { 0 };

	pl_prefix_of(sa, 32, 128, &whole);
	return sa->sa_family == AF_INET ? memcmp(whole.bytes + 12, none, 4) == 0
	                                : memcmp(whole.bytes, none, 16) == 0;
}

bool pl_udp_is_here(const struct pl_address *address)
{
	struct pl_address a = *address;
	int fd = socket(a.ss.ss_family, SOCK_DGRAM, 0);
	bool here = true;

	if (fd < 0)
		return true;
	if (a.ss.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&a.ss)->sin6_port = 0;
	else
		((struct sockaddr_in *)&a.ss)->sin_port = 0;
	if (bind(fd, (const struct sockaddr *)&a.ss, a.len) < 0)
		here = errno != EADDRNOTAVAIL;
	close(fd);
	return here;
}

bool pl_udp_is_own(const struct pl_udp_sender *from, const struct sockaddr *bound)
{
	const struct sockaddr *sa = pl_udp_address(from);
	struct pl_prefix whole;

	if (sa->sa_family != bound->sa_family ||
	    pl_address_port(sa) != pl_address_port(bound))
		return false;
	if (is_every_address(bound))
		return pl_address_is_loopback(sa) ||
		       (from->to_known &&
		        memcmp(from->to, from->key.host, sizeof from->to) == 0) ||
		       pl_udp_is_here(&from->from);
	pl_prefix_of(bound, 32, 128, &whole);
	return memcmp(whole.bytes, from->key.host, sizeof whole.bytes) == 0;
}

static struct msghdr message(struct pl_udp_sender *s, struct iovec *iov,
                             union control *control)
{
	return (struct msghdr){
		.msg_name = &s->from.ss,
		.msg_namelen = sizeof s->from.ss,
		.msg_iov = iov,
		.msg_iovlen = iov ? 1 : 0,
		.msg_control = control->bytes,
		.msg_controllen = sizeof control->bytes,
	};
}

static void read_control(struct pl_udp_sender *s, struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
#ifdef SO_RXQ_OVFL
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL)
			memcpy(&s->overflowed, CMSG_DATA(c), sizeof s->overflowed);
#endif
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof info);
			memcpy(s->to, &info.ipi6_addr, sizeof s->to);
			s->to_known = true;
			s->to_many = IN6_IS_ADDR_MULTICAST(&info.ipi6_addr);
			if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
				s->to_interface = info.ipi6_ifindex;
		}
#ifdef IP_PKTINFO
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct sockaddr_in v4 = { .sin_family = AF_INET };
			struct in_pktinfo info;
			struct pl_prefix whole;

			memcpy(&info, CMSG_DATA(c), sizeof info);
			v4.sin_addr = info.ipi_spec_dst;
			pl_prefix_of((struct sockaddr *)&v4, 32, 128, &whole);
			memcpy(s->to, whole.bytes, sizeof s->to);
			s->to_known = true;
			s->to_many = info.ipi_spec_dst.s_addr != info.ipi_addr.s_addr;
		}
#endif
	}
}

ssize_t pl_udp_receive(int fd, struct pl_udp_sender *from, struct iovec *into, bool *cut)
{
	union control control;
	struct msghdr msg = message(from, into, &control);
	ssize_t n;

	memset(from, 0, sizeof *from);
	n = recvmsg(fd, &msg, 0);
	if (n < 0)
		return -errno;
	from->from.len = msg.msg_namelen;
	*cut = msg.msg_flags & MSG_TRUNC;
	pl_udp_make_key(from);
	read_control(from, &msg);
	return n;
}

static void put_control(struct msghdr *msg, int level, int type, const void *data,
                        size_t len)
{
	struct cmsghdr *c = msg->msg_control;

	msg->msg_controllen = CMSG_SPACE(len);
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
}

int pl_udp_send(int fd, const struct pl_udp_sender *to, struct iovec *iov, size_t n)
{
	union control control = { .bytes = { 0 } };
	struct msghdr msg = {
		.msg_name = (void *)(uintptr_t)&to->from.ss,
		.msg_namelen = to->from.len,
		.msg_iov = iov,
		.msg_iovlen = n,
		.msg_control = control.bytes,
	};

	if (to->to_known && to->from.ss.ss_family == AF_INET6) {
		struct in6_pktinfo v6 = { .ipi6_ifindex = to->to_interface };

		memcpy(&v6.ipi6_addr, to->to, sizeof v6.ipi6_addr);
		put_control(&msg, IPPROTO_IPV6, IPV6_PKTINFO, &v6, sizeof v6);
	}
#ifdef IP_PKTINFO
	if (to->to_known && to->from.ss.ss_family == AF_INET) {
		struct in_pktinfo v4 = { .ipi_ifindex = 0 };

		memcpy(&v4.ipi_spec_dst, to->to + 12, sizeof v4.ipi_spec_dst);
		put_control(&msg, IPPROTO_IP, IP_PKTINFO, &v4, sizeof v4);
	}
#endif
	return sendmsg(fd, &msg, 0) < 0 ? -errno : 0;
}

/* The kernel reports what became of a datagram at the next call, whomever that is for;
 * whose it was stands in the error queue alone (U10).  Other errors than "port
 * unreachable" pass (RFC 1122, 4.1.3.3). */
bool pl_udp_next_error(int fd, struct pl_udp_sender *from, bool *refused)
{
	int code = 0;
	socklen_t len = sizeof code;

	*refused = false;
#ifdef __linux__
	union control control;
	struct msghdr msg = message(from, NULL, &control);

	memset(from, 0, sizeof *from);
	if (recvmsg(fd, &msg, MSG_ERRQUEUE) < 0) {
		/* An error that found no memory to be written down in: poll() would
		 * report it for ever.  Reading it clears it. */
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len);
		return false;
	}
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		struct sock_extended_err ee;

		if (!(c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) &&
		    !(c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
			continue;
		memcpy(&ee, CMSG_DATA(c), sizeof ee);
		*refused = ee.ee_errno == ECONNREFUSED;
	}
	if (*refused)
		pl_udp_make_key(from);
	return true;
#else
	(void)from;
	/* Reading it clears it. */
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len) == 0 && code != 0;
#endif
}
