/* thread_test.c: what thread.h promises, with real threads.
 *
 * Nothing waits by the clock: threads wait for pipes and the reactor for threads.  A
 * broken promise shows as a wrong result or as a test that never ends. */
#include "cmocka_all.h"
#include "world.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <partyline/thread.h>

struct stage {
	struct pl_reactor *reactor;
	pthread_t thread; /* the reactor's */
	int descriptors;
	char log[500];
};

static int setup(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	s->descriptors = open_descriptors();
	s->reactor = pl_reactor_create(NULL);
	s->thread = pthread_self();
	*state = s;
	return s->reactor ? 0 : -1;
}

static int teardown(void **state)
{
	struct stage *s = *state;
	int before = s->descriptors;

	pl_reactor_destroy(s->reactor);
	free(s);
	return open_descriptors() == before ? 0 : -1;
}

static void note(struct stage *s, const char *word)
{
	size_t used = strlen(s->log);

	snprintf(s->log + used, sizeof(s->log) - used, "%s%s", used ? " " : "", word);
}

/* --- calls ----------------------------------------------------------------------- */

enum { CALLERS = 4, CALLS = 1000 };

struct caller {
	pthread_t thread;
	struct calls *calls;
	unsigned number, made;
	unsigned heard; /* by the reactor */
};

struct calls {
	struct pl_reactor *reactor;
	pthread_t reactor_thread;
	struct caller callers[CALLERS];
	unsigned heard, out_of_order, elsewhere;
};

struct one_call {
	struct caller *caller;
	unsigned number;
};

static int hear_call(void *arg)
{
	struct one_call *call = arg;
	struct calls *c = call->caller->calls;

	if (call->number != call->caller->heard++)
		c->out_of_order++;
	if (!pthread_equal(pthread_self(), c->reactor_thread))
		c->elsewhere++;
	free(call);
	if (++c->heard == CALLERS * CALLS)
		pl_reactor_stop(c->reactor);
	return 0;
}

static void *make_calls(void *arg)
{
	struct caller *caller = arg;

	for (unsigned i = 0; i < CALLS; i++) {
		struct one_call *call = malloc(sizeof(*call));

		*call = (struct one_call){ caller, i };
		if (pl_call_from_thread(caller->calls->reactor, hear_call, call) == 0)
			caller->made++;
		else
			free(call);
	}
	return NULL;
}

static void calls_from_many_threads_run_once_each_in_order_on_the_reactors_thread(void **state)
{
	struct stage *s = *state;
	struct calls c = { .reactor = s->reactor, .reactor_thread = pthread_self() };

	for (unsigned i = 0; i < CALLERS; i++) {
		c.callers[i] = (struct caller){ .calls = &c, .number = i };
		pthread_create(&c.callers[i].thread, NULL, make_calls, &c.callers[i]);
	}
	assert_int_equal(pl_reactor_run(s->reactor), 0);
	for (unsigned i = 0; i < CALLERS; i++)
		pthread_join(c.callers[i].thread, NULL);
	for (unsigned i = 0; i < CALLERS; i++) {
		assert_int_equal(c.callers[i].made, CALLS);
		assert_int_equal(c.callers[i].heard, CALLS);
	}
	assert_int_equal(c.out_of_order, 0);
	assert_int_equal(c.elsewhere, 0);
}

static int note_and_call_again(void *arg)
{
	struct stage *s = arg;

	note(s, "called");
	if (strlen(s->log) < 10)
		pl_call_from_thread(s->reactor, note_and_call_again, s);
	return 0;
}

static void a_call_from_the_reactors_own_thread_waits_for_a_later_turn(void **state)
{
	struct stage *s = *state;

	assert_int_equal(pl_call_from_thread(s->reactor, note_and_call_again, s), 0);
	assert_string_equal(s->log, "");
	pl_reactor_turn(s->reactor, -1);
	assert_string_equal(s->log, "called"); /* not the one it asked for itself */
	pl_reactor_turn(s->reactor, -1);
	assert_string_equal(s->log, "called called");
}

