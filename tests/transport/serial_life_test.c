#define _GNU_SOURCE /* posix_openpt() */
/* serial_life_test.c: serial lines in real life: openings and closings that hang or fail,
 * adapters that come back, and what is counted of all that.
 *
 * ptymodem.c plays what takes hardware. */
#include "street.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <partyline/stats.h>
#include <partyline/testing.h>

#include "cmocka_all.h"
#include "ptymodem.h"

#define OPENED "serial: devices opened"
#define REOPENED "serial: devices reopened"
#define GONE "serial: devices gone"
#define FAILED "serial: openings that failed"
#define REFUSED "serial: sessions refused"
#define WASTED "serial: bytes that joined nobody"

#define assert_counted(what, n) assert_int_equal(pl_counted(reactor, what), n)

/* --- what hangs in the kernel (S3) ---------------------------------------------------------- */

static bool is_waiting(void *arg)
{
	(void)arg;
	return ptymodem_waiting() > 0;
}

/* A second line of the same server, which must not notice. */
static void listen_on(struct pl_reactor *r, const struct cable *c)
{
	struct pl_error err = { .text = "" };
	char text[100];

	snprintf(text, sizeof(text), "serial:%s", c->name);
	records_listen(&people, r, text, &err);
	assert_string_equal(err.text, "");
}

static void an_opening_that_hangs_holds_up_nobody_else(void **state)
{
	struct pl_reactor *r = pl_reactor_create(NULL);
	struct cable other;

	(void)state;
	assert_non_null(r);
	make_cable(&other);
	plug(&cable);
	ptymodem_hold_opening(cable.name);
	assert_non_null(listen_in_earnest(r, ""));
	assert_true(turn_until(r, is_waiting, NULL));
	listen_on(r, &other);
	assert_true(turn_until(r, is_invited, &other));
	assert_false(is_open(&cable));
	ptymodem_release();
	assert_true(turn_until(r, is_invited, &cable));
	pl_reactor_destroy(r);
	assert_true(is_given_back(&cable));
	cut(&other);
}

static void the_end_does_not_wait_for_an_opening_that_hangs(void **state)
{
	struct pl_reactor *r = pl_reactor_create(NULL);

	(void)state;
	assert_non_null(r);
	plug(&cable);
	ptymodem_hold_opening(cable.name);
	assert_non_null(listen_in_earnest(r, ""));
	assert_true(turn_until(r, is_waiting, NULL));
	pl_reactor_destroy(r);
	assert_int_equal(ptymodem_waiting(), 1);
	ptymodem_release();
	assert_true(is_given_back(&cable));
}

/* As a CDC-ACM adapter does it for 31 s (WIRES 5).  The adapter is back meanwhile, behind
 * the same link and under another number. */
static void a_close_that_hangs_holds_up_its_own_line_alone(void **state)
{
	struct pl_reactor *r = pl_reactor_create(NULL);
	struct cable other, old;

	(void)state;
	assert_non_null(r);
	make_cable(&other);
	plug(&cable);
	ptymodem_hold_closing(cable.name);
	assert_non_null(listen_in_earnest(r, ""));
	assert_true(turn_until(r, is_invited, &cable));
	old = cable;
	assert_int_equal(unlink(device), 0);
	close(old.master);
	assert_true(turn_until(r, is_waiting, NULL));
	plug(&cable);
	assert_string_not_equal(cable.name, old.name);
	listen_on(r, &other);
	assert_true(turn_until(r, is_invited, &other));
	for (int i = 0; i < 700; i++) /* more than a try of it */
		pl_reactor_turn(r, 1);
	assert_false(is_open(&cable));
	ptymodem_release();
	close(old.tty);
	assert_true(turn_until(r, is_invited, &cable));
	pl_reactor_destroy(r);
	assert_true(is_given_back(&cable));
	cut(&other);
}

