/* checks_calls.c: what is called, when, and how often: promises 1 and 2. */
#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <partyline/stats.h>

/* --- promise 1: made first and once, lost last and once -------------------------- */

static void made_comes_before_data(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);

	send_text(c, "hi");
	UNTIL(b, c->record->len == 2);
	assert_string_equal(record_log(c->record), "made; data \"hi\"");
}

static void the_peer_has_a_type_and_a_name(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);
	const struct pl_peer *peer = pl_transport_peer(c->record->transport);

	assert_string_equal(peer->type, b->subject->type);
	assert_true(strlen(peer->name) > 0);
	assert_null(pl_peer_fact(peer, "nonsense"));
	assert_null(pl_peer_option(peer, "nonsense"));
	assert_ptr_equal(pl_transport_reactor(c->record->transport), b->reactor);
}

static void lost_comes_once_after_the_peer_has_gone(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);

	leave(c);
	advance(b, 10000);
	assert_string_equal(record_log(c->record), b->subject->gone);
	assert_int_equal(pl_connections(b->reactor), 0);
}

static void lost_comes_once_after_a_rude_end(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);

	write_pattern(c->record, 0, 1000);
	if (b->subject->reset)
		b->subject->reset(c);
	else
		client_close(c);
	leave(c);
	advance(b, 10000);
	assert_non_null(strstr(record_log(c->record), "lost"));
}

static void lost_comes_once_after_lose(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);

	record_lose(c->record);
	record_lose(c->record);
	UNTIL(b, has_ended(c));
	client_close(c);
	UNTIL(b, c->record->lost);
	advance(b, 10000);
	assert_string_equal(record_log(c->record), "made; lost 0");
	assert_int_equal(pl_counted(b->reactor, "connections: ended by an error"), 0);
}

static void lost_comes_once_after_abort_with_its_reason(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);

	record_abort(c->record, -EPERM);
	record_abort(c->record, -EACCES);
	record_lose(c->record);
	UNTIL(b, c->record->lost);
	advance(b, 10000);
	assert_string_equal(record_log(c->record), "made; lost -1");
	assert_int_equal(pl_counted(b->reactor, "connections: ended by an error"), 1);
}

static void ends_are_counted_once_and_by_their_reason(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);

	assert_true(pl_counted(b->reactor, "connections: made") > 0);
	record_abort(c->record, -ENOMEM);
	record_abort(c->record, -EPERM);
	UNTIL(b, c->record->lost);
	assert_int_equal(pl_counted(b->reactor, "connections: ended, out of memory"), 1);
	assert_int_equal(pl_counted(b->reactor, "connections: ended by an error"), 0);
}

static void abort_while_closing_has_the_last_word(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);

	record_lose(c->record);
	record_abort(c->record, -EPERM);
	UNTIL(b, c->record->lost);
	assert_string_equal(record_log(c->record), "made; lost -1");
}

static void destroying_the_reactor_ends_what_is_left(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);

	record_print(c->record, "unsent");
	pl_world_destroy(b->world);
	b->world = NULL;
	assert_true(c->record->lost);
	assert_int_equal(records_alive(&b->records), 0);
}

/* --- promise 2: no call down makes a call up ------------------------------------- */

static void write_a_hundred_times(struct record *rec, const char *data, size_t len)
{
	(void)data;
	(void)len;
	for (int i = 0; i < 100; i++)
		record_print(rec, "hundred\n");
}

static void lost_is_not_called_inside_write(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);

	c->record->hooks.data = write_a_hundred_times;
	send_text(c, "x");
	if (b->subject->reset)
		b->subject->reset(c);
	else
		client_close(c);
	write_a_hundred_times(c->record, "", 0);
	leave(c); /* the recorder has looked on */
	assert_true(c->record->lost);
}

