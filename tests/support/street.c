#define _GNU_SOURCE /* posix_openpt(), CRTSCTS, TIOCGEXCL */
/* street.c: see street.h. */
#include "street.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "ptymodem.h"
#include "world.h"

struct pl_world *world;
struct pl_reactor *reactor;
struct records people;
struct usbtree tree;
struct pl_serial_roots roots;
char device[PATH_MAX];
struct cable cable;

static int descriptors, threads_before;
static FILE *log_file; /* NULL: standard error is the test's own */
static int log_before;

/* --- the cable ------------------------------------------------------------------------- */

void make_cable(struct cable *c)
{
	struct termios t;

	memset(c, 0, sizeof(*c));
	c->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(c->master >= 0);
	assert_int_equal(grantpt(c->master), 0);
	assert_int_equal(unlockpt(c->master), 0);
	assert_int_equal(ptsname_r(c->master, c->name, sizeof(c->name)), 0);
	c->tty = open(c->name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	assert_true(c->tty >= 0);
	/* What a killed minicom may leave behind. */
	assert_int_equal(tcgetattr(c->tty, &t), 0);
	t.c_cflag |= CRTSCTS | HUPCL;
	t.c_iflag |= IXON | IXOFF | IXANY;
	assert_int_equal(tcsetattr(c->tty, TCSANOW, &t), 0);
}

void cut(struct cable *c)
{
	close(c->master);
	close(c->tty);
	c->master = c->tty = -1;
}

/* The device's link leads to the cable's tty from now on. */
void plug(struct cable *c)
{
	make_cable(c);
	assert_int_equal(symlink(c->name, device), 0);
}

/* As when an adapter is pulled out. */
void unplug(struct cable *c)
{
	cut(c);
	assert_int_equal(unlink(device), 0);
}

bool ready(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, PATIENCE_MS) == 1;
}

void send_bytes(struct cable *c, const char *bytes, size_t len)
{
	assert_int_equal(write(c->master, bytes, len), len);
	assert_true(ready(c->tty));
	pl_world_settle(world);
}

void type(struct cable *c, const char *text)
{
	send_bytes(c, text, strlen(text));
}

void receive(struct cable *c)
{
	ssize_t n = read(c->master, c->screen + c->len, sizeof(c->screen) - 1 - c->len);

	assert_true(n > 0);
	c->len += (size_t)n;
	c->screen[c->len] = '\0';
}

/* All that was written to the line so far: it stands in front of the mark that we write
 * behind it. */
const char *screen(struct cable *c)
{
	pl_world_settle(world);
	assert_int_equal(write(c->tty, "\001", 1), 1);
	while (!strchr(c->screen, '\001')) {
		assert_true(ready(c->master));
		receive(c);
	}
	*strchr(c->screen, '\001') = '\0';
	c->len = strlen(c->screen);
	return c->screen;
}

void clear(struct cable *c)
{
	screen(c);
	c->len = 0;
	c->screen[0] = '\0';
}

/* Does the server have the tty open, by its claim on it? */
bool is_open(const struct cable *c)
{
	int exclusive = 0;

	assert_int_equal(ioctl(c->tty, TIOCGEXCL, &exclusive), 0);
	return exclusive;
}

/* --- the world --------------------------------------------------------------------------- */

int set_up(void **state)
{
	(void)state;
	log_file = NULL;
	descriptors = open_descriptors();
	world = pl_world_create(1);
	if (!world)
		return -1;
	reactor = pl_world_reactor(world);
	records_init(&people, NULL);
	usbtree_create(&tree);
	roots = (struct pl_serial_roots){ .sysfs = tree.sysfs, .dev = tree.dev };
	snprintf(device, sizeof(device), "%s/line", tree.root);
	ptymodem_reset();
	cable.master = cable.tty = -1;
	return 0;
}

