/* checks_flow.c: who is slow: pausing, marks (promise 8), and closing in time. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <partyline/stats.h>

/* Enough to fill what the kernel holds for one connection, many times. */
enum { PLENTY = 64 * 1024 * 1024 };

/* --- pausing --------------------------------------------------------------------- */

static void no_data_comes_while_reading_is_paused(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);

	record_pause(c->record);
	send_text(c, "while paused");
	some_turns(b);
	advance(b, 1000);
	assert_int_equal(c->record->len, 0);
}

static void data_held_while_paused_is_delivered_after_resume(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);

	record_pause(c->record);
	send_text(c, "while paused");
	some_turns(b);
	assert_int_equal(c->record->len, 0);
	record_resume(c->record);
	UNTIL(b, c->record->len == 12);
	assert_string_equal(record_log(c->record), "made; data \"while paused\"");
}

static void reading_goes_on_after_resume(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);

	for (size_t i = 1; i <= 20; i++) {
		record_pause(c->record);
		turn(b);
		record_resume(c->record);
		send_text(c, "x");
		UNTIL(b, c->record->len == i);
	}
	record_print(c->record, "and writing");
	UNTIL(b, c->len == 11);
}

static void pause_on_data(struct record *rec, const char *data, size_t len)
{
	(void)data;
	(void)len;
	record_pause(rec);
}

static void pausing_inside_data_received_holds_the_rest(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);
	size_t sent = 0, got;

	c->record->hooks.data = pause_on_data;
	while (sent < 60000) {
		char piece[1000];

		for (size_t i = 0; i < sizeof(piece); i++)
			piece[i] = pattern(sent + i);
		ssize_t n = b->subject->send(c, piece, sizeof(piece));

		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	for (int rounds = 0; c->record->len < sent; rounds++) {
		size_t before = c->record->len;

		assert_in_range(rounds, 0, PATIENCE);
		UNTIL(b, c->record->len > before);
		got = c->record->len;
		some_turns(b);
		assert_int_equal(c->record->len, got);
		record_resume(c->record);
	}
	assert_int_equal(pattern_ends(c->record->data, 0, sent), sent);
}

/* --- promise 8: marks ------------------------------------------------------------ */

static const struct pl_marks small_marks = { .low = 4096, .high = 16384, .hard = 65536 };
static const struct pl_marks lossy_marks = {
	.low = 4096, .high = 16384, .hard = 65536, .lossy = true
};
static const struct pl_marks patient_marks = {
	.low = 4096, .high = 16384, .hard = 1 << 20, .age_ms = 60000
};
static const struct pl_marks wide_marks = { .low = 4096, .high = 16384, .hard = 1 << 20 };

/* Writes to a peer that does not read until the queue is above high.  What was written. */
static size_t fill(struct client *c, const struct pl_marks *marks)
{
	size_t written = 0;

	record_set_marks(c->record, marks);
	be_deaf(c, true);
	while (c->record->pauses == 0) {
		assert_in_range(written, 0, PLENTY);
		assert_false(c->record->lost);
		write_pattern(c->record, written, 8000);
		written += 8000;
		turn(c->bench);
	}
	return written;
}

static void the_high_mark_pauses_once_and_the_low_mark_resumes_once(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);
	size_t written = fill(c, &wide_marks);

	assert_true(record_queued(c->record) > wide_marks.high);
	for (int i = 0; i < 10; i++, written += 8000) {
		write_pattern(c->record, written, 8000);
		turn(b);
	}
	assert_int_equal(c->record->pauses, 1);
	assert_int_equal(c->record->resumes, 0);
	be_deaf(c, false);
	UNTIL(b, c->record->resumes == 1);
	assert_true(record_queued(c->record) <= wide_marks.low);
	UNTIL(b, c->len == written);
	some_turns(b);
	assert_int_equal(c->record->pauses, 1);
	assert_int_equal(c->record->resumes, 1);
	assert_int_equal(pattern_ends(c->data, 0, written), written);
}

