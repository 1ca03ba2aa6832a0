/* subjects_tcp.c: the far end is a socket on loopback. */
#include "loopback.h"
#include "subject.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include <partyline/transport_impl.h>

static void prepare(struct bench *b)
{
	snprintf(b->endpoint, sizeof(b->endpoint), "tcp:0");
}

static int tcp_connect(struct client *c)
{
	const struct sockaddr_in to = loopback_address(c->bench->name);
	int small = 4096;

	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	/* So that not to read is soon felt at the near end. */
	setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	pl_set_nonblocking(c->fd);
	if (connect(c->fd, (const struct sockaddr *)&to, sizeof(to)) < 0 &&
	    errno != EINPROGRESS)
		return -errno;
	return 0;
}

static ssize_t tcp_send(struct client *c, const char *data, size_t len)
{
	return send(c->fd, data, len, MSG_NOSIGNAL);
}

static void tcp_half_close(struct client *c)
{
	shutdown(c->fd, SHUT_WR);
}

static void tcp_reset(struct client *c)
{
	struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	fd_close(c);
}

const struct subject subject_tcp = {
	.type = "tcp",
	.bulk = 1024 * 1024,
	.gone = "made; eof; lost 0",
	.prepare = prepare,
	.connect = tcp_connect,
	.send = tcp_send,
	.receive = fd_receive,
	.half_close = tcp_half_close,
	.close = fd_close,
	.reset = tcp_reset,
};
