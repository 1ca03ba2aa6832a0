/* line_test.c: the line layer between a transport and a receiver: who gets which bytes,
 * what is written and in how many pieces, pausing, the end, and no memory. */
#include "cmocka_all.h"
#include "person.h"
#include "terminal.h"

#include <partyline/stats.h>
#include <partyline/testing.h>

#include <errno.h>

/* --- what the linker puts in between --------------------------------------------------- */

static unsigned writes;  /* calls of pl_write that had something to write */
static int fail_in = -1; /* so many allocations go well, then one fails */

void __real_pl_write(struct pl_transport *t, const char *data, size_t len);
void __wrap_pl_write(struct pl_transport *t, const char *data, size_t len);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

void __wrap_pl_write(struct pl_transport *t, const char *data, size_t len)
{
	writes += len > 0;
	__real_pl_write(t, data, len);
}

static bool fails_now(void)
{
	return fail_in >= 0 && fail_in-- == 0;
}

void *__wrap_malloc(size_t size)
{
	return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails_now() ? NULL : __real_calloc(n, size);
}

/* --- a world with one person -------------------------------------------------------------- */

struct place {
	struct pl_world *world;
	struct pl_reactor *reactor;
	struct person ann;
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
	place->reactor = pl_world_reactor(place->world);
	writes = 0;
	*state = place;
	return 0;
}

static int teardown(void **state)
{
	struct place *place = *state;

	fail_in = -1;
	pl_world_destroy(place->world);
	person_finish(&place->ann);
	free(place);
	return 0;
}

static struct person *plain(struct place *place)
{
	person_connect(&place->ann, place->reactor, false, "");
	return &place->ann;
}

static struct person *terminal(struct place *place)
{
	person_connect(&place->ann, place->reactor, true, "");
	return &place->ann;
}

static const char *screen(struct place *place)
{
	pl_world_settle(place->world);
	return place->ann.screen.text;
}

/* What the bytes sent look like on a terminal. */
static const char *seen(struct place *place)
{
	static struct terminal t;

	pl_world_settle(place->world);
	terminal_init(&t, 80);
	terminal_show(&t, place->ann.screen.text, place->ann.screen.len);
	return t.fault ? t.fault : terminal_text(&t);
}

/* --- in and out ----------------------------------------------------------------------------- */

static void lines_arrive_clean_and_once(void **state)
{
	struct place *place = *state;
	struct person *ann = plain(place);

	assert_int_equal(ann->made, 1);
	person_types(ann, "hello\r");
	person_types(ann, "\nwo\033[Arl");
	person_types(ann, "d\nend");
	assert_string_equal(ann->heard.text, "<hello><world>");
	assert_string_equal(screen(place), ""); /* his own screen has it already */
}

static void every_line_leaves_as_one_write_with_cr_lf(void **state)
{
	struct place *place = *state;
	struct person *ann = plain(place);
	struct pl_msg *m = pl_msg_new(PL_MSG_ACTION, "bob", NULL, 0, "waves", 5);

	pl_send_line(&ann->line, "hello", 5);
	pl_send_linef(&ann->line, "%d of %s", 3, "them");
	pl_send_msg(&ann->line, m);
	pl_send_line(&ann->line, "", 0);
	pl_msg_unref(m);
	assert_string_equal(screen(place), "hello\r\n3 of them\r\n* bob waves\r\n\r\n");
	assert_int_equal(writes, 4);
}

static void line_ends_inside_a_text_make_several_lines(void **state)
{
	struct place *place = *state;
	struct person *ann = plain(place);
	static const char motd[] = "one\ntwo\r\n\r\nfour\rfive\n";

	pl_send_line(&ann->line, motd, sizeof motd - 1);
	assert_string_equal(screen(place), "one\r\ntwo\r\n\r\nfour\r\nfive\r\n");
	assert_int_equal(writes, 5);
}

static void a_line_of_any_length_leaves_whole(void **state)
{
	struct place *place = *state;
	struct person *ann = terminal(place);
	char text[10001];

	memset(text, 'x', sizeof text);
	person_types(ann, "half");
	screen(place);
	writes = 0;
	person_clear(ann);
	pl_send_line(&ann->line, text, 10000);
	assert_int_equal(writes, 1);
	assert_int_equal(strlen(screen(place)), 4 + 10000 + 2 + 4);
}

