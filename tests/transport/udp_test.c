/* udp_test.c: the UDP transport on real sockets of this machine.
 *
 * People from elsewhere are played by one socket of this machine: recvmsg() and sendmsg()
 * are wrapped, and while `far` is set every datagram seems to come from there and what is
 * sent there is kept.  What UDP is dangerous for goes by number: U1 reflection, U3 forged
 * joins, U5 and U6 silence, U7 ends of datagrams, U8 sizes, U10 errors of others, U11 full
 * kernels, U12 starving, U13 stolen names, U14 loops, U15 one peer in the way of the rest. */
#include <partyline/address.h>
#include <partyline/stats.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/errqueue.h>
#endif

#include "../support/cmocka_all.h"
#include "../support/needs.h"
#include "../support/recorder.h"
#include "../support/world.h"

/* --- the kernel in between ---------------------------------------------------------- */

static struct {
	struct pl_address far; /* len 0: nobody is far */
	char sent[4096];       /* the last datagram to far */
	unsigned count;        /* of datagrams to far */
	int refusals;          /* of far, that the error queue holds */
	int more;              /* refusals that come each time after it was emptied */
	unsigned tries;        /* sends, those included that failed */
	int fail;              /* errno of the next sends, 0: none */
	unsigned room;         /* so many sends before they fail */
} net;

ssize_t __real_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __real_recvmsg(int fd, struct msghdr *msg, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags);

ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	size_t len = 0;

	net.tries++;
	if (net.refusals) {
		errno = ECONNREFUSED;
		return -1;
	}
	if (net.fail && net.room == 0) {
		errno = net.fail;
		return -1;
	}
	if (net.fail)
		net.room--;
	if (!net.far.len || pl_address_is_loopback(msg->msg_name))
		return __real_sendmsg(fd, msg, flags);
	for (size_t i = 0; i < msg->msg_iovlen; i++) {
		memcpy(net.sent + len, msg->msg_iov[i].iov_base, msg->msg_iov[i].iov_len);
		len += msg->msg_iov[i].iov_len;
	}
	net.sent[len] = '\0';
	net.count++;
	return (ssize_t)len;
}

#ifdef __linux__
static ssize_t far_refuses(struct msghdr *msg)
{
	const struct sock_extended_err ee = { .ee_errno = ECONNREFUSED,
		                              .ee_origin = SO_EE_ORIGIN_ICMP };
	struct cmsghdr *c = msg->msg_control;

	net.refusals--;
	memcpy(msg->msg_name, &net.far.ss, net.far.len);
	msg->msg_namelen = net.far.len;
	msg->msg_controllen = CMSG_SPACE(sizeof ee);
	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_RECVERR;
	c->cmsg_len = CMSG_LEN(sizeof ee);
	memcpy(CMSG_DATA(c), &ee, sizeof ee);
	return 0;
}
#endif

ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t n;

#ifdef __linux__
	if (flags & MSG_ERRQUEUE && net.refusals)
		return far_refuses(msg);
#endif
	n = __real_recvmsg(fd, msg, flags);
	if (flags & MSG_ERRQUEUE && net.more > 0) {
		net.more--;
		net.refusals = 1;
	}
	if (n >= 0 && net.far.len && !(flags & MSG_ERRQUEUE)) {
		memcpy(msg->msg_name, &net.far.ss, net.far.len);
		msg->msg_namelen = net.far.len;
	}
	return n;
}

/* --- a port, and people ------------------------------------------------------------- */

struct fixture {
	struct pl_world *world;
	struct pl_reactor *reactor;
	struct records records;
	struct pl_port *port;
	long number;
	int clients[40], n_clients, descriptors;
	size_t skip[40]; /* of the logs, what came of joining */
	char text[PL_READ_MAX];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	if (!f)
		return -1;
	memset(&net, 0, sizeof net);
	f->descriptors = open_descriptors();
	f->world = pl_world_create(1);
	f->reactor = pl_world_reactor(f->world);
	records_init(&f->records, NULL);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int left;

	memset(&net, 0, sizeof net);
	pl_world_destroy(f->world);
	while (f->n_clients > 0)
		close(f->clients[--f->n_clients]);
	left = open_descriptors() - f->descriptors;
	if (f->records.broken[0])
		print_error("%s\n", f->records.broken);
	left += f->records.broken[0] != '\0';
	records_finish(&f->records);
	free(f);
	return left;
}

static void open_port(struct fixture *f, const char *endpoint)
{
	struct pl_error err = { 0 };

	f->port = records_listen(&f->records, f->reactor, endpoint, &err);
	if (!f->port)
		fail_msg("%s", err.text);
	f->number = strtol(strrchr(pl_port_place(f->port), ':') + 1, NULL, 10);
}

/* A socket, as nc -u has it: connected, so it hears that one address alone. */
static int client_of(struct fixture *f, const char *host)
{
	struct pl_address a;
	int fd;

	assert_int_equal(pl_address_parse(host, f->number, &a), 0);
	fd = socket(a.ss.ss_family, SOCK_DGRAM, 0);
	assert_true(fd >= 0);
	f->clients[f->n_clients++] = fd;
	assert_int_equal(connect(fd, (struct sockaddr *)&a.ss, a.len), 0);
	assert_int_equal(pl_set_nonblocking(fd), 0);
	return fd;
}

static int client(struct fixture *f)
{
	return client_of(f, "127.0.0.1");
}

static void put(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), 0), strlen(text));
}

static void say(struct fixture *f, int fd, const char *text)
{
	put(fd, text);
	pl_world_settle(f->world);
}

/* One datagram, or "" when there is none. */
static const char *hear(struct fixture *f, int fd)
{
	ssize_t n = recv(fd, f->text, sizeof f->text - 1, 0);

	f->text[n > 0 ? n : 0] = '\0';
	return f->text;
}

static const char *log_of(struct fixture *f, size_t number)
{
	struct record *rec = records_at(&f->records, number);
	const char *log = rec ? record_log(rec) : "nobody";

	return strlen(log) > f->skip[number] ? log + f->skip[number] : "";
}

static struct record *record_of(struct fixture *f, size_t number)
{
	struct record *rec = records_at(&f->records, number);

	assert_non_null(rec);
	return rec;
}

/* One whose record begins empty. */
static int joined_client(struct fixture *f)
{
	const size_t before = f->records.count;
	int fd = client(f);

	say(f, fd, "\n");
	assert_int_equal(f->records.count, before + 1);
	f->skip[before] = strlen(record_log(record_of(f, before))) + strlen("; ");
	return fd;
}

static void set_far(const char *host, long port)
{
	assert_int_equal(pl_address_parse(host, port, &net.far), 0);
}

