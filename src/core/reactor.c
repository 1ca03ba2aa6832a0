/* reactor.c: the turn: poll(), timers, watches, threads, flush.
 *
 * The poll set is one dense array of pollfds with a parallel array that says whose each
 * is.  Events belong to slots, not to descriptor numbers: a watch that is stopped leaves
 * a hole (fd -1, no owner), which nobody fills before the turn is over, so an event of
 * the old descriptor finds nobody.  Holes are chained through the array itself.
 *
 * It does not know what a connection is. */
#include "core.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define NO_HOLE SIZE_MAX
#define REST_MS 20

/* --- the wake-up pipe and signals ---------------------------------------------------- */

/* A signal belongs to the process and its handler has no argument: these two tables are
 * the only state outside a reactor.  Written before the handler is installed. */
#define SIGNALS_MAX 65
static _Atomic(struct pl_reactor *) signal_owner[SIGNALS_MAX];
static atomic_bool signal_came[SIGNALS_MAX];

void pl_reactor_wake(struct pl_reactor *r)
{
	const int saved = errno;
	ssize_t n;

	/* A full pipe wakes as well as one byte more would. */
	do
		n = write(r->wake_fd, "", 1);
	while (n < 0 && errno == EINTR);
	errno = saved;
}

static void on_signal(int signo)
{
	struct pl_reactor *r = atomic_load(&signal_owner[signo]);

	if (!r)
		return;
	atomic_store(&signal_came[signo], true);
	atomic_store(&r->signalled, true);
	pl_reactor_wake(r);
}

int pl_reactor_on_signal(struct pl_reactor *r, int signo, pl_signal_fn *fn, void *arg)
{
	struct sigaction act = { .sa_flags = SA_RESTART };

	if (signo <= 0 || signo >= SIGNALS_MAX)
		return -EINVAL;
	if (!r->signals) {
		r->signals = calloc(SIGNALS_MAX, sizeof *r->signals);
		if (!r->signals)
			return -ENOMEM;
	}
	r->signals[signo] = (struct pl_signal){ fn, arg };
	if (fn)
		atomic_store(&signal_owner[signo], r);
	act.sa_handler = fn ? on_signal : SIG_DFL;
	sigemptyset(&act.sa_mask);
	if (sigaction(signo, &act, NULL) < 0) {
		r->signals[signo].fn = NULL;
		return -errno;
	}
	if (!fn)
		atomic_store(&signal_owner[signo], NULL);
	return 0;
}

static void run_signals(struct pl_reactor *r)
{
	if (!atomic_exchange(&r->signalled, false))
		return;
	for (int signo = 1; signo < SIGNALS_MAX; signo++) {
		const struct pl_signal *s = &r->signals[signo];

		if (s->fn && atomic_exchange(&signal_came[signo], false))
			s->fn(r, signo, s->arg);
	}
}

static void forget_signals(struct pl_reactor *r)
{
	if (!r->signals)
		return;
	for (int signo = 1; signo < SIGNALS_MAX; signo++)
		if (r->signals[signo].fn && atomic_load(&signal_owner[signo]) == r)
			pl_reactor_on_signal(r, signo, NULL, NULL);
	free(r->signals);
}

/* The bytes only wake; what happened is in the flags and under the lock. */
static void on_wake(struct pl_watch *w, unsigned events PL_UNUSED)
{
	char bytes[64];

	while (read(w->fd, bytes, sizeof bytes) == (ssize_t)sizeof bytes)
		;
}

int pl_set_nonblocking(int fd)
{
	const int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	return 0;
}

static int open_wake_pipe(struct pl_reactor *r)
{
	int fds[2], code;

	if (pipe(fds) < 0)
		return -errno;
	code = pl_set_nonblocking(fds[0]);
	if (!code)
		code = pl_set_nonblocking(fds[1]);
	if (code) {
		close(fds[0]);
		close(fds[1]);
		return code;
	}
	r->wake = (struct pl_watch){ .fn = on_wake, .fd = fds[0] };
	r->wake_fd = fds[1];
	return 0;
}

/* --- life ------------------------------------------------------------------------------ */

struct pl_reactor *pl_reactor_create(const struct pl_platform *os)
{
	struct pl_reactor *r = calloc(1, sizeof *r);
	int code = -ENOMEM;

