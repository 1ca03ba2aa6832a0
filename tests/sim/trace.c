/* trace.c: chance, and what has happened.
 *
 * Every event goes into one hash: two runs with the same hash were the same.  The last of
 * them are kept for who has to find out what went wrong. */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct sim *sim;

/* --- chance ---------------------------------------------------------------------------- */

uint64_t sim_mix(uint64_t z)
{
	z += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64_t sim_draw(uint64_t n)
{
	sim->random = sim_mix(sim->random);
	return sim->random % n;
}

bool sim_chance(uint64_t one_in)
{
	return one_in > 0 && sim_draw(one_in) == 0;
}

/* --- events ---------------------------------------------------------------------------- */

static void hash(const void *data, size_t len)
{
	const unsigned char *byte = data;
	uint64_t h = sim->result->hash;

	while (len-- > 0)
		h = (h ^ *byte++) * UINT64_C(0x100000001b3); /* FNV-1a */
	sim->result->hash = h;
}

static void print_event(FILE *out, const struct sim_event *e)
{
	fprintf(out, "  turn %lu: ", e->turn);
	if (e->visit)
		fprintf(out, "visit %u ", e->visit);
	fprintf(out, "%s", e->what);
	if (e->text[0])
		fprintf(out, " \"%s\"", e->text);
	if (e->a)
		fprintf(out, " %lld", (long long)e->a);
	fputc('\n', out);
}

static struct sim_event *add_event(const struct visit *v, const char *what, uint64_t a)
{
	struct sim_event *e = &sim->ring[sim->n_events++ % RING];

	e->turn = sim->turn;
	e->visit = v ? v->id : 0;
	e->what = what;
	e->a = a;
	e->text[0] = '\0';
	hash(&e->turn, sizeof e->turn);
	hash(&e->visit, sizeof e->visit);
	hash(what, strlen(what));
	hash(&a, sizeof a);
	return e;
}

void sim_note(const struct visit *v, const char *what, uint64_t a)
{
	const struct sim_event *e = add_event(v, what, a);

	if (sim->options.trace)
		print_event(stdout, e);
}

void sim_note_text(const struct visit *v, const char *what, const char *text, size_t len)
{
	struct sim_event *e = add_event(v, what, 0);
	size_t n = 0;

	hash(text, len);
	for (size_t i = 0; i < len && n + 5 < sizeof e->text; i++) {
		const unsigned char c = (unsigned char)text[i];

		if (c < 0x20 || c == 0x7f || c == '\\')
			n += (size_t)snprintf(e->text + n, sizeof e->text - n, "\\x%02x",
			                      c);
		else
			e->text[n++] = (char)c;
	}
	e->text[n] = '\0';
	if (sim->options.trace)
		print_event(stdout, e);
}

static char *last_events(void)
{
	const unsigned long first = sim->n_events > RING ? sim->n_events - RING : 0;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (unsigned long i = first; out && i < sim->n_events; i++)
		print_event(out, &sim->ring[i % RING]);
	if (out)
		fclose(out);
	return text;
}

void sim_break(const char *what, const char *fmt, ...)
{
	char text[300];
	va_list args;

	if (sim->broken)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	sim->broken = true;
	snprintf(sim->result->broken, sizeof sim->result->broken, "turn %lu: %s: %s",
	         sim->turn, what, text);
	sim->result->last_events = last_events();
}

const char *sim_who(const struct visit *v)
{
	static char texts[4][40];
	static unsigned next;
	char *text = texts[next++ % 4];

	if (v)
		snprintf(text, sizeof texts[0], "%s (visit %u)",
		         v->name[0] ? v->name : "somebody", v->id);
	else
		snprintf(text, sizeof texts[0], "nobody");
	return text;
}
