/* endpoint_test.c: endpoint strings, and what pl_listen says when one is wrong. */
#include "cmocka_all.h"
#include "loopback.h"
#include "recorder.h"
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <partyline/transport_impl.h>

/* --- the grammar ----------------------------------------------------------------- */

static void endpoints_are_taken_apart(void **state)
{
	static const struct {
		const char *text, *type, *arg, *key, *value;
	} rows[] = {
		{ "tcp:1234", "tcp", "1234", "interface", NULL },
		{ "tcp:", "tcp", "", "x", NULL },
		{ "tcp:1234:interface=127.0.0.1", "tcp", "1234", "interface", "127.0.0.1" },
		{ "tcp:1234:interface=", "tcp", "1234", "interface", "" },
		{ "tcp:1:a=1:b=2", "tcp", "1", "b", "2" },
		{ "tcp:1:a=1:b=2", "tcp", "1", "a", "1" },
		/* brackets stand around an IPv6 address */
		{ "udp:1234:interface=[::1]", "udp", "1234", "interface", "::1" },
		{ "udp:1234:interface=[fe80::1%lo]:b=2", "udp", "1234", "interface",
		  "fe80::1%lo" },
		{ "udp:1234:interface=[fe80::1]:b=2", "udp", "1234", "b", "2" },
		{ "x:[::1]:a=1", "x", "::1", "a", "1" },
		/* ARG is everything before the first :word= */
		{ "serial:/dev/ttyUSB0:baudrate=115200", "serial", "/dev/ttyUSB0",
		  "baudrate", "115200" },
		{ "serial:0403:6001:baudrate=9600", "serial", "0403:6001", "baudrate",
		  "9600" },
		{ "serial:0403:6001:A600", "serial", "0403:6001:A600", "baudrate", NULL },
		{ "unix:/tmp/a:b", "unix", "/tmp/a:b", "b", NULL },
		{ "unix:/tmp/a=b", "unix", "/tmp/a=b", "a", NULL },
		/* a value goes on to the next :word= as well */
		{ "tcp:1:motd=a:b:c=3", "tcp", "1", "motd", "a:b" },
		{ "tcp:1:motd=a=b", "tcp", "1", "motd", "a=b" },
		/* a backslash takes the next character as it is */
		{ "unix:/tmp/a\\:b=c", "unix", "/tmp/a:b=c", "b", NULL },
		{ "unix:a\\\\b", "unix", "a\\b", "x", NULL },
		{ "unix:\\[a", "unix", "[a", "x", NULL },
		{ "tcp:1:nick=a\\:b=c", "tcp", "1", "nick", "a:b=c" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pl_error err = { 0 };
		struct pl_endpoint *ep = pl_endpoint_parse(rows[i].text, &err);
		const char *value;

		if (!ep)
			fail_msg("%s: %s", rows[i].text, err.text);
		assert_string_equal(pl_endpoint_text(ep), rows[i].text);
		assert_string_equal(pl_endpoint_type(ep), rows[i].type);
		assert_string_equal(pl_endpoint_arg(ep), rows[i].arg);
		value = pl_endpoint_str(ep, rows[i].key);
		if (rows[i].value) {
			if (!value)
				fail_msg("%s: no %s", rows[i].text, rows[i].key);
			assert_string_equal(value, rows[i].value);
		} else if (value) {
			fail_msg("%s: %s is %s", rows[i].text, rows[i].key, value);
		}
		pl_endpoint_unref(ep);
	}
}

static void what_is_no_endpoint_is_refused_with_a_sentence(void **state)
{
	static const char *const rows[] = {
		"",
		"tcp",
		":1234",
		"udp:1:interface=[::1",
		"udp:[::1",
		"unix:/tmp/a\\",
		"tcp:1:nick=a\\",
		"tcp:1:a=1:a=2",
		"tcp:1:a=1:b=2:a=1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pl_error err = { 0 };

		if (pl_endpoint_parse(rows[i], &err))
			fail_msg("%s was taken", rows[i]);
		assert_int_equal(err.code, -EINVAL);
		assert_true(strlen(err.text) > 10);
		assert_non_null(strstr(err.text, rows[i]));
		assert_null(pl_endpoint_parse(rows[i], NULL));
	}
}

/* No text, however strange, does worse than to be refused. */
static void any_text_is_taken_or_refused(void **state)
{
	static const char alphabet[] = "a:=[]\\1_";
	char text[9] = "";

	(void)state;
	for (unsigned n = 0; n < 8 * 8 * 8 * 8 * 8 * 8; n++) {
		struct pl_endpoint *ep;
		unsigned rest = n;

		text[0] = 'a';
		text[1] = ':';
		for (int i = 2; i < 8; i++, rest /= 8)
			text[i] = alphabet[rest % 8];
		ep = pl_endpoint_parse(text, NULL);
		pl_endpoint_unref(ep);
	}
}

static void a_long_endpoint_is_whole(void **state)
{
	enum { LONG = 100000 };
	char *text = malloc(LONG + 1);
	struct pl_endpoint *ep;

	(void)state;
	memset(text, 'x', LONG);
	text[LONG] = '\0';
	memcpy(text, "unix:", 5);
	memcpy(text + LONG - 4, ":a=1", 4);
	ep = pl_endpoint_parse(text, NULL);
	assert_non_null(ep);
	assert_int_equal(strlen(pl_endpoint_arg(ep)), LONG - 5 - 4);
	assert_string_equal(pl_endpoint_str(ep, "a"), "1");
	pl_endpoint_unref(ep);
	free(text);
}

static void an_endpoint_lives_as_long_as_it_is_referenced(void **state)
{
	struct pl_endpoint *ep = pl_endpoint_parse("tcp:1234", NULL);

	(void)state;
	assert_ptr_equal(pl_endpoint_ref(ep), ep);
	pl_endpoint_unref(ep);
	assert_string_equal(pl_endpoint_arg(ep), "1234");
	pl_endpoint_unref(ep);
	pl_endpoint_unref(NULL);
}

/* --- values ---------------------------------------------------------------------- */

static void numbers_are_whole_and_in_range(void **state)
{
	static const struct {
		const char *value;
		long number; /* -1: refused */
	} rows[] = {
		{ "0", 0 },         { "1", 1 },
		{ "65535", 65535 }, { "007", 7 },
		{ "65536", -1 },    { "-1", -1 },
		{ "", -1 },         { " 1", -1 },
		{ "1 ", -1 },       { "+1", -1 },
		{ "0x10", -1 },     { "1.5", -1 },
		{ "ten", -1 },      { "-", -1 },
		{ "1e3", -1 },      { "99999999999999999999999", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[100];
		struct pl_error err = { 0 };
		struct pl_endpoint *ep;
		long value = 4711;
		int code;

		snprintf(text, sizeof(text), "tcp:5:n=%s", rows[i].value);
		ep = pl_endpoint_parse(text, NULL);
		code = pl_endpoint_int(ep, "n", 0, 65535, 1, &value, &err);
		if (rows[i].number < 0) {
			if (code == 0)
				fail_msg("%s was taken", text);
			assert_int_equal(code, -EINVAL);
			assert_int_equal(value, 4711); /* untouched */
			assert_non_null(strstr(err.text, "n must be 0..65535"));
			assert_non_null(strstr(err.text, text));
		} else {
			assert_int_equal(code, 0);
			assert_int_equal(value, rows[i].number);
		}
		pl_endpoint_unref(ep);
	}
}

static void a_number_may_be_negative_where_the_range_is(void **state)
{
	struct pl_endpoint *ep = pl_endpoint_parse("x:-3:n=-20", NULL);
	long value;

	(void)state;
	assert_int_equal(pl_endpoint_int(ep, "n", -20, 20, 0, &value, NULL), 0);
	assert_int_equal(value, -20);
	assert_int_equal(pl_endpoint_int(ep, "n", -19, 20, 0, &value, NULL), -EINVAL);
	assert_int_equal(pl_endpoint_int(ep, "m", -20, 20, 7, &value, NULL), 0);
	assert_int_equal(value, 7);
	assert_int_equal(pl_endpoint_arg_int(ep, "depth", -5, 5, &value, NULL), 0);
	assert_int_equal(value, -3);
	pl_endpoint_unref(ep);
}

static void the_argument_as_a_number_has_the_sentence_of_the_design(void **state)
{
	struct pl_endpoint *ep = pl_endpoint_parse("udp:99999", NULL);
	struct pl_error err = { 0 };
	long value = 1;

	(void)state;
	assert_int_equal(pl_endpoint_arg_int(ep, "port", 0, 65535, &value, &err), -EINVAL);
	assert_string_equal(err.text, "udp:99999: port must be 0..65535");
	assert_int_equal(err.code, -EINVAL);
	assert_int_equal(value, 1);
	pl_endpoint_unref(ep);
}

static void yes_and_no_have_four_spellings_each(void **state)
{
	static const char *const yes[] = { "x:y:b=yes", "x:y:b=on", "x:y:b=true",
		                           "x:y:b=1" };
	static const char *const no[] = { "x:y:b=no", "x:y:b=off", "x:y:b=false",
		                          "x:y:b=0" };
	static const char *const neither[] = { "x:y:b=", "x:y:b=YES", "x:y:b=y",
		                               "x:y:b=yes|no", "x:y:b=2" };
	struct pl_error err;
	bool value;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct pl_endpoint *y = pl_endpoint_parse(yes[i], NULL);
		struct pl_endpoint *n = pl_endpoint_parse(no[i], NULL);

		value = false;
		assert_int_equal(pl_endpoint_bool(y, "b", false, &value, NULL), 0);
		assert_true(value);
		assert_int_equal(pl_endpoint_bool(n, "b", true, &value, NULL), 0);
		assert_false(value);
		assert_int_equal(pl_endpoint_bool(n, "c", true, &value, NULL), 0);
		assert_true(value);
		pl_endpoint_unref(y);
		pl_endpoint_unref(n);
	}
	for (size_t i = 0; i < sizeof(neither) / sizeof(neither[0]); i++) {
		struct pl_endpoint *ep = pl_endpoint_parse(neither[i], NULL);

		value = true;
		assert_int_equal(pl_endpoint_bool(ep, "b", false, &value, &err), -EINVAL);
		assert_true(value);
		assert_non_null(strstr(err.text, "yes or no"));
		pl_endpoint_unref(ep);
	}
}

static void a_choice_is_the_place_of_its_word(void **state)
{
	static const struct {
		const char *text;
		int place;
	} rows[] = {
		{ "x:y:p=none", 0 },    { "x:y:p=even", 1 },       { "x:y:p=odd", 2 },
		{ "x:y", 1 },           { "x:y:p=", -1 },          { "x:y:p=eve", -1 },
		{ "x:y:p=evenly", -1 }, { "x:y:p=none|even", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pl_endpoint *ep = pl_endpoint_parse(rows[i].text, NULL);
		struct pl_error err = { 0 };
		int place = 99;
		int code = pl_endpoint_choice(ep, "p", "none|even|odd", 1, &place, &err);

		if (rows[i].place < 0) {
			if (code == 0)
				fail_msg("%s was taken", rows[i].text);
			assert_int_equal(place, 99);
			assert_non_null(strstr(err.text, "none|even|odd"));
		} else {
			assert_int_equal(code, 0);
			assert_int_equal(place, rows[i].place);
		}
		pl_endpoint_unref(ep);
	}
}

/* --- pl_listen ------------------------------------------------------------------- */

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

	pl_world_destroy(p->world);
	records_finish(&p->records);
	free(p);
	return open_descriptors() == before ? 0 : -1;
}

static void what_cannot_be_listened_on_is_refused_with_its_reason(void **state)
{
	static const struct {
		const char *endpoint, *part;
	} rows[] = {
		{ "tcp:99999", "tcp:99999: port must be 0..65535" },
		{ "tcp:-1", "port must be 0..65535" },
		{ "tcp:", "port must be 0..65535" },
		{ "tcp:http", "port must be 0..65535" },
		{ "carrier-pigeon:5", "tcp" }, /* what there is instead */
		{ "mem:x:speed=9", "there is no speed=" },
		{ "tcp:0:speed=9", "interface" }, /* the keys that there are */
		{ "tcp:0:speed=9", "backlog" },
		{ "tcp:0:backlog=0", "backlog must be 1.." },
		{ "tcp:0:interface=here", "here" },
		{ "nonsense", "nonsense" },
		{ "unix:", "path" },
	};
	struct place *p = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pl_error err = { 0 };

		if (records_listen(&p->records, p->reactor, rows[i].endpoint, &err))
			fail_msg("%s was taken", rows[i].endpoint);
		assert_true(err.code < 0);
		if (!strstr(err.text, rows[i].part))
			fail_msg("%s: \"%s\"", rows[i].endpoint, err.text);
		assert_null(pl_listen(p->reactor, rows[i].endpoint, &p->records.factory,
		                      NULL));
	}
}

