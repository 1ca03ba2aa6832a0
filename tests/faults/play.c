/* play.c: see play.h. */
#include "play.h"

#include "chat/chat.h"
#include "cmocka_all.h"
#include "world.h"

#include <errno.h>
#include <partyline/stats.h>
#include <partyline/transport.h>
#include <partyline/transport_impl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	TURNS_MAX = 20000, /* of one play: more is a server that spins */
	STEP_MS = 50,      /* the fake time that passes when nothing happens */
	/* So often STEP_MS pass before a thing is given up that may have been lost, the first
	 * times with 1 ms for the kernel; and before one that must come.  The latter is never
	 * waited out. */
	PATIENCE = 8,
	REAL_WAITS = 2,
	LONG_PATIENCE = 5000,
	NOTICED_MS = 4000,  /* a device that is plugged in is open */
	SETTLING_MS = 3000, /* the server's longest rest is 2 s */
	SLOW_LINES = 55,
	LONG_LINE = 1000,
	TOO_LONG_LINE = 1500
};

static struct play {
	const struct wire *wire;
	struct point point;
	char text[120]; /* what is played */
	struct pl_world *world;
	struct chat *chat;
	struct pl_port *lobby, *port;
	bool calm; /* nothing is to fail now */
	unsigned turns;
	const char *missed;   /* the first thing that did not come */
	bool missed_silently; /* ... and nobody can know */
	unsigned here;        /* people in the room before cat */
	unsigned connections; /* attempts of all together */
} p;

/* His screen is large, so they are not on the stack. */
static struct far ann, bob, cat;

void point_text(const struct point *point, char *text, size_t size)
{
	const struct call *call = &calls[point->call];

	if (point->nth == 0)
		snprintf(text, size, "nothing fails");
	else
		snprintf(text, size, "%s %s %lu%s", call->name, call->ways[point->way].name,
		         point->nth, point->lasting ? " and after" : "");
}

const char *play_under_way(void)
{
	return p.text;
}

#define require(condition, what) \
	do { \
		if (!(condition)) \
			fail_msg("%s: %s", p.text, what); \
	} while (0)

static bool must_be_noticed_by_nobody(void)
{
	return p.calm || p.point.nth == 0 || calls[p.point.call].ways[p.point.way].harmless;
}

/* --- time ------------------------------------------------------------------------------ */

static void read_all(void)
{
	far_read(&cat);
}

static bool turn(int real_ms)
{
	bool idle;

	require(++p.turns < TURNS_MAX, "it goes on for ever");
	faults_on();
	idle = world_turn(p.world, real_ms);
	faults_off();
	read_all();
	return idle;
}

static void pass(unsigned ms)
{
	faults_on();
	pl_world_advance(p.world, ms);
	faults_off();
	read_all();
}

/* Until there is nothing to do. */
static void settle(void)
{
	while (!turn(0))
		;
}

/* The same for bytes whose arrival nothing tells: some real time for the kernel. */
static void settle_kernel(void)
{
	for (int idle = 0; idle < 2;)
		idle += turn(1);
}

/* Neither those whom it concerns nor the operator. */
static bool nobody_knows(void)
{
	static const char *const tells[] = { "memory", "ended",   "lost",
		                             "away",   "refused", "failed" };
	const char *what;
	uint64_t n;

	for (size_t i = 0; pl_counter_at(pl_world_reactor(p.world), i, &what, &n); i++)
		for (size_t k = 0; k < sizeof tells / sizeof *tells; k++)
			if (strstr(what, tells[k]))
				return false;
	return !far_sees(&cat, "out of memory") && !far_sees(&ann, "out of memory") &&
	       !far_sees(&bob, "out of memory");
}

static bool is_out(const struct far *f)
{
	return f == &cat && (f->ended || p.chat->count <= p.here);
}

/* Turns until that text comes, behind what he had read when look_up() was called; so often
 * STEP_MS pass.  Does not wait for somebody who is in the room no more. */
static bool comes(const struct far *f, const char *text, bool in_room, int patience)
{
	for (int waited = 0; waited < patience;) {
		const bool hasty = patience == PATIENCE && waited > REAL_WAITS;
		const bool idle = turn(cat.fd >= 0 && waited && !hasty ? 1 : 0);

		if (far_sees(f, text))
			return true;
		if (!idle)
			continue;
		if (in_room && is_out(f))
			break;
		waited++;
		pass(STEP_MS);
		if (far_sees(f, text))
			return true;
	}
	return false;
}