static void the_end_does_not_wait_for_a_close_that_hangs(void **state)
{
	struct pl_reactor *r = pl_reactor_create(NULL);

	(void)state;
	assert_non_null(r);
	plug(&cable);
	ptymodem_hold_closing(cable.name);
	assert_non_null(listen_in_earnest(r, ""));
	assert_true(turn_until(r, is_invited, &cable));
	pl_reactor_destroy(r);
	for (int i = 0; i < PATIENCE_MS && !ptymodem_waiting(); i++)
		poll(NULL, 0, 1);
	assert_int_equal(ptymodem_waiting(), 1);
	ptymodem_release();
	assert_true(is_given_back(&cable));
}

/* By VID:PID, and its old number is still taken, because the close hangs (S2). */
static void an_adapter_comes_back_under_another_number_while_the_old_one_closes(void **state)
{
	struct pl_reactor *r = pl_reactor_create(NULL);
	struct pl_endpoint *ep;
	struct pl_port *port;
	struct cable old;

	(void)state;
	assert_non_null(r);
	make_cable(&cable);
	ptymodem_hold_closing(cable.name);
	usbtree_plug(&tree, "ttyUSB0", "0403:6001:A1", cable.name);
	ep = pl_endpoint_parse("serial:0403:6001:A1", NULL);
	assert_int_equal(pl_serial_listen(r, ep, &people.factory, &roots, &port, NULL), 0);
	pl_endpoint_unref(ep);
	assert_true(turn_until(r, is_invited, &cable));
	old = cable;
	usbtree_unplug(&tree, "ttyUSB0");
	close(old.master);
	assert_true(turn_until(r, is_waiting, NULL));
	make_cable(&cable);
	usbtree_plug(&tree, "ttyUSB1", "0403:6001:A1", cable.name);
	ptymodem_release();
	close(old.tty);
	assert_true(turn_until(r, is_invited, &cable));
	pl_reactor_destroy(r);
	assert_true(is_given_back(&cable));
}

/* --- openings that fail (WIRES 6) ------------------------------------------------------------ */

static void swap(int *a, int *b)
{
	const int was = *a;

	*a = *b;
	*b = was;
}

/* The device's openings fail in this order, then it is there. */
static void open_after(const int *errnos, size_t n, bool before_unplugged)
{
	struct pl_port *port;

	plug(&cable);
	if (before_unplugged) {
		port = listen_on_device("");
		unplug(&cable);
		pl_world_advance(world, 1);
		plug(&cable);
		ptymodem_plan(cable.name, errnos, n);
	} else {
		ptymodem_plan(cable.name, errnos, n);
		port = listen_on_device("");
	}
	pl_world_advance(world, 2000 * n + 2000);
	if (!is_open(&cable))
		print_message("not open after %s, %s ...\n", strerror(errnos[0]),
		              strerror(errnos[n - 1]));
	assert_string_equal(screen(&cable), INVITATION);
	join(&cable);
	pl_port_stop(port);
	record_abort(records_newest(&people), 0);
	pl_world_settle(world);
	unplug(&cable);
	pl_world_settle(world);
}

static void every_order(const int *errnos, size_t n, bool before_unplugged)
{
	int plan[8];

	log_begin();
	open_after(errnos, n, before_unplugged);
	/* Gone is the news then, and all that follows belongs to it. */
	assert_int_equal(log_count("warning: "), 1);
	assert_int_equal(log_count("trying again"), before_unplugged ? 0 : 1);
	log_end();
	for (size_t i = 0; i < n; i++) /* each of them twice */
		plan[2 * i] = plan[2 * i + 1] = errnos[i];
	log_begin();
	open_after(plan, 2 * n, before_unplugged);
	assert_int_equal(log_count("warning: "), 1);
	log_end();
}

