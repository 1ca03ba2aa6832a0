/* udp_door_test.c: whom of the unknown UDP senders to let in, without a network.
 *
 * U1 reflection, U2 replay, U3 forged joins, U14 loops. */
#include "../../transports/udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <partyline/stats.h>
#include <stdio.h>
#include <string.h>

#include "../support/cmocka_all.h"
#include "../support/needs.h"
#include "../support/world.h"

/* --- the machine: whose address is whose ------------------------------------------------ */

static struct {
	const char *here; /* its one address; NULL: it is the real one */
	int no_socket;    /* errno of socket() */
	unsigned binds;
} machine;

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);
int __real_bind(int fd, const struct sockaddr *sa, socklen_t len);
int __wrap_bind(int fd, const struct sockaddr *sa, socklen_t len);

int __wrap_socket(int domain, int type, int protocol)
{
	if (!machine.no_socket)
		return __real_socket(domain, type, protocol);
	errno = machine.no_socket;
	return -1;
}

int __wrap_bind(int fd, const struct sockaddr *sa, socklen_t len)
{
	char host[PL_ADDRESS_TEXT];

	machine.binds++;
	if (!machine.here)
		return __real_bind(fd, sa, len);
	pl_address_host(sa, host, sizeof host);
	if (strcmp(host, machine.here) == 0 && pl_address_port(sa) == 0)
		return 0;
	errno = pl_address_port(sa) == 0 ? EADDRNOTAVAIL : EADDRINUSE;
	return -1;
}

/* --- a door ------------------------------------------------------------------------- */

struct fixture {
	struct pl_world *world;
	struct pl_udp_door door;
	char answer[PL_UDP_ANSWER_MAX + 1];
};

static int setup(void **state)
{
	static struct fixture f;

	memset(&f, 0, sizeof f);
	memset(&machine, 0, sizeof machine);
	f.world = pl_world_create(1);
	*state = &f;
	return f.world ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	pl_udp_door_finish(&f->door);
	pl_world_destroy(f->world);
	return 0;
}

static int open_door(struct fixture *f, const char *endpoint, struct pl_error *err)
{
	struct pl_endpoint *ep = pl_endpoint_parse(endpoint, err);
	int code =
		ep ? pl_udp_door_init(&f->door, pl_world_reactor(f->world), ep, err) : -1;

	pl_endpoint_unref(ep);
	return code;
}

static struct pl_udp_sender sender(const char *host, long port)
{
	struct pl_udp_sender s = { .to_known = false };

	assert_int_equal(pl_address_parse(host, port, &s.from), 0);
	pl_udp_make_key(&s);
	return s;
}

static enum pl_udp_verdict says(struct fixture *f, const struct pl_udp_sender *s,
                                const char *text)
{
	return pl_udp_door_ask(&f->door, s, text, strlen(text), f->answer);
}

static enum pl_udp_verdict from(struct fixture *f, const char *host, long port)
{
	struct pl_udp_sender s = sender(host, port);

	return says(f, &s, "hello\n");
}

/* The code that s is told to type. */
static const char *code_for(struct fixture *f, const struct pl_udp_sender *s, char out[7])
{
	assert_int_equal(says(f, s, "hello\n"), PL_UDP_ANSWER);
	assert_int_equal(sscanf(f->answer, "-- to join type %6[2-9a-kmnp-z],", out), 1);
	assert_int_equal(strlen(out), 6);
	return out;
}

static void u1_an_unknown_address_gets_the_line_with_the_code(void **state)
{
	struct fixture *f = *state;
	struct pl_udp_sender s = sender("192.0.2.7", 50312);
	char code[7], line[80];

	open_door(f, "udp:0", NULL);
	code_for(f, &s, code);
	snprintf(line, sizeof line, "-- to join type %s, then say it again --\r\n", code);
	assert_string_equal(f->answer, line);
}

