/* conformance.c: does a transport keep the promises of protocol.h?
 *
 * One check per promise, the same for every transport; what a wire cannot do is excepted
 * by name in its subject, with the reason.  The recorder watches all the time over what
 * must never happen: calls up inside calls down, data after pl_lose, a second
 * connection_lost.  Run as `conformance TYPE`. */
#include "cmocka_all.h"
#include "subject.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <partyline/log.h>

static const struct subject *const subjects[] = {
	&subject_mem,    &subject_tcp, &subject_unix, &subject_udp, &subject_pty,
#ifdef PARTYLINE_HAVE_SERIAL
	&subject_serial,
#endif
};

/* Turns that a condition may take; idle ones wait a millisecond each for the kernel. */
enum { PATIENCE = 5000 };

/* Enough to fill what the kernel holds for one connection, many times. */
enum { PLENTY = 64 * 1024 * 1024 };

/* --- both ends ------------------------------------------------------------------------ */

/* An invitation is not what checks are about. */
static void forget_invitation(struct client *c)
{
	const char *text = c->bench->subject->invites;
	size_t len = text ? strlen(text) : 0;

	if (len > 0 && c->len >= len && memcmp(c->data + c->len - len, text, len) == 0)
		c->len -= len;
	if (c->data)
		c->data[c->len] = '\0';
}

static void client_read(struct client *c)
{
	ssize_t n;

	if (c->fd < 0 || c->deaf || c->ended || c->error)
		return;
	do {
		if (c->size - c->len < 20000) {
			c->size = 2 * c->size + 40000;
			c->data = realloc(c->data, c->size);
			if (!c->data)
				abort();
		}
		n = c->bench->subject->receive(c, c->data + c->len, c->size - c->len - 1);
		if (n > 0)
			c->len += (size_t)n;
		forget_invitation(c);
	} while (n > 0);
	if (n == 0)
		c->ended = true;
	else if (errno != EAGAIN)
		c->error = errno;
}

/* One turn of the reactor, and all far ends read. */
static void turn(struct bench *b)
{
	world_turn(b->world, 1);
	for (struct client *c = b->clients; c; c = c->next)
		client_read(c);
}

static void some_turns(struct bench *b)
{
	for (int i = 0; i < 10; i++)
		turn(b);
}

static void advance(struct bench *b, uint64_t ms)
{
	pl_world_advance(b->world, ms);
	turn(b);
}

static void give_up(struct bench *b, const char *what)
{
	struct record *rec = records_newest(&b->records);

	fail_msg("still not: %s; the newest connection: %s", what,
	         rec ? record_log(rec) : "none");
}

#define UNTIL(b, condition) \
	do { \
		for (int turns = 0; !(condition); turns++) { \
			if (turns == PATIENCE) \
				give_up(b, #condition); \
			turn(b); \
		} \
	} while (0)

/* Begins to connect; NULL when that is refused. */
static struct client *connect_client(struct bench *b)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->bench = b;
	c->fd = -1;
	c->next = b->clients;
	b->clients = c;
	return b->subject->connect(c) < 0 ? NULL : c;
}

/* Connects and waits until the near end is made. */
static struct client *join(struct bench *b)
{
	size_t number = b->records.count;
	struct client *c = connect_client(b);

	assert_non_null(c);
	for (int turns = 0; !(c->record = records_at(&b->records, number)); turns++) {
		if (turns == PATIENCE)
			give_up(b, "joined");
		turn(b);
		if (b->subject->join_ms)
			pl_world_advance(b->world, b->subject->join_ms);
	}
	turn(b);
	record_forget_data(c->record); /* of udp: the line that joins */
	return c;
}

static void client_close(struct client *c)
{
	if (c->fd >= 0)
		c->bench->subject->close(c);
}

/* The far end is gone, and the near end has been told. */
static void leave(struct client *c)
{
	client_close(c);
	UNTIL(c->bench, (c->record->lost || !c->bench->subject->leaves_silently ||
	                 (record_print(c->record, "?"), false)) &&
	                        c->record->lost);
}

static void be_deaf(struct client *c, bool deaf)
{
	c->deaf = deaf;
	if (c->bench->subject->set_deaf)
		c->bench->subject->set_deaf(c, deaf);
}

