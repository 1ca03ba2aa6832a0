/* flood_test.c: nobody floods the others (O4): the bucket, what waits, and who hangs up. */
#include "hall.h"

#include <errno.h>
#include <partyline/stats.h>
#include <partyline/transport_impl.h>
#include <stdio.h>
#include <string.h>

/* ann is guest1 and may say two lines a second, three at once; guest2 listens. */
static int slow_hall(void **state)
{
	pl_log_set_level(PL_LOG_ERROR);
	*state = hall_create(&(struct chat_options){
		.name = "hall", .motd = "", .rate = { .lines_per_s = 2, .burst = 3 } });
	hall_fill(*state, 2);
	return 0;
}

static void advance(struct hall *h, uint64_t ms)
{
	pl_world_advance(h->world, ms);
}

static uint64_t counted(struct hall *h, const char *what)
{
	return pl_counted(pl_world_reactor(h->world), what);
}

#define SLOWER "-- slower, please: 2 lines a second; the rest waits its turn --\n"

#define OR_DROPPED \
	"-- slower, please: 2 lines a second; the rest waits its turn or is dropped --\n"

static void a_burst_is_said_at_once_and_the_rest_in_its_turn(void **state)
{
	struct hall *h = *state;
	struct pl_mem_user *ann = h->people[0], *bob = h->people[1];

	pl_mem_user_type(ann, "1\n2\n3\n4\n5\n6\n");
	assert_reads(bob, "<guest1> 1\n<guest1> 2\n<guest1> 3\n");
	assert_reads(ann, SLOWER);
	advance(h, 499);
	assert_reads(bob, "");
	advance(h, 1);
	assert_reads(bob, "<guest1> 4\n");
	advance(h, 1000);
	assert_reads(bob, "<guest1> 5\n<guest1> 6\n");
	assert_reads(ann, "");
	assert_int_equal(counted(h, "lines: waited their turn"), 3);
}

static void order_is_kept_with_what_waits(void **state)
{
	struct hall *h = *state;
	struct pl_mem_user *ann = h->people[0], *bob = h->people[1];

	pl_mem_user_type(ann, "1\n2\n3\n4\n/me waves\n");
	advance(h, 400);
	pl_mem_user_type(ann, "5\n");
	advance(h, 2000);
	assert_reads(bob, "<guest1> 1\n<guest1> 2\n<guest1> 3\n<guest1> 4\n"
	                  "* guest1 waves\n<guest1> 5\n");
}

static void who_keeps_to_the_rate_never_waits(void **state)
{
	struct hall *h = *state;

	for (int i = 0; i < 100; i++) {
		pl_mem_user_type(h->people[0], "x\n");
		assert_reads(h->people[1], "<guest1> x\n");
		advance(h, 500);
	}
	assert_reads(h->people[0], "");
	assert_int_equal(counted(h, "lines: waited their turn"), 0);
}

static void the_flooder_is_told_once_and_again_after_a_rest(void **state)
{
	struct hall *h = *state;
	struct pl_mem_user *ann = h->people[0];

	for (int i = 0; i < 20; i++) {
		pl_mem_user_type(ann, "x\ny\n");
		advance(h, 500);
	}
	assert_reads(ann, SLOWER);
	advance(h, 20000);
	pl_mem_user_type(ann, "1\n2\n3\n4\n");
	assert_reads(ann, SLOWER);
}

static void empty_lines_cost_nothing(void **state)
{
	struct hall *h = *state;

	pl_mem_user_type(h->people[0], "\n \n\n\n\n\n1\n\n2\n\n3\n");
	assert_reads(h->people[1], "<guest1> 1\n<guest1> 2\n<guest1> 3\n");
	assert_reads(h->people[0], "");
}

