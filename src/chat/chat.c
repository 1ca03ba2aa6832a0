/* chat.c: the place: who is in it under which name, what newcomers read, what all are told.
 *
 * People are in one list, and a name is looked for from its beginning: whoever comes or
 * takes a name is announced to everybody, which costs more. */
#include "chat.h"

#include <errno.h>
#include <partyline/log.h>
#include <partyline/stats.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

/* --- names -------------------------------------------------------------------------- */

#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

/* Names by which somebody could pass for more than he is. */
static const char *const reserved_names[] = { "server", "admin" };

const char *chat_name_fault(const char *name, size_t len)
{
	if (len == 0)
		return "a name has at least one character";
	if (strspn(name, NAME_LETTERS) < len)
		return "a name has only letters a to z, digits and _ . -";
	if (len > CHAT_NAME_MAX)
		return "a name has at most 16 characters";
	if (strspn(name, "_.-") >= len)
		return "a name has at least one letter or digit";
	for (size_t i = 0; i < sizeof reserved_names / sizeof *reserved_names; i++)
		if (len == strlen(reserved_names[i]) &&
		    strncasecmp(name, reserved_names[i], len) == 0)
			return "that name is reserved";
	return NULL;
}

struct session *chat_find(struct chat *c, const char *name, size_t len)
{
	struct session *s;

	DL_FOREACH(c->people, s)
		if (strncasecmp(s->name, name, len) == 0 && s->name[len] == '\0')
			return s;
	return NULL;
}

/* 12 for the name "guest12" and the stem "guest"; 0 for a name of any other form. */
static unsigned long number_after(const char *name, const char *stem, size_t stem_len)
{
	const char *digits = name + stem_len;

	if (strncasecmp(name, stem, stem_len) != 0 || *digits < '1' || *digits > '9' ||
	    digits[strspn(digits, "0123456789")] != '\0')
		return 0;
	return strtoul(digits, NULL, 10);
}

/* The lowest number, from `first` on, that nobody has after that stem.  Goes through the
 * people once for a whole span of numbers: with one search per number, a full house would
 * stop the server for a second. */
static unsigned long free_number(struct chat *c, const char *stem, size_t stem_len,
                                 unsigned long first)
{
	enum { SPAN = 4096 };

	for (;; first += SPAN) {
		bool taken[SPAN] = { false };
		struct session *s;

		DL_FOREACH(c->people, s) {
			unsigned long n = number_after(s->name, stem, stem_len);

			if (n >= first && n - first < SPAN)
				taken[n - first] = true;
		}
		for (unsigned long i = 0; i < SPAN; i++)
			if (!taken[i])
				return first + i;
	}
}

void chat_pick_name(struct chat *c, const char *wish, char name[CHAT_NAME_MAX + 1])
{
	const char *stem = "guest";
	unsigned long first = 1;
	size_t len;

	if (wish && !chat_find(c, wish, strlen(wish))) {
		snprintf(name, CHAT_NAME_MAX + 1, "%s", wish);
		return;
	}
	if (wish) {
		stem = wish;
		first = 2;
	}
	len = strnlen(stem, CHAT_NAME_MAX - 6); /* six digits: a million of one name */
	snprintf(name, CHAT_NAME_MAX + 1, "%.*s%lu", (int)len, stem,
	         free_number(c, stem, len, first));
}

/* --- what people read --------------------------------------------------------------- */

void room_announce(struct chat *c, struct room *room, struct pl_line_receiver *but,
                   enum pl_msg_kind kind, const char *fmt, ...)
{
	char text[160]; /* two names, a wire and a reason are the longest */
	struct pl_msg *m;
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	m = pl_msg_new(kind, NULL, room->name, pl_reactor_wall(c->reactor), text,
	               strlen(text));
	if (m) {
		pl_group_send_but(&room->group, m, but);
	} else {
		pl_log(PL_LOG_WARNING, "out of memory: nobody was told that %s", text);
		pl_count(c->reactor, "notices: read by nobody, out of memory", 1);
	}
	pl_msg_unref(m);
}

/* One line on any screen, whoever is here: those of whom the newcomer will not read that
 * they have joined. */
static void say_who_is_here(struct chat *c, struct session *to)
{
	char text[80] = "Here now:";
	size_t n = strlen(text), more = 0, shown = 0;
	struct session *s;

	DL_FOREACH(c->people, s) {
		if (s->announced && n < 44)
			n += (size_t)snprintf(text + n, sizeof text - n, "%s %s",
			                      shown++ ? "," : "", s->name);
		else
			more += s->announced;
	}
	if (more > 0)
		snprintf(text + n, sizeof text - n, " and %zu more", more);
	if (shown > 0)
		pl_send_linef(&to->line, "%s.", text);
	else
		pl_send_linef(&to->line, "Nobody else is here yet.");
}

