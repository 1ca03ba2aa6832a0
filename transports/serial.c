/* serial.c: the serial port of an endpoint: its settings, and which lines it has.
 *
 * A port is one line, or with serial:auto a line for each USB adapter there is: sysfs is
 * looked at every second, and lines come and go with what stands there.  What a line is
 * and does: serial_line.c. */
#include "serial_port.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCAN_MS 1000

/* --- serial:auto -------------------------------------------------------------------------- */

/* Gives the adapter a line, unless it has one or is excluded. */
static void consider(void *arg, const struct pl_serial_usb *usb)
{
	struct pl_serial *s = arg;
	const char *exclude = pl_endpoint_str(s->port.endpoint, "exclude");
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/%s", s->roots->dev, usb->tty);
	if (pl_serial_usb_listed(exclude, usb, path))
		return;
	for (const struct pl_serial_line *line = s->lines; line; line = line->next)
		if (strcmp(line->where, path) == 0)
			return;
	pl_serial_line_add(s, path); /* without memory for it now: at the next scan */
}

/* What cannot be looked at now, without a descriptor or memory, has not gone for that. */
static bool is_there(const struct pl_serial_line *line)
{
	const char *tty = strrchr(line->where, '/') + 1;
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/class/tty/%s", line->serial->roots->sysfs, tty);
	return access(path, F_OK) == 0 || errno != ENOENT;
}

static void on_scan(struct pl_timer *timer)
{
	struct pl_serial *s = pl_container_of(timer, struct pl_serial, scan);
	struct pl_serial_line *next;

	for (struct pl_serial_line *line = s->lines; line; line = next) {
		next = line->next;
		if (!is_there(line))
			pl_serial_line_remove(line);
	}
	pl_serial_usb_each(s->roots->sysfs, consider, s);
	pl_call_later(s->port.reactor, timer, SCAN_MS);
}

/* --- the port ------------------------------------------------------------------------------ */

static void serial_stop(struct pl_port *p)
{
	struct pl_serial *s = pl_container_of(p, struct pl_serial, port);
	struct pl_serial_line *next;

	pl_timer_cancel(&s->scan);
	s->stopping = true;
	if (!s->lines)
		pl_port_release(p);
	for (struct pl_serial_line *line = s->lines; line; line = next) {
		next = line->next;
		pl_serial_line_leave(line);
	}
}

static void serial_destroy(struct pl_port *p)
{
	free(pl_container_of(p, struct pl_serial, port));
}

static const struct pl_port_ops port_ops = { .stop = serial_stop,
	                                     .destroy = serial_destroy };

static int parse_settings(const struct pl_endpoint *ep, struct pl_serial_settings *s,
                          struct pl_error *err)
{
	long baudrate, bytesize, stopbits;
	bool dsrdtr;
	int join, code; /* join: each line's tty reads it, here it is only checked */

	if ((code = pl_endpoint_int(ep, "baudrate", 1, 20000000, 115200, &baudrate, err)) ||
	    (code = pl_endpoint_int(ep, "bytesize", 5, 8, 8, &bytesize, err)) ||
	    (code = pl_endpoint_choice(ep, "parity", "none|odd|even|mark|space", 0,
	                               &s->parity, err)) ||
	    (code = pl_endpoint_int(ep, "stopbits", 1, 2, 1, &stopbits, err)) ||
	    (code = pl_endpoint_bool(ep, "xonxoff", false, &s->xonxoff, err)) ||
	    (code = pl_endpoint_bool(ep, "rtscts", false, &s->rtscts, err)) ||
	    (code = pl_endpoint_bool(ep, "dsrdtr", false, &dsrdtr, err)) ||
	    (code = pl_endpoint_bool(ep, "dtr", true, &s->dtr, err)) ||
	    (code = pl_endpoint_bool(ep, "rts", true, &s->rts, err)) ||
	    (code = pl_endpoint_bool(ep, "carrier", false, &s->carrier, err)) ||
	    (code = pl_endpoint_choice(ep, "join", "enter|open", 0, &join, err)))
		return code;
	if (dsrdtr) /* neither termios nor libserialport has it (WIRES 5) */
		return pl_fail(err, -ENOTSUP,
		               "%s: dsrdtr=yes: the system has no DTR/DSR flow control; there is "
		               "rtscts=yes and xonxoff=yes",
		               pl_endpoint_text(ep));
	s->baudrate = (int)baudrate;
	s->bytesize = (int)bytesize;
	s->stopbits = (int)stopbits;
	return 0;
}