struct question {
	struct pl_reactor *reactor;
	int asked, answer;
	bool elsewhere;
	pthread_t reactor_thread;
};

static int answer_question(void *arg)
{
	struct question *q = arg;

	q->elsewhere = !pthread_equal(pthread_self(), q->reactor_thread);
	return q->asked + 1;
}

static void *ask(void *arg)
{
	struct question *q = arg;

	q->answer = pl_blocking_call_from_thread(q->reactor, answer_question, q);
	pl_reactor_stop(q->reactor);
	return NULL;
}

static void a_blocking_call_returns_what_the_function_did(void **state)
{
	struct stage *s = *state;
	struct question q = { .reactor = s->reactor,
		              .asked = 41,
		              .reactor_thread = pthread_self() };
	pthread_t thread;

	pthread_create(&thread, NULL, ask, &q);
	assert_int_equal(pl_reactor_run(s->reactor), 0);
	pthread_join(thread, NULL);
	assert_int_equal(q.answer, 42);
	assert_false(q.elsewhere);
}

static int never(void *arg)
{
	note(arg, "never");
	return 0;
}

static void calls_are_cancelled_once_the_reactor_has_stopped(void **state)
{
	struct stage *s = *state;

	pl_reactor_stop(s->reactor);
	assert_int_equal(pl_reactor_run(s->reactor), 0);
	assert_int_equal(pl_call_from_thread(s->reactor, never, s), -ECANCELED);
	assert_int_equal(pl_blocking_call_from_thread(s->reactor, never, s), -ECANCELED);
	assert_string_equal(s->log, "");
}

static int stop_in_call(void *arg)
{
	struct stage *s = arg;

	note(s, "stop");
	pl_reactor_stop(s->reactor);
	/* Accepted, and not run before the end: dropped. */
	if (pl_call_from_thread(s->reactor, never, s) != 0)
		note(s, "refused");
	return 0;
}

static void what_was_accepted_but_not_run_before_the_end_is_dropped(void **state)
{
	struct stage *s = *state;

	assert_int_equal(pl_call_from_thread(s->reactor, stop_in_call, s), 0);
	assert_int_equal(pl_reactor_run(s->reactor), 0);
	assert_string_equal(s->log, "stop");
}

static void *ask_in_vain(void *arg)
{
	struct question *q = arg;

	q->answer = pl_blocking_call_from_thread(q->reactor, answer_question, q);
	return NULL;
}

/* The reactor is stopped before it runs: the call is refused, or is waiting and given up. */
static void a_blocking_call_that_waits_is_cancelled_when_the_reactor_stops(void **state)
{
	struct stage *s = *state;

	for (int round = 0; round < 200; round++) {
		struct question q = { .reactor = s->reactor,
			              .asked = 1,
			              .reactor_thread = pthread_self() };
		pthread_t thread;

		pl_reactor_stop(s->reactor);
		pthread_create(&thread, NULL, ask_in_vain, &q);
		assert_int_equal(pl_reactor_run(s->reactor), 0);
		pthread_join(thread, NULL);
		assert_int_equal(q.answer, -ECANCELED);
	}
}

/* --- jobs ------------------------------------------------------------------------ */

struct task {
	struct pl_job job;
	struct pl_step step;
	struct stage *stage;
	char letter;
	int status;
	int wait_fd;  /* read one byte before the end; -1: do not */
	int begun_fd; /* write one byte at the beginning; -1: do not */
	int discarded_fd;
	bool elsewhere; /* the step ran on a wrong thread, or run on the reactor's */
	bool ran, stepped;
	void *value;
	bool stop; /* the reactor, in the step */
};

static void write_letter(int fd, char letter)
{
	if (fd >= 0 && write(fd, &letter, 1) != 1)
		abort();
}