static void do_everything(struct record *rec, const char *data, size_t len)
{
	(void)data;
	(void)len;
	record_pause(rec);
	record_pause(rec);
	record_resume(rec);
	record_resume(rec);
	record_print(rec, "x");
	rec->home->watch->down++;
	pl_writing_paused(rec->transport);
	pl_source_ready(rec->transport);
	pl_set_source(rec->transport, NULL);
	rec->home->watch->down--;
	record_lose(rec);
	record_pause(rec);
	record_resume(rec);
	record_print(rec, "y");
	record_abort(rec, 0);
	record_resume(rec);
	record_print(rec, "z");
}

static void everything_may_be_called_inside_a_call_up(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);

	c->record->hooks.data = do_everything;
	send_text(c, "x");
	UNTIL(b, c->record->lost);
	assert_string_equal(record_log(c->record), "made; data \"x\"; lost 0");
}

static void say_bye_and_lose(struct record *rec)
{
	record_print(rec, "bye");
	record_lose(rec);
}

static void lose_inside_connection_made_sends_the_farewell(void **state)
{
	struct bench *b = *state;
	struct client *c;

	b->records.hooks.made = say_bye_and_lose;
	c = join(b);
	UNTIL(b, has_ended(c));
	client_close(c);
	UNTIL(b, c->record->lost);
	assert_string_equal(record_log(c->record), "made; lost 0");
}

static void abort_at_once(struct record *rec)
{
	record_abort(rec, -EACCES);
}

static void abort_inside_connection_made_is_the_end(void **state)
{
	struct bench *b = *state;
	struct client *c;

	b->records.hooks.made = abort_at_once;
	c = join(b);
	UNTIL(b, c->record->lost);
	assert_string_equal(record_log(c->record), "made; lost -13");
}

/* Ends all connections but the one that is called. */
static void abort_others(struct record *rec)
{
	for (struct record *r = rec->home->first; r; r = r->next)
		if (r != rec)
			record_abort(r, -ECONNABORTED);
}

static void abort_others_on_data(struct record *rec, const char *data, size_t len)
{
	(void)data;
	(void)len;
	abort_others(rec);
}

static void another_connection_may_be_ended_inside_a_call_up(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b), *d = join(b);
	struct record *first, *second;

	c->record->hooks.data = d->record->hooks.data = abort_others_on_data;
	send_text(c, "c");
	send_text(d, "d");
	UNTIL(b, c->record->lost || d->record->lost);
	some_turns(b);
	first = c->record->lost ? d->record : c->record;
	second = c->record->lost ? c->record : d->record;
	assert_false(first->lost);
	assert_int_equal(first->len, 1);
	assert_string_equal(record_log(second), "made; lost -103");
}

static void abort_others_on_lost(struct record *rec, int reason)
{
	(void)reason;
	abort_others(rec);
}

static void another_connection_may_be_ended_inside_connection_lost(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b), *d = join(b);

	c->record->hooks.lost = d->record->hooks.lost = abort_others_on_lost;
	record_abort(c->record, 0);
	UNTIL(b, c->record->lost && d->record->lost);
	assert_string_equal(record_log(c->record), "made; lost 0");
	assert_string_equal(record_log(d->record), "made; lost -103");
}

static const struct CMUnitTest list[] = {
	CHECK(made_comes_before_data),
	CHECK(the_peer_has_a_type_and_a_name),
	CHECK(lost_comes_once_after_the_peer_has_gone),
	CHECK(lost_comes_once_after_a_rude_end),
	CHECK(lost_comes_once_after_lose),
	CHECK(lost_comes_once_after_abort_with_its_reason),
	CHECK(ends_are_counted_once_and_by_their_reason),
	CHECK(abort_while_closing_has_the_last_word),
	CHECK(destroying_the_reactor_ends_what_is_left),
	CHECK(lost_is_not_called_inside_write),
	CHECK(everything_may_be_called_inside_a_call_up),
	CHECK(lose_inside_connection_made_sends_the_farewell),
	CHECK(abort_inside_connection_made_is_the_end),
	CHECK(another_connection_may_be_ended_inside_a_call_up),
	CHECK(another_connection_may_be_ended_inside_connection_lost),
};

const struct checks checks_of_calls = { list, sizeof(list) / sizeof(list[0]) };
