/* serial_port.h: what the files of the serial transport share.
 *
 *     serial.c        the port: endpoint, settings, which lines there are
 *     serial_line.c   a line: its device comes and goes, people join and leave
 *     serial_device.c a device while it is there, and the thread for what blocks
 *     serial_port.c   a device: opening, setting up, asking, closing
 *     serial_usb.c    sysfs: which adapter is behind a tty
 *
 * Each knows those below it. */
#ifndef TRANSPORTS_SERIAL_PORT_H
#define TRANSPORTS_SERIAL_PORT_H

#include <partyline/thread.h>
#include <partyline/transport_impl.h>
#include <stdatomic.h>

/* Where the system shows its devices: tests bring made-up trees.  The strings live as
 * long as the program. */
struct pl_serial_roots {
	const char *sysfs; /* "/sys" */
	const char *dev;   /* "/dev" */
};

/* --- serial_usb.c ----------------------------------------------------------------------- */

struct pl_serial_usb {
	char tty[32]; /* "ttyUSB0" */
	unsigned vendor, product;
	char serial[64]; /* "" when it has none; when asked for: any */
};

/* "0403:6001" or "0403:6001:SERIAL"; false for anything else. */
bool pl_serial_usb_parse(const char *text, struct pl_serial_usb *usb);

/* 0, or -ENOENT when tty is not there or not a USB serial port. */
int pl_serial_usb_read(const char *sysfs, const char *tty, struct pl_serial_usb *usb);

/* Calls fn for every USB serial port there is. */
typedef void pl_serial_usb_fn(void *arg, const struct pl_serial_usb *usb);
void pl_serial_usb_each(const char *sysfs, pl_serial_usb_fn *fn, void *arg);

/* The first port, by its number, of the adapter asked for; 0 or -ENOENT. */
int pl_serial_usb_find(const char *sysfs, const struct pl_serial_usb *wanted,
                       struct pl_serial_usb *found);

/* Does one of the patterns, between commas, name this port: by VID:PID[:SERIAL], by its
 * path or by its name ("ttyACM*")?  NULL names none. */
bool pl_serial_usb_listed(const char *patterns, const struct pl_serial_usb *usb,
                          const char *path);

/* --- serial_port.c: an open device ------------------------------------------------------ */

struct pl_serial_settings {
	int baudrate, bytesize, stopbits;
	int parity; /* enum sp_parity: none, odd, even, mark, space */
	bool xonxoff, rtscts, dtr, rts, carrier;
};

struct sp_port;

/* Open by libserialport or, where that refuses, by termios. */
struct pl_serial_port {
	struct sp_port *sp; /* NULL: by termios */
	int fd;             /* -1: closed */
};

/* These two may take as long as the kernel likes.  path has no symbolic links. */
int pl_serial_open(struct pl_serial_port *port, const char *path,
                   const struct pl_serial_settings *settings, struct pl_error *err);
void pl_serial_close(struct pl_serial_port *port);

/* A path that exists and is no device at all: a sentence and a negative errno. */
int pl_serial_check_path(const char *path, struct pl_error *err);

/* Fills *err with what code, from an open of path, means and what helps; returns code. */
int pl_serial_explain(int code, const char *path,
                      const struct pl_serial_settings *settings, struct pl_error *err);

/* Bytes that were written and are still to be sent.  Forgets them, for a close would wait.
 * Lets them out, whatever XOFF has come: 0 or a negative errno. */
int pl_serial_output(int fd);
void pl_serial_forget_output(int fd);
int pl_serial_restart_output(int fd);

/* 0, 1, or a negative errno: -ENOTTY for a tty without modem lines. */
int pl_serial_carrier(int fd);

/* What the driver has counted (S15); 0, or a negative errno where there is no such. */
struct pl_serial_errors {
	uint32_t framing, parity, overruns, breaks;
};
int pl_serial_read_errors(int fd, struct pl_serial_errors *errors);

/* --- serial_device.c: the same on a thread of its own ------------------------------------ */

/* One opening of one device, from the try to the close.  While it is being opened all but
 * `users` is the thread's; a look writes what stands below it alone.  The jobs of a device
 * go to one worker of one thread, so a close finds what the open before it has brought. */
