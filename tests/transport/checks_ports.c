/* checks_ports.c: factories and ports: who is let in, and where. */
#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- factories and ports --------------------------------------------------------- */

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

	pl_port_stop(b->port);
	b->port = NULL;
	turn(b);
	connect_client(b); /* refused, or nobody hears of it */
	some_turns(b);
	advance(b, 5000);
	assert_int_equal(b->records.count, 0);
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

	assert_null(second);
	assert_true(err.code < 0);
	assert_true(strlen(err.text) > 0);
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

static const struct CMUnitTest list[] = {
	CHECK(a_factory_may_refuse),
	CHECK(stopping_the_port_keeps_connections),
	CHECK(a_port_stopped_inside_a_call_up_keeps_connections),
	CHECK(a_stopped_port_lets_nobody_in),
	CHECK(the_name_of_a_port_can_be_listened_on_again),
	CHECK(a_name_in_use_is_refused_and_the_first_goes_on),
	CHECK(a_hundred_connections_leave_nothing_behind),
};

const struct checks checks_of_ports = { list, sizeof(list) / sizeof(list[0]) };
