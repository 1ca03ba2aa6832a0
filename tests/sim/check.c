/* check.c: what has to hold after every turn, when it is quiet, and in the end.
 *
 * "Quiet" is a world in which nothing happens without time passing: by then every byte has
 * arrived where it can, so what has not been read will never be. */
#include "sim.h"

#include "core/core.h"

#include <ctype.h>
#include <string.h>

/* --- after every turn -------------------------------------------------------------------- */

/* Is it known to be there: it came up, and neither end has begun to leave? */
static bool is_there(const struct visit *v)
{
	return v->server.made && !v->server.lost && !v->server.closing;
}

static void check_queue(struct visit *v)
{
	const struct watched *e = &v->server;
	const struct pl_marks *m = e->marks;
	const size_t queued = pl_queued(e->transport);
	const uint64_t now_ms = pl_reactor_now(sim->reactor);

	if (queued > m->hard && queued > e->longest)
		sim_break("marks", "%zu bytes wait for %s, and at most %zu may", queued,
		          sim_who(v), m->hard);
	/* One turn of grace: that in which it is ended. */
	if (!e->paused || !m->age_ms || now_ms - e->paused_at <= m->age_ms || !is_there(v))
		v->overdue = 0;
	else if (v->overdue++)
		sim_break("age", "%s has been behind for %llu ms, and may be for %llu",
		          sim_who(v), (unsigned long long)(now_ms - e->paused_at),
		          (unsigned long long)m->age_ms);
}

static void stamp_members(unsigned stamp)
{
	const struct pl_group *g = &sim->chat->lobby.group;
	size_t count = 0;

	for (const struct pl_group_link *k = g->first; k; k = k->next, count++) {
		struct visit *v = visit_of_line(k->line);

		if (!v) {
			sim_break("members", "somebody in the room has no connection");
			continue;
		}
		if (v->in_room == stamp)
			sim_break("room", "%s is in the room twice", sim_who(v));
		v->in_room = stamp;
	}
	if (count != g->count)
		sim_break("members", "there are %zu members, and the room counts %zu",
		          count, g->count);
}

static uint64_t name_hash(const char *name)
{
	uint64_t h = 0;

	while (*name)
		h = sim_mix(h ^ (uint64_t)tolower((unsigned char)*name++));
	return h;
}

/* An open hash table of names, made anew: at most so many people are in a simulation. */
enum { NAMES = 2048 };

static bool is_new_name(const char **table, const char *name)
{
	size_t at = name_hash(name) % NAMES;

	for (; table[at]; at = (at + 1) % NAMES)
		if (name_hash(table[at]) == name_hash(name))
			return false;
	table[at] = name;
	return true;
}

static void stamp_people(unsigned stamp)
{
	const char *table[NAMES] = { NULL };
	size_t count = 0;

	for (struct session *s = sim->chat->people; s; s = s->next, count++) {
		struct visit *v = visit_of_line(&s->line);

		if (!v) {
			sim_break("people", "%s has no connection", s->name);
			continue;
		}
		if (v->in_people == stamp)
			sim_break("people", "%s is among the people twice", sim_who(v));
		v->in_people = stamp;
		if (count < NAMES / 2 && !is_new_name(table, s->name))
			sim_break("names", "two people are called %s", s->name);
		if (chat_name_fault(s->name, strlen(s->name)))
			sim_break("names", "somebody is called \"%s\"", s->name);
	}
	if (count != sim->chat->count)
		sim_break("people", "there are %zu people, and the chat counts %zu",
		          count, sim->chat->count);
}

static void check_visit(struct visit *v, unsigned stamp)
{
	const bool in_room = v->in_room == stamp, in_people = v->in_people == stamp;

	if (!v->server.made || v->server.lost) {
		if (in_room || in_people)
			sim_break("people", "%s is still there without a connection",
			          sim_who(v));
		return;
	}
	check_queue(v);
	if (v->place->oracle)
		return;
	if (in_room != in_people || in_room != v->member)
		sim_break("people", "%s is %samong the people, %sin the room, and %s",
		          sim_who(v), in_people ? "" : "not ", in_room ? "" : "not ",
		          v->member ? "has joined" : "has left");
	else if (!in_room && is_there(v))
		sim_break("people", "%s is connected and not in the room", sim_who(v));
}

void check_turn(void)
{
	static unsigned stamp;

	stamp++;
	stamp_members(stamp);
	stamp_people(stamp);
	for (size_t i = 0; i < sim->n_live && !sim->broken; i++)
		check_visit(sim->live[i], stamp);
	if (pl_connections(sim->reactor) != sim->ends)
		sim_break("connections", "%zu ends are up, and the reactor counts %zu",
		          sim->ends, pl_connections(sim->reactor));
}

/* --- when it is quiet ------------------------------------------------------------------------ */