static void u1_an_answer_and_its_headers_are_at_most_three_times_what_came(void **state)
{
	struct fixture *f = *state;
	struct pl_udp_sender v4 = sender("192.0.2.7", 50312);
	struct pl_udp_sender v6 = sender("2001:db8::7", 50312);

	open_door(f, "udp:0", NULL);
	assert_int_equal(says(f, &v4, ""), PL_UDP_ANSWER);
	assert_true(28 + strlen(f->answer) <= 3 * 28);
	assert_int_equal(says(f, &v6, ""), PL_UDP_ANSWER);
	assert_true(48 + strlen(f->answer) <= 3 * 48);
	assert_true(28 + PL_UDP_ANSWER_MAX <= 3 * 28);
}

static void the_code_joins_with_capitals_and_blanks_but_not_with_other_text(void **state)
{
	static const struct {
		const char *before, *after;
		int len; /* of the code */
		bool capitals;
		enum pl_udp_verdict verdict;
	} rows[] = {
		{ "", "", 6, false, PL_UDP_JOIN },
		{ "", "\n", 6, false, PL_UDP_JOIN },
		{ "\t ", " \r\n", 6, false, PL_UDP_JOIN },
		{ "", "\n", 6, true, PL_UDP_JOIN },
		{ "", " hi\n", 6, false, PL_UDP_ANSWER },
		{ "hi\n", "\n", 6, false, PL_UDP_ANSWER },
		{ "", "\n", 5, false, PL_UDP_ANSWER },
		{ "", "x\n", 6, false, PL_UDP_ANSWER },
	};
	struct fixture *f = *state;

	open_door(f, "udp:0", NULL);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct pl_udp_sender s = sender("192.0.2.7", 50312);
		char code[7], typed[40];

		pl_world_advance(f->world, 1000);
		code_for(f, &s, code);
		for (char *c = code; *c && rows[i].capitals; c++)
			if (*c >= 'a')
				*c = (char)(*c - 'a' + 'A');
		snprintf(typed, sizeof typed, "%s%.*s%s", rows[i].before, rows[i].len,
		         code, rows[i].after);
		if (says(f, &s, typed) != rows[i].verdict)
			fail_msg("row %zu", i);
	}
}

static void u2_a_code_is_good_for_its_own_address_and_port_alone(void **state)
{
	struct fixture *f = *state;
	struct pl_udp_sender ann = sender("192.0.2.7", 50312);
	struct pl_udp_sender port = sender("192.0.2.7", 50313);
	struct pl_udp_sender host = sender("192.0.2.8", 50312);
	char code[7];

	open_door(f, "udp:0", NULL);
	code_for(f, &ann, code);
	assert_int_equal(says(f, &port, code), PL_UDP_ANSWER);
	assert_int_equal(says(f, &host, code), PL_UDP_ANSWER);
	assert_int_equal(says(f, &ann, code), PL_UDP_JOIN);
}

static void u2_a_code_that_was_used_is_void(void **state)
{
	struct fixture *f = *state;
	struct pl_udp_sender ann = sender("192.0.2.7", 50312);
	char code[7], next[7];

	open_door(f, "udp:0", NULL);
	code_for(f, &ann, code);
	assert_int_equal(says(f, &ann, code), PL_UDP_JOIN);
	assert_int_equal(says(f, &ann, code), PL_UDP_ANSWER);
	code_for(f, &ann, next);
	assert_string_not_equal(next, code);
	assert_int_equal(says(f, &ann, next), PL_UDP_JOIN);
}

static void u2_a_code_is_good_for_a_minute_and_for_at_most_two(void **state)
{
	struct fixture *f = *state;
	struct pl_udp_sender s[3] = { sender("192.0.2.7", 1024), sender("192.0.2.7", 1025),
		                      sender("192.0.2.7", 1026) };
	char code[3][7];

	open_door(f, "udp:0", NULL);
	pl_world_advance(f->world, 59999);
	for (int i = 0; i < 3; i++)
		code_for(f, &s[i], code[i]);
	pl_world_advance(f->world, 59999);
	assert_int_equal(says(f, &s[0], code[0]), PL_UDP_JOIN); /* by the last minute's */
	pl_world_advance(f->world, 2);
	assert_int_equal(says(f, &s[1], code[1]), PL_UDP_JOIN);
	pl_world_advance(f->world, 60000);
	assert_int_equal(says(f, &s[2], code[2]), PL_UDP_ANSWER);
}

