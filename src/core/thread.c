/* thread.c: threads that do what blocks, and the mailbox through which it comes back.
 *
 * A worker is a queue of jobs and up to so many threads that take from it; the reactor's
 * pool is a worker like any other.  A thread never touches the reactor except through its
 * mailbox: finished jobs and calls, under one lock, announced by the wake-up pipe.  A
 * worker is counted (its threads and its owner hold it), so that its owner can leave while
 * a thread still hangs in a system call: `reactor` is NULL from then on, and what the
 * thread brings is discarded where it is.  Locks are taken in the order worker, reactor. */
#include "core.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* Enough for password hashing beside a database on a small machine. */
#define POOL_THREADS 4

struct pl_worker {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct pl_reactor *reactor; /* NULL: nobody waits for results */
	struct pl_job *first, **last;
	unsigned threads, idle, queued, max_threads, refs;
	struct pl_worker *next, **link; /* the reactor's workers; its thread only */
};

struct pl_call {
	pl_call_fn *fn;
	void *arg;
	struct pl_call *next;
	bool blocking; /* lives on the stack of a thread that waits for `done` */
	bool done;
	int result;
	pthread_mutex_t lock;
	pthread_cond_t answered;
};

/* A lock and what is waited for under it; 0 or a negative errno. */
static int make_lock(pthread_mutex_t *lock, pthread_cond_t *cond)
{
	int code = pthread_mutex_init(lock, NULL);

	if (code)
		return -code;
	code = pthread_cond_init(cond, NULL);
	if (code)
		pthread_mutex_destroy(lock);
	return -code;
}

/* --- jobs --------------------------------------------------------------------------- */

void pl_job_run(struct pl_job *job)
{
	job->status = job->run(job);
}

void pl_job_finished(struct pl_job *job)
{
	struct pl_reactor *r = job->reactor;

	job->next = NULL;
	pthread_mutex_lock(&r->lock);
	*r->finished_last = job;
	r->finished_last = &job->next;
	atomic_store(&r->mail, true);
	/* Inside the lock: behind it the reactor may be gone. */
	pl_reactor_wake(r);
	pthread_mutex_unlock(&r->lock);
}

static void abandon(struct pl_deferred *d)
{
	pl_container_of(d, struct pl_job, deferred)->abandoned = true;
}

static void open_job(struct pl_reactor *r, struct pl_job *job)
{
	job->open_next = r->open_jobs;
	job->open_link = &r->open_jobs;
	if (job->open_next)
		job->open_next->open_link = &job->open_next;
	r->open_jobs = job;
}

static void close_job(struct pl_job *job)
{
	*job->open_link = job->open_next;
	if (job->open_next)
		job->open_next->open_link = job->open_link;
}

static void hand_over(struct pl_job *job)
{
	close_job(job);
	if (job->abandoned)
		job->discard(job);
	else
		pl_deferred_fire(&job->deferred,
		                 (struct pl_result){ job->status, job, NULL });
}

struct pl_deferred *pl_defer_to_thread(struct pl_reactor *r, struct pl_worker *w,
                                       struct pl_job *job)
{
	int code;

	if (!w && !r->pool)
		r->pool = pl_worker_create(r, POOL_THREADS);
	job->reactor = r;
	job->worker = w ? w : r->pool;
	job->status = 0;
	job->abandoned = false;
	pl_deferred_init(&job->deferred, abandon);
	if (!job->worker)
		return NULL;
	open_job(r, job);
	code = r->os.submit ? r->os.submit(r->os.ctx, job) : pl_threads_submit(job);
	if (!code)
		return &job->deferred;
	close_job(job);
	return NULL;
}

/* --- workers ------------------------------------------------------------------------- */

