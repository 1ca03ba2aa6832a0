/* outq_test.c: the queue of bytes, and of datagrams made of whole units. */
#include "cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <partyline/transport_impl.h>

#include "core/core.h"

static unsigned random_state;

static unsigned pick(unsigned n)
{
	random_state = random_state * 1103515245 + 12345;
	return (random_state >> 16) % n;
}

static void bytes_leave_in_the_order_they_came(void **state)
{
	struct pl_outq q = { 0 };

	(void)state;
	assert_int_equal(pl_outq_append(&q, "hel", 3), 0);
	assert_int_equal(pl_outq_append(&q, "lo", 2), 0);
	assert_int_equal(q.len, 5);
	assert_memory_equal(q.data + q.head, "hello", 5);
	pl_outq_drop(&q, 2);
	assert_int_equal(pl_outq_append(&q, "!", 1), 0);
	assert_int_equal(q.len, 4);
	assert_memory_equal(q.data + q.head, "llo!", 4);
	pl_outq_finish(&q);
}

static void an_empty_queue_holds_no_memory(void **state)
{
	struct pl_outq q = { 0 };

	(void)state;
	assert_int_equal(pl_outq_append(&q, "hello", 5), 0);
	pl_outq_drop(&q, 5);
	assert_null(q.data);
	assert_int_equal(q.cap, 0);
	pl_outq_finish(&q); /* and may be finished again */
	assert_int_equal(q.len, 0);
}

static void a_size_that_cannot_be_is_out_of_memory_and_changes_nothing(void **state)
{
	struct pl_outq q = { 0 };

	(void)state;
	assert_int_equal(pl_outq_append(&q, "hello", 5), 0);
	assert_int_equal(pl_outq_append(&q, "x", SIZE_MAX), -ENOMEM);
	assert_int_equal(pl_outq_append(&q, "x", SIZE_MAX - 4), -ENOMEM);
	assert_int_equal(pl_outq_append(&q, "x", SIZE_MAX / 2), -ENOMEM);
	assert_int_equal(q.len, 5);
	assert_memory_equal(q.data + q.head, "hello", 5);
	pl_outq_finish(&q);
}

static void random_appends_and_drops_match_a_plain_array(void **state)
{
	enum { MODEL_SIZE = 1 << 20 };
	struct pl_outq q = { 0 };
	char *model = malloc(MODEL_SIZE);
	size_t from = 0, to = 0;

	(void)state;
	random_state = 1;
	while (to < MODEL_SIZE - 4000) {
		size_t n = pick(3000);

		for (size_t i = 0; i < n; i++)
			model[to + i] = (char)pick(256);
		assert_int_equal(pl_outq_append(&q, model + to, n), 0);
		to += n;
		n = pick(2) ? to - from : pick((unsigned)(to - from) + 1);
		if (n > 0)
			pl_outq_drop(&q, n);
		from += n;
		assert_int_equal(q.len, to - from);
		if (to > from)
			assert_memory_equal(q.data + q.head, model + from, to - from);
	}
	pl_outq_finish(&q);
	free(model);
}

/* --- units ----------------------------------------------------------------------- */

static void drop_first(struct pl_outq *q)
{
	const char *unit;

	pl_outq_drop(q, PL_UNIT_HEADER + pl_outq_first_unit(q, &unit));
}

static void assert_first(struct pl_outq *q, const char *text)
{
	const char *unit = NULL;

	assert_int_equal(pl_outq_first_unit(q, &unit), strlen(text));
	if (*text)
		assert_memory_equal(unit, text, strlen(text));
}

static void small_units_are_packed_into_one_datagram(void **state)
{
	struct pl_outq q = { 0 };

	(void)state;
	assert_first(&q, "");
	assert_int_equal(pl_outq_append_unit(&q, "aaaa", 4, 10), 0);
	assert_int_equal(pl_outq_append_unit(&q, "bbbb", 4, 10), 0);
	assert_int_equal(pl_outq_append_unit(&q, "cc", 2, 10), 0); /* 10 fit */
	assert_int_equal(pl_outq_append_unit(&q, "dddd", 4, 10), 0);
	assert_int_equal(pl_outq_append_unit(&q, "eeeeeeee", 8, 10),
	                 0); /* whole or not at all */
	assert_first(&q, "aaaabbbbcc");
	drop_first(&q);
	assert_first(&q, "dddd");
	drop_first(&q);
	assert_int_equal(pl_outq_append_unit(&q, "ff", 2, 10), 0);
	assert_first(&q, "eeeeeeeeff");
	drop_first(&q);
	assert_first(&q, "");
	assert_null(q.data);
}

