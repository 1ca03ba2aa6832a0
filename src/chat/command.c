/* command.c: what follows a slash.
 *
 * A table of words, each with the text that /help shows and the function that does it.
 * A function gets the rest of the line without the blanks around it; it is not ended by
 * a NUL where blanks followed. */
#include "chat.h"

#include <inttypes.h>
#include <partyline/log.h>
#include <partyline/stats.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

struct args {
	const char *text;
	size_t len;
};

struct command {
	const char *name, *usage, *help;
	void (*fn)(struct session *s, struct args a);
};

/* --- coming and going, names -------------------------------------------------------- */

static void run_exit(struct session *s, struct args a)
{
	(void)a;
	flood_forget(s);
	session_tell(s, "goodbye, %s", s->name);
	session_leave(s, 0);
	pl_line_lose(&s->line);
}

static void run_nick(struct session *s, struct args a)
{
	const char *fault = chat_name_fault(a.text, a.len);
	struct session *other = chat_find(s->chat, a.text, a.len);
	char old[sizeof s->name];

	if (a.len == 0) {
		session_tell(s, "you are %s; a name has 1 to 16 letters, digits and _ . -",
		             s->name);
		return;
	}
	if (fault) {
		session_tell(s, "%s; you are still %s", fault, s->name);
		return;
	}
	if (other && other != s) {
		session_tell(s, "%s is taken; you are still %s", other->name, s->name);
		return;
	}
	if (other && memcmp(s->name, a.text, a.len) == 0) {
		session_tell(s, "you are %s already", s->name);
		return;
	}
	memcpy(old, s->name, sizeof old);
	snprintf(s->name, sizeof s->name, "%.*s", (int)a.len, a.text);
	pl_log(PL_LOG_INFO, "%s is now %s", old, s->name);
	room_announce(s->chat, s->room, NULL, PL_MSG_NOTICE, "%s is now %s", old, s->name);
}

static void run_me(struct session *s, struct args a)
{
	if (a.len == 0)
		session_tell(s, "/me needs a text: /me waves shows * %s waves", s->name);
	else
		session_say(s, PL_MSG_ACTION, a.text, a.len);
}

/* --- /who --------------------------------------------------------------------------- */

enum {
	WHO_ROWS = 100,    /* what any queue takes, and more than anybody reads */
	ADDRESS_WIDTH = 47 /* "[" IPv6 "]:65535"; with the other columns 79 */
};

/* A device's path may be any length: of a long one the end tells more. */
static void address_text(const struct session *s, char text[ADDRESS_WIDTH + 1])
{
	const char *name = pl_line_peer(&s->line)->name;
	size_t len = strlen(name), dots = 0;

	if (len > ADDRESS_WIDTH) {
		dots = 3;
		memcpy(text, "...", dots);
		name += len - (ADDRESS_WIDTH - dots);
		while ((*name & 0xc0) == 0x80) /* not from the middle of a character */
			name++;
	}
	pl_clean_text(text + dots, ADDRESS_WIDTH + 1 - dots, name, strlen(name));
}

/* In the largest unit of which there are some: "59s", "3m", "47h", "12d". */
static void duration_text(uint64_t ms, char text[16])
{
	const uint64_t seconds = ms / 1000;

	if (seconds < 60)
		snprintf(text, 16, "%us", (unsigned)seconds);
	else if (seconds < 3600)
		snprintf(text, 16, "%um", (unsigned)(seconds / 60));
	else if (seconds < 48 * 3600)
		snprintf(text, 16, "%uh", (unsigned)(seconds / 3600));
	else
		snprintf(text, 16, "%ud", (unsigned)(seconds / 86400));
}

static void widen(int *width, const char *text)
{
	if ((int)strlen(text) > *width)
		*width = (int)strlen(text);
}

