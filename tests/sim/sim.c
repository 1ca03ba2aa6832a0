/* sim.c: one run, from an empty house to an empty house. */
#include "sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <partyline/log.h>

const struct place places[PLACES] = {
	{ .name = "lobby", .keys = "" },
	{ .name = "terminal", .keys = ":edit=on", .edit = true },
	{ .name = "ann", .keys = ":nick=ann" },
	{ .name = "gate", .keys = "" },
	{ .name = "slow", .keys = ":rate=5,20", .rated = true },
	{ .name = "oracle", .keys = "", .oracle = true },
};

/* More turns than that, while nobody does anything and no time passes, have no end. */
enum { TURNS_MAX = 50000 };

/* --- the house --------------------------------------------------------------------------- */

static struct pl_factory *real_factory(const struct pl_factory *watched)
{
	return watched == &sim->watched_factory[1] ? oracle_factory() : &sim->chat->factory;
}

/* The server's ends come up in the order of pl_mem_connect(). */
static struct pl_protocol *build(struct pl_factory *f, const struct pl_peer *peer)
{
	struct pl_factory *real = real_factory(f);
	struct visit *v = sim->coming[sim->first_coming++];

	if (sim->down)
		sim_break("promise 2", "a call down built a protocol");
	v->server.inner = real->ops->build_protocol(real, peer);
	return v->server.inner ? &v->server.protocol : NULL;
}

static int check(struct pl_factory *f, const struct pl_peer *peer, struct pl_error *err)
{
	struct pl_factory *real = real_factory(f);

	return real->ops->check ? real->ops->check(real, peer, err) : 0;
}

/* The keys of both. */
static struct pl_factory_ops watched_ops = { .build_protocol = build, .check = check };

static void listen_at(size_t place)
{
	const char *keys = places[place].keys;
	char endpoint[80];

	/* A chat without that key lets everybody speak as fast as he likes. */
	if (places[place].rated && !strstr(chat_factory_ops.usage, "[:rate="))
		keys = "";
	snprintf(endpoint, sizeof endpoint, "mem:%s%s", places[place].name, keys);
	sim_note_text(NULL, "listens at", endpoint, strlen(endpoint));
	sim->down++;
	sim->ports[place] = pl_listen(sim->reactor, endpoint,
	                              &sim->watched_factory[places[place].oracle], NULL);
	sim->down--;
	if (!sim->ports[place] && !sim->memory_fails)
		sim_break("ports", "cannot listen at %s", endpoint);
}

static void stop_at(size_t place)
{
	sim_note_text(NULL, "stops listening at", places[place].name,
	              strlen(places[place].name));
	sim->down++;
	pl_port_stop(sim->ports[place]);
	sim->down--;
	sim->ports[place] = NULL;
}

static void draw_kind_of_run(void)
{
	const struct sim_options *o = &sim->options;
	const bool crowd = sim_chance(12);

	sim->people = (unsigned)(crowd ? 100 + sim_draw(201) : 2 + sim_draw(40));
	if (o->people)
		sim->people = o->people;
	if (!o->turns)
		sim->options.turns = (unsigned)(crowd ? 150 : 300 + sim_draw(700));
	sim->rudeness = (unsigned)(sim_chance(3) ? 200 + sim_draw(2000) : 0);
	sim->memory_fails =
		(unsigned)(sim_chance(4) ? 20 + sim_draw(UINT64_C(40) << sim_draw(7)) : 0);
	sim->persons = sim_grow(NULL, sim->people * sizeof *sim->persons);
	memset(sim->persons, 0, sim->people * sizeof *sim->persons);
}

static void open_house(void)
{
	static char motd[3000] = "Mind the step.\nThe bar is closed.\n";
	const uint64_t words = sim_draw(3);
	const struct chat_options options = {
		.name = "sim",
		.motd = words == 0   ? NULL
		        : words == 1 ? ""
		                     : motd,
		.motd_len = words == 2 ? sizeof motd - 1 : 0,
	};

	memset(motd + strlen(motd), '=', sizeof motd - 1 - strlen(motd)); /* a long line */
	sim->world = pl_world_create(sim->options.seed);
	sim->reactor = pl_world_reactor(sim->world);
	sim->chat = chat_create(sim->reactor, &options);
	oracle_begin();
	watched_ops.usage = chat_factory_ops.usage;
	sim->watched_factory[0].ops = sim->watched_factory[1].ops = &watched_ops;
	world_hold_jobs(sim->world, 1 + (unsigned)sim_draw(20));
	world_interrupt_polls(sim->world, sim_chance(3) ? 5 : 0);
	for (size_t i = 0; i < PLACES; i++)
		listen_at(i);
}