static bool until_seen(const struct far *f, const char *text, bool in_room)
{
	if (comes(f, text, in_room, must_be_noticed_by_nobody() ? LONG_PATIENCE : PATIENCE))
		return true;
	if (!p.missed) {
		p.missed = text;
		p.missed_silently = nobody_knows();
	}
	return false;
}

static bool sees(const struct far *f, const char *text)
{
	return until_seen(f, text, true);
}

/* What comes from here on is waited for. */
static void look_up(void)
{
	ann.seen = ann.len;
	bob.seen = bob.len;
	cat.seen = cat.len;
}

static bool says(struct far *f, const char *line, const struct far *hearer, const char *text)
{
	look_up();
	far_type(f, line);
	return sees(hearer, text);
}

/* The whole line arrives as it was said, and no more than that. */
static bool tells(struct far *f, const char *name, const char *line,
                  const struct far *hearer)
{
	static char whole[LONG_LINE + 40];

	snprintf(whole, sizeof whole, "<%s> %s\r\n", name, line);
	return says(f, line, hearer, whole);
}

/* --- coming and going ------------------------------------------------------------------ */

/* An answer to a stranger may be lost: then he asks again. */
static void prove(struct far *f)
{
	char code[7] = "";

	if (!comes(f, "-- to join type ", false, PATIENCE)) {
		far_type(f, "");
		if (!until_seen(f, "-- to join type ", false))
			return;
	}
	snprintf(code, sizeof code, "%.6s",
	         strstr(f->screen + f->seen, "type ") + strlen("type "));
	far_type(f, code);
}

static bool come(struct far *f, const struct wire *wire, struct pl_port *port)
{
	look_up();
	if (far_come(f, wire, p.world, port) < 0)
		return false;
	p.connections++;
	if (wire->getty)
		pass(NOTICED_MS); /* and then some silence */
	if (wire->getty || wire->knocks)
		far_type(f, "");
	if (wire->getty) {
		settle_kernel();
		pass(300);
	}
	if (wire->proves)
		prove(f);
	return until_seen(f, "you are ", false);
}

static void sit_down(struct far *f, const char *name)
{
	char line[40];

	require(come(f, &wire_lobby, p.lobby), "no place for ann and bob");
	snprintf(line, sizeof line, "/nick %s", name);
	require(says(f, line, f, "is now"), "no name for ann and bob");
	p.here++;
}

/* --- the conversation ------------------------------------------------------------------ */

static const char *filled(const char *begin, size_t len)
{
	static char line[TOO_LONG_LINE + 1];
	const size_t n = strlen(begin);

	memcpy(line, begin, n);
	memset(line + n, 'x', len - n);
	line[len] = '\0';
	return line;
}

/* For a moment nothing leaves the kernel, and bob talks on. */
static void be_slow(void)
{
	static const char skipped[] = "lines: skipped for slow readers";
	const struct pl_reactor *r = pl_world_reactor(p.world);
	char begin[20];
	bool by_mem;

	settle();
	by_mem = cat.fd < 0 && cat.made && !cat.ended;
	look_up();
	faults_kernel_is_full = true;
	if (by_mem) {
		pl_mem_set_capacity(cat.protocol.transport, LONG_LINE);
		pl_pause_reading(cat.protocol.transport);
	}
	for (int i = 0; i < SLOW_LINES && pl_counted(r, skipped) < 3; i++) {
		snprintf(begin, sizeof begin, "slow-%d-", i);
		far_type(&bob, filled(begin, LONG_LINE));
		if (i % 5 == 4)
			settle();
	}
	settle();
	faults_kernel_is_full = false;
	if (by_mem && !cat.ended) {
		pl_mem_set_capacity(cat.protocol.transport, FAR_SCREEN);
		pl_resume_reading(cat.protocol.transport);
	}
	sees(&cat, " skipped --\r\n");
}

