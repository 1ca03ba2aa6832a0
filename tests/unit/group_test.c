/* group_test.c: fan-out: who hears what, in which order, and what becomes of those who do
 * not keep up. */
#include "cmocka_all.h"
#include "person.h"
#include "terminal.h"

#include <partyline/stats.h>
#include <partyline/testing.h>

#include <errno.h>

enum { ANN, BOB, EVE, PEOPLE };

struct place {
	struct pl_world *world;
	struct pl_group room;
	struct person people[PEOPLE];
	unsigned rendered;
};

static int setup(void **state)
{
	struct place *place = calloc(1, sizeof *place);

	if (!place)
		return -1;
	place->world = pl_world_create(1);
	if (!place->world) {
		free(place);
		return -1;
	}
	pl_group_init(&place->room, NULL);
	*state = place;
	return 0;
}

static int teardown(void **state)
{
	struct place *place = *state;

	pl_world_destroy(place->world); /* and with it everybody leaves */
	const size_t left = place->room.count;

	pl_group_finish(&place->room);
	for (int i = 0; i < PEOPLE; i++)
		person_finish(&place->people[i]);
	free(place);
	return left ? -1 : 0;
}

static struct person *connect_one(struct place *place, int who, bool terminal)
{
	struct person *p = &place->people[who];

	person_connect(p, pl_world_reactor(place->world), terminal, "");
	p->arg = place;
	return p;
}

static struct person *join(struct place *place, int who, bool terminal)
{
	struct person *p = connect_one(place, who, terminal);

	pl_group_join(&place->room, &p->member, &p->line);
	return p;
}

static const char *screen(struct place *place, int who)
{
	pl_world_settle(place->world);
	return place->people[who].screen.text;
}

static const char *seen(struct place *place, int who)
{
	static struct terminal t;

	pl_world_settle(place->world);
	terminal_init(&t, 80);
	terminal_show(&t, place->people[who].screen.text, place->people[who].screen.len);
	return t.fault ? t.fault : terminal_text(&t);
}

static unsigned counted(struct place *place, const char *what)
{
	return (unsigned)pl_counted(pl_world_reactor(place->world), what);
}

static void say(struct place *place, struct person *speaker, const char *text)
{
	struct pl_msg *m = pl_msg_new(PL_MSG_TEXT, "ann", "room", 0, text, strlen(text));

	pl_group_send(&place->room, m, speaker ? &speaker->line : NULL);
	pl_msg_unref(m);
}

/* --- who hears it ---------------------------------------------------------------------- */

static void everybody_hears_it_but_who_has_it_on_his_screen_already(void **state)
{
	struct place *place = *state;
	struct person *ann = join(place, ANN, false);

	join(place, BOB, false);
	join(place, EVE, true);
	say(place, ann, "hello");
	assert_string_equal(screen(place, ANN), "");
	assert_string_equal(screen(place, BOB), "<ann> hello\r\n");
	assert_string_equal(screen(place, EVE), "<ann> hello\r\n");
	say(place, NULL, "again");
	assert_string_equal(screen(place, ANN), "<ann> again\r\n");
}

static void say_what_was_typed(struct person *p, const char *line, size_t len)
{
	(void)len;
	say(p->arg, p, line);
}

static void on_a_terminal_the_own_line_replaces_the_typed_one(void **state)
{
	struct place *place = *state;
	struct person *ann = join(place, ANN, true);

	join(place, BOB, true);
	ann->on_line = say_what_was_typed;
	person_types(&place->people[BOB], "half");
	person_types(ann, "hello\rthere\rne");
	assert_string_equal(seen(place, ANN), "<ann> hello\n<ann> there\nne");
	assert_string_equal(seen(place, BOB), "<ann> hello\n<ann> there\nhalf");
}

static void tell_then_say(struct person *p, const char *line, size_t len)
{
	pl_send_linef(&p->line, "-- a word before --");
	say_what_was_typed(p, line, len);
}

static void what_comes_before_the_own_line_leaves_the_typed_one(void **state)
{
	struct place *place = *state;
	struct person *ann = join(place, ANN, true);

	ann->on_line = tell_then_say;
	person_types(ann, "hello\r");
	assert_string_equal(seen(place, ANN), "hello\n-- a word before --\n<ann> hello\n");
}