/* --- turns --------------------------------------------------------------------------------- */

static void turn(void)
{
	sim->turn++;
	sim->result->turns++;
	world_turn(sim->world, 0);
	if (!sim->broken)
		check_turn();
}

/* Until nothing happens any more without time passing. */
static void settle(void)
{
	for (int n = 0; !sim->broken; n++) {
		turn();
		if (world_is_idle(sim->world))
			break;
		if (n == TURNS_MAX)
			sim_break("endless", "turn follows turn, and no time passes");
	}
	if (!sim->broken)
		check_quiet();
}

static void pass(uint64_t ms)
{
	if (!ms)
		return;
	sim_note(NULL, "time passes:", ms);
	world_pass(sim->world, ms);
}

static uint64_t draw_time(void)
{
	const uint64_t kind = sim_draw(1000);

	if (kind < 600)
		return 0;
	if (kind < 940)
		return 1 + sim_draw(40);
	if (kind < 994)
		return 100 + sim_draw(2000);
	return 10000 + sim_draw(700000);
}

/* Nothing may depend on it. */
static void set_the_wall_clock(void)
{
	const int64_t day_ms = 24 * 3600 * 1000;
	const int64_t ms = (int64_t)sim_draw((uint64_t)(2 * day_ms)) - day_ms;

	sim_note(NULL, "the wall clock is set by", (uint64_t)ms);
	world_step_wall(sim->world, ms);
}

static void change_a_port(void)
{
	const size_t place = sim_draw(PLACES);

	if (!sim->ports[place])
		listen_at(place);
	else if (sim_chance(3))
		stop_at(place);
}

static void live(void)
{
	memory_fails_one_in = sim->memory_fails;
	for (unsigned n = 0; !sim->broken && n < sim->options.turns; n++) {
		people_act();
		people_pump();
		if (sim_chance(40))
			change_a_port();
		if (sim_chance(100))
			set_the_wall_clock();
		turn();
		pass(draw_time());
		if (sim_chance(25))
			settle();
	}
	memory_fails_one_in = 0;
}

/* --- the end ----------------------------------------------------------------------------------- */

static struct visit *newcomer(void)
{
	struct visit *v = visit_begin(&places[0]);

	if (!v)
		sim_break("end", "a newcomer is not let in");
	settle();
	if (!sim->broken && (!v->server.made || v->server.lost))
		sim_break("end", "a newcomer is sent away");
	return v;
}

/* Everybody reads, all ports are open, nothing fails; what was typed is said. */
static void calm_down(void)
{
	enum { ROUNDS = 2000, ROUNDS_MIN = 20, ROUND_MS = 500 };

	sim->memory_fails = sim->memory_fails ? UINT32_MAX : 0; /* may have lost lines */
	sim->rudeness = 0;
	world_interrupt_polls(sim->world, 0);
	for (size_t i = 0; i < PLACES; i++)
		if (!sim->ports[i])
			listen_at(i);
	for (size_t i = 0; i < sim->n_live; i++)
		if (sim->live[i]->client.made && !sim->live[i]->client.lost)
			pl_resume_reading(sim->live[i]->client.transport);
	for (int i = 0; i < ROUNDS && !sim->broken; i++) {
		bool waits = i < ROUNDS_MIN;

		for (size_t k = 0; k < sim->n_live; k++) {
			struct visit *v = sim->live[k];

			visit_pump(v);
			waits = waits || (visit_can_type(v) && v->out.len) ||
			        check_waits(v);
		}
		settle();
		pass(ROUND_MS);
		if (!waits)
			break;
	}
	sim->all_said = true;
	settle();
}