struct pl_serial_device {
	struct pl_serial_port port;
	struct pl_serial_settings settings;
	const struct pl_serial_roots *roots;
	char *where;              /* as configured: a path, or VID:PID[:SERIAL] */
	char *path;               /* what that was at the opening: "/dev/ttyUSB0" */
	struct pl_serial_usb usb; /* all zero when it is not on USB */
	struct pl_error error;
	/* by the last look: */
	bool carrier;
	bool restart, restarted; /* output: to be restarted; was it? */
	int output;              /* bytes on their way */
	struct pl_serial_errors errors;

	struct pl_serial_errors counted; /* of these */
	struct pl_job job, closing;      /* job: opening it, or a look */
	struct pl_step step;             /* behind closing */
	struct pl_worker *worker;        /* ends with it */
	atomic_uint users;               /* the owner, and each job under way */
};

/* NULL when out of memory. */
struct pl_serial_device *pl_serial_device_create(const char *where,
                                                 const struct pl_serial_settings *settings,
                                                 const struct pl_serial_roots *roots);

/* Opens it, or looks at it.  Whoever receives the result ends the job's use of the device
 * with pl_serial_device_unref().  NULL: no thread can be had. */
struct pl_deferred *pl_serial_device_open(struct pl_serial_device *d,
                                          struct pl_reactor *r, struct pl_worker *w);
struct pl_deferred *pl_serial_device_look(struct pl_serial_device *d,
                                          struct pl_reactor *r, struct pl_worker *w);

/* Adds the errors that are new to the counters; returns how many of framing there are. */
uint32_t pl_serial_device_count(struct pl_serial_device *d, struct pl_reactor *r);

/* Closes it behind whatever is under way, and ends the owner's use.  Waits for nothing.
 * last: the worker ends behind it. */
void pl_serial_device_close(struct pl_serial_device *d, struct pl_reactor *r,
                            struct pl_worker *w, bool last);
void pl_serial_device_unref(struct pl_serial_device *d);

/* --- serial_line.c ------------------------------------------------------------------------ */

struct pl_serial_line;

/* The port: one line, or with serial:auto one for each adapter. */
struct pl_serial {
	struct pl_port port;
	const struct pl_serial_roots *roots;
	struct pl_serial_settings settings;
	struct pl_timer scan; /* serial:auto */
	struct pl_serial_line *lines;
	bool stopping; /* the last line releases the port */
};

struct pl_serial_line {
	struct pl_serial *serial;
	struct pl_serial_line *next, **link;
	char *where; /* a path, or VID:PID[:SERIAL] */
	/* private: */
	struct pl_worker *worker;
	struct pl_serial_device *device; /* NULL between two tries */
	struct pl_step step;             /* the device's opening, or a look at it */
	struct pl_timer timer;           /* the next of these */
	struct pl_tty tty;               /* open while the device is */
	uint64_t missing_since_ms;
	int failing, told; /* why the last try failed, and the last such that was logged */
	uint64_t failing_since_ms;
	uint64_t moved_ms, taken; /* when output moved, and what had been taken by then */
	int output;               /* ... and was on its way */
	unsigned char stuck;      /* what was done about it */
	bool carrier;
	bool opened;               /* it was there before */
	bool hinted, stall_logged; /* once per opening */
	bool leaving;              /* ends with its session */
};

/* 0 or -ENOMEM.  The device is opened from the next turn on. */
int pl_serial_line_add(struct pl_serial *serial, const char *where);

/* No new session.  The line ends with the one there is; at once without. */
void pl_serial_line_leave(struct pl_serial_line *line);

/* The device will not come back: ends the session, and the line. */
void pl_serial_line_remove(struct pl_serial_line *line);

/* --- serial.c ----------------------------------------------------------------------------- */

int pl_serial_listen(struct pl_reactor *r, struct pl_endpoint *ep, struct pl_factory *f,
                     const struct pl_serial_roots *roots, struct pl_port **port,
                     struct pl_error *err);

extern const struct pl_backend pl_serial_backend;

#endif