/* The byte at an offset of an endless text that does not repeat soon. */
static char pattern(size_t at)
{
	return (char)((at * 2654435761U) >> 13);
}

/* The first offset where data is not the pattern, or len. */
static size_t pattern_ends(const char *data, size_t from, size_t len)
{
	size_t i = 0;

	while (i < len && data[i] == pattern(from + i))
		i++;
	return i;
}

static void send_some(struct client *c, const char *data, size_t len)
{
	size_t max = c->bench->subject->max_send ? c->bench->subject->max_send : len;

	for (int turns = 0; len > 0; turns++) {
		ssize_t n = c->bench->subject->send(c, data, len < max ? len : max);

		if (n > 0) {
			data += n;
			len -= (size_t)n;
			turns = 0;
			continue;
		}
		if (n < 0 && errno != EAGAIN)
			fail_msg("send: %s", strerror(errno));
		if (turns == PATIENCE)
			give_up(c->bench, "sent");
		turn(c->bench);
	}
}

static void send_text(struct client *c, const char *text)
{
	send_some(c, text, strlen(text));
}

static void send_pattern(struct client *c, size_t from, size_t len)
{
	char piece[1000];

	while (len > 0) {
		size_t n = len < sizeof(piece) ? len : sizeof(piece);

		for (size_t i = 0; i < n; i++)
			piece[i] = pattern(from + i);
		send_some(c, piece, n);
		from += n;
		len -= n;
	}
}

/* In units that fit into a datagram. */
static void write_pattern(struct record *rec, size_t from, size_t len)
{
	char unit[1000];

	while (len > 0) {
		size_t n = len < sizeof(unit) ? len : sizeof(unit);

		for (size_t i = 0; i < n; i++)
			unit[i] = pattern(from + i);
		record_write(rec, unit, n);
		from += n;
		len -= n;
	}
}

/* Has what was said before the end arrived at the far end? */
static bool has_ended(const struct client *c)
{
	return c->ended || c->error || (c->bench->subject->endless && c->record->lost);
}

/* --- set-up ----------------------------------------------------------------------------- */

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct pl_error err;

	if (!b)
		return -1;
	b->subject = *state;
	b->descriptors = open_descriptors();
	b->world = pl_world_create(1);
	b->reactor = pl_world_reactor(b->world);
	records_init(&b->records, NULL);
	b->records.ignore_record_end = true;
	b->subject->prepare(b);
	b->port = records_listen(&b->records, b->reactor, b->endpoint, &err);
	if (!b->port)
		fprintf(stderr, "%s\n", err.text);
	*state = b;
	return b->port ? 0 : -1;
}

static int teardown(void **state)
{
	struct bench *b = *state;
	const struct subject *subject = b->subject;
	int before = b->descriptors, after, broken;
	struct client *c;

	pl_world_destroy(b->world);
	for (c = b->clients; c; c = c->next)
		if (c->fd >= 0 && subject->set_deaf == NULL) /* mem's are gone by now */
			subject->close(c);
	while ((c = b->clients)) {
		b->clients = c->next;
		free(c->data);
		free(c);
	}
	if (subject->cleanup)
		subject->cleanup(b);
	broken = b->records.broken[0] != '\0';
	if (broken)
		fprintf(stderr, "a promise was broken: %s\n", b->records.broken);
	records_finish(&b->records);
	free(b);
	*state = (void *)(uintptr_t)subject;
	after = open_descriptors();
	if (after != before)
		fprintf(stderr, "%d descriptors were open before, %d after\n", before,
		        after);
	return broken || after != before ? -1 : 0;
}

/* --- promise 1: made first and once, lost last and once ---------------------------------- */

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

/* --- promise 2: no call down makes a call up ------------------------------------------------- */

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

/* --- promises 3 and 5: every byte once, in order ------------------------------------------------- */

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

/* --- promise 4: no data after lose or abort ---------------------------------------------------- */

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

/* --- promise 6: the end of input ------------------------------------------------------------------ */

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
	if (b->subject->type == subject_mem.type)
		turn(b); /* its sends wait for the end of a turn */
	b->subject->half_close(c);
	UNTIL(b, has_ended(c));
	assert_string_equal(c->data, "answer");
	client_close(c);
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