static void everybody_leaves(void)
{
	for (size_t i = 0; i < sim->n_live; i++) {
		struct visit *v = sim->live[i];

		if (!visit_can_type(v) || v->exiting)
			continue;
		if (v->place->oracle || v->out.len || sim_chance(2)) {
			visit_hang_up(v);
		} else {
			v->exit_number = v->numbers;
			v->exiting = true;
			visit_type(v, "/exit\r\n", 7);
			while (v->out.len && !v->client.closing)
				visit_pump(v);
		}
	}
}

/* As pl_serve() does it, but that far ends of other servers would not be lost. */
static void the_server_stops(void)
{
	sim_note(NULL, "the server stops", 0);
	chat_factory_ops.stopping(&sim->chat->factory);
	for (size_t i = 0; i < PLACES; i++)
		if (sim->ports[i])
			stop_at(i);
	sim->acting = true;
	for (size_t i = 0; i < sim->n_live; i++)
		if (sim->live[i]->server.made && !sim->live[i]->server.lost)
			pl_lose(sim->live[i]->server.transport);
	sim->acting = false;
}

/* pl_lose_all() calls no pl_lose() that the simulation would see. */
static void all_are_lost(void)
{
	sim_note(NULL, "all are lost", 0);
	for (size_t i = 0; i < sim->n_live; i++)
		for (int end = 0; end < 2; end++) {
			struct watched *e =
				end ? &sim->live[i]->client : &sim->live[i]->server;

			if (e->made && !e->lost && !e->closing) {
				e->closed_first = !e->eof;
				e->closing = true;
				sim->live[i]->dismissed = true;
			}
		}
	sim->down++;
	pl_lose_all(sim->reactor);
	sim->down--;
}

static void wait_for_the_last(void)
{
	for (int i = 0; i < 600 && sim->n_live && !sim->broken; i++) {
		settle();
		pass(500);
	}
	if (!sim->broken)
		settle();
	if (!sim->broken)
		check_empty();
}

static void end(void)
{
	struct visit *v;

	calm_down();
	if (sim->broken)
		return;
	v = newcomer();
	if (sim->broken)
		return;
	visit_say(v, false);
	while (v->out.len && !v->client.closing && !sim->broken) {
		visit_pump(v);
		settle();
	}
	switch (sim_draw(4)) {
	case 0:
		everybody_leaves();
		wait_for_the_last();
		break;
	case 1:
		the_server_stops();
		wait_for_the_last();
		break;
	case 2:
		all_are_lost();
		wait_for_the_last();
		break;
	default: /* the house is torn down with everybody in it */
		break;
	}
}

static void close_house(int descriptors)
{
	plants_mend();
	sim->ending = true;
	pl_world_destroy(sim->world);
	chat_destroy(sim->chat);
	sim->world = NULL;
	if (sim->n_live)
		sim_break("end", "%s was not told that it is over", sim_who(sim->live[0]));
	oracle_end();
	if (memory_live != 0)
		sim_break("memory", "%ld blocks are still held", memory_live);
	if (open_descriptors() != descriptors)
		sim_break("descriptors", "%d are open, and %d were", open_descriptors(),
		          descriptors);
	plants_end();
}

static void free_run(void)
{
	for (size_t i = 0; i < sim->n_visits; i++) {
		oracle_over(sim->visits[i]);
		visit_free(sim->visits[i]);
	}
	for (size_t i = 0; i < sim->n_log; i++)
		sim_free(sim->log[i].line);
	sim_free(sim->log);
	sim_free(sim->known);
	sim_free(sim->visits);
	sim_free(sim->live);
	sim_free(sim->coming);
	sim_free(sim->persons);
}

void sim_run(const struct sim_options *options, struct sim_result *result)
{
	const int descriptors = open_descriptors();
	struct sim run = { .options = *options,
		           .result = result,
		           .random = sim_mix(options->seed),
		           .plant_random = sim_mix(~options->seed),
		           .thread = pthread_self() };

	*result = (struct sim_result){ .hash = UINT64_C(0xcbf29ce484222325) };
	sim = &run;
	memory_live = 0;
	memory_fails_one_in = 0;
	plants_begin();
	draw_kind_of_run();
	open_house();
	live();
	if (!sim->broken)
		end();
	close_house(descriptors);
	result->visits = sim->n_visits;
	free_run();
	sim = NULL;
}