static void order_is_that_of_joining(void **state)
{
	struct place *place = *state;
	struct pl_group_link *k;

	join(place, BOB, false);
	join(place, ANN, false);
	join(place, EVE, false);
	k = place->room.first;
	assert_ptr_equal(k, &place->people[BOB].member);
	assert_ptr_equal(k->next, &place->people[ANN].member);
	assert_ptr_equal(k->next->next, &place->people[EVE].member);
	assert_null(k->next->next->next);
	assert_int_equal(place->room.count, 3);
}

static void joining_twice_is_joining_once(void **state)
{
	struct place *place = *state;
	struct person *ann = join(place, ANN, false);

	pl_group_join(&place->room, &ann->member, &ann->line);
	assert_int_equal(place->room.count, 1);
	say(place, NULL, "hello");
	assert_string_equal(screen(place, ANN), "<ann> hello\r\n");
}

static void who_leaves_hears_no_more(void **state)
{
	struct place *place = *state;

	/* the last, the first, and the one in the middle */
	static const int orders[][PEOPLE] = { { EVE, BOB, ANN },
		                              { ANN, BOB, EVE },
		                              { BOB, ANN, EVE } };

	for (int i = 0; i < PEOPLE; i++)
		connect_one(place, i, false);
	for (int o = 0; o < 3; o++) {
		for (int i = 0; i < PEOPLE; i++)
			pl_group_join(&place->room, &place->people[i].member,
			              &place->people[i].line);
		for (int i = 0; i < PEOPLE; i++) {
			struct person *p = &place->people[orders[o][i]];

			pl_group_leave(&p->member);
			pl_group_leave(&p->member);
			for (int j = 0; j < PEOPLE; j++)
				person_clear(&place->people[j]);
			say(place, NULL, "x");
			assert_int_equal(place->room.count, PEOPLE - i - 1);
			for (int j = 0; j < PEOPLE; j++)
				assert_string_equal(screen(place, orders[o][j]),
				                    j > i ? "<ann> x\r\n" : "");
		}
		assert_null(place->room.first);
	}
}

static void joining_another_group_leaves_the_first(void **state)
{
	struct place *place = *state;
	struct person *ann = join(place, ANN, false);
	struct pl_group other;

	pl_group_init(&other, NULL);
	pl_group_join(&other, &ann->member, &ann->line);
	assert_int_equal(place->room.count, 0);
	say(place, NULL, "hello");
	pl_group_sendf(&other, NULL, "%s", "other");
	assert_string_equal(screen(place, ANN), "other\r\n");
	pl_group_finish(&other);
	assert_int_equal(other.count, 0);
	assert_null(ann->member.group);
}

static void a_person_can_be_in_several_groups(void **state)
{
	struct place *place = *state;
	struct person *ann = join(place, ANN, false);
	struct pl_group other;
	struct pl_group_link second = { 0 };

	pl_group_init(&other, NULL);
	pl_group_join(&other, &second, &ann->line);
	say(place, NULL, "hello");
	pl_group_sendf(&other, NULL, "other");
	assert_string_equal(screen(place, ANN), "<ann> hello\r\nother\r\n");
	pl_abort(&ann->wire, 0);
	pl_world_settle(place->world);
	assert_int_equal(other.count, 0);
	assert_int_equal(place->room.count, 0);
}

static void say_goodbye(struct person *p)
{
	struct place *place = p->arg;

	pl_group_sendf(&place->room, NULL, "* ann has left (%zu)", place->room.count);
}

static void who_is_lost_has_left_before_he_is_told(void **state)
{
	struct place *place = *state;
	struct person *ann = join(place, ANN, false);

	join(place, BOB, false);
	ann->on_lost = say_goodbye;
	pl_abort(&ann->wire, -ECONNRESET);
	assert_string_equal(screen(place, BOB), "* ann has left (1)\r\n");
	assert_int_equal(ann->lost, 1);
}

static void a_group_that_is_finished_has_nobody(void **state)
{
	struct place *place = *state;

	join(place, ANN, false);
	join(place, BOB, false);
	pl_group_finish(&place->room);
	assert_int_equal(place->room.count, 0);
	say(place, NULL, "hello");
	assert_string_equal(screen(place, ANN), "");
}

