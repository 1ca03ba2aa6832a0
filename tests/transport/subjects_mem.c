/* subjects_mem.c: the far end is a connection of the same reactor, recorded as well. */
#include "subject.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <partyline/transport_impl.h>

static void prepare(struct bench *b)
{
	records_init(&b->far, &b->records);
	snprintf(b->endpoint, sizeof(b->endpoint), "mem:wire");
}

static void cleanup(struct bench *b)
{
	if (b->far.broken[0] != '\0' && b->records.broken[0] == '\0')
		snprintf(b->records.broken, sizeof(b->records.broken), "%s", b->far.broken);
	records_finish(&b->far);
}

/* The far end's record comes with the turn that brings both up. */
static struct record *other(struct client *c)
{
	if (!c->other)
		c->other = records_at(&c->bench->far, c->number);
	return c->other;
}

static int mem_connect(struct client *c)
{
	struct bench *b = c->bench;
	int code;

	b->records.down++;
	code = pl_mem_connect(b->reactor, "wire", &b->far.factory, NULL);
	b->records.down--;
	if (code == 0) {
		c->number = b->connects++;
		c->fd = 0; /* open */
	}
	return code;
}

static ssize_t mem_send(struct client *c, const char *data, size_t len)
{
	/* As a socket does: what waits is limited. */
	if (!other(c) || record_queued(other(c)) > 16 * 1024) {
		errno = EAGAIN;
		return -1;
	}
	if (len > 16 * 1024)
		len = 16 * 1024;
	record_write(other(c), data, len);
	return (ssize_t)len;
}

static ssize_t mem_receive(struct client *c, char *data, size_t size)
{
	size_t n;

	if (!other(c)) {
		errno = EAGAIN;
		return -1;
	}
	n = other(c)->len - c->taken;
	if (n == 0 && !other(c)->eof && !other(c)->lost) {
		errno = EAGAIN;
		return -1;
	}
	if (n > size)
		n = size;
	if (n > 0)
		memcpy(data, other(c)->data + c->taken, n);
	c->taken += n;
	return (ssize_t)n;
}

static void mem_set_deaf(struct client *c, bool deaf)
{
	if (deaf)
		record_pause(other(c));
	else
		record_resume(other(c));
}

static void mem_half_close(struct client *c)
{
	struct pl_transport *t = other(c)->transport;

	t->ops->kick(t);
	t->ops->control(t, PL_CONTROL_HALF_CLOSE, NULL);
}

static void mem_close(struct client *c)
{
	if (other(c))
		record_lose(other(c));
	c->fd = -1;
}

static void mem_reset(struct client *c)
{
	record_abort(other(c), -ECONNABORTED);
	c->fd = -1;
}

const struct subject subject_mem = {
	.type = "mem",
	.bulk = 1024 * 1024,
	.gone = "made; eof; lost 0",
	.prepare = prepare,
	.cleanup = cleanup,
	.connect = mem_connect,
	.send = mem_send,
	.receive = mem_receive,
	.set_deaf = mem_set_deaf,
	.half_close = mem_half_close,
	.close = mem_close,
	.reset = mem_reset,
};