/* A device may be missing, but what can never become one is refused. */
static int check_device(const struct pl_endpoint *ep, bool every, struct pl_error *err)
{
	const char *device = pl_endpoint_arg(ep);
	struct pl_serial_usb usb;

	if (every)
		return 0;
	if (pl_endpoint_str(ep, "exclude"))
		return pl_fail(err, -EINVAL, "%s: exclude= belongs to serial:auto",
		               pl_endpoint_text(ep));
	if (pl_serial_usb_parse(device, &usb))
		return 0;
	if (!strchr(device, '/') && access(device, F_OK) < 0)
		return pl_fail(err, -EINVAL,
		               "%s: the device is a path (/dev/ttyUSB0), an adapter's "
		               "VID:PID[:SERIAL] (0403:6001), or auto",
		               pl_endpoint_text(ep));
	return pl_serial_check_path(device, err);
}

int pl_serial_listen(struct pl_reactor *r, struct pl_endpoint *ep, struct pl_factory *f,
                     const struct pl_serial_roots *roots, struct pl_port **port,
                     struct pl_error *err)
{
	const char *device = pl_endpoint_arg(ep);
	const bool every = strcmp(device, "auto") == 0;
	struct pl_serial *s = calloc(1, sizeof *s);
	char command[40];
	int code;

	if (!s)
		return pl_fail(err, -ENOMEM, "%s: out of memory", pl_endpoint_text(ep));
	if ((code = parse_settings(ep, &s->settings, err)) ||
	    (code = check_device(ep, every, err))) {
		free(s);
		return code;
	}
	s->roots = roots;
	s->scan.fn = on_scan;
	pl_port_init(&s->port, &port_ops, r, ep, f);
	snprintf(command, sizeof command, "screen DEVICE %d", s->settings.baudrate);
	code = pl_port_describe(&s->port, pl_endpoint_text(ep),
	                        every ? "every USB serial port" : device, command,
	                        "at the other end of the cable");
	if (!code && !every)
		code = pl_serial_line_add(s, device);
	if (code) {
		pl_port_finish(&s->port);
		free(s);
		return pl_fail(err, code, "%s: out of memory", pl_endpoint_text(ep));
	}
	if (every)
		pl_call_later(r, &s->scan, 0);
	*port = &s->port;
	return 0;
}

static int serial_listen(struct pl_reactor *r, struct pl_endpoint *ep,
                         struct pl_factory *f, struct pl_port **port, struct pl_error *err)
{
	static const struct pl_serial_roots roots = { .sysfs = "/sys", .dev = "/dev" };

	return pl_serial_listen(r, ep, f, &roots, port, err);
}

const struct pl_backend pl_serial_backend = {
	.type = "serial",
	.usage = "serial:DEVICE|VID:PID[:SERIAL]|auto[:baudrate=115200][:bytesize=5..8]"
		 "[:parity=none|odd|even|mark|space][:stopbits=1|2][:xonxoff=yes|no]"
		 "[:rtscts=yes|no][:dsrdtr=no][:dtr=on|off][:rts=on|off][:carrier=yes|no]"
		 "[:exclude=PATTERN,...]" PL_GETTY_USAGE,
	.help = "a terminal on a serial line, or on every USB adapter that is plugged in",
	.listen = serial_listen,
};
