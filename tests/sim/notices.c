/* notices.c: who is here, for somebody who only reads.
 *
 * From "has joined", "is now" and "has left" a reader makes up his own list of names.  No
 * name may come twice, leave without having come, or speak before it has been announced.
 * Without memory a notice may be missing; then there is nothing to compare. */
#include "sim.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static size_t find(const char *name)
{
	size_t i = 0;

	while (i < sim->n_known && strcasecmp(sim->known[i], name) != 0)
		i++;
	return i;
}

static void add(const char *name)
{
	if (find(name) < sim->n_known) {
		sim_break("names", "%s joins, and is here already", name);
		return;
	}
	if (sim->n_known == sim->max_known) {
		sim->max_known = 2 * sim->max_known + 64;
		sim->known = sim_grow(sim->known, sim->max_known * sizeof *sim->known);
	}
	snprintf(sim->known[sim->n_known++], sizeof *sim->known, "%s", name);
}

static void take(const char *name)
{
	const size_t i = find(name);

	if (i == sim->n_known) {
		sim_break("names", "%s leaves, and was not here", name);
		return;
	}
	memcpy(sim->known[i], sim->known[--sim->n_known], sizeof *sim->known);
}

void notices_hear(const struct pl_msg *m)
{
	char name[CHAT_NAME_MAX + 1], word[10], other[CHAT_NAME_MAX + 1];

	if (sim->memory_fails)
		return;
	if (m->from[0] && find(m->from) == sim->n_known)
		sim_break("names", "%s speaks, and nobody knows him", m->from);
	if (m->kind != PL_MSG_NOTICE)
		return;
	if (sscanf(m->text, "%16s is now %16s", name, other) == 2) {
		take(name);
		add(other);
	} else if (sscanf(m->text, "%16s has %9s", name, word) == 2) {
		if (strcmp(word, "joined") == 0)
			add(name);
		else if (strcmp(word, "left") == 0)
			take(name);
	}
}

/* Everybody has gone, and the room was told, unless the server has stopped. */
void notices_end(void)
{
	if (!sim->memory_fails && !sim->chat->stopping && sim->n_known)
		sim_break("names", "%s has gone, and nobody was told", sim->known[0]);
}
