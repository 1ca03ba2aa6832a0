/* outq.c: the bytes that wait to be sent to one peer.
 *
 * One block that grows by doubling and goes away when the queue is empty: an idle
 * connection holds no memory.  A stream's queue is bytes.  A queue of datagrams is units,
 * each behind its length, and what fits is packed into the last one, so that a burst of
 * lines becomes a few datagrams.  Sizes are checked here, once. */
#include "core.h"
#include <partyline/transport_impl.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 512
#define CUT_BACK 4 /* so far at most: no character of UTF-8 is longer */

static int make_room(struct pl_outq *q, size_t more)
{
	size_t capacity = q->cap ? q->cap : FIRST_CAPACITY;
	char *data;

	if (more > SIZE_MAX / 4 - q->len)
		return -ENOMEM;
	if (q->head + q->len + more <= q->cap)
		return 0;
	if (q->head) {
		memmove(q->data, q->data + q->head, q->len);
		q->last -= q->head;
		q->head = 0;
		if (q->len + more <= q->cap)
			return 0;
	}
	while (capacity < q->len + more)
		capacity *= 2;
	data = realloc(q->data, capacity);
	if (!data)
		return -ENOMEM;
	q->data = data;
	q->cap = capacity;
	return 0;
}

static void put(struct pl_outq *q, const void *data, size_t len)
{
	memcpy(q->data + q->head + q->len, data, len);
	q->len += len;
}

int pl_outq_append(struct pl_outq *q, const char *data, size_t len)
{
	int code = make_room(q, len);

	if (!code)
		put(q, data, len);
	return code;
}

static uint32_t unit_len(const struct pl_outq *q, size_t at)
{
	uint32_t len;

	memcpy(&len, q->data + at, sizeof len);
	return len;
}

/* The largest part of a unit that is too long for one datagram: not inside a character. */
static size_t cut(const char *data, size_t len, size_t max)
{
	size_t n = max;

	if (len <= max)
		return len;
	while (n > max - CUT_BACK && ((unsigned char)data[n] & 0xc0) == 0x80)
		n--;
	return n;
}

int pl_outq_append_unit(struct pl_outq *q, const char *data, size_t len, size_t max_unit)
{
	/* Room for all pieces first: a unit goes in whole or not at all. */
	const size_t pieces = len / (max_unit - CUT_BACK) + 1;
	int code = make_room(q, len + pieces * PL_UNIT_HEADER);

	if (code)
		return code;
	if (q->len) {
		uint32_t last = unit_len(q, q->last);

		if (last + len <= max_unit) {
			last += (uint32_t)len;
			memcpy(q->data + q->last, &last, sizeof last);
			put(q, data, len);
			return 0;
		}
	}
	do {
		const uint32_t piece = (uint32_t)cut(data, len, max_unit);

		q->last = q->head + q->len;
		put(q, &piece, sizeof piece);
		put(q, data, piece);
		data += piece;
		len -= piece;
	} while (len);
	return 0;
}

size_t pl_outq_first_unit(const struct pl_outq *q, const char **data)
{
	if (!q->len)
		return 0;
	*data = q->data + q->head + PL_UNIT_HEADER;
	return unit_len(q, q->head);
}

void pl_outq_drop(struct pl_outq *q, size_t bytes)
{
	q->head += bytes;
	q->len -= bytes;
	if (!q->len)
		pl_outq_finish(q);
}

void pl_outq_finish(struct pl_outq *q)
{
	free(q->data);
	*q = (struct pl_outq){ .data = NULL };
}
