#define _GNU_SOURCE /* cfmakeraw() */
/* echo_loop_test.c: far ends that echo, on real ptys, come to rest (S14, W16).
 *
 * A chat on a pty: line, at whose end a terminal is only said to be.  What counts is how
 * many bytes it is sent before there is silence, and what the others in the room read of
 * it.  The clock is fake, so 300 baud take no time. */
#include "cmocka_all.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <partyline/log.h>
#include <partyline/stats.h>
#include <partyline/testing.h>

#include "chat/chat.h"
#include "world.h"

#define HUNG_UP "lines: far ends that echoed, hung up on"
#define QUIET_MS 10000 /* of fake time: longer than a turn of the longest loop */

/* More than this nobody is sent before it ends. */
#define SOME_BYTES 20000

struct place {
	struct pl_world *world;
	struct pl_reactor *reactor;
	struct chat *chat;
	struct pl_mem_user *ann;
	char folder[32];
};

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof *p);

	if (!p)
		return -1;
	pl_log_set_level(PL_LOG_ERROR);
	strcpy(p->folder, "/tmp/partyline-echo-XXXXXX");
	p->world = pl_world_create(1);
	if (!p->world || !mkdtemp(p->folder))
		return -1;
	p->reactor = pl_world_reactor(p->world);
	p->chat = chat_create(p->reactor, &(struct chat_options){ .name = "the hall" });
	*state = p;
	if (!p->chat || !pl_listen(p->reactor, "mem:lobby", &p->chat->factory, NULL))
		return -1;
	p->ann = pl_mem_user_join(p->world, "lobby");
	return p->ann ? 0 : -1;
}

static int tear_down(void **state)
{
	struct place *p = *state;

	pl_mem_user_destroy(p->ann);
	pl_world_destroy(p->world);
	chat_destroy(p->chat);
	rmdir(p->folder);
	free(p);
	return 0;
}

/* --- the far end ------------------------------------------------------------------------- */

struct end {
	int fd;
	size_t sent;     /* bytes that the server has sent it */
	char text[4096]; /* the first of them */
};

static void begin_line(struct place *p, const char *name, const char *options, char *path,
                       size_t size)
{
	struct pl_error err = { .text = "" };
	char endpoint[200];

	snprintf(path, size, "%s/%s", p->folder, name);
	snprintf(endpoint, sizeof endpoint, "pty:%s%s", path, options);
	pl_listen(p->reactor, endpoint, &p->chat->factory, &err);
	assert_string_equal(err.text, "");
}

static void open_end(struct end *e, const char *path)
{
	memset(e, 0, sizeof *e);
	e->fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	assert_true(e->fd >= 0);
}

static void look_and_invite(struct place *p)
{
	pl_world_advance(p->world, 250); /* it looks every 200 ms who is there */
}

/* The kernel's own echo, as `cat` leaves it on. */
static void set_echo(const struct end *e)
{
	struct termios t;

	assert_int_equal(tcgetattr(e->fd, &t), 0);
	t.c_lflag |= ECHO | ICANON | ECHOCTL | ISIG | IEXTEN;
	t.c_iflag |= ICRNL | IXON;
	t.c_oflag |= OPOST | ONLCR;
	assert_int_equal(tcsetattr(e->fd, TCSANOW, &t), 0);
}

/* What has come is read; false when nothing had. */
static bool take(struct end *e, char *data, size_t size, size_t *len)
{
	ssize_t n = read(e->fd, data, size);

	*len = n > 0 ? (size_t)n : 0;
	if (*len && e->sent < sizeof e->text - 1) {
		const size_t room = sizeof e->text - 1 - e->sent;

		memcpy(e->text + e->sent, data, *len < room ? *len : room);
	}
	e->sent += *len;
	return *len > 0;
}

static void give(struct place *p, const struct end *e, const char *data, size_t len)
{
	while (len > 0) {
		const ssize_t n = write(e->fd, data, len);

		if (n > 0) {
			data += n;
			len -= (size_t)n;
		} else {
			pl_world_settle(p->world);
		}
	}
}

