/* group.c: fan-out.
 *
 * A list of members; a message goes to each in turn.  A member who is behind gets none:
 * his are counted, and when he has caught up he reads how many there were.  Nothing is
 * kept for him, so a slow reader costs the others neither time nor memory.  Promise 2 of
 * protocol.h keeps the list still while we go through it. */
#include "line_impl.h"

#include <partyline/stats.h>
#include <partyline/transport.h>

#include <stdarg.h>
#include <stdio.h>

void pl_group_init(struct pl_group *g, const struct pl_group_ops *ops)
{
	*g = (struct pl_group){ .ops = ops };
	g->last = &g->first;
}

void pl_group_finish(struct pl_group *g)
{
	while (g->first)
		pl_group_leave(g->first);
}

void pl_group_join(struct pl_group *g, struct pl_group_link *k, struct pl_line_receiver *l)
{
	if (k->group == g && k->line == l)
		return;
	pl_group_leave(k);
	*k = (struct pl_group_link){
		.line = l,
		.group = g,
		.link = g->last,
		.line_next = l->links,
		.line_link = &l->links,
	};
	*g->last = k;
	g->last = &k->next;
	g->count++;
	if (k->line_next)
		k->line_next->line_link = &k->line_next;
	l->links = k;
}

void pl_group_leave(struct pl_group_link *k)
{
	struct pl_group *g = k->group;

	if (!g)
		return;
	*k->link = k->next;
	if (k->next)
		k->next->link = k->link;
	else
		g->last = k->link;
	g->count--;
	*k->line_link = k->line_next;
	if (k->line_next)
		k->line_next->line_link = k->line_link;
	*k = (struct pl_group_link){ 0 };
}

/* Without memory of its own: the lack of it may be the reason. */
void pl_group_caught_up(struct pl_group_link *k)
{
	char text[60];
	const int len = snprintf(text, sizeof text, "-- %zu line%s skipped --",
	                         k->skipped, k->skipped == 1 ? "" : "s");

	if (k->skipped)
		pl_send_line(k->line, text, (size_t)len);
	k->skipped = 0;
}

/* The line that is the same for all: once, not once for each of them. */
static const char *render(struct pl_group *g, struct pl_msg *m, enum pl_style style,
                          size_t *len)
{
	if (g->ops && g->ops->render)
		return g->ops->render(g, m, style, len);
	return pl_msg_render(m, style, len);
}

/* False when he does not get it: he is behind, or there is no line for lack of memory. */
static bool send_to(struct pl_group_link *k, const char *line, size_t len, bool own)
{
	if (!k->line->line)
		return true; /* not connected yet, or no more */
	if (pl_writing_paused(k->line->protocol.transport)) {
		k->skipped++; /* until resume_writing tells him */
		return false;
	}
	if (!line) {
		k->skipped++;
		pl_group_caught_up(k);
		return false;
	}
	pl_line_show(k->line, line, len, own);
	return true;
}

static void send_to_all(struct pl_group *g, struct pl_msg *m,
                        const struct pl_line_receiver *speaker,
                        const struct pl_line_receiver *but)
{
	size_t len = 0;
	const struct pl_transport *missed = NULL;
	uint64_t skipped = 0;
	const char *line = render(g, m, PL_STYLE_PLAIN, &len);

	for (struct pl_group_link *k = g->first; k; k = k->next) {
		const bool own = k->line == speaker;

		if (k->line == but || (own && !pl_line_echoes(k->line)))
			continue;
		if (g->ops && g->ops->wants && !g->ops->wants(k, m))
			continue;
		if (send_to(k, line, len, own))
			continue;
		missed = k->line->protocol.transport;
		skipped++;
	}
	if (missed) /* once for all of them: a flood of lines may meet a crowd of them */
		pl_count(pl_transport_reactor(missed),
		         line ? "lines: skipped for slow readers"
		              : "lines: skipped, out of memory",
		         skipped);
}

void pl_group_send(struct pl_group *g, struct pl_msg *m, struct pl_line_receiver *speaker)
{
	send_to_all(g, m, speaker, NULL);
}

void pl_group_send_but(struct pl_group *g, struct pl_msg *m, struct pl_line_receiver *but)
{
	send_to_all(g, m, NULL, but);
}

void pl_group_sendf(struct pl_group *g, struct pl_line_receiver *speaker, const char *fmt,
                    ...)
{
	struct pl_msg *m;
	va_list args;

	va_start(args, fmt);
	m = pl_msg_newv(PL_MSG_LINE, fmt, args);
	va_end(args);
	if (m)
		pl_group_send(g, m, speaker);
	pl_msg_unref(m);
}