static void exit_waits_for_nothing(void **state)
{
	struct hall *h = *state;
	struct pl_mem_user *ann = h->people[0];

	pl_mem_user_type(ann, "1\n2\n3\n4\n5\n/EXIT now\n6\n");
	assert_reads(ann, SLOWER "-- 2 lines of yours waited and will not be said --\n"
	                         "-- goodbye, guest1 --\n");
	assert_true(pl_mem_user_is_lost(ann));
	assert_reads(h->people[1], "<guest1> 1\n<guest1> 2\n<guest1> 3\n"
	                           "* guest1 has left (mem)\n");
	advance(h, 10000);
	assert_reads(h->people[1], "");
	assert_int_equal(counted(h, "lines: never said, their sender had gone"), 2);
}

/* Types so many numbered lines of 100 bytes. */
static void flood(struct pl_mem_user *u, int n)
{
	char line[102];

	for (int i = 1; i <= n; i++) {
		snprintf(line, sizeof line, "%-100d\n", i);
		pl_mem_user_send(u, line, 101);
	}
}

static void when_4_kib_wait_reading_pauses_and_nothing_is_lost(void **state)
{
	struct hall *h = *state;
	struct pl_mem_user *ann = h->people[0], *bob = h->people[1];
	const struct pl_transport *t = h->chat->people->line.protocol.transport;
	const char *at;
	char wanted[32];

	flood(ann, 200);
	assert_true(t->reading_paused);
	assert_in_range(counted(h, "lines: waited their turn"), 30, 41);
	advance(h, 1000 * 200 / 2);
	assert_false(t->reading_paused);
	at = pl_mem_user_screen(bob);
	for (int i = 1; i <= 200; i++) {
		snprintf(wanted, sizeof wanted, "<guest1> %d ", i);
		at = strstr(at, wanted);
		assert_non_null(at);
	}
	assert_int_equal(counted(h, "lines: dropped, too many at once"), 0);
}

static void datagrams_that_find_no_place_are_dropped_and_counted(void **state)
{
	struct hall *h = *state;
	struct pl_mem_user *ann = h->people[0];
	struct pl_transport *t = h->chat->people->line.protocol.transport;

	t->peer.datagrams = true;
	flood(ann, 200);
	assert_false(t->reading_paused);
	assert_reads(ann, OR_DROPPED "-- 1 line of yours was dropped --\n");
	assert_int_equal(counted(h, "lines: dropped, too many at once"), 200 - 3 - 40);
	advance(h, 4999);
	assert_reads(ann, "");
	advance(h, 1);
	assert_reads(ann, "-- 156 lines of yours were dropped --\n");
	advance(h, 15000);
	assert_reads(ann, "");
	pl_mem_user_clear(h->people[1]);
	pl_mem_user_type(ann, "again\n");
	advance(h, 1000);
	assert_reads(h->people[1], "<guest1> again\n");
}

/* Two lines a second are said, three come. */
static void who_goes_on_while_lines_are_dropped_reads_how_many(void **state)
{
	struct hall *h = *state;
	struct pl_mem_user *ann = h->people[0];
	unsigned told = 0, n;

	h->chat->people->line.protocol.transport->peer.datagrams = true;
	flood(ann, 100);
	for (int i = 0; i < 60; i++) {
		flood(ann, 3);
		advance(h, 1000);
	}
	for (const char *at = pl_mem_user_screen(ann); (at = strstr(at, "\n-- ")); at++)
		if (sscanf(at, "\n-- %u line", &n) == 1)
			told += n;
	assert_in_range(counted(h, "lines: dropped, too many at once") - told, 0, 15);
	flood(ann, 3);
	pl_mem_user_clear(ann);
	pl_mem_user_type(ann, "/exit\n");
	assert_non_null(strstr(pl_mem_user_screen(ann), " dropped --"));
	assert_non_null(
		strstr(pl_mem_user_screen(ann), " of yours waited and will not be said"));
	sscanf(pl_mem_user_screen(ann), "-- %u line", &n);
	assert_int_equal(told + n, counted(h, "lines: dropped, too many at once"));
}

