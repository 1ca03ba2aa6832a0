/* getty.c: the doorstep of a terminal line, between its opening and a session.
 *
 * A line has no moment at which somebody connects, so it invites and then waits for the
 * one thing that a person does and a machine does not: Enter, and nothing else for a
 * quarter of a second before and after it.  Noise at a wrong speed, a modem's answers and
 * a far end that echoes the invitation (its CR LF follows text) all bring other bytes
 * along.  It answers nothing, or two such lines joined by a cable would talk for ever.
 *
 * CR, LF, both, or the key pressed twice are one Enter.  A NUL, which is what a break
 * reads as (WIRES W16), is a byte like any other here: it spoils.  join=open asks nobody,
 * but only when the line opens: who has left comes back by Enter, and a session that is
 * refused is not tried without end. */
#include <partyline/transport_impl.h>

/* Longer than the gaps inside of text at 50 baud, shorter than patience. */
#define QUIET_MS 250

enum { CLOSED, OPENING, WAITING, PRESSED, JOINED };

static const char invitation[] = "partyline: press Enter to join\r\n";

static void on_timer(struct pl_timer *t)
{
	struct pl_getty *g = pl_container_of(t, struct pl_getty, timer);

	g->state = JOINED;
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
	g->ops->write(g, invitation, sizeof invitation - 1);
}

void pl_getty_input(struct pl_getty *g, const char *data, size_t len)
{
	const uint64_t now_ms = pl_reactor_now(g->reactor);

	if (g->state != WAITING && g->state != PRESSED)
		return;
	for (size_t i = 0; i < len; i++) {
		const bool enter = data[i] == '\r' || data[i] == '\n';
		const bool clean =
			g->state == PRESSED || now_ms - g->last_byte_ms >= QUIET_MS;

		g->state = enter && clean ? PRESSED : WAITING;
		g->last_byte_ms = now_ms;
	}
	if (g->state == PRESSED)
		pl_call_later(g->reactor, &g->timer, QUIET_MS);
	else
		pl_timer_cancel(&g->timer);
}

void pl_getty_cancel(struct pl_getty *g)
{
	g->state = CLOSED;
	pl_timer_cancel(&g->timer);
}
