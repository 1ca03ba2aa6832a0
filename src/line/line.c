/* line.c: joins framer, telnet filter and editor to a connection.
 *
 * To the transport this is a protocol like any other; to its receiver it is the
 * connection.  Everything that thinks is in the pure files beside it: here it is decided
 * who gets the bytes, and what leaves is put together so that one line is one pl_write,
 * whatever has to be drawn around it. */
#include "line_impl.h"

#include <partyline/log.h>
#include <partyline/reactor.h>
#include <partyline/stats.h>
#include <partyline/transport_impl.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct pl_line_receiver *receiver_of(struct pl_protocol *p)
{
	return pl_container_of(p, struct pl_line_receiver, protocol);
}

static struct pl_transport *transport_of(const struct pl_line_receiver *l)
{
	return l->protocol.transport;
}

/* --- from the person ---------------------------------------------------------------------- */

/* Is the receiver to be called? */
static bool flowing(const struct pl_line *line)
{
	return !line->ended && !line->paused;
}

static void tell_cut(struct pl_line_receiver *l)
{
	pl_send_linef(l, "-- line too long: cut at %d bytes --", PL_LINE_MAX);
}

/* He is no person: out, before anybody hears of him, and without a word to read on. */
static void turn_out(struct pl_line_receiver *l)
{
	l->line->ended = true;
	pl_count(pl_transport_reactor(transport_of(l)),
	         "connections: turned away, HTTP, TLS or modem", 1);
	pl_abort(transport_of(l), -EPROTO);
}

/* Two that answer each other would never end (S14).  Nobody reads a farewell there. */
static void end_echo(struct pl_line_receiver *l)
{
	const struct pl_peer *peer = pl_line_peer(l);

	l->line->ended = true;
	pl_log(PL_LOG_WARNING, "%s:%s echoes what it is sent: hung up", peer->type,
	       peer->name);
	pl_count(pl_transport_reactor(transport_of(l)),
	         "lines: far ends that echoed, hung up on", 1);
	pl_abort(transport_of(l), -ELOOP);
}

static void hand_up(struct pl_line_receiver *l, const char *text, size_t len)
{
	struct pl_first_words *first = &l->line->first;

	if (!first->over && len > 0) {
		first->over = true;
		if (pl_first_line_is_no_persons(pl_line_peer(l), text, len)) {
			turn_out(l);
			return;
		}
	}
	if (l->line->echo && pl_echo_heard(l->line->echo, text, len))
		end_echo(l);
	else
		l->ops->line_received(l, text, len);
}

/* A key has changed the screen: what was drawn may be the next key. */
static void watch_drawing(struct pl_line_receiver *l)
{
	struct pl_line *line = l->line;

	if (line->echo && !line->ended &&
	    pl_echo_drew(line->echo,
	                 pl_reactor_now(pl_transport_reactor(l->protocol.transport))))
		end_echo(l);
}

static bool on_framed(void *arg, const char *text, size_t len)
{
	struct pl_line_receiver *l = arg;

	if (text)
		hand_up(l, text, len);
	else
		tell_cut(l);
	return flowing(l->line);
}

static void on_entered(struct pl_line_receiver *l)
{
	struct pl_editor *editor = &l->line->in.editor;
	size_t len;
	const char *text = pl_editor_take(editor, &len);

	hand_up(l, text, len);
	if (pl_line_settle(l))
		watch_drawing(l);
}

static ssize_t type_keys(struct pl_line_receiver *l, const char *data, size_t len)
{
	struct pl_editor *editor = &l->line->in.editor;
	struct pl_drawing d;
	size_t i = 0;
	int status = 0;

	d.len = 0;
	while (i < len && status >= 0 && flowing(l->line)) {
		const bool was_full = editor->full;
		const size_t drawn = d.len;

		status = pl_editor_key(editor, (unsigned char)data[i++], &d);
		if (d.len > drawn)
			watch_drawing(l);
		if (l->line->ended)
			break;
		if (status > 0 || d.len > sizeof d.bytes - PL_EDITOR_KEY_MAX)
			pl_line_put_drawing(l, &d);
		if (status > 0) {
			on_entered(l);
		} else if (editor->full && !was_full) {
			pl_line_put_drawing(l, &d);
			tell_cut(l);
		}
	}
	pl_line_put_drawing(l, &d);
	pl_linebuf_trim(&editor->line);
	return status < 0 ? status : (ssize_t)i;
}

