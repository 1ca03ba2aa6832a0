/* pty.c: a serial line without hardware: `screen PATH` is the terminal.
 *
 * The server holds the master of a pseudo-terminal and links PATH to its slave; the line
 * itself is pl_tty's.  When the last terminal program has left, poll() says HUP and goes
 * on saying so: the line is closed then, the master is not, and a timer looks whether
 * somebody is back.  With baudrate= the output is paced, to try what a slow line is like. */
#define _XOPEN_SOURCE 700 /* posix_openpt */
#define _DEFAULT_SOURCE   /* cfmakeraw */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <partyline/log.h>
#include <partyline/stats.h>
#include <partyline/transport_impl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define LOOK_MS 200
#define UNPACED_BAUD 115200 /* whose marks an unpaced line has */

/* What was written gets from the master to where FIONREAD counts it by a thread of the
 * kernel, which may be busy. */
#define LAST_WORDS_MS 50

struct pty_port {
	struct pl_port port;
	struct pl_tty tty;
	struct pl_timer look;
	int master;
	uint64_t last_words_ms; /* when a session began to end; 0: none does */
	char slave[64];
};

static struct pty_port *port_of(struct pl_port *p)
{
	return pl_container_of(p, struct pty_port, port);
}

static struct pty_port *port_of_tty(struct pl_tty *tty)
{
	return pl_container_of(tty, struct pty_port, tty);
}

/* --- who is at the line ----------------------------------------------------------------- */

static void close_line(struct pty_port *port)
{
	const char *path = pl_endpoint_arg(port->port.endpoint);
	char target[sizeof port->slave];
	const ssize_t n = readlink(path, target, sizeof target);

	if (n > 0 && (size_t)n == strlen(port->slave) &&
	    memcmp(target, port->slave, (size_t)n) == 0 && unlink(path) < 0) {
		pl_log(PL_LOG_WARNING, "pty: %s stays behind: %s", path, strerror(errno));
		pl_count(port->port.reactor, "pty: links that could not be removed", 1);
	}
	pl_tty_close(&port->tty);
	pl_timer_cancel(&port->look);
	close(port->master);
}

static void look_later(struct pty_port *port)
{
	pl_call_later(port->port.reactor, &port->look, LOOK_MS);
}

static void on_look(struct pl_timer *t)
{
	struct pty_port *port = pl_container_of(t, struct pty_port, look);
	struct pollfd p = { .fd = port->master, .events = POLLIN };

	if (poll(&p, 1, 0) >= 0 && !(p.revents & POLLHUP) &&
	    pl_tty_open(&port->tty, port->master) == 0)
		pl_tty_invite(&port->tty);
	else
		look_later(port);
}

/* By way of the master where there is one: who was root when the line was made, and is not
 * any more, may not open it by its name. */
static int open_slave(const struct pty_port *port)
{
	const int flags = O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
#ifdef TIOCGPTPEER
	const int fd = ioctl(port->master, TIOCGPTPEER, flags);

	if (fd >= 0 || (errno != ENOTTY && errno != EINVAL))
		return fd;
#endif
	return open(port->slave, flags);
}

/* What was meant for who has left is not for who comes next. */
static void forget_unread(const struct pty_port *port)
{
	const int fd = open_slave(port);

	if (fd < 0)
		return;
	tcflush(fd, TCIFLUSH);
	close(fd);
}

static void pty_hung_up(struct pl_tty *tty)
{
	pl_tty_close(tty);
	forget_unread(port_of_tty(tty));
	look_later(port_of_tty(tty));
	pl_tty_end_session(tty, 0); /* leaving a terminal program is leaving */
}

static void pty_session_over(struct pl_tty *tty)
{
	struct pty_port *port = port_of_tty(tty);

	port->last_words_ms = 0;
	if (port->port.stopped) {
		close_line(port);
		pl_port_release(&port->port);
	} else if (pl_tty_is_open(tty)) {
		pl_tty_invite(tty);
	}
}

/* Closing the master throws away what the terminal program has not read yet. */
static bool has_unread(const struct pty_port *port)
{
	int unread = 0;
#ifdef FIONREAD
	const int fd = open_slave(port);

	if (fd < 0)
		return errno == EBUSY; /* the terminal program keeps it for itself */
	if (ioctl(fd, FIONREAD, &unread) < 0)
		unread = 0;
	close(fd);
#else
	(void)port;
#endif
	return unread > 0;
}