static char read_letter(int fd)
{
	char letter;

	if (read(fd, &letter, 1) != 1)
		abort();
	return letter;
}

static int run_task(struct pl_job *job)
{
	struct task *t = pl_container_of(job, struct task, job);

	if (pthread_equal(pthread_self(), t->stage->thread))
		t->elsewhere = true;
	write_letter(t->begun_fd, t->letter);
	if (t->wait_fd >= 0)
		read_letter(t->wait_fd);
	t->ran = true;
	return t->status;
}

static void discard_task(struct pl_job *job)
{
	struct task *t = pl_container_of(job, struct task, job);
	int fd = t->discarded_fd;
	char letter = t->letter;

	free(t);
	write_letter(fd, letter);
}

static struct pl_result finish_task(struct pl_step *step, struct pl_result in)
{
	struct task *t = pl_container_of(step, struct task, step);
	char word[20];

	t->stepped = true;
	t->value = in.value;
	if (!pthread_equal(pthread_self(), t->stage->thread))
		t->elsewhere = true;
	snprintf(word, sizeof(word), "%c%d", t->letter, in.status);
	note(t->stage, word);
	if (t->stop)
		pl_reactor_stop(t->stage->reactor);
	return in;
}

static struct task *task_new(struct stage *s, char letter)
{
	struct task *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	t->job.run = run_task;
	t->job.discard = discard_task;
	t->step.on_value = t->step.on_failure = finish_task;
	t->stage = s;
	t->letter = letter;
	t->wait_fd = t->begun_fd = t->discarded_fd = -1;
	return t;
}

static void submit(struct task *t, struct pl_worker *w)
{
	struct pl_deferred *d = pl_defer_to_thread(t->stage->reactor, w, &t->job);

	assert_non_null(d);
	pl_deferred_add(d, &t->step);
}

static void a_job_runs_on_a_thread_and_its_result_comes_back(void **state)
{
	struct stage *s = *state;
	struct task *a = task_new(s, 'a');

	a->stop = true;
	submit(a, NULL);
	assert_string_equal(s->log, "");
	assert_int_equal(pl_reactor_run(s->reactor), 0);
	assert_string_equal(s->log, "a0");
	assert_ptr_equal(a->value, &a->job);
	assert_false(a->elsewhere);
	free(a);
}

static void a_job_that_fails_brings_a_failure_and_itself(void **state)
{
	struct stage *s = *state;
	struct task *a = task_new(s, 'a');

	a->stop = true;
	a->status = -EIO;
	submit(a, NULL);
	assert_int_equal(pl_reactor_run(s->reactor), 0);
	assert_string_equal(s->log, "a-5");
	assert_ptr_equal(a->value, &a->job); /* somebody has to free it */
	free(a);
}

static void a_worker_with_one_thread_does_its_jobs_in_order(void **state)
{
	struct stage *s = *state;
	struct pl_worker *w = pl_worker_create(s->reactor, 1);
	struct task *tasks[20];

	assert_non_null(w);
	for (int i = 0; i < 20; i++) {
		tasks[i] = task_new(s, (char)('a' + i));
		tasks[i]->stop = i == 19;
		submit(tasks[i], w);
	}
	assert_int_equal(pl_reactor_run(s->reactor), 0);
	assert_string_equal(s->log,
	                    "a0 b0 c0 d0 e0 f0 g0 h0 i0 j0 k0 l0 m0 n0 o0 p0 q0 r0 s0 t0");
	for (int i = 0; i < 20; i++)
		free(tasks[i]);
	pl_worker_destroy(w);
}

