/* io_test.c: the kernel takes less than was offered, gives less than there is, is
 * interrupted, or says "later" although it said "now" before.
 *
 * Which call fails how is drawn from a seed.  Linked with --wrap for what streams and the
 * reactor call; the far ends of the tests use read() and write(), which never fail so. */
#include "cmocka_all.h"
#include "loopback.h"
#include "recorder.h"
#include "world.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <partyline/stats.h>
#include <partyline/transport_impl.h>

/* --- a kernel with moods --------------------------------------------------------- */

static unsigned mood; /* 0: none */
static unsigned long interrupted, delayed, cut;
static int next_send_fails, next_accept_fails; /* with this errno; 0: it does not */

static unsigned pick(unsigned n)
{
	mood = mood * 1103515245 + 12345;
	return (mood >> 16) % n;
}

/* Sets errno and returns true when this call is to fail. */
static bool fails_now(void)
{
	if (mood == 0)
		return false;
	switch (pick(6)) {
	case 0:
		errno = EINTR;
		interrupted++;
		return true;
	case 1:
		errno = EAGAIN;
		delayed++;
		return true;
	default:
		return false;
	}
}

ssize_t __real_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __real_recv(int fd, void *buf, size_t len, int flags);
ssize_t __wrap_recv(int fd, void *buf, size_t len, int flags);
int __real_accept(int fd, struct sockaddr *from, socklen_t *len);
int __wrap_accept(int fd, struct sockaddr *from, socklen_t *len);
int __real_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_ms);

ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct msghdr less = *msg;
	struct iovec piece;

	if (next_send_fails) {
		errno = next_send_fails;
		next_send_fails = 0;
		return -1;
	}
	if (fails_now())
		return -1;
	if (mood == 0 || msg->msg_iovlen == 0 || pick(2) == 0)
		return __real_sendmsg(fd, msg, flags);
	piece = msg->msg_iov[0];
	if (piece.iov_len > 1)
		piece.iov_len = 1 + pick((unsigned)piece.iov_len);
	less.msg_iov = &piece;
	less.msg_iovlen = 1;
	cut++;
	return __real_sendmsg(fd, &less, flags);
}

ssize_t __wrap_recv(int fd, void *buf, size_t len, int flags)
{
	if (fails_now())
		return -1;
	if (mood != 0 && pick(2) == 0) {
		len = 1 + pick((unsigned)len);
		cut++;
	}
	return __real_recv(fd, buf, len, flags);
}

int __wrap_accept(int fd, struct sockaddr *from, socklen_t *len)
{
	if (next_accept_fails) {
		errno = next_accept_fails;
		next_accept_fails = 0;
		return -1;
	}
	if (fails_now())
		return -1;
	if (mood != 0 && pick(4) == 0) {
		errno = ECONNABORTED;
		return -1;
	}
	return __real_accept(fd, from, len);
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	if (mood != 0 && pick(6) == 0) {
		errno = EINTR;
		interrupted++;
		return -1;
	}
	return __real_poll(fds, n, timeout_ms);
}

/* --- a talk through it ----------------------------------------------------------- */

enum { TALK = 50000 };

static void echo(struct record *rec, const char *data, size_t len)
{
	record_write(rec, data, len);
}

static void farewell(struct record *rec)
{
	record_print(rec, "farewell");
}

static char pattern(size_t at)
{
	return (char)((at * 2654435761U) >> 13);
}

static void talk(unsigned seed)
{
	struct pl_world *w = pl_world_create(seed);
	struct records records;
	struct pl_port *port;
	static char sent[TALK], back[TALK + 100];
	size_t out = 0, in = 0;
	ssize_t n = -1;
	int fd;

	for (size_t i = 0; i < TALK; i++)
		sent[i] = pattern(i + seed);
	records_init(&records, NULL);
	records.hooks.data = echo;
	records.hooks.eof = farewell;
	port = records_listen(&records, pl_world_reactor(w), "tcp:0:interface=127.0.0.1",
	                      NULL);
	fd = loopback_connect(pl_port_name(port));
	mood = seed;
	for (int turns = 0; n != 0; turns++) {
		assert_in_range(turns, 0, 200000);
		if (out < TALK && (n = write(fd, sent + out, TALK - out)) > 0) {
			out += (size_t)n;
			if (out == TALK)
				shutdown(fd, SHUT_WR);
		}
		n = read(fd, back + in, sizeof(back) - in);
		if (n > 0)
			in += (size_t)n;
		else if (n < 0)
			assert_int_equal(errno, EAGAIN);
		world_turn(w, 1);
	}
	mood = 0;
	close(fd);
	for (int turns = 0; turns < 1000 && !records_at(&records, 0)->lost; turns++)
		world_turn(w, 1);
	assert_int_equal(in, TALK + 8);
	assert_memory_equal(back, sent, TALK);
	assert_memory_equal(back + TALK, "farewell", 8);
	assert_non_null(strstr(record_log(records_at(&records, 0)), "eof; lost 0"));
	records_check(&records);
	pl_world_destroy(w);
	records_finish(&records);
}

