/* address_test.c: interface= to addresses, addresses to text, prefixes, bound sockets. */
#include <partyline/address.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../support/cmocka_all.h"

#define SA(a) ((const struct sockaddr *)&(a)->ss)

static struct pl_address address(const char *text, long port)
{
	struct pl_address a;

	assert_int_equal(pl_address_parse(text, port, &a), 0);
	return a;
}

static void an_address_is_written_with_brackets_around_ipv6_alone(void **state)
{
	static const struct {
		const char *given, *host, *text;
	} rows[] = {
		{ "192.0.2.7", "192.0.2.7", "192.0.2.7:50312" },
		{ "::1", "::1", "[::1]:50312" },
		{ "2001:DB8:0:0::7", "2001:db8::7", "[2001:db8::7]:50312" },
		{ "::ffff:192.0.2.7", "192.0.2.7", "192.0.2.7:50312" },
	};
	char out[PL_ADDRESS_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct pl_address a = address(rows[i].given, 50312);

		pl_address_host(SA(&a), out, sizeof out);
		assert_string_equal(out, rows[i].host);
		pl_address_text(SA(&a), out, sizeof out);
		assert_string_equal(out, rows[i].text);
		assert_int_equal(pl_address_port(SA(&a)), 50312);
	}
}

static void a_mapped_address_from_the_kernel_is_shown_as_ipv4(void **state)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(7) };
	char out[PL_ADDRESS_TEXT];

	(void)state;
	memcpy(v6.sin6_addr.s6_addr,
	       (unsigned char[]){ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 1, 2, 3 },
	       16);
	pl_address_text((struct sockaddr *)&v6, out, sizeof out);
	assert_string_equal(out, "127.1.2.3:7");
	assert_true(pl_address_is_loopback((struct sockaddr *)&v6));
}