/* The 16 bytes as they are: pl_address_parse() makes IPv4 of some. */
static void set_far_v6(const char *host, long port)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
		                   .sin6_port = htons((uint16_t)port) };

	assert_int_equal(inet_pton(AF_INET6, host, &v6.sin6_addr), 1);
	memset(&net.far, 0, sizeof net.far);
	memcpy(&net.far.ss, &v6, sizeof v6);
	net.far.len = sizeof v6;
}

static uint64_t counted(struct fixture *f, const char *what)
{
	return pl_counted(f->reactor, what);
}

/* --- joining ------------------------------------------------------------------------ */

static void what_is_said_first_on_this_machine_is_said(void **state)
{
	struct fixture *f = *state;

	open_port(f, "udp:0");
	say(f, client(f), "hello\n");
	assert_string_equal(log_of(f, 0), "made; data \"hello\\n\"; end");
}

static void an_empty_line_and_an_empty_datagram_join(void **state)
{
	struct fixture *f = *state;

	open_port(f, "udp:0");
	say(f, client(f), "\n");
	say(f, client(f), "");
	assert_string_equal(log_of(f, 0), "made; data \"\\n\"; end");
	assert_string_equal(log_of(f, 1), "made; end");
}

static void a_peer_is_named_by_address_and_port(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;
	char name[PL_ADDRESS_TEXT];
	const struct pl_peer *peer;
	int fd;

	open_port(f, "udp:0");
	fd = joined_client(f);
	getsockname(fd, (struct sockaddr *)&ss, &len);
	pl_address_text((struct sockaddr *)&ss, name, sizeof name);
	peer = pl_transport_peer(record_of(f, 0)->transport);
	assert_string_equal(peer->type, "udp");
	assert_string_equal(peer->name, name);
	assert_string_equal(pl_peer_fact(peer, "address"), "127.0.0.1");
	assert_true(peer->datagrams);
}

static void both_addresses_of_localhost_lead_to_one_port(void **state)
{
	struct fixture *f = *state;
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	struct pl_address a;

	pl_address_parse("::1", 0, &a);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a.ss, a.len) < 0)
		test_lacks("IPv6");
	close(fd);
	open_port(f, "udp:0");
	say(f, client_of(f, "127.0.0.1"), "four\n");
	say(f, client_of(f, "::1"), "six\n");
	assert_string_equal(log_of(f, 0), "made; data \"four\\n\"; end");
	assert_string_equal(log_of(f, 1), "made; data \"six\\n\"; end");
	assert_string_equal(pl_peer_fact(pl_transport_peer(record_of(f, 1)->transport),
	                                 "address"),
	                    "::1");
	record_print(record_of(f, 1), "hi\r\n");
	pl_world_settle(f->world);
	assert_string_equal(hear(f, f->clients[1]), "hi\r\n");
}

static void an_answer_comes_from_the_address_that_was_written_to(void **state)
{
	struct fixture *f = *state;
	int fd;

	open_port(f, "udp:0:interface=*");
	fd = client_of(f, "127.0.0.2");
	say(f, fd, "hello\n");
	record_print(record_of(f, 0), "hi\r\n");
	pl_world_settle(f->world);
	assert_string_equal(hear(f, fd), "hi\r\n");
}

static void a_lone_x_is_nothing_from_a_stranger_and_is_said_by_a_peer(void **state)
{
	struct fixture *f = *state;
	int fd;

	open_port(f, "udp:0");
	fd = client(f);
	say(f, fd, "X");
	assert_int_equal(f->records.count, 0);
	assert_string_equal(hear(f, fd), "");
	say(f, fd, "hello\n");
	say(f, fd, "X");
	assert_string_equal(log_of(f, 0), "made; data \"hello\\n\"; end; data \"X\"; end");
}

static void u1_who_brings_the_code_back_is_in_and_the_code_is_not_said(void **state)
{
	struct fixture *f = *state;
	char code[8] = "";
	int fd;

	open_port(f, "udp:0:verify=always");
	fd = client(f);
	say(f, fd, "hello\n");
	assert_int_equal(sscanf(hear(f, fd),
	                        "-- to join type %6s, then say it again --\r\n", code),
	                 1);
	assert_string_equal(hear(f, fd), "");
	assert_int_equal(f->records.count, 0);
	code[6] = '\n';
	say(f, fd, code);
	say(f, fd, "hello\n");
	assert_string_equal(log_of(f, 0), "made; data \"hello\\n\"; end");
	assert_string_equal(hear(f, fd), "");
}

static void u1_a_stranger_from_far_gets_one_line_and_the_code_lets_him_in(void **state)
{
	struct fixture *f = *state;
	char code[7];
	int fd;

	open_port(f, "udp:0");
	fd = client(f);
	set_far("192.0.2.7", 50312);
	say(f, fd, "hello\n");
	assert_int_equal(net.count, 1);
	assert_int_equal(sscanf(net.sent, "-- to join type %6s,", code), 1);
	say(f, fd, code);
	assert_int_equal(net.count, 1);
	assert_string_equal(log_of(f, 0), "made");
	assert_string_equal(pl_transport_peer(record_of(f, 0)->transport)->name,
	                    "192.0.2.7:50312");
}

static void u3_strangers_leave_nothing_behind_and_do_not_disturb_peers(void **state)
{
	struct fixture *f = *state;
	int ann, fd;

	open_port(f, "udp:0");
	ann = joined_client(f);
	fd = client(f);
	for (int i = 0; i < 1000; i++) {
		char host[40];

		snprintf(host, sizeof host, "198.51.%d.%d", 1 + i / 200, 1 + i % 200);
		set_far(host, 50312);
		say(f, fd, "hello\n");
	}
	net.far.len = 0;
	assert_int_equal(net.count, 5 * 8); /* five networks */
	assert_int_equal(f->records.count, 1);
	assert_int_equal(pl_connections(f->reactor), 1);
	say(f, ann, "still here\n");
	assert_string_equal(log_of(f, 0), "data \"still here\\n\"; end");
}

static void trust_lets_a_network_in_without_a_code(void **state)
{
	struct fixture *f = *state;

	open_port(f, "udp:0:trust=192.0.2.0/24");
	set_far("192.0.2.7", 50312);
	say(f, client(f), "hello\n");
	assert_string_equal(log_of(f, 0), "made; data \"hello\\n\"; end");
	assert_int_equal(net.count, 0);
}

