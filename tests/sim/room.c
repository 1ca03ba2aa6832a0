/* room.c: what was said, to whom it is due, and what each of them reads.
 *
 * Everything said goes through pl_group_send(), which is where the log is written and where
 * it is noted who is a member now: that is what each has to read from here on.  Nothing
 * more is learnt from the server.  Whether he does read it, in order, once, and with the
 * right number of lines for what was skipped, is seen at the far end. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- saying ------------------------------------------------------------------------------- */

void __wrap_pl_group_send(struct pl_group *g, struct pl_msg *m,
                          struct pl_line_receiver *speaker);
void __wrap_pl_group_send_but(struct pl_group *g, struct pl_msg *m,
                              struct pl_line_receiver *but);
void __wrap_pl_group_join(struct pl_group *g, struct pl_group_link *k,
                          struct pl_line_receiver *l);
void __wrap_pl_group_leave(struct pl_group_link *k);

/* As it is to be read; by hand, so that msg.c is checked. */
static struct said *add_to_log(const struct pl_msg *m)
{
	const size_t size = m->text_len + strlen(m->from) + 16;
	struct said *s;

	if (sim->n_log == sim->max_log) {
		sim->max_log = 2 * sim->max_log + 256;
		sim->log = sim_grow(sim->log, sim->max_log * sizeof *sim->log);
	}
	s = &sim->log[sim->n_log++];
	*s = (struct said){ .line = sim_grow(NULL, size) };
	switch (m->kind) {
	case PL_MSG_TEXT:
		snprintf(s->line, size, "<%s> %s", m->from, m->text);
		break;
	case PL_MSG_ACTION:
		snprintf(s->line, size, "* %s %s", m->from, m->text);
		break;
	case PL_MSG_NOTICE:
		snprintf(s->line, size, "* %s", m->text);
		break;
	case PL_MSG_SERVER:
		snprintf(s->line, size, "-- %s --", m->text);
		break;
	case PL_MSG_LINE:
		snprintf(s->line, size, "%s", m->text);
		break;
	}
	s->len = strlen(s->line);
	return s;
}

/* Is it the whole of a line that has its turn?  Cut off, #7.12 may look like #7.1. */
static bool is_awaited(const struct visit *v, const char *text)
{
	char whole[1400];
	unsigned visit, number;

	if (sscanf(text, "#%u.%u", &visit, &number) != 2 ||
	    number <= v->said + v->unsaid || number > v->typed_number)
		return false;
	visit_text(whole, sizeof whole, v->id, number);
	return strcmp(text, whole) == 0;
}

static bool is_last_words(struct visit *v, const char *text)
{
	if (!v->hung_up || !v->last_words[0] || v->last_words_said ||
	    strcmp(text, v->last_words) != 0 || is_awaited(v, text))
		return false;
	v->last_words_said = true;
	return true;
}

/* Who goes without hanging up, or has no memory to do it, may be cut off anywhere; what had come of the line under way
 * is a line as well. */
static bool is_cut_off(const struct visit *v, const char *text)
{
	static const char cut[] = "\xef\xbf\xbd";
	const size_t tail = sizeof cut - 1;
	const unsigned next = v->said + v->unsaid + 1;
	size_t len = strlen(text);
	char whole[1400];

	if (!v->server.eof || (v->hung_up && !sim->memory_fails) || is_awaited(v, text))
		return false;
	if (len > tail && strcmp(text + len - tail, cut) == 0)
		len -= tail;
	for (unsigned n = next; n <= (sim->memory_fails ? v->numbers : next); n++) {
		visit_text(whole, sizeof whole, v->id, n);
		if (strncmp(text, whole, len) == 0 && whole[len] != '\0')
			return true;
	}
	return false;
}

/* The room hears the lines of a visit one by one, each once, in the order of typing. */
static void check_speaker(struct visit *v, struct said *s, const char *text)
{
	unsigned visit, number;
	char whole[1400];

	s->speaker = v->id;
	if (text[0] != '#' || is_last_words(v, text) || is_cut_off(v, text))
		return;
	if (sscanf(text, "#%u.%u", &visit, &number) != 2 || visit != v->id) {
		sim_break("speaker", "%s said \"%.60s\", which is another's", sim_who(v),
		          text);
		return;
	}
	visit_text(whole, sizeof whole, visit, number);
	if (strcmp(text, whole) != 0)
		sim_break("speaker", "line %u of %s is said as \"%.60s\"", number,
		          sim_who(v), text);
	if (number <= v->said + v->unsaid)
		sim_break("speaker", "line %u of %s is said twice or out of order",
		          number, sim_who(v));
	else if (number > v->said + v->unsaid + 1 && !sim->memory_fails)
		sim_break("speaker", "line %u of %s was lost before line %u",
		          v->said + v->unsaid + 1, sim_who(v), number);
	else if (v->exiting && number > v->exit_number)
		sim_break("speaker", "line %u of %s is said behind /exit", number,
		          sim_who(v));
	v->unsaid += number - 1 - v->said - v->unsaid;
	v->said++;
	s->number = number;
	sim->result->said++;
}

static void is_due(struct visit *v, size_t place)
{
	if (v->n_due == v->max_due) {
		v->max_due = 2 * v->max_due + 32;
		v->due = sim_grow(v->due, v->max_due * sizeof *v->due);
	}
	v->due[v->n_due++] = (uint32_t)place;
}