/* A kernel that is busy may need a moment of real time for what crosses a pty. */
static void let_time_pass(struct place *p, int looks, uint64_t ms)
{
	while (looks-- > 0)
		world_turn(p->world, 1);
	pl_world_advance(p->world, ms);
}

/* Goes on until both have had nothing for some time, or far too much.  What one reads is
 * written to the other; one end alone gets its own back; with neither, it is only read. */
static void run(struct place *p, struct end *a, struct end *b, bool returns)
{
	char data[512];
	uint64_t quiet_ms = 0;

	while (quiet_ms < QUIET_MS && a->sent < 10 * SOME_BYTES) {
		bool came = false;
		size_t len;

		if (take(a, data, sizeof data, &len)) {
			came = true;
			if (returns)
				give(p, b ? b : a, data, len);
		}
		if (b && take(b, data, sizeof data, &len)) {
			came = true;
			give(p, a, data, len);
		}
		quiet_ms = came ? 0 : quiet_ms + 500;
		let_time_pass(p, came ? 1 : 3, came ? 50 : 500);
	}
}

static void press_enter(struct place *p, const struct end *e, bool echo_behind_it)
{
	pl_world_advance(p->world, 300);
	give(p, e, "\r", 1);
	if (echo_behind_it)
		set_echo(e);
	let_time_pass(p, 3, 300);
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	while ((text = strstr(text, what))) {
		n++;
		text++;
	}
	return n;
}

/* --- one line --------------------------------------------------------------------------------- */

struct way {
	const char *options;
	bool kernel; /* the kernel echoes, else the other end does */
};

static const struct way ways[] = {
	{ "", false },
	{ "", true },
	{ ":baudrate=300", false },
	{ ":baudrate=300", true },
	{ ":rate=5,20", false },
	{ ":edit=off", false },
	{ ":edit=off:baudrate=300", true },
};

static void assert_at_rest(struct place *p, const struct end *e, const struct way *w,
                           const char *what)
{
	printf("    %s%s%s: %zu bytes, %u lines in the room\n", what, w->options,
	       w->kernel ? ", kernel" : "", e->sent,
	       count(pl_mem_user_screen(p->ann), "<guest2>"));
	assert_true(e->sent < SOME_BYTES);
	assert_int_equal(count(pl_mem_user_screen(p->ann), "guest2 has joined"), 1);
	assert_int_equal(count(pl_mem_user_screen(p->ann),
	                       "guest2 has left (pty: it echoes what it is sent)"),
	                 1);
	assert_int_equal(pl_counted(p->reactor, HUNG_UP), 1);
}

/* S14: nobody has joined, and nobody does. */
static void an_invitation_that_comes_back_is_the_only_one(void **state)
{
	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		struct place *p;
		struct end e;
		char path[64];

		assert_int_equal(i == 0 ? 0 : set_up(state), 0);
		p = *state;
		begin_line(p, "line", ways[i].options, path, sizeof path);
		open_end(&e, path);
		if (ways[i].kernel)
			set_echo(&e);
		look_and_invite(p);
		run(p, &e, NULL, !ways[i].kernel);
		assert_string_equal(e.text,
		                    ways[i].kernel ? "partyline: press Enter to join\n\n"
		                                   : "partyline: press Enter to join\r\n");
		assert_int_equal(count(pl_mem_user_screen(p->ann), "has joined"), 0);
		close(e.fd);
		pl_world_advance(p->world, 1000);
		if (i + 1 < sizeof ways / sizeof ways[0])
			tear_down(state);
	}
}

