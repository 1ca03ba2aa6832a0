/* visit.c: one stay of one person, as seen from his side: what he types, and how it goes
 * out.
 *
 * Lines that count carry the visit and a number ("#12.7 ..."), and a text that follows from
 * both, so every listener's copy can be checked to the last byte.  What is typed is written
 * in pieces that end anywhere. */
#include "sim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* --- what is said ------------------------------------------------------------------------ */

/* No word contains what rows of other kinds begin with: see room.c. */
static const char *const words[] = { "tea",
	                             "wire",
	                             "on the line",
	                             "caf\xc3\xa9",
	                             "listen",
	                             "o",
	                             "\xe6\xbc\xa2\xe5\xad\x97",
	                             "tomorrow",
	                             "\xf0\x9f\x8e\x88",
	                             "1 2 3" };
enum { WORDS = sizeof words / sizeof *words, LONGEST = 900 };

size_t visit_text(char *out, size_t size, unsigned visit, unsigned number)
{
	uint64_t h = sim_mix(visit * UINT64_C(1000003) + number);
	const size_t wanted =
		h % 40 == 0 ? 300 + (h >> 8) % (LONGEST - 300) : (h >> 8) % 60;
	size_t n = (size_t)snprintf(out, size, "#%u.%u", visit, number);

	while (n < wanted && n + 20 < size) {
		h = sim_mix(h);
		n += (size_t)snprintf(out + n, size - n, " %s", words[h % WORDS]);
	}
	return n;
}

static void add_typed(struct visit *v, struct typed t)
{
	if (v->n_typed == v->max_typed) {
		v->max_typed = 2 * v->max_typed + 8;
		v->typed = sim_grow(v->typed, v->max_typed * sizeof *v->typed);
	}
	v->typed[v->n_typed++] = t;
}

static void append(struct visit *v, const char *bytes, size_t len)
{
	bytes_add(&v->out, bytes, len);
	v->appended += len;
}

void visit_type(struct visit *v, const char *bytes, size_t len)
{
	add_typed(v, (struct typed){ v->appended, v->appended + len, 0, false });
	append(v, bytes, len);
}

void visit_say(struct visit *v, bool action)
{
	static const struct {
		const char *bytes;
		size_t len;
	} ends[] = { { "\r\n", 2 }, { "\r", 1 }, { "\r\0", 2 }, { "\n", 1 } };
	const size_t end = sim_draw(v->place->edit ? 3 : 4);
	char text[LONGEST + 60];
	size_t n = action ? (size_t)snprintf(text, sizeof text, "/me ") : 0;

	n += visit_text(text + n, sizeof text - n, v->id, ++v->numbers);
	add_typed(v,
	          (struct typed){ v->appended, v->appended + n + 1, v->numbers, action });
	append(v, text, n);
	append(v, ends[end].bytes, ends[end].len);
}

/* --- how it goes out --------------------------------------------------------------------- */

bool visit_can_type(const struct visit *v)
{
	return v && v->client.made && !v->client.closing && !v->client.lost;
}

void visit_pump(struct visit *v)
{
	enum { ENOUGH = 4096 }; /* a person whom the server does not read waits */
	size_t n = v->out.len;

	if (!n || !visit_can_type(v) || pl_queued(v->client.transport) > ENOUGH)
		return;
	if (n > ENOUGH)
		n = ENOUGH;
	if (sim_chance(2))
		n = 1 + sim_draw(n);
	sim_note(v, "types bytes:", n);
	pl_write(v->client.transport, v->out.data + v->out.from, n);
	bytes_drop(&v->out, n);
	v->written += n;
	while (v->first_typed < v->n_typed && v->typed[v->first_typed].end <= v->written) {
		if (v->typed[v->first_typed].number)
			v->typed_number = v->typed[v->first_typed].number;
		v->first_typed++;
	}
}

/* --- the end ------------------------------------------------------------------------------ */