static void before_and_after_the_connection_nothing_is_sent(void **state)
{
	struct place *place = *state;
	struct person *ann = &place->ann;
	struct pl_msg *m = pl_msg_new(PL_MSG_LINE, NULL, NULL, 0, "hi", 2);

	person_init(ann);
	pl_send_line(&ann->line, "hi", 2);
	pl_send_linef(&ann->line, "hi");
	pl_send_msg(&ann->line, m);
	pl_line_pause(&ann->line);
	pl_line_resume(&ann->line);
	pl_line_lose(&ann->line);
	person_finish(ann);
	memset(ann, 0, sizeof *ann);

	plain(place);
	pl_abort(&ann->wire, 0);
	pl_world_settle(place->world);
	assert_int_equal(ann->lost, 1);
	pl_send_line(&ann->line, "hi", 2);
	pl_send_msg(&ann->line, m);
	assert_string_equal(ann->screen.text, "");
	pl_msg_unref(m);
}

static void who_types_too_long_a_line_is_told_at_once(void **state)
{
	struct place *place = *state;
	struct person *ann = plain(place);
	char xs[3 * PL_LINE_MAX];

	memset(xs, 'x', sizeof xs);
	person_types_bytes(ann, xs, sizeof xs);
	assert_string_equal(screen(place), "-- line too long: cut at 1024 bytes --\r\n");
	person_types_bytes(ann, xs, sizeof xs);
	person_types(ann, "\nnext\n");
	assert_int_equal(ann->heard.len, 1 + PL_LINE_MAX + 1 + strlen("<next>"));
	assert_string_equal(screen(place), "-- line too long: cut at 1024 bytes --\r\n");
}

static void who_types_too_long_a_line_at_a_terminal_is_told_once_above_it(void **state)
{
	static const char notice[] = "-- line too long: cut at 1024 bytes --\r\n";
	struct place *place = *state;
	struct person *ann = terminal(place);
	char xs[2 * PL_LINE_MAX];
	const char *told;

	memset(xs, 'x', sizeof xs);
	person_types_bytes(ann, xs, sizeof xs);
	told = strstr(screen(place), notice);
	assert_non_null(told);
	assert_memory_equal(told + strlen(notice), "<xxx", 4); /* the line's end again */
	assert_null(strstr(told + 1, notice));
	person_types(ann, "\r");
	assert_int_equal(ann->heard.len, 1 + PL_LINE_MAX + 1);
}

static void idle_people_have_no_buffers(void **state)
{
	struct place *place = *state;
	struct person *ann = plain(place);

	/* An allocation would now be refused, and end the connection. */
	fail_in = 0;
	person_types(ann, "\n\r\n\xff\xfb\x1f\xff\xfa\x1f");
	assert_int_equal(fail_in, 0);
	fail_in = -1;
	assert_string_equal(ann->heard.text, "<><>");
}

/* --- telnet ------------------------------------------------------------------------------------ */

static void telnet_s_interrupt_is_answered_and_drops_the_line(void **state)
{
	struct place *place = *state;
	struct person *ann = plain(place);

	person_types(ann, "half\xff\xf4\xff\xfd\x06whole\r\n");
	assert_string_equal(ann->heard.text, "<whole>");
	assert_string_equal(screen(place), "\xff\xfb\x06");
}

/* What inetutils telnet makes of characters with such bytes in them, recorded. */
static void a_character_that_telnet_took_for_a_key_is_put_together_again(void **state)
{
	struct place *place = *state;
	struct person *ann = plain(place);

	person_types(ann, "Meine \xc3\xff\xf3\xff\xfd\x06"
	                  "bung\r\n");
	person_types(ann, "\xc3\xff\xf4\xff\xfd\x06 \xc3\xff\xed\xff\xfd\x06 "
	                  "\xc3\xff\xf5\xff\xfd\x06\r\n");
	assert_string_equal(ann->heard.text, "<Meine \xc3\x9c"
	                                     "bung>"
	                                     "<\xc3\x83 \xc3\x9a \xc3\x8f>");
}

