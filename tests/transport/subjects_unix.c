/* subjects_unix.c: the far end is a socket of the file system. */
#include "subject.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <partyline/transport_impl.h>

static void prepare(struct bench *b)
{
	bench_make_directory(b);
	snprintf(b->endpoint, sizeof(b->endpoint), "unix:%s", b->path);
}

static int unix_connect(struct client *c)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", c->bench->path);
	c->fd = socket(AF_UNIX, SOCK_STREAM, 0);
	pl_set_nonblocking(c->fd);
	if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	return 0;
}

static ssize_t unix_send(struct client *c, const char *data, size_t len)
{
	return send(c->fd, data, len, MSG_NOSIGNAL);
}

static void unix_half_close(struct client *c)
{
	shutdown(c->fd, SHUT_WR);
}

const struct subject subject_unix = {
	.type = "unix",
	.bulk = 1024 * 1024,
	.gone = "made; eof; lost 0",
	.prepare = prepare,
	.cleanup = bench_remove_directory,
	.connect = unix_connect,
	.send = unix_send,
	.receive = fd_receive,
	.half_close = unix_half_close,
	.close = fd_close,
};