/* Called with the lock held; gives it up. */
static void unref(struct pl_worker *w)
{
	const bool last = --w->refs == 0;

	pthread_mutex_unlock(&w->lock);
	if (!last)
		return;
	pthread_cond_destroy(&w->more);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

static void *work(void *arg)
{
	struct pl_worker *w = arg;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (!w->first && w->reactor) {
			w->idle++;
			pthread_cond_wait(&w->more, &w->lock);
			w->idle--;
		}
		struct pl_job *job = w->first;

		if (!job)
			break;
		w->first = job->next;
		if (!w->first)
			w->last = &w->first;
		w->queued--;
		pthread_mutex_unlock(&w->lock);
		pl_job_run(job);
		pthread_mutex_lock(&w->lock);
		if (w->reactor) {
			pl_job_finished(job); /* the lock keeps the reactor alive */
		} else {
			pthread_mutex_unlock(&w->lock);
			job->discard(job);
			pthread_mutex_lock(&w->lock);
		}
	}
	w->threads--;
	unref(w);
	return NULL;
}

static int start_thread(struct pl_worker *w)
{
	pthread_t thread;
	sigset_t all, before;
	int code;

	/* Signals are the reactor's affair. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	code = pthread_create(&thread, NULL, work, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (code)
		return -code;
	pthread_detach(thread);
	w->threads++;
	w->refs++;
	return 0;
}

int pl_threads_submit(struct pl_job *job)
{
	struct pl_worker *w = job->worker;
	int code = 0;

	pthread_mutex_lock(&w->lock);
	/* A thread that was woken for an earlier job still counts as idle. */
	if (w->idle <= w->queued && w->threads < w->max_threads)
		code = start_thread(w);
	if (!w->threads) {
		pthread_mutex_unlock(&w->lock);
		return code;
	}
	job->next = NULL;
	*w->last = job;
	w->last = &job->next;
	w->queued++;
	pthread_cond_signal(&w->more);
	pthread_mutex_unlock(&w->lock);
	return 0;
}

struct pl_worker *pl_worker_create(struct pl_reactor *r, unsigned max_threads)
{
	struct pl_worker *w = calloc(1, sizeof *w);

	if (!w)
		return NULL;
	if (make_lock(&w->lock, &w->more)) {
		free(w);
		return NULL;
	}
	w->reactor = r;
	w->last = &w->first;
	w->max_threads = max_threads;
	w->refs = 1;
	w->next = r->workers;
	w->link = &r->workers;
	if (w->next)
		w->next->link = &w->next;
	r->workers = w;
	return w;
}

/* Takes the finished jobs of w out of the mailbox. */
static struct pl_job *take_finished_of(struct pl_reactor *r, const struct pl_worker *w)
{
	struct pl_job *taken = NULL, **last = &taken, **at = &r->finished;

	pthread_mutex_lock(&r->lock);
	while (*at) {
		struct pl_job *job = *at;

		if (job->worker != w) {
			at = &job->next;
			continue;
		}
		*at = job->next;
		job->next = NULL;
		*last = job;
		last = &job->next;
	}
	r->finished_last = at;
	pthread_mutex_unlock(&r->lock);
	return taken;
}

/* The steps that wait for them wait for nothing from now on: before a thread may free
 * the first of the jobs. */
static void abandon_jobs_of(struct pl_reactor *r, const struct pl_worker *w)
{
	for (struct pl_job *job = r->open_jobs, *next; job; job = next) {
		next = job->open_next;
		if (job->worker != w)
			continue;
		close_job(job);
		pl_deferred_cancel(&job->deferred);
	}
}

void pl_worker_destroy(struct pl_worker *w)
{
	struct pl_reactor *r;
	struct pl_job *job;

	if (!w)
		return;
	r = w->reactor;
	abandon_jobs_of(r, w);
	pthread_mutex_lock(&w->lock);
	w->reactor = NULL;
	pthread_cond_broadcast(&w->more);
	pthread_mutex_unlock(&w->lock);
	job = take_finished_of(r, w);
	while (job) {
		struct pl_job *next = job->next;

		job->discard(job);
		job = next;
	}
	*w->link = w->next;
	if (w->next)
		w->next->link = w->link;
	pthread_mutex_lock(&w->lock);
	unref(w);
}

/* --- calls ----------------------------------------------------------------------------- */