static void are_you_there_is_answered(void **state)
{
	struct place *place = *state;
	struct person *ann = plain(place);

	person_types(ann, "x\xff\xf6y\n");
	assert_string_equal(ann->heard.text, "<xy>");
	assert_string_equal(screen(place), "-- yes, I am here --\r\n");
}

static void telnet_codes_do_not_reach_the_text(void **state)
{
	struct place *place = *state;
	struct person *ann = plain(place);
	static const char in[] =
		"x\xff\xfb\x1f\xff\xfa\x1f\0\x50\0\x18\xff\xf0\xff\xffy\r\n";

	for (size_t i = 0; i < sizeof in - 1; i++)
		person_types_bytes(ann, in + i, 1);
	assert_string_equal(ann->heard.text, "<x\xef\xbf\xbdy>");
	assert_string_equal(screen(place), "");
}

static void telnet_works_for_edited_lines_too(void **state)
{
	struct place *place = *state;
	struct person *ann = &place->ann;

	person_connect(ann, place->reactor, false, ":edit=on");
	person_types(ann, "half\xff\xf4\xff\xfd\x06whole\r");
	assert_string_equal(ann->heard.text, "<whole>");
	assert_non_null(strstr(screen(place), "\xff\xfb\x06"));
}

static void a_terminal_sends_no_telnet(void **state)
{
	struct place *place = *state;
	struct person *ann = terminal(place);

	person_types(ann, "x\xff\xf4y\r"); /* noise */
	assert_string_equal(ann->heard.text, "<x\xef\xbf\xbd\xef\xbf\xbdy>");
}

/* --- which of the two ---------------------------------------------------------------------------- */

static void terminals_are_edited_unless_the_endpoint_says_otherwise(void **state)
{
	static const struct {
		bool terminal;
		const char *keys;
		bool edited;
	} rows[] = {
		{ false, "", false },           { true, "", true },
		{ false, ":edit=auto", false }, { true, ":edit=auto", true },
		{ false, ":edit=on", true },    { true, ":edit=off", false },
	};
	struct place *place = *state;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct person *p = calloc(1, sizeof *p);
		bool echoed;

		person_connect(p, place->reactor, rows[i].terminal, rows[i].keys);
		person_types(p, "a");
		pl_world_settle(place->world);
		echoed = p->screen.len > 0;
		pl_abort(&p->wire, 0);
		pl_world_settle(place->world);
		person_finish(p);
		free(p);
		assert_int_equal(echoed, rows[i].edited);
	}
}

/* --- records, and the end of input --------------------------------------------------------------- */

static void the_end_of_a_datagram_ends_a_line(void **state)
{
	struct place *place = *state;
	struct person *ann = plain(place);

	person_types(ann, "one\ntw");
	person_event(ann, PL_EVENT_RECORD_END, 0);
	person_types(ann, "three\n");
	person_event(ann, PL_EVENT_RECORD_END, 0);
	person_event(ann, PL_EVENT_RECORD_END, 0);
	assert_string_equal(ann->heard.text, "<one><tw><three>");
}

static void answer(struct person *p, const char *line, size_t len)
{
	pl_send_linef(&p->line, "you said %.*s", (int)len, line);
}

static void an_unfinished_last_line_is_handed_up_and_answered(void **state)
{
	struct place *place = *state;
	struct person *ann = plain(place);

	ann->on_line = answer;
	person_types(ann, "hi\nlast");
	person_event(ann, PL_EVENT_EOF, 0);
	assert_string_equal(screen(place), "you said hi\r\nyou said last\r\n");
	assert_int_equal(ann->lost, 1);
	assert_int_equal(ann->reason, 0);
}

static void what_nobody_has_entered_on_a_terminal_is_not_said(void **state)
{
	struct place *place = *state;
	struct person *ann = terminal(place);

	person_types(ann, "hi\rhalf");
	person_event(ann, PL_EVENT_EOF, 0);
	pl_world_settle(place->world);
	assert_string_equal(ann->heard.text, "<hi>");
	assert_int_equal(ann->lost, 1);
}