static void who_has_joined_before_his_connection_was_made_hears_nothing_yet(void **state)
{
	struct place *place = *state;
	struct person *ann = &place->people[ANN];

	person_prepare(ann, pl_world_reactor(place->world), false, "");
	pl_group_join(&place->room, &ann->member, &ann->line);
	say(place, NULL, "too early");
	person_up(ann);
	say(place, NULL, "hello");
	assert_string_equal(screen(place, ANN), "<ann> hello\r\n");
}

/* --- ops ---------------------------------------------------------------------------------- */

static bool not_bob(struct pl_group_link *member, const struct pl_msg *m)
{
	const struct place *place = person_of(member->line)->arg;

	return member != &place->people[BOB].member || m->kind != PL_MSG_TEXT;
}

static const char *shout(struct pl_group *g, struct pl_msg *m, enum pl_style style,
                         size_t *len)
{
	struct place *place = pl_container_of(g, struct place, room);

	(void)m;
	(void)style;
	if (place->rendered++ == 1)
		return NULL;
	*len = 5;
	return "HELLO and what is behind it";
}

static void members_are_asked_what_they_want(void **state)
{
	static const struct pl_group_ops ops = { .wants = not_bob };
	struct place *place = *state;

	place->room.ops = &ops;
	join(place, ANN, false);
	join(place, BOB, false);
	say(place, NULL, "hello");
	pl_group_sendf(&place->room, NULL, "a line");
	assert_string_equal(screen(place, ANN), "<ann> hello\r\na line\r\n");
	assert_string_equal(screen(place, BOB), "a line\r\n");
}

static void a_group_renders_once_and_its_own_way(void **state)
{
	static const struct pl_group_ops ops = { .render = shout };
	struct place *place = *state;

	place->room.ops = &ops;
	join(place, ANN, false);
	join(place, BOB, false);
	join(place, EVE, false);
	say(place, NULL, "hello");
	assert_int_equal(place->rendered, 1);
	assert_string_equal(screen(place, ANN), "HELLO\r\n");
	assert_string_equal(screen(place, EVE), "HELLO\r\n");
}

static void a_line_for_which_there_is_no_memory_is_told_as_skipped(void **state)
{
	static const struct pl_group_ops ops = { .render = shout };
	struct place *place = *state;

	place->room.ops = &ops;
	join(place, ANN, false);
	join(place, EVE, false);
	say(place, NULL, "hello");
	say(place, NULL, "out of memory");
	say(place, NULL, "again");
	assert_int_equal(place->rendered, 3);
	assert_string_equal(screen(place, ANN),
	                    "HELLO\r\n-- 1 line skipped --\r\nHELLO\r\n");
	assert_string_equal(screen(place, EVE), screen(place, ANN));
	assert_int_equal(pl_counted(pl_world_reactor(place->world),
	                            "lines: skipped, out of memory"),
	                 2);
}

/* --- slow wires ------------------------------------------------------------------------------ */

/* 20 bytes on the wire: "<ann> 000000 012345" and so on. */
static void say_number(struct place *place, unsigned number)
{
	char text[32];

	snprintf(text, sizeof text, "%012u", number);
	say(place, NULL, text);
}

/* Reads the numbers, and the word about those that are missing; -1 where that is wrong. */
static int count_lines(const char *text, unsigned *skipped)
{
	unsigned number, next = 0, n = 0;
	int len;

	*skipped = 0;
	while (*text) {
		if (sscanf(text, "<ann> %12u\r\n%n", &number, &len) == 1) {
			if (number != next)
				return -1;
			next++;
			n++;
		} else if (sscanf(text, "-- %u lines skipped --\r\n%n", &number, &len) ==
		           1) {
			*skipped += number;
			next += number;
		} else {
			return -1;
		}
		text += len;
	}
	return (int)n;
}

