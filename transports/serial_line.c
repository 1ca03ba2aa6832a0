/* serial_line.c: a serial line: a device that comes and goes.
 *
 * While the device is open the line is pl_tty's, people included.  What can block is done
 * by the line's own thread (serial_port.c).  A device is closed at the moment it has gone,
 * and then looked for. */
#include "serial_port.h"

#include <errno.h>
#include <partyline/log.h>
#include <partyline/stats.h>
#include <stdlib.h>
#include <string.h>

/* Back soon after a replug; a device that stays away is looked for less often. */
#define RETRY_MS 500
#define SLOW_RETRY_MS 2000
#define SLOW_AFTER_MS 60000
#define LOOK_MS 10000   /* between two looks at an open device */
#define CARRIER_MS 1000 /* ... with carrier=yes */

/* An error that has been met for so long is no accident. */
#define STAYS_MS 5000

/* Output that has not moved for so long is stuck (S5, S6). */
#define STUCK_MS 60000

/* Fewer framing errors than these come with a plug that is plugged in. */
#define FRAMING_ERRORS 4

/* What was done about output that does not move. */
enum { MOVING, RESTARTED, STUCK };

static const char GONE[] = "serial: devices gone";

static struct pl_serial_line *line_of_tty(struct pl_tty *tty)
{
	return pl_container_of(tty, struct pl_serial_line, tty);
}

static struct pl_reactor *reactor_of(const struct pl_serial_line *line)
{
	return line->serial->port.reactor;
}

/* Open, and if carrier=yes there is somebody to hear us. */
static bool is_up(const struct pl_serial_line *line)
{
	return pl_tty_is_open(&line->tty) &&
	       (line->carrier || !line->serial->settings.carrier);
}

/* --- the end of a device, and of a line ------------------------------------------------------ */

/* Back to no device, whatever is open or under way.  At once: an adapter whose old
 * descriptor is still open comes back under another number (S2). */
static void close_device(struct pl_serial_line *line, bool last)
{
	pl_step_cancel(&line->step);
	pl_timer_cancel(&line->timer);
	if (pl_tty_is_open(&line->tty))
		pl_serial_forget_output(line->device->port.fd);
	pl_tty_close(&line->tty);
	if (line->device)
		pl_serial_device_close(line->device, reactor_of(line), line->worker, last);
	else if (last)
		pl_worker_destroy(line->worker);
	line->device = NULL;
	line->carrier = false;
}

static void end_line(struct pl_serial_line *line)
{
	struct pl_serial *serial = line->serial;

	close_device(line, true); /* the worker ends behind it */
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
	if (!line->tty.session)
		end_line(line);
}

void pl_serial_line_remove(struct pl_serial_line *line)
{
	line->leaving = true;
	if (pl_tty_is_open(&line->tty))
		pl_count(reactor_of(line), GONE, 1);
	if (!pl_tty_end_session(&line->tty, -ENODEV))
		end_line(line);
}

static void try_again(struct pl_serial_line *line, int code)
{
	const uint64_t missing_ms =
		pl_reactor_now(reactor_of(line)) - line->missing_since_ms;
	const bool slow = code == -EBUSY || missing_ms >= SLOW_AFTER_MS;

	pl_call_later(reactor_of(line), &line->timer, slow ? SLOW_RETRY_MS : RETRY_MS);
}

/* --- what the tty asks and tells ------------------------------------------------------------- */

/* The device has gone, and the line may have after this call. */
static void serial_hung_up(struct pl_tty *tty)
{
	struct pl_serial_line *line = line_of_tty(tty);

	pl_log(PL_LOG_WARNING, "serial:%s is gone, waiting for it", line->where);
	pl_count(reactor_of(line), GONE, 1);
	close_device(line, false);
	line->missing_since_ms = pl_reactor_now(reactor_of(line));
	line->told = -ENOENT;
	try_again(line, 0);
	pl_tty_end_session(tty, -ENODEV);
}

static void serial_session_over(struct pl_tty *tty)
{
	struct pl_serial_line *line = line_of_tty(tty);

	if (line->leaving)
		end_line(line);
	else if (is_up(line))
		pl_tty_invite(tty);
}

static bool serial_sending(struct pl_tty *tty)
{
	return pl_serial_output(line_of_tty(tty)->device->port.fd) > 0;
}

static int serial_name(struct pl_tty *tty, struct pl_transport *t)
{
	const struct pl_serial_line *line = line_of_tty(tty);
	const struct pl_serial_device *d = line->device;

	return pl_transport_name(t, line->where, "device", d->path, "usb-serial",
	                         d->usb.serial[0] ? d->usb.serial : NULL, NULL);
}

/* A person cannot tell why nothing works, and the operator will think of it last (S10). */
static void hint_at_speed(struct pl_serial_line *line)
{
	if (!line->hinted)
		pl_log(PL_LOG_WARNING,
		       "serial:%s: what comes is not text: is %d baud right?",
		       line->where, line->serial->settings.baudrate);
	line->hinted = true;
}

static void serial_not_text(struct pl_tty *tty)
{
	hint_at_speed(line_of_tty(tty));
}

