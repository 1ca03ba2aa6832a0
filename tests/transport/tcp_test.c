/* tcp_test.c: what is TCP's own: where it listens, what it calls its peers, its options.
 * The promises are conformance.c's. */
#define _DEFAULT_SOURCE /* TCP_KEEPIDLE */
#include "cmocka_all.h"
#include "loopback.h"
#include "needs.h"
#include "recorder.h"
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <partyline/address.h>

struct place {
	struct pl_world *world;
	struct pl_reactor *reactor;
	struct records records;
	int descriptors;
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	if (!p)
		return -1;
	p->descriptors = open_descriptors();
	p->world = pl_world_create(1);
	p->reactor = pl_world_reactor(p->world);
	records_init(&p->records, NULL);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	int before = p->descriptors;
	bool broken;

	pl_world_destroy(p->world);
	broken = p->records.broken[0] != '\0';
	records_finish(&p->records);
	free(p);
	return broken || open_descriptors() != before ? -1 : 0;
}

static struct pl_port *listen_at(struct place *p, const char *endpoint)
{
	struct pl_error err = { 0 };
	struct pl_port *port = records_listen(&p->records, p->reactor, endpoint, &err);

	if (!port)
		fail_msg("%s", err.text);
	return port;
}

/* A connected socket, or a negative errno. */
static int call(const char *host, int number)
{
	struct pl_address to;
	int fd, code;

	if (pl_address_parse(host, number, &to) < 0)
		return -EINVAL;
	fd = socket(to.ss.ss_family, SOCK_STREAM, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&to.ss, to.len) == 0)
		return fd;
	code = -errno;
	close(fd);
	return code;
}

static bool has_ipv6(void)
{
	struct pl_address any;
	int fd, got;

	if (pl_address_parse("::1", 0, &any) < 0)
		return false;
	fd = socket(AF_INET6, SOCK_STREAM, 0);
	if (fd < 0)
		return false;
	got = bind(fd, (struct sockaddr *)&any.ss, any.len);
	close(fd);
	return got == 0;
}

static struct record *wait_for(struct place *p, size_t number)
{
	for (int turns = 0; turns < 1000 && !records_at(&p->records, number); turns++)
		world_turn(p->world, 1);
	assert_non_null(records_at(&p->records, number));
	return records_at(&p->records, number);
}

/* --- where ----------------------------------------------------------------------- */

static void without_interface_it_listens_on_both_loopbacks_under_one_number(void **state)
{
	struct place *p = *state;
	struct pl_port *port = listen_at(p, "tcp:0");
	const struct pl_peer *peer;
	int four = call("127.0.0.1", loopback_number(pl_port_name(port))), six;

	assert_true(four >= 0);
	peer = pl_transport_peer(wait_for(p, 0)->transport);
	assert_string_equal(pl_peer_fact(peer, "address"), "127.0.0.1");
	assert_int_equal(strncmp(peer->name, "127.0.0.1:", 10), 0);
	assert_int_equal(call("127.0.0.2", loopback_number(pl_port_name(port))),
	                 -ECONNREFUSED);
	close(four);
	if (!has_ipv6())
		test_lacks("IPv6 on this machine");
	six = call("::1", loopback_number(pl_port_name(port)));
	assert_true(six >= 0);
	peer = pl_transport_peer(wait_for(p, 1)->transport);
	assert_string_equal(pl_peer_fact(peer, "address"), "::1");
	assert_int_equal(strncmp(peer->name, "[::1]:", 6), 0);
	close(six);
}

static void interface_is_that_one_address(void **state)
{
	struct place *p = *state;
	struct pl_port *port = listen_at(p, "tcp:0:interface=127.0.0.2");
	int fd = call("127.0.0.2", loopback_number(pl_port_name(port)));
	char name[100];

	assert_true(fd >= 0);
	assert_int_equal(call("127.0.0.1", loopback_number(pl_port_name(port))),
	                 -ECONNREFUSED);
	snprintf(name, sizeof(name), "tcp:%d:interface=127.0.0.2",
	         loopback_number(pl_port_name(port)));
	assert_string_equal(pl_port_name(port), name);
	snprintf(name, sizeof(name), "127.0.0.2:%d", loopback_number(pl_port_name(port)));
	assert_string_equal(pl_port_place(port), name);
	snprintf(name, sizeof(name), "telnet 127.0.0.2 %d",
	         loopback_number(pl_port_name(port)));
	assert_string_equal(pl_port_command(port), name);
	close(fd);
}