/* Has the room heard all that went out of him whole, or was he told of the rest? */
static void check_said(struct visit *v)
{
	if (v->exiting || v->said + v->unsaid == v->typed_number)
		return;
	if (sim->memory_fails) {
		v->unsaid = v->typed_number - v->said; /* the last ones too */
		return;
	}
	sim_break("speaker", "%s has typed %u lines, and the room has heard %u",
	          sim_who(v), v->typed_number, v->said);
}

static void check_quiet_visit(struct visit *v)
{
	const struct watched *s = &v->server, *c = &v->client;

	if (!is_there(v) || !c->made || c->lost || c->closing || s->eof)
		return;
	if (!v->place->rated && c->on_the_way.len)
		sim_break("promise 5", "%zu bytes from %s do not arrive",
		          c->on_the_way.len, sim_who(v));
	if (v->place->oracle && !c->stalled)
		oracle_quiet(v);
	else if (!v->place->oracle &&
	         (!v->place->rated || (sim->all_said && !sim->memory_fails)))
		check_said(v);
	if (c->stalled)
		return;
	if (s->on_the_way.len || pl_queued(s->transport))
		sim_break("promise 5", "%zu bytes to %s do not arrive", s->on_the_way.len,
		          sim_who(v));
	room_missed(v, "");
	if (!v->place->oracle && v->read != v->n_due)
		sim_break("lost", "%s has read %zu lines of %zu, and nothing more comes",
		          sim_who(v), v->read, v->n_due);
	if (!v->place->edit && v->row_len)
		sim_break("row", "%s has read half a line", sim_who(v));
	if (v->unsaid > v->sorry)
		sim_break("speaker", "%u lines of %s were lost, and he was told of %u",
		          v->unsaid, sim_who(v), v->sorry);
}

bool check_waits(const struct visit *v)
{
	return v->place->rated && is_there(v) && !v->exiting && !sim->memory_fails &&
	       v->said + v->unsaid < v->typed_number;
}

void check_quiet(void)
{
	for (size_t i = 0; i < sim->n_live && !sim->broken; i++)
		check_quiet_visit(sim->live[i]);
}

/* --- when a visit is over --------------------------------------------------------------------- */

/* Whatever the sender wrote before an orderly end has come out. */
static void check_last_bytes(const struct watched *from, const struct watched *to)
{
	if (to->eof && !to->closed_first && from->reason == 0 && !from->aborted &&
	    from->on_the_way.len && !sim->ending)
		sim_break("promise 6", "%zu bytes %s %s were lost before the end",
		          from->on_the_way.len, from->server ? "to" : "from",
		          sim_who(to->visit));
}

/* Where lines wait their turn, those of somebody who has hung up do so for half a minute. */
static bool was_let_go(const struct visit *v)
{
	return v->place->rated &&
	       pl_reactor_now(sim->reactor) - v->server.eof_ms >= 30 * 1000;
}

/* He went in an orderly way and the server let him finish. */
static void check_hung_up(struct visit *v)
{
	if (!v->hung_up || !v->server.made || v->server.closed_first || v->dismissed ||
	    v->exiting || v->client.reason != 0 || v->server.reason != 0 ||
	    sim->memory_fails)
		return;
	if (!v->server.eof) {
		sim_break("promise 6", "%s has hung up, and nobody was told", sim_who(v));
		return;
	}
	if (was_let_go(v))
		return;
	check_said(v);
	if (v->last_words[0] && !v->last_words_said)
		sim_break("speaker", "the last words of %s were lost: \"%.60s\"",
		          sim_who(v), v->last_words);
}

/* The server went in an orderly way and he read to the end. */
static void check_read_to_the_end(struct visit *v)
{
	if (!v->client.eof || v->client.closed_first || !v->server.made ||
	    v->server.reason != 0 || v->server.aborted)
		return;
	if (v->read + v->untold != v->n_due)
		sim_break("lost", "%s has read %zu lines of %zu and left; untold: %zu",
		          sim_who(v), v->read, v->n_due, v->untold);
	if (!v->place->edit && v->row_len)
		sim_break("row", "the last line that %s has read is half a one",
		          sim_who(v));
}

void check_over(struct visit *v)
{
	sim_note(v, "is over", 0);
	room_missed(v, ", and is gone");
	check_last_bytes(&v->server, &v->client);
	check_last_bytes(&v->client, &v->server);
	if (!v->place->oracle) {
		check_hung_up(v);
		check_read_to_the_end(v);
	}
	oracle_over(v);
}

/* --- when everybody has gone ------------------------------------------------------------------- */

void check_empty(void)
{
	const struct pl_reactor *r = sim->reactor;

	if (sim->n_live)
		sim_break("end", "%s is still there", sim_who(sim->live[0]));
	else if (sim->chat->people || sim->chat->count || sim->chat->lobby.group.first)
		sim_break("end", "somebody is still among the people");
	else if (r->transports || r->connections)
		sim_break("end", "a connection is left");
	else if (r->flush_first)
		sim_break("end", "something waits for the end of the turn");
	else if (r->finished || r->open_jobs || r->calls)
		sim_break("jobs", "one is left");
	notices_end();
}
