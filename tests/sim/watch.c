/* watch.c: the promises of protocol.h, at both ends of every connection.
 *
 * Between each transport and its protocol stands a struct watched, which passes every call
 * up on and looks whether it may come now.  Calls down go through functions that take the
 * place of pl_write and its relatives (--wrap).  What is written at one end has to come out
 * at the other: the same bytes, in order, once. */
#include "sim.h"

#include <errno.h>
#include <string.h>

/* --- a queue of bytes ------------------------------------------------------------------ */

void bytes_add(struct bytes *b, const void *data, size_t len)
{
	if (b->from + b->len + len > b->size) {
		if (b->len)
			memmove(b->data, b->data + b->from, b->len);
		b->from = 0;
		if (b->len + len > b->size) {
			b->size = 2 * (b->len + len);
			b->data = sim_grow(b->data, b->size);
		}
	}
	memcpy(b->data + b->from + b->len, data, len);
	b->len += len;
}

void bytes_drop(struct bytes *b, size_t len)
{
	b->from += len;
	b->len -= len;
}

void bytes_finish(struct bytes *b)
{
	sim_free(b->data);
	*b = (struct bytes){ 0 };
}

/* --- who is it ------------------------------------------------------------------------- */

struct watched *watched_of(const struct pl_transport *t)
{
	return t->protocol && t->protocol->ops == &plant_ops
	               ? pl_container_of(t->protocol, struct watched, protocol)
	               : NULL;
}

struct visit *visit_of_line(const struct pl_line_receiver *l)
{
	const struct watched *e =
		l->protocol.transport ? watched_of(l->protocol.transport) : NULL;

	return e ? e->visit : NULL;
}

void watch_init(struct watched *e, struct visit *v, bool server)
{
	e->protocol.ops = &plant_ops;
	e->visit = v;
	e->server = server;
	e->other = server ? &v->client : &v->server;
	e->marks = &pl_stream_marks;
}

static const char *end_name(const struct watched *e)
{
	return e->server ? "server's end" : "far end";
}

static void broken(const struct watched *e, const char *promise, const char *what)
{
	sim_break(promise, "%s, %s: %s", sim_who(e->visit), end_name(e), what);
}

/* --- calls up -------------------------------------------------------------------------- */

static struct watched *enter(struct pl_protocol *p)
{
	struct watched *e = pl_container_of(p, struct watched, protocol);

	if (sim->down)
		broken(e, "promise 2", "a call down made a call up");
	else if (sim->up)
		broken(e, "promise 2", "called up inside another call up");
	if (!pthread_equal(pthread_self(), sim->thread))
		broken(e, "promise 9", "called from another thread");
	if (!p->transport || p->transport != e->transport)
		broken(e, "promise 7", "the transport is gone or another one");
	if (!e->made)
		broken(e, "promise 1", "called before connection_made");
	if (e->lost)
		broken(e, "promise 1", "called after connection_lost");
	sim->up++;
	return e;
}

/* A protocol may end its connection wherever it is called. */
static void be_rude(struct watched *e)
{
	const bool abort = sim->rudeness && sim_chance(2);

	if (!e->server || e->lost || sim->ending || !sim_chance(sim->rudeness))
		return;
	sim_note(e->visit, abort ? "is aborted in a call up" : "is lost in a call up", 0);
	sim->acting = true;
	if (abort)
		pl_abort(e->transport, -EIO);
	else
		pl_lose(e->transport);
	sim->acting = false;
}

static void leave(struct watched *e)
{
	be_rude(e);
	sim->up--;
}

static void make_wire(struct watched *e)
{
	const struct visit *v = e->visit;

	if (e->server) {
		pl_mem_set_chunk(e->transport, v->server_chunk);
		pl_set_marks(e->transport, e->marks);
	} else {
		pl_mem_set_chunk(e->transport, v->chunk);
		pl_mem_set_capacity(e->transport, v->capacity);
	}
}

void watch_made(struct pl_protocol *p)
{
	struct watched *e = pl_container_of(p, struct watched, protocol);

	if (e->made) {
		broken(e, "promise 1", "connection_made twice");
		return;
	}
	e->made = true;
	e->transport = p->transport;
	sim->ends++;
	enter(p);
	sim_note(e->visit, e->server ? "is connected" : "has connected", 0);
	make_wire(e);
	e->inner->transport = p->transport;
	e->inner->ops->connection_made(e->inner);
	leave(e);
}

/* What comes must be what was written, and nobody may keep a pointer to it (promise 3). */
void watch_data(struct pl_protocol *p, const char *data, size_t len)
{
	struct watched *e = enter(p);
	struct bytes *sent = &e->other->on_the_way;
	char *copy;

	if (e->closing)
		broken(e, "promise 4", "data after pl_lose or pl_abort");
	if (e->eof)
		broken(e, "promise 6", "data after the end of input");
	if (e->stalled)
		broken(e, "pause", "data while reading is paused");
	if (len > sent->len || memcmp(sent->data + sent->from, data, len) != 0)
		broken(e, "promise 5", "what comes is not what was written");
	else
		bytes_drop(sent, len);
	copy = sim_grow(NULL, len);
	memcpy(copy, data, len);
	if (!e->lost)
		e->inner->ops->data_received(e->inner, copy, len);
	memset(copy, 0xdd, len);
	sim_free(copy);
	leave(e);
}

