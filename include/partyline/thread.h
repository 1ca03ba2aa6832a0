/* thread.h: work that blocks, away from the reactor, and its way back.
 *
 * A job is run by a worker's thread and comes back as a Deferred that fires on the
 * reactor's thread, never inside pl_defer_to_thread.  A worker with one thread does its
 * jobs in order: a device gets one of its own, so that one stuck close() holds up
 * that device and nothing else.  Everything without a worker goes to the reactor's pool. */
#ifndef PARTYLINE_THREAD_H
#define PARTYLINE_THREAD_H

#include <partyline/deferred.h>
#include <partyline/reactor.h>

PL_BEGIN_DECLS

struct pl_worker;
typedef int pl_call_fn(void *arg);

/* Embedded in the memory of the job, which belongs to the worker from
 * pl_defer_to_thread() until the deferred fires (then to the step that receives it) or
 * until discard. */
struct pl_job {
	int (*run)(struct pl_job *job); /* on a thread: 0 or a negative errno; touches only
	                                   what the job owns */
	void (*discard)(struct pl_job *job); /* free the job with its result: nobody waits for
	                                        it.  On the reactor's thread, or on the
	                                        worker's once the reactor is gone */
	/* private: */
	struct pl_deferred deferred;
	struct pl_reactor *reactor;
	struct pl_worker *worker;
	struct pl_job *next;
	struct pl_job *open_next, **open_link; /* all that were taken and not handed over */
	int status;
	bool abandoned;
};

/* A worker with at most max_threads threads, started when there is work.  NULL when out
 * of memory. */
struct pl_worker *pl_worker_create(struct pl_reactor *r, unsigned max_threads);

/* Waits for nobody: jobs not yet begun are run all the same (a close is wanted), what
 * they bring is discarded, and a thread that hangs in the kernel is left behind.
 * Accepts NULL. */
void pl_worker_destroy(struct pl_worker *w);

/* Runs job->run on a thread of w (NULL: the reactor's pool).  The deferred's value is the
 * job; its status is what run returned.  NULL when no thread can be had: the job was not
 * taken, and discard is not called. */
struct pl_deferred *pl_defer_to_thread(struct pl_reactor *r, struct pl_worker *w,
                                       struct pl_job *job);

/* For a platform's submit(): runs the job's function, and hands it back.  Any thread. */
void pl_job_run(struct pl_job *job);
void pl_job_finished(struct pl_job *job);

/* Runs fn(arg) on the reactor's thread, in a later turn.  From any thread.  -ENOMEM;
 * -ECANCELED once the reactor has stopped (what was accepted but not run by then is
 * dropped). */
int pl_call_from_thread(struct pl_reactor *r, pl_call_fn *fn, void *arg);

/* The same, and waits for what fn returns.  Not from the reactor's thread.  -ENOMEM or
 * -EAGAIN when it cannot wait; -ECANCELED once the reactor has stopped, also when that
 * happens while waiting. */
int pl_blocking_call_from_thread(struct pl_reactor *r, pl_call_fn *fn, void *arg);

PL_END_DECLS
#endif
