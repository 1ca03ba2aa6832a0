/* serial_line.c: a terminal line, from the device up to the people on it.
 *
 * A line is a device that comes and goes, with a getty on it while nobody is there and a
 * session while somebody is: the session ends, the line stays.  What can block is done by
 * the line's own thread (serial_port.c).  A line has gone when poll() says so, whatever a
 * read returns (W13); it is closed at that moment, and then looked for. */
#include "serial_port.h"

#include <errno.h>
#include <partyline/log.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Back soon after a replug; a device that stays away is looked for less often. */
#define RETRY_MS 500
#define SLOW_RETRY_MS 2000
#define SLOW_AFTER_MS 60000
#define CARRIER_MS 1000 /* between two looks at the carrier */
#define DRAIN_MS 20     /* between two looks at a farewell on its way */
#define PIECES_A_WRITE 16

struct session {
	struct pl_transport transport;
	struct pl_serial_line *line; /* NULL once closed: the line may be freed before this */
	struct pl_marks marks;
	struct pl_timer drain;
	bool blocked; /* the kernel is full */
};

static struct pl_reactor *reactor_of(const struct pl_serial_line *line)
{
	return line->serial->port.reactor;
}

/* Open, and if carrier=yes there is somebody to hear us. */
static bool is_up(const struct pl_serial_line *line)
{
	return line->watch.fd >= 0 && (line->carrier || !line->serial->settings.carrier);
}

/* Cannot fail: the watch has its place since the device was opened. */
static void update_wants(struct pl_serial_line *line)
{
	const struct session *s = line->session;
	unsigned wants = s && s->blocked ? PL_WRITE : 0;

	if (!s || pl_transport_reading(&s->transport))
		wants |= PL_READ;
	pl_watch_set(reactor_of(line), &line->watch, wants);
}

/* --- the end of a device, and of a line ------------------------------------------------------ */

/* Back to no device, whatever is open or under way.  At once: an adapter whose old
 * descriptor is still open comes back under another number (S2). */
static void close_device(struct pl_serial_line *line)
{
	pl_step_cancel(&line->step);
	pl_timer_cancel(&line->timer);
	pl_getty_cancel(&line->getty);
	pl_watch_stop(&line->watch);
	if (line->watch.fd >= 0)
		pl_serial_forget_output(line->watch.fd);
	if (line->device)
		pl_serial_device_close(line->device, reactor_of(line), line->worker);
	line->device = NULL;
	line->watch.fd = -1;
	line->carrier = false;
}

static void end_line(struct pl_serial_line *line)
{
	struct pl_serial *serial = line->serial;

	close_device(line);
	pl_worker_destroy(line->worker);
	*line->link = line->next;
	if (line->next)
		line->next->link = line->link;
	free(line->where);
	free(line);
	if (serial->stopping && !serial->lines)
		pl_port_release(&serial->port);
}

void pl_serial_line_leave(struct pl_serial_line *line)
{
	line->leaving = true;
	if (!line->session)
		end_line(line);
}

void pl_serial_line_remove(struct pl_serial_line *line)
{
	line->leaving = true;
	if (line->session)
		pl_transport_down(&line->session->transport, -ENODEV);
	else
		end_line(line);
}

static void try_again(struct pl_serial_line *line, int code)
{
	const uint64_t missing_ms =
		pl_reactor_now(reactor_of(line)) - line->missing_since_ms;
	const bool slow = code == -EBUSY || missing_ms >= SLOW_AFTER_MS;

	pl_call_later(reactor_of(line), &line->timer, slow ? SLOW_RETRY_MS : RETRY_MS);
}

/* The device has gone, and the line may have after this call. */
static void lose_device(struct pl_serial_line *line)
{
	struct session *s = line->session;

	pl_log(PL_LOG_WARNING, "serial:%s is gone, waiting for it", line->where);
	close_device(line);
	line->missing_since_ms = pl_reactor_now(reactor_of(line));
	line->told = -ENOENT;
	try_again(line, 0);
	if (s)
		pl_transport_down(&s->transport, -ENODEV);
}

/* --- somebody is there ------------------------------------------------------------------------ */

static struct session *session_of(struct pl_transport *t)
{
	return pl_container_of(t, struct session, transport);
}

