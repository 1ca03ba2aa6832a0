/* plants.c: see plants.h.
 *
 * Functions that the library calls across its files are taken the place of (--wrap), below
 * those of the simulation.  Each does what the real one does, unless its plant strikes. */
#include "sim.h"

#include "core/core.h"
#include "line/line_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct {
	const char *name, *verdict;
	unsigned one_in; /* 0: the first time, and then no more */
} plants[PLANTS] = {
	[PLANT_NONE] = { "nothing", "", 0 },
	[PLANT_SAID_TWICE] = { "a line is said twice", "twice", 20 },
	[PLANT_SAID_TO_NOBODY] = { "a line is said to nobody", "lost", 20 },
	[PLANT_SAID_LATER] = { "two lines are said in the wrong order", "order", 20 },
	[PLANT_NOT_SHOWN] = { "a line is not shown to one person", "lost", 100 },
	[PLANT_TWO_LINES_SWAPPED] = { "one person sees two lines swapped", "order", 100 },
	[PLANT_WRONG_COUNT] = { "one line too many is counted as skipped", "count", 5 },
	[PLANT_JOINED_TWICE] = { "somebody joins the room twice", "room", 0 },
	[PLANT_STAYS_IN_ROOM] = { "somebody who left stays in the room", "people", 2 },
	[PLANT_SAME_NAME] = { "two people have one name", "names", 5 },
	[PLANT_ESCAPE_PASSES] = { "an escape passes", "clean", 100 },
	[PLANT_LINE_NOT_TAKEN] = { "a line that was typed is forgotten", "speaker", 20 },
	[PLANT_LINE_TAKEN_TWICE] = { "a line that was typed is taken twice", "speaker", 20 },
	[PLANT_BYTES_TWICE] = { "bytes are written twice", "promise 5", 200 },
	[PLANT_BYTES_LOST] = { "bytes are lost", "promise 5", 200 },
	[PLANT_WRITES_WHEN_CLOSED] = { "a closing connection sends", "promise 5", 1 },
	[PLANT_NO_MARKS] = { "nobody minds the marks", "marks", 1 },
	[PLANT_NO_AGE] = { "nobody minds the age", "age", 1 },
	[PLANT_MADE_TWICE] = { "a connection is made twice", "promise 1", 10 },
	[PLANT_LOST_TWICE] = { "a connection is lost twice", "promise 1", 10 },
	[PLANT_CALL_UP_IN_CALL_DOWN] = { "a call down makes a call up", "promise 2", 100 },
	[PLANT_DATA_AFTER_LOSE] = { "data comes after pl_lose", "promise 4", 1 },
	[PLANT_EOF_TWICE] = { "the end of input comes twice", "promise 6", 5 },
	[PLANT_NO_EOF] = { "the end of input does not come", "promise 6", 2 },
	[PLANT_TRANSPORT_GONE] = { "the transport is gone too early", "promise 7", 10 },
	[PLANT_PAUSED_TWICE] = { "writing is paused twice", "promise 8", 5 },
	[PLANT_OTHER_THREAD] = { "another thread calls up", "promise 9", 100 },
	[PLANT_ENDED_FOR_NOTHING] = { "a connection times out at once", "reason", 100 },
	[PLANT_CONNECTION_COUNTED_TWICE] = { "a connection is counted twice",
	                                     "connections", 0 },
	[PLANT_SPIN] = { "turns do not end", "endless", 0 },
	[PLANT_LEAK] = { "memory is lost", "memory", 0 },
	[PLANT_DESCRIPTOR_LEFT] = { "a descriptor is left open", "descriptors", 0 },
	[PLANT_JOB_NOT_CANCELLED] = { "a job that was dropped comes back", "jobs", 1 },
	[PLANT_JOB_FORGOTTEN] = { "a job never comes back", "jobs", 0 },
	[PLANT_REAL_CLOCK] = { "something depends on the real clock", "", 100 },
};

/* What a plant has left behind in this run. */
static struct {
	bool struck;
	struct pl_msg *later;
	struct pl_line_receiver *later_by;
	struct pl_line_receiver *swapped_for;
	char *swapped;
	size_t swapped_len;
	struct pl_group_link second;
	struct pl_timer spin;
	struct pl_job *forgotten;
	size_t counted;
	void *leak;
	int fd;
} left;

const char *plant_name(enum plant p)
{
	return plants[p].name;
}