static void a_talk_survives_every_mood_of_the_kernel(void **state)
{
	int before = open_descriptors();

	(void)state;
	for (unsigned seed = 1; seed <= 60; seed++)
		talk(seed);
	assert_int_equal(open_descriptors(), before);
	/* The moods were there. */
	assert_true(interrupted > 100);
	assert_true(delayed > 100);
	assert_true(cut > 100);
}

/* One who talks to a peer that answers nothing, and what became of him. */
static void send_to_one(int fails_with, bool closes, const char *log)
{
	struct pl_world *w = pl_world_create(1);
	struct records records;
	struct record *rec;
	struct pl_port *port;
	int fd;

	records_init(&records, NULL);
	port = records_listen(&records, pl_world_reactor(w), "tcp:0:interface=127.0.0.1",
	                      NULL);
	fd = loopback_connect(pl_port_name(port));
	for (int turns = 0; turns < 1000 && !records_at(&records, 0); turns++)
		world_turn(w, 1);
	rec = records_at(&records, 0);
	assert_non_null(rec);
	next_send_fails = fails_with;
	record_print(rec, "hello");
	assert_int_equal(write(fd, "last words", 10), 10);
	if (closes)
		close(fd);
	for (int turns = 0; turns < 1000 && !rec->lost; turns++)
		world_turn(w, 1);
	assert_int_equal(next_send_fails, 0);
	assert_string_equal(record_log(rec), log);
	records_check(&records);
	if (!closes)
		close(fd);
	pl_world_destroy(w);
	records_finish(&records);
}

/* A peer who hears nothing any more while he can still speak would be worse. */
static void a_send_without_memory_ends_the_connection(void **state)
{
	(void)state;
	send_to_one(ENOBUFS, false, "made; data \"last words\"; lost -105");
	send_to_one(ENOMEM, false, "made; data \"last words\"; lost -12");
}

static void a_send_after_the_peers_end_is_no_more_than_that_end(void **state)
{
	(void)state;
	send_to_one(EPIPE, true, "made; data \"last words\"; eof; lost 0");
}

static void a_send_that_meets_a_reset_tells_of_it_behind_the_last_words(void **state)
{
	(void)state;
	send_to_one(ECONNRESET, true, "made; data \"last words\"; lost -104");
}

static void come_in_while_accept_fails(int fails_with)
{
	static const char counter[] = "connections: kept waiting, out of memory";
	struct pl_world *w = pl_world_create(1);
	struct records records;
	struct pl_port *port;
	int fd;

	records_init(&records, NULL);
	port = records_listen(&records, pl_world_reactor(w), "tcp:0:interface=127.0.0.1",
	                      NULL);
	next_accept_fails = fails_with;
	fd = loopback_connect(pl_port_name(port));
	for (int turns = 0; turns < 1000 && next_accept_fails; turns++)
		world_turn(w, 1);
	for (int turns = 0; turns < 10; turns++) /* the clock stands still */
		world_turn(w, 1);
	assert_int_equal(records.count, 0);
	assert_int_equal(pl_counted(pl_world_reactor(w), counter), 1);
	pl_world_advance(w, 100);
	assert_int_equal(records.count, 1);
	records_check(&records);
	close(fd);
	pl_world_destroy(w);
	records_finish(&records);
}

static void who_comes_while_there_is_no_memory_for_him_waits_and_is_counted(void **state)
{
	(void)state;
	come_in_while_accept_fails(ENOMEM);
	come_in_while_accept_fails(ENOBUFS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_talk_survives_every_mood_of_the_kernel),
		cmocka_unit_test(a_send_without_memory_ends_the_connection),
		cmocka_unit_test(a_send_after_the_peers_end_is_no_more_than_that_end),
		cmocka_unit_test(a_send_that_meets_a_reset_tells_of_it_behind_the_last_words),
		cmocka_unit_test(
			who_comes_while_there_is_no_memory_for_him_waits_and_is_counted),
	};

	return cmocka_run_group_tests_name("moods of the kernel", tests, NULL, NULL);
}