static void u3_one_prefix_has_room_for_32_and_the_next_is_told(void **state)
{
	struct fixture *f = *state;
	int fd;

	open_port(f, "udp:0:verify=never");
	fd = client(f);
	for (int i = 1; i <= 33; i++) {
		char host[40];

		snprintf(host, sizeof host, "192.0.2.%d", i);
		set_far(host, 50312);
		assert_int_equal(net.count, 0);
		say(f, fd, "hello\n");
		pl_world_advance(f->world, 1000);
	}
	assert_int_equal(records_alive(&f->records), 32);
	assert_string_equal(net.sent,
	                    "-- too many from your address, try again later --\r\n");
	assert_int_equal(counted(f, "connections: turned away, too many from one source"),
	                 1);
	set_far("198.51.100.1", 50312);
	say(f, fd, "hello\n");
	assert_int_equal(records_alive(&f->records), 33);
}

/* Who has many networks of that size has no more than an eighth of the port. */
static void u3_a_wide_prefix_has_room_for_256_and_the_next_is_told(void **state)
{
	struct fixture *f = *state;
	int fd;

	open_port(f, "udp:0:verify=never:idle=86400");
	fd = client(f);
	for (int i = 0; i < 257; i++) {
		char host[40];

		snprintf(host, sizeof host, "2001:db8:77:%x::%x", i % 256 << 8,
		         1 + i / 256);
		set_far(host, 50312);
		assert_int_equal(net.count, 0);
		say(f, fd, "hello\n");
		pl_world_advance(f->world, 1000);
	}
	assert_int_equal(records_alive(&f->records), 256);
	assert_string_equal(net.sent, "-- full, try again later --\r\n");
	assert_int_equal(counted(f, "udp: joins refused: full"), 1);
	set_far("2001:db8:78::1", 50312);
	say(f, fd, "hello\n");
	assert_int_equal(records_alive(&f->records), 257);
}

static void u13_who_has_left_proves_his_address_again(void **state)
{
	struct fixture *f = *state;
	char code[7];
	int fd;

	open_port(f, "udp:0:verify=always");
	fd = client(f);
	say(f, fd, "hello\n");
	assert_int_equal(sscanf(hear(f, fd), "-- to join type %6s,", code), 1);
	say(f, fd, code);
	record_lose(record_of(f, 0));
	pl_world_settle(f->world);
	say(f, fd, "hello again\n");
	say(f, fd, code);
	assert_string_equal(log_of(f, 0), "made; lost 0");
	assert_int_equal(f->records.count, 1);
	assert_memory_equal(hear(f, fd), "-- to join type ", 16);
}

#define NOBODY "udp: datagrams ignored: an address that no wire has"

static void u3_an_ipv6_address_that_carries_an_ipv4_address_is_nobody(void **state)
{
	static const char *const endpoints[] = { "udp:0", "udp:0:verify=always",
		                                 "udp:0:verify=never",
		                                 "udp:0:trust=192.0.2.0/24,[::]/0" };
	static const char *const hosts[] = { "::ffff:127.0.0.1", "::127.0.0.1",
		                             "::ffff:192.0.2.7", "::192.0.2.7" };
	struct fixture *f = *state;
	uint64_t n = 0;

	for (size_t i = 0; i < 4; i++) {
		int fd;

		open_port(f, endpoints[i]);
		fd = client(f);
		for (size_t k = 0; k < 4; k++) {
			set_far_v6(hosts[k], 50312);
			say(f, fd, "hello\n");
			assert_int_equal(counted(f, NOBODY), ++n);
		}
	}
	assert_int_equal(net.tries, 0);
	assert_int_equal(f->records.count, 0);
	assert_int_equal(pl_connections(f->reactor), 0);
	open_port(f, "udp:0");
	set_far_v6("::1", 50312);
	say(f, client(f), "hello\n");
	assert_string_equal(log_of(f, 0), "made; data \"hello\\n\"; end");
	assert_int_equal(counted(f, NOBODY), n);
}

static void u13_who_carries_the_address_of_a_peer_does_not_speak_as_him(void **state)
{
	static const char *const hosts[] = { "::ffff:127.0.0.1", "::127.0.0.1" };
	struct fixture *f = *state;
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;
	unsigned tries;
	int ann, bob;

	open_port(f, "udp:0:idle=60");
	ann = joined_client(f);
	bob = client(f);
	assert_int_equal(getsockname(ann, (struct sockaddr *)&ss, &len), 0);
	tries = net.tries;
	pl_world_advance(f->world, 59000);
	for (size_t i = 0; i < 2; i++) {
		set_far_v6(hosts[i], pl_address_port((struct sockaddr *)&ss));
		say(f, bob, "I am Ann\n");
		assert_int_equal(counted(f, NOBODY), i + 1);
	}
	net.far.len = 0;
	assert_int_equal(net.tries, tries);
	assert_string_equal(log_of(f, 0), "");
	assert_int_equal(f->records.count, 1);
	pl_world_advance(f->world, 1000); /* he has kept her no longer */
	assert_string_equal(log_of(f, 0), "lost 0");
}

static void u14_two_ports_of_one_server_do_not_talk_to_each_other(void **state)
{
	static const char *const others[] = { "udp:0", "udp:0:interface=*" };
	struct fixture *f = *state;

	for (size_t i = 0; i < 2; i++) {
		long other;
		int fd;

		open_port(f, others[i]);
		other = f->number;
		open_port(f, "udp:0");
		fd = client(f);
		set_far("127.0.0.1", other);
		say(f, fd, "hello\n");
		set_far("127.0.0.1", f->number);
		say(f, fd, "hello\n");
		assert_int_equal(f->records.count, 0);
		assert_int_equal(
			counted(f, "udp: strangers ignored: an address and port of our own"),
			2 * (i + 1));
		net.far.len = 0;
	}
	say(f, client(f), "hello\n");
	assert_int_equal(f->records.count, 1);
}

static void u3_the_port_has_room_for_2048_and_the_next_is_told(void **state)
{
	struct fixture *f = *state;
	int fd;

	open_port(f, "udp:0:trust=10.0.0.0/8");
	fd = client(f);
	for (int i = 0; i < 2048; i++) {
		set_far("10.1.2.3", 20000 + i);
		say(f, fd, "hello\n");
	}
	assert_int_equal(records_alive(&f->records), 2048);
	assert_int_equal(net.count, 0);
	set_far("10.1.2.4", 20000);
	say(f, fd, "hello\n");
	assert_int_equal(records_alive(&f->records), 2048);
	assert_string_equal(net.sent, "-- full, try again later --\r\n");
	record_lose(record_of(f, 7));
	pl_world_settle(f->world);
	say(f, fd, "hello\n");
	assert_int_equal(records_alive(&f->records), 2048);
}