/* Nobody is sent away for nothing: what he is told has happened. */
static bool is_true(const struct watched *e, int reason)
{
	/* CLOSING_MS of transport.c */
	const bool patience_is_over =
		e->closing && pl_reactor_now(sim->reactor) - e->closing_at >= 5000;

	if (e->aborted && reason == e->reason)
		return true; /* or it had ended before that */
	switch (reason) {
	case 0:
		return e->closing;
	case -ENOMEM:
		return sim->memory_fails;
	case -ENOBUFS:
		return e->on_the_way.len > e->marks->hard;
	case -ETIMEDOUT:
		return patience_is_over ||
		       (e->paused && e->marks->age_ms &&
		        pl_reactor_now(sim->reactor) - e->paused_at >= e->marks->age_ms);
	default:
		return sim->ending;
	}
}

void watch_lost(struct pl_protocol *p, int reason)
{
	struct watched *e = enter(p);

	sim_note(e->visit, e->server ? "is lost" : "has lost", (uint64_t)-reason);
	if (!e->lost && !is_true(e, reason))
		sim_break(reason ? "reason" : "promise 6",
		          "%s, %s: it ends for no reason that there was (%s)",
		          sim_who(e->visit), end_name(e), pl_reason(reason));
	if (!e->lost) {
		e->reason = reason;
		e->inner->ops->connection_lost(e->inner, reason);
		sim->ends--;
	}
	e->lost = true;
	e->closing = true;
	leave(e);
	visit_maybe_over(e->visit);
}

void watch_pause(struct pl_protocol *p)
{
	struct watched *e = enter(p);

	if (e->paused)
		broken(e, "promise 8", "pause_writing twice");
	e->paused = true;
	e->paused_at = pl_reactor_now(sim->reactor);
	if (e->inner->ops->pause_writing)
		e->inner->ops->pause_writing(e->inner);
	leave(e);
}

void watch_resume(struct pl_protocol *p)
{
	struct watched *e = enter(p);

	if (!e->paused)
		broken(e, "promise 8", "resume_writing without pause_writing");
	e->paused = false;
	if (e->inner->ops->resume_writing)
		e->inner->ops->resume_writing(e->inner);
	leave(e);
}

void watch_event(struct pl_protocol *p, const struct pl_event *ev)
{
	struct watched *e = enter(p);

	if (ev->type == PL_EVENT_EOF) {
		sim_note(e->visit, e->server ? "has ended" : "sees the end", 0);
		if (e->eof)
			broken(e, "promise 6", "the end of input twice");
		e->eof = true;
		e->eof_ms = pl_reactor_now(sim->reactor);
	}
	if (e->inner->ops->event)
		e->inner->ops->event(e->inner, ev);
	if (ev->type == PL_EVENT_EOF && !e->transport->staying && !e->closing) {
		e->closing = true;
		e->closing_at = pl_reactor_now(sim->reactor);
	}
	leave(e);
}

/* --- calls down ------------------------------------------------------------------------ */

void __real_pl_lose(struct pl_transport *t);
void __real_pl_abort(struct pl_transport *t, int reason);
void __real_pl_pause_reading(struct pl_transport *t);
void __real_pl_resume_reading(struct pl_transport *t);
void __wrap_pl_write(struct pl_transport *t, const char *data, size_t len);
void __wrap_pl_lose(struct pl_transport *t);
void __wrap_pl_abort(struct pl_transport *t, int reason);
void __wrap_pl_pause_reading(struct pl_transport *t);
void __wrap_pl_resume_reading(struct pl_transport *t);

void __wrap_pl_write(struct pl_transport *t, const char *data, size_t len)
{
	struct watched *e = watched_of(t);

	if (e && !e->closing && !e->lost) {
		bytes_add(&e->on_the_way, data, len);
		if (len > e->longest)
			e->longest = len;
	}
	sim->down++;
	plant_write(t, data, len);
	sim->down--;
}

static void closes(struct watched *e)
{
	if (e->server && !e->closing)
		room_closes(e->visit);
	if (!e->closing)
		e->closing_at = pl_reactor_now(sim->reactor);
	if (!e->closing && !e->eof)
		e->closed_first = true;
	if (e->server && sim->acting)
		e->visit->dismissed = true;
	e->closing = true;
}

void __wrap_pl_lose(struct pl_transport *t)
{
	struct watched *e = watched_of(t);

	if (e)
		closes(e);
	sim->down++;
	__real_pl_lose(t);
	sim->down--;
}

void __wrap_pl_abort(struct pl_transport *t, int reason)
{
	struct watched *e = watched_of(t);

	if (e) {
		closes(e);
		if (!e->aborted)
			e->reason = reason;
		e->aborted = true;
	}
	sim->down++;
	__real_pl_abort(t, reason);
	sim->down--;
}

void __wrap_pl_pause_reading(struct pl_transport *t)
{
	struct watched *e = watched_of(t);

	if (e)
		e->stalled = true;
	sim->down++;
	__real_pl_pause_reading(t);
	sim->down--;
}

void __wrap_pl_resume_reading(struct pl_transport *t)
{
	struct watched *e = watched_of(t);

	if (e)
		e->stalled = false;
	sim->down++;
	__real_pl_resume_reading(t);
	sim->down--;
}