static void comes_to_rest(void **state, const struct way *w, const char *join,
                          const char *first_words)
{
	struct place *p = *state;
	char path[64], options[80];
	struct end e;

	snprintf(options, sizeof options, "%s%s", join, w->options);
	begin_line(p, "line", options, path, sizeof path);
	open_end(&e, path);
	if (*join && w->kernel && !*first_words)
		set_echo(&e);
	look_and_invite(p);
	if (!*join) {
		run(p, &e, NULL, false); /* the invitation */
		e.sent = 0;
		press_enter(p, &e, w->kernel && !*first_words);
	}
	if (*first_words) {
		give(p, &e, first_words, strlen(first_words));
		run(p, &e, NULL, false);
	}
	if (w->kernel)
		set_echo(&e);
	if (*first_words)
		pl_mem_user_type(p->ann, "good morning\n");
	run(p, &e, NULL, !w->kernel);
	assert_at_rest(p, &e, w, *first_words ? "later" : *join ? join : "join=enter");
	/* One more invitation, which brought nothing, and nobody is there. */
	pl_mem_user_clear(p->ann);
	pl_mem_user_type(p->ann, "is it over?\n");
	run(p, &e, NULL, !w->kernel);
	assert_int_equal(count(pl_mem_user_screen(p->ann), "guest2"), 0);
	close(e.fd);
	pl_world_advance(p->world, 1000);
}

static void each_way(void **state, const char *join, const char *first_words)
{
	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		if (*first_words && strstr(ways[i].options, "edit=off"))
			continue; /* see an_echo_without_an_editor_repeats_some_lines */
		assert_int_equal(i == 0 ? 0 : set_up(state), 0);
		comes_to_rest(state, &ways[i], join, first_words);
		if (i + 1 < sizeof ways / sizeof ways[0])
			tear_down(state);
	}
}

/* S14 */
static void an_echo_that_begins_after_enter_comes_to_rest(void **state)
{
	each_way(state, "", "");
}

static void an_echo_comes_to_rest_where_nobody_presses_enter(void **state)
{
	each_way(state, ":join=open", "");
}

/* The terminal program has ended, and `cat` is there instead. */
static void an_echo_that_begins_in_the_middle_comes_to_rest(void **state)
{
	const struct way last = { "", false };

	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(i == 0 ? 0 : set_up(state), 0);
		comes_to_rest(state, &ways[i], "", "hello everybody\r");
		tear_down(state);
	}
	assert_int_equal(set_up(state), 0);
	comes_to_rest(state, &last, ":join=open", "I am a person\r");
}

static void an_echo_without_an_editor_repeats_some_lines(void **state)
{
	struct place *p = *state;
	char path[64], line[60];
	struct end e;

	begin_line(p, "line", ":edit=off", path, sizeof path);
	open_end(&e, path);
	look_and_invite(p);
	press_enter(p, &e, false);
	give(p, &e, "hello everybody\n", 16);
	run(p, &e, NULL, false);
	for (int i = 0; i < 100; i++) {
		snprintf(line, sizeof line, "this is line %d\n", i);
		pl_mem_user_type(p->ann, line);
		run(p, &e, NULL, true);
	}
	assert_true(count(pl_mem_user_screen(p->ann), "<guest2> <guest1> this is") < 40);
	assert_int_equal(pl_counted(p->reactor, HUNG_UP), 1);
	close(e.fd);
	pl_world_advance(p->world, 1000);
}

/* Not a line of text among it: blanks, and what Backspace and the line's end draw. */
static void keys_that_are_echoed_come_to_rest(void **state)
{
	static const char *const keys[] = { "\r",         " ",     "a\b",
		                            "ab\177\177", "x\025", "\014" };

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		struct place *p;
		char path[64];
		struct end e;

		assert_int_equal(i == 0 ? 0 : set_up(state), 0);
		p = *state;
		begin_line(p, "line", "", path, sizeof path);
		open_end(&e, path);
		look_and_invite(p);
		press_enter(p, &e, false);
		run(p, &e, NULL, false); /* the greeting is not echoed */
		give(p, &e, keys[i], strlen(keys[i]));
		run(p, &e, NULL, true);
		printf("    keys %zu: %zu bytes, %u lines in the room\n", i, e.sent,
		       count(pl_mem_user_screen(p->ann), "<guest2>"));
		assert_true(e.sent < 2 * SOME_BYTES);
		assert_true(count(pl_mem_user_screen(p->ann), "<guest2>") < 100);
		close(e.fd);
		pl_world_advance(p->world, 1000);
		if (i + 1 < sizeof keys / sizeof keys[0])
			tear_down(state);
	}
}