static void u2_after_a_long_silence_no_old_code_is_good(void **state)
{
	struct fixture *f = *state;
	struct pl_udp_sender s = sender("192.0.2.7", 1024);
	char code[7];

	open_door(f, "udp:0", NULL);
	code_for(f, &s, code);
	pl_world_advance(f->world, 120000);
	assert_int_equal(says(f, &s, code), PL_UDP_ANSWER);
}

static void u2_two_servers_have_different_codes(void **state)
{
	struct fixture *f = *state;
	struct pl_udp_sender s = sender("192.0.2.7", 1024);
	char first[7], second[7];

	open_door(f, "udp:0", NULL);
	code_for(f, &s, first);
	open_door(f, "udp:0", NULL);
	code_for(f, &s, second);
	assert_string_not_equal(first, second);
}

static void verify_says_who_needs_a_code(void **state)
{
	static const struct {
		const char *endpoint, *host;
		enum pl_udp_verdict verdict;
	} rows[] = {
		{ "udp:0", "127.0.0.1", PL_UDP_JOIN_AND_SAY },
		{ "udp:0", "::1", PL_UDP_JOIN_AND_SAY },
		{ "udp:0", "192.0.2.7", PL_UDP_ANSWER },
		{ "udp:0:verify=auto", "2001:db8::7", PL_UDP_ANSWER },
		{ "udp:0:verify=always", "127.0.0.1", PL_UDP_ANSWER },
		{ "udp:0:verify=always:trust=192.0.2.0/24", "192.0.2.7", PL_UDP_ANSWER },
		{ "udp:0:verify=never", "192.0.2.7", PL_UDP_JOIN_AND_SAY },
		{ "udp:0:trust=192.0.2.0/24", "192.0.2.7", PL_UDP_JOIN_AND_SAY },
		{ "udp:0:trust=192.0.2.0/24", "192.0.3.7", PL_UDP_ANSWER },
		{ "udp:0:trust=10.0.0.0/8,[2001:db8::]/32", "2001:db8:1::2",
		  PL_UDP_JOIN_AND_SAY },
		{ "udp:0:trust=[fd00::]/8,[2001:db8::7]", "2001:db8::7",
		  PL_UDP_JOIN_AND_SAY },
		{ "udp:0:trust=[fd00::]/8,[2001:db8::7]", "fe80::7", PL_UDP_ANSWER },
		{ "udp:0:trust=192.0.2.7", "::ffff:192.0.2.7", PL_UDP_JOIN_AND_SAY },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(open_door(f, rows[i].endpoint, NULL), 0);
		if (from(f, rows[i].host, 50312) != rows[i].verdict)
			fail_msg("%s, %s", rows[i].endpoint, rows[i].host);
		pl_udp_door_finish(&f->door);
	}
}