static void the_hard_mark_ends_the_connection(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);
	size_t written = 0;

	record_set_marks(c->record, &small_marks);
	be_deaf(c, true);
	while (!c->record->lost) {
		assert_in_range(written, 0, PLENTY);
		write_pattern(c->record, 0, 8000);
		written += 8000;
		assert_true(record_queued(c->record) <= small_marks.hard);
		turn(b);
	}
	assert_string_equal(record_log(c->record), "made; pause; lost -105");
	assert_int_equal(pl_counted(b->reactor, "connections: ended, too much unread"), 1);
	assert_int_equal(pl_counted(b->reactor, "connections: ended by an error"), 0);
}

/* Units of 1000 bytes that begin with their number. */
static void write_numbered(struct record *rec, unsigned number)
{
	char unit[1001];

	snprintf(unit, sizeof(unit), "%08u%0992d", number, 0);
	record_write(rec, unit, 1000);
}

static void the_hard_mark_drops_whole_units_where_marks_are_lossy(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);
	unsigned written = 0;
	size_t dropped;
	long last = -1;

	record_set_marks(c->record, &lossy_marks);
	be_deaf(c, true);
	while (pl_dropped(c->record->transport) < 100) {
		assert_in_range(written, 0, PLENTY / 1000);
		for (int i = 0; i < 8; i++)
			write_numbered(c->record, written++);
		turn(b);
		assert_false(c->record->lost);
	}
	dropped = pl_dropped(c->record->transport);
	be_deaf(c, false);
	UNTIL(b, c->len >= (written - dropped) * 1000);
	some_turns(b);
	assert_int_equal(c->len, (written - dropped) * 1000);
	assert_int_equal(pl_counted(b->reactor, "lines: lost, the queue was full"),
	                 dropped);
	for (size_t at = 0; at < c->len; at += 1000) {
		char number[9] = "";

		memcpy(number, c->data + at, 8);
		assert_int_equal(strspn(number, "0123456789"), 8);
		assert_true(atol(number) > last);
		last = atol(number);
	}
}

static void a_peer_behind_for_longer_than_age_is_lost(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);

	fill(c, &patient_marks);
	advance(b, 59000);
	assert_false(c->record->lost);
	advance(b, 2000);
	assert_string_equal(record_log(c->record), "made; pause; lost -110");
	assert_int_equal(pl_counted(b->reactor, "connections: ended, unread for too long"),
	                 1);
	assert_int_equal(pl_counted(b->reactor, "connections: ended by an error"), 0);
}

static void a_peer_that_catches_up_in_time_is_kept(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);

	fill(c, &patient_marks);
	advance(b, 50000);
	be_deaf(c, false);
	UNTIL(b, c->record->resumes == 1);
	advance(b, 600000);
	assert_string_equal(record_log(c->record), "made; pause; resume");
}

/* --- closing takes no longer than it should -------------------------------------- */

static void a_peer_that_takes_nothing_is_let_go_after_five_seconds(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);

	fill(c, &wide_marks);
	record_lose(c->record);
	advance(b, 4500);
	assert_false(c->record->lost);
	advance(b, 1000);
	assert_string_equal(record_log(c->record), "made; pause; lost -110");
}

static void a_peer_that_does_not_close_is_let_go_after_a_second(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);

	record_print(c->record, "bye");
	record_lose(c->record);
	UNTIL(b, c->len == 3);
	advance(b, 1500);
	assert_string_equal(record_log(c->record), "made; lost 0");
}

static const struct CMUnitTest list[] = {
	CHECK(no_data_comes_while_reading_is_paused),
	CHECK(data_held_while_paused_is_delivered_after_resume),
	CHECK(reading_goes_on_after_resume),
	CHECK(pausing_inside_data_received_holds_the_rest),
	CHECK(the_high_mark_pauses_once_and_the_low_mark_resumes_once),
	CHECK(the_hard_mark_ends_the_connection),
	CHECK(the_hard_mark_drops_whole_units_where_marks_are_lossy),
	CHECK(a_peer_behind_for_longer_than_age_is_lost),
	CHECK(a_peer_that_catches_up_in_time_is_kept),
	CHECK(a_peer_that_takes_nothing_is_let_go_after_five_seconds),
	CHECK(a_peer_that_does_not_close_is_let_go_after_a_second),
};

const struct checks checks_of_flow = { list, sizeof(list) / sizeof(list[0]) };
