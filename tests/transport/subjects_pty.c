/* subjects_pty.c: the far end is a terminal program: it opens PATH, raw. */
#define _DEFAULT_SOURCE /* cfmakeraw */
#include "subject.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>

#include <partyline/transport_impl.h>

#define ALONE "one terminal program at a time"

static const struct exception excepted[] = {
	{ "the_end_of_input_is_an_event_and_writing_still_works", "no half-close" },
	{ "who_asks_may_stay_after_the_end_of_input", "no half-close" },
	{ "who_stays_after_the_peer_has_gone_entirely_writes_to_nobody", "no half-close" },
	{ "another_connection_may_be_ended_inside_a_call_up", ALONE },
	{ "another_connection_may_be_ended_inside_connection_lost", ALONE },
	{ NULL, NULL },
};

static void prepare(struct bench *b)
{
	bench_make_directory(b);
	snprintf(b->endpoint, sizeof(b->endpoint), "pty:%s:join=open", b->path);
}

static int pty_connect(struct client *c)
{
	struct termios raw;

	c->fd = open(c->bench->path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (c->fd < 0)
		return -errno;
	tcgetattr(c->fd, &raw);
	cfmakeraw(&raw);
	/* An idle line reads as EAGAIN, a hung-up one as 0. */
	raw.c_cc[VMIN] = 1;
	tcsetattr(c->fd, TCSANOW, &raw);
	return 0;
}

const struct subject subject_pty = {
	.type = "pty",
	.excepted = excepted,
	.bulk = 64 * 1024,
	.join_ms = 100,
	.endless = true,
	.invites = INVITATION,
	.gone = "made; lost 0",
	.prepare = prepare,
	.cleanup = bench_remove_directory,
	.connect = pty_connect,
	.send = fd_send,
	.receive = fd_receive,
	.close = fd_close,
};