/* All four have to be under way at once for any to end. */
static void a_worker_uses_as_many_threads_as_it_may_and_no_more(void **state)
{
	struct stage *s = *state;
	struct pl_worker *w = pl_worker_create(s->reactor, 4);
	struct task *tasks[6];
	int gate[2], begun[2];
	char letters[6];

	assert_int_equal(pipe(gate), 0);
	assert_int_equal(pipe(begun), 0);
	for (int i = 0; i < 6; i++) {
		tasks[i] = task_new(s, (char)('a' + i));
		tasks[i]->wait_fd = gate[0];
		tasks[i]->begun_fd = begun[1];
		submit(tasks[i], w);
	}
	for (int i = 0; i < 4; i++)
		letters[i] = read_letter(begun[0]);
	for (int i = 0; i < 4; i++)
		assert_in_range(letters[i], 'a', 'd'); /* the others wait */
	for (int i = 0; i < 6; i++)
		write_letter(gate[1], 'x');
	while (strlen(s->log) < 6 * 3 - 1)
		assert_int_equal(pl_reactor_turn(s->reactor, -1), 0);
	for (int i = 0; i < 6; i++) {
		assert_true(tasks[i]->stepped);
		free(tasks[i]);
	}
	pl_worker_destroy(w);
	for (int i = 0; i < 2; i++) {
		close(gate[i]);
		close(begun[i]);
	}
}

static void jobs_of_a_burst_do_not_wait_for_each_other(void **state)
{
	struct stage *s = *state;
	struct pl_worker *w = pl_worker_create(s->reactor, 4);
	struct task *tasks[4];
	int gate[2], begun[2];

	assert_int_equal(pipe(gate), 0);
	assert_int_equal(pipe(begun), 0);
	tasks[0] = task_new(s, 'a'); /* leaves an idle thread, on which all might count */
	submit(tasks[0], w);
	while (!tasks[0]->stepped)
		assert_int_equal(pl_reactor_turn(s->reactor, -1), 0);
	for (int i = 1; i < 4; i++) {
		tasks[i] = task_new(s, (char)('a' + i));
		tasks[i]->wait_fd = gate[0];
		tasks[i]->begun_fd = begun[1];
		submit(tasks[i], w);
	}
	for (int i = 1; i < 4; i++)
		read_letter(begun[0]); /* each has begun, and none has ended */
	for (int i = 1; i < 4; i++)
		write_letter(gate[1], 'x');
	while (!tasks[1]->stepped || !tasks[2]->stepped || !tasks[3]->stepped)
		assert_int_equal(pl_reactor_turn(s->reactor, -1), 0);
	for (int i = 0; i < 4; i++)
		free(tasks[i]);
	pl_worker_destroy(w);
	for (int i = 0; i < 2; i++) {
		close(gate[i]);
		close(begun[i]);
	}
}

static int run_nothing(struct pl_job *job)
{
	(void)job;
	return 0;
}

static void discard_job(struct pl_job *job)
{
	free(job);
}

static void a_step_waits_for_nothing_once_its_worker_is_destroyed(void **state)
{
	struct stage *s = *state;
	struct pl_worker *w = pl_worker_create(s->reactor, 1);
	struct pl_step steps[3] = { { .at = NULL } };

	for (int i = 0; i < 3; i++) {
		struct pl_job *job = calloc(1, sizeof *job);

		assert_non_null(job);
		job->run = run_nothing;
		job->discard = discard_job;
		pl_deferred_add(pl_defer_to_thread(s->reactor, w, job), &steps[i]);
		assert_non_null(steps[i].at);
	}
	pl_worker_destroy(w); /* queued, running or finished: nobody knows */
	for (int i = 0; i < 3; i++) {
		assert_null(steps[i].at);
		pl_step_cancel(&steps[i]);
	}
}

static void one_stuck_worker_does_not_hold_up_another(void **state)
{
	struct stage *s = *state;
	struct pl_worker *stuck = pl_worker_create(s->reactor, 1),
			 *free_one = pl_worker_create(s->reactor, 1);
	struct task *a = task_new(s, 'a'), *b = task_new(s, 'b'), *c = task_new(s, 'c');
	int gate[2];

	assert_int_equal(pipe(gate), 0);
	a->wait_fd = gate[0];
	submit(a, stuck);
	submit(b, free_one);
	submit(c, NULL);
	while (!b->stepped || !c->stepped)
		assert_int_equal(pl_reactor_turn(s->reactor, -1), 0);
	assert_false(a->stepped);
	write_letter(gate[1], 'x');
	while (!a->stepped)
		assert_int_equal(pl_reactor_turn(s->reactor, -1), 0);
	pl_worker_destroy(stuck);
	pl_worker_destroy(free_one);
	close(gate[0]);
	close(gate[1]);
	free(a);
	free(b);
	free(c);
}