static void talk(void)
{
	says(&cat, "/nick cat", &cat, "is now cat");
	tells(&ann, "ann", "ann-to-cat", &cat);
	tells(&cat, "cat", "cat-short", &bob);
	tells(&cat, "cat", filled("cat-long-", LONG_LINE), &bob);
	tells(&cat, "cat",
	      "cat-gr\xc3\xbc\xc3\x9f-\xe6\x97\xa5\xe6\x9c\xac-\xf0\x9f\x8e\x89", &bob);
	tells(&bob, "bob", filled("bob-long-", LONG_LINE), &cat);
	says(&cat, filled("cat-too-long-", TOO_LONG_LINE), &cat, "too long");
	if (p.wire->editing)
		far_type(&cat, ""); /* what fitted is in the editor */
	says(&cat, "/who", &cat, "-- 3 people --\r\n");
	says(&cat, "/me purrs", &bob, "* cat purrs\r\n");
	be_slow();
	tells(&cat, "cat", "cat-again", &ann);
	tells(&bob, "bob", "bob-to-cat", &cat);
}

static void converse(void)
{
	if (come(&cat, p.wire, p.port)) {
		talk();
		look_up();
		far_type(&cat, "/exit");
		sees(&bob, "cat has left");
		if (p.wire->leaves_trace && !cat.ended)
			settle_kernel();
	}
	far_hang_up(&cat);
	settle();
	pass(STEP_MS);
	if (come(&cat, p.wire, p.port)) {
		says(&cat, "dog-barks", &ann, "dog-barks");
		look_up();
		far_hang_up(&cat);
		/* Only a send shows that a datagram peer is gone. */
		for (int i = 0; i < 2 && p.wire->knocks; i++) {
			far_type(&ann, "ann-calls");
			settle();
		}
		sees(&bob, "has left");
	}
	far_hang_up(&cat);
	settle();
}

/* --- what has to be true --------------------------------------------------------------- */

static unsigned lost_bystanders(void)
{
	return (unsigned)ann.ended + (unsigned)bob.ended;
}

/* What somebody has said once is read once at most, and as often as that leaves. */
static void check_nothing_came_twice(void)
{
	static const char *const said_by_cat[] = { "cat-short",   "cat-long-",
		                                   "cat-gr",      "cat purrs",
		                                   "cat-again",   "dog-barks",
		                                   "cat has left" };
	char text[20];

	for (size_t i = 0; i < sizeof said_by_cat / sizeof *said_by_cat; i++) {
		require(far_count(&ann, said_by_cat[i]) <= 1, "ann reads something twice");
		require(far_count(&bob, said_by_cat[i]) <= 1, "bob reads something twice");
	}
	for (int i = 0; i < SLOW_LINES; i++) {
		snprintf(text, sizeof text, "slow-%d-", i);
		require(far_count(&ann, text) <= 1, "ann reads bob's lines twice");
		require(far_count(&cat, text) <= 1, "cat reads bob's lines twice");
	}
	require(far_count(&cat, "ann-to-cat") <= 1, "cat reads ann's line twice");
	require(far_count(&ann, "has left") <= p.connections, "more leave than came");
	require(far_count(&bob, "has left") <= p.connections, "more leave than came");
}

static void check_bystanders(void)
{
	const unsigned lost = lost_bystanders();

	if (p.point.call != F_allocation)
		require(lost == 0, "ann or bob was lost");
	else if (!p.point.lasting)
		require(lost <= 1, "more than one connection was lost");
	if (lost)
		require(ann.reason <= 0 && bob.reason <= 0, "lost with a strange reason");
}

static void talk_to_each_other(void)
{
	require(tells(&ann, "ann", "ann-to-bob", &bob), "bob does not hear ann");
	require(tells(&bob, "bob", "bob-to-ann", &ann), "ann does not hear bob");
}

static void serve_a_newcomer(void)
{
	require(come(&cat, p.wire, p.port), "a newcomer is not let in");
	require(says(&cat, "/nick new", &cat, "is now new"), "a newcomer has no name");
	require(tells(&cat, "new", "new-to-all", &ann), "a newcomer is not heard");
	require(sees(&bob, "<new> new-to-all\r\n"), "a newcomer is not heard by bob");
	require(tells(&ann, "ann", "ann-to-new", &cat), "a newcomer hears nothing");
	settle();
	require(far_count(&bob, "ann-to-bob") == 1, "bob has heard ann twice");
	require(far_count(&ann, "bob-to-ann") == 1, "ann has heard bob twice");
	require(far_count(&ann, "new-to-all") == 1, "ann has heard the newcomer twice");
	require(far_count(&bob, "new-to-all") == 1, "bob has heard the newcomer twice");
	require(far_count(&cat, "ann-to-new") == 1, "the newcomer has heard ann twice");
}

