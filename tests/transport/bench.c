/* bench.c: see bench.h.  Both ends are driven from here, in one thread. */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- both ends ------------------------------------------------------------------- */

/* An invitation is not what checks are about. */
static void forget_invitation(struct client *c)
{
	const char *text = c->bench->subject->invites;
	size_t len = text ? strlen(text) : 0;

	if (len > 0 && c->len >= len && memcmp(c->data + c->len - len, text, len) == 0)
		c->len -= len;
	if (c->data)
		c->data[c->len] = '\0';
}

static void client_read(struct client *c)
{
	ssize_t n;

	if (c->fd < 0 || c->deaf || c->ended || c->error)
		return;
	do {
		if (c->size - c->len < 20000) {
			c->size = 2 * c->size + 40000;
			c->data = realloc(c->data, c->size);
			if (!c->data)
				abort();
		}
		n = c->bench->subject->receive(c, c->data + c->len, c->size - c->len - 1);
		if (n > 0)
			c->len += (size_t)n;
		forget_invitation(c);
	} while (n > 0);
	if (n == 0)
		c->ended = true;
	else if (errno != EAGAIN)
		c->error = errno;
}

/* One turn of the reactor, and all far ends read. */
void turn(struct bench *b)
{
	world_turn(b->world, 1);
	for (struct client *c = b->clients; c; c = c->next)
		client_read(c);
}

void some_turns(struct bench *b)
{
	for (int i = 0; i < 10; i++)
		turn(b);
}

void advance(struct bench *b, uint64_t ms)
{
	pl_world_advance(b->world, ms);
	turn(b);
}

void give_up(struct bench *b, const char *what)
{
	struct record *rec = records_newest(&b->records);

	fail_msg("still not: %s; the newest connection: %s", what,
	         rec ? record_log(rec) : "none");
}

/* Begins to connect; NULL when that is refused. */
struct client *connect_client(struct bench *b)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->bench = b;
	c->fd = -1;
	c->next = b->clients;
	b->clients = c;
	return b->subject->connect(c) < 0 ? NULL : c;
}

/* Connects and waits until the near end is made. */
struct client *join(struct bench *b)
{
	size_t number = b->records.count;
	struct client *c = connect_client(b);

	assert_non_null(c);
	for (int turns = 0; !(c->record = records_at(&b->records, number)); turns++) {
		if (turns == PATIENCE)
			give_up(b, "joined");
		turn(b);
		if (b->subject->join_ms)
			pl_world_advance(b->world, b->subject->join_ms);
	}
	turn(b);
	record_forget_data(c->record); /* of udp: the line that joins */
	return c;
}

void client_close(struct client *c)
{
	if (c->fd >= 0)
		c->bench->subject->close(c);
}

/* The far end is gone, and the near end has been told. */
void leave(struct client *c)
{
	client_close(c);
	UNTIL(c->bench, (c->record->lost || !c->bench->subject->leaves_silently ||
	                 (record_print(c->record, "?"), false)) &&
	                        c->record->lost);
}

void be_deaf(struct client *c, bool deaf)
{
	c->deaf = deaf;
	if (c->bench->subject->set_deaf)
		c->bench->subject->set_deaf(c, deaf);
}

/* The byte at an offset of an endless text that does not repeat soon. */
char pattern(size_t at)
{
	return (char)((at * 2654435761U) >> 13);
}

/* The first offset where data is not the pattern, or len. */
size_t pattern_ends(const char *data, size_t from, size_t len)
{
	size_t i = 0;

	while (i < len && data[i] == pattern(from + i))
		i++;
	return i;
}

void send_some(struct client *c, const char *data, size_t len)
{
	size_t max = c->bench->subject->max_send ? c->bench->subject->max_send : len;

	for (int turns = 0; len > 0; turns++) {
		ssize_t n = c->bench->subject->send(c, data, len < max ? len : max);

		if (n > 0) {
			data += n;
			len -= (size_t)n;
			turns = 0;
			continue;
		}
		if (n < 0 && errno != EAGAIN)
			fail_msg("send: %s", strerror(errno));
		if (turns == PATIENCE)
			give_up(c->bench, "sent");
		turn(c->bench);
	}
}

void send_text(struct client *c, const char *text)
{
	send_some(c, text, strlen(text));
}

void send_pattern(struct client *c, size_t from, size_t len)
{
	char piece[1000];

	while (len > 0) {
		size_t n = len < sizeof(piece) ? len : sizeof(piece);

		for (size_t i = 0; i < n; i++)
			piece[i] = pattern(from + i);
		send_some(c, piece, n);
		from += n;
		len -= n;
	}
}

/* In units that fit into a datagram. */
void write_pattern(struct record *rec, size_t from, size_t len)
{
	char unit[1000];

	while (len > 0) {
		size_t n = len < sizeof(unit) ? len : sizeof(unit);

		for (size_t i = 0; i < n; i++)
			unit[i] = pattern(from + i);
		record_write(rec, unit, n);
		from += n;
		len -= n;
	}
}

/* Has what was said before the end arrived at the far end? */
bool has_ended(const struct client *c)
{
	return c->ended || c->error || (c->bench->subject->endless && c->record->lost);
}

/* --- set-up ---------------------------------------------------------------------- */

int bench_setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct pl_error err;

	if (!b)
		return -1;
	b->subject = *state;
	b->descriptors = open_descriptors();
	b->world = pl_world_create(1);
	b->reactor = pl_world_reactor(b->world);
	records_init(&b->records, NULL);
	b->records.ignore_record_end = true;
	b->subject->prepare(b);
	b->port = records_listen(&b->records, b->reactor, b->endpoint, &err);
	if (!b->port)
		fprintf(stderr, "%s\n", err.text);
	else
		snprintf(b->name, sizeof(b->name), "%s", pl_port_name(b->port));
	*state = b;
	return b->port ? 0 : -1;
}

int bench_teardown(void **state)
{
	struct bench *b = *state;
	const struct subject *subject = b->subject;
	int before = b->descriptors, after, broken;
	struct client *c;

	pl_world_destroy(b->world);
	for (c = b->clients; c; c = c->next)
		if (c->fd >= 0 && subject->set_deaf == NULL) /* mem's are gone by now */
			subject->close(c);
	while ((c = b->clients)) {
		b->clients = c->next;
		free(c->data);
		free(c);
	}
	if (subject->cleanup)
		subject->cleanup(b);
	broken = b->records.broken[0] != '\0';
	if (broken)
		fprintf(stderr, "a promise was broken: %s\n", b->records.broken);
	records_finish(&b->records);
	free(b);
	*state = (void *)(uintptr_t)subject;
	after = open_descriptors();
	if (after != before)
		fprintf(stderr, "%d descriptors were open before, %d after\n", before,
		        after);
	return broken || after != before ? -1 : 0;
}