static void a_factory_that_refuses_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	int fd;

	open_port(f, "udp:0");
	fd = client(f);
	f->records.refuse = true;
	say(f, fd, "hello\n");
	say(f, fd, "hello\n");
	assert_int_equal(f->records.refused, 2);
	assert_int_equal(pl_connections(f->reactor), 0);
	f->records.refuse = false;
	say(f, fd, "hello\n");
	assert_string_equal(log_of(f, 0), "made; data \"hello\\n\"; end");
}

/* --- datagrams and lines ------------------------------------------------------------ */

static void u7_the_end_of_each_datagram_is_told(void **state)
{
	struct fixture *f = *state;
	int fd;

	open_port(f, "udp:0");
	fd = client(f);
	put(fd, "one\ntwo\n");
	put(fd, "hal");
	put(fd, "f\n");
	pl_world_settle(f->world);
	assert_string_equal(log_of(f, 0),
	                    "made; data \"one\\ntwo\\n\"; end; data \"hal\"; end; "
	                    "data \"f\\n\"; end");
}

static void u7_of_a_datagram_too_long_whole_lines_come_and_the_sender_is_told(void **state)
{
	struct fixture *f = *state;
	struct record *rec;
	char big[20000];
	int fd;

	open_port(f, "udp:0");
	fd = joined_client(f);
	rec = record_of(f, 0);
	memset(big, 'a', sizeof big);
	for (size_t i = 99; i < sizeof big; i += 100)
		big[i] = '\n';
	assert_int_equal(send(fd, big, sizeof big, 0), sizeof big);
	pl_world_settle(f->world);
	assert_int_equal(rec->len, 1 + 16300);
	assert_int_equal(rec->data[rec->len - 1], '\n');
	assert_string_equal(hear(f, fd),
	                    "-- too much at once: the end of it is lost --\r\n");
	assert_int_equal(counted(f, "udp: datagrams cut: longer than 16 KiB"), 1);
	say(f, fd, "next\n");
	assert_int_equal(rec->len, 1 + 16305);
}

static void u7_one_line_too_long_for_the_buffer_is_for_who_reads_lines_to_cut(void **state)
{
	struct fixture *f = *state;
	struct record *rec;
	char big[20000];
	int fd;

	open_port(f, "udp:0");
	fd = joined_client(f);
	rec = record_of(f, 0);
	memset(big, 'a', sizeof big);
	assert_int_equal(send(fd, big, sizeof big, 0), sizeof big);
	pl_world_settle(f->world);
	assert_int_equal(rec->len, 1 + PL_READ_MAX);
	assert_string_equal(hear(f, fd), "");
}

static void u8_lines_are_packed_whole_into_datagrams_of_1200(void **state)
{
	struct fixture *f = *state;
	int fd, lines = 0, datagrams = 0;
	const char *text;

	open_port(f, "udp:0");
	fd = joined_client(f);
	for (int i = 0; i < 100; i++) {
		char line[64];

		snprintf(line, sizeof line,
		         "line %02d of a hundred that are as long as this\r\n", i);
		record_print(record_of(f, 0), line);
	}
	pl_world_settle(f->world);
	while (*(text = hear(f, fd))) {
		assert_true(strlen(text) <= 1200);
		assert_memory_equal(text, "line ", 5);
		assert_string_equal(text + strlen(text) - 2, "\r\n");
		for (const char *c = text; (c = strstr(c, "line ")); c++)
			assert_int_equal(strtol(c + 5, NULL, 10), lines++);
		datagrams++;
	}
	assert_int_equal(lines, 100);
	assert_int_equal(datagrams, 4);
}

static void u12_one_turn_takes_64_datagrams(void **state)
{
	struct fixture *f = *state;
	struct record *rec;
	int fd;

	open_port(f, "udp:0");
	fd = joined_client(f);
	rec = record_of(f, 0);
	for (int i = 0; i < 150; i++)
		put(fd, "x");
	world_turn(f->world, 0);
	assert_int_equal(rec->len, 1 + 64);
	world_turn(f->world, 0);
	assert_int_equal(rec->len, 1 + 128);
	pl_world_settle(f->world);
	assert_int_equal(rec->len, 1 + 150);
}

static void u15_a_peer_that_is_paused_loses_its_own_datagrams_only(void **state)
{
	struct fixture *f = *state;
	int ann, bob;

	open_port(f, "udp:0");
	ann = joined_client(f);
	bob = joined_client(f);
	record_pause(record_of(f, 0));
	say(f, ann, "lost\n");
	say(f, bob, "heard\n");
	assert_string_equal(log_of(f, 0), "");
	assert_string_equal(log_of(f, 1), "data \"heard\\n\"; end");
	record_resume(record_of(f, 0));
	say(f, ann, "heard too\n");
	assert_string_equal(log_of(f, 0), "data \"heard too\\n\"; end");
}

static void u15_who_was_paused_is_told_how_many_of_his_lines_were_dropped(void **state)
{
	struct fixture *f = *state;
	int ann;

	open_port(f, "udp:0");
	ann = joined_client(f);
	record_pause(record_of(f, 0));
	say(f, ann, "one\ntwo\r\n\n");
	say(f, ann, "three");
	say(f, ann, "\n");
	assert_string_equal(hear(f, ann), "");
	record_resume(record_of(f, 0));
	pl_world_settle(f->world);
	assert_string_equal(hear(f, ann),
	                    "-- too fast: 3 lines of yours were dropped --\r\n");
	assert_int_equal(counted(f, "udp: datagrams dropped: their sender was paused"), 3);
	record_pause(record_of(f, 0));
	record_resume(record_of(f, 0));
	record_pause(record_of(f, 0));
	say(f, ann, "four\n");
	record_resume(record_of(f, 0));
	pl_world_settle(f->world);
	assert_string_equal(hear(f, ann),
	                    "-- too fast: 1 line of yours was dropped --\r\n");
	assert_string_equal(hear(f, ann), "");
}

#ifdef __linux__
static void u12_what_the_kernel_drops_is_counted(void **state)
{
	enum { MANY = 20000 };
	struct fixture *f = *state;
	struct record *rec;
	uint64_t dropped;
	int fd;

	open_port(f, "udp:0");
	fd = joined_client(f);
	rec = record_of(f, 0);
	for (int i = 0; i < MANY; i++)
		put(fd, "x");
	pl_world_settle(f->world);
	say(f, fd, "x"); /* brings the count */
	dropped = counted(f, "udp: datagrams dropped by the kernel: too fast for us");
	assert_true(dropped > 0);
	assert_int_equal(rec->len - 1 + dropped, MANY + 1);
}
#endif