/* Returns how many of the bytes were taken. */
static size_t take_text(struct pl_line_receiver *l, const char *data, size_t len)
{
	const ssize_t taken = l->line->editing ? type_keys(l, data, len)
	                                       : pl_framer_feed(&l->line->in.framer, data,
	                                                        len, on_framed, l);

	if (taken < 0) {
		pl_line_fail(l);
		return 0;
	}
	return (size_t)taken;
}

static void forget_line(struct pl_line_receiver *l)
{
	if (l->line->editing)
		take_text(l, "\003", 1); /* as Ctrl-C does it */
	else
		pl_framer_drop(&l->line->in.framer);
}

/* Nobody presses a key in the middle of a character. */
static void take_telnet_key(struct pl_line_receiver *l, bool interrupt)
{
	const struct pl_line *line = l->line;
	const struct pl_clean *clean =
		line->editing ? &line->in.editor.clean : &line->in.framer.clean;
	const char eaten = pl_telnet_eaten(&line->telnet);

	if (clean->need > 0)
		take_text(l, &eaten, 1);
	else if (interrupt)
		forget_line(l);
}

/* Returns how many of the bytes were taken: fewer than len when the receiver paused or
 * ended. */
static size_t take_data(struct pl_line_receiver *l, const char *data, size_t len)
{
	struct pl_line *line = l->line;
	const bool filtered = !pl_line_peer(l)->terminal;
	size_t taken = 0;

	while (taken < len && flowing(line)) {
		enum pl_telnet_piece piece = PL_TELNET_TEXT;
		const char *at = data + taken;
		size_t n = len - taken;

		if (filtered)
			n = pl_telnet_next(&line->telnet, at, n, &piece);
		switch (piece) {
		case PL_TELNET_TEXT:
			n = take_text(l, at, n);
			break;
		case PL_TELNET_NOTHING:
			break;
		case PL_TELNET_INTERRUPT:
		case PL_TELNET_KEY:
			take_telnet_key(l, piece == PL_TELNET_INTERRUPT);
			break;
		case PL_TELNET_ARE_YOU_THERE:
			pl_send_linef(l, "-- yes, I am here --");
			break;
		case PL_TELNET_TIMING_MARK:
			pl_line_put(l, "\xff\xfb\x06"); /* IAC WILL TIMING-MARK */
			break;
		}
		taken += n;
	}
	return taken;
}

/* The end of a datagram, or of the input.  Nobody has pressed Enter at the end of what
 * was typed on a terminal, so that is not said. */
static void end_record(struct pl_line_receiver *l)
{
	struct pl_line *line = l->line;

	if (line->ended || line->editing)
		return;
	if (pl_framer_end(&line->in.framer, on_framed, l))
		pl_line_fail(l);
}

/* --- what waits ---------------------------------------------------------------------------- */

static uint64_t lines_in(const struct held *h)
{
	uint64_t lines = 0;

	for (size_t i = h->start; i < h->len; i++)
		lines += h->data[i] == '\n' ||
		         (h->data[i] == '\r' && !(i + 1 < h->len && h->data[i + 1] == '\n'));
	return lines;
}

static void drop_held(struct pl_line *line)
{
	struct held *h = line->held;

	if (!h)
		return;
	line->held = NULL;
	pl_timer_cancel(&h->timer);
	free(h->data);
	free(h);
}

