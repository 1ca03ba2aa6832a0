/* core.h: what the files of src/core/ share, and nobody else sees.
 *
 * The reactor is one struct; each part of it belongs to the file named beside it. */
#ifndef PARTYLINE_CORE_H
#define PARTYLINE_CORE_H

#include <partyline/reactor.h>
#include <partyline/stats.h>
#include <partyline/thread.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

/* A place of the poll set: a watch, or a hole that names the next hole. */
union pl_slot {
	struct pl_watch *watch;
	size_t next_hole;
};

struct pl_signal {
	pl_signal_fn *fn; /* NULL: not ours */
	void *arg;
};

struct pl_counter {
	const char *what;
	uint64_t n;
};

/* Who may be here, and how many are: of the reactor, and of each endpoint. */
struct pl_quota {
	unsigned max_users, per_source; /* 0: not said */
	unsigned users;
};

struct pl_call;   /* thread.c */
struct pl_origin; /* limits.c */
struct pl_transport;
struct pl_port;
struct pl_outq;
struct pl_error;
struct pl_endpoint;

struct pl_reactor {
	struct pl_platform os;
	uint64_t now_ms;

	/* reactor.c */
	struct pollfd *fds;
	union pl_slot *slots;
	size_t count, capacity, first_hole;
	struct pl_flush *flush_first, **flush_last;
	struct pl_watch wake; /* the reading end of the wake-up pipe */
	int wake_fd;          /* the writing end */
	atomic_bool stopping;
	atomic_bool signalled;
	struct pl_signal *signals; /* by number; allocated when first used */
	char *read_buffer;

	/* timer.c */
	struct pl_timer *heap;
	uint64_t order;

	/* thread.c */
	pthread_mutex_t lock; /* guards the next three */
	struct pl_job *finished, **finished_last;
	struct pl_call *calls, **calls_last;
	bool closed; /* no calls from threads any more */
	atomic_bool mail;
	struct pl_worker *pool, *workers; /* from here on its own thread's alone */
	struct pl_job *open_jobs;

	/* stats.c */
	struct pl_counter counters[PL_COUNTERS_MAX]; /* sorted by name */
	size_t n_counters;

	/* limits.c */
	struct pl_quota quota;
	struct pl_origin *origins; /* a table */
	unsigned char origin_key[16];
	uint64_t *joins_full_ms; /* two rows of slots of sources; allocated when first used */

	/* transport.c, port.c: above the reactor, which knows only how to end them */
	bool (*end_all)(struct pl_reactor *r); /* pl_end_all() once there is something */
	struct pl_transport *transports;
	size_t connections,
		crowd; /* crowd: the most there were since memory was given back */
	struct pl_port *ports;
};

/* reactor.c */
void pl_reactor_wake(struct pl_reactor *r); /* any thread, any signal handler */

/* timer.c: the timeout for poll(), -1 for ever; what is due and older than this turn */
int pl_timers_timeout(const struct pl_reactor *r);
void pl_timers_run(struct pl_reactor *r);

/* platform.c */
extern const struct pl_platform pl_real_platform;
void pl_give_memory_back(void); /* what is free, to the system; where there is a way */

/* thread.c */
int pl_threads_init(struct pl_reactor *r);
void pl_threads_run(struct pl_reactor *r);    /* finished jobs and calls, in the turn */
void pl_threads_open(struct pl_reactor *r);   /* calls from threads are taken */
void pl_threads_close(struct pl_reactor *r);  /* ... and no more */
void pl_threads_finish(struct pl_reactor *r); /* all workers are let go */
int pl_threads_submit(struct pl_job *job);    /* the platform without a submit */

/* endpoint.c, for port.c: the length of `word=` at s, or 0; the place of a word in
 * "one|two|three", or -1; the option number i, false behind the last */
size_t pl_endpoint_key_at(const char *s);
int pl_endpoint_find_choice(const char *choices, const char *word);
bool pl_endpoint_option(const struct pl_endpoint *ep, size_t i, const char **key,
                        const char **value);

struct pl_quota *pl_endpoint_quota(const struct pl_endpoint *ep); /* NULL for NULL */

/* limits.c: reads the keys of an endpoint; lets one in (NULL), or says in a sentence why
 * not; what was taken for one is given back, whether he was let in or not */
int pl_limits_parse(const struct pl_endpoint *ep, struct pl_error *err);
const char *pl_limits_admit(struct pl_transport *t);
void pl_limits_leave(struct pl_transport *t);

/* port.c: stops every port, aborts every connection; false when none is left */
bool pl_end_all(struct pl_reactor *r);

/* outq.c: see struct pl_outq.  Units carry their length in front of them. */
enum { PL_UNIT_HEADER = sizeof(uint32_t) };
int pl_outq_append(struct pl_outq *q, const char *data, size_t len);
int pl_outq_append_unit(struct pl_outq *q, const char *data, size_t len, size_t max_unit);
size_t pl_outq_first_unit(const struct pl_outq *q, const char **data);
void pl_outq_drop(struct pl_outq *q, size_t bytes);
void pl_outq_finish(struct pl_outq *q);

#endif
