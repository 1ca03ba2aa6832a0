/* slow_test.c: people who do not read, on real wires, in a real chat, on a fake clock.
 *
 * One talks, a witness hears it all, and at the end of a tcp, unix, pty or udp wire sits
 * somebody who has stopped reading.  What the kernel holds for him fills first; so it is
 * seen here, not in a fake, that the rest is counted, that lines stay whole (T5), and when
 * a connection ends.  S9: a line is slow in seconds, and slow for ever. */
#define _DEFAULT_SOURCE /* cfmakeraw */
#include "../chat/hall.h"
#include "loopback.h"
#include "world.h"

#include <partyline/stats.h>
#include <partyline/transport_impl.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

enum { ANN, WITNESS }; /* by mem: */
enum { PATIENCE = 5000, PLENTY = 100000, LINE_LEN = 900 };

/* Somebody at the end of a real wire. */
struct wire {
	int fd;
	char *text; /* all that he has read, NUL-terminated */
	size_t len, size;
	size_t at; /* how far reads() has gone in it */
};

struct place {
	struct hall *hall;
	struct wire slow, other;
	unsigned said;
	int descriptors;
	char directory[24], path[32], tcp[80], udp[80];
};

static struct place the_place;

/* --- the place ---------------------------------------------------------------------- */

static struct pl_reactor *reactor_of(const struct place *p)
{
	return pl_world_reactor(p->hall->world);
}

static void listen_at(struct place *p, const char *endpoint, char *name, size_t size)
{
	struct pl_error err = { 0 };
	struct pl_port *port =
		pl_listen(reactor_of(p), endpoint, &p->hall->chat->factory, &err);

	if (!port)
		fail_msg("%s", err.text);
	if (name)
		snprintf(name, size, "%s", pl_port_name(port));
}

static int setup(void **state)
{
	struct place *p = &the_place;
	void *hall;

	*p = (struct place){ .slow.fd = -1, .other.fd = -1 };
	p->descriptors = open_descriptors();
	if (hall_open(&hall) < 0)
		return -1;
	p->hall = hall;
	hall_fill(p->hall, 2);
	snprintf(p->directory, sizeof p->directory, "/tmp/partyline.XXXXXX");
	if (!mkdtemp(p->directory))
		return -1;
	snprintf(p->path, sizeof p->path, "%.*s/wire", (int)sizeof p->directory - 1,
	         p->directory);
	*state = p;
	return 0;
}

static void hang_up(struct wire *w)
{
	if (w->fd >= 0)
		close(w->fd);
	free(w->text);
}

static int teardown(void **state)
{
	struct place *p = *state;
	void *hall = p->hall;

	hang_up(&p->slow);
	hang_up(&p->other);
	hall_close(&hall);
	unlink(p->path);
	rmdir(p->directory);
	return open_descriptors() == p->descriptors ? 0 : -1;
}

/* --- wires ------------------------------------------------------------------------------ */

static void read_wire(struct wire *w)
{
	ssize_t n;

	do {
		if (w->size - w->len < 20000) {
			w->size = 2 * w->size + 40000;
			w->text = realloc(w->text, w->size);
			if (!w->text)
				abort();
		}
		n = read(w->fd, w->text + w->len, w->size - w->len - 1);
		w->len += n > 0 ? (size_t)n : 0;
		w->text[w->len] = '\0';
	} while (n > 0);
}

/* Reads on until he has read this. */
static void reads(struct place *p, struct wire *w, const char *text)
{
	const char *found;

	for (int turns = 0; read_wire(w), !(found = strstr(w->text + w->at, text));
	     turns++) {
		if (turns == PATIENCE)
			fail_msg("not read: %s", text);
		if (w->len - w->at > strlen(text))
			w->at = w->len - strlen(text);
		world_turn(p->hall->world, 1);
	}
	w->at = (size_t)(found - w->text) + strlen(text);
}

static void forget(struct wire *w)
{
	w->len = w->at = 0;
}

/* He is there, and has read what newcomers read. */
static void greeted(struct place *p, struct wire *w)
{
	reads(p, w, "you are guest");
	reads(p, w, "\n");
	forget(w);
	pl_world_advance(p->hall->world, 2000); /* the others have read of him, too */
	pl_mem_user_clear(p->hall->people[WITNESS]);
}

