/* getty.c: the doorstep of a terminal line, between its opening and a session.
 *
 * A line has no moment at which somebody connects, so it invites and then waits for the
 * one thing that a person does and a machine does not: Enter, and nothing else for a
 * quarter of a second before and after it.  Noise at a wrong speed, a modem's answers and
 * a far end that echoes the invitation (its CR LF follows text) all bring other bytes
 * along.  It answers nothing, or two such lines joined by a cable would talk for ever.
 *
 * Old terminal programs begin with a string for a modem, with pauses in it: the CR at its
 * beginning is an Enter, and what ends the session is the AT command behind it.  For some
 * seconds then no Enter counts, whatever is left of the string.
 *
 * CR, LF, both, or the key pressed twice are one Enter.  A NUL, which is what a break
 * reads as (WIRES W16), is a byte like any other here: it spoils.  join=open asks nobody,
 * but only when the line opens: who has left comes back by Enter.  A session that is refused
 * is tried again after some seconds, as long as it is: a device presses no key. */
#include <partyline/transport_impl.h>

/* Longer than the gaps inside of text at 50 baud, shorter than patience. */
#define QUIET_MS 250

#define DEAF_MS 5000   /* behind a session that was no person's */
#define RETRY_MS 10000 /* behind one that was refused */

/* So many bytes, a quarter of which no terminal can show, are not text. */
#define MUCH 64
#define TOO_MUCH(came) ((came) / 4)

enum { CLOSED, OPENING, WAITING, PRESSED, JOINED };

static const char invitation[] = "partyline: press Enter to join\r\n";

static void on_timer(struct pl_timer *t)
{
	struct pl_getty *g = pl_container_of(t, struct pl_getty, timer);

	g->state = JOINED;
	g->enters = 0;
	g->retry_at_ms = 0;
	g->ops->join(g); /* the last use of g: a session that is refused may end the line */
}

int pl_getty_init(struct pl_getty *g, const struct pl_getty_ops *ops,
                  struct pl_reactor *r, const struct pl_endpoint *ep, struct pl_error *err)
{
	int choice;
	const int code = pl_endpoint_choice(ep, "join", "enter|open", 0, &choice, err);

	if (code)
		return code;
	*g = (struct pl_getty){
		.ops = ops,
		.join_on_open = choice == 1,
		.reactor = r,
		.timer = { .fn = on_timer },
		.state = CLOSED,
	};
	return 0;
}

/* Nobody is about to join by Enter, but perhaps without it. */
static void rest(struct pl_getty *g)
{
	const uint64_t now_ms = pl_reactor_now(g->reactor);

	if (g->retry_at_ms)
		pl_call_later(g->reactor, &g->timer,
		              g->retry_at_ms > now_ms ? g->retry_at_ms - now_ms : 0);
	else
		pl_timer_cancel(&g->timer);
}

void pl_getty_start(struct pl_getty *g)
{
	if (g->join_on_open && g->state == CLOSED) {
		g->state = OPENING;
		pl_call_later(g->reactor, &g->timer, 0);
		return;
	}
	g->state = WAITING;
	/* What came before the opening is unknown, and after a session it may be the LF of
	 * the last line's CR LF: the silence begins now. */
	g->last_byte_ms = pl_reactor_now(g->reactor);
	rest(g);
	g->ops->write(g, invitation, sizeof invitation - 1);
}

static bool is_printable(char c)
{
	return (c >= 0x20 && c < 0x7f) || c == '\r' || c == '\n' || c == '\t';
}

/* How many bytes have become useless with this one. */
static size_t take(struct pl_getty *g, char c, uint64_t now_ms)
{
	const bool enter = c == '\r' || c == '\n';
	const bool clean = g->state == PRESSED || (now_ms - g->last_byte_ms >= QUIET_MS &&
	                                           now_ms >= g->deaf_until_ms);
	size_t wasted = 0;

	g->last_byte_ms = now_ms;
	g->enters++;
	g->state = enter && clean ? PRESSED : WAITING;
	if (g->state == WAITING) {
		wasted = g->enters;
		g->enters = 0;
		g->came++;
		g->unprintable += !is_printable(c);
	}
	return wasted;
}

static void tell_wasted(struct pl_getty *g, size_t bytes)
{
	const bool much = g->came >= MUCH;
	const bool text = !much || g->unprintable < TOO_MUCH(g->came);

	if (much)
		g->came = g->unprintable = 0;
	g->ops->wasted(g, bytes, text);
}

void pl_getty_input(struct pl_getty *g, const char *data, size_t len)
{
	const uint64_t now_ms = pl_reactor_now(g->reactor);
	size_t wasted = 0;

	if (g->state != WAITING && g->state != PRESSED)
		return;
	for (size_t i = 0; i < len; i++)
		wasted += take(g, data[i], now_ms);
	if (g->state == PRESSED)
		pl_call_later(g->reactor, &g->timer, QUIET_MS);
	else
		rest(g);
	if (wasted)
		tell_wasted(g, wasted);
}

void pl_getty_no_person(struct pl_getty *g)
{
	g->deaf_until_ms = pl_reactor_now(g->reactor) + DEAF_MS;
}

void pl_getty_refused(struct pl_getty *g)
{
	if (g->join_on_open)
		g->retry_at_ms = pl_reactor_now(g->reactor) + RETRY_MS;
}

void pl_getty_cancel(struct pl_getty *g)
{
	g->state = CLOSED;
	g->came = g->unprintable = 0;
	g->enters = 0;
	g->deaf_until_ms = g->retry_at_ms = 0;
	pl_timer_cancel(&g->timer);
}
