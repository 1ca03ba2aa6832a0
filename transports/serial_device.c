#define _XOPEN_SOURCE 700 /* realpath() */
/* serial_device.c: one opening of a device, and the thread on which all is done that may
 * take as long as the kernel likes (S3).
 *
 * Opening it, looking at it now and then, closing it: each is a job of the line's worker,
 * one after the other. */
#include "serial_port.h"

#include <errno.h>
#include <limits.h>
#include <partyline/stats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pl_serial_device *pl_serial_device_create(const char *where,
                                                 const struct pl_serial_settings *settings,
                                                 const struct pl_serial_roots *roots)
{
	struct pl_serial_device *d = calloc(1, sizeof *d);

	if (!d)
		return NULL;
	d->where = strdup(where);
	if (!d->where) {
		free(d);
		return NULL;
	}
	d->port.fd = -1;
	d->settings = *settings;
	d->roots = roots;
	atomic_init(&d->users, 1);
	return d;
}

void pl_serial_device_unref(struct pl_serial_device *d)
{
	if (atomic_fetch_sub(&d->users, 1) > 1)
		return;
	free(d->where);
	free(d->path);
	free(d);
}

static int run_opening(struct pl_job *job)
{
	struct pl_serial_device *d = pl_container_of(job, struct pl_serial_device, job);
	const char *node = d->where;
	struct pl_serial_usb wanted;
	char path[PATH_MAX];
	int code;

	if (pl_serial_usb_parse(d->where, &wanted)) {
		if (pl_serial_usb_find(d->roots->sysfs, &wanted, &d->usb))
			return pl_serial_explain(-ENOENT, d->where, &d->settings,
			                         &d->error);
		snprintf(path, sizeof path, "%s/%s", d->roots->dev, d->usb.tty);
		node = path;
	}
	/* Each time anew: the link in by-id leads to another number after a replug, and the
	 * library takes no links (W10). */
	d->path = realpath(node, NULL);
	if (!d->path)
		return pl_serial_explain(-errno, d->where, &d->settings, &d->error);
	if (node == d->where)
		pl_serial_usb_read(d->roots->sysfs, strrchr(d->path, '/') + 1, &d->usb);
	code = pl_serial_open(&d->port, d->path, &d->settings, &d->error);
	if (!code && pl_serial_read_errors(d->port.fd, &d->errors) == 0)
		d->counted = d->errors; /* those before our time are not ours */
	return code;
}

/* What cannot be asked stays as it was. */
static int run_looking(struct pl_job *job)
{
	struct pl_serial_device *d = pl_container_of(job, struct pl_serial_device, job);
	const int carrier = d->settings.carrier ? pl_serial_carrier(d->port.fd) : 0;

	if (carrier >= 0)
		d->carrier = carrier;
	if (d->restart)
		d->restarted = pl_serial_restart_output(d->port.fd) == 0;
	d->restart = false;
	d->output = pl_serial_output(d->port.fd);
	pl_serial_read_errors(d->port.fd, &d->errors);
	return 0;
}

static int run_closing(struct pl_job *job)
{
	struct pl_serial_device *d = pl_container_of(job, struct pl_serial_device, closing);

	if (d->port.fd >= 0)
		pl_serial_read_errors(d->port.fd, &d->errors);
	pl_serial_close(&d->port);
	return 0;
}

static void discard_job(struct pl_job *job)
{
	pl_serial_device_unref(pl_container_of(job, struct pl_serial_device, job));
}

static void discard_closing(struct pl_job *job)
{
	pl_serial_device_unref(pl_container_of(job, struct pl_serial_device, closing));
}

/* NULL: no thread can be had. */
static struct pl_deferred *submit(struct pl_serial_device *d, struct pl_reactor *r,
                                  struct pl_worker *w, struct pl_job *job,
                                  int (*run)(struct pl_job *job),
                                  void (*discard)(struct pl_job *job))
{
	struct pl_deferred *result;

	*job = (struct pl_job){ .run = run, .discard = discard };
	result = pl_defer_to_thread(r, w, job);
	if (result)
		atomic_fetch_add(&d->users, 1); /* nobody can have ended the use yet */
	return result;
}

struct pl_deferred *pl_serial_device_open(struct pl_serial_device *d,
                                          struct pl_reactor *r, struct pl_worker *w)
{
	return submit(d, r, w, &d->job, run_opening, discard_job);
}

struct pl_deferred *pl_serial_device_look(struct pl_serial_device *d,
                                          struct pl_reactor *r, struct pl_worker *w)
{
	return submit(d, r, w, &d->job, run_looking, discard_job);
}

/* --- its errors ---------------------------------------------------------------------------- */

/* A driver that begins anew counts from 0. */
static void count(struct pl_reactor *r, const char *what, uint32_t before, uint32_t now)
{
	if (now > before)
		pl_count(r, what, now - before);
}

uint32_t pl_serial_device_count(struct pl_serial_device *d, struct pl_reactor *r)
{
	const struct pl_serial_errors before = d->counted, now = d->errors;

	count(r, "serial: framing errors", before.framing, now.framing);
	count(r, "serial: parity errors", before.parity, now.parity);
	count(r, "serial: overruns", before.overruns, now.overruns);
	count(r, "serial: breaks", before.breaks, now.breaks);
	d->counted = now;
	return now.framing > before.framing ? now.framing - before.framing : 0;
}

/* --- the end ------------------------------------------------------------------------------- */

static struct pl_result on_closed(struct pl_step *step, struct pl_result in)
{
	struct pl_serial_device *d = pl_container_of(step, struct pl_serial_device, step);
	struct pl_worker *last = d->worker;

	pl_serial_device_count(d, d->closing.reactor);
	pl_serial_device_unref(d);
	pl_worker_destroy(last);
	return in;
}

void pl_serial_device_close(struct pl_serial_device *d, struct pl_reactor *r,
                            struct pl_worker *w, bool last)
{
	struct pl_deferred *result =
		submit(d, r, w, &d->closing, run_closing, discard_closing);

	if (result) {
		d->worker = last ? w : NULL;
		d->step =
			(struct pl_step){ .on_value = on_closed, .on_failure = on_closed };
		pl_deferred_add(result, &d->step);
	} else {
		pl_serial_close(&d->port); /* without a thread nothing else is under way */
		if (last)
			pl_worker_destroy(w);
	}
	pl_serial_device_unref(d);
}
