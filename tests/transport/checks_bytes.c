/* checks_bytes.c: every byte once and in order, and what comes last: promises 3 to 6. */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* --- promises 3 and 5: every byte once, in order --------------------------------- */

static void all_bytes_arrive_intact_from_the_peer(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);
	char all[256];

	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	send_some(c, all, sizeof(all));
	UNTIL(b, c->record->len == sizeof(all));
	assert_memory_equal(c->record->data, all, sizeof(all));
}

static void all_bytes_arrive_intact_at_the_peer(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);
	char all[256];

	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	record_write(c->record, all, sizeof(all));
	UNTIL(b, c->len == sizeof(all));
	assert_memory_equal(c->data, all, sizeof(all));
}

static void order_is_kept_from_the_peer(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);
	size_t bulk = b->subject->bulk;

	send_pattern(c, 0, bulk);
	UNTIL(b, c->record->len == bulk);
	assert_int_equal(pattern_ends(c->record->data, 0, bulk), bulk);
}

/* Writes as a well-behaved protocol does: not while it is paused. */
static void order_is_kept_to_the_peer(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);
	size_t bulk = b->subject->bulk, written = 0;

	for (int turns = 0; c->len < bulk; turns++) {
		if (turns == 20 * PATIENCE)
			give_up(b, "all has arrived");
		if (written < bulk && c->record->pauses == c->record->resumes) {
			write_pattern(c->record, written, 1024);
			written += 1024;
		}
		turn(b);
		assert_false(c->record->lost);
	}
	some_turns(b);
	assert_int_equal(c->len, bulk);
	assert_int_equal(pattern_ends(c->data, 0, bulk), bulk);
}

static void many_writes_of_one_turn_arrive_in_order(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);

	for (size_t at = 0; at < 4000; at += 7)
		write_pattern(c->record, at, 7);
	UNTIL(b, c->len >= 4004);
	some_turns(b);
	assert_int_equal(c->len, 4004);
	assert_int_equal(pattern_ends(c->data, 0, 4004), 4004);
}

static void what_is_queued_is_counted(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);

	assert_int_equal(record_queued(c->record), 0);
	record_print(c->record, "hello");
	assert_true(record_queued(c->record) >= 5); /* sent at the end of the turn */
	UNTIL(b, c->len == 5);
	assert_int_equal(record_queued(c->record), 0);
	record_write(c->record, "", 0);
	assert_int_equal(record_queued(c->record), 0);
}

static void lose_sends_what_is_queued(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);
	size_t len = b->subject->bulk < 40000 ? b->subject->bulk : 40000;

	write_pattern(c->record, 0, len);
	record_lose(c->record);
	UNTIL(b, has_ended(c) && c->len >= len);
	some_turns(b);
	assert_int_equal(c->error, 0);
	assert_int_equal(c->len, len);
	assert_int_equal(pattern_ends(c->data, 0, len), len);
	client_close(c);
	UNTIL(b, c->record->lost);
	assert_string_equal(record_log(c->record), "made; lost 0");
}

static void abort_forgets_what_is_queued(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);

	write_pattern(c->record, 0, 4000);
	record_abort(c->record, 0);
	UNTIL(b, c->record->lost && has_ended(c));
	some_turns(b);
	assert_int_equal(c->len, 0);
}

static void print_once_more(struct record *rec, int reason)
{
	(void)reason;
	record_print(rec, "too late");
}

static void writing_after_lose_is_ignored(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);

	c->record->hooks.lost = print_once_more;
	record_print(c->record, "a");
	record_lose(c->record);
	record_print(c->record, "b");
	turn(b);
	record_print(c->record, "c");
	UNTIL(b, has_ended(c) && c->len > 0);
	some_turns(b);
	client_close(c);
	UNTIL(b, c->record->lost);
	assert_string_equal(c->data, "a");
}

static void writing_after_abort_is_ignored(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);

	c->record->hooks.lost = print_once_more;
	record_abort(c->record, 0);
	record_print(c->record, "b");
	assert_int_equal(record_queued(c->record), 0);
	UNTIL(b, c->record->lost);
	some_turns(b);
	assert_int_equal(c->len, 0);
}

/* --- promise 4: no data after lose or abort -------------------------------------- */

static void lose_on_data(struct record *rec, const char *data, size_t len)
{
	(void)data;
	(void)len;
	record_lose(rec);
}

static void abort_on_data(struct record *rec, const char *data, size_t len)
{
	(void)data;
	(void)len;
	record_abort(rec, 0);
}

static void no_data_comes_after_lose(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);
	size_t len = b->subject->bulk < 30000 ? b->subject->bulk : 30000;
	size_t got;

	/* More than one read brings, and more after it. */
	c->record->hooks.data = lose_on_data;
	for (size_t at = 0; at < len; at += 1000) {
		char piece[1000] = { 0 };

		if (b->subject->send(c, piece, sizeof(piece)) < 0)
			break;
	}
	UNTIL(b, c->record->len > 0);
	got = c->record->len;
	some_turns(b);
	client_close(c);
	UNTIL(b, c->record->lost);
	assert_int_equal(c->record->len, got);
}

