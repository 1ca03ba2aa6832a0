/* reactor.h: one thread that waits for everything at once.
 *
 * A reactor owns a poll() set, a heap of timers, signal handlers and the results of
 * threads.  It knows nothing of connections: those are built on watches and timers.
 *
 * One turn, in this order:
 *   1. take the time, wait in poll() until the earliest timer is due, take the time
 *   2. run the timers that are due and were armed before this turn, by deadline and
 *      then by order of arming
 *   3. run the watches that have events and still exist
 *   4. run finished jobs and calls from threads
 *   5. flush: run what asked for the end of this turn
 *   6. close the holes that stopped watches left in the poll set
 *
 * Stop means stopped.  pl_watch_stop(), pl_timer_cancel() and pl_flush_cancel() take
 * effect at once, also from inside a callback of the same turn: the memory may be freed
 * on the next line, and a descriptor number that is reused in the same turn never
 * receives the old one's event.
 *
 * All functions belong to the thread that runs the reactor, except pl_reactor_stop()
 * and those of thread.h that say so. */
#ifndef PARTYLINE_REACTOR_H
#define PARTYLINE_REACTOR_H

#include <partyline/base.h>
#include <poll.h>

PL_BEGIN_DECLS

struct pl_reactor;
struct pl_watch;
struct pl_timer;
struct pl_flush;
struct pl_job;

typedef void pl_watch_fn(struct pl_watch *w, unsigned events);
typedef void pl_timer_fn(struct pl_timer *t);
typedef void pl_flush_fn(struct pl_flush *f);
typedef void pl_signal_fn(struct pl_reactor *r, int signo, void *arg);

/* All that a reactor asks of the world.  Tests bring their own. */
struct pl_platform {
	uint64_t (*now)(void *ctx); /* monotonic milliseconds */
	int64_t (*wall)(void *ctx); /* milliseconds since 1970 */
	int (*poll)(void *ctx, struct pollfd *fds, nfds_t n, int timeout_ms);
	void (*random)(void *ctx, void *buf, size_t len);
	/* Sees to it that job->run runs, on any thread, and that pl_job_finished() is
	 * called after it; 0 or a negative errno.  NULL: the library's own threads. */
	int (*submit)(void *ctx, struct pl_job *job);
	void *ctx;
};

/* NULL for os means the real world; a platform is copied, its ctx must outlive the
 * reactor.  Returns NULL when out of memory or descriptors (errno tells). */
struct pl_reactor *pl_reactor_create(const struct pl_platform *os);

/* Ends what is left (ports, connections, each with its connection_lost) and frees the
 * reactor.  Not from inside a callback.  Accepts NULL. */
void pl_reactor_destroy(struct pl_reactor *r);

/* Turns until pl_reactor_stop(); 0, or the negative errno of a poll() that failed for
 * another reason than that there was no memory for it: then it is asked again. */
int pl_reactor_run(struct pl_reactor *r);

/* One turn that waits at most max_wait_ms (negative: as long as it takes); 0 or the
 * negative errno of a poll() that failed.  EINTR is an empty result, not a failure. */
int pl_reactor_turn(struct pl_reactor *r, int max_wait_ms);

/* pl_reactor_run() returns after the turn under way.  From any thread or a signal
 * handler; before pl_reactor_run() it makes that return at once. */
void pl_reactor_stop(struct pl_reactor *r);

uint64_t pl_reactor_now(const struct pl_reactor *r); /* monotonic ms, of this turn */
int64_t pl_reactor_wall(const struct pl_reactor *r); /* ms since 1970, asked for now */
void pl_reactor_random(struct pl_reactor *r, void *buf, size_t len);

/* Limits per watch and turn, so that nobody starves. */
enum { PL_READ_MAX = 16 * 1024, PL_WRITE_MAX = 64 * 1024 };

/* One read buffer of PL_READ_MAX bytes for the whole reactor: for a watch, until the
 * bytes have been handed on; nothing is kept in it. */
char *pl_read_buffer(struct pl_reactor *r);

/* --- watches: events of a descriptor -------------------------------------------- */

/* Wants are PL_READ and PL_WRITE; HANGUP and ERROR come unasked, as bits of their own.
 * Who wants nothing else may want PL_HANGUP, and then has to deal with it at once.
 * READ together with HANGUP means that there are last words: read first. */
enum { PL_READ = 1, PL_WRITE = 2, PL_HANGUP = 4, PL_ERROR = 8 };

struct pl_watch {
	pl_watch_fn *fn;
	int fd;
	/* private: */
	struct pl_reactor *reactor;
	size_t slot;
};

/* Asks for events from the next poll() on.  fn and fd are set by the owner before the
 * first call, the rest is zero.  -ENOMEM at the first call only; changing what is
 * wanted cannot fail.  A watch that wants nothing hears nothing, HANGUP included
 * (poll() would spin on it). */
int pl_watch_set(struct pl_reactor *r, struct pl_watch *w, unsigned wants);

/* O_NONBLOCK and FD_CLOEXEC, as a watched descriptor should be; 0 or a negative errno. */
int pl_set_nonblocking(int fd);

/* Before the descriptor is closed.  Accepts a watch that was never set. */
void pl_watch_stop(struct pl_watch *w);

/* --- timers ----------------------------------------------------------------------- */

struct pl_timer {
	pl_timer_fn *fn;
	/* private: */
	struct pl_reactor *reactor; /* NULL when not armed */
	uint64_t due_ms, order;
	struct pl_timer *child, *next, *prev;
};

/* Calls t->fn once, delay_ms from now, never in the same turn.  Arming an armed timer
 * moves it.  Cannot fail: the timer is its owner's memory. */
void pl_call_later(struct pl_reactor *r, struct pl_timer *t, uint64_t delay_ms);
void pl_timer_cancel(struct pl_timer *t); /* accepts one that is not armed */
bool pl_timer_active(const struct pl_timer *t);
uint64_t pl_timer_left_ms(const struct pl_timer *t); /* 0 when due or not armed */

/* --- the end of the turn ---------------------------------------------------------- */

struct pl_flush {
	pl_flush_fn *fn;
	/* private: */
	struct pl_reactor *reactor; /* NULL when not waiting */
	struct pl_flush *next, **link;
};

/* Calls f->fn once, at the end of this turn (from inside a flush: of the next one,
 * which then does not wait).  Asking twice is asking once. */
void pl_call_at_flush(struct pl_reactor *r, struct pl_flush *f);
void pl_flush_cancel(struct pl_flush *f);

/* --- signals ----------------------------------------------------------------------- */

/* Calls fn on the reactor's thread, in a later turn, for every delivery of signo (those
 * that come together may be one).  NULL for fn gives the signal back its default.
 * A signal belongs to one reactor of the process: the last that asked. */
int pl_reactor_on_signal(struct pl_reactor *r, int signo, pl_signal_fn *fn, void *arg);

PL_END_DECLS
#endif