/* --- errors ------------------------------------------------------------------------- */

static void u10_a_dead_peer_is_lost_and_nobody_else_misses_a_line(void **state)
{
	struct fixture *f = *state;
	int ann, bob;

	open_port(f, "udp:0");
	ann = joined_client(f);
	bob = joined_client(f);
	close(ann);
	f->clients[0] = dup(bob); /* the fixture closes it */
	record_print(record_of(f, 0), "one\r\n");
	record_print(record_of(f, 1), "one\r\n");
	pl_world_settle(f->world);
	assert_string_equal(log_of(f, 0), "lost -111");
	assert_string_equal(hear(f, bob), "one\r\n");
	record_print(record_of(f, 1), "two\r\n");
	say(f, bob, "hello\n");
	assert_string_equal(hear(f, bob), "two\r\n");
	assert_string_equal(log_of(f, 1), "data \"hello\\n\"; end");
	say(f, client(f), "new\n");
	assert_string_equal(log_of(f, 2), "made; data \"new\\n\"; end");
}

/* In each round every other of them is found dead, in between lines to the living. */
static void u10_of_many_the_dead_are_lost_and_the_living_miss_nothing(void **state)
{
	enum { PEERS = 32, ROUNDS = 4 };
	struct fixture *f = *state;
	int fds[PEERS];

	open_port(f, "udp:0");
	for (int i = 0; i < PEERS; i++)
		fds[i] = joined_client(f);
	for (int i = 0; i < PEERS; i += 2) {
		close(fds[i]);
		f->clients[i] = dup(fds[1]);
	}
	for (int round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < PEERS; i++)
			record_print(record_of(f, i), round % 2 ? "odd\r\n" : "even\r\n");
		pl_world_settle(f->world);
		for (int i = 1; i < PEERS; i += 2) {
			put(fds[i], "here\n");
			assert_string_equal(hear(f, fds[i]),
			                    round % 2 ? "odd\r\n" : "even\r\n");
			assert_string_equal(hear(f, fds[i]), "");
		}
	}
	pl_world_settle(f->world);
	for (size_t i = 0; i < PEERS; i++)
		assert_string_equal(log_of(f, i), i % 2 == 0 ? "lost -111"
		                                             : "data \"here\\n\"; end; data "
		                                               "\"here\\n\"; end; data "
		                                               "\"here\\n\"; end; data "
		                                               "\"here\\n\"; end");
	assert_int_equal(counted(f, "udp: peers gone: nobody there (ICMP)"), PEERS / 2);
	assert_int_equal(counted(f, "udp: datagrams lost on the way out"), 0);
}

static void u10_errors_of_others_that_keep_coming_lose_no_datagram(void **state)
{
	struct fixture *f = *state;
	int ann;

	open_port(f, "udp:0");
	ann = joined_client(f);
	set_far("192.0.2.7", 50312); /* nobody here */
	net.refusals = 3;
	net.more = 5;
	record_print(record_of(f, 0), "hi\r\n");
	pl_world_settle(f->world);
	assert_int_equal(net.more, 0);
	assert_string_equal(hear(f, ann), "hi\r\n");
	assert_string_equal(log_of(f, 0), "");
}

static void u10_a_stranger_gets_his_answer_although_a_peer_is_dead(void **state)
{
	struct fixture *f = *state;
	char code[7];
	int ann, bob;

	open_port(f, "udp:0:verify=always");
	ann = client(f);
	say(f, ann, "hello\n");
	assert_int_equal(sscanf(hear(f, ann), "-- to join type %6s,", code), 1);
	say(f, ann, code);
	assert_int_equal(f->records.count, 1);
	bob = client(f);
	close(ann);
	f->clients[0] = dup(bob);
	record_print(record_of(f, 0), "one\r\n");
	put(bob, "hello\n");
	pl_world_settle(f->world);
	assert_int_equal(sscanf(hear(f, bob), "-- to join type %6s,", code), 1);
	assert_string_equal(log_of(f, 0), "made; lost -111");
}

static void u10_a_stranger_gets_his_answer_at_the_second_try(void **state)
{
	struct fixture *f = *state;

	open_port(f, "udp:0");
	set_far("192.0.2.7", 50312);
	net.refusals = 1;
	say(f, client(f), "hello\n");
	assert_int_equal(net.count, 1);
}

static void u10_from_far_one_icmp_error_is_not_believed_but_two_in_a_row(void **state)
{
	struct fixture *f = *state;
	struct record *rec;
	int fd;

	open_port(f, "udp:0:trust=192.0.2.0/24");
	fd = client(f);
	set_far("192.0.2.7", 50312);
	say(f, fd, "hello\n");
	rec = record_of(f, 0);
	for (int i = 0; i < 3; i++) {
		net.refusals = 1;
		record_print(rec, "hi\r\n");
		pl_world_settle(f->world);
		say(f, fd, "\n");
	}
	assert_int_equal(net.count, 3); /* each came after the error was read */
	assert_int_equal(counted(f, "udp: ICMP errors not believed"), 3);
	assert_false(rec->lost);
	net.refusals = 2;
	record_print(rec, "hi\r\n");
	pl_world_settle(f->world);
	assert_true(rec->lost);
	assert_int_equal(rec->reason, -ECONNREFUSED);
}

static void u10_an_error_about_an_address_that_no_wire_has_loses_nobody(void **state)
{
	static const char *const hosts[] = { "::ffff:127.0.0.1", "::127.0.0.1" };
	struct fixture *f = *state;
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;
	int ann;

	open_port(f, "udp:0");
	ann = joined_client(f);
	assert_int_equal(getsockname(ann, (struct sockaddr *)&ss, &len), 0);
	for (size_t i = 0; i < 2; i++) {
		set_far_v6(hosts[i], pl_address_port((struct sockaddr *)&ss));
		net.refusals = 2;
		record_print(record_of(f, 0), "hi\r\n");
		pl_world_settle(f->world);
		assert_string_equal(hear(f, ann), "hi\r\n");
		assert_int_equal(counted(f, NOBODY), 2 * (i + 1));
	}
	assert_string_equal(log_of(f, 0), "");
}