/* --- losing and pausing ---------------------------------------------------------------------------- */

static void lose_at_exit(struct person *p, const char *line, size_t len)
{
	(void)len;
	if (strcmp(line, "/exit") == 0) {
		pl_send_linef(&p->line, "bye");
		pl_line_lose(&p->line);
		pl_line_lose(&p->line);
	}
}

static void no_line_follows_the_one_that_loses(void **state)
{
	struct place *place = *state;
	struct person *ann = plain(place);

	ann->on_line = lose_at_exit;
	person_types(ann, "hi\n/exit\nhello?\n");
	person_types(ann, "still there?\n");
	assert_string_equal(screen(place), "bye\r\n");
	assert_string_equal(ann->heard.text, "<hi></exit>");
	assert_int_equal(ann->lost, 1);
	assert_int_equal(ann->reason, 0);
}

static void only_lose(struct person *p, const char *line, size_t len)
{
	(void)line;
	(void)len;
	pl_line_lose(&p->line);
}

static void who_loses_a_terminal_leaves_the_cursor_on_a_new_row(void **state)
{
	struct place *place = *state;
	struct person *ann = terminal(place);

	ann->on_line = only_lose;
	person_types(ann, "/exit\rmore\r");
	assert_string_equal(screen(place), "/exit\r\n");
	assert_string_equal(ann->heard.text, "</exit>");
}

static void pause_at_wait(struct person *p, const char *line, size_t len)
{
	(void)len;
	if (strcmp(line, "wait") == 0)
		pl_line_pause(&p->line);
}

static void a_pause_holds_between_two_lines_of_one_read(void **state)
{
	struct place *place = *state;
	struct person *ann = plain(place);

	ann->on_line = pause_at_wait;
	person_types(ann, "a\nwait\r\nb\nwait\nc");
	pl_world_settle(place->world);
	assert_string_equal(ann->heard.text, "<a><wait>");
	assert_false(ann->reading);

	pl_line_resume(&ann->line);
	assert_string_equal(ann->heard.text, "<a><wait>"); /* in a later turn */
	pl_world_settle(place->world);
	assert_string_equal(ann->heard.text, "<a><wait><b><wait>");
	assert_false(ann->reading);

	pl_line_resume(&ann->line);
	pl_line_resume(&ann->line);
	pl_world_settle(place->world);
	assert_true(ann->reading);
	person_types(ann, "d\n");
	assert_string_equal(ann->heard.text, "<a><wait><b><wait><cd>");
}

static void a_pause_holds_between_two_lines_of_a_paste(void **state)
{
	struct place *place = *state;
	struct person *ann = terminal(place);

	ann->on_line = pause_at_wait;
	person_types(ann, "wait\rb\rc");
	assert_string_equal(seen(place), "wait\n");
	pl_line_resume(&ann->line);
	assert_string_equal(seen(place), "wait\nb\nc");
	assert_string_equal(ann->heard.text, "<wait><b>");
}

static void a_pause_at_the_end_of_a_read_holds_nothing(void **state)
{
	struct place *place = *state;
	struct person *ann = plain(place);

	ann->on_line = pause_at_wait;
	person_types(ann, "wait\n");
	assert_false(ann->reading);
	pl_line_resume(&ann->line);
	assert_true(ann->reading);
	pl_line_pause(&ann->line);
	assert_false(ann->reading);
	pl_line_resume(&ann->line);
	person_types(ann, "b\n");
	assert_string_equal(ann->heard.text, "<wait><b>");
}

static void pause_and_resume(struct person *p, const char *line, size_t len)
{
	(void)line;
	(void)len;
	pl_line_pause(&p->line);
	pl_line_resume(&p->line);
}

static void a_pause_that_is_over_at_once_changes_nothing(void **state)
{
	struct place *place = *state;
	struct person *ann = plain(place);

	ann->on_line = pause_and_resume;
	person_types(ann, "a\nb\nc\n");
	assert_string_equal(ann->heard.text, "<a><b><c>");
	assert_true(ann->reading);
}