const char *plant_verdict(enum plant p)
{
	return plants[p].verdict;
}

bool plant_strikes(enum plant p)
{
	if (sim->options.plant != p || (left.struck && plants[p].one_in == 0))
		return false;
	sim->plant_random = sim_mix(sim->plant_random);
	if (sim->plant_random % (plants[p].one_in ? plants[p].one_in : 10) != 0)
		return false;
	left.struck = true;
	return true;
}

/* --- the group ---------------------------------------------------------------------------- */

void __real_pl_group_send(struct pl_group *g, struct pl_msg *m,
                          struct pl_line_receiver *speaker);
void __real_pl_group_send_but(struct pl_group *g, struct pl_msg *m,
                              struct pl_line_receiver *but);
void __real_pl_group_join(struct pl_group *g, struct pl_group_link *k,
                          struct pl_line_receiver *l);
void __real_pl_group_leave(struct pl_group_link *k);
void __real_pl_group_caught_up(struct pl_group_link *k);
void __real_pl_line_show(struct pl_line_receiver *l, const char *text, size_t len,
                         bool own);
void __real_chat_pick_name(struct chat *c, const char *wish, char name[CHAT_NAME_MAX + 1]);
ssize_t __real_pl_framer_feed(struct pl_framer *f, const char *data, size_t len,
                              pl_framed_fn *fn, void *arg);
void __wrap_pl_group_caught_up(struct pl_group_link *k);
void __wrap_pl_line_show(struct pl_line_receiver *l, const char *text, size_t len,
                         bool own);
void __wrap_chat_pick_name(struct chat *c, const char *wish, char name[CHAT_NAME_MAX + 1]);
ssize_t __wrap_pl_framer_feed(struct pl_framer *f, const char *data, size_t len,
                              pl_framed_fn *fn, void *arg);

/* To all but one, or by one of them. */
static void send_on(struct pl_group *g, struct pl_msg *m,
                    struct pl_line_receiver *speaker, struct pl_line_receiver *but)
{
	if (but)
		__real_pl_group_send_but(g, m, but);
	else
		__real_pl_group_send(g, m, speaker);
}

static void say_later(struct pl_group *g)
{
	if (left.later)
		send_on(g, left.later, left.later_by, NULL);
	pl_msg_unref(left.later);
	left.later = NULL;
}

void plant_group_send(struct pl_group *g, struct pl_msg *m,
                      struct pl_line_receiver *speaker, struct pl_line_receiver *but)
{
	if (plant_strikes(PLANT_SAID_TO_NOBODY))
		return;
	if (!left.later && !but && plant_strikes(PLANT_SAID_LATER)) {
		left.later = pl_msg_ref(m);
		left.later_by = speaker;
		return;
	}
	send_on(g, m, speaker, but);
	if (plant_strikes(PLANT_SAID_TWICE))
		send_on(g, m, speaker, but);
	say_later(g);
}