static void interface_may_be_ipv6_in_brackets(void **state)
{
	struct place *p = *state;
	struct pl_port *port;
	char name[100];
	int fd;

	if (!has_ipv6())
		test_lacks("IPv6 on this machine");
	port = listen_at(p, "tcp:0:interface=[::1]");
	fd = call("::1", loopback_number(pl_port_name(port)));
	assert_true(fd >= 0);
	assert_int_equal(call("127.0.0.1", loopback_number(pl_port_name(port))),
	                 -ECONNREFUSED);
	snprintf(name, sizeof(name), "[::1]:%d", loopback_number(pl_port_name(port)));
	assert_string_equal(pl_port_place(port), name);
	close(fd);
}

static void interface_star_is_every_address_and_says_so(void **state)
{
	struct place *p = *state;
	struct pl_port *closed = listen_at(p, "tcp:0");
	struct pl_port *open = listen_at(p, "tcp:0:interface=*");
	int fd = call("127.0.0.2", loopback_number(pl_port_name(open)));

	assert_true(fd >= 0);
	/* never as ::ffff:127.0.0.1 */
	assert_string_equal(pl_peer_fact(pl_transport_peer(wait_for(p, 0)->transport),
	                                 "address"),
	                    "127.0.0.1");
	assert_non_null(strstr(pl_port_remark(closed), "local, interface=* opens"));
	assert_non_null(strstr(pl_port_remark(closed), "interface=*"));
	assert_string_equal(pl_port_remark(open), "");
	close(fd);
}

static void what_cannot_be_bound_is_refused_with_the_reason(void **state)
{
	struct place *p = *state;
	struct pl_port *port = listen_at(p, "tcp:0");
	struct pl_error err = { 0 };
	char again[100];

	snprintf(again, sizeof(again), "tcp:%d", loopback_number(pl_port_name(port)));
	assert_null(records_listen(&p->records, p->reactor, again, &err));
	assert_int_equal(err.code, -EADDRINUSE);
	assert_non_null(strstr(err.text, again));
	assert_null(records_listen(&p->records, p->reactor, "tcp:0:interface=192.0.2.1",
	                           &err));
	assert_int_equal(err.code, -EADDRNOTAVAIL);
	assert_non_null(strstr(err.text, "192.0.2.1"));
	assert_null(records_listen(&p->records, p->reactor, "tcp:0:interface=localhost",
	                           &err));
	assert_int_equal(err.code, -EINVAL);
}

static void a_port_can_be_listened_on_again_while_old_connections_linger(void **state)
{
	struct place *p = *state;
	struct pl_port *port = listen_at(p, "tcp:0:interface=127.0.0.1");
	char name[100];
	int fd = call("127.0.0.1", loopback_number(pl_port_name(port)));

	/* Our side closes first, so that ours is the one in TIME_WAIT. */
	record_abort(wait_for(p, 0), 0);
	world_turn(p->world, 1);
	snprintf(name, sizeof(name), "%s", pl_port_name(port));
	pl_port_stop(port);
	listen_at(p, name);
	close(fd);
}

/* --- the sockets ----------------------------------------------------------------- */

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	getsockopt(fd, level, name, &value, &len);
	return value;
}