static const struct pl_tty_ops tty_ops = {
	.name = serial_name,
	.hung_up = serial_hung_up,
	.session_over = serial_session_over,
	.sending = serial_sending,
	.not_text = serial_not_text,
	.wasted = "serial: bytes that joined nobody",
	.refused = "serial: sessions refused",
};

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

	if (pl_tty_open(&line->tty, line->device->port.fd)) {
		close_device(line, false);
		try_again(line, -ENOMEM);
		return in;
	}
	line->failing = line->told = 0;
	line->moved_ms = pl_reactor_now(reactor_of(line));
	line->stuck = MOVING;
	line->hinted = line->stall_logged = false;
	pl_log(PL_LOG_INFO, "serial:%s is open", line->where);
	pl_count(reactor_of(line),
	         line->opened ? "serial: devices reopened" : "serial: devices opened", 1);
	line->opened = true;
	pl_call_later(reactor_of(line), &line->timer,
	              line->serial->settings.carrier ? 0 : LOOK_MS);
	if (!line->serial->settings.carrier)
		pl_tty_invite(&line->tty);
	return in;
}

/* While an adapter comes up there are errors of all kinds for some milliseconds, in any
 * order (WIRES 6).  One alone is not told; then the first news is, and after that only
 * what stays as it is. */
static bool is_news(struct pl_serial_line *line, int code)
{
	const uint64_t now_ms = pl_reactor_now(reactor_of(line));
	const int before = line->failing;

	if (code != before)
		line->failing_since_ms = now_ms;
	line->failing = code;
	if (!before || code == line->told)
		return false;
	return !line->told || now_ms - line->failing_since_ms >= STAYS_MS;
}

static struct pl_result on_open_failed(struct pl_step *step, struct pl_result in)
{
	struct pl_serial_line *line = line_of(step);

	if (is_news(line, in.status)) {
		pl_log(PL_LOG_WARNING, "%s; trying again", line->device->error.text);
		line->told = in.status;
	}
	pl_count(reactor_of(line), "serial: openings that failed", 1);
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

/* --- looks at it ---------------------------------------------------------------------------------- */

static void tell_stuck(struct pl_serial_line *line)
{
	if (!line->stall_logged)
		pl_log(PL_LOG_WARNING, "serial:%s takes nothing since %d s: flow control?",
		       line->where, STUCK_MS / 1000);
	line->stall_logged = true;
	pl_count(reactor_of(line), "serial: lines that stalled", 1);
}

/* An XOFF may be noise, and one that is meant should not last so long: it is taken back
 * once.  RTS/CTS cannot be overruled.  Either way nobody is dropped for it. */
static void look_at_output(struct pl_serial_line *line)
{
	const int output = line->device->output;
	const uint64_t now_ms = pl_reactor_now(reactor_of(line));
	const bool waiting = output > 0 || pl_tty_is_blocked(&line->tty);

	if (line->device->restarted)
		pl_count(reactor_of(line), "serial: output that was stuck, restarted", 1);
	line->device->restarted = false;
	if (!waiting || line->taken != line->tty.taken || line->output != output) {
		line->moved_ms = now_ms;
		line->stuck = MOVING;
	} else if (line->stuck != STUCK && now_ms - line->moved_ms >= STUCK_MS) {
		line->device->restart =
			line->stuck == MOVING && line->serial->settings.xonxoff;
		line->stuck = line->device->restart ? RESTARTED : STUCK;
		line->moved_ms = now_ms;
		if (line->stuck == STUCK)
			tell_stuck(line);
	}
	line->taken = line->tty.taken;
	line->output = output;
}

static void look_at_carrier(struct pl_serial_line *line)
{
	if (line->carrier == line->device->carrier)
		return;
	line->carrier = line->device->carrier;
	if (line->carrier)
		pl_tty_invite(&line->tty);
	else
		pl_tty_end_session(&line->tty, 0); /* he has hung up; the line may end here */
}

static struct pl_result on_look(struct pl_step *step, struct pl_result in)
{
	struct pl_serial_line *line = line_of(step);
	const bool carrier = line->serial->settings.carrier;

	if (pl_serial_device_count(line->device, reactor_of(line)) >= FRAMING_ERRORS)
		hint_at_speed(line);
	look_at_output(line);
	pl_call_later(reactor_of(line), &line->timer,
	              line->device->restart ? 0
	              : carrier             ? CARRIER_MS
	                                    : LOOK_MS);
	if (carrier)
		look_at_carrier(line);
	return in;
}

/* On the thread, because some adapters are asked over the bus. */
static void look_at_device(struct pl_serial_line *line)
{
	struct pl_deferred *job =
		pl_serial_device_look(line->device, reactor_of(line), line->worker);

	if (!job) {
		pl_call_later(reactor_of(line), &line->timer, CARRIER_MS);
		return;
	}
	line->step = (struct pl_step){ .on_value = on_look, .on_failure = on_look };
	pl_deferred_add(job, &line->step);
}

static void on_timer(struct pl_timer *timer)
{
	struct pl_serial_line *line = pl_container_of(timer, struct pl_serial_line, timer);

	if (line->device)
		look_at_device(line);
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
	if (!line->where || !line->worker ||
	    pl_tty_init(&line->tty, &tty_ops, &serial->port, serial->settings.baudrate,
	                NULL) < 0) {
		pl_worker_destroy(line->worker);
		free(line->where);
		free(line);
		return -ENOMEM;
	}
	line->serial = serial;
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