void plant_group_join(struct pl_group *g, struct pl_group_link *k,
                      struct pl_line_receiver *l)
{
	say_later(g); /* the newcomer should not hear it */
	__real_pl_group_join(g, k, l);
	if (plant_strikes(PLANT_JOINED_TWICE))
		__real_pl_group_join(g, &left.second, l);
	if (plant_strikes(PLANT_LEAK))
		left.leak = malloc(10);
	if (plant_strikes(PLANT_DESCRIPTOR_LEFT))
		left.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void forget_swapped(void)
{
	sim_free(left.swapped);
	left.swapped = NULL;
	left.swapped_for = NULL;
}

void plant_group_leave(struct pl_group_link *k)
{
	if (k->line && k->line == left.swapped_for)
		forget_swapped();
	if (!plant_strikes(PLANT_STAYS_IN_ROOM))
		__real_pl_group_leave(k);
}

void __wrap_pl_group_caught_up(struct pl_group_link *k)
{
	if (k->skipped && plant_strikes(PLANT_WRONG_COUNT))
		k->skipped++;
	__real_pl_group_caught_up(k);
}

static void show_swapped(struct pl_line_receiver *l, const char *text, size_t len, bool own)
{
	if (!left.swapped && !own && plant_strikes(PLANT_TWO_LINES_SWAPPED)) {
		left.swapped = sim_grow(NULL, len + 1);
		memcpy(left.swapped, text, len);
		left.swapped_len = len;
		left.swapped_for = l;
		return;
	}
	__real_pl_line_show(l, text, len, own);
	if (left.swapped_for != l)
		return;
	__real_pl_line_show(l, left.swapped, left.swapped_len, false);
	forget_swapped();
}

void __wrap_pl_line_show(struct pl_line_receiver *l, const char *text, size_t len, bool own)
{
	if (plant_strikes(PLANT_NOT_SHOWN))
		return;
	if (plant_strikes(PLANT_ESCAPE_PASSES))
		__real_pl_line_show(l, "\033[2J", 4, own);
	show_swapped(l, text, len, own);
}

void __wrap_chat_pick_name(struct chat *c, const char *wish, char name[CHAT_NAME_MAX + 1])
{
	__real_chat_pick_name(c, wish, name);
	if (c->people && plant_strikes(PLANT_SAME_NAME))
		memcpy(name, c->people->name, CHAT_NAME_MAX + 1);
}

struct framed {
	pl_framed_fn *fn;
	void *arg;
};

static bool framed(void *arg, const char *line, size_t len)
{
	const struct framed *f = arg;

	if (line && plant_strikes(PLANT_LINE_NOT_TAKEN))
		return true;
	if (line && plant_strikes(PLANT_LINE_TAKEN_TWICE))
		f->fn(f->arg, line, len);
	return f->fn(f->arg, line, len);
}

ssize_t __wrap_pl_framer_feed(struct pl_framer *f, const char *data, size_t len,
                              pl_framed_fn *fn, void *arg)
{
	struct framed real = { fn, arg };

	return __real_pl_framer_feed(f, data, len, framed, &real);
}

/* --- calls down ----------------------------------------------------------------------------- */

void __real_pl_write(struct pl_transport *t, const char *data, size_t len);
void __real_pl_lose(struct pl_transport *t);
void __real_pl_set_marks(struct pl_transport *t, const struct pl_marks *m);
void __real_pl_transport_input(struct pl_transport *t, const char *data, size_t len);
void __real_pl_transport_event(struct pl_transport *t, const struct pl_event *ev);
int __real_pl_transport_up(struct pl_transport *t, struct pl_factory *f);
void __real_pl_job_finished(struct pl_job *job);
void __wrap_pl_set_marks(struct pl_transport *t, const struct pl_marks *m);
void __wrap_pl_transport_input(struct pl_transport *t, const char *data, size_t len);
void __wrap_pl_transport_event(struct pl_transport *t, const struct pl_event *ev);
int __wrap_pl_transport_up(struct pl_transport *t, struct pl_factory *f);
void __wrap_pl_job_finished(struct pl_job *job);

static void spin(struct pl_timer *t)
{
	pl_call_later(sim->reactor, t, 0);
}

static void write_when_closed(struct pl_transport *t, const char *data, size_t len)
{
	t->state = PL_TRANSPORT_OPEN;
	__real_pl_write(t, data, len);
	t->state = PL_TRANSPORT_CLOSING;
}

static uint64_t real_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

void plant_write(struct pl_transport *t, const char *data, size_t len)
{
	if (plant_strikes(PLANT_BYTES_LOST))
		return;
	if (t->state == PL_TRANSPORT_CLOSING && t->protocol && !t->half_closed &&
	    !sim->ending && plant_strikes(PLANT_WRITES_WHEN_CLOSED)) {
		write_when_closed(t, data, len);
		return;
	}
	__real_pl_write(t, data, len);
	if (plant_strikes(PLANT_BYTES_TWICE))
		__real_pl_write(t, data, len);
	if (t->protocol && plant_strikes(PLANT_CALL_UP_IN_CALL_DOWN))
		t->protocol->ops->event(t->protocol,
		                        &(struct pl_event){ .type = PL_EVENT_BREAK });
	if (plant_strikes(PLANT_ENDED_FOR_NOTHING))
		pl_transport_down(t, -ETIMEDOUT);
	if (plant_strikes(PLANT_SPIN)) {
		left.spin = (struct pl_timer){ .fn = spin };
		spin(&left.spin);
	}
	if (plant_strikes(PLANT_REAL_CLOCK))
		sim_note(NULL, "the clock says", real_clock());
}

void __wrap_pl_transport_input(struct pl_transport *t, const char *data, size_t len)
{
	if (t->state == PL_TRANSPORT_CLOSING && plant_strikes(PLANT_DATA_AFTER_LOSE))
		t->protocol->ops->data_received(t->protocol, data, len);
	else
		__real_pl_transport_input(t, data, len);
}

void __wrap_pl_transport_event(struct pl_transport *t, const struct pl_event *ev)
{
	if (ev->type == PL_EVENT_EOF && plant_strikes(PLANT_NO_EOF)) {
		t->eof = true;
		__real_pl_lose(t);
		return;
	}
	__real_pl_transport_event(t, ev);
}

/* Marks that are the same but for what strikes: a copy for each that there is. */
void __wrap_pl_set_marks(struct pl_transport *t, const struct pl_marks *m)
{
	static struct {
		const struct pl_marks *of;
		struct pl_marks marks;
	} copies[8];
	const bool no_marks = plant_strikes(PLANT_NO_MARKS);
	size_t i = 0;

	if (!no_marks && !plant_strikes(PLANT_NO_AGE)) {
		__real_pl_set_marks(t, m);
		return;
	}
	while (copies[i].of && copies[i].of != m)
		i++;
	copies[i].of = m;
	copies[i].marks = *m;
	if (no_marks)
		copies[i].marks.high = copies[i].marks.hard = 16 * 1024 * 1024;
	else
		copies[i].marks.age_ms = 0;
	__real_pl_set_marks(t, &copies[i].marks);
}

int __wrap_pl_transport_up(struct pl_transport *t, struct pl_factory *f)
{
	struct pl_reactor *r = t->reactor;
	const int code = __real_pl_transport_up(t, f);

	if (plant_strikes(PLANT_CONNECTION_COUNTED_TWICE)) {
		r->connections++;
		left.counted++;
	}
	return code;
}

void __wrap_pl_job_finished(struct pl_job *job)
{
	if (plant_strikes(PLANT_JOB_FORGOTTEN))
		left.forgotten = job;
	else
		__real_pl_job_finished(job);
}

/* --- calls up --------------------------------------------------------------------------------- */

static void made(struct pl_protocol *p)
{
	watch_made(p);
	if (plant_strikes(PLANT_MADE_TWICE))
		watch_made(p);
}

struct call {
	struct pl_protocol *p;
	const char *data;
	size_t len;
};

static void *call_data(void *arg)
{
	const struct call *c = arg;

	watch_data(c->p, c->data, c->len);
	return NULL;
}

static void data(struct pl_protocol *p, const char *bytes, size_t len)
{
	struct call c = { p, bytes, len };
	pthread_t thread;

	if (plant_strikes(PLANT_OTHER_THREAD) &&
	    pthread_create(&thread, NULL, call_data, &c) == 0)
		pthread_join(thread, NULL);
	else
		watch_data(p, bytes, len);
}

static void lost(struct pl_protocol *p, int reason)
{
	struct pl_transport *t = p->transport;

	if (plant_strikes(PLANT_TRANSPORT_GONE))
		p->transport = NULL;
	watch_lost(p, reason);
	p->transport = t;
	if (plant_strikes(PLANT_LOST_TWICE))
		watch_lost(p, reason);
}

static void paused(struct pl_protocol *p)
{
	watch_pause(p);
	if (plant_strikes(PLANT_PAUSED_TWICE))
		watch_pause(p);
}

static void event(struct pl_protocol *p, const struct pl_event *ev)
{
	watch_event(p, ev);
	if (ev->type == PL_EVENT_EOF && plant_strikes(PLANT_EOF_TWICE))
		watch_event(p, ev);
}

const struct pl_protocol_ops plant_ops = {
	.connection_made = made,
	.data_received = data,
	.connection_lost = lost,
	.pause_writing = paused,
	.resume_writing = watch_resume,
	.event = event,
};

/* --- a run -------------------------------------------------------------------------------------- */

void plants_begin(void)
{
	memset(&left, 0, sizeof left);
	left.fd = -1;
}

void plants_mend(void)
{
	pl_msg_unref(left.later);
	left.later = NULL;
	forget_swapped();
	pl_timer_cancel(&left.spin);
	if (left.second.group)
		__real_pl_group_leave(&left.second);
	sim->reactor->connections -= left.counted;
	left.counted = 0;
}

void plants_end(void)
{
	free(left.leak);
	left.leak = NULL;
	if (left.fd >= 0)
		close(left.fd);
	left.fd = -1;
	if (left.forgotten)
		left.forgotten->discard(left.forgotten);
	left.forgotten = NULL;
}
