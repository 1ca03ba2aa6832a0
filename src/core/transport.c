/* transport.c: what every connection does alike, whatever wire it is on.
 *
 * The state machine of transport_impl.h, the queue, the marks, and the nine promises of
 * protocol.h.  The one idea: calls down only change state and ask for the end of the turn;
 * calls up are made from the reactor alone, when no protocol is on the stack.  So a
 * protocol never finds the ground moving under it, and no transport has to think of it.
 *
 * One timer serves three times: the age of a peer that is behind while open, patience
 * while closing, and the turn's delay before connection_lost. */
#include "core.h"
#include <partyline/transport_impl.h>

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A peer that does not take the farewell, or does not close its side after it. */
#define CLOSING_MS 5000
#define HALF_CLOSED_MS 1000

#define CROWD 64 /* connections whose memory is worth giving back to the system */

const struct pl_marks pl_stream_marks = {
	.low = 4 * 1024,
	.high = 16 * 1024,
	.hard = 64 * 1024,
	.age_ms = 10 * 60 * 1000,
};

/* --- the queue ------------------------------------------------------------------------- */

static size_t source_pending(const struct pl_transport *t)
{
	return t->source ? t->source->pending(t->source) : 0;
}

size_t pl_queued(const struct pl_transport *t)
{
	return t->out.len + source_pending(t);
}

static bool is_packets(const struct pl_transport *t)
{
	return t->ops->max_unit != 0;
}

size_t pl_out_peek(struct pl_transport *t, struct iovec *iov, size_t n, size_t max_bytes)
{
	size_t used = 0, left = max_bytes;

	if (is_packets(t) && t->out.len) {
		const char *unit;

		iov[0].iov_len = pl_outq_first_unit(&t->out, &unit);
		iov[0].iov_base = (void *)(uintptr_t)unit;
		return 1;
	}
	if (is_packets(t) && left > t->ops->max_unit)
		left = t->ops->max_unit;
	if (t->out.len) {
		iov[0].iov_base = t->out.data + t->out.head;
		iov[0].iov_len = t->out.len < left ? t->out.len : left;
		left -= iov[0].iov_len;
		used = 1;
	}
	if (used < n && left && source_pending(t))
		used += t->source->gather(t->source, iov + used, n - used, left);
	return used;
}

void pl_out_sent(struct pl_transport *t, size_t bytes)
{
	if (is_packets(t) && t->out.len) {
		const char *unit;

		pl_outq_drop(&t->out, PL_UNIT_HEADER + pl_outq_first_unit(&t->out, &unit));
		return;
	}
	const size_t queued = bytes < t->out.len ? bytes : t->out.len;

	if (queued)
		pl_outq_drop(&t->out, queued);
	if (bytes > queued)
		t->source->sent(t->source, bytes - queued);
}

/* pl_abort(), under this name for the operator; NULL: nothing has failed. */
static void end(struct pl_transport *t, int reason, const char *counter);

size_t pl_count_lines(const char *data, size_t len)
{
	size_t lines = 0;

	for (size_t i = 0; i < len; i++)
		lines += data[i] == '\n';
	return lines;
}

void pl_lost_text(char out[PL_LOST_TEXT], size_t lines)
{
	snprintf(out, PL_LOST_TEXT, "-- %zu line%s lost on the way to you --", lines,
	         lines == 1 ? " was" : "s were");
}

/* A line end in front belongs to what stands there before, on a terminal. */
static size_t lines_of_unit(const char *data, size_t len)
{
	const size_t skip = len >= 2 && memcmp(data, "\r\n", 2) == 0 ? 2 : 0;

	return pl_count_lines(data + skip, len - skip);
}

static void send_now(struct pl_transport *t)
{
	if (t->state != PL_TRANSPORT_CLOSED && t->state != PL_TRANSPORT_OPENING &&
	    pl_queued(t))
		t->ops->kick(t);
}

void pl_write(struct pl_transport *t, const char *data, size_t len)
{
	int code;

	if (t->state >= PL_TRANSPORT_CLOSING || t->mute || !len)
		return;
	/* What the kernel would take at the end of the turn does not count as waiting. */
	if (pl_queued(t) + len > t->marks->hard)
		send_now(t);
	if (t->state >= PL_TRANSPORT_CLOSING || t->mute)
		return;
	if (pl_queued(t) && pl_queued(t) + len > t->marks->hard) {
		if (!t->marks->lossy) {
			end(t, -ENOBUFS, "connections: ended, too much unread");
			return;
		}
		t->dropped++;
		t->lines_lost += lines_of_unit(data, len);
		t->behind = true; /* so resume_writing comes, and tell_lost() */
		pl_count(t->reactor, "lines: lost, the queue was full", 1);
		pl_call_at_flush(t->reactor, &t->flush);
		return;
	}
	code = is_packets(t) ? pl_outq_append_unit(&t->out, data, len, t->ops->max_unit)
	                     : pl_outq_append(&t->out, data, len);
	if (code)
		pl_abort(t, code);
	else
		pl_call_at_flush(t->reactor, &t->flush);
}