/* --- jobs that nobody waits for any more ----------------------------------------- */

/* Pipes: a gate before the end of a job, its beginning, and its being discarded. */
struct pipes {
	int gate[2], begun[2], discarded[2];
};

static void pipes_open(struct pipes *p)
{
	if (pipe(p->gate) < 0 || pipe(p->begun) < 0 || pipe(p->discarded) < 0)
		abort();
}

static void pipes_close(struct pipes *p)
{
	for (int i = 0; i < 2; i++) {
		close(p->gate[i]);
		close(p->begun[i]);
		close(p->discarded[i]);
	}
}

static struct task *task_at_gate(struct stage *s, char letter, const struct pipes *p)
{
	struct task *t = task_new(s, letter);

	t->wait_fd = p->gate[0];
	t->begun_fd = p->begun[1];
	t->discarded_fd = p->discarded[1];
	return t;
}

/* Turns until something has been written into a pipe. */
static void turn_until_readable(struct stage *s, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	while (poll(&p, 1, 0) == 0)
		pl_reactor_turn(s->reactor, 1);
}

static void a_cancelled_job_is_discarded_and_its_step_does_not_run(void **state)
{
	struct stage *s = *state;
	struct pl_worker *w = pl_worker_create(s->reactor, 1);
	struct pipes p;
	struct task *running, *waiting;

	pipes_open(&p);
	running = task_at_gate(s, 'r', &p);
	waiting = task_at_gate(s, 'w', &p);
	submit(running, w);
	submit(waiting, w);
	read_letter(p.begun[0]);
	pl_step_cancel(&running->step);
	pl_step_cancel(&waiting->step);
	write_letter(p.gate[1], 'x');
	write_letter(p.gate[1], 'x');
	turn_until_readable(s, p.discarded[0]);
	assert_int_equal(read_letter(p.discarded[0]), 'r');
	turn_until_readable(s, p.discarded[0]);
	assert_int_equal(read_letter(p.discarded[0]), 'w');
	assert_string_equal(s->log, "");
	pl_worker_destroy(w);
	pipes_close(&p);
}

static void a_finished_job_cancelled_before_it_was_handed_over_is_discarded(void **state)
{
	struct stage *s = *state;
	struct pl_worker *w = pl_worker_create(s->reactor, 1);
	struct pipes p;
	struct task *a, *b;

	pipes_open(&p);
	a = task_at_gate(s, 'a', &p);
	b = task_at_gate(s, 'b', &p);
	submit(a, w);
	submit(b, w);
	write_letter(p.gate[1], 'x');
	read_letter(p.begun[0]);
	read_letter(p.begun[0]); /* b has begun: a has ended, and no turn has run */
	pl_step_cancel(&a->step);
	turn_until_readable(s, p.discarded[0]);
	assert_int_equal(read_letter(p.discarded[0]), 'a');
	write_letter(p.gate[1], 'x');
	while (!b->stepped)
		pl_reactor_turn(s->reactor, -1);
	assert_string_equal(s->log, "b0");
	free(b);
	pl_worker_destroy(w);
	pipes_close(&p);
}