static struct pl_protocol *build_none(struct pl_factory *f, const struct pl_peer *peer)
{
	(void)f;
	(void)peer;
	return NULL;
}

static void the_factorys_keys_are_taken_and_named(void **state)
{
	static const struct pl_factory_ops ops = { .build_protocol = build_none,
		                                   .usage = "[:nick=NAME][:room=ROOM]" };
	struct pl_factory f = { &ops };
	struct pl_error err = { 0 };
	struct place *p = *state;

	assert_non_null(pl_listen(p->reactor, "mem:a:nick=x:room=y", &f, &err));
	assert_null(pl_listen(p->reactor, "mem:b:colour=x", &f, &err));
	assert_non_null(strstr(err.text, "colour"));
	assert_non_null(strstr(err.text, "nick"));
	assert_non_null(strstr(err.text, "room"));
	assert_null(pl_listen(p->reactor, "mem:c:nic=x", &f, &err)); /* not by its beginning */
}

static void a_port_has_a_name_and_words_for_a_person(void **state)
{
	struct place *p = *state;
	struct pl_port *port = records_listen(&p->records, p->reactor, "tcp:0", NULL);

	assert_non_null(port);
	assert_string_equal(pl_port_type(port), "tcp");
	assert_int_equal(strncmp(pl_port_name(port), "tcp:", 4), 0);
	assert_in_range(loopback_number(pl_port_name(port)), 1,
	                65535); /* what port 0 became */
	assert_non_null(strstr(pl_port_place(port), "127.0.0.1:"));
	assert_non_null(strstr(pl_port_command(port), "telnet localhost "));
	assert_true(strlen(pl_port_remark(port)) > 0); /* this machine only */
}