static void a_unit_longer_than_a_datagram_is_cut_between_characters(void **state)
{
	struct pl_outq q = { 0 };

	(void)state;
	/* 10 bytes hold 9 and the first of the two of an e with an accent */
	assert_int_equal(pl_outq_append_unit(&q,
	                                     "123456789\xc3\xa9"
	                                     "abcdefgh",
	                                     19, 10),
	                 0);
	assert_first(&q, "123456789");
	drop_first(&q);
	assert_first(&q, "\xc3\xa9"
	                 "abcdefgh");
	drop_first(&q);
	assert_first(&q, "");

	/* a character of four, cut behind three of them */
	assert_int_equal(pl_outq_append_unit(&q, "1234567\xf0\x9f\x98\x80z", 12, 10), 0);
	assert_first(&q, "1234567");
	drop_first(&q);
	assert_first(&q, "\xf0\x9f\x98\x80z");
	drop_first(&q);
	assert_first(&q, "");
}

static void bytes_that_are_no_characters_are_cut_as_well(void **state)
{
	struct pl_outq q = { 0 };
	char junk[1000];
	size_t total = 0, n;
	const char *unit;

	(void)state;
	memset(junk, 0x80, sizeof(junk)); /* continuation bytes only */
	assert_int_equal(pl_outq_append_unit(&q, junk, sizeof(junk), 10), 0);
	while ((n = pl_outq_first_unit(&q, &unit)) > 0) {
		assert_in_range(n, 1, 10);
		total += n;
		drop_first(&q);
	}
	assert_int_equal(total, sizeof(junk));
}

/* A cut between characters makes the pieces shorter, and so more of them than there would
 * be; each has a length in front.  Sizes just below a power of two leave no room to spare. */
static void the_room_for_all_pieces_of_a_long_unit_is_there(void **state)
{
	static char bytes[1 << 18];

	(void)state;
	memset(bytes, 0x80, sizeof bytes);
	for (size_t len = sizeof bytes / 2 - 2000; len < sizeof bytes / 2; len++) {
		struct pl_outq q = { .data = NULL };

		assert_int_equal(pl_outq_append_unit(&q, bytes, len, 100), 0);
		assert_true(q.len <= q.cap);
		pl_outq_finish(&q);
	}
}

static void random_units_come_out_whole_and_in_order(void **state)
{
	enum { MAX = 100, SPAN = 1 << 18 };
	struct pl_outq q = { 0 };
	char *model = malloc(SPAN);
	bool *unit_begins = calloc(SPAN, sizeof(bool));
	size_t from = 0, to = 0;

	(void)state;
	random_state = 2;
	while (to < SPAN - 300 || from < to) {
		if (to < SPAN - 300) {
			size_t n = 1 + pick(pick(20) ? MAX : 250);

			unit_begins[to] = true;
			for (size_t i = 0; i < n; i++)
				model[to + i] = (char)('a' + pick(26));
			assert_int_equal(pl_outq_append_unit(&q, model + to, n, MAX), 0);
			if (n > MAX) /* may be cut anywhere */
				memset(unit_begins + to, true, n);
			to += n;
			unit_begins[to] = true;
		}
		if (pick(3) == 0 || to >= SPAN - 300) {
			const char *unit;
			size_t n = pl_outq_first_unit(&q, &unit);

			if (n == 0)
				continue;
			assert_in_range(n, 1, MAX);
			assert_memory_equal(unit, model + from, n);
			from += n;
			assert_true(unit_begins[from]);
			drop_first(&q);
		}
	}
	assert_first(&q, "");
	free(model);
	free(unit_begins);
}

static void a_unit_of_impossible_size_is_refused_whole(void **state)
{
	struct pl_outq q = { 0 };

	(void)state;
	assert_int_equal(pl_outq_append_unit(&q, "abc", 3, 10), 0);
	assert_int_equal(pl_outq_append_unit(&q, "x", SIZE_MAX / 2, 10), -ENOMEM);
	assert_first(&q, "abc");
	pl_outq_finish(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_leave_in_the_order_they_came),
		cmocka_unit_test(an_empty_queue_holds_no_memory),
		cmocka_unit_test(a_size_that_cannot_be_is_out_of_memory_and_changes_nothing),
		cmocka_unit_test(random_appends_and_drops_match_a_plain_array),
		cmocka_unit_test(small_units_are_packed_into_one_datagram),
		cmocka_unit_test(a_unit_longer_than_a_datagram_is_cut_between_characters),
		cmocka_unit_test(bytes_that_are_no_characters_are_cut_as_well),
		cmocka_unit_test(the_room_for_all_pieces_of_a_long_unit_is_there),
		cmocka_unit_test(random_units_come_out_whole_and_in_order),
		cmocka_unit_test(a_unit_of_impossible_size_is_refused_whole),
	};

	return cmocka_run_group_tests_name("out queues", tests, NULL, NULL);
}