/* Columns are as wide as what stands in them: the people are gone through twice. */
static void run_who(struct session *s, struct args a)
{
	int name = 4, wire = 4, address = 7;
	char where[ADDRESS_WIDTH + 1], idle[16];
	size_t found = 0, shown = 0;
	struct session *p;

	DL_FOREACH(s->chat->people, p) {
		if (strncasecmp(p->name, a.text, a.len) != 0 || found++ >= WHO_ROWS)
			continue;
		address_text(p, where);
		widen(&name, p->name);
		widen(&wire, pl_line_peer(&p->line)->type);
		widen(&address, where);
	}
	if (found == 0) {
		session_tell(s, "nobody here has a name that begins with %.*s",
		             (int)a.len, a.text);
		return;
	}
	pl_send_linef(&s->line, "%-*s  %-*s  %-*s  %s", name, "name", wire, "wire",
	              address, "address", "idle");
	DL_FOREACH(s->chat->people, p) {
		if (strncasecmp(p->name, a.text, a.len) != 0 || shown++ >= WHO_ROWS)
			continue;
		address_text(p, where);
		duration_text(pl_reactor_now(s->chat->reactor) - p->heard_ms, idle);
		pl_send_linef(&s->line, "%-*s  %-*s  %-*s  %s", name, p->name, wire,
		              pl_line_peer(&p->line)->type, address, where, idle);
	}
	if (found > WHO_ROWS)
		session_tell(s,
		             "%d of %zu people; /who NAME shows those whose names begin so",
		             WHO_ROWS, found);
	else
		session_tell(s, "%zu %s", found, found == 1 ? "person" : "people");
}

/* --- /stats ------------------------------------------------------------------------- */

static void run_stats(struct session *s, struct args a)
{
	struct pl_reactor *r = s->chat->reactor;
	char up[16];
	const char *what;
	uint64_t n;

	(void)a;
	for (size_t i = 0; pl_counter_at(r, i, &what, &n); i++)
		pl_send_linef(&s->line, "%10" PRIu64 "  %s", n, what);
	if (pl_log_lost())
		pl_send_linef(&s->line, "%10u  log: lines lost", pl_log_lost());
	duration_text(pl_reactor_now(r) - s->chat->started_ms, up);
	session_tell(s, "up for %s, %zu %s", up, s->chat->count,
	             s->chat->count == 1 ? "person" : "people");
}

/* --- /help and the table -------------------------------------------------------------- */

static void run_help(struct session *s, struct args a);

static const struct command commands[] = {
	{ "exit", "", "leave", run_exit },
	{ "help", "[COMMAND]", "what there is to type", run_help },
	{ "me", "TEXT", "say what you do: /me waves shows * ann waves", run_me },
	{ "nick", "NAME", "change your name: 1 to 16 letters, digits and _ . -", run_nick },
	{ "quit", "", "the same as /exit", run_exit },
	{ "stats", "", "what the server has counted: connections, losses, refusals",
	  run_stats },
	{ "who", "[NAME]", "who is here, or those whose names begin so", run_who },
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static const struct command *find(struct args word)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (strncasecmp(commands[i].name, word.text, word.len) == 0 &&
		    commands[i].name[word.len] == '\0')
			return &commands[i];
	return NULL;
}

static void tell_unknown(struct session *s, struct args word)
{
	session_tell(s, "no command /%.*s; /help lists them, and // begins a line with /",
	             (int)word.len, word.text);
}

static void show(struct session *s, const struct command *c)
{
	char form[32];

	snprintf(form, sizeof form, "/%s %s", c->name, c->usage);
	pl_send_linef(&s->line, "%-15s  %s", form, c->help);
}

static void run_help(struct session *s, struct args a)
{
	const struct command *c;

	if (a.len == 0) {
		for (size_t i = 0; i < COMMANDS; i++)
			show(s, &commands[i]);
		pl_send_linef(&s->line, "%-15s  %s", "//TEXT",
		              "say a line that begins with a slash");
		return;
	}
	if (a.text[0] == '/') {
		a.text++;
		a.len--;
	}
	c = find(a);
	if (c)
		show(s, c);
	else
		tell_unknown(s, a);
}

bool command_is_exit(const char *line)
{
	const struct command *c =
		line[0] == '/' ? find((struct args){ line + 1, strcspn(line + 1, " \t") })
			       : NULL;

	return c && c->fn == run_exit;
}

void command_run(struct session *s, const char *line, size_t len)
{
	struct args word = { line, strcspn(line, " \t") }, rest;
	const struct command *c = find(word);

	rest.text = line + word.len + strspn(line + word.len, " \t");
	rest.len = len - (size_t)(rest.text - line);
	while (rest.len > 0 && strchr(" \t", rest.text[rest.len - 1]))
		rest.len--;
	if (c)
		c->fn(s, rest);
	else
		tell_unknown(s, word);
}
