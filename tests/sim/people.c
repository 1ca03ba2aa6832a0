/* people.c: what people do, drawn from the seed. */
#include "sim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* --- typing ------------------------------------------------------------------------------- */

static void type_text(struct visit *v, const char *text)
{
	visit_type(v, text, strlen(text));
}

static void change_name(struct visit *v)
{
	static const char *const names[] = { "ann",
		                             "Ann",
		                             "bob",
		                             "cy.",
		                             "d-e",
		                             "_x",
		                             "guest1",
		                             "guest12",
		                             "server",
		                             "a b",
		                             "muchtoolongforaname",
		                             "caf\xc3\xa9",
		                             "" };
	char text[60];

	snprintf(text, sizeof text, "/nick %s\r\n",
	         names[sim_draw(sizeof names / sizeof *names)]);
	type_text(v, text);
}

/* Each ends with a line end, and takes nothing of what follows with it. */
static const char *const strange[] = {
	"/who\n",
	"/who g\r\n",
	"/help\n",
	"/help nick\r\n",
	"/me\r\n",
	"/nonsense and more\n",
	"//two slashes\r\n",
	"\r\n",
	"   \n",
	"\xff\xf6/who ann\r\n",           /* telnet: are you there */
	"\xff\xfd\x06\r\n",               /* do timing-mark */
	"never\xff\xf4\xff\xfd\x06?\r\n", /* ^C */
	"?\xff\xfa\x1f\x01\x02\xff\xf0!\r\n",
	"?\xff\xfb\x22\xff\xfc\x01?\n",
	"?\x1b[A\x1b[5~\x1bOP\x1b\r\n",
	"?\xc3\x9f\xc3(\xe2\x82\xf0\x9f\r\n",
	"?\xe2\x80\xae reversed \xc2\23331m\n",
};

static bool is_typable(unsigned char c, bool edit)
{
	if (c == '\r' || c == '\n' || c == 0xff)
		return false;
	/* Rows of the room are told from what is typed by these. */
	return !edit || (c != '<' && c != '>' && c != '*' && c != '#');
}

static void type_garbage(struct visit *v)
{
	char text[3000];
	const size_t wanted = sim_chance(10) ? 1000 + sim_draw(1900) : sim_draw(100);
	size_t n = 0;

	text[n++] = '?';
	while (n < wanted) {
		const unsigned char c =
			(unsigned char)(sim_chance(4) ? sim_draw(256) : 32 + sim_draw(95));

		if (is_typable(c, v->place->edit))
			text[n++] = (char)c;
	}
	text[n++] = '\r';
	text[n++] = '\n';
	visit_type(v, text, n);
}

static void leave_by_exit(struct visit *v)
{
	v->exit_number = v->numbers;
	v->exiting = true;
	type_text(v, sim_chance(2) ? "/exit\r\n" : "/quit\n");
	if (sim_chance(2))
		visit_say(v, false); /* nobody hears that */
}

/* --- what somebody does who is there --------------------------------------------------------- */

/* More than may wait, where that is limited. */
static void say_much(struct visit *v)
{
	for (uint64_t n = 1 + sim_draw(v->place->rated ? 200 : 30); n > 0; n--)
		visit_say(v, sim_chance(10));
}

static void stall(struct visit *v)
{
	sim_note(v, "stops reading", 0);
	pl_pause_reading(v->client.transport);
}

static void read_on(struct visit *v)
{
	sim_note(v, "reads again", 0);
	pl_resume_reading(v->client.transport);
}

static void vanish(struct visit *v)
{
	sim_note(v, "vanishes", 0);
	pl_abort(v->client.transport, -ECONNRESET);
}

/* The server ends it, for a reason of its own. */
static void dismiss(struct visit *v, bool abort)
{
	if (!v->server.made || v->server.lost || v->server.closing)
		return;
	sim_note(v, abort ? "is aborted" : "is dismissed", 0);
	if (abort)
		pl_abort(v->server.transport, -EPROTO);
	else
		pl_lose(v->server.transport);
}

static void chat_act(struct visit *v, uint64_t what)
{
	if (what < 500)
		visit_say(v, false);
	else if (what < 540)
		visit_say(v, true);
	else if (what < 580)
		say_much(v);
	else if (what < 630)
		change_name(v);
	else if (what < 700)
		type_text(v, strange[sim_draw(sizeof strange / sizeof *strange)]);
	else if (what < 740)
		type_garbage(v);
	else if (what < 750 && !v->exiting)
		leave_by_exit(v);
}

static void act(struct visit *v)
{
	const uint64_t what = sim_draw(1000);

	if (!visit_can_type(v) || v->exiting) {
		if (v->client.made && !v->client.lost && v->client.stalled && sim_chance(20))
			read_on(v);
		return;
	}
	if (v->client.stalled && what < 900 && sim_chance(8))
		read_on(v);
	else if (what < 750 && v->place->oracle)
		oracle_ask(v);
	else if (what < 750)
		chat_act(v, what);
	else if (what < 830 && !v->client.stalled)
		stall(v);
	else if (what < 960)
		; /* listens */
	else if (what < 975)
		vanish(v);
	else if (what < 990)
		visit_hang_up(v);
	else if (what < 997)
		dismiss(v, false);
	else
		dismiss(v, true);
}

void people_act(void)
{
	sim->acting = true;
	for (uint64_t n = 1 + sim_draw(sim->people / 3 + 1); n > 0; n--) {
		struct visit **person = &sim->persons[sim_draw(sim->people)];

		if (*person)
			act(*person);
		else if (sim_chance(3))
			*person = visit_begin(&places[sim_draw(PLACES)]);
	}
	sim->acting = false;
}

void people_pump(void)
{
	sim->acting = true;
	for (size_t i = 0; i < sim->n_live; i++)
		if (sim_chance(2))
			visit_pump(sim->live[i]);
	sim->acting = false;
}