void pl_set_source(struct pl_transport *t, struct pl_source *s)
{
	t->source = t->mute ? NULL : s;
}

void pl_source_ready(struct pl_transport *t)
{
	if (t->state < PL_TRANSPORT_CLOSED)
		pl_call_at_flush(t->reactor, &t->flush);
}

void pl_set_marks(struct pl_transport *t, const struct pl_marks *m)
{
	t->marks = m;
}

size_t pl_dropped(const struct pl_transport *t)
{
	return t->dropped;
}

/* --- calls up about the queue ------------------------------------------------------------- */

bool pl_writing_paused(struct pl_transport *t)
{
	if (t->state != PL_TRANSPORT_OPEN)
		return false;
	if (t->behind || pl_queued(t) <= t->marks->high)
		return t->behind;
	send_now(t);
	if (t->state != PL_TRANSPORT_OPEN || pl_queued(t) <= t->marks->high)
		return false;
	t->behind = true; /* from here on until resume_writing, which the flush sees to */
	pl_call_at_flush(t->reactor, &t->flush);
	return true;
}

/* Behind "lines skipped", where there were such. */
static void tell_lost(struct pl_transport *t)
{
	const struct pl_event lost = { .type = PL_EVENT_LINES_LOST, .lines = t->lines_lost };

	if (!lost.lines || pl_queued(t) > t->marks->low)
		return;
	t->lines_lost = 0;
	pl_transport_event(t, &lost);
}

static void tell_marks(struct pl_transport *t)
{
	const struct pl_protocol_ops *up = t->protocol->ops;

	if (pl_queued(t) > t->marks->high)
		t->behind = true;
	if (t->behind && !t->pause_told) {
		t->pause_told = true;
		if (t->marks->age_ms)
			pl_call_later(t->reactor, &t->timer, t->marks->age_ms);
		if (up->pause_writing)
			up->pause_writing(t->protocol);
	}
	if (t->state == PL_TRANSPORT_OPEN && t->behind && pl_queued(t) <= t->marks->low) {
		t->behind = t->pause_told = false;
		pl_timer_cancel(&t->timer);
		if (up->resume_writing)
			up->resume_writing(t->protocol);
	}
	tell_lost(t);
}

/* The farewell is out.  Closing at once over input that is still on its way would be a
 * reset, and the peer would lose the farewell: tell him, and wait for his end. */
static void finish_closing(struct pl_transport *t)
{
	const uint64_t left = pl_timer_left_ms(&t->timer);
	int code;

	if (t->half_closed)
		return;
	code = t->eof || !t->ops->control
	               ? -ENOTSUP
	               : t->ops->control(t, PL_CONTROL_HALF_CLOSE, NULL);
	if (code < 0) {
		pl_transport_down(t, 0);
		return;
	}
	t->half_closed = true;
	if (code != PL_CONTROL_LATER)
		pl_call_later(t->reactor, &t->timer,
		              left < HALF_CLOSED_MS ? left : HALF_CLOSED_MS);
}

static void send_and_tell(struct pl_transport *t)
{
	send_now(t);
	if (t->state == PL_TRANSPORT_OPEN)
		tell_marks(t);
	else if (t->state == PL_TRANSPORT_CLOSING && !pl_queued(t))
		finish_closing(t);
}

static void on_flush(struct pl_flush *f)
{
	send_and_tell(pl_container_of(f, struct pl_transport, flush));
}

void pl_transport_kick(struct pl_transport *t)
{
	send_and_tell(t);
}

/* --- the end --------------------------------------------------------------------------------- */

void pl_lose(struct pl_transport *t)
{
	if (t->state >= PL_TRANSPORT_CLOSING)
		return;
	t->state = PL_TRANSPORT_CLOSING;
	pl_call_later(t->reactor, &t->timer, CLOSING_MS);
	pl_call_at_flush(t->reactor, &t->flush);
	if (t->reading_paused && !t->eof)
		t->ops->set_reading(t, true); /* to throw it away */
}

