/* serial_noise_test.c: serial lines that do not work well: errors on the line, a wrong
 * speed, modems, output that is stuck; what is counted of it, and what is logged once.
 *
 * ptymodem.c plays what takes hardware. */
#include "street.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <partyline/stats.h>
#include <partyline/testing.h>

#include "cmocka_all.h"
#include "ptymodem.h"

#define WASTED "serial: bytes that joined nobody"
#define STALLED "serial: lines that stalled"
#define RESTARTED "serial: output that was stuck, restarted"
#define HINT "what comes is not text: is 115200 baud right?"

#define assert_counted(what, n) assert_int_equal(pl_counted(reactor, what), n)

/* --- errors on the line (S15) ------------------------------------------------------------------ */

static void set_errors(int framing, int parity, int overruns, int breaks)
{
	ptymodem_framing = framing;
	ptymodem_parity = parity;
	ptymodem_overruns = overruns;
	ptymodem_buffer_overruns = overruns;
	ptymodem_breaks = breaks;
}

static void assert_errors(unsigned framing, unsigned parity, unsigned overruns,
                          unsigned breaks)
{
	assert_counted("serial: framing errors", framing);
	assert_counted("serial: parity errors", parity);
	assert_counted("serial: overruns", overruns);
	assert_counted("serial: breaks", breaks);
}

static void errors_are_counted_from_the_opening_on(void **state)
{
	static const char *const options[] = { "", ":carrier=yes" };
	struct pl_port *port;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		set_errors(1000, 1000, 1000, 1000); /* of somebody before us */
		plug(&cable);
		port = listen_on_device(options[i]);
		pl_world_advance(world, 20000);
		assert_errors(3 * i, 3 * i, 8 * i, 6 * i);
		set_errors(1001, 1002, 1003, 1004);
		pl_world_advance(world, i ? 1000 : 10000);
		assert_errors(1 + 3 * i, 2 + 3 * i, 6 + 8 * i, 4 + 6 * i);
		set_errors(2, 1, 1, 2); /* it has begun anew */
		pl_world_advance(world, 10000);
		set_errors(4, 2, 2, 4);
		pl_world_advance(world, 10000);
		assert_errors(3 * i + 3, 3 * i + 3, 8 * i + 8, 6 * i + 6);
		pl_port_stop(port);
		pl_world_settle(world);
		unplug(&cable);
	}
}

static void errors_are_looked_at_once_more_before_closing(void **state)
{
	struct pl_port *port;

	(void)state;
	plug(&cable);
	port = listen_on_device("");
	set_errors(1, 2, 3, 4);
	pl_port_stop(port);
	pl_world_settle(world);
	assert_errors(1, 2, 6, 4);
}

static void where_the_driver_does_not_tell_nothing_is_counted(void **state)
{
	(void)state;
	ptymodem_off = true;
	set_errors(10, 10, 10, 10);
	plug(&cable);
	listen_on_device("");
	pl_world_advance(world, 60000);
	assert_errors(0, 0, 0, 0);
	join(&cable);
}

static void framing_errors_hint_at_the_speed_once_for_each_opening(void **state)
{
	int errors = 0;

	(void)state;
	log_begin();
	plug(&cable);
	listen_on_device("");
	for (unsigned opening = 1; opening <= 2; opening++) {
		set_errors(++errors, 0, 0, 0); /* a plug that is plugged in */
		pl_world_advance(world, 10000);
		assert_int_equal(log_count(HINT), opening - 1);
		for (int i = 0; i < 10; i++) {
			set_errors(errors += 100, 0, 0, 0);
			pl_world_advance(world, 10000);
		}
		assert_int_equal(log_count(HINT), opening);
		unplug(&cable);
		pl_world_advance(world, 1000);
		plug(&cable);
		pl_world_advance(world, 1000);
	}
	assert_int_equal(log_count(": is 115200"), 2);
}

/* --- noise, and modems (S10) ---------------------------------------------------------------------- */