static void only_loopback_is_loopback(void **state)
{
	static const struct {
		const char *text;
		bool loopback;
	} rows[] = {
		{ "127.0.0.1", true },  { "127.255.0.9", true }, { "::1", true },
		{ "128.0.0.1", false }, { "126.0.0.1", false },  { "::2", false },
		{ "::", false },        { "0.0.0.0", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct pl_address a = address(rows[i].text, 1);

		if (pl_address_is_loopback(SA(&a)) != rows[i].loopback)
			fail_msg("%s", rows[i].text);
	}
}

static void names_and_halves_are_no_addresses(void **state)
{
	static const char *const bad[] = { "localhost", "300.1.1.1", "1.2.3.4:5",
		                           ":::", "*" };
	struct pl_address a;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(pl_address_parse(bad[i], 1, &a), -EINVAL);
}

static void a_prefix_holds_what_begins_like_it(void **state)
{
	static const struct {
		const char *prefix, *address;
		bool holds;
	} rows[] = {
		{ "10.0.0.0/8", "10.9.8.7", true },
		{ "10.0.0.0/8", "11.0.0.0", false },
		{ "192.0.2.128/25", "192.0.2.127", false },
		{ "192.0.2.128/25", "192.0.2.255", true },
		{ "192.0.2.77/24", "192.0.2.1", true },
		{ "192.0.2.7", "192.0.2.7", true },
		{ "192.0.2.7", "192.0.2.8", false },
		{ "0.0.0.0/0", "203.0.113.9", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "2001:db8::/33", "2001:db8:7fff::1", true },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
		{ "::/0", "::1", true },
		{ "::ffff:192.0.2.0", "192.0.2.0", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct pl_address a = address(rows[i].address, 1);
		struct pl_prefix p;

		assert_int_equal(pl_prefix_parse(rows[i].prefix, &p), 0);
		if (pl_prefix_holds(&p, SA(&a)) != rows[i].holds)
			fail_msg("%s in %s", rows[i].address, rows[i].prefix);
	}
}

static void a_prefix_must_be_a_number_with_as_many_bits_as_there_are(void **state)
{
	static const char *const bad[] = {
		"",       "lan",         "10.0.0.0/33", "10.0.0.0/",
		"::/129", "10.0.0.0/8x", "10.0.0.0/-1", "10.0.0.0/+1",
		"/8",     "1/8"
	};
	struct pl_prefix p;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (pl_prefix_parse(bad[i], &p) != -EINVAL)
			fail_msg("%s", bad[i]);
}

static void neighbours_share_a_prefix(void **state)
{
	struct pl_address a = address("192.0.2.1", 1), b = address("192.0.2.250", 2);
	struct pl_address c = address("192.0.3.1", 1);
	struct pl_address d = address("2001:db8:0:4ff::1", 1);
	struct pl_address e = address("2001:db8:0:400::2", 1);
	struct pl_prefix pa, pb, pc, pd, pe;

	(void)state;
	pl_prefix_of(SA(&a), 24, 56, &pa);
	pl_prefix_of(SA(&b), 24, 56, &pb);
	pl_prefix_of(SA(&c), 24, 56, &pc);
	pl_prefix_of(SA(&d), 24, 56, &pd);
	pl_prefix_of(SA(&e), 24, 56, &pe);
	assert_memory_equal(pa.bytes, pb.bytes, 16);
	assert_memory_not_equal(pa.bytes, pc.bytes, 16);
	assert_memory_equal(pd.bytes, pe.bytes, 16);
}

static void check_list(const char *endpoint, const char *first, const char *second)
{
	struct pl_endpoint *ep = pl_endpoint_parse(endpoint, NULL);
	struct pl_address list[PL_ADDRESS_LIST];
	char out[PL_ADDRESS_TEXT];
	int n;

	assert_non_null(ep);
	n = pl_address_list(ep, 1234, list, PL_ADDRESS_LIST, NULL);
	pl_endpoint_unref(ep);
	assert_int_equal(n, second ? 2 : 1);
	pl_address_text(SA(&list[0]), out, sizeof out);
	assert_string_equal(out, first);
	if (second) {
		pl_address_text(SA(&list[1]), out, sizeof out);
		assert_string_equal(out, second);
	}
}

static void interface_says_which_addresses(void **state)
{
	(void)state;
	check_list("udp:1234", "127.0.0.1:1234", "[::1]:1234");
	check_list("udp:1234:interface=*", "0.0.0.0:1234", "[::]:1234");
	check_list("udp:1234:interface=192.0.2.7", "192.0.2.7:1234", NULL);
	check_list("udp:1234:interface=[::1]", "[::1]:1234", NULL);
	check_list("udp:1234:interface=[::ffff:192.0.2.7]", "192.0.2.7:1234", NULL);
}

static void a_name_as_interface_is_refused_with_a_sentence(void **state)
{
	static const char *const bad[] = { "tcp:1:interface=localhost",
		                           "tcp:1:interface=eth0",
		                           "tcp:1:interface=", "tcp:1:interface=1",
		                           "tcp:1:interface=1.2.3.4.5" };
	struct pl_address list[PL_ADDRESS_LIST];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct pl_endpoint *ep = pl_endpoint_parse(bad[i], NULL);
		struct pl_error err = { 0 };

		if (!ep)
			continue; /* not even an endpoint: as good */
		assert_int_equal(pl_address_list(ep, 1, list, PL_ADDRESS_LIST, &err),
		                 -EINVAL);
		assert_non_null(strstr(err.text, bad[i]));
		assert_non_null(strstr(err.text, "interface must be an address"));
		pl_endpoint_unref(ep);
	}
}

static int bind_endpoint(const char *endpoint, int socktype, int *fds, long *port,
                         struct pl_error *err)
{
	struct pl_endpoint *ep = pl_endpoint_parse(endpoint, NULL);
	struct pl_address list[PL_ADDRESS_LIST];
	int n;

	assert_non_null(ep);
	assert_int_equal(pl_endpoint_arg_int(ep, "port", 0, 65535, port, NULL), 0);
	n = pl_address_list(ep, *port, list, PL_ADDRESS_LIST, NULL);
	assert_true(n > 0);
	n = pl_bind_all(ep, socktype, list, (size_t)n, fds, port, err);
	pl_endpoint_unref(ep);
	return n;
}

static void port_0_is_one_number_for_both_families(void **state)
{
	const int types[] = { SOCK_STREAM, SOCK_DGRAM };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct sockaddr_storage ss;
		int fds[2], n;
		long port;

		n = bind_endpoint("tcp:0", types[i], fds, &port, NULL);
		assert_true(n == 1 || n == 2);
		assert_true(port > 0);
		while (n > 0) {
			socklen_t len = sizeof ss;

			getsockname(fds[--n], (struct sockaddr *)&ss, &len);
			assert_int_equal(pl_address_port((struct sockaddr *)&ss), port);
			close(fds[n]);
		}
	}
}