/* It is gone afterwards, unless the receiver has paused again or ended. */
static void hand_on(struct pl_line_receiver *l, struct held *h)
{
	bool record_end;

	h->start += take_data(l, h->data + h->start, h->len - h->start);
	if (h->start < h->len)
		return;
	record_end = h->record_end;
	drop_held(l->line);
	if (record_end)
		end_record(l);
}

static pl_timer_fn on_timer;

static void hold(struct pl_line_receiver *l, const char *data, size_t len)
{
	struct held *h = calloc(1, sizeof *h);

	assert(!l->line->held); /* only pl_line_resume() lets more come */
	if (h && !(h->data = malloc(len + 1))) {
		free(h);
		h = NULL;
	}
	if (!h) {
		pl_line_fail(l);
		return;
	}
	memcpy(h->data, data, len);
	h->len = len;
	h->receiver = l;
	h->timer.fn = on_timer;
	l->line->held = h;
}

/* Nothing is held and nothing will come. */
static void finish_input(struct pl_line_receiver *l)
{
	const struct pl_line *line = l->line;

	end_record(l);
	if (line->paused && !line->ended)
		hold(l, "", 0); /* the end waits until he resumes */
	else if (!line->ended && (!l->ops->input_ended || !l->ops->input_ended(l)))
		pl_lose(transport_of(l));
}

static void on_timer(struct pl_timer *t)
{
	struct held *h = pl_container_of(t, struct held, timer);
	struct pl_line_receiver *l = h->receiver;

	hand_on(l, h);
	if (l->line->held)
		return; /* paused again, or ended */
	if (l->line->eof)
		finish_input(l);
	else if (!l->line->paused)
		pl_resume_reading(transport_of(l));
}

void pl_line_pause(struct pl_line_receiver *l)
{
	if (!l->line)
		return;
	l->line->paused = true;
	pl_pause_reading(transport_of(l));
}

void pl_line_resume(struct pl_line_receiver *l)
{
	struct pl_line *line = l->line;

	if (!line)
		return;
	line->paused = false;
	if (line->held)
		pl_call_later(pl_transport_reactor(transport_of(l)), &line->held->timer, 0);
	else
		pl_resume_reading(transport_of(l));
}

/* --- the protocol ----------------------------------------------------------------------------- */

static bool is_edited(const struct pl_peer *peer)
{
	const char *edit = pl_peer_option(peer, "edit");

	if (!edit || strcmp(edit, "auto") == 0)
		return peer->terminal;
	return strcmp(edit, "on") == 0;
}

/* false when out of memory. */
static bool watch_echo(struct pl_line_receiver *l)
{
	uint32_t key;

	l->line->echo = malloc(sizeof *l->line->echo);
	if (!l->line->echo)
		return false;
	pl_reactor_random(pl_transport_reactor(transport_of(l)), &key, sizeof key);
	pl_echo_init(l->line->echo, key, l->line->editing);
	return true;
}

static void connection_made(struct pl_protocol *p)
{
	struct pl_line_receiver *l = receiver_of(p);

	l->line = calloc(1, sizeof *l->line);
	if (l->line)
		l->line->editing = is_edited(pl_line_peer(l));
	if (!l->line || (pl_line_peer(l)->terminal && !watch_echo(l)))
		pl_abort(p->transport, -ENOMEM);
	if (l->ops->connection_made)
		l->ops->connection_made(l);
}

static void data_received(struct pl_protocol *p, const char *data, size_t len)
{
	struct pl_line_receiver *l = receiver_of(p);
	size_t taken;

	if (!l->line || l->line->ended)
		return;
	if (!pl_line_peer(l)->terminal &&
	    pl_first_bytes_are_tls(&l->line->first, data, len)) {
		turn_out(l);
		return;
	}
	taken = take_data(l, data, len);
	if (taken < len && !l->line->ended)
		hold(l, data + taken, len - taken);
}

static void on_eof(struct pl_line_receiver *l)
{
	l->line->eof = true;
	pl_stay_open(transport_of(l));
	if (!l->line->held)
		finish_input(l);
}

