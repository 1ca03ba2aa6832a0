/* datagram_fuzzer.c: whatever datagrams come, from whom and when, and whatever the kernel
 * makes of the answers: nobody joins without what the door asks for, strangers get one short
 * answer at most, and those who are nobody get none (U1, U2, U3, U14).
 *
 * A real udp port with people who say everything to each other, on a kernel that is played:
 * the first byte chooses the endpoint, then each step is a byte (what happens, and to which
 * of the eight senders), a byte for how much, and for some of them the text. */
#define _GNU_SOURCE /* struct in_pktinfo */
#include "../../transports/udp.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <linux/errqueue.h>
#endif

#include <partyline/group.h>
#include <partyline/testing.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SENDERS = 8, REAL_SENDERS = 5, CODES = 4, CODE_LEN = 6, BIG = 20000 };
enum step { SAY, SAY_CODE, WAIT, SAY_MUCH, KERNEL, TO_MANY, ALL_TALK, PERSON };
enum { VERIFY_ALWAYS, VERIFY_AUTO, VERIFY_NEVER, TRUST };

static const char *const endpoints[] = {
	[VERIFY_ALWAYS] = "udp:0:interface=127.0.0.1:verify=always",
	[VERIFY_AUTO] = "udp:0:interface=127.0.0.1",
	[VERIFY_NEVER] = "udp:0:interface=127.0.0.1:verify=never:idle=1",
	[TRUST] = "udp:0:interface=127.0.0.1:trust=192.0.2.0/24",
};

struct sender {
	struct pl_address address;
	struct guest *guest;             /* he has joined, and is not lost */
	char codes[CODES][CODE_LEN + 1]; /* he was told, the last one first */
	int n_codes, n_good;             /* n_good: not void by the use of one */
};

struct guest {
	struct pl_line_receiver line;
	struct pl_group_link member;
	struct sender *who;
	bool paused;
};

/* One input's world. */
static struct {
	struct pl_world *world;
	struct pl_factory factory;
	struct pl_group room;
	struct sender senders[SENDERS];
	int fd, endpoint;
	/* the datagram that is on its way, or being looked at */
	struct sender *from;
	const char *text;
	size_t len;
	bool arrived, to_many, is_code;
	unsigned answers;
	/* the kernel's mood */
	int fail;
	unsigned fails, refusals;
	struct sender *refuses;
} net;

/* --- the kernel --------------------------------------------------------------------- */

ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	int ready = 0;

	(void)timeout_ms;
	for (nfds_t i = 0; i < n; i++) {
		int events = 0;

		if (fds[i].fd == net.fd)
			events = (net.from && !net.arrived ? POLLIN : 0) |
			         (net.refusals ? POLLERR : 0) |
			         (net.fail == EAGAIN ? 0 : POLLOUT);
		fds[i].revents = (short)(events & (fds[i].events | POLLERR));
		ready += fds[i].revents != 0;
	}
	return ready;
}

/* An error without an entry in the error queue is still one until it is asked for. */
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	if (fd != net.fd || level != SOL_SOCKET || name != SO_ERROR)
		return __real_getsockopt(fd, level, name, value, len);
	*(int *)value = net.refusals ? ECONNREFUSED : 0;
	net.refusals = 0;
	return 0;
}

static struct sender *sender_at(const struct sockaddr_storage *ss, socklen_t len)
{
	for (int i = 0; i < SENDERS; i++)
		if (net.senders[i].address.len == len &&
		    memcmp(&net.senders[i].address.ss, ss, len) == 0)
			return &net.senders[i];
	return NULL;
}

static void note_code(struct sender *to, const char *text)
{
	char code[CODE_LEN + 1];

	if (sscanf(text, "-- to join type %6s,", code) != 1)
		return;
	memmove(to->codes[1], to->codes[0], sizeof to->codes - sizeof to->codes[0]);
	memcpy(to->codes[0], code, sizeof code);
	to->n_codes += to->n_codes < CODES;
	to->n_good += to->n_good < CODES;
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct sender *to = sender_at(msg->msg_name, msg->msg_namelen);
	char text[PL_READ_MAX + 1];
	size_t len = 0;

	(void)flags;
	assert(fd == net.fd && to && to < &net.senders[REAL_SENDERS]);
	for (size_t i = 0; i < msg->msg_iovlen; i++) {
		assert(msg->msg_iov[i].iov_len <= PL_UDP_DATAGRAM_MAX - len);
		memcpy(text + len, msg->msg_iov[i].iov_base, msg->msg_iov[i].iov_len);
		len += msg->msg_iov[i].iov_len;
	}
	text[len] = '\0';
	if (net.fails) {
		if (net.fail == ECONNREFUSED && !net.refusals)
			net.refusals++;
		net.fails--;
		errno = net.fail;
		net.fail = net.fails ? net.fail : 0;
		return -1;
	}
	if (to->guest)
		return (ssize_t)len;
	/* A stranger: he has just said something, and this is all that he gets for it. */
	assert(to == net.from && net.arrived && net.answers++ == 0);
	assert(len <= PL_UDP_ANSWER_MAX && 28 + len <= 3 * (28 + net.len));
	note_code(to, text);
	return (ssize_t)len;
}