static void wrong_settings_are_sentences(void **state)
{
	static const struct {
		const char *endpoint, *sentence;
	} rows[] = {
		{ "udp:0:verify=maybe", "udp:0:verify=maybe: verify must be" },
		{ "udp:0:trust=", "udp:0:trust=: trust must be addresses or networks" },
		{ "udp:0:trust=10.0.0.0/8,", "trust must be" },
		{ "udp:0:trust=10.0.0.0/33", "trust must be" },
		{ "udp:0:trust=lan", "trust must be" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct pl_error err = { 0 };

		assert_int_equal(open_door(f, rows[i].endpoint, &err), -EINVAL);
		assert_non_null(strstr(err.text, rows[i].sentence));
		pl_udp_door_finish(&f->door);
	}
}

static void a_lone_x_is_a_probe_and_gets_no_answer(void **state)
{
	struct fixture *f = *state;
	struct pl_udp_sender far = sender("192.0.2.7", 50312),
			     near = sender("127.0.0.1", 50312);

	open_door(f, "udp:0", NULL);
	assert_int_equal(says(f, &far, "X"), PL_UDP_IGNORE);
	assert_int_equal(says(f, &near, "X"), PL_UDP_IGNORE);
	assert_int_equal(says(f, &far, "X\n"), PL_UDP_ANSWER);
	assert_int_equal(says(f, &near, "X\n"), PL_UDP_JOIN_AND_SAY);
}

static void u3_one_network_cannot_use_up_the_answers_of_others(void **state)
{
	struct fixture *f = *state;
	int answered = 0;

	open_door(f, "udp:0", NULL);
	for (int i = 0; i < 50; i++) {
		char host[40];

		snprintf(host, sizeof host, "192.0.2.%d", i);
		answered += from(f, host, 50312) == PL_UDP_ANSWER;
	}
	assert_int_equal(answered, 8);
	assert_int_equal(from(f, "198.51.100.1", 50312), PL_UDP_ANSWER);
	pl_world_advance(f->world, 1000);
	assert_int_equal(from(f, "192.0.2.99", 50312), PL_UDP_ANSWER);
}

static void u3_all_unproven_senders_together_have_a_budget(void **state)
{
	struct fixture *f = *state;
	int answered = 0;

	open_door(f, "udp:0", NULL);
	for (int i = 0; i < 2000; i++) {
		char host[40];

		snprintf(host, sizeof host, "2001:db8:%x::1", i);
		answered += from(f, host, 50312) == PL_UDP_ANSWER;
	}
	assert_int_equal(answered, 200);
	assert_int_equal(from(f, "127.0.0.1", 50312), PL_UDP_JOIN_AND_SAY);
	pl_world_advance(f->world, 1000);
	assert_int_equal(from(f, "192.0.2.99", 50312), PL_UDP_ANSWER);
}

/* Hosts of one network each. */
static struct pl_udp_sender from_network(int i)
{
	char host[40];

	snprintf(host, sizeof host, "10.%d.%d.1", i / 250, i % 250);
	return sender(host, 50312);
}

static uint64_t counted(struct fixture *f, const char *what)
{
	return pl_counted(pl_world_reactor(f->world), what);
}

static void u3_a_right_code_is_let_in_though_all_answers_are_used_up(void **state)
{
	struct fixture *f = *state;
	struct pl_udp_sender ann = sender("192.0.2.7", 50312);
	char code[7];

	open_door(f, "udp:0", NULL);
	code_for(f, &ann, code);
	for (int i = 0; i < 20000; i++) {
		struct pl_udp_sender s = from_network(i);

		says(f, &s, "hello\n");
	}
	assert_int_equal(from(f, "198.51.100.1", 50312), PL_UDP_IGNORE);
	assert_int_equal(counted(f, "udp: strangers answered with a code"), 200);
	assert_int_equal(counted(f, "udp: strangers ignored: over the budget"), 19802);
	assert_int_equal(says(f, &ann, code), PL_UDP_JOIN);
}

/* As people do, and a flood with ever new addresses does not. */
static void u3_who_knocks_again_during_a_flood_is_answered(void **state)
{
	struct fixture *f = *state;
	int n = 0;

	open_door(f, "udp:0", NULL);
	for (int second = 0; second < 24; second++) {
		/* Three who knock, one after the other, and again three seconds later. */
		struct pl_udp_sender ann =
			sender("192.0.2.7", 1024 + second / 6 * 3 + second % 3);

		for (int i = 0; i < 20000; i++) {
			struct pl_udp_sender s = from_network(n % 60000);

			s.key.scope[0] = (unsigned char)(n++ / 60000); /* a new one */
			says(f, &s, "hello\n");
		}
		if (says(f, &ann, "hello\n") !=
		    (second % 6 < 3 ? PL_UDP_IGNORE : PL_UDP_ANSWER))
			fail_msg("second %d", second);
		pl_world_advance(f->world, 1000);
	}
	assert_in_range(counted(f, "udp: strangers answered with a code"), 24 * 200,
	                24 * 300);
}

static void u3_of_those_who_knock_again_100_a_second_are_answered(void **state)
{
	struct fixture *f = *state;
	int answered = 0;

	open_door(f, "udp:0", NULL);
	for (int second = 0; second < 2; second++) {
		answered = 0;
		for (int i = 0; i < 2000; i++) {
			struct pl_udp_sender s = from_network(i);

			answered += says(f, &s, "hello\n") == PL_UDP_ANSWER;
		}
		pl_world_advance(f->world, 1000);
	}
	assert_int_equal(answered, 200 + 100);
	pl_world_advance(f->world, 10000); /* and are forgotten */
	answered = 0;
	for (int i = 0; i < 2000; i++) {
		struct pl_udp_sender s = from_network(i);

		answered += says(f, &s, "hello\n") == PL_UDP_ANSWER;
	}
	assert_int_equal(answered, 200);
}

static void u3_guesses_from_forged_addresses_do_not_lock_out_a_right_code(void **state)
{
	struct fixture *f = *state;
	struct pl_udp_sender ann = sender("192.0.2.7", 50312);
	char code[7];

	open_door(f, "udp:0", NULL);
	code_for(f, &ann, code);
	for (int i = 0; i < 20000; i++) {
		struct pl_udp_sender s = from_network(i);

		assert_int_not_equal(says(f, &s, "222222"), PL_UDP_JOIN);
	}
	assert_int_equal(counted(f, "udp: codes that were wrong, used or too old"), 20000);
	assert_int_equal(says(f, &ann, code), PL_UDP_JOIN);
}

static void u3_of_one_network_32_guesses_a_second_are_looked_at(void **state)
{
	struct fixture *f = *state;
	struct pl_udp_sender s = sender("192.0.2.7", 50312),
			     t = sender("198.51.100.1", 5000);
	char code[7], other[7];

	open_door(f, "udp:0", NULL);
	code_for(f, &s, code);
	code_for(f, &t, other);
	for (int i = 0; i < 32; i++)
		assert_int_not_equal(says(f, &s, "222222"), PL_UDP_JOIN);
	assert_int_equal(says(f, &s, code), PL_UDP_IGNORE);
	assert_int_equal(counted(f, "udp: codes not looked at: over the budget"), 1);
	assert_int_equal(says(f, &t, other), PL_UDP_JOIN);
	pl_world_advance(f->world, 1000);
	assert_int_equal(says(f, &s, code), PL_UDP_JOIN);
}

/* Who has codes for many addresses may guess; not all at once. */
static void u3_guesses_of_all_have_a_budget(void **state)
{
	struct fixture *f = *state;
	int looked_at;

	open_door(f, "udp:0", NULL);
	for (int i = 0; i < 2400; i++) {
		struct pl_udp_sender s = from_network(i);

		if (i % 100 == 0)
			pl_world_advance(f->world, 1000);
		assert_int_equal(says(f, &s, "hello\n"), PL_UDP_ANSWER);
	}
	pl_world_advance(f->world, 1000);
	for (int i = 0; i < 2400; i++) {
		struct pl_udp_sender s = from_network(i);

		says(f, &s, "222222");
	}
	looked_at = 2400 - (int)counted(f, "udp: codes not looked at: over the budget");
	assert_int_equal(looked_at, 2000);
}

/* Two networks may share a slot of the budget, but not for long. */
static void u3_who_shares_a_slot_with_a_flood_has_another_one_soon(void **state)
{
	struct fixture *f = *state;
	int shut_out = 0, twice = 0;
	bool before[200] = { false };

	open_door(f, "udp:0", NULL);
	for (int second = 0; second < 20; second++) {
		for (int i = 0; i < 8; i++)
			from(f, "192.0.2.1", 1024 + i);
		for (int i = 0; i < 190; i++) {
			struct pl_udp_sender s = from_network(i);
			const bool out = says(f, &s, "hello\n") == PL_UDP_IGNORE;

			shut_out += out;
			twice += out && before[i];
			before[i] = out;
		}
		pl_world_advance(f->world, 1000);
	}
	assert_true(shut_out > 0);
	assert_true(twice < shut_out / 4);
}

/* 256 of them in two minutes are nothing to somebody who comes and goes. */
static void u2_a_code_stays_void_however_many_are_used_after_it(void **state)
{
	struct fixture *f = *state;
	struct pl_udp_sender ann = sender("192.0.2.7", 50312);
	char first[7], code[7];
	bool again = false;

	open_door(f, "udp:0", NULL);
	code_for(f, &ann, first);
	assert_int_equal(says(f, &ann, first), PL_UDP_JOIN);
	for (int i = 0; i < 700; i++) {
		pl_world_advance(f->world, 140);
		if (says(f, &ann, "hello\n") != PL_UDP_ANSWER)
			continue;
		sscanf(f->answer, "-- to join type %6[2-9a-kmnp-z],", code);
		again = again || strcmp(code, first) == 0;
		assert_int_equal(says(f, &ann, code), PL_UDP_JOIN);
	}
	assert_false(again);
}

static void u13_an_ipv6_address_that_carries_an_ipv4_address_is_nobody(void **state)
{
	static const struct {
		const char *host;
		bool nobody;
	} rows[] = {
		{ "::ffff:127.0.0.1", true },    { "::ffff:192.0.2.7", true },
		{ "::ffff:0.0.0.0", true },      { "::127.0.0.1", true },
		{ "::192.0.2.7", true },         { "::1", false },
		{ "2001:db8::7", false },        { "fe80::7", false },
		{ "64:ff9b::192.0.2.7", false }, { "::ffff:0:192.0.2.7", false },
		{ "2002:c000:207::1", false },   { "::", false }, /* the door knows it */
	};
	struct pl_udp_sender v4 = sender("127.0.0.1", 50312);

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct pl_udp_sender s = { .from.len = sizeof(struct sockaddr_in6) };
		struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

		assert_int_equal(inet_pton(AF_INET6, rows[i].host, &v6.sin6_addr), 1);
		memcpy(&s.from.ss, &v6, sizeof v6);
		if (pl_udp_is_nobody(&s) != rows[i].nobody)
			fail_msg("%s", rows[i].host);
	}
	assert_false(pl_udp_is_nobody(&v4));
}