static void on_window(struct pl_line_receiver *l, int columns)
{
	struct pl_drawing d;

	d.len = 0;
	if (!l->line->editing)
		return;
	pl_editor_resize(&l->line->in.editor, columns > 0 ? (unsigned)columns : 0, &d);
	pl_line_put_drawing(l, &d);
}

static void event(struct pl_protocol *p, const struct pl_event *ev)
{
	struct pl_line_receiver *l = receiver_of(p);
	char lost[PL_LOST_TEXT];

	if (!l->line || l->line->ended)
		return;
	switch (ev->type) {
	case PL_EVENT_EOF:
		on_eof(l);
		break;
	case PL_EVENT_RECORD_END:
		if (l->line->held)
			l->line->held->record_end = true;
		else
			end_record(l);
		break;
	case PL_EVENT_WINDOW:
		on_window(l, ev->columns);
		break;
	case PL_EVENT_LINES_LOST:
		pl_lost_text(lost, ev->lines);
		pl_send_line(l, lost, strlen(lost));
		break;
	case PL_EVENT_BREAK:
	case PL_EVENT_CARRIER:
		break;
	}
}

static void resume_writing(struct pl_protocol *p)
{
	for (struct pl_group_link *k = receiver_of(p)->links; k; k = k->line_next)
		pl_group_caught_up(k);
}

static void connection_lost(struct pl_protocol *p, int reason)
{
	struct pl_line_receiver *l = receiver_of(p);
	struct pl_line *line = l->line;
	bool made_here;

	while (l->links)
		pl_group_leave(l->links);
	if (line) {
		if (line->held)
			pl_count(pl_transport_reactor(p->transport),
			         "lines: never said, their sender had gone",
			         lines_in(line->held));
		drop_held(line);
		if (line->editing)
			pl_editor_finish(&line->in.editor);
		else
			pl_framer_drop(&line->in.framer);
		free(line->echo);
		free(line);
		l->line = NULL;
	}
	made_here = l->factory != NULL;
	if (l->ops->connection_lost)
		l->ops->connection_lost(l, reason);
	if (made_here)
		free(l);
}

static const struct pl_protocol_ops line_ops = {
	.connection_made = connection_made,
	.data_received = data_received,
	.connection_lost = connection_lost,
	.resume_writing = resume_writing,
	.event = event,
};

/* --- for the receiver ---------------------------------------------------------------------- */

struct pl_protocol *pl_line_receiver_init(struct pl_line_receiver *l,
                                          const struct pl_line_receiver_ops *ops)
{
	*l = (struct pl_line_receiver){ .protocol = { .ops = &line_ops }, .ops = ops };
	return &l->protocol;
}

static struct pl_protocol *build_receiver(struct pl_factory *f,
                                          const struct pl_peer *peer PL_UNUSED)
{
	struct pl_line_factory *maker = pl_container_of(f, struct pl_line_factory, factory);
	struct pl_line_receiver *l = calloc(1, maker->size);

	if (!l)
		return NULL;
	pl_line_receiver_init(l, maker->ops);
	l->factory = maker;
	return &l->protocol;
}

void pl_line_factory_init(struct pl_line_factory *f,
                          const struct pl_line_receiver_ops *ops, size_t size)
{
	static const struct pl_factory_ops factory_ops = { .build_protocol = build_receiver,
		                                           .usage = PL_LINE_USAGE };

	*f = (struct pl_line_factory){ .factory = { &factory_ops },
		                       .ops = ops,
		                       .size = size };
}

void pl_line_lose(struct pl_line_receiver *l)
{
	struct pl_line *line = l->line;

	if (!line)
		return;
	line->ended = true;
	if (line->editing) /* what he typed stays, and the cursor is below it */
		pl_line_settle(l);
	pl_lose(transport_of(l));
}

const struct pl_peer *pl_line_peer(const struct pl_line_receiver *l)
{
	return pl_transport_peer(transport_of(l));
}
