/* ptymodem.h: the modem of ptymodem.c, for tests that are linked with it. */
#ifndef TESTS_PTYMODEM_H
#define TESTS_PTYMODEM_H

#include <stdatomic.h>

extern atomic_bool ptymodem_off;  /* a pty is a pty again: no entry, no lines */
extern atomic_int ptymodem_lines; /* TIOCM_ bits, of all ptys together */

#endif