static void a_pause_taken_up_again_before_the_rest_came_holds(void **state)
{
	struct place *place = *state;
	struct person *ann = plain(place);

	ann->on_line = pause_at_wait;
	person_types(ann, "wait\nb\n");
	pl_line_resume(&ann->line);
	pl_line_pause(&ann->line);
	pl_world_settle(place->world);
	assert_string_equal(ann->heard.text, "<wait>");
	pl_line_resume(&ann->line);
	pl_world_settle(place->world);
	assert_string_equal(ann->heard.text, "<wait><b>");
}

static void the_end_of_a_datagram_waits_with_what_is_held(void **state)
{
	struct place *place = *state;
	struct person *ann = plain(place);

	ann->on_line = pause_at_wait;
	person_types(ann, "wait\nha");
	person_event(ann, PL_EVENT_RECORD_END, 0);
	assert_string_equal(ann->heard.text, "<wait>");
	pl_line_resume(&ann->line);
	pl_world_settle(place->world);
	assert_string_equal(ann->heard.text, "<wait><ha>");
}

static void the_end_of_input_waits_with_what_is_held(void **state)
{
	struct place *place = *state;
	struct person *ann = plain(place);

	ann->on_line = pause_at_wait;
	person_types(ann, "wait\nb\nwait\nlast");
	person_event(ann, PL_EVENT_EOF, 0);
	pl_world_settle(place->world);
	assert_string_equal(ann->heard.text, "<wait>");
	pl_line_resume(&ann->line);
	pl_world_settle(place->world);
	assert_string_equal(ann->heard.text, "<wait><b><wait>");
	pl_send_linef(&ann->line, "still here");
	pl_world_settle(place->world);
	assert_string_equal(ann->screen.text, "still here\r\n");
	assert_int_equal(ann->lost, 0);
	pl_line_resume(&ann->line);
	pl_world_settle(place->world);
	assert_string_equal(ann->heard.text, "<wait><b><wait><last>");
	assert_int_equal(ann->lost, 1);
	assert_int_equal(ann->reason, 0);
}

static void the_end_of_input_waits_for_who_paused_at_the_last_line(void **state)
{
	struct place *place = *state;
	struct person *ann = plain(place);

	ann->on_line = pause_at_wait;
	person_types(ann, "wait");
	person_event(ann, PL_EVENT_EOF, 0);
	pl_world_settle(place->world);
	assert_string_equal(ann->heard.text, "<wait>");
	assert_int_equal(ann->lost, 0);
	pl_line_resume(&ann->line);
	assert_int_equal(ann->lost, 0);
	pl_world_settle(place->world);
	assert_int_equal(ann->lost, 1);
}

static bool stay(struct pl_line_receiver *l)
{
	pl_send_linef(l, "that was all");
	return true;
}

static bool go(struct pl_line_receiver *l)
{
	pl_send_linef(l, "that was all");
	return false;
}

static void tell_of_the_end(struct place *place,
                            bool (*input_ended)(struct pl_line_receiver *),
                            unsigned lost_then)
{
	struct pl_line_receiver_ops ops = person_ops;
	struct person *ann = plain(place);

	ops.input_ended = input_ended;
	ann->line.ops = &ops;
	person_types(ann, "half");
	person_event(ann, PL_EVENT_EOF, 0);
	pl_world_settle(place->world);
	assert_string_equal(ann->heard.text, "<half>");
	assert_string_equal(ann->screen.text, "that was all\r\n");
	assert_int_equal(ann->lost, lost_then);
	pl_line_lose(&ann->line);
	pl_world_settle(place->world);
	assert_int_equal(ann->lost, 1);
	assert_int_equal(ann->reason, 0);
}

static void who_is_told_of_the_end_of_input_may_stay(void **state)
{
	tell_of_the_end(*state, stay, 0);
}

static void who_does_not_stay_at_the_end_of_input_goes(void **state)
{
	tell_of_the_end(*state, go, 1);
}