void chat_greet(struct chat *c, struct session *s)
{
	if (c->motd) {
		if (c->motd[0])
			pl_send_line(&s->line, c->motd, strlen(c->motd));
	} else {
		pl_send_linef(&s->line, "Welcome to %s!", c->name);
		say_who_is_here(c, s);
		pl_send_linef(&s->line, "/help lists commands, /nick NAME names you, "
		                        "/exit leaves.");
		if (c->udp_hint)
			pl_send_linef(&s->line, "By UDP: %s, then press Enter.",
			              c->udp_hint);
	}
	session_tell(s, "you are %s", s->name);
}

/* --- the factory -------------------------------------------------------------------- */

static struct pl_protocol *build_protocol(struct pl_factory *f, const struct pl_peer *peer)
{
	struct chat *c = pl_container_of(f, struct chat, factory);
	struct session *s = c->stopping ? NULL : session_create(c);

	(void)peer;
	return s ? &s->line.protocol : NULL;
}

static int check(struct pl_factory *f, const struct pl_peer *peer, struct pl_error *err)
{
	const char *nick = pl_peer_option(peer, "nick"),
		   *rate = pl_peer_option(peer, "rate");
	const char *fault = nick ? chat_name_fault(nick, strlen(nick)) : NULL;
	struct chat_rate ignored;

	(void)f;
	if (fault)
		return pl_fail(err, -EINVAL, "%s", fault);
	if (rate && chat_rate_parse(rate, &ignored) < 0)
		return pl_fail(err, -EINVAL, "rate must be " CHAT_RATE_RULE);
	return 0;
}

struct chat_rate chat_rate_of(const struct chat *c, const struct pl_peer *peer)
{
	const char *text = pl_peer_option(peer, "rate");
	struct chat_rate rate = c->rate;

	if (text)
		chat_rate_parse(text, &rate); /* check() has seen that it is right */
	return rate;
}

static void stopping(struct pl_factory *f)
{
	struct chat *c = pl_container_of(f, struct chat, factory);
	struct session *s;

	DL_FOREACH(c->people, s)
		flood_forget(s);
	room_announce(c, &c->lobby, NULL, PL_MSG_SERVER, "the server is stopping, goodbye");
	c->stopping = true;
}

const struct pl_factory_ops chat_factory_ops = {
	.build_protocol = build_protocol,
	.usage = PL_LINE_USAGE "[:nick=NAME][:rate=LINES/s[,BURST]|off]",
	.check = check,
	.stopping = stopping,
};

/* --- making one --------------------------------------------------------------------- */

/* Fit for any terminal, each line ended by '\n'; NULL when out of memory. */
static char *clean_lines(const char *text, size_t len)
{
	/* A byte that is no UTF-8 becomes three.  The last line may lack its end. */
	size_t size = 3 * len + 2, n = 0;
	char *clean = malloc(size);

	while (clean && len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t line_len = end ? (size_t)(end - text) : len;

		n += pl_clean_text(clean + n, size - n - 1, text, line_len);
		clean[n++] = '\n';
		text += line_len;
		len -= line_len;
		if (end) {
			text++;
			len--;
		}
	}
	if (clean)
		clean[n] = '\0';
	return clean;
}

struct chat *chat_create(struct pl_reactor *r, const struct chat_options *options)
{
	struct chat *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->factory.ops = &chat_factory_ops;
	c->reactor = r;
	c->started_ms = pl_reactor_now(r);
	c->rate = options->rate;
	c->announcing.fn = session_announce_newcomers;
	c->lobby.name = "lobby";
	pl_group_init(&c->lobby.group, NULL);
	c->name = clean_lines(options->name, strcspn(options->name, "\n"));
	if (options->motd)
		c->motd = clean_lines(options->motd, options->motd_len);
	if (!c->name || (options->motd && !c->motd)) {
		chat_destroy(c);
		return NULL;
	}
	c->name[strcspn(c->name, "\n")] = '\0';
	return c;
}

int chat_set_udp_hint(struct chat *c, const char *command)
{
	char *copy = strdup(command);

	if (!copy)
		return -ENOMEM;
	free(c->udp_hint);
	c->udp_hint = copy;
	return 0;
}

void chat_destroy(struct chat *c)
{
	if (!c)
		return;
	pl_group_finish(&c->lobby.group);
	free(c->name);
	free(c->motd);
	free(c->udp_hint);
	free(c);
}