static void session_kick(struct pl_transport *t)
{
	struct session *s = session_of(t);
	struct iovec iov[PIECES_A_WRITE];
	size_t n, asked = 0;
	ssize_t sent;

	if (s->blocked)
		return;
	n = pl_out_peek(t, iov, PIECES_A_WRITE, PL_WRITE_MAX);
	for (size_t i = 0; i < n; i++)
		asked += iov[i].iov_len;
	if (!asked)
		return;
	sent = writev(s->line->watch.fd, iov, (int)n);
	if (sent < 0 && errno != EAGAIN && errno != EINTR) {
		lose_device(s->line);
		return;
	}
	if (sent > 0)
		pl_out_sent(t, (size_t)sent);
	s->blocked = sent < (ssize_t)asked;
	update_wants(s->line);
	if (!s->blocked && pl_queued(t))
		pl_source_ready(t); /* the rest in the next turn */
}

static void session_set_reading(struct pl_transport *t, bool on PL_UNUSED)
{
	update_wants(session_of(t)->line);
}

static void session_close(struct pl_transport *t)
{
	struct session *s = session_of(t);
	struct pl_serial_line *line = s->line;

	pl_timer_cancel(&s->drain);
	s->line = NULL;
	line->session = NULL;
	if (line->leaving) {
		end_line(line);
	} else if (is_up(line)) {
		update_wants(line);
		pl_getty_start(&line->getty);
	}
}

static void session_destroy(struct pl_transport *t)
{
	free(session_of(t));
}

/* A line has no half-close, but a farewell takes its time: the port may be about to stop,
 * and what has not left the kernel by then is forgotten. */
static int session_control(struct pl_transport *t, unsigned op, void *arg PL_UNUSED)
{
	if (op != PL_CONTROL_HALF_CLOSE)
		return -ENOTSUP;
	pl_call_later(t->reactor, &session_of(t)->drain, 0);
	return 0;
}

static void on_drain(struct pl_timer *timer)
{
	struct session *s = pl_container_of(timer, struct session, drain);

	if (pl_serial_has_output(s->line->watch.fd))
		pl_call_later(s->transport.reactor, timer, DRAIN_MS);
	else
		pl_transport_down(&s->transport, 0);
}

static const struct pl_transport_ops session_ops = {
	.type = "serial",
	.kick = session_kick,
	.set_reading = session_set_reading,
	.close = session_close,
	.destroy = session_destroy,
	.control = session_control,
};

static size_t at_least(size_t min, size_t n)
{
	return n > min ? n : min;
}

static void getty_join(struct pl_getty *g)
{
	struct pl_serial_line *line = pl_container_of(g, struct pl_serial_line, getty);
	const struct pl_serial_device *d = line->device;
	const struct pl_port *port = &line->serial->port;
	const size_t bytes_s = (size_t)line->serial->settings.baudrate / 10;
	struct session *s = calloc(1, sizeof *s);

	if (!s) {
		pl_getty_start(g);
		return;
	}
	s->line = line;
	s->drain.fn = on_drain;
	/* Seconds of line speed; the floors let a longest line through at any. */
	s->marks.low = at_least(128, bytes_s);
	s->marks.high = at_least(1024, 4 * bytes_s);
	s->marks.hard = at_least(4096, 16 * bytes_s);
	s->marks.lossy = true;
	line->session = s;
	pl_transport_init(&s->transport, &session_ops, port->reactor, port->endpoint);
	pl_set_marks(&s->transport, &s->marks);
	s->transport.peer.terminal = true;
	if (pl_transport_name(&s->transport, line->where, "device", d->path, "usb-serial",
	                      d->usb.serial[0] ? d->usb.serial : NULL, NULL))
		pl_transport_discard(&s->transport);
	else
		pl_transport_up(&s->transport, port->factory);
}

/* What a stuck line does not take is lost: it is only the invitation. */
static void getty_write(struct pl_getty *g, const char *data, size_t len)
{
	const struct pl_serial_line *line =
		pl_container_of(g, struct pl_serial_line, getty);
	const ssize_t PL_UNUSED sent = write(line->watch.fd, data, len);
}

const struct pl_getty_ops pl_serial_getty_ops = { .write = getty_write, .join = getty_join };

static void on_line(struct pl_watch *w, unsigned events)
{
	struct pl_serial_line *line = pl_container_of(w, struct pl_serial_line, watch);
	struct session *s = line->session;
	char *buffer = pl_read_buffer(reactor_of(line));

	if (s && (events & PL_WRITE)) {
		s->blocked = false;
		update_wants(line);
		pl_transport_kick(&s->transport);
		if (!s->line)
			return; /* closed, and the line perhaps with it */
	}
	if (!s || pl_transport_reading(&s->transport)) {
		const ssize_t n = read(w->fd, buffer, PL_READ_MAX);

		if (n > 0 && s)
			pl_transport_input(&s->transport, buffer, (size_t)n);
		else if (n > 0)
			pl_getty_input(&line->getty, buffer, (size_t)n);
		if (n > 0)
			return; /* poll() will say again what else there is */
	}
	if (events & (PL_HANGUP | PL_ERROR))
		lose_device(line);
}