	if (!r)
		goto fail;
	r->os = os ? *os : pl_real_platform;
	r->now_ms = r->os.now(r->os.ctx);
	r->first_hole = NO_HOLE;
	r->flush_last = &r->flush_first;
	r->read_buffer = malloc(PL_READ_MAX);
	if (!r->read_buffer)
		goto free_reactor;
	code = open_wake_pipe(r);
	if (code)
		goto free_buffer;
	code = pl_watch_set(r, &r->wake, PL_READ);
	if (code)
		goto close_pipe;
	code = pl_threads_init(r);
	if (code)
		goto close_pipe;
	return r;
close_pipe:
	close(r->wake.fd);
	close(r->wake_fd);
	free(r->fds);
	free(r->slots);
free_buffer:
	free(r->read_buffer);
free_reactor:
	free(r);
fail:
	errno = -code;
	return NULL;
}

/* What is left takes a few turns to go: connections are told in the turn after they are
 * closed, ports end when their last connection has.  Bounded, for a poll() that fails and
 * a protocol that connects again for ever. */
static void end_what_is_left(struct pl_reactor *r)
{
	for (int turns = 0; turns < 100 && r->end_all && r->end_all(r); turns++)
		if (pl_reactor_turn(r, 0) < 0)
			pl_timers_run(r); /* all that the end needs of a turn */
}

void pl_reactor_destroy(struct pl_reactor *r)
{
	if (!r)
		return;
	end_what_is_left(r);
	pl_threads_finish(r);
	forget_signals(r);
	pl_watch_stop(&r->wake);
	close(r->wake.fd);
	close(r->wake_fd);
	free(r->fds);
	free(r->slots);
	free(r->joins_full_ms);
	free(r->read_buffer);
	free(r);
}

void pl_reactor_stop(struct pl_reactor *r)
{
	atomic_store(&r->stopping, true);
	pl_reactor_wake(r);
}

uint64_t pl_reactor_now(const struct pl_reactor *r)
{
	return r->now_ms;
}

int64_t pl_reactor_wall(const struct pl_reactor *r)
{
	return r->os.wall(r->os.ctx);
}

void pl_reactor_random(struct pl_reactor *r, void *buf, size_t len)
{
	r->os.random(r->os.ctx, buf, len);
}

char *pl_read_buffer(struct pl_reactor *r)
{
	return r->read_buffer;
}

/* --- watches ---------------------------------------------------------------------------- */

static int make_room(struct pl_reactor *r)
{
	const size_t capacity = r->capacity ? r->capacity * 2 : 16;
	struct pollfd *fds;
	union pl_slot *slots;

	if (r->count < r->capacity)
		return 0;
	fds = realloc(r->fds, capacity * sizeof *fds);
	if (!fds)
		return -ENOMEM;
	r->fds = fds;
	slots = realloc(r->slots, capacity * sizeof *slots);
	if (!slots)
		return -ENOMEM;
	r->slots = slots;
	r->capacity = capacity;
	return 0;
}

int pl_watch_set(struct pl_reactor *r, struct pl_watch *w, unsigned wants)
{
	struct pollfd *p;

	if (!w->reactor) {
		int code = make_room(r);

		if (code)
			return code;
		w->reactor = r;
		w->slot = r->count++;
		r->slots[w->slot].watch = w;
		r->fds[w->slot].revents = 0;
	}
	p = &r->fds[w->slot];
	/* poll() passes over a negative descriptor, HANGUP included. */
	p->fd = wants ? w->fd : -1;
	if (!wants)
		p->revents = 0;
	p->events =
		(short)((wants & PL_READ ? POLLIN : 0) | (wants & PL_WRITE ? POLLOUT : 0));
	return 0;
}

void pl_watch_stop(struct pl_watch *w)
{
	struct pl_reactor *r = w->reactor;

	if (!r)
		return;
	r->fds[w->slot] = (struct pollfd){ .fd = -1 };
	r->slots[w->slot].next_hole = r->first_hole;
	r->fds[w->slot].events = -1; /* marks the hole: see is_hole() */
	r->first_hole = w->slot;
	w->reactor = NULL;
}

/* A slot whose watch wants nothing has fd -1 too, but an owner. */
static bool is_hole(const struct pl_reactor *r, size_t slot)
{
	return r->fds[slot].fd < 0 && r->fds[slot].events == -1;
}

