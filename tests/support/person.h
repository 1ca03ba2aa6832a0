/* person.h: line receivers on a wire that a test holds at both ends.
 *
 * The wire is a transport on the real core which goes nowhere: what the peer would send,
 * the test puts in with person_types() and person_event(); what the peer would read is in
 * `screen`.  A person writes down the lines that he is given, in angle brackets. */
#ifndef TESTS_PERSON_H
#define TESTS_PERSON_H

#include "chunking.h"

#include <partyline/group.h>
#include <partyline/transport_impl.h>

struct person {
	struct pl_line_receiver line;
	struct pl_group_link member;
	struct pl_transport wire;
	struct pl_factory factory;
	struct chunk_log heard;  /* "made <line><line> lost" */
	struct chunk_log screen; /* what was sent to him */
	int reason;              /* of connection_lost */
	unsigned made, lost;
	bool stuck;   /* he does not read */
	bool reading; /* the transport was told to read */
	bool gone;    /* destroyed */

	/* What he does with a line, if anything; and with the connection, when it is made. */
	void (*on_line)(struct person *p, const char *line, size_t len);
	void (*on_made)(struct person *p);
	void (*on_lost)(struct person *p);
	void *arg;
};

static inline struct person *person_of(struct pl_line_receiver *l)
{
	return pl_container_of(l, struct person, line);
}

/* --- the receiver --------------------------------------------------------------------- */

static inline void person_made(struct pl_line_receiver *l)
{
	struct person *p = person_of(l);

	p->made++;
	if (p->on_made)
		p->on_made(p);
}

static inline void person_line(struct pl_line_receiver *l, const char *line, size_t len)
{
	struct person *p = person_of(l);

	chunk_log_text(&p->heard, "<");
	chunk_log_bytes(&p->heard, line, len);
	chunk_log_text(&p->heard, line[len] == '\0' ? ">" : "without a NUL>");
	if (p->on_line)
		p->on_line(p, line, len);
}

static inline void person_lost(struct pl_line_receiver *l, int reason)
{
	struct person *p = person_of(l);

	p->lost++;
	p->reason = reason;
	if (p->on_lost)
		p->on_lost(p);
}

static const struct pl_line_receiver_ops person_ops = {
	.connection_made = person_made,
	.line_received = person_line,
	.connection_lost = person_lost,
};

static inline struct pl_protocol *person_build(struct pl_factory *f,
                                               const struct pl_peer *peer)
{
	(void)peer;
	return &pl_container_of(f, struct person, factory)->line.protocol;
}

static const struct pl_factory_ops person_factory_ops = { .build_protocol = person_build };

/* --- the wire --------------------------------------------------------------------------- */

static inline struct person *person_at(struct pl_transport *t)
{
	return pl_container_of(t, struct person, wire);
}

static inline void wire_kick(struct pl_transport *t)
{
	struct person *p = person_at(t);
	struct iovec iov[4];
	size_t n;

	while (!p->stuck && (n = pl_out_peek(t, iov, 4, PL_WRITE_MAX)) > 0) {
		size_t sent = 0;

		for (size_t i = 0; i < n; i++) {
			chunk_log_bytes(&p->screen, iov[i].iov_base, iov[i].iov_len);
			sent += iov[i].iov_len;
		}
		pl_out_sent(t, sent);
	}
}

static inline void wire_set_reading(struct pl_transport *t, bool on)
{
	person_at(t)->reading = on;
}

static inline void wire_close(struct pl_transport *t)
{
	(void)t;
}

static inline void wire_destroy(struct pl_transport *t)
{
	person_at(t)->gone = true;
}

static const struct pl_transport_ops wire_ops = {
	.type = "wire",
	.kick = wire_kick,
	.set_reading = wire_set_reading,
	.close = wire_close,
	.destroy = wire_destroy,
};

/* --- what tests do ------------------------------------------------------------------------ */

/* Fills *p, which is zeroed but for the hooks. */
static inline void person_init(struct person *p)
{
	chunk_log_text(&p->heard, "");
	chunk_log_text(&p->screen, "");
	p->factory.ops = &person_factory_ops;
	pl_line_receiver_init(&p->line, &person_ops);
}

/* Before the connection is made; keys: ":edit=on" or "". */
static inline void person_prepare(struct person *p, struct pl_reactor *r, bool terminal,
                                  const char *keys)
{
	char text[100];
	struct pl_endpoint *ep;

	snprintf(text, sizeof text, "wire:w%s", keys);
	ep = pl_endpoint_parse(text, NULL);
	if (!ep)
		abort();
	person_init(p);
	pl_transport_init(&p->wire, &wire_ops, r, ep);
	pl_endpoint_unref(ep);
	p->wire.peer.terminal = terminal;
}

static inline void person_up(struct person *p)
{
	if (pl_transport_up(&p->wire, &p->factory))
		abort();
}

static inline void person_connect(struct person *p, struct pl_reactor *r, bool terminal,
                                  const char *keys)
{
	person_prepare(p, r, terminal, keys);
	person_up(p);
}

static inline void person_types_bytes(struct person *p, const char *bytes, size_t len)
{
	if (!p->gone && pl_transport_reading(&p->wire))
		pl_transport_input(&p->wire, bytes, len);
}

static inline void person_types(struct person *p, const char *text)
{
	person_types_bytes(p, text, strlen(text));
}

static inline void person_event(struct person *p, enum pl_event_type type, int columns)
{
	const struct pl_event ev = { .type = type, .columns = columns };

	pl_transport_event(&p->wire, &ev);
}

static inline void person_reads_again(struct person *p)
{
	p->stuck = false;
	pl_transport_kick(&p->wire);
}

static inline void person_clear(struct person *p)
{
	p->screen.len = 0;
	chunk_log_text(&p->screen, "");
	p->heard.len = 0;
	chunk_log_text(&p->heard, "");
}

/* After the connection has gone. */
static inline void person_finish(struct person *p)
{
	free(p->heard.text);
	free(p->screen.text);
}

#endif