static void u11_a_full_kernel_is_waited_for_and_each_peer_gets_his_turn(void **state)
{
	struct fixture *f = *state;
	char lines[3][1201];
	int ann, bob;

	open_port(f, "udp:0");
	ann = joined_client(f);
	bob = joined_client(f);
	net.fail = EAGAIN;
	for (int i = 0; i < 3; i++) {
		memset(lines[i], 'a' + i, 1200);
		lines[i][1200] = '\0';
		record_print(record_of(f, 0), lines[i]);
	}
	record_print(record_of(f, 1), "hi\r\n");
	for (int i = 0; i < 3; i++) {
		world_turn(f->world, 0);
		record_print(record_of(f, 1), "and\r\n"); /* waits already */
	}
	assert_string_equal(hear(f, ann), "");
	for (int i = 0; i < 2; i++) {
		net.room = 1;
		world_turn(f->world, 0);
	}
	net.fail = 0;
	assert_string_equal(hear(f, bob), "hi\r\nand\r\nand\r\nand\r\n");
	pl_world_settle(f->world);
	for (int i = 0; i < 3; i++)
		assert_string_equal(hear(f, ann), lines[i]);
	assert_string_equal(hear(f, ann), "");
	assert_string_equal(hear(f, bob), "");
}

static void u11_without_buffers_a_datagram_is_dropped_and_the_gap_is_told(void **state)
{
	struct fixture *f = *state;
	int fd;

	open_port(f, "udp:0");
	fd = joined_client(f);
	net.fail = ENOBUFS;
	record_print(record_of(f, 0), "one\r\n");
	pl_world_settle(f->world); /* does not spin */
	net.fail = 0;
	record_print(record_of(f, 0), "two\r\n");
	pl_world_settle(f->world);
	assert_string_equal(hear(f, fd), "-- 1 line was lost on the way to you --\r\n");
	assert_string_equal(hear(f, fd), "two\r\n");
	assert_string_equal(hear(f, fd), "");
	assert_string_equal(log_of(f, 0), "");
}

static void u11_a_gap_is_told_once_with_all_its_lines_where_they_are_missing(void **state)
{
	struct fixture *f = *state;
	int ann, bob;

	open_port(f, "udp:0");
	ann = joined_client(f);
	bob = joined_client(f);
	record_print(record_of(f, 0), "one\r\n");
	pl_world_settle(f->world);
	net.fail = ENOBUFS;
	record_print(record_of(f, 0), "two\r\n");
	record_print(record_of(f, 0), "three\r\n");
	pl_world_settle(f->world);
	net.fail = EPERM; /* a packet filter says no */
	record_print(record_of(f, 0), "four\r\n");
	pl_world_settle(f->world);
	net.fail = 0;
	record_print(record_of(f, 0), "five\r\n");
	record_print(record_of(f, 1), "hello\r\n");
	pl_world_settle(f->world);
	assert_string_equal(hear(f, ann), "one\r\n");
	assert_string_equal(hear(f, ann), "-- 3 lines were lost on the way to you --\r\n");
	assert_string_equal(hear(f, ann), "five\r\n");
	assert_string_equal(hear(f, bob), "hello\r\n"); /* and has missed nothing */
	assert_int_equal(counted(f, "udp: datagrams lost on the way out"), 2);
	assert_int_equal(counted(f, "udp: lines lost on the way out"), 3);
	record_print(record_of(f, 0), "six\r\n");
	pl_world_settle(f->world);
	assert_string_equal(hear(f, ann), "six\r\n");
}

static void u11_a_gap_behind_the_last_word_is_told_as_soon_as_it_can_be(void **state)
{
	struct fixture *f = *state;
	unsigned tries;
	int fd;

	open_port(f, "udp:0");
	fd = joined_client(f);
	net.fail = ENOBUFS;
	record_print(record_of(f, 0), "the last word\r\n");
	pl_world_settle(f->world);
	tries = net.tries;
	pl_world_advance(f->world, 60000);
	assert_in_range(net.tries - tries, 60, 120); /* no busy loop */
	net.fail = 0;
	pl_world_advance(f->world, 1000);
	assert_string_equal(hear(f, fd), "-- 1 line was lost on the way to you --\r\n");
	tries = net.tries;
	pl_world_advance(f->world, 60000);
	assert_int_equal(net.tries, tries);
}

static void u11_a_gap_waits_for_a_full_kernel_like_any_line(void **state)
{
	struct fixture *f = *state;
	int fd;

	open_port(f, "udp:0");
	fd = joined_client(f);
	net.fail = ENOBUFS;
	record_print(record_of(f, 0), "one\r\n");
	pl_world_settle(f->world);
	net.fail = EAGAIN;
	record_print(record_of(f, 0), "two\r\n");
	world_turn(f->world, 0);
	world_turn(f->world, 0);
	net.fail = 0;
	pl_world_settle(f->world);
	assert_string_equal(hear(f, fd), "-- 1 line was lost on the way to you --\r\n");
	assert_string_equal(hear(f, fd), "two\r\n");
	assert_string_equal(log_of(f, 0), "");
}

static void u11_who_dies_with_a_gap_leaves_nothing_behind(void **state)
{
	struct fixture *f = *state;

	open_port(f, "udp:0");
	joined_client(f);
	joined_client(f);
	net.fail = ENOBUFS;
	record_print(record_of(f, 0), "one\r\n");
	record_print(record_of(f, 1), "one\r\n");
	pl_world_settle(f->world);
	record_abort(record_of(f, 0), 0);
	pl_world_advance(f->world, 2000);
	record_print(record_of(f, 1), "two\r\n");
	pl_port_stop(f->port); /* and the farewell is lost as well */
	pl_world_advance(f->world, 2000);
	assert_string_equal(log_of(f, 1), "lost 0");
}

static void u11_a_peer_holds_16_kib_and_what_is_more_is_counted(void **state)
{
	struct fixture *f = *state;
	struct record *rec;
	char line[101];
	size_t got = 0;
	int fd;

	open_port(f, "udp:0");
	fd = joined_client(f);
	rec = record_of(f, 0);
	memset(line, 'x', 100);
	line[100] = '\0';
	net.fail = EAGAIN;
	for (int i = 0; i < 1000; i++)
		record_print(rec, line);
	world_turn(f->world, 0);
	assert_true(pl_queued(rec->transport) <= 16 * 1024);
	assert_true(pl_writing_paused(rec->transport));
	assert_int_equal(rec->pauses, 1);
	const size_t dropped = pl_dropped(rec->transport);

	net.fail = 0;
	pl_world_settle(f->world);
	for (size_t n; (n = strlen(hear(f, fd))) > 0;)
		got += n;
	assert_int_equal(got + 100 * dropped, 100 * 1000);
	assert_true(got > 15 * 1024);
	assert_int_equal(rec->resumes, 1);
	assert_false(rec->lost);
}