static void put_control(struct msghdr *msg, int type, const void *data, size_t len)
{
	struct cmsghdr *c = msg->msg_control;

	assert(CMSG_SPACE(len) <= msg->msg_controllen);
	msg->msg_controllen = CMSG_SPACE(len);
	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
}

static ssize_t next_refusal(struct msghdr *msg)
{
#ifdef __linux__
	const struct sock_extended_err ee = { .ee_errno = ECONNREFUSED,
		                              .ee_origin = SO_EE_ORIGIN_ICMP };

	if (net.refusals && net.refuses) {
		net.refusals--;
		memcpy(msg->msg_name, &net.refuses->address.ss, net.refuses->address.len);
		msg->msg_namelen = net.refuses->address.len;
		put_control(msg, IP_RECVERR, &ee, sizeof ee);
		return 0;
	}
#else
	(void)msg;
#endif
	errno = EAGAIN;
	return -1;
}

/* The wire's end of pktinfo: which of our addresses it was sent to. */
static void put_destination(struct msghdr *msg)
{
#ifdef __linux__
	struct in_pktinfo info = { .ipi_spec_dst.s_addr = htonl(INADDR_LOOPBACK) };

	info.ipi_addr.s_addr = net.to_many ? INADDR_BROADCAST : info.ipi_spec_dst.s_addr;
	put_control(msg, IP_PKTINFO, &info, sizeof info);
#else
	msg->msg_controllen = 0;
#endif
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags)
{
	size_t n;

	assert(fd == net.fd);
	if (flags & MSG_ERRQUEUE)
		return next_refusal(msg);
	if (!net.from || net.arrived) {
		errno = EAGAIN;
		return -1;
	}
	net.arrived = true;
	n = net.len < msg->msg_iov->iov_len ? net.len : msg->msg_iov->iov_len;
	memcpy(msg->msg_iov->iov_base, net.text, n);
	memcpy(msg->msg_name, &net.from->address.ss, net.from->address.len);
	msg->msg_namelen = net.from->address.len;
	put_destination(msg);
	msg->msg_flags = n < net.len ? MSG_TRUNC : 0;
	return (ssize_t)n;
}

/* --- people ------------------------------------------------------------------------- */

static struct guest *guest_of(struct pl_line_receiver *l)
{
	return pl_container_of(l, struct guest, line);
}

static void connection_made(struct pl_line_receiver *l)
{
	pl_group_join(&net.room, &guest_of(l)->member, l);
}

static void line_received(struct pl_line_receiver *l, const char *line, size_t len)
{
	assert(len <= PL_LINE_MAX && strlen(line) == len);
	for (size_t i = 0; i < len; i++)
		assert(!iscntrl((unsigned char)line[i]) || line[i] == '\t');
	if (strcmp(line, "/exit") == 0)
		pl_line_lose(l);
	else
		pl_group_sendf(&net.room, l, "<guest> %s", line);
}

static void connection_lost(struct pl_line_receiver *l, int reason)
{
	(void)reason;
	guest_of(l)->who->guest = NULL;
	free(guest_of(l));
}

/* Only he who has just said something can join, and only if he said what it takes. */
static struct pl_protocol *build(struct pl_factory *f, const struct pl_peer *peer)
{
	static const struct pl_line_receiver_ops ops = { .connection_made = connection_made,
		                                         .line_received = line_received,
		                                         .connection_lost =
		                                                 connection_lost };
	struct guest *guest = calloc(1, sizeof *guest);
	const bool near = net.from == &net.senders[0];
	char name[PL_ADDRESS_TEXT];

	(void)f;
	assert(guest && net.arrived && !net.from->guest);
	assert(net.from < &net.senders[REAL_SENDERS] && !net.to_many);
	pl_address_text((struct sockaddr *)&net.from->address.ss, name, sizeof name);
	assert(strcmp(peer->name, name) == 0 && peer->datagrams);
	if (net.endpoint == VERIFY_ALWAYS || (net.endpoint == VERIFY_AUTO && !near))
		assert(net.is_code);
	net.from->n_good = 0;
	net.from->guest = guest;
	guest->who = net.from;
	return pl_line_receiver_init(&guest->line, &ops);
}

/* --- steps ------------------------------------------------------------------------------ */

/* Is it one of his codes, as people may type it? */
static bool is_code(const struct sender *s, const char *text, size_t len)
{
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		len--;
	for (; len > 0 && isspace((unsigned char)*text); len--)
		text++;
	for (int i = 0; i < s->n_good && len == CODE_LEN; i++) {
		size_t same = 0;

		while (same < len && tolower((unsigned char)text[same]) == s->codes[i][same])
			same++;
		if (same == len)
			return true;
	}
	return false;
}

