/* flood.c: nobody can flood the others.
 *
 * A token bucket for each person: a line takes a token, so many come back in a second, and
 * so many fit.  Without one a line waits its turn, behind those that wait already; only
 * when the place for those is full is he read from no more, so that his wire slows him
 * down.  A wire that cannot (datagrams) loses what comes then, and he is told how much.
 * /exit waits for nothing (O4).  What waits is counted, and told, when it is never said.
 *
 * The bucket is one number: when it will be full again.  Each line moves that by what a
 * token takes to come back, and there is none when it lies further ahead than the size. */
#include "chat.h"

#include <errno.h>
#include <partyline/stats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	WAITING_MAX = 4096, /* bytes of lines, each with a NUL behind it */
	RATE_MAX = 1000     /* lines a second, and in a burst */
};

/* Who floods without a break is let go after a while, and who has hung up does not talk on
 * for long: what the kernel keeps of him could take hours. */
#define TOO_LONG_MS (10 * 60 * 1000)
#define HUNG_UP_MS (30 * 1000)

#define TELL_DROPPED_MS 5000 /* while it goes on */

struct waiting {
	struct session *session;
	struct pl_timer timer;
	uint64_t since_ms;        /* without a break; or since he hung up */
	uint64_t told_dropped_ms; /* 0: not yet */
	unsigned dropped;         /* since he was told how many */
	size_t start, end;
	char bytes[WAITING_MAX];
};

/* --- the rate ----------------------------------------------------------------------- */

static bool parse_count(const char **text, unsigned *n)
{
	char *end;
	const unsigned long value = strtoul(*text, &end, 10);

	if (**text < '0' || **text > '9' || value < 1 || value > RATE_MAX)
		return false;
	*n = (unsigned)value;
	*text = end;
	return true;
}

int chat_rate_parse(const char *text, struct chat_rate *out)
{
	struct chat_rate rate = { 0 };

	if (strcmp(text, "off") == 0) {
		*out = rate;
		return 0;
	}
	if (!parse_count(&text, &rate.lines_per_s))
		return -EINVAL;
	if (strncmp(text, "/s", 2) == 0)
		text += 2;
	rate.burst = 4 * rate.lines_per_s;
	if (*text == ',') {
		text++;
		if (!parse_count(&text, &rate.burst))
			return -EINVAL;
	}
	if (*text)
		return -EINVAL;
	*out = rate;
	return 0;
}

static uint64_t token_us(const struct chat_rate *rate)
{
	return UINT64_C(1000000) / rate->lines_per_s;
}

/* Until there is a token, in microseconds; 0: now. */
static uint64_t time_to_token(const struct session *s, uint64_t now_us)
{
	const uint64_t most_ahead = s->rate.burst * token_us(&s->rate) - token_us(&s->rate);
	const uint64_t ahead = s->full_us > now_us ? s->full_us - now_us : 0;

	return ahead > most_ahead ? ahead - most_ahead : 0;
}

static void take_token(struct session *s, uint64_t now_us)
{
	if (s->full_us < now_us)
		s->full_us = now_us;
	s->full_us += token_us(&s->rate);
}

static uint64_t now_us_of(const struct session *s)
{
	return pl_reactor_now(s->chat->reactor) * 1000;
}

/* --- what waits --------------------------------------------------------------------- */

static size_t room(const struct waiting *w)
{
	return WAITING_MAX - (w->end - w->start);
}

/* Who can be slowed has always place for one more line. */
static void pause_or_resume(struct session *s)
{
	const bool full = s->waiting && room(s->waiting) < PL_LINE_MAX + 1;

	if (full == s->slowed || pl_line_peer(&s->line)->datagrams)
		return;
	s->slowed = full;
	if (full)
		pl_line_pause(&s->line);
	else
		pl_line_resume(&s->line);
}

static void wait_for_token(struct session *s)
{
	const uint64_t us = time_to_token(s, now_us_of(s));

	pl_call_later(s->chat->reactor, &s->waiting->timer, (us + 999) / 1000);
}

static void free_waiting(struct session *s)
{
	pl_timer_cancel(&s->waiting->timer);
	free(s->waiting);
	s->waiting = NULL;
}

static void tell_dropped(struct session *s)
{
	struct waiting *w = s->waiting;

	if (!w->dropped)
		return;
	session_tell(s, "%u line%s of yours %s dropped", w->dropped,
	             w->dropped == 1 ? "" : "s", w->dropped == 1 ? "was" : "were");
	w->dropped = 0;
	w->told_dropped_ms = pl_reactor_now(s->chat->reactor);
}

/* Now and then, while lines are being dropped. */
static void tell_dropped_so_far(struct session *s)
{
	const struct waiting *w = s->waiting;

	if (!w->told_dropped_ms ||
	    pl_reactor_now(s->chat->reactor) - w->told_dropped_ms >= TELL_DROPPED_MS)
		tell_dropped(s);
}