static void u11_lines_that_found_no_room_are_told_of_to_those_above(void **state)
{
	struct fixture *f = *state;

	open_port(f, "udp:0");
	joined_client(f);
	net.fail = EAGAIN;
	for (int i = 0; i < 1000; i++)
		record_print(record_of(f, 0), "a line of forty bytes, ends included..\r\n");
	world_turn(f->world, 0);
	net.fail = 0;
	pl_world_settle(f->world);
	assert_string_equal(log_of(f, 0), "pause; resume; lines lost");
	assert_int_equal(counted(f, "lines: lost, the queue was full"),
	                 pl_dropped(record_of(f, 0)->transport));
}

/* --- the end ------------------------------------------------------------------------ */

static void u5_who_says_nothing_for_five_minutes_is_told_how_to_return(void **state)
{
	struct fixture *f = *state;
	int ann, bob;

	open_port(f, "udp:0");
	ann = joined_client(f);
	bob = joined_client(f);
	pl_world_advance(f->world, 200000);
	say(f, bob, "\n");
	pl_world_advance(f->world, 99000);
	assert_string_equal(hear(f, ann), "");
	pl_world_advance(f->world, 1000);
	assert_string_equal(hear(f, ann), "-- no word from you for 5 minutes: you have left; "
	                                  "type anything to return --\r\n");
	assert_string_equal(log_of(f, 0), "lost 0");
	assert_int_equal(counted(f, "udp: peers gone: silent for too long"), 1);
	assert_false(record_of(f, 1)->lost);
	pl_world_advance(f->world, 199000);
	assert_false(record_of(f, 1)->lost);
	pl_world_advance(f->world, 1000);
	assert_true(record_of(f, 1)->lost);
	say(f, ann, "back\n");
	assert_string_equal(log_of(f, 2), "made; data \"back\\n\"; end");
}

static void u5_idle_sets_the_time(void **state)
{
	struct fixture *f = *state;
	int fd;

	open_port(f, "udp:0:idle=90");
	fd = joined_client(f);
	pl_world_advance(f->world, 89000);
	assert_string_equal(hear(f, fd), "");
	pl_world_advance(f->world, 1000);
	assert_non_null(strstr(hear(f, fd), "for 90 seconds: you have left"));
}

static void say_goodbye(struct record *rec, const char *data, size_t len)
{
	(void)data;
	(void)len;
	record_print(rec, "bye\r\n");
	record_lose(rec);
}

static void who_is_leaving_is_heard_again_only_when_he_has_gone(void **state)
{
	struct fixture *f = *state;
	int fd;

	open_port(f, "udp:0");
	f->records.hooks.data = say_goodbye;
	fd = client(f);
	put(fd, "/exit\n");
	put(fd, "ignored\n");
	pl_world_settle(f->world);
	assert_string_equal(log_of(f, 0), "made; data \"/exit\\n\"; lost 0");
	assert_string_equal(hear(f, fd), "bye\r\n");
	assert_int_equal(f->records.count, 1);
	say(f, fd, "again\n");
	assert_string_equal(log_of(f, 1), "made; data \"again\\n\"; lost 0");
}

static void stopping_the_port_ends_its_peers_after_their_last_words(void **state)
{
	struct fixture *f = *state;
	char name[100];
	int fd;

	open_port(f, "udp:0:idle=60");
	snprintf(name, sizeof name, "%s", pl_port_name(f->port));
	fd = joined_client(f);
	record_print(record_of(f, 0), "good night\r\n");
	pl_port_stop(f->port);
	put(fd, "too late\n");
	pl_world_settle(f->world);
	assert_string_equal(hear(f, fd), "good night\r\n");
	assert_string_equal(log_of(f, 0), "lost 0");
	open_port(f, name); /* the number is free */
	assert_string_equal(pl_port_name(f->port), name);
	say(f, client(f), "hello\n");
	assert_string_equal(log_of(f, 1), "made; data \"hello\\n\"; end");
}

static void stopping_a_port_without_peers_frees_the_number_at_once(void **state)
{
	struct fixture *f = *state;
	char name[100];

	open_port(f, "udp:0");
	snprintf(name, sizeof name, "%s", pl_port_name(f->port));
	pl_port_stop(f->port);
	open_port(f, name);
}

static void stop_port(struct record *rec)
{
	pl_port_stop(rec->arg);
}

static void stop_port_on_data(struct record *rec, const char *data, size_t len)
{
	(void)data;
	(void)len;
	pl_port_stop(rec->arg);
}

static void a_protocol_may_stop_the_port_it_came_by(void **state)
{
	struct fixture *f = *state;
	int fd;

	open_port(f, "udp:0");
	f->records.arg = f->port;
	f->records.hooks.made = stop_port;
	fd = client(f);
	put(fd, "one\n");
	put(fd, "two\n");
	pl_world_settle(f->world);
	assert_string_equal(log_of(f, 0), "made; lost 0");

	f->records.hooks.made = NULL;
	f->records.hooks.data = stop_port_on_data;
	open_port(f, "udp:0");
	f->records.arg = f->port;
	fd = client(f);
	put(fd, "one\n");
	put(fd, "two\n");
	pl_world_settle(f->world);
	assert_string_equal(log_of(f, 1), "made; data \"one\\n\"; lost 0");
}

static void a_peer_that_aborts_is_gone_and_may_return(void **state)
{
	struct fixture *f = *state;
	int fd;

	open_port(f, "udp:0");
	fd = joined_client(f);
	record_print(record_of(f, 0), "never sent\r\n");
	record_abort(record_of(f, 0), -EIO);
	pl_world_settle(f->world);
	assert_string_equal(log_of(f, 0), "lost -5");
	assert_string_equal(hear(f, fd), "");
	say(f, fd, "back\n");
	assert_string_equal(log_of(f, 1), "made; data \"back\\n\"; end");
}

static void hang_up(struct record *rec, const char *data, size_t len)
{
	(void)data;
	(void)len;
	record_abort(rec, -EIO);
}

static void words_that_follow_an_abort_in_the_same_turn_are_nobodys(void **state)
{
	struct fixture *f = *state;
	int fd;

	open_port(f, "udp:0:idle=60");
	f->records.hooks.data = hang_up;
	fd = client(f);
	put(fd, "one\n");
	put(fd, "two\n");
	pl_world_settle(f->world);
	assert_string_equal(log_of(f, 0), "made; data \"one\\n\"; lost -5");
	assert_int_equal(f->records.count, 1);
	pl_world_advance(f->world, 61000);
	assert_string_equal(hear(f, fd), "");
}