static void a_number_in_use_on_one_family_leaves_the_other_free(void **state)
{
	struct pl_error err = { 0 };
	int taken[2], fds[2], n;
	char endpoint[64];
	long port;

	(void)state;
	n = bind_endpoint("udp:0", SOCK_DGRAM, taken, &port, NULL);
	if (n != 2)
		skip(); /* no IPv6 here */
	close(taken[0]);
	snprintf(endpoint, sizeof endpoint, "udp:%ld", port);
	assert_int_equal(bind_endpoint(endpoint, SOCK_DGRAM, fds, &port, &err),
	                 -EADDRINUSE);
	assert_non_null(strstr(err.text, "another program uses [::1]:"));
	snprintf(endpoint, sizeof endpoint, "udp:%ld:interface=127.0.0.1", port);
	assert_int_equal(bind_endpoint(endpoint, SOCK_DGRAM, fds, &port, &err), 1);
	close(fds[0]);
	close(taken[1]);
}

static void an_address_of_another_machine_is_a_sentence(void **state)
{
	struct pl_error err = { 0 };
	int fds[2];
	long port;

	(void)state;
	assert_int_equal(bind_endpoint("udp:0:interface=192.0.2.1", SOCK_DGRAM, fds,
	                               &port, &err),
	                 -EADDRNOTAVAIL);
	assert_non_null(strstr(err.text, "192.0.2.1:0 is no address of this machine"));
}

static void check_description(const char *endpoint, const char *name, const char *place,
                              const char *command, const char *remark)
{
	struct pl_reactor *r = pl_reactor_create(NULL);
	struct pl_endpoint *ep = pl_endpoint_parse(endpoint, NULL);
	static const struct pl_port_ops no_ops;
	struct pl_port port = { 0 };

	assert_non_null(r);
	assert_non_null(ep);
	pl_port_init(&port, &no_ops, r, ep, NULL);
	assert_int_equal(pl_address_describe(&port, "nc -u", "then Enter", 1234), 0);
	assert_string_equal(port.name, name);
	assert_string_equal(port.place, place);
	if (command)
		assert_string_equal(port.command, command);
	assert_string_equal(port.remark, remark);
	pl_port_finish(&port);
	pl_endpoint_unref(ep);
	pl_reactor_destroy(r);
}

static void a_port_is_described_so_that_it_can_be_joined_and_listened_on_again(void **state)
{
	(void)state;
	check_description("udp:0", "udp:1234", "127.0.0.1:1234", "nc -u localhost 1234",
	                  "then Enter; local, interface=* opens");
	check_description("udp:0:interface=127.0.0.1:nick=ann",
	                  "udp:1234:interface=127.0.0.1:nick=ann", "127.0.0.1:1234",
	                  "nc -u 127.0.0.1 1234", "then Enter; local");
	check_description("udp:0:interface=[2001:db8::7]",
	                  "udp:1234:interface=[2001:db8::7]", "[2001:db8::7]:1234",
	                  "nc -u 2001:db8::7 1234", "then Enter");
	check_description("udp:0:interface=*", "udp:1234:interface=*", "*:1234", NULL,
	                  "then Enter");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_written_with_brackets_around_ipv6_alone),
		cmocka_unit_test(a_mapped_address_from_the_kernel_is_shown_as_ipv4),
		cmocka_unit_test(only_loopback_is_loopback),
		cmocka_unit_test(names_and_halves_are_no_addresses),
		cmocka_unit_test(a_prefix_holds_what_begins_like_it),
		cmocka_unit_test(a_prefix_must_be_a_number_with_as_many_bits_as_there_are),
		cmocka_unit_test(neighbours_share_a_prefix),
		cmocka_unit_test(interface_says_which_addresses),
		cmocka_unit_test(a_name_as_interface_is_refused_with_a_sentence),
		cmocka_unit_test(port_0_is_one_number_for_both_families),
		cmocka_unit_test(a_number_in_use_on_one_family_leaves_the_other_free),
		cmocka_unit_test(an_address_of_another_machine_is_a_sentence),
		cmocka_unit_test(
			a_port_is_described_so_that_it_can_be_joined_and_listened_on_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
