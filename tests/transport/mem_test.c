/* mem_test.c: what is mem's own, and what is easiest to see on it: sources, and calls for
 * all connections at once.  The promises are conformance.c's. */
#include "cmocka_all.h"
#include "recorder.h"
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct place {
	struct pl_world *world;
	struct pl_reactor *reactor;
	struct records near, far;
	struct pl_port *port;
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	if (!p)
		return -1;
	p->world = pl_world_create(1);
	p->reactor = pl_world_reactor(p->world);
	records_init(&p->near, NULL);
	records_init(&p->far, &p->near);
	p->port = records_listen(&p->near, p->reactor, "mem:room", NULL);
	*state = p;
	return p->port ? 0 : -1;
}

static int teardown(void **state)
{
	struct place *p = *state;
	bool broken;

	pl_world_destroy(p->world);
	broken = p->near.broken[0] || p->far.broken[0];
	if (broken)
		fprintf(stderr, "%s %s\n", p->near.broken, p->far.broken);
	records_finish(&p->near);
	records_finish(&p->far);
	free(p);
	return broken ? -1 : 0;
}

static void connect_far(struct place *p)
{
	assert_int_equal(pl_mem_connect(p->reactor, "room", &p->far.factory, NULL), 0);
	pl_world_settle(p->world);
	assert_non_null(records_newest(&p->near));
	assert_non_null(records_newest(&p->far));
}

/* --- connecting ------------------------------------------------------------------ */

static void where_nobody_listens_nobody_connects(void **state)
{
	struct place *p = *state;
	struct pl_error err = { 0 };

	assert_int_equal(pl_mem_connect(p->reactor, "nowhere", &p->far.factory, &err),
	                 -ECONNREFUSED);
	assert_non_null(strstr(err.text, "nowhere"));
	assert_int_equal(pl_mem_connect(p->reactor, "nowhere", &p->far.factory, NULL),
	                 -ECONNREFUSED);
	pl_port_stop(p->port);
	assert_int_equal(pl_mem_connect(p->reactor, "room", &p->far.factory, NULL),
	                 -ECONNREFUSED);
	pl_world_settle(p->world);
	assert_int_equal(p->far.count, 0);
}

static void note_near(struct record *rec)
{
	*(int *)rec->arg = *(int *)rec->arg * 10 + 1;
}

static void note_far(struct record *rec)
{
	*(int *)rec->arg = *(int *)rec->arg * 10 + 2;
}

static void both_ends_come_up_in_the_next_turn_the_servers_first(void **state)
{
	struct place *p = *state;
	int order = 0;

	p->near.hooks.made = note_near;
	p->near.arg = &order;
	p->far.hooks.made = note_far;
	p->far.arg = &order;
	assert_int_equal(pl_mem_connect(p->reactor, "room", &p->far.factory, NULL), 0);
	assert_int_equal(p->near.count + p->far.count, 0);
	world_turn(p->world, 0);
	assert_int_equal(order, 12); /* 1 the near, 2 the far */
	assert_string_equal(pl_transport_peer(records_at(&p->far, 0)->transport)->type,
	                    "mem");
}

static void an_end_that_aborts_is_an_orderly_end_for_the_other(void **state)
{
	struct place *p = *state;

	connect_far(p);
	record_abort(records_at(&p->far, 0), -EPERM);
	pl_world_settle(p->world);
	assert_string_equal(record_log(records_at(&p->near, 0)), "made; eof; lost 0");
	assert_string_equal(record_log(records_at(&p->far, 0)), "made; lost -1");
}

/* --- the wire's bad manners ------------------------------------------------------ */

static void count_calls(struct record *rec, const char *data, size_t len)
{
	size_t *longest = rec->arg;

	(void)data;
	if (len > *longest)
		*longest = len;
}

static void data_comes_in_pieces_one_a_turn(void **state)
{
	struct place *p = *state;
	struct record *near, *far;
	size_t longest = 0;

	connect_far(p);
	near = records_at(&p->near, 0);
	far = records_at(&p->far, 0);
	pl_mem_set_chunk(near->transport, 3);
	near->hooks.data = count_calls;
	near->arg = &longest;
	record_print(far, "hello, world");
	for (size_t i = 0; i < 4; i++) {
		size_t before = near->len;

		while (near->len == before)
			world_turn(p->world, 0);
		assert_int_equal(near->len, 3 * (i + 1));
	}
	assert_int_equal(longest, 3);
	pl_mem_set_chunk(near->transport, 0);
	record_print(far, "whole again");
	pl_world_settle(p->world);
	assert_int_equal(longest, 11);
	assert_string_equal(record_log(near), "made; data \"hello, worldwhole again\"");
}

