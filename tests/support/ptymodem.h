/* ptymodem.h: the modem of ptymodem.c, for tests that are linked with it. */
#ifndef TESTS_PTYMODEM_H
#define TESTS_PTYMODEM_H

#include <stdatomic.h>
#include <stddef.h>

extern atomic_bool ptymodem_off; /* a pty is a pty again: no entry, no lines, no counters */
extern atomic_int ptymodem_lines; /* TIOCM_ bits, of all ptys together */

/* What the driver has counted, on all ptys together. */
extern atomic_int ptymodem_framing, ptymodem_parity, ptymodem_overruns,
	ptymodem_buffer_overruns, ptymodem_breaks;

/* All as it was in the beginning; nothing is held. */
void ptymodem_reset(void);

/* The next openings of the tty at path (which has no links in it) go like this, each in its
 * turn: 0 opens it, an errno is what it fails with.  Afterwards all open it. */
void ptymodem_plan(const char *path, const int *errnos, size_t n);

/* From now on opening, or closing, the tty at that path waits in the kernel, until
 * ptymodem_release().  How many are waiting. */
void ptymodem_hold_opening(const char *path);
void ptymodem_hold_closing(const char *path);
int ptymodem_waiting(void);
void ptymodem_release(void);

#endif