static void stopping_a_port_frees_its_name_at_once(void **state)
{
	struct place *p = *state;
	struct pl_port *port = records_listen(&p->records, p->reactor, "mem:a", NULL);

	assert_non_null(port);
	assert_null(records_listen(&p->records, p->reactor, "mem:a", NULL));
	pl_port_stop(port);
	assert_non_null(records_listen(&p->records, p->reactor, "mem:a", NULL));
}

static void all_endpoints_are_opened_or_none(void **state)
{
	static const char *const good[] = { "mem:a", "tcp:0" };
	static const char *const bad[] = { "mem:b", "tcp:99999", "mem:c", "mem:c" };
	struct place *p = *state;
	struct pl_port *ports[4];

	assert_int_equal(pl_listen_all(p->reactor, "test", &p->records.factory, good, 2,
	                               ports),
	                 0);
	assert_string_equal(pl_port_type(ports[0]), "mem");
	assert_string_equal(pl_port_type(ports[1]), "tcp");
	assert_int_equal(pl_listen_all(p->reactor, "test", &p->records.factory, bad, 4,
	                               ports),
	                 -EINVAL);
	assert_non_null(records_listen(&p->records, p->reactor, "mem:b", NULL));
	assert_non_null(records_listen(&p->records, p->reactor, "mem:c", NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(endpoints_are_taken_apart),
		cmocka_unit_test(what_is_no_endpoint_is_refused_with_a_sentence),
		cmocka_unit_test(any_text_is_taken_or_refused),
		cmocka_unit_test(a_long_endpoint_is_whole),
		cmocka_unit_test(an_endpoint_lives_as_long_as_it_is_referenced),
		cmocka_unit_test(numbers_are_whole_and_in_range),
		cmocka_unit_test(a_number_may_be_negative_where_the_range_is),
		cmocka_unit_test(the_argument_as_a_number_has_the_sentence_of_the_design),
		cmocka_unit_test(yes_and_no_have_four_spellings_each),
		cmocka_unit_test(a_choice_is_the_place_of_its_word),
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(what_cannot_be_listened_on_is_refused_with_its_reason),
		T(the_factorys_keys_are_taken_and_named),
		T(a_port_has_a_name_and_words_for_a_person),
		T(stopping_a_port_frees_its_name_at_once),
		T(all_endpoints_are_opened_or_none),
	};

	return cmocka_run_group_tests_name("endpoints", tests, NULL, NULL);
}