static bool pty_sending(struct pl_tty *tty)
{
	struct pty_port *port = port_of_tty(tty);
	const uint64_t now_ms = pl_reactor_now(port->port.reactor);

	if (!port->port.stopped)
		return false; /* the line stays, and what is on it */
	if (!port->last_words_ms)
		port->last_words_ms = now_ms;
	return now_ms - port->last_words_ms < LAST_WORDS_MS || has_unread(port);
}

static int pty_name(struct pl_tty *tty, struct pl_transport *t)
{
	const char *path = pl_endpoint_arg(port_of_tty(tty)->port.endpoint);

	return pl_transport_name(t, path, "device", path, NULL);
}

static const struct pl_tty_ops pty_tty_ops = {
	.name = pty_name,
	.hung_up = pty_hung_up,
	.session_over = pty_session_over,
	.sending = pty_sending,
	.wasted = "pty: bytes that joined nobody",
	.refused = "pty: sessions refused",
};

/* --- the port -------------------------------------------------------------------------------- */

static void pty_stop(struct pl_port *p)
{
	struct pty_port *port = port_of(p);

	if (port->tty.session)
		return; /* it lives on; session_over() closes the line */
	close_line(port);
	pl_port_release(p);
}

static void pty_port_destroy(struct pl_port *p)
{
	free(port_of(p));
}

static const struct pl_port_ops pty_port_ops = { .stop = pty_stop,
	                                         .destroy = pty_port_destroy };

/* Surely: a file system may keep whole seconds or microseconds of a time. */
static bool is_later(const struct timespec *a, const struct timespec *b)
{
	if (a->tv_sec != b->tv_sec)
		return a->tv_sec > b->tv_sec;
	return b->tv_nsec && a->tv_nsec / 1000 > b->tv_nsec / 1000;
}

/* A link that was left by a server that was killed: its terminal has gone, or there is
 * another one of that number.  Servers make their slave ready before they link to it, and
 * nothing changes its inode after that: one that was changed later than the link was made
 * is somebody else's.  (Or its operator has called chmod: then a second server on the same
 * path is not refused.  That is rarer than a restart.)  0, or why it is not stale. */
static int is_stale(const char *path, const struct stat *link, struct stat *target)
{
	if (stat(path, target) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISCHR(target->st_mode))
		return -EEXIST;
	return is_later(&target->st_ctim, &link->st_mtim) ? 0 : -EADDRINUSE;
}

static int clear_path(const char *text, const char *path, struct pl_error *err)
{
	struct stat link, target;
	int code;

	if (lstat(path, &link) < 0)
		return 0; /* nothing there; symlink() tells of anything else */
	if (!S_ISLNK(link.st_mode))
		return pl_fail(err, -EEXIST,
		               "%s: %s exists and is not a link to a terminal", text, path);
	code = is_stale(path, &link, &target);
	switch (code) {
	case 0:
		unlink(path);
		return 0;
	case -EEXIST:
		return pl_fail(err, code, "%s: %s is a link, but not to a terminal", text,
		               path);
	case -EADDRINUSE:
		return pl_fail(err, code,
		               "%s: %s leads to a terminal; if no server uses it, remove it",
		               text, path);
	default:
		return pl_fail(err, code, "%s: cannot tell whether %s is in use: %s",
		               text, path, strerror(-code));
	}
}

/* mode= and group= of the slave; raw, so that nothing echoes before a
 * terminal program has set the line up its own way. */
static int prepare_slave(const struct pl_endpoint *ep, int fd, struct pl_error *err)
{
	const char *text = pl_endpoint_text(ep), *group_name = pl_endpoint_str(ep, "group");
	const struct group *group = group_name ? getgrnam(group_name) : NULL;
	struct termios tio;
	mode_t mode;
	const int code = pl_endpoint_mode(ep, &mode, err);

	if (code)
		return code;
	if (group_name && !group)
		return pl_fail(err, -EINVAL, "%s: there is no group %s", text, group_name);
	if (tcgetattr(fd, &tio) < 0)
		return pl_fail(err, -errno, "%s: %s", text, strerror(errno));
	cfmakeraw(&tio);
	if (tcsetattr(fd, TCSANOW, &tio) < 0 ||
	    (group && fchown(fd, (uid_t)-1, group->gr_gid) < 0) || fchmod(fd, mode) < 0)
		return pl_fail(err, -errno, "%s: %s", text, strerror(errno));
	return 0;
}

