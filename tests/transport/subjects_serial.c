/* subjects_serial.c: the far end of the cable is the master of a pty, whose slave the
 * real libserialport opens through a link, as it would an adapter.  ptymodem.c, linked
 * with the test, lets a pty pass for one.  To close is to unplug; to connect again is
 * another adapter behind the same link. */
#define _XOPEN_SOURCE 700 /* posix_openpt */
#include "subject.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <partyline/transport_impl.h>

#define ALONE "one cable, one person"
#define UNPLUGGED "what was on its way in an unplugged adapter is lost with it"

static const struct exception excepted[] = {
	{ "the_end_of_input_is_an_event_and_writing_still_works", "no half-close" },
	{ "who_asks_may_stay_after_the_end_of_input", "no half-close" },
	{ "who_stays_after_the_peer_has_gone_entirely_writes_to_nobody", "no half-close" },
	{ "another_connection_may_be_ended_inside_a_call_up", ALONE },
	{ "another_connection_may_be_ended_inside_connection_lost", ALONE },
	{ "last_words_come_before_the_end", UNPLUGGED },
	{ "what_was_received_is_delivered_though_an_answer_fails", UNPLUGGED },
	{ "a_name_in_use_is_refused_and_the_first_goes_on", "it waits for its device" },
	{ NULL, NULL },
};

static void prepare(struct bench *b)
{
	bench_make_directory(b);
	snprintf(b->endpoint, sizeof(b->endpoint), "serial:%s:join=open", b->path);
}

static int plug(struct client *c)
{
	c->fd = posix_openpt(O_RDWR | O_NOCTTY);
	if (c->fd < 0)
		return -errno;
	pl_set_nonblocking(c->fd);
	unlink(c->bench->path);
	if (grantpt(c->fd) < 0 || unlockpt(c->fd) < 0 ||
	    symlink(ptsname(c->fd), c->bench->path) < 0)
		return -errno;
	return 0;
}

/* Before the server has opened the line, and after it has closed it, the master reads
 * EIO: nobody there, which is not the end of anything. */
static ssize_t serial_receive(struct client *c, char *data, size_t size)
{
	ssize_t n = fd_receive(c, data, size);

	if (n < 0 && errno == EIO)
		errno = EAGAIN;
	return n;
}

static void unplug(struct client *c)
{
	unlink(c->bench->path);
	fd_close(c);
}

const struct subject subject_serial = {
	.type = "serial",
	.excepted = excepted,
	.bulk = 64 * 1024,
	.join_ms = 100,
	.endless = true,
	.invites = INVITATION,
	.gone = "made; lost -19",
	.prepare = prepare,
	.cleanup = bench_remove_directory,
	.connect = plug,
	.send = fd_send,
	.receive = serial_receive,
	.close = unplug,
};