static void permute(int *errnos, size_t k, size_t n, bool before_unplugged)
{
	if (k == n) {
		every_order(errnos, n, before_unplugged);
		return;
	}
	for (size_t i = k; i < n; i++) {
		swap(&errnos[k], &errnos[i]);
		permute(errnos, k + 1, n, before_unplugged);
		swap(&errnos[k], &errnos[i]);
	}
}

static void errors_before_it_opens_are_told_once_in_every_order(void **state)
{
	int errnos[] = { EIO, EACCES, ENODEV };
	int more[] = { ENOENT, EIO, EACCES, ENODEV };

	(void)state;
	permute(errnos, 0, 3, false);
	permute(errnos, 0, 3, true);
	permute(more, 0, 4, true);
	assert_true(pl_counted(reactor, FAILED) > 100);
}

static void one_error_alone_is_not_told(void **state)
{
	static const int errnos[] = { EIO, EACCES, ENODEV, ENOENT, EBUSY };

	(void)state;
	for (size_t i = 0; i < sizeof(errnos) / sizeof(errnos[0]); i++) {
		log_begin();
		open_after(&errnos[i], 1, false);
		assert_int_equal(log_count("warning: "), 0);
		log_end();
	}
}

/* --- what is counted -------------------------------------------------------------------------- */

static void coming_and_going_is_counted(void **state)
{
	const int errnos[] = { EIO, ENODEV };

	(void)state;
	plug(&cable);
	ptymodem_plan(cable.name, errnos, 2);
	listen_on_device("");
	pl_world_advance(world, 2000);
	assert_counted(FAILED, 2);
	assert_counted(OPENED, 1);
	join(&cable);
	unplug(&cable);
	pl_world_advance(world, 1400); /* two more tries */
	assert_counted(GONE, 1);
	assert_counted(FAILED, 4);
	plug(&cable);
	pl_world_advance(world, 1000);
	assert_counted(OPENED, 1);
	assert_counted(REOPENED, 1);
	people.refuse = true;
	type(&cable, "\r");
	pl_world_advance(world, 1000);
	assert_counted(REFUSED, 1);
	assert_counted(WASTED, 0);
}

static void adapters_that_sysfs_has_no_more_are_counted_as_gone(void **state)
{
	struct pl_error err;

	(void)state;
	make_cable(&cable);
	usbtree_plug(&tree, "ttyUSB0", "0403:6001", cable.name);
	assert_non_null(listen_with("auto", &err));
	pl_world_advance(world, 1);
	assert_counted(OPENED, 1);
	usbtree_unplug(&tree, "ttyUSB0");
	pl_world_advance(world, 1001);
	assert_counted(GONE, 1);
}

static void lines_that_a_slow_line_loses_are_counted(void **state)
{
	struct record *rec;
	char line[1000];
	size_t lost;

	(void)state;
	memset(line, 'x', sizeof(line));
	plug(&cable);
	listen_on_device(":baudrate=1200");
	rec = join(&cable);
	for (int i = 0; i < 300; i++) {
		record_write(rec, line, sizeof(line));
		pl_world_settle(world);
	}
	lost = pl_dropped(rec->transport);
	assert_true(lost > 10);
	assert_counted("lines: lost, the queue was full", lost);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(an_opening_that_hangs_holds_up_nobody_else),
		TEST(the_end_does_not_wait_for_an_opening_that_hangs),
		TEST(a_close_that_hangs_holds_up_its_own_line_alone),
		TEST(the_end_does_not_wait_for_a_close_that_hangs),
		TEST(an_adapter_comes_back_under_another_number_while_the_old_one_closes),
		TEST(errors_before_it_opens_are_told_once_in_every_order),
		TEST(one_error_alone_is_not_told),
		TEST(coming_and_going_is_counted),
		TEST(adapters_that_sysfs_has_no_more_are_counted_as_gone),
		TEST(lines_that_a_slow_line_loses_are_counted),
	};

	return cmocka_run_group_tests(tests, count_threads, NULL);
}