static void what_does_not_fit_waits_at_the_sender(void **state)
{
	struct place *p = *state;
	struct record *near, *far;
	static char much[5000];

	connect_far(p);
	near = records_at(&p->near, 0);
	far = records_at(&p->far, 0);
	pl_mem_set_capacity(far->transport, 1000);
	record_pause(far);
	record_write(near, much, sizeof(much));
	pl_world_settle(p->world);
	assert_int_equal(record_queued(near), 4000);
	record_resume(far);
	pl_world_settle(p->world);
	assert_int_equal(record_queued(near), 0);
	assert_int_equal(far->len, sizeof(much));
}

/* While one end hears, the other is made to say much: what is heard stays what it was. */
static void flood_back(struct record *rec, const char *data, size_t len)
{
	struct place *p = rec->arg;
	struct record *far = records_at(&p->far, 0);
	char before[16] = "";
	static char much[30000];

	memcpy(before, data, len < 15 ? len : 15);
	for (int i = 0; i < 3; i++) {
		record_write(far, much, sizeof(much));
		rec->home->watch->down++;
		pl_writing_paused(far->transport); /* may send */
		rec->home->watch->down--;
	}
	if (memcmp(before, data, len < 15 ? len : 15) != 0)
		snprintf(rec->home->broken, sizeof(rec->home->broken),
		         "data changed during the call");
	rec->hooks.data = NULL;
}

static void data_stays_valid_while_the_other_end_writes(void **state)
{
	struct place *p = *state;
	struct record *near;

	connect_far(p);
	near = records_at(&p->near, 0);
	near->hooks.data = flood_back;
	near->arg = p;
	record_print(records_at(&p->far, 0), "hello");
	pl_world_settle(p->world);
	assert_int_equal(strncmp(near->data, "hello", 5), 0);
}

/* --- sources --------------------------------------------------------------------- */

struct spring {
	struct pl_source source;
	const char *text; /* what it has left */
	size_t most;      /* that was ever asked for */
	char sent[200];
};

static size_t spring_gather(struct pl_source *s, struct iovec *iov, size_t n,
                            size_t max_bytes)
{
	struct spring *spring = pl_container_of(s, struct spring, source);
	size_t len = strlen(spring->text), used = 0;

	if (max_bytes > spring->most)
		spring->most = max_bytes;
	/* In pieces of five. */
	for (size_t at = 0; at < len && used < n && max_bytes > 0; used++) {
		size_t piece = len - at < 5 ? len - at : 5;

		if (piece > max_bytes)
			piece = max_bytes;
		iov[used].iov_base = (void *)(uintptr_t)(spring->text + at);
		iov[used].iov_len = piece;
		at += piece;
		max_bytes -= piece;
	}
	return used;
}

static void spring_sent(struct pl_source *s, size_t bytes)
{
	struct spring *spring = pl_container_of(s, struct spring, source);

	strncat(spring->sent, spring->text, bytes);
	spring->text += bytes;
}

static size_t spring_pending(const struct pl_source *s)
{
	return strlen(pl_container_of(s, struct spring, source)->text);
}

static struct spring spring_of(const char *text)
{
	return (struct spring){ .source = { .gather = spring_gather,
		                            .sent = spring_sent,
		                            .pending = spring_pending },
		                .text = text };
}

static void a_source_is_pulled_after_what_was_written(void **state)
{
	struct place *p = *state;
	struct spring spring = spring_of("from the source, in pieces");
	struct record *near;

	connect_far(p);
	near = records_at(&p->near, 0);
	pl_set_source(near->transport, &spring.source);
	pl_source_ready(near->transport);
	record_print(near, "written, ");
	assert_int_equal(record_queued(near), 9 + strlen("from the source, in pieces"));
	assert_string_equal(spring.sent, ""); /* at the flush, not before */
	pl_world_settle(p->world);
	assert_string_equal(record_log(records_at(&p->far, 0)),
	                    "made; data \"written, from the source, in pieces\"");
	assert_string_equal(spring.sent, "from the source, in pieces");
	assert_int_equal(record_queued(near), 0);
	pl_set_source(near->transport, NULL);
}