static void destroying_a_worker_does_not_wait_for_a_stuck_job(void **state)
{
	struct stage *s = *state;
	struct pl_worker *w = pl_worker_create(s->reactor, 1);
	struct pipes p;

	pipes_open(&p);
	submit(task_at_gate(s, 'a', &p), w);
	submit(task_at_gate(s, 'b', &p), w); /* not begun: it is run all the same */
	assert_int_equal(read_letter(p.begun[0]), 'a');
	pl_worker_destroy(w);
	pl_reactor_turn(s->reactor, 0);
	write_letter(p.gate[1], 'x');
	assert_int_equal(read_letter(p.discarded[0]), 'a');
	assert_int_equal(read_letter(p.begun[0]), 'b');
	write_letter(p.gate[1], 'x');
	assert_int_equal(read_letter(p.discarded[0]), 'b');
	assert_string_equal(s->log, "");
	pipes_close(&p);
}

static void what_a_destroyed_worker_had_brought_is_discarded(void **state)
{
	struct stage *s = *state;
	struct pl_worker *w = pl_worker_create(s->reactor, 1);
	struct pipes p;

	pipes_open(&p);
	submit(task_at_gate(s, 'a', &p), w);
	submit(task_at_gate(s, 'b', &p), w);
	write_letter(p.gate[1], 'x');
	read_letter(p.begun[0]);
	read_letter(p.begun[0]); /* a has ended */
	pl_worker_destroy(w);
	assert_int_equal(read_letter(p.discarded[0]), 'a');
	write_letter(p.gate[1], 'x');
	assert_int_equal(read_letter(p.discarded[0]), 'b');
	pl_reactor_turn(s->reactor, 0);
	assert_string_equal(s->log, "");
	pipes_close(&p);
}

static void destroying_the_reactor_does_not_wait_for_a_stuck_job(void **state)
{
	struct stage *s = *state;
	struct pipes p;

	pipes_open(&p);
	submit(task_at_gate(s, 'a', &p), NULL);
	submit(task_at_gate(s, 'b', &p), pl_worker_create(s->reactor, 1));
	read_letter(p.begun[0]);
	read_letter(p.begun[0]);
	pl_reactor_destroy(s->reactor);
	s->reactor = NULL;
	write_letter(p.gate[1], 'x');
	write_letter(p.gate[1], 'x');
	read_letter(p.discarded[0]);
	read_letter(p.discarded[0]);
	assert_string_equal(s->log, "");
	pipes_close(&p);
}

static void destroying_no_worker_is_nothing(void **state)
{
	(void)state;
	pl_worker_destroy(NULL);
}

struct chained {
	struct pl_step step;
	struct task *task;
	struct pl_worker *destroys;
};

static struct pl_result destroy_worker(struct pl_step *step, struct pl_result in)
{
	struct chained *c = pl_container_of(step, struct chained, step);

	pl_worker_destroy(c->destroys);
	note(c->task->stage, "destroyed");
	pl_reactor_stop(c->task->stage->reactor);
	return in;
}

static void a_step_may_destroy_its_worker(void **state)
{
	struct stage *s = *state;
	struct chained c = { .step.on_value = destroy_worker, .task = task_new(s, 'a') };
	struct pl_deferred *d;

	c.destroys = pl_worker_create(s->reactor, 2);
	d = pl_defer_to_thread(s->reactor, c.destroys, &c.task->job);
	pl_deferred_add(d, &c.step);
	assert_int_equal(pl_reactor_run(s->reactor), 0);
	assert_string_equal(s->log, "destroyed");
	free(c.task);
}

/* --- another world's threads ----------------------------------------------------- */

struct desk {
	struct pl_job *jobs[8];
	int n, code;
};

static int desk_submit(void *ctx, struct pl_job *job)
{
	struct desk *d = ctx;

	if (d->code)
		return d->code;
	d->jobs[d->n++] = job;
	return 0;
}

static uint64_t zero_now(void *ctx)
{
	(void)ctx;
	return 0;
}

static int short_poll(void *ctx, struct pollfd *fds, nfds_t n, int timeout_ms)
{
	(void)ctx;
	(void)timeout_ms;
	return poll(fds, n, 0);
}