static void send_in(struct sender *from, const char *text, size_t len, bool to_many)
{
	net.from = from;
	net.text = text;
	net.len = len;
	net.to_many = to_many;
	net.is_code = is_code(from, text, len);
	net.answers = 0;
	net.arrived = false;
	pl_world_settle(net.world);
	assert(net.arrived);
	net.from = NULL;
}

/* One long line, or many. */
static void say_much(struct sender *from, uint8_t amount)
{
	static char text[2][BIG];

	if (!text[0][0]) {
		memset(text, 'x', sizeof text);
		for (size_t i = 0; i < BIG; i += 200)
			text[1][i] = '\n';
	}
	send_in(from, text[amount % 2], (size_t)amount * BIG / 255, false);
}

static void set_kernel(struct sender *who, uint8_t amount)
{
	static const int moods[] = { 0, EAGAIN, ENOBUFS, ECONNREFUSED };

	net.fails = amount / 4;
	net.fail = net.fails ? moods[amount % 4] : 0;
	if (!net.fail)
		net.fails = 0;
	net.refuses = who < &net.senders[REAL_SENDERS] ? who : NULL;
	net.refusals = net.fail == ECONNREFUSED && net.refuses ? amount / 64 : 0;
	pl_world_settle(net.world);
}

static void all_talk(uint8_t amount)
{
	for (int i = 0; i < amount % 64; i++)
		pl_group_sendf(&net.room, NULL, "line %0120d", i);
	pl_world_settle(net.world);
}

static void act(struct guest *guest, uint8_t amount)
{
	if (!guest)
		return;
	if (amount % 4 == 0)
		pl_line_lose(&guest->line);
	else if (amount % 4 == 1)
		pl_abort(guest->line.protocol.transport, -ECANCELED);
	else if ((guest->paused = !guest->paused))
		pl_line_pause(&guest->line);
	else
		pl_line_resume(&guest->line);
	pl_world_settle(net.world);
}

/* Returns how many bytes of the input it has used. */
static size_t take_step(const uint8_t *data, size_t size)
{
	struct sender *who = &net.senders[data[0] % SENDERS];
	const uint8_t amount = size > 1 ? data[1] : 0;
	const size_t rest = size > 2 ? size - 2 : 0, len = amount < rest ? amount : rest;
	const char *text = (const char *)data + (size - rest);

	switch ((enum step)(data[0] / SENDERS % 8)) {
	case SAY:
	case TO_MANY:
		send_in(who, text, len, data[0] / SENDERS % 8 == TO_MANY);
		return size - rest + len;
	case SAY_CODE:
		if (who->n_codes)
			send_in(who, who->codes[amount % who->n_codes], CODE_LEN, false);
		break;
	case WAIT:
		pl_world_advance(net.world, (uint64_t)amount * 500);
		break;
	case SAY_MUCH:
		say_much(who, amount);
		break;
	case KERNEL:
		set_kernel(who, amount);
		break;
	case ALL_TALK:
		all_talk(amount);
		break;
	case PERSON:
		act(who->guest, amount);
		break;
	}
	return size - rest;
}

/* --- the whole -------------------------------------------------------------------------- */

static void open_port(void)
{
	static const struct pl_factory_ops ops = { .build_protocol = build,
		                                   .usage = PL_LINE_USAGE };
	static const struct {
		const char *host;
		long port;
	} addresses[SENDERS] = {
		{ "127.0.0.1", 5000 },  { "192.0.2.7", 50312 },   { "192.0.2.7", 50313 },
		{ "192.0.2.8", 50312 }, { "2001:db8::7", 50312 }, { "198.51.100.1", 53 },
		{ "224.0.0.1", 5000 },  { "127.0.0.1", 0 },
	};
	struct pl_error err = { .text = "" };
	struct pl_port *port;
	struct udp_port *udp;

	net.factory.ops = &ops;
	port = pl_listen(pl_world_reactor(net.world), endpoints[net.endpoint],
	                 &net.factory, &err);
	if (!port) {
		fprintf(stderr, "%s\n", err.text);
		abort();
	}
	udp = pl_container_of(port, struct udp_port, port);
	net.fd = udp->sockets[0].watch.fd;
	for (int i = 0; i < SENDERS; i++) {
		const bool own = i == SENDERS - 1;

		if (pl_address_parse(addresses[i].host,
		                     own ? udp->number : addresses[i].port,
		                     &net.senders[i].address))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	memset(&net, 0, sizeof net);
	net.world = pl_world_create(1);
	assert(net.world);
	net.endpoint = data[0] % 4;
	pl_group_init(&net.room, NULL);
	open_port();
	for (size_t at = 1; at < size;)
		at += take_step(data + at, size - at);
	net.fail = 0;
	net.fails = net.refusals = 0;
	pl_world_destroy(net.world);
	for (int i = 0; i < SENDERS; i++)
		assert(!net.senders[i].guest);
	assert(!net.room.first);
	return 0;
}