static void noise_hints_at_the_speed_once_for_each_opening(void **state)
{
	static const char noise[] = "\xf8\x80\xfe\x1c xyz\r";

	(void)state;
	log_begin();
	plug(&cable);
	listen_on_device("");
	for (unsigned opening = 1; opening <= 2; opening++) {
		for (int i = 0; i < 100; i++) {
			send_bytes(&cable, noise, sizeof(noise) - 1);
			pl_world_advance(world, 100);
		}
		assert_int_equal(log_count(HINT), opening);
		assert_counted(WASTED, opening * 100 * (sizeof(noise) - 1));
		assert_string_equal(screen(&cable), INVITATION);
		unplug(&cable);
		pl_world_advance(world, 1000);
		plug(&cable);
		pl_world_advance(world, 1000);
	}
	assert_int_equal(people.count, 0);
}

static void end_at_modem_command(struct record *rec, const char *data, size_t len)
{
	(void)len;
	if (strncmp(data, "AT", 2) == 0)
		record_abort(rec, -EPROTO); /* as the line layer does */
}

/* WIRES 4: minicom up to 2.5, with a second for each ~, from which a session begins that
 * its AT command ends. */
static void a_modem_string_is_one_session_that_says_nothing(void **state)
{
	struct record *rec;

	(void)state;
	plug(&cable);
	listen_on_device("");
	people.hooks.data = end_at_modem_command;
	pl_world_advance(world, 1000);
	type(&cable, "\r");
	pl_world_advance(world, 1000);
	type(&cable, "AT S7=45 S0=0 L1 V1 X4 &c1 E1 Q0\r");
	for (int i = 0; i < 3; i++) {
		pl_world_advance(world, 1000);
		type(&cable, "\r");
	}
	pl_world_advance(world, 1000);
	assert_int_equal(people.count, 1);
	assert_int_equal(records_alive(&people), 0);
	assert_string_equal(screen(&cable), INVITATION INVITATION);
	assert_counted(WASTED, 3);
	pl_world_advance(world, 2000);
	rec = join(&cable);
	type(&cable, "hello\r");
	assert_string_equal(record_log(rec), "made; data \"hello\\r\"");
}

/* --- output that is stuck (S5, S6) ------------------------------------------------------------------ */

static void write_lines(struct record *rec, int n)
{
	char line[200];

	memset(line, 'x', sizeof(line));
	memcpy(line + sizeof(line) - 2, "\r\n", 2);
	for (int i = 0; i < n; i++) {
		record_write(rec, line, sizeof(line));
		pl_world_settle(world);
	}
}

static void an_xoff_that_stays_is_taken_back_after_a_minute(void **state)
{
	struct record *rec;

	(void)state;
	log_begin();
	plug(&cable);
	listen_on_device(":xonxoff=yes");
	rec = join(&cable);
	clear(&cable);
	assert_int_equal(write(cable.master, "\023", 1), 1);
	pl_world_advance(world, 10);
	for (int i = 0; i < PATIENCE_MS && record_queued(rec) == 0; i++) {
		record_print(rec, "is there anybody?\r\n");
		pl_world_settle(world);
	}
	assert_true(record_queued(rec) > 0);
	pl_world_advance(world, 58000);
	assert_counted(RESTARTED, 0);
	assert_true(record_queued(rec) > 0);
	pl_world_advance(world, 15000);
	assert_counted(RESTARTED, 1);
	assert_int_equal(record_queued(rec), 0);
	assert_non_null(strstr(screen(&cable), "is there anybody?\r\n"));
	assert_int_equal(log_count("flow control"), 0);
	/* Flow control is still on: the next ^S counts as well. */
	assert_int_equal(write(cable.master, "\023", 1), 1);
	pl_world_advance(world, 10);
	for (int i = 0; i < PATIENCE_MS && record_queued(rec) == 0; i++) {
		record_print(rec, "and now?\r\n");
		pl_world_settle(world);
	}
	pl_world_advance(world, 80000);
	assert_counted(RESTARTED, 2);
	assert_int_equal(records_alive(&people), 1);
}