/* Opens the pair and names the slave; *slave stays open, for prepare_slave(). */
static int open_pair(struct pty_port *port, int *slave)
{
	const char *name;
	size_t len;

	port->master = posix_openpt(O_RDWR | O_NOCTTY);
	if (port->master < 0)
		return -errno;
	if (pl_set_nonblocking(port->master) == 0 && grantpt(port->master) == 0 &&
	    unlockpt(port->master) == 0 && (name = ptsname(port->master)) &&
	    (len = strlen(name)) < sizeof port->slave) {
		memcpy(port->slave, name, len + 1);
		*slave = open(name, O_RDWR | O_NOCTTY);
		if (*slave >= 0)
			return 0;
	}
	const int code = errno ? -errno : -EIO;

	close(port->master);
	return code;
}

static int open_line(struct pty_port *port, struct pl_error *err)
{
	const struct pl_endpoint *ep = port->port.endpoint;
	const char *text = pl_endpoint_text(ep), *path = pl_endpoint_arg(ep);
	int slave = -1, code;

	/* First: our own pair may get the number that a stale link names. */
	code = clear_path(text, path, err);
	if (code)
		return code;
	code = open_pair(port, &slave);
	if (code)
		return pl_fail(err, code, "%s: no pseudo-terminal: %s", text,
		               strerror(-code));
	code = prepare_slave(ep, slave, err);
	close(slave);
	/* Last: see is_stale(). */
	if (!code && symlink(port->slave, path) < 0)
		code = pl_fail(err, -errno, "%s: %s: %s", text, path, strerror(errno));
	if (code)
		close(port->master);
	return code;
}

static int start(struct pty_port *port, struct pl_error *err)
{
	struct pl_endpoint *ep = port->port.endpoint;
	const char *text = pl_endpoint_text(ep), *path = pl_endpoint_arg(ep);
	char command[PATH_MAX];
	long baud;
	int code = pl_endpoint_int(ep, "baudrate", 50, 4000000, UNPACED_BAUD, &baud, err);

	if (!code)
		code = pl_tty_init(&port->tty, &pty_tty_ops, &port->port, baud, err);
	if (!code)
		code = open_line(port, err);
	if (code)
		return code;
	port->tty.paced = pl_endpoint_str(ep, "baudrate") != NULL;
	snprintf(command, sizeof command, "screen %s", path);
	if (pl_port_describe(&port->port, text, path, command, "then Enter") < 0) {
		close_line(port);
		return pl_fail(err, -ENOMEM, "%s: out of memory", text);
	}
	look_later(port);
	return 0;
}

static int pty_listen(struct pl_reactor *r, struct pl_endpoint *ep, struct pl_factory *f,
                      struct pl_port **out, struct pl_error *err)
{
	struct pty_port *port;
	int code;

	if (!*pl_endpoint_arg(ep))
		return pl_fail(err, -EINVAL,
		               "%s: the path of the line is missing, as in pty:line.tty",
		               pl_endpoint_text(ep));
	port = calloc(1, sizeof *port);
	if (!port)
		return pl_fail(err, -ENOMEM, "%s: out of memory", pl_endpoint_text(ep));
	port->look.fn = on_look;
	pl_port_init(&port->port, &pty_port_ops, r, ep, f);
	code = start(port, err);
	if (code) {
		pl_port_finish(&port->port);
		free(port);
		return code;
	}
	*out = &port->port;
	return 0;
}

const struct pl_backend pl_pty_backend = {
	.type = "pty",
	.usage = "pty:PATH[:mode=MODE][:group=GROUP][:baudrate=BAUD]" PL_GETTY_USAGE,
	.help = "screen PATH: a serial line without hardware, for users whom the mode (600) lets in",
	.listen = pty_listen,
};