static void who_does_not_keep_up_reads_how_many_lines_he_missed(void **state)
{
	struct place *place = *state;
	struct person *ann = join(place, ANN, false);
	unsigned skipped;
	int heard;

	join(place, BOB, false);
	ann->stuck = true;
	for (unsigned i = 0; i < 2000; i++) {
		say_number(place, i);
		if (i % 10 == 9)
			pl_world_settle(place->world);
	}
	assert_int_equal(ann->screen.len, 0);
	assert_int_equal(count_lines(screen(place, BOB), &skipped), 2000);
	assert_int_equal(skipped, 0);

	person_reads_again(ann);
	pl_world_settle(place->world);
	say_number(place, 2000);
	heard = count_lines(screen(place, ANN), &skipped);
	assert_in_range(heard, 16 * 1024 / 20, 1500);
	assert_int_equal(heard + (int)skipped, 2001);
	assert_false(ann->gone);
	assert_int_equal(counted(place, "lines: skipped for slow readers"), skipped);
}

static void what_several_miss_is_counted_for_each_of_them(void **state)
{
	struct place *place = *state;
	unsigned missed[PEOPLE];

	for (int i = 0; i < PEOPLE; i++)
		join(place, i, false)->stuck = i != BOB;
	for (unsigned i = 0; i < 1000; i++)
		say_number(place, i);
	for (int i = 0; i < PEOPLE; i++) {
		person_reads_again(&place->people[i]);
		assert_true(count_lines(screen(place, i), &missed[i]) > 0);
	}
	assert_int_equal(missed[BOB], 0);
	assert_true(missed[ANN] > 100);
	assert_int_equal(counted(place, "lines: skipped for slow readers"),
	                 missed[ANN] + missed[EVE]);
}

/* T5: on a terminal each line brings escapes with it, and the line that is typed. */
static void a_terminal_that_is_behind_shows_whole_lines_and_what_is_typed(void **state)
{
	struct place *place = *state;
	struct person *ann = join(place, ANN, true);
	unsigned skipped;
	char text[20000], *typed;
	int heard;

	ann->stuck = true;
	person_types(ann, "s\xc3\xbc\xc3\x9f");
	for (unsigned i = 0; i < 1500; i++) {
		say_number(place, i);
		if (i == 700)
			person_types(ann, "-\xe4\xb8\x96");
	}
	pl_world_settle(place->world);
	person_reads_again(ann);
	snprintf(text, sizeof text, "%s", seen(place, ANN));
	typed = strstr(text, "\ns\xc3\xbc\xc3\x9f-\xe4\xb8\x96");
	assert_non_null(typed);
	assert_int_equal(typed[10], '\0');
	typed[1] = '\0';
	heard = count_lines(text, &skipped);
	assert_true(heard > 100);
	assert_int_equal(heard + (int)skipped, 1500);
}

static void the_own_line_may_be_skipped_too_and_what_was_typed_stays(void **state)
{
	struct place *place = *state;
	struct person *ann = join(place, ANN, true);
	char text[20000];

	ann->stuck = true;
	ann->on_line = say_what_was_typed;
	memset(text, 'x', sizeof text);
	pl_send_line(&ann->line, text, sizeof text);
	person_types(ann, "hello\rne");
	person_reads_again(ann);
	assert_string_equal(seen(place, ANN) + sizeof text + sizeof text / 80,
	                    "hello\n-- 1 line skipped --\nne");
}

/* U11, S9: a serial line or a UDP peer is not ended for being slow, so there even an answer
 * may find no room. */
static const struct pl_marks lossy_marks = {
	.low = 100, .high = 1000, .hard = 2000, .lossy = true
};

static void answers_for_which_there_is_no_room_are_told_of(void **state)
{
	struct place *place = *state;
	struct person *ann = join(place, ANN, false);
	char expected[4000] = "";
	size_t n = 0;

	ann->stuck = true;
	pl_set_marks(&ann->wire, &lossy_marks);
	for (int i = 0; i < 200; i++)
		pl_send_linef(&ann->line, "answer no. %07d", i); /* 20 bytes each */
	say(place, NULL, "missed");
	for (int i = 0; i < 100; i++)
		n += (size_t)snprintf(expected + n, sizeof expected - n,
		                      "answer no. %07d\r\n", i);
	snprintf(expected + n, sizeof expected - n,
	         "-- 1 line skipped --\r\n-- 100 lines were lost on the way to you --\r\n");
	person_reads_again(ann);
	assert_string_equal(screen(place, ANN), expected);
	assert_int_equal(counted(place, "lines: lost, the queue was full"), 100);
	assert_false(ann->gone);

	person_clear(ann);
	ann->stuck = true;
	pl_send_linef(&ann->line, "answer");
	person_reads_again(ann);
	assert_string_equal(screen(place, ANN), "answer\r\n"); /* told once */
}