static void u14_sources_that_are_no_single_machine_get_no_answer(void **state)
{
	static const char *const hosts[] = { "224.0.0.1", "239.1.2.3", "255.255.255.255",
		                             "0.0.0.0",   "ff02::1",   "::" };
	struct fixture *f = *state;

	open_door(f, "udp:0:verify=never", NULL);
	for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
		if (from(f, hosts[i], 50312) != PL_UDP_IGNORE)
			fail_msg("%s", hosts[i]);
	assert_int_equal(from(f, "192.0.2.7", 50312), PL_UDP_JOIN_AND_SAY);
}

static void u14_services_that_answer_by_themselves_get_no_answer(void **state)
{
	static const long ports[] = { 0, 7, 13, 17, 19, 53, 123, 161, 1900, 5353, 11211 };
	struct fixture *f = *state;

	open_door(f, "udp:0", NULL);
	for (size_t i = 0; i < sizeof ports / sizeof *ports; i++) {
		if (from(f, "192.0.2.7", ports[i]) != PL_UDP_IGNORE)
			fail_msg("%ld", ports[i]);
		if (from(f, "127.0.0.1", ports[i]) != PL_UDP_IGNORE)
			fail_msg("%ld here", ports[i]);
	}
}

static void u14_our_own_sockets_are_known_by_address_and_port(void **state)
{
	static const struct {
		const char *bound, *source, *to; /* to: NULL where it is not known */
		long port;                       /* of source; bound to 1234 */
		bool own;
	} rows[] = {
		{ "127.0.0.1", "127.0.0.1", "127.0.0.1", 1234, true },
		{ "127.0.0.1", "127.0.0.1", NULL, 1234, true },
		{ "127.0.0.1", "127.0.0.1", "127.0.0.1", 1235, false },
		{ "127.0.0.1", "127.0.0.2", "127.0.0.1", 1234, false },
		{ "192.0.2.1", "192.0.2.1", "192.0.2.9", 1234, true },
		{ "192.0.2.1", "192.0.2.9", "192.0.2.9", 1234, false },
		{ "0.0.0.0", "127.0.0.1", "192.0.2.1", 1234, true },
		{ "0.0.0.0", "127.9.9.9", NULL, 1234, true },
		{ "0.0.0.0", "192.0.2.1", "192.0.2.1", 1234, true },
		{ "0.0.0.0", "192.0.2.1", "192.0.2.1", 1235, false },
		{ "0.0.0.0", "192.0.2.2", "192.0.2.1", 1234, false },
		{ "0.0.0.0", "192.0.2.1", NULL, 1234, false },
		{ "::", "::1", NULL, 1234, true },
		{ "::", "2001:db8::1", "2001:db8::1", 1234, true },
		{ "::", "2001:db8::2", "2001:db8::1", 1234, false },
		{ "::", "127.0.0.1", "127.0.0.1", 1234, false }, /* it is IPv6 alone */
		{ "::1", "::1", "::1", 1234, true },
		{ "::1", "127.0.0.1", "127.0.0.1", 1234, false },
	};

	(void)state;
	machine.here = "192.0.2.99"; /* none of these */
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct pl_udp_sender s = sender(rows[i].source, rows[i].port);
		struct pl_address bound;

		assert_int_equal(pl_address_parse(rows[i].bound, 1234, &bound), 0);
		if (rows[i].to) {
			const struct pl_udp_sender to = sender(rows[i].to, 0);

			s.to_known = true;
			memcpy(s.to, to.key.host, sizeof s.to);
		}
		if (pl_udp_is_own(&s, (struct sockaddr *)&bound.ss) != rows[i].own)
			fail_msg("row %zu", i);
	}
}