static void what_is_held_goes_with_the_connection(void **state)
{
	struct place *place = *state;
	struct person *ann = plain(place);

	ann->on_line = pause_at_wait;
	person_types(ann, "wait\nb\n");
	pl_line_resume(&ann->line);
	pl_abort(&ann->wire, -ECONNRESET);
	pl_world_settle(place->world);
	assert_int_equal(ann->reason, -ECONNRESET);
	assert_int_equal(ann->lost, 1);
}

static void losing_while_paused_ends_it(void **state)
{
	struct place *place = *state;
	struct person *ann = plain(place);

	ann->on_line = pause_at_wait;
	person_types(ann, "wait\nb\n");
	pl_line_lose(&ann->line);
	pl_line_resume(&ann->line);
	pl_world_settle(place->world);
	assert_string_equal(ann->heard.text, "<wait>");
	assert_int_equal(ann->lost, 1);
}

/* --- lines that are lost --------------------------------------------------------------------------- */

static const struct pl_marks narrow = { .low = 30, .high = 80, .hard = 100, .lossy = true };

/* Lines of 20 bytes each, while nobody reads. */
static struct person *send_to_stuck(struct place *place, struct person *ann, int n)
{
	pl_set_marks(&ann->wire, &narrow);
	ann->stuck = true;
	for (int i = 0; i < n; i++)
		pl_send_linef(&ann->line, "line %02d of a few...", i);
	pl_world_settle(place->world);
	return ann;
}

/* U11, S9: what is lost is seen. */
static void who_lost_lines_reads_how_many_when_there_is_room(void **state)
{
	struct place *place = *state;
	struct person *ann = send_to_stuck(place, plain(place), 8);

	person_reads_again(ann);
	assert_string_equal(screen(place),
	                    "line 00 of a few...\r\nline 01 of a few...\r\n"
	                    "line 02 of a few...\r\nline 03 of a few...\r\n"
	                    "-- 4 lines were lost on the way to you --\r\n");
	assert_int_equal(pl_counted(place->reactor, "lines: lost, the queue was full"), 4);
	person_clear(ann);
	pl_send_linef(&ann->line, "next");
	assert_string_equal(screen(place), "next\r\n"); /* once */
}

static void one_lost_line_is_one_line(void **state)
{
	struct place *place = *state;
	struct person *ann = send_to_stuck(place, plain(place), 5);

	person_reads_again(ann);
	assert_non_null(
		strstr(screen(place), "-- 1 line was lost on the way to you --\r\n"));
}

static void a_line_that_is_too_long_for_the_room_left_is_told_of_as_well(void **state)
{
	struct place *place = *state;
	struct person *ann = send_to_stuck(place, plain(place), 2);
	char text[70];

	memset(text, 'x', sizeof text);
	pl_send_line(&ann->line, text, sizeof text);
	pl_world_settle(place->world);
	person_reads_again(ann);
	assert_string_equal(screen(place), "line 00 of a few...\r\nline 01 of a few...\r\n"
	                                   "-- 1 line was lost on the way to you --\r\n");
}

static void on_a_terminal_the_lost_lines_are_told_above_what_is_typed(void **state)
{
	struct place *place = *state;
	struct person *ann = terminal(place);

	person_types(ann, "half");
	pl_world_settle(place->world);
	send_to_stuck(place, ann, 8);
	person_reads_again(ann);
	assert_non_null(strstr(seen(place), "lines were lost on the way to you --\nhalf"));
}

/* --- terminals ------------------------------------------------------------------------------------- */

static void a_line_around_half_a_typed_one_is_one_write(void **state)
{
	struct place *place = *state;
	struct person *ann = terminal(place);

	person_types(ann, "half");
	pl_world_settle(place->world);
	writes = 0;
	pl_send_linef(&ann->line, "<bob> hello");
	assert_int_equal(writes, 1);
	assert_string_equal(seen(place), "<bob> hello\nhalf");
}

static void what_is_typed_in_one_read_is_one_write(void **state)
{
	struct place *place = *state;
	struct person *ann = terminal(place);

	person_types(ann, "a long line, pasted");
	assert_int_equal(writes, 1);
	assert_string_equal(screen(place), "a long line, pasted");
}