static void what_is_typed_is_whole_again_after_its_drawings_were_lost(void **state)
{
	struct place *place = *state;
	struct person *ann = join(place, ANN, true);
	char text[1990];

	ann->stuck = true;
	pl_set_marks(&ann->wire, &lossy_marks);
	memset(text, 'x', 78);
	person_types(ann, "he");
	pl_send_line(&ann->line, text, 78);
	person_types(ann, "llo");
	memset(text, 'y', sizeof text);
	pl_send_line(&ann->line, text, sizeof text); /* no room */
	pl_send_line(&ann->line, text, 1895);        /* takes it all */
	person_types(ann, ", you");                  /* no room */
	pl_send_line(&ann->line, "z", 1);
	person_reads_again(ann);
	assert_non_null(strstr(seen(place, ANN),
	                       "yy\n-- 2 lines were lost on the way to you --\nhello, you"));
	assert_null(strstr(seen(place, ANN), "you\n"));
}

static void what_was_erased_is_gone_after_its_drawing_was_lost(void **state)
{
	struct place *place = *state;
	struct person *ann = join(place, ANN, true);
	char text[1987];

	ann->stuck = true;
	pl_set_marks(&ann->wire, &lossy_marks);
	memset(text, 'x', sizeof text);
	pl_send_line(&ann->line, text, sizeof text);
	person_types(ann, "typed in");
	person_types(ann, "\025"); /* Ctrl-U: no room */
	person_reads_again(ann);
	assert_non_null(strstr(seen(place, ANN), "\ntyped in"));
	say(place, NULL, "hello");
	assert_null(strstr(seen(place, ANN), "typed in"));
	assert_non_null(strstr(seen(place, ANN), "\n<ann> hello\n"));
}

static void answer_much(struct person *p, const char *line, size_t len)
{
	(void)len;
	for (int i = 0; i < 200; i++)
		pl_send_linef(&p->line, "answer to %s", line);
}

static void a_line_whose_answer_was_lost_keeps_its_row(void **state)
{
	struct place *place = *state;
	struct person *ann = join(place, ANN, true);
	char text[1960];

	ann->stuck = true;
	ann->on_line = answer_much;
	pl_set_marks(&ann->wire, &lossy_marks);
	memset(text, 'x', sizeof text);
	pl_send_line(&ann->line, text, sizeof text);
	person_types(ann, "/a_command_of_30_letters_or_so\r");
	person_reads_again(ann);
	assert_non_null(strstr(seen(place, ANN),
	                       "\n/a_command_of_30_letters_or_so\n"
	                       "-- 200 lines were lost on the way to you --\n"));
}

static void lines_are_skipped_again_and_again(void **state)
{
	struct place *place = *state;
	struct person *ann = join(place, ANN, false);
	unsigned skipped, i = 0;
	int heard;

	for (int round = 0; round < 5; round++) {
		ann->stuck = true;
		for (unsigned end = i + 1500; i < end; i++)
			say_number(place, i);
		pl_world_settle(place->world);
		person_reads_again(ann);
		pl_world_settle(place->world);
	}
	heard = count_lines(screen(place, ANN), &skipped);
	assert_true(skipped > 1000);
	assert_int_equal(heard + (int)skipped, i);
}

static void one_line_is_one_line(void **state)
{
	struct place *place = *state;
	struct person *ann = join(place, ANN, false);
	char text[20000];

	ann->stuck = true;
	memset(text, 'x', sizeof text);
	pl_send_line(&ann->line, text, sizeof text);
	pl_world_settle(place->world);
	say(place, NULL, "missed");
	person_reads_again(ann);
	assert_string_equal(screen(place, ANN) + sizeof text,
	                    "\r\n-- 1 line skipped --\r\n");
}