static void end(struct pl_transport *t, int reason, const char *counter)
{
	if (t->state == PL_TRANSPORT_CLOSED)
		return;
	if (counter && t->protocol)
		pl_count(t->reactor, counter, 1);
	t->state = PL_TRANSPORT_CLOSED;
	t->reason = reason;
	pl_flush_cancel(&t->flush);
	pl_outq_finish(&t->out);
	t->source = NULL;
	t->ops->close(t);
	pl_call_later(t->reactor, &t->timer, 0);
}

void pl_abort(struct pl_transport *t, int reason)
{
	/* The server stops; he was no person, or an echo, and is counted as that. */
	const bool meant =
		!reason || reason == -ECANCELED || reason == -EPROTO || reason == -ELOOP;

	end(t, reason,
	    reason == -ENOMEM ? "connections: ended, out of memory"
	    : meant           ? NULL
	                      : "connections: ended by an error");
}

void pl_transport_down(struct pl_transport *t, int reason)
{
	pl_abort(t, reason);
}

void pl_transport_mute(struct pl_transport *t)
{
	t->mute = true;
	t->source = NULL;
	pl_outq_finish(&t->out);
	pl_call_at_flush(t->reactor, &t->flush); /* the marks, and an end that waited for it */
}

/* Of a crowd three in four have left: not at every leaving, because it takes time. */
static void connection_gone(struct pl_reactor *r)
{
	r->connections--;
	if (r->crowd < CROWD || r->connections > r->crowd / 4)
		return;
	r->crowd = r->connections;
	pl_give_memory_back();
}

/* Everything that the core took for t, then t. */
static void destroy(struct pl_transport *t)
{
	struct pl_reactor *r = t->reactor;
	const bool counted = t->protocol != NULL;

	pl_timer_cancel(&t->timer);
	pl_flush_cancel(&t->flush);
	pl_outq_finish(&t->out);
	*t->link = t->next;
	if (t->next)
		t->next->link = t->link;
	if (t->peer.facts)
		free((void *)(uintptr_t)t->peer.name);
	pl_limits_leave(t);
	pl_endpoint_unref(t->peer.endpoint);
	t->ops->destroy(t);
	if (counted)
		connection_gone(r);
}

static void on_timer(struct pl_timer *timer)
{
	struct pl_transport *t = pl_container_of(timer, struct pl_transport, timer);

	switch ((enum pl_transport_state)t->state) {
	case PL_TRANSPORT_OPENING:
		break;
	case PL_TRANSPORT_OPEN:
		end(t, -ETIMEDOUT, "connections: ended, unread for too long");
		break;
	case PL_TRANSPORT_CLOSING:
		pl_abort(t, t->half_closed ? 0 : -ETIMEDOUT);
		break;
	case PL_TRANSPORT_CLOSED:
		if (t->protocol)
			t->protocol->ops->connection_lost(t->protocol, t->reason);
		destroy(t);
		break;
	}
}

void pl_transport_discard(struct pl_transport *t)
{
	assert(t->state == PL_TRANSPORT_OPENING);
	t->state = PL_TRANSPORT_CLOSED;
	t->ops->close(t);
	destroy(t);
}

/* --- the beginning ------------------------------------------------------------------------------ */

void pl_transport_init(struct pl_transport *t, const struct pl_transport_ops *ops,
                       struct pl_reactor *r, struct pl_endpoint *ep)
{
	*t = (struct pl_transport){
		.ops = ops,
		.reactor = r,
		.peer = { .type = ops->type, .name = "", .endpoint = ep },
		.flush = { .fn = on_flush },
		.timer = { .fn = on_timer },
		.marks = &pl_stream_marks,
		.next = r->transports,
		.link = &r->transports,
	};
	if (ep)
		pl_endpoint_ref(ep);
	if (t->next)
		t->next->link = &t->next;
	r->transports = t;
	r->end_all = pl_end_all;
}

int pl_transport_name(struct pl_transport *t, const char *name, ...)
{
	size_t size = strlen(name) + 2;
	const char *key, *value;
	va_list args;
	char *block, *at;

	va_start(args, name);
	while ((key = va_arg(args, const char *)))
		if ((value = va_arg(args, const char *)))
			size += strlen(key) + strlen(value) + 2;
	va_end(args);
	block = malloc(size);
	if (!block) {
		pl_count(t->reactor, "connections: refused, out of memory", 1);
		return -ENOMEM;
	}
	at = stpcpy(block, name) + 1;
	if (t->peer.facts)
		free((void *)(uintptr_t)t->peer.name);
	t->peer.name = block;
	t->peer.facts = at;
	va_start(args, name);
	while ((key = va_arg(args, const char *)))
		if ((value = va_arg(args, const char *)))
			at = stpcpy(stpcpy(stpcpy(at, key), "="), value) + 1;
	va_end(args);
	*at = '\0';
	return 0;
}