static int submit_call(struct pl_reactor *r, struct pl_call *call)
{
	int code = -ECANCELED;

	pthread_mutex_lock(&r->lock);
	if (!r->closed) {
		code = 0;
		*r->calls_last = call;
		r->calls_last = &call->next;
		atomic_store(&r->mail, true);
		pl_reactor_wake(r);
	}
	pthread_mutex_unlock(&r->lock);
	return code;
}

int pl_call_from_thread(struct pl_reactor *r, pl_call_fn *fn, void *arg)
{
	struct pl_call *call = calloc(1, sizeof *call);
	int code;

	if (!call)
		return -ENOMEM;
	call->fn = fn;
	call->arg = arg;
	code = submit_call(r, call);
	if (code)
		free(call);
	return code;
}

int pl_blocking_call_from_thread(struct pl_reactor *r, pl_call_fn *fn, void *arg)
{
	struct pl_call call = { .fn = fn, .arg = arg, .blocking = true };
	int code = make_lock(&call.lock, &call.answered);

	if (code)
		return code;
	code = submit_call(r, &call);
	if (!code) {
		pthread_mutex_lock(&call.lock);
		while (!call.done)
			pthread_cond_wait(&call.answered, &call.lock);
		code = call.result;
		pthread_mutex_unlock(&call.lock);
	}
	pthread_cond_destroy(&call.answered);
	pthread_mutex_destroy(&call.lock);
	return code;
}

static void answer(struct pl_call *call, int result)
{
	if (!call->blocking) {
		free(call);
		return;
	}
	pthread_mutex_lock(&call->lock);
	call->result = result;
	call->done = true;
	pthread_cond_signal(&call->answered);
	pthread_mutex_unlock(&call->lock);
}

/* --- the reactor's side ------------------------------------------------------------------- */

int pl_threads_init(struct pl_reactor *r)
{
	r->finished_last = &r->finished;
	r->calls_last = &r->calls;
	return -pthread_mutex_init(&r->lock, NULL);
}

static struct pl_call *take_calls(struct pl_reactor *r)
{
	struct pl_call *calls = r->calls;

	r->calls = NULL;
	r->calls_last = &r->calls;
	return calls;
}

/* One at a time, because a step may destroy the worker of the next. */
static struct pl_job *take_finished(struct pl_reactor *r)
{
	pthread_mutex_lock(&r->lock);
	struct pl_job *job = r->finished;

	if (job) {
		r->finished = job->next;
		if (!r->finished)
			r->finished_last = &r->finished;
	}
	pthread_mutex_unlock(&r->lock);
	return job;
}

void pl_threads_run(struct pl_reactor *r)
{
	struct pl_job *job;
	struct pl_call *call;
	size_t jobs = 0;

	if (!atomic_exchange(&r->mail, false))
		return;
	pthread_mutex_lock(&r->lock);
	call = take_calls(r);
	for (job = r->finished; job; job = job->next)
		jobs++;
	pthread_mutex_unlock(&r->lock);
	/* No more than there are now: a step may submit the next job, and so on. */
	while (jobs-- && (job = take_finished(r)))
		hand_over(job);
	while (call) {
		struct pl_call *next = call->next;

		answer(call, call->fn(call->arg));
		call = next;
	}
}

void pl_threads_open(struct pl_reactor *r)
{
	pthread_mutex_lock(&r->lock);
	r->closed = false;
	pthread_mutex_unlock(&r->lock);
}

void pl_threads_close(struct pl_reactor *r)
{
	struct pl_call *call;

	pthread_mutex_lock(&r->lock);
	r->closed = true;
	call = take_calls(r);
	pthread_mutex_unlock(&r->lock);
	while (call) {
		struct pl_call *next = call->next;

		answer(call, -ECANCELED);
		call = next;
	}
}

void pl_threads_finish(struct pl_reactor *r)
{
	pl_threads_close(r);
	for (struct pl_worker *w = r->workers, *next; w; w = next) {
		next = w->next;
		pl_worker_destroy(w);
	}
	pthread_mutex_destroy(&r->lock);
}