static void a_source_waits_for_a_peer_that_is_full(void **state)
{
	struct place *p = *state;
	struct spring spring = spring_of("0123456789abcdefghijklmnopqrstuvwxyz");
	struct record *near, *far;

	connect_far(p);
	near = records_at(&p->near, 0);
	far = records_at(&p->far, 0);
	pl_mem_set_capacity(far->transport, 10);
	record_pause(far);
	pl_set_source(near->transport, &spring.source);
	pl_source_ready(near->transport);
	pl_world_settle(p->world);
	assert_string_equal(spring.sent, "0123456789");
	assert_int_equal(record_queued(near), 26);
	record_resume(far);
	pl_world_settle(p->world);
	assert_string_equal(record_log(far),
	                    "made; data \"0123456789abcdefghijklmnopqrstuvwxyz\"");
	pl_set_source(near->transport, NULL);
}

static void what_a_source_has_counts_for_the_marks(void **state)
{
	static const struct pl_marks marks = { .low = 5, .high = 20, .hard = 1000 };
	struct place *p = *state;
	struct spring spring = spring_of("0123456789abcdefghijklmnopqrstuvwxyz");
	struct record *near, *far;

	connect_far(p);
	near = records_at(&p->near, 0);
	far = records_at(&p->far, 0);
	record_set_marks(near, &marks);
	pl_mem_set_capacity(far->transport, 1);
	record_pause(far);
	pl_set_source(near->transport, &spring.source);
	pl_source_ready(near->transport);
	assert_true(pl_writing_paused(near->transport));
	pl_world_settle(p->world);
	assert_int_equal(near->pauses, 1);
	record_resume(far);
	pl_world_settle(p->world);
	assert_int_equal(near->resumes, 1);
	assert_false(pl_writing_paused(near->transport));
	pl_set_source(near->transport, NULL);
}

static void lose_sends_what_a_source_has(void **state)
{
	struct place *p = *state;
	struct spring spring = spring_of("to the last drop");
	struct record *near;

	connect_far(p);
	near = records_at(&p->near, 0);
	pl_set_source(near->transport, &spring.source);
	pl_source_ready(near->transport);
	record_lose(near);
	pl_world_settle(p->world);
	assert_string_equal(record_log(records_at(&p->far, 0)),
	                    "made; data \"to the last drop\"; eof; lost 0");
}

static void an_aborted_transport_leaves_its_source_alone(void **state)
{
	struct place *p = *state;
	struct spring *spring = malloc(sizeof(*spring));
	struct record *near;

	*spring = spring_of("unsent");
	connect_far(p);
	near = records_at(&p->near, 0);
	pl_set_source(near->transport, &spring->source);
	pl_source_ready(near->transport);
	record_abort(near, 0);
	assert_string_equal(spring->sent, "");
	assert_int_equal(record_queued(near), 0);
	pl_world_settle(p->world);
	assert_true(near->lost);
	free(spring);
}

/* --- being behind ---------------------------------------------------------------- */

static void who_takes_it_at_once_is_not_behind(void **state)
{
	static const struct pl_marks marks = { .low = 10, .high = 100, .hard = 100000 };
	struct place *p = *state;
	struct record *near;
	static char much[5000];

	connect_far(p);
	near = records_at(&p->near, 0);
	record_set_marks(near, &marks);
	record_write(near, much, sizeof(much)); /* above high, but the wire takes it */
	assert_false(pl_writing_paused(near->transport));
	pl_world_settle(p->world);
	assert_int_equal(near->pauses, 0);
	assert_int_equal(records_at(&p->far, 0)->len, sizeof(much));
}

static void who_does_not_is_behind_until_the_low_mark(void **state)
{
	static const struct pl_marks marks = { .low = 10, .high = 100, .hard = 100000 };
	struct place *p = *state;
	struct record *near, *far;
	static char much[5000];

	connect_far(p);
	near = records_at(&p->near, 0);
	far = records_at(&p->far, 0);
	record_set_marks(near, &marks);
	pl_mem_set_capacity(far->transport, 100);
	record_pause(far);
	record_write(near, much, sizeof(much));
	assert_true(pl_writing_paused(near->transport));
	assert_int_equal(near->pauses, 0); /* a call down makes no call up */
	pl_world_settle(p->world);
	assert_int_equal(near->pauses, 1);
	record_resume(far);
	pl_world_settle(p->world);
	assert_false(pl_writing_paused(near->transport));
	assert_int_equal(near->resumes, 1);
}

static void note_queued(struct record *rec)
{
	*(size_t *)rec->arg = record_queued(rec);
}