/* --- a cable between two lines ------------------------------------------------------------------ */

/* Two servers in one, which is the same: neither line knows of the other. */
static void two_lines_on_one_cable_come_to_rest(void **state)
{
	static const struct {
		const char *a, *b;
		unsigned hung_up; /* at least */
	} cables[] = {
		{ "", "", 0 },
		{ ":join=open", "", 0 },
		{ ":join=open", ":join=open", 1 },
		{ ":join=open:baudrate=300", ":join=open:baudrate=300", 1 },
		{ ":join=open:rate=5,20", ":join=open:rate=5,20", 1 },
		{ ":join=open:edit=off", ":join=open", 0 },
		{ ":join=open:edit=off", ":join=open:edit=off", 0 },
	};

	for (size_t i = 0; i < sizeof cables / sizeof cables[0]; i++) {
		struct place *p;
		char a_path[64], b_path[64];
		struct end a, b;
		unsigned said;

		assert_int_equal(i == 0 ? 0 : set_up(state), 0);
		p = *state;
		begin_line(p, "a", cables[i].a, a_path, sizeof a_path);
		begin_line(p, "b", cables[i].b, b_path, sizeof b_path);
		open_end(&a, a_path);
		open_end(&b, b_path);
		run(p, &a, &b, true);
		said = count(pl_mem_user_screen(p->ann), "<guest2>") +
		       count(pl_mem_user_screen(p->ann), "<guest3>");
		printf("    \"%s\" \"%s\": %zu and %zu bytes, %u lines in the room\n",
		       cables[i].a, cables[i].b, a.sent, b.sent, said);
		assert_true(a.sent < SOME_BYTES && b.sent < SOME_BYTES);
		assert_true(pl_counted(p->reactor, HUNG_UP) >= cables[i].hung_up);
		close(a.fd);
		close(b.fd);
		pl_world_advance(p->world, 1000);
		if (i + 1 < sizeof cables / sizeof cables[0])
			tear_down(state);
	}
}

/* --- persons ----------------------------------------------------------------------------------------- */

/* He marks the whole screen with the mouse, and pastes it. */
static void who_pastes_his_screen_stays(void **state)
{
	struct place *p = *state;
	char path[64], line[80];
	struct end e;

	begin_line(p, "line", "", path, sizeof path);
	open_end(&e, path);
	look_and_invite(p);
	press_enter(p, &e, false);
	run(p, &e, NULL, false);
	for (int i = 0; i < 40; i++) {
		snprintf(line, sizeof line, "number %d\n", i);
		pl_mem_user_type(p->ann, line);
	}
	run(p, &e, NULL, false);
	for (int i = 0; i < 40; i++) {
		snprintf(line, sizeof line, "<guest1> number %d\r", i);
		give(p, &e, line, strlen(line));
	}
	run(p, &e, NULL, false);
	assert_int_equal(pl_counted(p->reactor, HUNG_UP), 0);
	assert_int_equal(count(pl_mem_user_screen(p->ann), "<guest2> <guest1> number"), 40);
	close(e.fd);
	pl_world_advance(p->world, 1000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(an_invitation_that_comes_back_is_the_only_one),
		TEST(an_echo_that_begins_after_enter_comes_to_rest),
		TEST(an_echo_comes_to_rest_where_nobody_presses_enter),
		TEST(an_echo_that_begins_in_the_middle_comes_to_rest),
		TEST(an_echo_without_an_editor_repeats_some_lines),
		TEST(keys_that_are_echoed_come_to_rest),
		TEST(two_lines_on_one_cable_come_to_rest),
		TEST(who_pastes_his_screen_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
