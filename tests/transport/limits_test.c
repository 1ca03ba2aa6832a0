/* limits_test.c: how many may be here: in all, by one endpoint, from one source.
 *
 * Real sockets on the loopback; where they come from is what __wrap_accept() says. */
#include "cmocka_all.h"
#include "loopback.h"
#include "person.h"
#include "recorder.h"
#include "world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <partyline/address.h>
#include <partyline/stats.h>

/* The next connections come from here; "": from where they do. */
static char claimed[64];

int __real_accept(int fd, struct sockaddr *from, socklen_t *len);
int __wrap_accept(int fd, struct sockaddr *from, socklen_t *len);

int __wrap_accept(int fd, struct sockaddr *from, socklen_t *len)
{
	const int got = __real_accept(fd, from, len);
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(4000) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(4000) };

	if (got < 0 || !from || !claimed[0])
		return got;
	if (inet_pton(AF_INET, claimed, &in.sin_addr) == 1) {
		memcpy(from, &in, sizeof in);
		*len = sizeof in;
	} else if (inet_pton(AF_INET6, claimed, &in6.sin6_addr) == 1) {
		memcpy(from, &in6, sizeof in6);
		*len = sizeof in6;
	}
	return got;
}

enum { FAR = 200 };

struct place {
	struct pl_world *world;
	struct records records;
	struct pl_port *port;
	int far[FAR];
	int n;
	int descriptors;
};

static int open_place(void **state)
{
	struct place *p = calloc(1, sizeof *p);

	claimed[0] = '\0';
	p->descriptors = open_descriptors();
	p->world = pl_world_create(1);
	records_init(&p->records, NULL);
	*state = p;
	return 0;
}

static int close_place(void **state)
{
	struct place *p = *state;
	int code;

	records_check(&p->records);
	for (int i = 0; i < p->n; i++)
		if (p->far[i] >= 0)
			close(p->far[i]);
	pl_world_destroy(p->world);
	records_finish(&p->records);
	code = open_descriptors() == p->descriptors ? 0 : -1;
	free(p);
	return code;
}

static void listen_on(struct place *p, const char *endpoint)
{
	p->port = records_listen(&p->records, pl_world_reactor(p->world), endpoint, NULL);
	assert_non_null(p->port);
}

static void some_turns(struct place *p)
{
	for (int i = 0; i < 6; i++)
		world_turn(p->world, 1);
}

/* Comes from there; the number of its far end. */
static int come(struct place *p, const char *from)
{
	snprintf(claimed, sizeof claimed, "%s", from);
	assert_in_range(p->n, 0, FAR - 1);
	p->far[p->n] = loopback_connect(pl_port_name(p->port));
	some_turns(p);
	return p->n++;
}

static void go(struct place *p, int i)
{
	close(p->far[i]);
	p->far[i] = -1;
	some_turns(p);
}

