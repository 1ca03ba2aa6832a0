/* descriptors_test.c: no more descriptors.
 *
 * What opens several is tried with none, one, two ... to be had, until it succeeds: each
 * failure is a sentence and leaves nothing open.  What a running server does when they run
 * out is in unit/stream_test.c; here, that those who are there notice nothing. */
#include "cmocka_all.h"
#include "loopback.h"
#include "recorder.h"
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <partyline/transport_impl.h>

/* Allows so many descriptors more than there are; what the limit was before. */
static rlim_t allow_more(rlim_t n)
{
	struct rlimit limit;
	rlim_t before;
	int next = dup(0);

	close(next);
	getrlimit(RLIMIT_NOFILE, &limit);
	before = limit.rlim_cur;
	limit.rlim_cur = (rlim_t)next + n;
	setrlimit(RLIMIT_NOFILE, &limit);
	return before;
}

static void allow(rlim_t n)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = n;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void a_reactor_that_finds_none_is_not_made(void **state)
{
	struct pl_reactor *r = NULL;
	int before = open_descriptors(), code;

	(void)state;
	for (rlim_t n = 0; !r; n++) {
		rlim_t limit = allow_more(n);

		assert_in_range(n, 0, 20);
		errno = 0;
		r = pl_reactor_create(NULL);
		code = errno;
		allow(limit);
		if (!r) {
			assert_int_equal(code, EMFILE);
			assert_int_equal(open_descriptors(), before);
		}
	}
	pl_reactor_destroy(r);
	assert_int_equal(open_descriptors(), before);
}

static void listening_says_so_and_leaves_nothing_open(void **state)
{
	char unix_endpoint[100], pty_endpoint[100];
	const char *endpoints[] = { "tcp:0", "udp:0", unix_endpoint, pty_endpoint };

	(void)state;
	snprintf(unix_endpoint, sizeof(unix_endpoint), "unix:/tmp/partyline-%ld.none",
	         (long)getpid());
	snprintf(pty_endpoint, sizeof(pty_endpoint), "pty:/tmp/partyline-%ld.tty",
	         (long)getpid());
	for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
		struct pl_world *w = pl_world_create(1);
		struct records records;
		struct pl_port *port = NULL;
		struct pl_error err;
		int before = open_descriptors();
		rlim_t n;

		records_init(&records, NULL);
		for (n = 0; !port; n++) {
			rlim_t limit = allow_more(n);

			assert_in_range(n, 0, 20);
			memset(&err, 0, sizeof(err));
			port = records_listen(&records, pl_world_reactor(w), endpoints[i],
			                      &err);
			allow(limit);
			if (port)
				break;
			assert_int_equal(err.code, -EMFILE);
			assert_int_equal(strncmp(err.text, endpoints[i],
			                         strlen(endpoints[i])),
			                 0);
			assert_int_equal(open_descriptors(), before);
		}
		assert_true(n > 0);
		pl_world_destroy(w);
		records_finish(&records);
	}
}

static void some_turns(struct pl_world *w)
{
	for (int i = 0; i < 20; i++)
		world_turn(w, 1);
}

static void who_is_there_talks_on_and_who_comes_later_is_let_in(void **state)
{
	struct pl_world *w = pl_world_create(1);
	struct records records;
	struct pl_port *port;
	char text[200] = "";
	int first, second, third;
	rlim_t limit;

	(void)state;
	records_init(&records, NULL);
	port = records_listen(&records, pl_world_reactor(w), "tcp:0:interface=127.0.0.1",
	                      NULL);
	first = loopback_connect(pl_port_name(port));
	some_turns(w);
	assert_int_equal(records.count, 1);

	second = loopback_connect(pl_port_name(port));
	limit = allow_more(0);
	some_turns(w);
	assert_int_equal(write(first, "still here", 10), 10);
	some_turns(w);
	allow(limit);
	assert_int_equal(records.count, 1);
	assert_string_equal(record_log(records_at(&records, 0)),
	                    "made; data \"still here\"");
	assert_true(read(second, text, sizeof(text)) > 0); /* turned away, with a sentence */

	close(second);
	third = loopback_connect(pl_port_name(port));
	pl_world_advance(w, 100); /* accepting has rested */
	some_turns(w);
	assert_int_equal(records.count, 2);
	records_check(&records);
	pl_world_destroy(w);
	records_finish(&records);
	close(first);
	close(third);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reactor_that_finds_none_is_not_made),
		cmocka_unit_test(listening_says_so_and_leaves_nothing_open),
		cmocka_unit_test(who_is_there_talks_on_and_who_comes_later_is_let_in),
	};

	return cmocka_run_group_tests_name("descriptors", tests, NULL, NULL);
}