static bool is_here(const char *host)
{
	const struct pl_udp_sender s = sender(host, 1234);

	return pl_udp_is_here(&s.from);
}

static void u14_the_addresses_of_this_machine_are_known(void **state)
{
	const int descriptors = open_descriptors();

	(void)state;
	assert_true(is_here("127.0.0.1"));
#ifdef __linux__
	assert_true(is_here("127.0.0.2")); /* all of 127.0.0.0/8 */
#endif
	assert_false(is_here("203.0.113.77"));
	assert_false(is_here("2001:db8::1"));
	machine.no_socket = EMFILE;
	assert_true(is_here("203.0.113.77")); /* for all that is known */
	assert_int_equal(open_descriptors(), descriptors);
}

static bool is_own(const char *bound, const char *source, long port)
{
	struct pl_udp_sender s = sender(source, port);
	const struct pl_udp_sender to =
		sender(strchr(source, '.') ? "192.0.2.1" : "::1", 0);
	struct pl_address a;

	assert_int_equal(pl_address_parse(bound, 1234, &a), 0);
	s.to_known = true;
	memcpy(s.to, to.key.host, sizeof s.to);
	return pl_udp_is_own(&s, (struct sockaddr *)&a.ss);
}

static void u14_a_wildcard_socket_has_the_addresses_of_all_interfaces(void **state)
{
	(void)state;
	machine.here = "192.0.2.2";
	assert_true(is_own("0.0.0.0", "192.0.2.2", 1234));
	assert_false(is_own("0.0.0.0", "192.0.2.3", 1234));
	assert_int_equal(machine.binds, 2);
	machine.here = "2001:db8::2";
	assert_true(is_own("::", "2001:db8::2", 1234));
	assert_false(is_own("::", "2001:db8::3", 1234));
	assert_int_equal(machine.binds, 4);
	/* And nobody is asked for who has another port, or where the address is given. */
	assert_false(is_own("::", "2001:db8::2", 1235));
	assert_false(is_own("0.0.0.0", "2001:db8::2", 1234));
	assert_false(is_own("2001:db8::1", "2001:db8::2", 1234));
	assert_int_equal(machine.binds, 4);
}