static void resume_comes_at_the_low_mark_and_not_only_when_all_is_gone(void **state)
{
	static const struct pl_marks marks = { .low = 1000, .high = 2000, .hard = 100000 };
	struct place *p = *state;
	struct record *near, *far;
	static char much[5000];
	size_t queued = 0;

	connect_far(p);
	near = records_at(&p->near, 0);
	far = records_at(&p->far, 0);
	near->hooks.resume = note_queued;
	near->arg = &queued;
	record_set_marks(near, &marks);
	pl_mem_set_capacity(far->transport, 300);
	record_write(near, much, sizeof(much));
	pl_world_settle(p->world);
	assert_int_equal(near->resumes, 1);
	assert_in_range(queued, 700, 1000);
}

static void a_burst_above_hard_is_no_reason_to_end_who_takes_it(void **state)
{
	static const struct pl_marks marks = { .low = 10, .high = 100, .hard = 2000 };
	struct place *p = *state;
	struct record *near;
	char unit[100] = { 0 };

	connect_far(p);
	near = records_at(&p->near, 0);
	record_set_marks(near, &marks);
	for (int i = 0; i < 600; i++) /* 60000 of 64 KiB that fit into the wire */
		record_write(near, unit, sizeof(unit));
	pl_world_settle(p->world);
	assert_string_equal(record_log(near), "made");
	assert_int_equal(records_at(&p->far, 0)->len, 60000);
}

/* --- all at once ----------------------------------------------------------------- */

static void all_connections_are_counted_lost_and_aborted(void **state)
{
	struct place *p = *state;

	assert_int_equal(pl_connections(p->reactor), 0);
	for (int i = 0; i < 5; i++)
		connect_far(p);
	assert_int_equal(pl_connections(p->reactor), 10);
	record_print(records_at(&p->near, 0), "farewell");
	p->near.watch->down++;
	pl_lose_all(p->reactor);
	p->near.watch->down--;
	pl_world_settle(p->world);
	assert_int_equal(pl_connections(p->reactor), 0);
	assert_int_equal(records_alive(&p->near), 0);
	assert_string_equal(record_log(records_at(&p->near, 4)), "made; lost 0");

	for (int i = 0; i < 5; i++)
		connect_far(p);
	p->near.watch->down++;
	pl_abort_all(p->reactor, -ECANCELED);
	p->near.watch->down--;
	pl_world_settle(p->world);
	assert_int_equal(pl_connections(p->reactor), 0);
	assert_string_equal(record_log(records_at(&p->near, 5)), "made; lost -125");
}

static void hang_up_all(struct record *rec)
{
	pl_abort_all(pl_transport_reactor(rec->transport), -ECANCELED);
}

static void all_may_be_aborted_inside_a_call_up(void **state)
{
	struct place *p = *state;

	for (int i = 0; i < 3; i++)
		connect_far(p);
	p->near.hooks.made = hang_up_all;
	assert_int_equal(pl_mem_connect(p->reactor, "room", &p->far.factory, NULL), 0);
	pl_world_settle(p->world);
	assert_int_equal(pl_connections(p->reactor), 0);
	assert_int_equal(records_alive(&p->near), 0);
	assert_int_equal(records_alive(&p->far), 0);
}

/* --- people of testing.h --------------------------------------------------------- */

static void echo(struct record *rec, const char *data, size_t len)
{
	record_write(rec, data, len);
}

static void a_person_types_and_reads(void **state)
{
	struct place *p = *state;
	struct pl_mem_user *ann;

	p->near.hooks.data = echo;
	ann = pl_mem_user_join(p->world, "room");
	assert_non_null(ann);
	assert_string_equal(pl_mem_user_screen(ann), "");
	pl_mem_user_type(ann, "hello\n");
	assert_string_equal(pl_mem_user_screen(ann), "hello\n");
	pl_mem_user_send(ann, "a\0b", 3);
	pl_mem_user_clear(ann);
	pl_mem_user_type(ann, "again");
	assert_string_equal(pl_mem_user_screen(ann), "again");
	pl_mem_user_hang_up(ann);
	assert_true(pl_mem_user_is_lost(ann));
	pl_mem_user_type(ann, "into the void");
	assert_string_equal(pl_mem_user_screen(ann), "again");
	pl_mem_user_destroy(ann);
	assert_int_equal(pl_connections(p->reactor), 0);
}