static void peers_that_wait_for_room_may_be_aborted(void **state)
{
	struct fixture *f = *state;
	int bob;

	open_port(f, "udp:0");
	joined_client(f);
	bob = joined_client(f);
	net.fail = EAGAIN;
	record_print(record_of(f, 0), "one\r\n");
	record_print(record_of(f, 1), "one\r\n");
	world_turn(f->world, 0);
	record_abort(record_of(f, 0), 0);
	world_turn(f->world, 0);
	net.fail = 0;
	pl_world_settle(f->world);
	assert_string_equal(hear(f, bob), "one\r\n");
}

static void u11_when_the_only_one_who_waits_for_room_has_gone_nothing_spins(void **state)
{
	struct fixture *f = *state;
	int fd;

	open_port(f, "udp:0");
	fd = joined_client(f);
	net.fail = EAGAIN;
	record_print(record_of(f, 0), "one\r\n");
	world_turn(f->world, 0);
	record_abort(record_of(f, 0), 0);
	net.fail = 0;
	pl_world_settle(f->world); /* ends the test if it does not */
	say(f, fd, "back\n");
	assert_string_equal(log_of(f, 1), "made; data \"back\\n\"; end");
}

/* --- endpoints ---------------------------------------------------------------------- */

static void wrong_endpoints_are_sentences(void **state)
{
	static const struct {
		const char *endpoint, *sentence;
	} rows[] = {
		{ "udp:99999", "udp:99999: port must be 0..65535" },
		{ "udp:", "port must be" },
		{ "udp:0:idle=0", "idle must be 1..86400" },
		{ "udp:0:verify=maybe", "verify must be" },
		{ "udp:0:trust=x", "trust must be" },
		{ "udp:0:interface=lo", "interface must be" },
		{ "udp:0:interface=192.0.2.1", "192.0.2.1:0 is no address of this machine" },
		{ "udp:0:colour=red", "interface, verify, trust, idle" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct pl_error err = { 0 };

		assert_null(records_listen(&f->records, f->reactor, rows[i].endpoint, &err));
		if (!strstr(err.text, rows[i].sentence))
			fail_msg("%s: %s", rows[i].endpoint, err.text);
	}
}

static void a_number_in_use_is_a_sentence(void **state)
{
	struct fixture *f = *state;
	struct pl_error err = { 0 };
	char name[100];

	open_port(f, "udp:0");
	snprintf(name, sizeof name, "%s", pl_port_name(f->port));
	assert_null(records_listen(&f->records, f->reactor, name, &err));
	assert_int_equal(err.code, -EADDRINUSE);
	assert_non_null(strstr(err.text, "another program uses 127.0.0.1:"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_is_said_first_on_this_machine_is_said),
		TEST(an_empty_line_and_an_empty_datagram_join),
		TEST(a_peer_is_named_by_address_and_port),
		TEST(both_addresses_of_localhost_lead_to_one_port),
		TEST(an_answer_comes_from_the_address_that_was_written_to),
		TEST(a_lone_x_is_nothing_from_a_stranger_and_is_said_by_a_peer),
		TEST(u1_who_brings_the_code_back_is_in_and_the_code_is_not_said),
		TEST(u1_a_stranger_from_far_gets_one_line_and_the_code_lets_him_in),
		TEST(u3_strangers_leave_nothing_behind_and_do_not_disturb_peers),
		TEST(trust_lets_a_network_in_without_a_code),
		TEST(u3_one_prefix_has_room_for_32_and_the_next_is_told),
		TEST(u3_a_wide_prefix_has_room_for_256_and_the_next_is_told),
		TEST(u13_who_has_left_proves_his_address_again),
		TEST(u3_an_ipv6_address_that_carries_an_ipv4_address_is_nobody),
		TEST(u13_who_carries_the_address_of_a_peer_does_not_speak_as_him),
		TEST(u14_two_ports_of_one_server_do_not_talk_to_each_other),
		TEST(u3_the_port_has_room_for_2048_and_the_next_is_told),
		TEST(a_factory_that_refuses_leaves_nothing),
		TEST(u7_the_end_of_each_datagram_is_told),
		TEST(u7_of_a_datagram_too_long_whole_lines_come_and_the_sender_is_told),
		TEST(u7_one_line_too_long_for_the_buffer_is_for_who_reads_lines_to_cut),
		TEST(u8_lines_are_packed_whole_into_datagrams_of_1200),
		TEST(u12_one_turn_takes_64_datagrams),
		TEST(u15_a_peer_that_is_paused_loses_its_own_datagrams_only),
		TEST(u15_who_was_paused_is_told_how_many_of_his_lines_were_dropped),
#ifdef __linux__
		TEST(u10_a_dead_peer_is_lost_and_nobody_else_misses_a_line),
		TEST(u10_of_many_the_dead_are_lost_and_the_living_miss_nothing),
		TEST(u10_errors_of_others_that_keep_coming_lose_no_datagram),
		TEST(u12_what_the_kernel_drops_is_counted),
		TEST(u10_a_stranger_gets_his_answer_although_a_peer_is_dead),
		TEST(u10_a_stranger_gets_his_answer_at_the_second_try),
		TEST(u10_from_far_one_icmp_error_is_not_believed_but_two_in_a_row),
		TEST(u10_an_error_about_an_address_that_no_wire_has_loses_nobody),
#endif
		TEST(u11_a_full_kernel_is_waited_for_and_each_peer_gets_his_turn),
		TEST(u11_without_buffers_a_datagram_is_dropped_and_the_gap_is_told),
		TEST(u11_a_gap_is_told_once_with_all_its_lines_where_they_are_missing),
		TEST(u11_a_gap_behind_the_last_word_is_told_as_soon_as_it_can_be),
		TEST(u11_a_gap_waits_for_a_full_kernel_like_any_line),
		TEST(u11_who_dies_with_a_gap_leaves_nothing_behind),
		TEST(u11_a_peer_holds_16_kib_and_what_is_more_is_counted),
		TEST(u11_lines_that_found_no_room_are_told_of_to_those_above),
		TEST(u5_who_says_nothing_for_five_minutes_is_told_how_to_return),
		TEST(u5_idle_sets_the_time),
		TEST(who_is_leaving_is_heard_again_only_when_he_has_gone),
		TEST(stopping_the_port_ends_its_peers_after_their_last_words),
		TEST(stopping_a_port_without_peers_frees_the_number_at_once),
		TEST(a_protocol_may_stop_the_port_it_came_by),
		TEST(a_peer_that_aborts_is_gone_and_may_return),
		TEST(words_that_follow_an_abort_in_the_same_turn_are_nobodys),
		TEST(peers_that_wait_for_room_may_be_aborted),
		TEST(u11_when_the_only_one_who_waits_for_room_has_gone_nothing_spins),
		TEST(wrong_endpoints_are_sentences),
		TEST(a_number_in_use_is_a_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
