/* subject.c: what subjects have in common. */
#include "subject.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

ssize_t fd_send(struct client *c, const char *data, size_t len)
{
	return write(c->fd, data, len);
}

ssize_t fd_receive(struct client *c, char *data, size_t size)
{
	return read(c->fd, data, size);
}

void fd_close(struct client *c)
{
	close(c->fd);
	c->fd = -1;
}

void bench_make_directory(struct bench *b)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(b->directory, sizeof(b->directory), "%s/partyline.XXXXXX",
	         tmp ? tmp : "/tmp");
	if (!mkdtemp(b->directory))
		abort();
	snprintf(b->path, sizeof(b->path), "%s/wire", b->directory);
}

void bench_remove_directory(struct bench *b)
{
	unlink(b->path);
	rmdir(b->directory);
}