/* Notes what is said and to whom it is due. */
static void hear(const struct pl_group *g, struct pl_msg *m,
                 const struct pl_line_receiver *speaker, const struct pl_line_receiver *but)
{
	struct said *s = add_to_log(m);
	struct visit *v = speaker ? visit_of_line(speaker) : NULL;

	sim_note_text(v, "the room hears", s->line, s->len);
	notices_hear(m);
	if (v)
		check_speaker(v, s, m->text);
	for (struct pl_group_link *k = g->first; k; k = k->next) {
		v = visit_of_line(k->line);
		if (!v || v->server.closing || k->line == but ||
		    (k->line == speaker && !v->place->edit) ||
		    (g->ops && g->ops->wants && !g->ops->wants(k, m)))
			continue;
		is_due(v, sim->n_log - 1);
	}
}

void __wrap_pl_group_send(struct pl_group *g, struct pl_msg *m,
                          struct pl_line_receiver *speaker)
{
	hear(g, m, speaker, NULL);
	plant_group_send(g, m, speaker, NULL);
}

void __wrap_pl_group_send_but(struct pl_group *g, struct pl_msg *m,
                              struct pl_line_receiver *but)
{
	hear(g, m, NULL, but);
	plant_group_send(g, m, NULL, but);
}

void __wrap_pl_group_join(struct pl_group *g, struct pl_group_link *k,
                          struct pl_line_receiver *l)
{
	struct visit *v = visit_of_line(l);

	if (v) {
		sim_note(v, "joins", 0);
		v->member = true;
		v->link = k;
	}
	plant_group_join(g, k, l);
}

void room_closes(struct visit *v)
{
	if (v->link)
		v->untold = v->link->skipped;
}

void __wrap_pl_group_leave(struct pl_group_link *k)
{
	struct visit *v = k->group ? visit_of_line(k->line) : NULL;

	if (v) {
		sim_note(v, "leaves; untold:", k->skipped);
		if (!v->server.closing)
			v->untold = k->skipped;
		v->member = false;
		v->link = NULL;
	}
	plant_group_leave(k);
}

/* --- reading ------------------------------------------------------------------------------- */

static bool is_line(size_t place, const char *line, size_t len)
{
	return sim->log[place].len == len && memcmp(sim->log[place].line, line, len) == 0;
}

/* Rows of the room, told from answers and from the echo of what is typed.  Nothing that is
 * typed begins so, and what a long row shows of its middle has no "> ". */
static bool is_from_room(const char *line, size_t len)
{
	const char *end = memchr(line, '>', len);

	if (len > 2 && line[0] == '*' && line[1] == ' ')
		return true;
	return len > 3 && line[0] == '<' && end && end[1] == ' ';
}

static bool is_skip(const char *line, unsigned *n)
{
	char word[10];

	return sscanf(line, "-- %u %9s", n, word) == 2 && strncmp(word, "line", 4) == 0 &&
	       strstr(line, "skipped");
}

static const char *describe(size_t place)
{
	static char text[120];
	const struct said *s = &sim->log[place];

	if (s->number)
		snprintf(text, sizeof text, "line %u of %s", s->number,
		         sim_who(sim->visits[s->speaker - 1]));
	else
		snprintf(text, sizeof text, "\"%.80s\"", s->line);
	return text;
}

void room_missed(struct visit *v, const char *when)
{
	if (v->gap_from < v->gap_to)
		sim_break("lost", "%s has never read %s and no line that it was skipped%s",
		          sim_who(v), describe(v->due[v->gap_from]), when);
}

/* A line of the room that is not the next one. */
static void explain(struct visit *v, const char *line, size_t len)
{
	size_t i;

	for (i = v->gap_from; i < v->gap_to; i++)
		if (is_line(v->due[i], line, len)) {
			sim_break("order", "%s read %s too late", sim_who(v),
			          describe(v->due[i]));
			return;
		}
	room_missed(v, "");
	for (i = v->read; i < v->n_due; i++)
		if (is_line(v->due[i], line, len)) {
			v->gap_from = v->read; /* skipped over: or only not yet here */
			v->gap_to = i;
			v->read = i + 1;
			return;
		}
	for (i = v->read; i-- > 0;)
		if (is_line(v->due[i], line, len)) {
			if (i >= v->skip_from && i < v->skip_to)
				sim_break("count",
				          "%s read %s, which he was told was skipped",
				          sim_who(v), describe(v->due[i]));
			else
				sim_break("twice", "%s read %s twice", sim_who(v),
				          describe(v->due[i]));
			return;
		}
	sim_break("invented", "%s read \"%.*s\", which was not said to him", sim_who(v),
	          (int)(len < 80 ? len : 80), line);
}

static void read_skip(struct visit *v, unsigned n)
{
	sim->result->skipped += n;
	if (n == 0 || n > v->n_due - v->read) {
		sim_break("count", "%s was told of %u skipped lines of %zu", sim_who(v),
		          n, v->n_due - v->read);
		return;
	}
	v->skip_from = v->read;
	v->skip_to = v->read += n;
}

static void read_answer(struct visit *v, const char *line)
{
	char name[CHAT_NAME_MAX + 1];

	if (sscanf(line, "-- you are %16[^ ;]", name) == 1)
		memcpy(v->name, name, sizeof name);
	if (strstr(line, "nobody has heard that") ||
	    strcmp(line, "-- the server is out of memory --") == 0)
		v->sorry++;
}

void room_read(struct visit *v, const char *row, size_t len)
{
	char line[ROW_MAX + 1];
	unsigned n;

	memcpy(line, row, len);
	line[len] = '\0';
	sim_note_text(v, "reads", line, len);
	if (v->place->oracle) {
		oracle_read(v, line, len);
	} else if (v->read < v->n_due && is_line(v->due[v->read], line, len)) {
		v->read++;
		sim->result->read++;
	} else if (is_skip(line, &n)) {
		read_skip(v, n);
	} else if (is_from_room(line, len)) {
		explain(v, line, len);
	} else {
		read_answer(v, line);
	}
}