static void connect_tcp(struct place *p, struct wire *w)
{
	if (!p->tcp[0])
		listen_at(p, "tcp:0:interface=127.0.0.1", p->tcp, sizeof p->tcp);
	w->fd = loopback_connect(p->tcp);
	assert_true(w->fd >= 0);
	greeted(p, w);
}

static void connect_unix(struct place *p, struct wire *w)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	char endpoint[100];

	snprintf(endpoint, sizeof endpoint, "unix:%s", p->path);
	listen_at(p, endpoint, NULL, 0);
	snprintf(to.sun_path, sizeof to.sun_path, "%s", p->path);
	w->fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(w->fd, (struct sockaddr *)&to, sizeof to), 0);
	assert_int_equal(pl_set_nonblocking(w->fd), 0);
	greeted(p, w);
}

static void open_line(struct place *p, struct wire *w, const char *keys)
{
	char endpoint[140];
	struct termios raw;

	snprintf(endpoint, sizeof endpoint, "pty:%s:join=open%s", p->path, keys);
	listen_at(p, endpoint, NULL, 0);
	w->fd = open(p->path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	assert_true(w->fd >= 0);
	tcgetattr(w->fd, &raw);
	cfmakeraw(&raw);
	raw.c_cc[VMIN] = 1; /* an idle line reads as EAGAIN */
	tcsetattr(w->fd, TCSANOW, &raw);
	pl_world_advance(p->hall->world, 1000);
	greeted(p, w);
}

static void connect_pty(struct place *p, struct wire *w)
{
	open_line(p, w, "");
}

static void connect_udp(struct place *p, struct wire *w)
{
	struct sockaddr_in to;

	if (!p->udp[0])
		listen_at(p, "udp:0:interface=127.0.0.1", p->udp, sizeof p->udp);
	to = loopback_address(p->udp);
	w->fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(pl_set_nonblocking(w->fd), 0);
	assert_int_equal(connect(w->fd, (struct sockaddr *)&to, sizeof to), 0);
	assert_int_equal(send(w->fd, "\n", 1, 0), 1);
	greeted(p, w);
}

/* --- what is said ------------------------------------------------------------------------ */

/* Ann says a numbered line, and the witness has read it. */
static void say(struct place *p)
{
	char line[LINE_LEN + 2], expected[LINE_LEN + 20];

	snprintf(line, sizeof line, "%08u%0*d\n", p->said++, LINE_LEN - 8, 0);
	snprintf(expected, sizeof expected, "<guest1> %s", line);
	pl_mem_user_type(p->hall->people[ANN], line);
	assert_reads(p->hall->people[WITNESS], expected);
}

static uint64_t counted(const struct place *p, const char *what)
{
	return pl_counted(reactor_of(p), what);
}

/* Until so many more lines have been skipped for somebody. */
static void say_too_much(struct place *p, unsigned n)
{
	const uint64_t end = counted(p, "lines: skipped for slow readers") + n;

	while (counted(p, "lines: skipped for slow readers") < end) {
		assert_in_range(p->said, 0, PLENTY);
		say(p);
	}
}

/* How many lines he has read and how many were skipped, by what he was told; fails where
 * one is not whole or not the next. */
static unsigned check_lines(const struct wire *w, unsigned *skipped)
{
	unsigned next = 0, n = 0;
	const char *at = w->text;

	*skipped = 0;
	while (*at) {
		const char *end = memchr(at, '\r', w->len - (size_t)(at - w->text));
		char line[LINE_LEN + 20] = "";
		unsigned number;

		if (end && end[1] == '\n' && (size_t)(end - at) < sizeof line)
			memcpy(line, at, (size_t)(end - at));
		if (sscanf(line, "<guest1> %8u", &number) == 1 &&
		    strlen(line) == LINE_LEN + 9) {
			assert_int_equal(number, next);
			next++;
			n++;
		} else if (sscanf(line, "-- %u lines skipped --", &number) == 1) {
			*skipped += number;
			next += number;
		} else {
			fail_msg("neither a line nor a word about them: %.60s", at);
		}
		at = end + 2;
	}
	return n;
}

/* --- tcp, unix, pty: what is too much is counted and told ------------------------------------ */

static void (*const connects[])(struct place *p, struct wire *w) = { connect_tcp,
	                                                             connect_unix,
	                                                             connect_pty };

/* By its number in connects[]. */
static void check_catching_up(struct place *p, size_t kind)
{
	unsigned heard, skipped;
	char last[40];

	connects[kind](p, &p->slow);
	for (int round = 0; round < 3; round++) {
		say_too_much(p, 100);
		reads(p, &p->slow, " lines skipped --");
		for (int turns = 0; turns < 20; turns++) {
			world_turn(p->hall->world, 1);
			read_wire(&p->slow);
		}
	}
	say(p);
	snprintf(last, sizeof last, "<guest1> %08u", p->said - 1);
	reads(p, &p->slow, last);
	reads(p, &p->slow, "\n");
	heard = check_lines(&p->slow, &skipped);
	assert_true(skipped >= 300);
	assert_int_equal(heard + skipped, p->said);
	assert_int_equal(counted(p, "lines: skipped for slow readers"), skipped);
	assert_int_equal(counted(p, "lines: lost, the queue was full"), 0);
}

static void on_tcp_lines_stay_whole_and_what_is_missed_is_told(void **state)
{
	check_catching_up(*state, 0);
}

static void on_unix_lines_stay_whole_and_what_is_missed_is_told(void **state)
{
	check_catching_up(*state, 1);
}

static void on_a_pty_lines_stay_whole_and_what_is_missed_is_told(void **state)
{
	check_catching_up(*state, 2);
}

/* Without being told, the kernel would keep megabytes for him, and he would be behind only
 * then. */
static void on_tcp_who_does_not_read_is_soon_behind(void **state)
{
	static const int little = 4096;
	struct place *p = *state;

	connect_tcp(p, &p->slow);
	setsockopt(p->slow.fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
	say_too_much(p, 1);
	assert_in_range(p->said * LINE_LEN, 16 * 1024, 512 * 1024);
}

/* --- tcp, unix: limits ------------------------------------------------------------------------ */

/* He asks and asks, and reads no answer. */
static void ask_until_the_hard_mark(struct place *p, const char *farewell)
{
	char *asked = malloc(6 * 1000 + 1);

	assert_non_null(asked);
	for (int i = 0; i < 1000; i++)
		memcpy(asked + 6 * i, "/help\n", 7);
	for (int i = 0; pl_connections(reactor_of(p)) > 4; i++) { /* mem's have two ends */
		const ssize_t n = send(p->slow.fd, asked, 6 * 1000, MSG_NOSIGNAL);

		assert_true(n < 0 || n % 6 == 0);
		assert_in_range(i, 0, PATIENCE);
		world_turn(p->hall->world, 1);
	}
	free(asked);
	pl_world_settle(p->hall->world);
	assert_reads(p->hall->people[WITNESS], farewell);
	assert_int_equal(counted(p, "connections: ended, too much unread"), 1);
	say(p);
}

static void on_tcp_too_many_unread_answers_end_the_connection(void **state)
{
	struct place *p = *state;

	connect_tcp(p, &p->slow);
	ask_until_the_hard_mark(p, "* guest3 has left (tcp: too far behind)\n");
}

static void on_unix_too_many_unread_answers_end_the_connection(void **state)
{
	struct place *p = *state;

	connect_unix(p, &p->slow);
	ask_until_the_hard_mark(p, "* guest3 has left (unix: too far behind)\n");
}

/* The chat's newest. */
static struct pl_transport *newest(const struct place *p)
{
	return p->hall->chat->people->prev->line.protocol.transport;
}

/* The kernel may find room for some more of it at any time; then it begins anew. */
static void wait_until_the_age_limit(struct place *p, const char *farewell)
{
	int seconds = 0;

	while (pl_connections(reactor_of(p)) > 4) { /* mem's have two ends */
		if (!pl_writing_paused(newest(p))) {
			say_too_much(p, 1);
			seconds = 0;
		}
		assert_in_range(seconds, 0, 600);
		if (seconds++ % 100 == 50)
			say(p); /* which changes nothing */
		pl_world_advance(p->hall->world, 1000);
	}
	assert_in_range(seconds, 599, 601);
	assert_reads(p->hall->people[WITNESS], farewell);
	assert_int_equal(counted(p, "connections: ended, unread for too long"), 1);
	say(p);
}

static void on_tcp_ten_minutes_behind_end_the_connection(void **state)
{
	struct place *p = *state;

	connect_tcp(p, &p->slow);
	wait_until_the_age_limit(p, "* guest3 has left (tcp: timed out)\n");
}

static void on_unix_ten_minutes_behind_end_the_connection(void **state)
{
	struct place *p = *state;

	connect_unix(p, &p->slow);
	wait_until_the_age_limit(p, "* guest3 has left (unix: timed out)\n");
}

/* --- pty: for ever, and in seconds --------------------------------------------------------- */

static void on_a_pty_nobody_is_ended_for_being_slow(void **state)
{
	struct place *p = *state;

	connect_pty(p, &p->slow);
	say_too_much(p, 100);
	for (int i = 0; i < 2000; i++) {
		assert_true(write(p->slow.fd, "/help\r", 6) == 6 || errno == EAGAIN);
		world_turn(p->hall->world, 0);
	}
	assert_true(counted(p, "lines: lost, the queue was full") > 0);
	pl_world_advance(p->hall->world, UINT64_C(30) * 24 * 3600 * 1000);
	say_too_much(p, 100);
	assert_int_equal(counted(p, "connections: ended, too much unread"), 0);
	reads(p, &p->slow, "lines skipped --");
	reads(p, &p->slow, "lines were lost on the way to you --");
	forget(&p->slow);
	say(p);
	reads(p, &p->slow, "<guest1> ");
}

/* 9600 baud are 960 bytes a second: the room is skipped above four seconds of it, and what
 * is read is never older. */
static void on_a_slow_line_four_seconds_of_the_room_wait_at_most(void **state)
{
	struct place *p = *state;
	size_t most = 0, queued = 0;
	unsigned heard, skipped;

	open_line(p, &p->slow, ":baudrate=9600");
	for (int tenths = 0; tenths < 600; tenths++) {
		say(p);
		pl_world_advance(p->hall->world, 100);
		read_wire(&p->slow);
		queued = pl_queued(newest(p));
		most = queued > most ? queued : most;
	}
	assert_in_range(most, 4 * 960 - LINE_LEN, 4 * 960 + LINE_LEN + 100);
	assert_true(counted(p, "lines: skipped for slow readers") > 500);
	pl_world_advance(p->hall->world, 1000 * queued / 960 + 1000);
	reads(p, &p->slow, "lines skipped --");
	pl_world_advance(p->hall->world, 100);
	for (int turns = 0; turns < 20; turns++) {
		world_turn(p->hall->world, 1);
		read_wire(&p->slow);
	}
	heard = check_lines(&p->slow, &skipped);
	assert_in_range(heard, 55, 70); /* a minute, with 911 bytes a line */
	assert_int_equal(heard + skipped, p->said);
}

/* --- udp ------------------------------------------------------------------------------------ */

static void a_udp_peer_that_does_not_read_loses_only_its_own_datagrams(void **state)
{
	struct place *p = *state;
	unsigned skipped, heard;

	connect_udp(p, &p->slow);
	connect_udp(p, &p->other);
	read_wire(&p->slow); /* that the other one has joined */
	forget(&p->slow);
	for (int i = 0; i < 3000; i++) {
		say(p);
		read_wire(&p->other);
	}
	heard = check_lines(&p->other, &skipped);
	assert_int_equal(heard, p->said);
	assert_int_equal(skipped, 0);

	/* He has the first of them, as many as his socket holds, whole, and hears on. */
	read_wire(&p->slow);
	heard = check_lines(&p->slow, &skipped);
	assert_in_range(heard, 10, p->said - 1);
	forget(&p->slow);
	say(p);
	read_wire(&p->slow);
	assert_int_equal(p->slow.len, LINE_LEN + 11);
	assert_int_equal(counted(p, "connections: ended by an error"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(on_tcp_lines_stay_whole_and_what_is_missed_is_told),
		TEST(on_unix_lines_stay_whole_and_what_is_missed_is_told),
		TEST(on_a_pty_lines_stay_whole_and_what_is_missed_is_told),
		TEST(on_tcp_who_does_not_read_is_soon_behind),
		TEST(on_tcp_too_many_unread_answers_end_the_connection),
		TEST(on_unix_too_many_unread_answers_end_the_connection),
		TEST(on_tcp_ten_minutes_behind_end_the_connection),
		TEST(on_unix_ten_minutes_behind_end_the_connection),
		TEST(on_a_pty_nobody_is_ended_for_being_slow),
		TEST(on_a_slow_line_four_seconds_of_the_room_wait_at_most),
		TEST(a_udp_peer_that_does_not_read_loses_only_its_own_datagrams),
	};

	return cmocka_run_group_tests_name("slow", tests, NULL, NULL);
}