static void no_data_comes_after_abort(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);

	c->record->hooks.data = abort_on_data;
	for (int i = 0; i < 30; i++) {
		char piece[1000] = { 0 };

		if (b->subject->send(c, piece, sizeof(piece)) < 0)
			break;
	}
	UNTIL(b, c->record->lost);
	assert_true(c->record->len > 0); /* the recorder has looked on */
}

/* --- promise 6: the end of input ------------------------------------------------- */

static void last_words_come_before_the_end(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);
	char expected[100];

	send_text(c, "last words");
	client_close(c);
	UNTIL(b, c->record->len == 10);
	leave(c);
	snprintf(expected, sizeof(expected), "made; data \"last words\"%s",
	         b->subject->gone + strlen("made"));
	assert_string_equal(record_log(c->record), expected);
}

static void answer(struct record *rec)
{
	record_print(rec, "answer");
}

static void the_end_of_input_is_an_event_and_writing_still_works(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);

	c->record->hooks.eof = answer;
	send_text(c, "question");
	b->subject->half_close(c);
	UNTIL(b, has_ended(c));
	assert_string_equal(c->data, "answer");
	client_close(c);
	UNTIL(b, c->record->lost);
	assert_string_equal(record_log(c->record), "made; data \"question\"; eof; lost 0");
}

static void stay(struct record *rec)
{
	pl_stay_open(rec->transport);
}

static void who_asks_may_stay_after_the_end_of_input(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);

	c->record->hooks.eof = stay;
	send_text(c, "question");
	b->subject->half_close(c);
	UNTIL(b, c->record->eof);
	some_turns(b);
	advance(b, 60000);
	record_print(c->record, "a late answer");
	UNTIL(b, c->len == 13);
	assert_false(c->record->lost);
	record_lose(c->record);
	UNTIL(b, has_ended(c) && c->record->lost);
	assert_string_equal(c->data, "a late answer");
	assert_string_equal(record_log(c->record), "made; data \"question\"; eof; lost 0");
}

static void who_stays_after_the_peer_has_gone_entirely_writes_to_nobody(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);

	c->record->hooks.eof = stay;
	send_text(c, "question");
	some_turns(b);
	client_close(c);
	UNTIL(b, c->record->eof);
	for (int i = 0; i < 5; i++) {
		record_print(c->record, "an answer that nobody reads");
		some_turns(b);
	}
	assert_false(c->record->lost);
	record_lose(c->record);
	UNTIL(b, c->record->lost);
	assert_string_equal(record_log(c->record), "made; data \"question\"; eof; lost 0");
}

static void a_farewell_arrives_though_input_is_unread(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);

	record_pause(c->record);
	for (int i = 0; i < 20; i++) {
		char piece[1000] = { 0 };

		if (b->subject->send(c, piece, sizeof(piece)) < 0)
			break;
	}
	some_turns(b);
	record_print(c->record, "farewell");
	record_lose(c->record);
	UNTIL(b, has_ended(c) && c->len > 0);
	some_turns(b);
	/* A close over unread input would be a reset. */
	assert_int_equal(c->error, 0);
	assert_string_equal(c->data, "farewell");
	client_close(c);
	UNTIL(b, c->record->lost);
	assert_string_equal(record_log(c->record), "made; lost 0");
}

static void print_on_data(struct record *rec, const char *data, size_t len)
{
	(void)data;
	(void)len;
	record_print(rec, "answer");
}

/* Who pastes much and goes has answers come back to nobody: that they cannot be sent is
 * no reason to forget what he said. */
static void what_was_received_is_delivered_though_an_answer_fails(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);
	size_t sent = 0;

	c->record->hooks.data = print_on_data;
	while (sent < 60000 && sent < b->subject->bulk) {
		char piece[1000];

		for (size_t i = 0; i < sizeof(piece); i++)
			piece[i] = pattern(sent + i);
		ssize_t n = b->subject->send(c, piece, sizeof(piece));

		if (n < 0)
			break;
		sent += (size_t)n;
	}
	client_close(c);
	leave(c);
	assert_int_equal(c->record->len, sent);
	assert_int_equal(pattern_ends(c->record->data, 0, sent), sent);
}

static const struct CMUnitTest list[] = {
	CHECK(all_bytes_arrive_intact_from_the_peer),
	CHECK(all_bytes_arrive_intact_at_the_peer),
	CHECK(order_is_kept_from_the_peer),
	CHECK(order_is_kept_to_the_peer),
	CHECK(many_writes_of_one_turn_arrive_in_order),
	CHECK(what_is_queued_is_counted),
	CHECK(lose_sends_what_is_queued),
	CHECK(abort_forgets_what_is_queued),
	CHECK(writing_after_lose_is_ignored),
	CHECK(writing_after_abort_is_ignored),
	CHECK(no_data_comes_after_lose),
	CHECK(no_data_comes_after_abort),
	CHECK(last_words_come_before_the_end),
	CHECK(the_end_of_input_is_an_event_and_writing_still_works),
	CHECK(who_asks_may_stay_after_the_end_of_input),
	CHECK(who_stays_after_the_peer_has_gone_entirely_writes_to_nobody),
	CHECK(a_farewell_arrives_though_input_is_unread),
	CHECK(what_was_received_is_delivered_though_an_answer_fails),
};

const struct checks checks_of_bytes = { list, sizeof(list) / sizeof(list[0]) };