static void an_answer_comes_below_the_line_that_asked(void **state)
{
	struct place *place = *state;
	struct person *ann = terminal(place);

	ann->on_line = answer;
	person_types(ann, "one\rtwo\rth");
	assert_string_equal(seen(place), "one\nyou said one\ntwo\nyou said two\nth");
}

static void several_lines_at_once_keep_the_half_typed_one_last(void **state)
{
	struct place *place = *state;
	struct person *ann = terminal(place);

	person_types(ann, "half");
	pl_send_line(&ann->line, "one\ntwo", 7);
	person_types(ann, " typed\r");
	assert_string_equal(seen(place), "one\ntwo\nhalf typed\n");
	assert_string_equal(ann->heard.text, "<half typed>");
}

static void a_window_that_changes_is_drawn_anew(void **state)
{
	struct place *place = *state;
	struct person *ann = terminal(place);

	person_event(ann, PL_EVENT_WINDOW, 20);
	person_types(ann, "abcdefghijklmnopqrstuvwxyz");
	assert_int_equal(seen(place)[0], '<');
	person_event(ann, PL_EVENT_WINDOW, 0);
	assert_string_equal(seen(place), "abcdefghijklmnopqrstuvwxyz");
}

static void events_that_mean_nothing_here_do_nothing(void **state)
{
	struct place *place = *state;
	struct person *ann = plain(place);

	person_types(ann, "ha");
	person_event(ann, PL_EVENT_WINDOW, 20);
	person_event(ann, PL_EVENT_BREAK, 0);
	person_event(ann, PL_EVENT_CARRIER, 0);
	person_types(ann, "lf\n");
	assert_string_equal(ann->heard.text, "<half>");
	assert_string_equal(screen(place), "");
}

/* --- factories --------------------------------------------------------------------------------------- */

struct guest {
	struct pl_line_receiver line;
	unsigned lines;
};

static void count_line(struct pl_line_receiver *l, const char *line, size_t len)
{
	struct guest *g = pl_container_of(l, struct guest, line);

	(void)len;
	g->lines++;
	pl_send_linef(l, "%u: %s", g->lines, line);
}

static void a_line_factory_makes_zeroed_receivers_and_frees_them(void **state)
{
	static const struct pl_line_receiver_ops ops = { .line_received = count_line };
	struct place *place = *state;
	struct person *ann = &place->ann;
	struct pl_line_factory guests;

	pl_line_factory_init(&guests, &ops, sizeof(struct guest));
	person_prepare(ann, place->reactor, false, "");
	assert_int_equal(pl_transport_up(&ann->wire, &guests.factory), 0);
	person_types(ann, "a\nb\n");
	assert_string_equal(screen(place), "1: a\r\n2: b\r\n");
	pl_abort(&ann->wire, 0);
	pl_world_settle(place->world);
	assert_true(ann->gone); /* and a sanitizer sees what is left */
}

static void a_line_factory_without_memory_refuses(void **state)
{
	static const struct pl_line_receiver_ops ops = { .line_received = count_line };
	struct place *place = *state;
	struct person *ann = &place->ann;
	struct pl_line_factory guests;
	int status;

	pl_line_factory_init(&guests, &ops, sizeof(struct guest));
	person_prepare(ann, place->reactor, false, "");
	fail_in = 0;
	status = pl_transport_up(&ann->wire, &guests.factory);
	fail_in = -1;
	assert_int_equal(status, -ECONNREFUSED);
	assert_true(ann->gone);
}

/* --- no memory --------------------------------------------------------------------------------------- */

static void say_hello(struct person *p)
{
	pl_send_linef(&p->line, "hello");
}

static void pause_and_answer(struct person *p, const char *line, size_t len)
{
	answer(p, line, len);
	pause_at_wait(p, line, len);
}