/* --- pausing ------------------------------------------------------------------------------------------ */

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

/* --- promise 8: marks ------------------------------------------------------------------------------------- */

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

/* --- closing takes no longer than it should -------------------------------------------------------- */

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

/* --- factories and ports -------------------------------------------------------------------------------- */

static void a_factory_may_refuse(void **state)
{
	struct bench *b = *state;
	struct client *c;

	b->records.refuse = true;
	c = connect_client(b);
	assert_non_null(c);
	for (int turns = 0; b->records.refused == 0; turns++) {
		if (turns == PATIENCE)
			give_up(b, "refused");
		turn(b);
		if (b->subject->join_ms)
			pl_world_advance(b->world, b->subject->join_ms);
	}
	UNTIL(b, c->ended || c->error || b->subject->endless);
	client_close(c);
	some_turns(b);
	assert_int_equal(b->records.count, 0);
	assert_int_equal(pl_connections(b->reactor), 0);
	b->records.refuse = false;
	c = join(b); /* and the next is let in */
	send_text(c, "hi");
	UNTIL(b, c->record->len == 2);
}

static void exchange(struct client *c)
{
	size_t len = c->record->len;

	c->len = 0;
	send_text(c, "there");
	UNTIL(c->bench, c->record->len == len + 5);
	record_print(c->record, "and back");
	UNTIL(c->bench, c->len == 8);
}

static void stopping_the_port_keeps_connections(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);

	pl_port_stop(b->port);
	exchange(c);
	leave(c);
	advance(b, 1000);
	assert_string_equal(c->record->lost ? "lost" : "", "lost");
}

static void stop_port(struct record *rec)
{
	pl_port_stop(rec->arg);
}

static void a_port_stopped_inside_a_call_up_keeps_connections(void **state)
{
	struct bench *b = *state;
	struct client *c;

	b->records.hooks.made = stop_port;
	b->records.arg = b->port;
	c = join(b);
	exchange(c);
}

static void a_stopped_port_lets_nobody_in(void **state)
{
	struct bench *b = *state;
	struct client *c;

	pl_port_stop(b->port);
	b->port = NULL;
	turn(b);
	if (b->subject->type == subject_tcp.type || b->subject->type == subject_udp.type)
		return; /* their far ends would need the port to know where */
	c = connect_client(b);
	some_turns(b);
	advance(b, 5000);
	assert_int_equal(b->records.count, 0);
	(void)c;
}

static void the_name_of_a_port_can_be_listened_on_again(void **state)
{
	struct bench *b = *state;
	char *name = strdup(pl_port_name(b->port));
	struct pl_error err = { 0 };

	leave(join(b));
	pl_port_stop(b->port);
	turn(b);
	b->port = records_listen(&b->records, b->reactor, name, &err);
	if (!b->port)
		fail_msg("%s", err.text);
	assert_string_equal(pl_port_name(b->port), name);
	free(name);
	exchange(join(b));
}

static void a_name_in_use_is_refused_and_the_first_goes_on(void **state)
{
	struct bench *b = *state;
	struct client *c = join(b);
	struct pl_error err = { 0 };
	struct pl_port *second =
		records_listen(&b->records, b->reactor, pl_port_name(b->port), &err);

	if (b->subject->type != subject_serial.type) { /* it waits for its device */
		assert_null(second);
		assert_true(err.code < 0);
		assert_true(strlen(err.text) > 0);
	}
	exchange(c);
}

static void a_hundred_connections_leave_nothing_behind(void **state)
{
	struct bench *b = *state;
	int before;

	leave(join(b));
	some_turns(b);
	advance(b, 2000);
	before = open_descriptors();
	for (int i = 0; i < 100; i++) {
		struct client *c = join(b);

		exchange(c);
		leave(c);
	}
	some_turns(b);
	advance(b, 2000);
	assert_int_equal(pl_connections(b->reactor), 0);
	assert_int_equal(open_descriptors(), before);
}

/* --- which are run ------------------------------------------------------------------------------------------ */