/* Also the end of every test: nothing is left, no promise was broken. */
int tear_down(void **state)
{
	(void)state;
	log_end();
	ptymodem_release();
	pl_world_destroy(world);
	if (cable.master >= 0)
		cut(&cable);
	usbtree_destroy(&tree);
	records_check(&people);
	records_finish(&people);
	assert_int_equal(open_descriptors(), descriptors);
	return 0;
}

int threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	int n = 0;

	if (!dir)
		return -1;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void *do_nothing(void *arg)
{
	return arg;
}

/* A sanitizer's own thread comes with the first of ours, and stays. */
int count_threads(void **state)
{
	pthread_t thread;

	(void)state;
	if (pthread_create(&thread, NULL, do_nothing, NULL) != 0)
		return -1;
	pthread_join(thread, NULL);
	threads_before = threads();
	return 0;
}

struct pl_port *listen_with(const char *options, struct pl_error *err)
{
	struct pl_port *port = NULL;
	struct pl_endpoint *ep;
	char text[PATH_MAX + 200];

	snprintf(text, sizeof(text), "serial:%s", options);
	ep = pl_endpoint_parse(text, err);
	if (ep && pl_serial_listen(reactor, ep, &people.factory, &roots, &port, err))
		port = NULL;
	pl_endpoint_unref(ep);
	return port;
}

/* On the device, with these options. */
struct pl_port *listen_on_device(const char *options)
{
	char text[PATH_MAX + 100];
	struct pl_error err = { .text = "" };
	struct pl_port *port;

	snprintf(text, sizeof(text), "%s%s", device, options);
	port = listen_with(text, &err);
	assert_string_equal(err.text, "");
	assert_non_null(port);
	pl_world_advance(world, 1);
	return port;
}

struct record *join(struct cable *c)
{
	const size_t before = people.count;

	pl_world_advance(world, 250);
	type(c, "\r");
	pl_world_advance(world, 250);
	assert_int_equal(people.count, before + 1);
	return records_newest(&people);
}

/* --- in earnest: with threads, and a clock that runs ---------------------------------- */

/* Turns the real reactor until fn(arg). */
bool turn_until(struct pl_reactor *r, bool (*fn)(void *arg), void *arg)
{
	for (int i = 0; i < PATIENCE_MS && !fn(arg); i++)
		pl_reactor_turn(r, 1);
	return fn(arg);
}

bool is_invited(void *arg)
{
	struct cable *c = arg;
	struct pollfd p = { .fd = c->master, .events = POLLIN };

	if (poll(&p, 1, 0) == 1)
		receive(c);
	return strstr(c->screen, INVITATION) != NULL;
}

struct pl_port *listen_in_earnest(struct pl_reactor *r, const char *options)
{
	char text[PATH_MAX + 100];
	struct pl_error err;

	snprintf(text, sizeof(text), "serial:%s%s", device, options);
	return records_listen(&people, r, text, &err);
}

/* What is left to its thread may outlive the reactor a little; it is done when the thread
 * has gone.  A test must not end before: its pty would be somebody else's by then. */
bool is_given_back(const struct cable *c)
{
	for (int i = 0; i < PATIENCE_MS && threads() > threads_before; i++)
		poll(NULL, 0, 1);
	return threads() <= threads_before && !is_open(c);
}

/* --- the log ---------------------------------------------------------------------------- */

void log_begin(void)
{
	log_file = tmpfile();
	assert_non_null(log_file);
	log_before = dup(STDERR_FILENO);
	dup2(fileno(log_file), STDERR_FILENO);
}

unsigned log_count(const char *text)
{
	char log[8192];
	const ssize_t n = pread(fileno(log_file), log, sizeof(log) - 1, 0);
	unsigned times = 0;

	log[n > 0 ? n : 0] = '\0';
	for (const char *at = log; (at = strstr(at, text)); at++)
		times++;
	return times;
}

void log_end(void)
{
	if (!log_file)
		return;
	dup2(log_before, STDERR_FILENO);
	close(log_before);
	fclose(log_file);
	log_file = NULL;
}