/* --- beginning and end ----------------------------------------------------------------- */

/* With a sentence in *err where there is one to be had. */
static bool set_up(struct pl_error *err)
{
	const struct chat_options options = { .name = "torture" };

	*err = (struct pl_error){ .code = 0 };
	faults_on();
	p.world = pl_world_create(1);
	if (p.world)
		p.chat = chat_create(pl_world_reactor(p.world), &options);
	if (p.chat && chat_set_udp_hint(p.chat, "nc -u localhost 1") == 0)
		p.lobby = pl_listen(pl_world_reactor(p.world), wire_lobby.endpoint(),
		                    &p.chat->factory, err);
	if (p.lobby)
		p.port = wire_listen(p.wire, pl_world_reactor(p.world), &p.chat->factory,
		                     err);
	faults_off();
	return p.port != NULL;
}

static void tear_down(void)
{
	faults_on();
	pl_world_destroy(p.world);
	chat_destroy(p.chat);
	faults_off();
	p.world = NULL;
	p.chat = NULL;
	p.lobby = p.port = NULL;
}

/* A server that does not come up says why, and comes up the next time. */
static void set_up_in_the_end(void)
{
	struct pl_error err;
	const char *endpoint;

	if (set_up(&err))
		return;
	require(faults_struck(), "the server does not come up");
	endpoint = p.lobby ? p.wire->endpoint() : wire_lobby.endpoint();
	if (err.code) {
		require(strncmp(err.text, endpoint, strlen(endpoint)) == 0,
		        "the sentence does not name the endpoint");
		require(err.code < 0, "no errno");
		if (p.point.call == F_allocation)
			require(err.code == -ENOMEM && strstr(err.text, "memory"),
			        "it does not say that there was no memory");
	} else {
		require(!p.lobby && (p.point.call == F_allocation || !p.world),
		        "listening failed without a sentence");
	}
	faults_end();
	p.calm = true;
	tear_down();
	require(set_up(&err), err.text);
}

/* As pl_serve() does it. */
static void stop(void)
{
	struct pl_reactor *r = pl_world_reactor(p.world);

	faults_on();
	p.chat->factory.ops->stopping(&p.chat->factory);
	pl_port_stop(p.port);
	pl_port_stop(p.lobby);
	pl_lose_all(r);
	faults_off();
	for (int i = 0; i < 50 && pl_connections(r); i++) {
		settle();
		pass(STEP_MS);
	}
	tear_down();
	far_hang_up(&cat);
	p.wire->tidy();
}

/* Everything works again, and he who was hit comes back. */
static void recover(void)
{
	p.calm = true;
	faults_rest(true);
	pass(SETTLING_MS);
	settle();
	check_bystanders();
	check_nothing_came_twice();
	p.here = 0;
	if (ann.ended)
		sit_down(&ann, "ann");
	if (bob.ended)
		sit_down(&bob, "bob");
	talk_to_each_other();
	serve_a_newcomer();
	faults_rest(false);
	if (faults_struck())
		faults_end();
	else
		p.calm = false;
}

static void begin(const struct wire *wire, const struct point *point)
{
	char failing[80];

	p = (struct play){ .wire = wire, .point = *point };
	point_text(point, failing, sizeof failing);
	snprintf(p.text, sizeof p.text, "%s: %s", wire->name, failing);
	ann.wire = bob.wire = cat.wire = NULL;
	ann.len = bob.len = cat.len = 0;
	ann.reason = bob.reason = 0;
	wire->prepare();
}

bool play(const struct wire *wire, const struct point *point)
{
	const long live = faults_live();
	const int descriptors = open_descriptors();

	begin(wire, point);
	faults_begin(point);
	set_up_in_the_end();
	faults_rest(true);
	sit_down(&ann, "ann");
	sit_down(&bob, "bob");
	faults_rest(false);
	if (!p.calm)
		converse();
	if (p.missed && must_be_noticed_by_nobody())
		fail_msg("%s: nobody was to notice, but there was no \"%s\"", p.text,
		         p.missed);
	if (p.missed_silently && point->call == F_allocation && !point->lasting)
		fail_msg("%s: there was no \"%s\", and nobody knows", p.text, p.missed);
	recover();
	stop();
	require(faults_live() == live, "memory is left behind");
	require(open_descriptors() == descriptors, "descriptors are left open");
	p.text[0] = '\0';
	return faults_struck();
}