static void who_has_hung_up_talks_on_for_30_s_at_most(void **state)
{
	struct hall *h = *state;
	struct pl_mem_user *ann = h->people[0], *bob = h->people[1];

	for (int i = 0; i < 500; i++)
		pl_mem_user_type(ann, "a\n");
	pl_mem_user_hang_up(ann);
	advance(h, 29999);
	assert_null(strstr(pl_mem_user_screen(bob), "has left"));
	advance(h, 501);
	assert_non_null(strstr(pl_mem_user_screen(bob), "* guest1 has left (mem)\r\n"));
	assert_int_equal(counted(h, "lines: never said, their sender had gone"),
	                 500 - 3 - 60);
}

static void who_floods_without_a_break_is_let_go_after_ten_minutes(void **state)
{
	struct hall *h = *state;
	struct pl_mem_user *ann = h->people[0], *bob = h->people[1];

	for (int i = 0; i < 10 * 60; i++) {
		pl_mem_user_type(ann, "a\nb\nc\n");
		advance(h, 1000);
	}
	assert_reads(ann, SLOWER);
	pl_mem_user_clear(bob);
	for (int i = 0; i < 10; i++) {
		pl_mem_user_type(ann, "a\nb\nc\n");
		advance(h, 1000);
	}
	assert_true(pl_mem_user_is_lost(ann));
	assert_non_null(strstr(pl_mem_user_screen(ann),
	                       "-- too much for too long; goodbye, guest1 --"));
	assert_non_null(strstr(pl_mem_user_screen(bob),
	                       "* guest1 has left (mem: too much said)\r\n"));
}

static void who_waits_when_the_server_stops_reads_how_much_was_not_said(void **state)
{
	struct hall *h = *state;

	pl_mem_user_type(h->people[0], "1\n2\n3\n4\n5\n");
	h->chat->factory.ops->stopping(&h->chat->factory);
	pl_world_settle(h->world);
	assert_reads(h->people[0],
	             SLOWER "-- 2 lines of yours waited and will not be said --\n"
	                    "-- the server is stopping, goodbye --\n");
}

static void who_hangs_up_is_said_to_the_end(void **state)
{
	struct hall *h = *state;
	struct pl_mem_user *ann = h->people[0], *bob = h->people[1];

	pl_mem_user_type(ann, "1\n2\n3\n4\n5\nhalf");
	pl_mem_user_hang_up(ann);
	assert_reads(bob, "<guest1> 1\n<guest1> 2\n<guest1> 3\n");
	advance(h, 1500);
	assert_reads(bob,
	             "<guest1> 4\n<guest1> 5\n<guest1> half\n* guest1 has left (mem)\n");
}

/* Not all that the wire holds of him: four KiB wait, and half a minute is two lines a
 * second.  What is not said is counted. */
static void who_hangs_up_behind_a_paused_flood_is_said_as_far_as_time_goes(void **state)
{
	struct hall *h = *state;
	struct pl_mem_user *ann = h->people[0], *bob = h->people[1];

	flood(ann, 60);
	pl_mem_user_type(ann, "the end");
	pl_mem_user_hang_up(ann);
	advance(h, 1000 * 61 / 2);
	assert_non_null(strstr(pl_mem_user_screen(bob), "<guest1> 60 "));
	assert_non_null(strstr(pl_mem_user_screen(bob),
	                       "<guest1> the end\r\n* guest1 has left (mem)\r\n"));
}

static void who_is_cut_off_leaves_at_once(void **state)
{
	struct hall *h = *state;

	pl_mem_user_type(h->people[0], "1\n2\n3\n4\n5\n");
	pl_abort(h->chat->people->line.protocol.transport, -ECONNRESET);
	pl_world_settle(h->world);
	assert_reads(h->people[1], "<guest1> 1\n<guest1> 2\n<guest1> 3\n"
	                           "* guest1 has left (mem: connection reset)\n");
	advance(h, 10000);
	assert_reads(h->people[1], "");
	assert_int_equal(counted(h, "lines: never said, their sender had gone"), 2);
}

