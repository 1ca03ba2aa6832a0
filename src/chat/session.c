/* session.c: one person: comes, says lines, goes.
 *
 * Going and the end of the connection are two things: who types /exit is out of the room
 * at once, and his name is free, while the goodbye is still on its way to him.
 *
 * Coming and being announced are two as well: the room hears of a newcomer when he says
 * something, or when he has stayed for a moment.  Scanners, modems and whoever only knocks
 * have gone by then (T7), and cost nobody a line. */
#include "chat.h"

#include <partyline/error.h>
#include <partyline/log.h>
#include <partyline/stats.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* A modem's or a scanner's first words have come by then: minicom up to 2.5 pauses for a
 * second between its Enter and the AT that follows it (S10). */
#define ANNOUNCE_MS 1500

static struct session *session_of(struct pl_line_receiver *l)
{
	return pl_container_of(l, struct session, line);
}

void session_tell(struct session *s, const char *fmt, ...)
{
	static const char sorry[] = "-- the server is out of memory --";
	char text[PL_LINE_MAX + 160]; /* may repeat a line of his, whole */
	struct pl_msg *m;
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	m = pl_msg_new(PL_MSG_SERVER, NULL, NULL, pl_reactor_wall(s->chat->reactor), text,
	               strlen(text));
	if (m)
		pl_send_msg(&s->line, m);
	else
		pl_send_line(&s->line, sorry, sizeof sorry - 1);
	pl_msg_unref(m);
}

void session_say(struct session *s, enum pl_msg_kind kind, const char *text, size_t len)
{
	struct pl_msg *m = pl_msg_new(kind, s->name, s->room->name,
	                              pl_reactor_wall(s->chat->reactor), text, len);

	if (m) {
		pl_group_send(&s->room->group, m, &s->line);
	} else {
		pl_count(s->chat->reactor, "lines: heard by nobody, out of memory", 1);
		session_tell(s, "the server is out of memory: nobody has heard that");
	}
	pl_msg_unref(m);
}

/* --- coming ------------------------------------------------------------------------- */

static void newcomer_no_more(struct session *s)
{
	struct chat *c = s->chat;

	DL_DELETE2(c->newcomers, s, new_prev, new_next);
	if (!c->newcomers)
		pl_timer_cancel(&c->announcing); /* the reactor may go before the chat does */
}

static void announce(struct session *s)
{
	const struct pl_peer *peer = pl_line_peer(&s->line);
	struct chat *c = s->chat;

	if (s->announced)
		return;
	s->announced = true;
	newcomer_no_more(s);
	room_announce(c, s->room, &s->line, PL_MSG_NOTICE, "%s has joined (%s)", s->name,
	              peer->type);
	pl_log(PL_LOG_INFO, "%s has joined (%s %s)", s->name, peer->type, peer->name);
}

void session_announce_newcomers(struct pl_timer *t)
{
	struct chat *c = pl_container_of(t, struct chat, announcing);
	const uint64_t now_ms = pl_reactor_now(c->reactor);

	while (c->newcomers && now_ms - c->newcomers->came_ms >= ANNOUNCE_MS)
		announce(c->newcomers);
	if (c->newcomers)
		pl_call_later(c->reactor, t, c->newcomers->came_ms + ANNOUNCE_MS - now_ms);
}

static void connection_made(struct pl_line_receiver *l)
{
	struct session *s = session_of(l);
	const struct pl_peer *peer = pl_line_peer(l);
	struct chat *c = s->chat;

	chat_pick_name(c, pl_peer_option(peer, "nick"), s->name);
	s->rate = chat_rate_of(c, peer);
	s->came_ms = s->heard_ms = pl_reactor_now(c->reactor);
	chat_greet(c, s);
	pl_group_join(&s->room->group, &s->member, l);
	DL_APPEND(c->people, s);
	c->count++;
	DL_APPEND2(c->newcomers, s, new_prev, new_next);
	if (!pl_timer_active(&c->announcing))
		pl_call_later(c->reactor, &c->announcing, ANNOUNCE_MS);
}

/* --- going -------------------------------------------------------------------------- */

/* The room is told of those whom it knows. */
static void tell_of_leaving(struct session *s, int reason)
{
	const char *type = pl_line_peer(&s->line)->type;
	struct chat *c = s->chat;

	pl_log(PL_LOG_INFO, "%s has left (%s, %s)", s->name, type, pl_reason(reason));
	if (!c->stopping && reason == 0)
		room_announce(c, s->room, NULL, PL_MSG_NOTICE, "%s has left (%s)",
		              s->name, type);
	else if (!c->stopping)
		room_announce(c, s->room, NULL, PL_MSG_NOTICE, "%s has left (%s: %s)",
		              s->name, type, pl_reason(reason));
}

void session_leave(struct session *s, int reason)
{
	struct chat *c = s->chat;

	if (!s->name[0])
		return;
	flood_forget(s);
	DL_DELETE(c->people, s);
	c->count--;
	pl_group_leave(&s->member);
	if (s->announced) {
		tell_of_leaving(s, reason);
	} else {
		newcomer_no_more(s);
		pl_count(c->reactor, "people: gone before the room heard of them", 1);
	}
	s->name[0] = '\0';
}

/* --- lines -------------------------------------------------------------------------- */

void session_run_line(struct session *s, const char *line, size_t len)
{
	announce(s);
	if (line[0] == '/' && line[1] != '/')
		command_run(s, line + 1, len - 1);
	else if (line[0] == '/')
		session_say(s, PL_MSG_TEXT, line + 1, len - 1);
	else
		session_say(s, PL_MSG_TEXT, line, len);
}

static void line_received(struct pl_line_receiver *l, const char *line, size_t len)
{
	struct session *s = session_of(l);

	s->heard_ms = pl_reactor_now(s->chat->reactor);
	if (strspn(line, " \t") < len)
		flood_line(s, line, len);
}

/* Who has hung up while lines of his wait stays until they have been said. */
static bool input_ended(struct pl_line_receiver *l)
{
	return flood_input_ended(session_of(l));
}

static void connection_lost(struct pl_line_receiver *l, int reason)
{
	struct session *s = session_of(l);

	session_leave(s, reason);
	free(s);
}

static const struct pl_line_receiver_ops receiver_ops = {
	.connection_made = connection_made,
	.line_received = line_received,
	.connection_lost = connection_lost,
	.input_ended = input_ended,
};

struct session *session_create(struct chat *c)
{
	struct session *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->chat = c;
	s->room = &c->lobby;
	pl_line_receiver_init(&s->line, &receiver_ops);
	return s;
}