static void a_platform_runs_the_jobs_in_any_order_it_likes(void **state)
{
	struct stage *s = *state;
	struct desk desk = { .n = 0 };
	struct pl_platform platform = {
		.now = zero_now, .poll = short_poll, .submit = desk_submit, .ctx = &desk
	};
	struct task *a = task_new(s, 'a'), *b = task_new(s, 'b');
	struct pl_reactor *real = s->reactor;

	s->reactor = pl_reactor_create(&platform);
	submit(a, NULL);
	submit(b, NULL);
	pl_reactor_turn(s->reactor, 0);
	assert_string_equal(s->log, "");
	assert_int_equal(desk.n, 2);
	for (int i = 1; i >= 0; i--) {
		pl_job_run(desk.jobs[i]);
		pl_job_finished(desk.jobs[i]);
	}
	assert_string_equal(s->log, "");
	pl_reactor_turn(s->reactor, 0);
	assert_string_equal(s->log, "b0 a0");
	pl_reactor_destroy(s->reactor);
	s->reactor = real;
	free(a);
	free(b);
}

static void a_job_that_no_thread_takes_is_left_to_its_owner(void **state)
{
	struct stage *s = *state;
	struct desk desk = { .code = -EAGAIN };
	struct pl_platform platform = {
		.now = zero_now, .poll = short_poll, .submit = desk_submit, .ctx = &desk
	};
	struct pl_reactor *r = pl_reactor_create(&platform);
	struct task *a = task_new(s, 'a');

	assert_null(pl_defer_to_thread(r, NULL, &a->job));
	pl_reactor_turn(r, 0);
	pl_reactor_destroy(r);
	free(a); /* discard was not called */
}

static void in_a_world_a_job_runs_at_once_and_comes_back_in_a_later_turn(void **state)
{
	struct stage *s = *state;
	struct pl_world *w = pl_world_create(1);
	struct task *a = task_new(s, 'a');
	struct pl_reactor *real = s->reactor;

	s->reactor = pl_world_reactor(w);
	submit(a, pl_worker_create(s->reactor, 1));
	assert_true(a->ran);
	assert_string_equal(s->log, "");
	pl_world_settle(w);
	assert_string_equal(s->log, "a0");
	pl_world_destroy(w);
	s->reactor = real;
	free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(calls_from_many_threads_run_once_each_in_order_on_the_reactors_thread),
		T(a_call_from_the_reactors_own_thread_waits_for_a_later_turn),
		T(a_blocking_call_returns_what_the_function_did),
		T(calls_are_cancelled_once_the_reactor_has_stopped),
		T(what_was_accepted_but_not_run_before_the_end_is_dropped),
		T(a_blocking_call_that_waits_is_cancelled_when_the_reactor_stops),
		T(a_job_runs_on_a_thread_and_its_result_comes_back),
		T(a_job_that_fails_brings_a_failure_and_itself),
		T(a_worker_with_one_thread_does_its_jobs_in_order),
		T(a_worker_uses_as_many_threads_as_it_may_and_no_more),
		T(jobs_of_a_burst_do_not_wait_for_each_other),
		T(a_step_waits_for_nothing_once_its_worker_is_destroyed),
		T(one_stuck_worker_does_not_hold_up_another),
		T(a_cancelled_job_is_discarded_and_its_step_does_not_run),
		T(a_finished_job_cancelled_before_it_was_handed_over_is_discarded),
		T(destroying_a_worker_does_not_wait_for_a_stuck_job),
		T(what_a_destroyed_worker_had_brought_is_discarded),
		T(destroying_the_reactor_does_not_wait_for_a_stuck_job),
		T(destroying_no_worker_is_nothing),
		T(a_step_may_destroy_its_worker),
		T(a_platform_runs_the_jobs_in_any_order_it_likes),
		T(a_job_that_no_thread_takes_is_left_to_its_owner),
		T(in_a_world_a_job_runs_at_once_and_comes_back_in_a_later_turn),
	};

	return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
