/* street.h: serial lines on a fake clock, on the real libserialport over ptys.
 *
 * ptymodem.c is linked in, so that the library takes a pty for a serial port.  The test
 * holds the other end of the cable (the master), and the tty itself too: what has arrived
 * there is then known without waiting, and its settings can be read. */
#ifndef TESTS_STREET_H
#define TESTS_STREET_H

#include <limits.h>

#include "../../transports/serial_port.h"
#include "recorder.h"
#include "usbtree.h"

#define INVITATION "partyline: press Enter to join\r\n"
#define PATIENCE_MS 5000 /* real ones, for a kernel that is busy; never waited out */

/* A pty: the cable's other end, and our own hold on the tty. */
struct cable {
	int master, tty;
	char name[64];
	char screen[8192]; /* what has come out of the other end */
	size_t len;
};

/* All of a test: made by set_up(). */
extern struct pl_world *world;
extern struct pl_reactor *reactor;
extern struct records people;
extern struct usbtree tree;
extern struct pl_serial_roots roots;
extern char device[PATH_MAX]; /* a link, as in /dev/serial/by-id */
extern struct cable cable;

int set_up(void **state);
int tear_down(void **state); /* also the end of every test: nothing is left */
int threads(void);
int count_threads(void **state); /* before the first test of a program */

/* --- the cable --- */

void make_cable(struct cable *c);
void cut(struct cable *c);
void plug(struct cable *c);   /* the device's link leads to its tty from now on */
void unplug(struct cable *c); /* as when an adapter is pulled out */
bool ready(int fd);
void send_bytes(struct cable *c, const char *bytes, size_t len);
void type(struct cable *c, const char *text);
void receive(struct cable *c);
const char *screen(struct cable *c); /* all that was written to the line so far */
void clear(struct cable *c);
bool is_open(const struct cable *c); /* has the server the tty open, by its claim on it? */

/* --- lines --- */

struct pl_port *listen_with(const char *options, struct pl_error *err);
struct pl_port *listen_on_device(const char *options); /* ":baudrate=9600" */
struct record *join(struct cable *c);

/* --- in earnest: with threads, and a clock that runs --- */

bool turn_until(struct pl_reactor *r, bool (*fn)(void *arg), void *arg);
bool is_invited(void *cable);
struct pl_port *listen_in_earnest(struct pl_reactor *r, const char *options);
bool is_given_back(const struct cable *c);

/* --- what is logged, instead of being shown --- */

void log_begin(void);
unsigned log_count(const char *text);
void log_end(void); /* also by tear_down() */

#endif