/* --- the device opens --------------------------------------------------------------------------- */

/* The line whose job is done: the job's use of the device ends here, the line's does not. */
static struct pl_serial_line *line_of(struct pl_step *step)
{
	struct pl_serial_line *line = pl_container_of(step, struct pl_serial_line, step);

	pl_serial_device_unref(line->device);
	return line;
}

static struct pl_result on_open(struct pl_step *step, struct pl_result in)
{
	struct pl_serial_line *line = line_of(step);

	line->watch.fd = line->device->port.fd;
	if (pl_watch_set(reactor_of(line), &line->watch, PL_READ)) {
		close_device(line);
		try_again(line, -ENOMEM);
		return in;
	}
	line->failing = 0;
	pl_log(PL_LOG_INFO, "serial:%s is open", line->where);
	if (line->serial->settings.carrier)
		pl_call_later(reactor_of(line), &line->timer, 0);
	else
		pl_getty_start(&line->getty);
	return in;
}

/* While an adapter comes up there are errors of all kinds for some milliseconds (WIRES
 * 6): one counts when the next try meets it again, and is told once. */
static struct pl_result on_open_failed(struct pl_step *step, struct pl_result in)
{
	struct pl_serial_line *line = line_of(step);

	if (in.status == line->failing && in.status != line->told) {
		pl_log(PL_LOG_WARNING, "%s; trying again", line->device->error.text);
		line->told = in.status;
	}
	line->failing = in.status;
	pl_serial_device_unref(line->device);
	line->device = NULL;
	try_again(line, in.status);
	return in;
}

static void open_device(struct pl_serial_line *line)
{
	const struct pl_serial *serial = line->serial;
	struct pl_deferred *job = NULL;

	line->device =
		pl_serial_device_create(line->where, &serial->settings, serial->roots);
	if (line->device)
		job = pl_serial_device_open(line->device, reactor_of(line), line->worker);
	if (job) {
		line->step = (struct pl_step){ .on_value = on_open,
			                       .on_failure = on_open_failed };
		pl_deferred_add(job, &line->step);
		return;
	}
	if (line->device)
		pl_serial_device_unref(line->device);
	line->device = NULL;
	try_again(line, -ENOMEM);
}

/* --- carrier=yes ---------------------------------------------------------------------------------- */

/* A look that fails shows nothing: when the device has gone, poll() says so. */
static struct pl_result on_carrier(struct pl_step *step, struct pl_result in)
{
	struct pl_serial_line *line = line_of(step);
	struct session *s = line->session;
	const bool before = line->carrier;

	if (in.status == 0)
		line->carrier = line->device->carrier;
	pl_call_later(reactor_of(line), &line->timer, CARRIER_MS);
	if (line->carrier == before)
		return in;
	if (line->carrier) {
		pl_getty_start(&line->getty);
	} else {
		pl_getty_cancel(&line->getty);
		if (s)
			pl_transport_down(&s->transport, 0); /* he has hung up */
	}
	return in;
}

/* On the thread, because some adapters are asked for it over the bus. */
static void look_at_carrier(struct pl_serial_line *line)
{
	struct pl_deferred *job =
		pl_serial_device_look(line->device, reactor_of(line), line->worker);

	if (!job) {
		pl_call_later(reactor_of(line), &line->timer, CARRIER_MS);
		return;
	}
	line->step = (struct pl_step){ .on_value = on_carrier, .on_failure = on_carrier };
	pl_deferred_add(job, &line->step);
}

static void on_timer(struct pl_timer *timer)
{
	struct pl_serial_line *line = pl_container_of(timer, struct pl_serial_line, timer);

	if (line->device)
		look_at_carrier(line);
	else
		open_device(line);
}

int pl_serial_line_add(struct pl_serial *serial, const char *where)
{
	struct pl_serial_line *line = calloc(1, sizeof *line);

	if (!line)
		return -ENOMEM;
	line->where = strdup(where);
	line->worker = pl_worker_create(serial->port.reactor, 1);
	if (!line->where || !line->worker) {
		pl_worker_destroy(line->worker);
		free(line->where);
		free(line);
		return -ENOMEM;
	}
	line->serial = serial;
	line->getty = serial->getty;
	line->watch = (struct pl_watch){ .fn = on_line, .fd = -1 };
	line->timer.fn = on_timer;
	line->missing_since_ms = pl_reactor_now(reactor_of(line));
	line->next = serial->lines;
	line->link = &serial->lines;
	if (line->next)
		line->next->link = &line->next;
	serial->lines = line;
	pl_call_later(reactor_of(line), &line->timer, 0);
	return 0;
}