/* All has had its turn. */
static void caught_up(struct session *s)
{
	tell_dropped(s);
	free_waiting(s);
	pause_or_resume(s);
	if (s->input_ended)
		pl_line_lose(&s->line);
}

static bool takes_too_long(const struct session *s)
{
	return pl_reactor_now(s->chat->reactor) - s->waiting->since_ms >=
	       (s->input_ended ? HUNG_UP_MS : TOO_LONG_MS);
}

static void let_go(struct session *s)
{
	flood_forget(s);
	session_tell(s, "too much for too long; goodbye, %s", s->name);
	session_leave(s, s->input_ended ? 0 : -EDQUOT);
	pl_line_lose(&s->line);
}

static void on_turn(struct pl_timer *timer)
{
	struct waiting *w = pl_container_of(timer, struct waiting, timer);
	struct session *s = w->session;
	const uint64_t now_us = now_us_of(s);

	/* A line may end his stay, and with it what waits. */
	while (s->waiting && w->start < w->end && time_to_token(s, now_us) == 0) {
		const char *line = w->bytes + w->start;
		const size_t len = strlen(line);

		w->start += len + 1;
		take_token(s, now_us);
		session_run_line(s, line, len);
	}
	if (!s->waiting)
		return;
	if (w->start == w->end) {
		caught_up(s);
	} else if (takes_too_long(s)) {
		let_go(s);
	} else {
		tell_dropped_so_far(s);
		wait_for_token(s);
		pause_or_resume(s);
	}
}

/* Once, until he has been slow for as long as it takes to fill the bucket. */
static void tell_slower(struct session *s)
{
	if (s->told)
		return;
	s->told = true;
	session_tell(s, "slower, please: %u line%s a second; the rest waits its turn%s",
	             s->rate.lines_per_s, s->rate.lines_per_s == 1 ? "" : "s",
	             pl_line_peer(&s->line)->datagrams ? " or is dropped" : "");
}

static struct waiting *make_waiting(struct session *s)
{
	struct waiting *w = malloc(sizeof *w);

	if (!w)
		return NULL;
	w->session = s;
	w->timer = (struct pl_timer){ .fn = on_turn };
	w->since_ms = pl_reactor_now(s->chat->reactor);
	w->told_dropped_ms = 0;
	w->dropped = 0;
	w->start = w->end = 0;
	s->waiting = w;
	wait_for_token(s);
	return w;
}

static void wait_in_turn(struct session *s, const char *line, size_t len)
{
	struct waiting *w = s->waiting ? s->waiting : make_waiting(s);

	if (!w) {
		pl_count(s->chat->reactor, "lines: heard by nobody, out of memory", 1);
		session_tell(s, "the server is out of memory: nobody has heard that");
		return;
	}
	if (room(w) < len + 1) { /* he cannot be slowed */
		w->dropped++;
		pl_count(s->chat->reactor, "lines: dropped, too many at once", 1);
		tell_dropped_so_far(s);
		return;
	}
	if (WAITING_MAX - w->end < len + 1) {
		memmove(w->bytes, w->bytes + w->start, w->end - w->start);
		w->end -= w->start;
		w->start = 0;
	}
	memcpy(w->bytes + w->end, line, len + 1);
	w->end += len + 1;
	pl_count(s->chat->reactor, "lines: waited their turn", 1);
	tell_slower(s);
	pause_or_resume(s);
}

/* --- for the session ---------------------------------------------------------------- */

void flood_line(struct session *s, const char *line, size_t len)
{
	const uint64_t now_us = now_us_of(s);

	if (s->rate.lines_per_s == 0 || command_is_exit(line)) {
		session_run_line(s, line, len);
		return;
	}
	if (!s->waiting && s->full_us <= now_us)
		s->told = false;
	if (s->waiting || time_to_token(s, now_us) > 0) {
		wait_in_turn(s, line, len);
		return;
	}
	take_token(s, now_us);
	session_run_line(s, line, len);
}

bool flood_input_ended(struct session *s)
{
	s->input_ended = true;
	if (s->waiting)
		s->waiting->since_ms = pl_reactor_now(s->chat->reactor);
	return s->waiting != NULL;
}

void flood_forget(struct session *s)
{
	unsigned lines = 0;

	if (!s->waiting)
		return;
	for (size_t i = s->waiting->start; i < s->waiting->end; i++)
		lines += s->waiting->bytes[i] == '\0';
	pl_count(s->chat->reactor, "lines: never said, their sender had gone", lines);
	tell_dropped(s);
	session_tell(s, "%u line%s of yours waited and will not be said", lines,
	             lines == 1 ? "" : "s");
	free_waiting(s);
}