static void a_person_who_does_not_read_reads_later(void **state)
{
	struct place *p = *state;
	struct pl_mem_user *ann;

	p->near.hooks.data = echo;
	ann = pl_mem_user_join(p->world, "room");
	pl_mem_user_stop_reading(ann);
	pl_mem_user_type(ann, "hello\n");
	pl_world_advance(p->world, 1000);
	assert_string_equal(pl_mem_user_screen(ann), "");
	pl_mem_user_start_reading(ann);
	assert_string_equal(pl_mem_user_screen(ann), "hello\n");
	pl_mem_user_destroy(ann); /* hangs up */
	assert_int_equal(records_alive(&p->near), 0);
}

static void a_person_who_is_refused_is_not_there(void **state)
{
	struct place *p = *state;

	assert_null(pl_mem_user_join(p->world, "nowhere"));
	p->near.refuse = true;
	assert_null(pl_mem_user_join(p->world, "room"));
	assert_int_equal(pl_connections(p->reactor), 0);
	pl_mem_user_destroy(NULL);
}

static void say_full(struct record *rec)
{
	record_print(rec, "full");
	record_lose(rec);
}

static void a_person_who_is_sent_away_has_read_why(void **state)
{
	struct place *p = *state;
	struct pl_mem_user *ann;

	p->near.hooks.made = say_full;
	ann = pl_mem_user_join(p->world, "room");
	assert_non_null(ann);
	assert_string_equal(pl_mem_user_screen(ann), "full");
	assert_true(pl_mem_user_is_lost(ann));
	pl_mem_user_destroy(ann);
}

static void a_person_may_outlive_the_world(void **state)
{
	struct place *p = *state;
	struct pl_mem_user *ann = pl_mem_user_join(p->world, "room");

	pl_world_destroy(p->world);
	p->world = NULL;
	assert_true(pl_mem_user_is_lost(ann));
	pl_mem_user_destroy(ann);
}

static void the_clock_of_a_world_goes_as_far_as_it_is_told(void **state)
{
	struct place *p = *state;
	uint64_t start = pl_reactor_now(p->reactor);
	unsigned char bytes[8], same[8], other[8];
	struct pl_world *twin, *stranger;

	assert_int_equal(pl_reactor_wall(p->reactor), INT64_C(1000000000000));
	pl_world_advance(p->world, 12345);
	assert_int_equal(pl_reactor_now(p->reactor), start + 12345);
	assert_int_equal(pl_reactor_wall(p->reactor), INT64_C(1000000012345));
	pl_world_settle(p->world);
	assert_int_equal(pl_reactor_now(p->reactor), start + 12345);

	twin = pl_world_create(1);
	stranger = pl_world_create(2);
	assert_int_equal(pl_reactor_now(pl_world_reactor(twin)), 1000000);
	pl_reactor_random(p->reactor, bytes, sizeof(bytes));
	pl_reactor_random(pl_world_reactor(twin), same, sizeof(same));
	pl_reactor_random(pl_world_reactor(stranger), other, sizeof(other));
	assert_memory_equal(bytes, same, sizeof(bytes));
	assert_memory_not_equal(bytes, other, sizeof(bytes));
	pl_world_destroy(twin);
	pl_world_destroy(stranger);
	pl_world_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(where_nobody_listens_nobody_connects),
		T(both_ends_come_up_in_the_next_turn_the_servers_first),
		T(an_end_that_aborts_is_an_orderly_end_for_the_other),
		T(data_comes_in_pieces_one_a_turn),
		T(what_does_not_fit_waits_at_the_sender),
		T(data_stays_valid_while_the_other_end_writes),
		T(a_source_is_pulled_after_what_was_written),
		T(a_source_waits_for_a_peer_that_is_full),
		T(what_a_source_has_counts_for_the_marks),
		T(lose_sends_what_a_source_has),
		T(an_aborted_transport_leaves_its_source_alone),
		T(who_takes_it_at_once_is_not_behind),
		T(who_does_not_is_behind_until_the_low_mark),
		T(resume_comes_at_the_low_mark_and_not_only_when_all_is_gone),
		T(a_burst_above_hard_is_no_reason_to_end_who_takes_it),
		T(all_connections_are_counted_lost_and_aborted),
		T(all_may_be_aborted_inside_a_call_up),
		T(a_person_types_and_reads),
		T(a_person_who_does_not_read_reads_later),
		T(a_person_who_is_refused_is_not_there),
		T(a_person_who_is_sent_away_has_read_why),
		T(a_person_may_outlive_the_world),
		T(the_clock_of_a_world_goes_as_far_as_it_is_told),
	};

	return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