static void who_is_behind_still_gets_his_own_answers(void **state)
{
	struct place *place = *state;
	struct person *ann = join(place, ANN, false);
	char text[20000];

	ann->stuck = true;
	memset(text, 'x', sizeof text);
	pl_send_line(&ann->line, text, sizeof text);
	say(place, NULL, "missed");
	pl_send_linef(&ann->line, "answer");
	say(place, NULL, "missed");
	person_reads_again(ann);
	assert_string_equal(screen(place, ANN) + sizeof text,
	                    "\r\nanswer\r\n-- 2 lines skipped --\r\n");
}

static void a_new_member_has_missed_nothing(void **state)
{
	struct place *place = *state;
	struct person *ann = join(place, ANN, false);
	char text[20000];

	ann->stuck = true;
	memset(text, 'x', sizeof text);
	pl_send_line(&ann->line, text, sizeof text);
	pl_world_settle(place->world);
	say(place, NULL, "missed");
	pl_group_leave(&ann->member);
	pl_group_join(&place->room, &ann->member, &ann->line);
	person_reads_again(ann);
	assert_string_equal(screen(place, ANN) + sizeof text, "\r\n");
}

/* The hard mark ends a connection in the middle of a fan-out: the others hear on. */
static void a_member_who_ends_while_we_send_disturbs_nobody(void **state)
{
	static const struct pl_marks tight = { .low = 10, .high = 1000, .hard = 20 };
	struct place *place = *state;
	struct person *bob;

	join(place, ANN, false);
	bob = join(place, BOB, false);
	join(place, EVE, false);
	bob->stuck = true;
	pl_set_marks(&bob->wire, &tight);
	say(place, NULL, "one");
	say(place, NULL, "two");
	assert_int_equal(place->room.count, 3);
	assert_string_equal(screen(place, ANN), "<ann> one\r\n<ann> two\r\n");
	assert_string_equal(screen(place, EVE), "<ann> one\r\n<ann> two\r\n");
	assert_int_equal(bob->reason, -ENOBUFS);
	assert_int_equal(place->room.count, 2);
}

static void a_formatted_line_goes_to_all(void **state)
{
	struct place *place = *state;
	struct person *ann = join(place, ANN, false);

	join(place, BOB, false);
	pl_group_sendf(&place->room, &ann->line, "<%s> %d", "ann", 42);
	assert_string_equal(screen(place, ANN), "");
	assert_string_equal(screen(place, BOB), "<ann> 42\r\n");
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(everybody_hears_it_but_who_has_it_on_his_screen_already),
		T(on_a_terminal_the_own_line_replaces_the_typed_one),
		T(what_comes_before_the_own_line_leaves_the_typed_one),
		T(order_is_that_of_joining),
		T(joining_twice_is_joining_once),
		T(who_leaves_hears_no_more),
		T(joining_another_group_leaves_the_first),
		T(a_person_can_be_in_several_groups),
		T(who_is_lost_has_left_before_he_is_told),
		T(a_group_that_is_finished_has_nobody),
		T(who_has_joined_before_his_connection_was_made_hears_nothing_yet),
		T(members_are_asked_what_they_want),
		T(a_group_renders_once_and_its_own_way),
		T(a_line_for_which_there_is_no_memory_is_told_as_skipped),
		T(who_does_not_keep_up_reads_how_many_lines_he_missed),
		T(what_several_miss_is_counted_for_each_of_them),
		T(a_terminal_that_is_behind_shows_whole_lines_and_what_is_typed),
		T(the_own_line_may_be_skipped_too_and_what_was_typed_stays),
		T(answers_for_which_there_is_no_room_are_told_of),
		T(what_is_typed_is_whole_again_after_its_drawings_were_lost),
		T(what_was_erased_is_gone_after_its_drawing_was_lost),
		T(a_line_whose_answer_was_lost_keeps_its_row),
		T(lines_are_skipped_again_and_again),
		T(one_line_is_one_line),
		T(who_is_behind_still_gets_his_own_answers),
		T(a_new_member_has_missed_nothing),
		T(a_member_who_ends_while_we_send_disturbs_nobody),
		T(a_formatted_line_goes_to_all),
	};

	return cmocka_run_group_tests_name("group", tests, NULL, NULL);
}