static void close_holes(struct pl_reactor *r)
{
	while (r->first_hole != NO_HOLE) {
		const size_t hole = r->first_hole;

		r->first_hole = r->slots[hole].next_hole;
		while (r->count && is_hole(r, r->count - 1))
			r->count--;
		if (hole >= r->count)
			continue;
		r->count--;
		r->fds[hole] = r->fds[r->count];
		r->slots[hole] = r->slots[r->count];
		r->slots[hole].watch->slot = hole;
	}
}

static void run_watches(struct pl_reactor *r, size_t polled, int ready)
{
	/* Slots are not moved during the turn, and those added in it lie behind. */
	for (size_t i = 0; i < polled && ready > 0; i++) {
		const short re = r->fds[i].revents;
		unsigned events = 0;

		if (!re)
			continue;
		ready--;
		if (r->fds[i].fd < 0)
			continue; /* stopped, or wants nothing any more */
		if (re & r->fds[i].events & POLLIN) /* still wanted: the turn is not over */
			events |= PL_READ;
		if (re & r->fds[i].events & POLLOUT)
			events |= PL_WRITE;
		if (re & POLLHUP)
			events |= PL_HANGUP;
		if (re & (POLLERR | POLLNVAL))
			events |= PL_ERROR;
		if (events)
			r->slots[i].watch->fn(r->slots[i].watch, events);
	}
}

/* --- the end of the turn ------------------------------------------------------------------- */

void pl_call_at_flush(struct pl_reactor *r, struct pl_flush *f)
{
	if (f->reactor)
		return;
	f->reactor = r;
	f->next = NULL;
	f->link = r->flush_last;
	*r->flush_last = f;
	r->flush_last = &f->next;
}

void pl_flush_cancel(struct pl_flush *f)
{
	if (!f->reactor)
		return;
	*f->link = f->next;
	if (f->next)
		f->next->link = f->link;
	else if (f->reactor->flush_last == &f->next)
		f->reactor->flush_last = f->link;
	f->reactor = NULL;
}

static void run_flushes(struct pl_reactor *r)
{
	struct pl_flush *list = r->flush_first, *f;

	/* The list is taken as a whole: what is asked for from here on belongs to the next
	 * turn.  It stays linked, so that pl_flush_cancel works on it as on the other. */
	r->flush_first = NULL;
	r->flush_last = &r->flush_first;
	if (list)
		list->link = &list;
	while ((f = list)) {
		pl_flush_cancel(f);
		f->fn(f);
	}
}

/* --- the turn ------------------------------------------------------------------------------- */

static int timeout(const struct pl_reactor *r, int max_wait_ms)
{
	const int next_timer_ms = pl_timers_timeout(r);

	if (r->flush_first || atomic_load(&r->mail) || atomic_load(&r->signalled))
		return 0;
	if (next_timer_ms < 0)
		return max_wait_ms;
	return max_wait_ms < 0 || next_timer_ms < max_wait_ms ? next_timer_ms : max_wait_ms;
}

int pl_reactor_turn(struct pl_reactor *r, int max_wait_ms)
{
	size_t polled;
	int ready;

	r->now_ms = r->os.now(r->os.ctx);
	close_holes(r); /* of watches stopped between two turns */
	polled = r->count;
	for (size_t i = 0; i < polled; i++)
		r->fds[i].revents = 0;
	ready = r->os.poll(r->os.ctx, r->fds, (nfds_t)polled, timeout(r, max_wait_ms));
	if (ready < 0) {
		if (errno != EINTR)
			return -errno;
		ready = 0; /* poll() has not written to the set */
	}
	r->now_ms = r->os.now(r->os.ctx);
	pl_timers_run(r);
	run_watches(r, polled, ready);
	run_signals(r);
	pl_threads_run(r);
	run_flushes(r);
	close_holes(r);
	return 0;
}

/* poll() of many descriptors needs memory, which may be there again in a moment; of none
 * it needs none. */
static int rest(struct pl_reactor *r)
{
	pl_count(r, "reactor: poll() had no memory", 1);
	r->os.poll(r->os.ctx, NULL, 0, REST_MS);
	return 0;
}

int pl_reactor_run(struct pl_reactor *r)
{
	int code = 0;

	pl_threads_open(r);
	while (!code && !atomic_load(&r->stopping)) {
		code = pl_reactor_turn(r, -1);
		if (code == -ENOMEM || code == -EAGAIN)
			code = rest(r);
	}
	atomic_store(&r->stopping, false);
	pl_threads_close(r);
	return code;
}