static void an_endpoint_may_have_a_rate_of_its_own(void **state)
{
	struct hall *h = *state;
	struct pl_mem_user *fast, *slow;

	hall_listen(h, "mem:fast:rate=off");
	hall_listen(h, "mem:slow:rate=1/s,1");
	fast = hall_enter(h, "fast");
	slow = hall_enter(h, "slow");
	hall_fill(h, 0);
	flood(fast, 100);
	assert_reads(fast, "");
	pl_mem_user_clear(h->people[1]);
	pl_mem_user_clear(slow);
	pl_mem_user_type(slow, "1\n2\n");
	assert_reads(h->people[1], "<guest4> 1\n");
	assert_reads(slow,
	             "-- slower, please: 1 line a second; the rest waits its turn --\n");
}

static void rates_are_parsed(void **state)
{
	static const struct {
		const char *text;
		int code;
		unsigned lines_per_s, burst;
	} rows[] = {
		{ "5,20", 0, 5, 20 },
		{ "5/s,20", 0, 5, 20 },
		{ "5", 0, 5, 20 },
		{ "1000,1000", 0, 1000, 1000 },
		{ "1,1", 0, 1, 1 },
		{ "off", 0, 0, 0 },
		{ "7/s", 0, 7, 28 },
		{ "1000", 0, 1000, 4000 },
		{ "", -EINVAL, 9, 9 },
		{ "0,5", -EINVAL, 9, 9 },
		{ "5,0", -EINVAL, 9, 9 },
		{ "1001", -EINVAL, 9, 9 },
		{ "5,1001", -EINVAL, 9, 9 },
		{ "-1", -EINVAL, 9, 9 },
		{ "5,", -EINVAL, 9, 9 },
		{ "5,20,", -EINVAL, 9, 9 },
		{ "5;20", -EINVAL, 9, 9 },
		{ " 5", -EINVAL, 9, 9 },
		{ "5,+1", -EINVAL, 9, 9 },
		{ "offline", -EINVAL, 9, 9 },
		{ "99999999999999999999", -EINVAL, 9, 9 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct chat_rate rate = { 9, 9 };

		assert_int_equal(chat_rate_parse(rows[i].text, &rate), rows[i].code);
		assert_int_equal(rate.lines_per_s, rows[i].lines_per_s);
		assert_int_equal(rate.burst, rows[i].burst);
	}
}

static void a_wrong_rate_of_an_endpoint_is_a_sentence(void **state)
{
	struct hall *h = *state;
	struct pl_error err = { 0 };

	assert_null(pl_listen(pl_world_reactor(h->world), "mem:x:rate=fast",
	                      &h->chat->factory, &err));
	assert_string_equal(err.text, "mem:x:rate=fast: rate must be LINES/s[,BURST], each "
	                              "1..1000, as in 5,20, or off");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, slow_hall, hall_close)
	const struct CMUnitTest tests[] = {
		T(a_burst_is_said_at_once_and_the_rest_in_its_turn),
		T(order_is_kept_with_what_waits),
		T(who_keeps_to_the_rate_never_waits),
		T(the_flooder_is_told_once_and_again_after_a_rest),
		T(empty_lines_cost_nothing),
		T(exit_waits_for_nothing),
		T(when_4_kib_wait_reading_pauses_and_nothing_is_lost),
		T(datagrams_that_find_no_place_are_dropped_and_counted),
		T(who_hangs_up_is_said_to_the_end),
		T(who_goes_on_while_lines_are_dropped_reads_how_many),
		T(who_has_hung_up_talks_on_for_30_s_at_most),
		T(who_floods_without_a_break_is_let_go_after_ten_minutes),
		T(who_waits_when_the_server_stops_reads_how_much_was_not_said),
		T(who_hangs_up_behind_a_paused_flood_is_said_as_far_as_time_goes),
		T(who_is_cut_off_leaves_at_once),
		T(an_endpoint_may_have_a_rate_of_its_own),
		T(rates_are_parsed),
		T(a_wrong_rate_of_an_endpoint_is_a_sentence),
	};

	return cmocka_run_group_tests_name("flood", tests, NULL, NULL);
}