/* A session in which allocation n fails; what was wrong is written to fault. */
static bool run_short(struct place *place, int n, bool terminal, char *fault, size_t size)
{
	struct person *p = calloc(1, sizeof *p);
	bool failed;

	p->on_made = say_hello;
	p->on_line = pause_and_answer;
	person_prepare(p, place->reactor, terminal, "");
	chunk_log_reserve(&p->heard, 4096);
	chunk_log_reserve(&p->screen, 4096);
	fail_in = n;
	person_up(p);
	person_types(p, "one\nwait\ntwo\nth");
	pl_line_resume(&p->line);
	pl_world_settle(place->world);
	failed = fail_in < 0;
	fail_in = -1;
	if (p->made != 1)
		snprintf(fault, size, "made %u times", p->made);
	else if (failed && (p->lost != 1 || p->reason != -ENOMEM))
		snprintf(fault, size, "lost %u times, %d", p->lost, p->reason);
	else if (!failed && strcmp(p->heard.text, "<one><wait><two>") != 0)
		snprintf(fault, size, "%s", p->heard.text);
	if (!p->gone)
		pl_abort(&p->wire, 0);
	pl_world_settle(place->world);
	person_finish(p);
	free(p);
	return failed;
}

/* Each allocation fails once; the promises hold. */
static void out_of_memory_ends_the_connection(void **state)
{
	struct place *place = *state;

	for (int terminal = 0; terminal < 2; terminal++) {
		char fault[200] = "";
		int n = 0;

		while (run_short(place, n, terminal, fault, sizeof fault) && !fault[0])
			n++;
		if (fault[0])
			fail_msg("allocation %d: %s", n, fault);
		assert_true(n > 5);
	}
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(lines_arrive_clean_and_once),
		T(every_line_leaves_as_one_write_with_cr_lf),
		T(line_ends_inside_a_text_make_several_lines),
		T(a_line_of_any_length_leaves_whole),
		T(before_and_after_the_connection_nothing_is_sent),
		T(who_types_too_long_a_line_is_told_at_once),
		T(who_types_too_long_a_line_at_a_terminal_is_told_once_above_it),
		T(idle_people_have_no_buffers),
		T(telnet_s_interrupt_is_answered_and_drops_the_line),
		T(a_character_that_telnet_took_for_a_key_is_put_together_again),
		T(are_you_there_is_answered),
		T(telnet_codes_do_not_reach_the_text),
		T(telnet_works_for_edited_lines_too),
		T(a_terminal_sends_no_telnet),
		T(terminals_are_edited_unless_the_endpoint_says_otherwise),
		T(the_end_of_a_datagram_ends_a_line),
		T(an_unfinished_last_line_is_handed_up_and_answered),
		T(what_nobody_has_entered_on_a_terminal_is_not_said),
		T(no_line_follows_the_one_that_loses),
		T(who_loses_a_terminal_leaves_the_cursor_on_a_new_row),
		T(a_pause_holds_between_two_lines_of_one_read),
		T(a_pause_holds_between_two_lines_of_a_paste),
		T(a_pause_at_the_end_of_a_read_holds_nothing),
		T(a_pause_that_is_over_at_once_changes_nothing),
		T(a_pause_taken_up_again_before_the_rest_came_holds),
		T(the_end_of_a_datagram_waits_with_what_is_held),
		T(the_end_of_input_waits_with_what_is_held),
		T(the_end_of_input_waits_for_who_paused_at_the_last_line),
		T(who_is_told_of_the_end_of_input_may_stay),
		T(who_does_not_stay_at_the_end_of_input_goes),
		T(what_is_held_goes_with_the_connection),
		T(losing_while_paused_ends_it),
		T(who_lost_lines_reads_how_many_when_there_is_room),
		T(one_lost_line_is_one_line),
		T(a_line_that_is_too_long_for_the_room_left_is_told_of_as_well),
		T(on_a_terminal_the_lost_lines_are_told_above_what_is_typed),
		T(a_line_around_half_a_typed_one_is_one_write),
		T(what_is_typed_in_one_read_is_one_write),
		T(an_answer_comes_below_the_line_that_asked),
		T(several_lines_at_once_keep_the_half_typed_one_last),
		T(a_window_that_changes_is_drawn_anew),
		T(events_that_mean_nothing_here_do_nothing),
		T(a_line_factory_makes_zeroed_receivers_and_frees_them),
		T(a_line_factory_without_memory_refuses),
		T(out_of_memory_ends_the_connection),
	};

	return cmocka_run_group_tests_name("line", tests, NULL, NULL);
}