/* The adapter itself has stopped, or ^S comes again and again: then it is the operator's. */
static void an_xoff_is_taken_back_once(void **state)
{
	struct record *rec;

	(void)state;
	log_begin();
	plug(&cable);
	listen_on_device(":xonxoff=yes");
	rec = join(&cable);
	write_lines(rec, 1000); /* nobody reads */
	assert_true(record_queued(rec) > 0);
	pl_world_advance(world, 75000);
	assert_counted(RESTARTED, 1);
	assert_counted(STALLED, 0);
	pl_world_advance(world, 600000);
	assert_counted(RESTARTED, 1);
	assert_counted(STALLED, 1);
	assert_int_equal(log_count(" takes nothing since 60 s: flow control?"), 1);
	assert_int_equal(records_alive(&people), 1);
}

static void who_stops_output_for_less_is_left_alone(void **state)
{
	struct record *rec;

	(void)state;
	plug(&cable);
	listen_on_device(":xonxoff=yes");
	rec = join(&cable);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(write(cable.master, "\023", 1), 1);
		pl_world_advance(world, 10);
		record_print(rec, "hello\r\n");
		pl_world_advance(world, 40000);
		assert_int_equal(write(cable.master, "\021", 1), 1);
		pl_world_advance(world, 10);
	}
	assert_counted(RESTARTED, 0);
	assert_counted(STALLED, 0);
}

/* RTS/CTS, or a device that just does not take it: nobody else is held up. */
static void a_line_that_takes_nothing_is_told_once_and_holds_up_nobody(void **state)
{
	struct record *stuck, *other;
	struct cable second;
	struct pl_error err;

	(void)state;
	log_begin();
	make_cable(&second);
	plug(&cable);
	listen_on_device(":rtscts=yes");
	assert_non_null(listen_with(second.name, &err));
	pl_world_advance(world, 1);
	stuck = join(&cable);
	other = join(&second);
	write_lines(stuck, 1000);
	assert_true(record_queued(stuck) > 10000);
	for (int minute = 0; minute < 10; minute++) {
		clear(&second);
		record_print(other, "good morning\r\n");
		assert_string_equal(screen(&second), "good morning\r\n");
		type(&second, "x");
		pl_world_advance(world, 60000);
	}
	assert_int_equal(other->len, 10);
	assert_counted(STALLED, 1);
	assert_counted(RESTARTED, 0);
	assert_int_equal(log_count(" takes nothing since 60 s: flow control?"), 1);
	assert_int_equal(records_alive(&people), 2);
	/* It reads, and stops again: counted, and told before. */
	while (record_queued(stuck) > 0) {
		assert_true(ready(cable.master));
		assert_true(read(cable.master, cable.screen, sizeof(cable.screen)) > 0);
		pl_world_settle(world);
	}
	pl_world_advance(world, 30000);
	write_lines(stuck, 1000);
	pl_world_advance(world, 100000);
	assert_counted(STALLED, 2);
	assert_int_equal(log_count(" takes nothing since 60 s: flow control?"), 1);
	cut(&second);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(errors_are_counted_from_the_opening_on),
		TEST(errors_are_looked_at_once_more_before_closing),
		TEST(where_the_driver_does_not_tell_nothing_is_counted),
		TEST(framing_errors_hint_at_the_speed_once_for_each_opening),
		TEST(noise_hints_at_the_speed_once_for_each_opening),
		TEST(a_modem_string_is_one_session_that_says_nothing),
		TEST(an_xoff_that_stays_is_taken_back_after_a_minute),
		TEST(an_xoff_is_taken_back_once),
		TEST(who_stops_output_for_less_is_left_alone),
		TEST(a_line_that_takes_nothing_is_told_once_and_holds_up_nobody),
	};

	return cmocka_run_group_tests(tests, count_threads, NULL);
}