static const struct CMUnitTest checks[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	T(made_comes_before_data),
	T(the_peer_has_a_type_and_a_name),
	T(lost_comes_once_after_the_peer_has_gone),
	T(lost_comes_once_after_a_rude_end),
	T(lost_comes_once_after_lose),
	T(lost_comes_once_after_abort_with_its_reason),
	T(abort_while_closing_has_the_last_word),
	T(destroying_the_reactor_ends_what_is_left),
	T(lost_is_not_called_inside_write),
	T(everything_may_be_called_inside_a_call_up),
	T(lose_inside_connection_made_sends_the_farewell),
	T(abort_inside_connection_made_is_the_end),
	T(another_connection_may_be_ended_inside_a_call_up),
	T(another_connection_may_be_ended_inside_connection_lost),
	T(all_bytes_arrive_intact_from_the_peer),
	T(all_bytes_arrive_intact_at_the_peer),
	T(order_is_kept_from_the_peer),
	T(order_is_kept_to_the_peer),
	T(many_writes_of_one_turn_arrive_in_order),
	T(what_is_queued_is_counted),
	T(lose_sends_what_is_queued),
	T(abort_forgets_what_is_queued),
	T(writing_after_lose_is_ignored),
	T(writing_after_abort_is_ignored),
	T(no_data_comes_after_lose),
	T(no_data_comes_after_abort),
	T(last_words_come_before_the_end),
	T(the_end_of_input_is_an_event_and_writing_still_works),
	T(a_farewell_arrives_though_input_is_unread),
	T(what_was_received_is_delivered_though_an_answer_fails),
	T(no_data_comes_while_reading_is_paused),
	T(data_held_while_paused_is_delivered_after_resume),
	T(reading_goes_on_after_resume),
	T(pausing_inside_data_received_holds_the_rest),
	T(the_high_mark_pauses_once_and_the_low_mark_resumes_once),
	T(the_hard_mark_ends_the_connection),
	T(the_hard_mark_drops_whole_units_where_marks_are_lossy),
	T(a_peer_behind_for_longer_than_age_is_lost),
	T(a_peer_that_catches_up_in_time_is_kept),
	T(a_peer_that_takes_nothing_is_let_go_after_five_seconds),
	T(a_peer_that_does_not_close_is_let_go_after_a_second),
	T(a_factory_may_refuse),
	T(stopping_the_port_keeps_connections),
	T(a_port_stopped_inside_a_call_up_keeps_connections),
	T(a_stopped_port_lets_nobody_in),
	T(the_name_of_a_port_can_be_listened_on_again),
	T(a_name_in_use_is_refused_and_the_first_goes_on),
	T(a_hundred_connections_leave_nothing_behind),
};

enum { CHECKS = sizeof(checks) / sizeof(checks[0]) };

static const char *exception_to(const struct subject *s, const char *check)
{
	for (const struct exception *e = s->excepted; e && e->check; e++)
		if (strcmp(e->check, check) == 0)
			return e->why;
	return NULL;
}

/* A name that no check has would except nothing. */
static void check_exceptions(const struct subject *s)
{
	for (const struct exception *e = s->excepted; e && e->check; e++) {
		bool found = false;

		for (size_t i = 0; i < CHECKS; i++)
			found = found || strcmp(e->check, checks[i].name) == 0;
		if (!found) {
			fprintf(stderr, "%s: there is no check %s\n", s->type, e->check);
			exit(1);
		}
	}
}

static int run(const struct subject *s)
{
	struct CMUnitTest tests[CHECKS];
	size_t n = 0;

	check_exceptions(s);
	for (size_t i = 0; i < CHECKS; i++) {
		const char *why = exception_to(s, checks[i].name);

		if (why) {
			printf("[ EXCEPTED ] %s: %s\n", checks[i].name, why);
			continue;
		}
		tests[n] = checks[i];
		tests[n++].initial_state = (void *)(uintptr_t)s;
	}
	fflush(stdout);
	return _cmocka_run_group_tests(s->type, tests, n, NULL, NULL);
}

int main(int argc, char **argv)
{
	/* SIGPIPE is left as it is: a library must not depend on its being ignored. */
	pl_log_set_level(PL_LOG_ERROR);
	for (size_t i = 0; argc == 2 && i < sizeof(subjects) / sizeof(subjects[0]); i++)
		if (strcmp(subjects[i]->type, argv[1]) == 0)
			return run(subjects[i]);
	fprintf(stderr, "usage: conformance TYPE\n");
	return 2;
}