static void a_connection_sends_at_once_and_is_kept_alive_invisibly(void **state)
{
	struct place *p = *state;
	struct pl_port *port = listen_at(p, "tcp:0");
	int fd = call("127.0.0.1", loopback_number(pl_port_name(port)));
	struct pl_transport *t = wait_for(p, 0)->transport;
	int near = pl_container_of(t, struct pl_stream, transport)->watch.fd;

	assert_true(option(near, IPPROTO_TCP, TCP_NODELAY) > 0);
	assert_true(option(near, SOL_SOCKET, SO_KEEPALIVE) > 0);
#ifdef TCP_KEEPIDLE
	assert_in_range(option(near, IPPROTO_TCP, TCP_KEEPIDLE), 1, 600);
#endif
	assert_true(fcntl(near, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(near, F_GETFL) & O_NONBLOCK);
	close(fd);
}

static void a_reset_in_the_middle_of_a_line_is_a_reason(void **state)
{
	struct place *p = *state;
	struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	struct pl_port *port = listen_at(p, "tcp:0");
	int fd = call("127.0.0.1", loopback_number(pl_port_name(port)));
	struct record *rec = wait_for(p, 0);

	assert_int_equal(write(fd, "half a li", 9), 9);
	for (int turns = 0; turns < 1000 && rec->len < 9; turns++)
		world_turn(p->world, 1);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
	for (int turns = 0; turns < 1000 && !rec->lost; turns++)
		world_turn(p->world, 1);
	assert_string_equal(record_log(rec), "made; data \"half a li\"; lost -104");
}

static void who_has_left_before_being_accepted_is_made_and_lost(void **state)
{
	struct place *p = *state;
	struct pl_port *port = listen_at(p, "tcp:0");
	struct record *rec;

	close(call("127.0.0.1", loopback_number(pl_port_name(port))));
	rec = wait_for(p, 0);
	for (int turns = 0; turns < 1000 && !rec->lost; turns++)
		world_turn(p->world, 1);
	assert_string_equal(record_log(rec), "made; eof; lost 0");
}

static void peers_see_the_endpoints_options(void **state)
{
	struct place *p = *state;
	struct pl_port *port = listen_at(p, "tcp:0:backlog=7");
	int fd = call("127.0.0.1", loopback_number(pl_port_name(port)));
	const struct pl_peer *peer = pl_transport_peer(wait_for(p, 0)->transport);

	assert_string_equal(pl_peer_option(peer, "backlog"), "7");
	assert_null(pl_peer_option(peer, "interface"));
	assert_null(pl_peer_fact(peer, "uid"));
	assert_null(pl_peer_fact(peer, "addr")); /* not by its beginning */
	pl_port_stop(port);
	world_turn(p->world, 1);
	/* The endpoint lives as long as who came in by it. */
	assert_string_equal(pl_peer_option(peer, "backlog"), "7");
	assert_false(peer->terminal);
	close(fd);
}

static void a_reset_ends_even_who_is_not_read_from(void **state)
{
	const struct linger at_once = { .l_onoff = 1 };
	struct place *p = *state;
	struct pl_port *port = listen_at(p, "tcp:0:interface=127.0.0.1");
	const int fd = call("127.0.0.1", loopback_number(pl_port_name(port)));
	struct record *rec = wait_for(p, 0);

	record_pause(rec);
	assert_int_equal(write(fd, "unread", 6), 6);
	for (int i = 0; i < 10; i++)
		world_turn(p->world, 1);
	assert_false(rec->lost);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
	for (int i = 0; i < 1000 && !rec->lost; i++)
		world_turn(p->world, 1);
	assert_string_equal(record_log(rec), "made; lost -104");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(a_reset_ends_even_who_is_not_read_from),
		T(without_interface_it_listens_on_both_loopbacks_under_one_number),
		T(interface_is_that_one_address),
		T(interface_may_be_ipv6_in_brackets),
		T(interface_star_is_every_address_and_says_so),
		T(what_cannot_be_bound_is_refused_with_the_reason),
		T(a_port_can_be_listened_on_again_while_old_connections_linger),
		T(a_connection_sends_at_once_and_is_kept_alive_invisibly),
		T(a_reset_in_the_middle_of_a_line_is_a_reason),
		T(who_has_left_before_being_accepted_is_made_and_lost),
		T(peers_see_the_endpoints_options),
	};

	return cmocka_run_group_tests_name("tcp", tests, NULL, NULL);
}