static bool is_in(struct place *p, int i)
{
	char text[200];

	return recv(p->far[i], text, sizeof text, MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static void assert_turned_away(struct place *p, int i, const char *why)
{
	char text[200] = "";
	ssize_t n = recv(p->far[i], text, sizeof text - 1, MSG_DONTWAIT);

	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text, why);
	assert_int_equal(recv(p->far[i], text, sizeof text, MSG_DONTWAIT), 0);
}

#define FULL "-- too many people here, please try again later --\r\n"
#define MANY "-- too many from your address, try again later --\r\n"

static uint64_t counted(struct place *p, const char *what)
{
	return pl_counted(pl_world_reactor(p->world), what);
}

static void one_too_many_in_all_is_turned_away_with_a_sentence(void **state)
{
	struct place *p = *state;

	pl_set_limits(pl_world_reactor(p->world), &(struct pl_limits){ .max_users = 2 });
	listen_on(p, "tcp:0:interface=127.0.0.1");
	come(p, "");
	listen_on(p, "tcp:0:interface=127.0.0.1");
	come(p, "");
	assert_turned_away(p, come(p, ""), FULL);
	assert_true(is_in(p, 0) && is_in(p, 1));
	assert_int_equal(p->records.count, 2); /* no protocol was built for him */
	assert_int_equal(counted(p, "connections: turned away, too many people"), 1);
	go(p, 0);
	assert_true(is_in(p, come(p, "")));
	assert_turned_away(p, come(p, ""), FULL);
}

static void an_endpoint_may_have_a_limit_of_its_own(void **state)
{
	struct place *p = *state;
	struct pl_port *small;

	listen_on(p, "tcp:0:interface=127.0.0.1:max-users=1");
	small = p->port;
	come(p, "");
	assert_turned_away(p, come(p, ""), FULL);
	listen_on(p, "tcp:0:interface=127.0.0.1");
	assert_true(is_in(p, come(p, "")));
	go(p, 0);
	p->port = small;
	assert_true(is_in(p, come(p, "")));
}

static void so_many_from_one_source_and_the_others_notice_nothing(void **state)
{
	struct place *p = *state;

	listen_on(p, "tcp:0:interface=127.0.0.1:per-source=3");
	for (int i = 0; i < 3; i++)
		assert_true(is_in(p, come(p, "192.0.2.1")));
	assert_turned_away(p, come(p, "192.0.2.1"), MANY);
	assert_turned_away(p, come(p, "::ffff:192.0.2.1"), MANY);
	for (int i = 0; i < 3; i++)
		assert_true(is_in(p, come(p, "192.0.2.2")));
	assert_int_equal(counted(p, "connections: turned away, too many from one source"),
	                 2);
	go(p, 0);
	pl_world_advance(p->world, 1000);
	assert_true(is_in(p, come(p, "192.0.2.1")));
	assert_turned_away(p, come(p, "192.0.2.1"), MANY);
}

static void an_ipv6_source_is_its_first_56_bits(void **state)
{
	struct place *p = *state;

	listen_on(p, "tcp:0:interface=127.0.0.1:per-source=2");
	assert_true(is_in(p, come(p, "2001:db8::1")));
	assert_true(is_in(p, come(p, "2001:db8::2:1")));
	assert_turned_away(p, come(p, "2001:db8::ffff"), MANY);
	assert_turned_away(p, come(p, "2001:db8:0:ff::1"), MANY);
	assert_true(is_in(p, come(p, "2001:db8:0:100::1")));
}

static void the_default_is_32_and_this_machine_does_not_count(void **state)
{
	struct place *p = *state;

	listen_on(p, "tcp:0:interface=127.0.0.1");
	for (int i = 0; i < 50; i++)
		assert_true(is_in(p, come(p, i % 2 ? "::1" : "127.1.2.3")));
	for (int i = 0; i < PL_PER_SOURCE_DEFAULT; i++)
		assert_true(is_in(p, come(p, "192.0.2.1")));
	assert_turned_away(p, come(p, "192.0.2.1"), MANY);
}

static void who_comes_and_goes_is_let_in_once_a_second(void **state)
{
	struct place *p = *state;

	listen_on(p, "tcp:0:interface=127.0.0.1:per-source=3");
	for (int i = 0; i < 3; i++) {
		assert_true(is_in(p, come(p, "192.0.2.1")));
		go(p, p->n - 1);
	}
	assert_turned_away(p, come(p, "192.0.2.1"), MANY);
	assert_true(is_in(p, come(p, "192.0.2.2")));
	pl_world_advance(p->world, 1000);
	assert_true(is_in(p, come(p, "192.0.2.1")));
	go(p, p->n - 1);
	assert_turned_away(p, come(p, "192.0.2.1"), MANY);
	pl_world_advance(p->world, 60000);
	for (int i = 0; i < 3; i++)
		assert_true(is_in(p, come(p, "192.0.2.1")));
}

/* Comes from 198.51.x.y or 203.0.x.y and goes; was he let in? */
static bool come_and_go(struct place *p, uint32_t net, unsigned i)
{
	struct person *ann = calloc(1, sizeof *ann);
	struct sockaddr_in from = { .sin_family = AF_INET };
	struct pl_prefix prefix;
	bool is_in;

	from.sin_addr.s_addr = htonl(net + i);
	pl_prefix_of((struct sockaddr *)&from, 32, 64, &prefix);
	person_prepare(ann, pl_world_reactor(p->world), false, "");
	assert_int_equal(pl_transport_set_origin(&ann->wire, &prefix), 0);
	is_in = pl_transport_up(&ann->wire, &ann->factory) == 0;
	if (is_in)
		pl_abort(&ann->wire, 0);
	pl_world_settle(p->world);
	assert_true(ann->gone);
	person_finish(ann);
	free(ann);
	return is_in;
}

/* A thousand sources that have used up their burst keep next to nobody else out: one of
 * twenty, where with one row of slots in place of two it would be one of five. */
static void a_crowd_of_sources_does_not_keep_others_out(void **state)
{
	enum { CROWD = 1000, OTHERS = 1000 };
	struct place *p = *state;
	int refused = 0;

	pl_set_limits(pl_world_reactor(p->world), &(struct pl_limits){ .per_source = 1 });
	for (unsigned i = 0; i < CROWD; i++)
		come_and_go(p, 0xc6330000, i);
	for (unsigned i = 0; i < CROWD; i++)
		assert_false(come_and_go(p, 0xc6330000, i));
	for (unsigned i = 0; i < OTHERS; i++)
		refused += !come_and_go(p, 0xcb000000, i);
	assert_in_range(refused, 1, OTHERS / 8);
	pl_world_advance(p->world, 1000);
	for (unsigned i = 0; i < CROWD; i++)
		come_and_go(p, 0xc6330000, i);
}

static void limits_of_the_reactor_hold_where_an_endpoint_says_nothing(void **state)
{
	struct place *p = *state;

	pl_set_limits(pl_world_reactor(p->world), &(struct pl_limits){ .per_source = 1 });
	listen_on(p, "tcp:0:interface=127.0.0.1");
	assert_true(is_in(p, come(p, "192.0.2.1")));
	assert_turned_away(p, come(p, "192.0.2.1"), MANY);
	listen_on(p, "tcp:0:interface=127.0.0.1:per-source=100");
	assert_true(is_in(p, come(p, "192.0.2.1")));
}

static void none_is_any_number(void **state)
{
	struct place *p = *state;

	pl_set_limits(pl_world_reactor(p->world), &(struct pl_limits){ 0 });
	listen_on(p, "tcp:0:interface=127.0.0.1");
	for (int i = 0; i < 100; i++)
		assert_true(is_in(p, come(p, "192.0.2.1")));
}

static void wrong_limits_are_sentences(void **state)
{
	static const char *const wrong[] = { "max-users=0", "max-users=x",
		                             "per-source=-1", "per-source=1000001" };
	struct place *p = *state;

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct pl_error err = { 0 };
		char endpoint[64];

		snprintf(endpoint, sizeof endpoint, "tcp:0:%s", wrong[i]);
		assert_null(records_listen(&p->records, pl_world_reactor(p->world),
		                           endpoint, &err));
		assert_int_equal(err.code, -EINVAL);
		assert_non_null(strstr(err.text, "must be 1..1000000"));
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_place, close_place)
	const struct CMUnitTest tests[] = {
		T(one_too_many_in_all_is_turned_away_with_a_sentence),
		T(an_endpoint_may_have_a_limit_of_its_own),
		T(so_many_from_one_source_and_the_others_notice_nothing),
		T(an_ipv6_source_is_its_first_56_bits),
		T(the_default_is_32_and_this_machine_does_not_count),
		T(who_comes_and_goes_is_let_in_once_a_second),
		T(a_crowd_of_sources_does_not_keep_others_out),
		T(limits_of_the_reactor_hold_where_an_endpoint_says_nothing),
		T(none_is_any_number),
		T(wrong_limits_are_sentences),
	};

	return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