static void u14_what_was_sent_to_everybody_gets_no_answer(void **state)
{
	struct fixture *f = *state;
	struct pl_udp_sender s = sender("127.0.0.1", 50312);

	open_door(f, "udp:0", NULL);
	s.to_known = s.to_many = true;
	assert_int_equal(says(f, &s, "hello\n"), PL_UDP_IGNORE);
}

static void u14_an_answer_is_not_answered(void **state)
{
	struct fixture *f = *state;
	struct pl_udp_sender s = sender("192.0.2.7", 50312);
	char line[PL_UDP_ANSWER_MAX + 1];

	open_door(f, "udp:0", NULL);
	assert_int_equal(says(f, &s, "hello\n"), PL_UDP_ANSWER);
	memcpy(line, f->answer, sizeof line);
	assert_int_equal(says(f, &s, line), PL_UDP_IGNORE);
	assert_int_equal(says(f, &s, "--\n"), PL_UDP_ANSWER);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(u1_an_unknown_address_gets_the_line_with_the_code),
		TEST(u1_an_answer_and_its_headers_are_at_most_three_times_what_came),
		TEST(the_code_joins_with_capitals_and_blanks_but_not_with_other_text),
		TEST(u2_a_code_is_good_for_its_own_address_and_port_alone),
		TEST(u2_a_code_that_was_used_is_void),
		TEST(u2_a_code_is_good_for_a_minute_and_for_at_most_two),
		TEST(u2_after_a_long_silence_no_old_code_is_good),
		TEST(u2_two_servers_have_different_codes),
		TEST(verify_says_who_needs_a_code),
		TEST(wrong_settings_are_sentences),
		TEST(a_lone_x_is_a_probe_and_gets_no_answer),
		TEST(u3_one_network_cannot_use_up_the_answers_of_others),
		TEST(u3_all_unproven_senders_together_have_a_budget),
		TEST(u3_a_right_code_is_let_in_though_all_answers_are_used_up),
		TEST(u3_who_knocks_again_during_a_flood_is_answered),
		TEST(u3_of_those_who_knock_again_100_a_second_are_answered),
		TEST(u3_guesses_from_forged_addresses_do_not_lock_out_a_right_code),
		TEST(u3_of_one_network_32_guesses_a_second_are_looked_at),
		TEST(u3_guesses_of_all_have_a_budget),
		TEST(u3_who_shares_a_slot_with_a_flood_has_another_one_soon),
		TEST(u2_a_code_stays_void_however_many_are_used_after_it),
		TEST(u13_an_ipv6_address_that_carries_an_ipv4_address_is_nobody),
		TEST(u14_sources_that_are_no_single_machine_get_no_answer),
		TEST(u14_services_that_answer_by_themselves_get_no_answer),
		TEST(u14_our_own_sockets_are_known_by_address_and_port),
		TEST(u14_the_addresses_of_this_machine_are_known),
		TEST(u14_a_wildcard_socket_has_the_addresses_of_all_interfaces),
		TEST(u14_what_was_sent_to_everybody_gets_no_answer),
		TEST(u14_an_answer_is_not_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