/* A sentence, as far as the wire takes it now, and the end.  Nothing waits for somebody
 * who is one too many. */
static void turn_away(struct pl_transport *t, const char *sentence)
{
	const size_t len = strlen(sentence);

	if ((is_packets(t) ? pl_outq_append_unit(&t->out, sentence, len, t->ops->max_unit)
	                   : pl_outq_append(&t->out, sentence, len)) == 0)
		t->ops->kick(t);
	if (t->state == PL_TRANSPORT_OPENING) /* else the wire failed: the timer sees to it */
		pl_transport_discard(t);
}

int pl_transport_up(struct pl_transport *t, struct pl_factory *f)
{
	const char *sentence = pl_limits_admit(t);
	struct pl_protocol *p;

	if (sentence) {
		turn_away(t, sentence);
		return -ECONNREFUSED;
	}
	p = f->ops->build_protocol(f, &t->peer);
	if (!p) {
		pl_count(t->reactor, "connections: turned away by the program", 1);
		pl_transport_discard(t);
		return -ECONNREFUSED;
	}
	t->protocol = p;
	p->transport = t;
	t->state = PL_TRANSPORT_OPEN;
	if (++t->reactor->connections > t->reactor->crowd)
		t->reactor->crowd = t->reactor->connections;
	pl_count(t->reactor, "connections: made", 1);
	t->ops->set_reading(t, true);
	p->ops->connection_made(p);
	return 0;
}

/* --- from the peer ---------------------------------------------------------------------------------- */

bool pl_transport_reading(const struct pl_transport *t)
{
	if (t->eof)
		return false;
	return t->state == PL_TRANSPORT_CLOSING ||
	       (t->state == PL_TRANSPORT_OPEN && !t->reading_paused);
}

void pl_transport_input(struct pl_transport *t, const char *data, size_t len)
{
	if (t->state != PL_TRANSPORT_OPEN || !len)
		return;
	assert(!t->reading_paused);
	t->protocol->ops->data_received(t->protocol, data, len);
}

void pl_transport_event(struct pl_transport *t, const struct pl_event *ev)
{
	if (ev->type == PL_EVENT_EOF)
		t->eof = true;
	if (t->state == PL_TRANSPORT_OPEN && t->protocol->ops->event)
		t->protocol->ops->event(t->protocol, ev);
	if (ev->type != PL_EVENT_EOF || t->staying)
		return;
	if (t->half_closed)
		pl_transport_down(t, 0);
	else
		pl_lose(t);
}

void pl_stay_open(struct pl_transport *t)
{
	t->staying = t->eof && t->state == PL_TRANSPORT_OPEN;
}

void pl_pause_reading(struct pl_transport *t)
{
	if (t->state != PL_TRANSPORT_OPEN || t->reading_paused)
		return;
	t->reading_paused = true;
	t->ops->set_reading(t, false);
}

void pl_resume_reading(struct pl_transport *t)
{
	if (t->state != PL_TRANSPORT_OPEN || !t->reading_paused)
		return;
	t->reading_paused = false;
	t->ops->set_reading(t, true);
}

/* --- who and where ------------------------------------------------------------------------------------ */

const struct pl_peer *pl_transport_peer(const struct pl_transport *t)
{
	return &t->peer;
}

struct pl_reactor *pl_transport_reactor(const struct pl_transport *t)
{
	return t->reactor;
}

const char *pl_peer_option(const struct pl_peer *p, const char *key)
{
	return p->endpoint ? pl_endpoint_str(p->endpoint, key) : NULL;
}

const char *pl_peer_fact(const struct pl_peer *p, const char *fact)
{
	const size_t len = strlen(fact);

	for (const char *at = p->facts; at && *at; at += strlen(at) + 1)
		if (strncmp(at, fact, len) == 0 && at[len] == '=')
			return at + len + 1;
	return NULL;
}

/* --- all of them ----------------------------------------------------------------------------------------- */

void pl_lose_all(struct pl_reactor *r)
{
	for (struct pl_transport *t = r->transports; t; t = t->next)
		if (t->state != PL_TRANSPORT_OPENING)
			pl_lose(t);
}

void pl_abort_all(struct pl_reactor *r, int reason)
{
	for (struct pl_transport *t = r->transports; t; t = t->next)
		if (t->state != PL_TRANSPORT_OPENING)
			pl_abort(t, reason);
}

size_t pl_connections(const struct pl_reactor *r)
{
	return r->connections;
}