/* A character of which not all bytes have come is read as U+FFFD. */
static void mend_the_cut(char *text, size_t size)
{
	size_t n = strlen(text), start = n, need;

	while (start > 0 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
		start--;
	if (start == 0 || ((unsigned char)text[start - 1] & 0xc0) != 0xc0)
		return;
	start--;
	need = (unsigned char)text[start] >= 0xf0   ? 4
	       : (unsigned char)text[start] >= 0xe0 ? 3
	                                            : 2;
	if (n - start < need)
		snprintf(text + start, size - start, "\xef\xbf\xbd");
}

/* What the others will read of the line that he has not ended. */
static void keep_last_words(struct visit *v)
{
	const struct typed *t = &v->typed[v->first_typed];
	char text[LONGEST + 60];
	size_t n, cut;

	if (v->place->edit || v->exiting || v->first_typed == v->n_typed || !t->number ||
	    t->start >= v->written)
		return;
	n = (size_t)snprintf(text, sizeof text, t->action ? "/me " : "");
	n += visit_text(text + n, sizeof text - n, v->id, t->number);
	cut = v->written - t->start;
	if (cut < n)
		text[cut] = '\0';
	if (t->action && cut <= 4)
		return;
	mend_the_cut(text, sizeof text);
	snprintf(v->last_words, sizeof v->last_words, "%s", text + (t->action ? 4 : 0));
	n = strlen(v->last_words);
	while (t->action && n > 0 && v->last_words[n - 1] == ' ')
		v->last_words[--n] = '\0';
}

void visit_hang_up(struct visit *v)
{
	keep_last_words(v);
	v->hung_up = true;
	sim_note_text(v, "hangs up after", v->last_words, strlen(v->last_words));
	pl_lose(v->client.transport);
}

void visit_maybe_over(struct visit *v)
{
	if (v->over || !v->client.lost || (v->server.made && !v->server.lost))
		return;
	v->over = true;
	check_over(v);
	for (size_t i = 0; i < sim->n_live; i++)
		if (sim->live[i] == v) {
			sim->live[i] = sim->live[--sim->n_live];
			break;
		}
	for (unsigned i = 0; i < sim->people; i++)
		if (sim->persons[i] == v)
			sim->persons[i] = NULL;
	bytes_finish(&v->server.on_the_way);
	bytes_finish(&v->client.on_the_way);
	bytes_finish(&v->out);
	sim_free(v->due);
	sim_free(v->typed);
	v->due = NULL;
	v->typed = NULL;
	v->n_due = v->n_typed = v->first_typed = 0;
}

void visit_free(struct visit *v)
{
	bytes_finish(&v->server.on_the_way);
	bytes_finish(&v->client.on_the_way);
	bytes_finish(&v->out);
	sim_free(v->due);
	sim_free(v->typed);
	sim_free(v);
}

/* --- his end of the connection -------------------------------------------------------------- */

static struct visit *visit_of(struct pl_protocol *p)
{
	return pl_container_of(p, struct visit, protocol);
}

static void made(struct pl_protocol *p)
{
	(void)p;
}

static void data(struct pl_protocol *p, const char *bytes, size_t len)
{
	screen_bytes(visit_of(p), bytes, len);
}

static void lost(struct pl_protocol *p, int reason)
{
	(void)p;
	(void)reason;
}

static const struct pl_protocol_ops ops = {
	.connection_made = made,
	.data_received = data,
	.connection_lost = lost,
};

static struct pl_protocol *build(struct pl_factory *f, const struct pl_peer *peer)
{
	struct visit *v = pl_container_of(f, struct visit, factory);

	(void)peer;
	v->client.inner = &v->protocol;
	return &v->client.protocol;
}

static const struct pl_factory_ops factory_ops = { .build_protocol = build };

static const struct pl_marks marks[] = {
	{ .low = 64, .high = 256, .hard = 2048, .age_ms = 30 * 1000 },
	{ .low = 512, .high = 1024, .hard = 8 * 1024, .age_ms = 5 * 1000 },
	{ .low = 0, .high = 300, .hard = 4 * 1024 },
};

/* Slow ones have short wires, so that it shows who is behind, and turns end. */
static void draw_wire(struct visit *v)
{
	static const size_t chunks[] = { 0, 0, 0, 16, 64, 500 };
	static const size_t server_chunks[] = { 0, 0, 0, 1, 3, 64 };
	static const size_t capacities[] = { 64, 256, 1024, 4096, 64 * 1024 };
	const uint64_t kind = sim_draw(2 * sizeof marks / sizeof *marks);

	v->chunk = chunks[sim_draw(6)];
	v->capacity = capacities[sim_draw(v->chunk && v->chunk < 100 ? 3 : 5)];
	v->server_chunk = server_chunks[sim_draw(6)];
	if (kind < sizeof marks / sizeof *marks)
		v->server.marks = &marks[kind];
}

static void keep_visit(struct visit *v)
{
	if (sim->n_visits == sim->max_visits) {
		sim->max_visits = 2 * sim->max_visits + 64;
		sim->visits = sim_grow(sim->visits, sim->max_visits * sizeof *sim->visits);
		sim->live = sim_grow(sim->live, sim->max_visits * sizeof *sim->live);
		sim->coming = sim_grow(sim->coming, sim->max_visits * sizeof *sim->coming);
	}
	sim->visits[sim->n_visits++] = v;
	sim->live[sim->n_live++] = v;
	sim->coming[sim->n_coming++] = v;
}

/* NULL when nobody listens there, or there was no memory. */
struct visit *visit_begin(const struct place *place)
{
	struct visit *v = sim_grow(NULL, sizeof *v);
	int code;

	memset(v, 0, sizeof *v);
	v->id = (unsigned)sim->n_visits + 1;
	v->place = place;
	v->protocol.ops = &ops;
	v->factory.ops = &factory_ops;
	watch_init(&v->server, v, true);
	watch_init(&v->client, v, false);
	draw_wire(v);
	code = pl_mem_connect(sim->reactor, place->name, &v->factory, NULL);
	sim_note_text(v, code ? "cannot connect to" : "connects to", place->name,
	              strlen(place->name));
	if (code == 0) {
		keep_visit(v);
		return v;
	}
	if (code != -ENOMEM && sim->ports[place - places])
		sim_break("ports", "mem:%s refuses although it listens", place->name);
	sim_free(v);
	return NULL;
}
