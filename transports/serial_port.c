#define _GNU_SOURCE /* CRTSCTS, CMSPAR, cfmakeraw() */
/* serial_port.c: opening, setting up and closing a line, and what can be asked of one.
 *
 * libserialport is the way in, because it knows arbitrary speeds; mend() then puts right,
 * in one place, what it leaves undone or does wrongly (WIRES 5, version 0.1.1).  It
 * refuses a tty without modem lines (a USB gadget's ttyGS0, a pty of socat): those are
 * opened by termios.  Bytes are then read and written by the descriptor, not through the
 * library, whose calls cannot tell nothing from gone, nor full from failed. */
#include "serial_port.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libserialport.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/serial.h>
#endif

/* --- by libserialport ----------------------------------------------------------------- */

static int code_of(enum sp_return result)
{
	switch (result) {
	case SP_OK:
		return 0;
	case SP_ERR_FAIL:
		return -sp_last_error_code(); /* errno */
	case SP_ERR_MEM:
		return -ENOMEM;
	case SP_ERR_SUPP:
		return -ENOTSUP;
	default:
		return -EINVAL;
	}
}

/* Every field, for 0.1.1 leaves some of a new config unset (W12).  Its RTS/CTS does
 * nothing: see mend(). */
static int configure(struct sp_port *sp, const struct pl_serial_settings *s)
{
	struct sp_port_config *config;
	int code = code_of(sp_new_config(&config));

	if (code)
		return code;
	sp_set_config_baudrate(config, s->baudrate);
	sp_set_config_bits(config, s->bytesize);
	sp_set_config_parity(config, (enum sp_parity)s->parity);
	sp_set_config_stopbits(config, s->stopbits);
	sp_set_config_rts(config, s->rts ? SP_RTS_ON : SP_RTS_OFF);
	sp_set_config_cts(config, SP_CTS_IGNORE);
	sp_set_config_dtr(config, s->dtr ? SP_DTR_ON : SP_DTR_OFF);
	sp_set_config_dsr(config, SP_DSR_IGNORE);
	sp_set_config_xon_xoff(config, s->xonxoff ? SP_XONXOFF_INOUT : SP_XONXOFF_DISABLED);
	code = code_of(sp_set_config(sp, config));
	sp_free_config(config);
	return code;
}

/* -ENOTTY: the library does not take it for a serial port. */
static int open_by_library(struct pl_serial_port *port, const char *path,
                           const struct pl_serial_settings *s)
{
	const enum sp_return named = sp_get_port_by_name(path, &port->sp);
	int code;

	if (named == SP_ERR_ARG)
		return -ENOTTY; /* it is not in sysfs, or just going: then termios will say so */
	if (named != SP_OK)
		return code_of(named);
	code = code_of(sp_open(port->sp, SP_MODE_READ_WRITE));
	if (code == -EAGAIN)
		code = -EBUSY; /* 0.1.2 takes the lock itself */
	if (code)
		goto free_port;
	code = configure(port->sp, s);
	if (code) {
		sp_close(port->sp);
		goto free_port;
	}
	sp_get_port_handle(port->sp, &port->fd);
	return 0;
free_port:
	sp_free_port(port->sp);
	port->sp = NULL;
	return code;
}

/* --- by termios ------------------------------------------------------------------------- */

static int speed_of(int baudrate, speed_t *speed)
{
#define RATE(n) \
	{ \
		n, B##n \
	}
	static const struct {
		int baudrate;
		speed_t speed;
	} rates[] = {
		RATE(50),      RATE(75),      RATE(110),     RATE(134),     RATE(150),
		RATE(200),     RATE(300),     RATE(600),     RATE(1200),    RATE(1800),
		RATE(2400),    RATE(4800),    RATE(9600),    RATE(19200),   RATE(38400),
		RATE(57600),   RATE(115200),  RATE(230400),  RATE(460800),  RATE(500000),
		RATE(576000),  RATE(921600),  RATE(1000000), RATE(1152000), RATE(1500000),
		RATE(2000000), RATE(2500000), RATE(3000000), RATE(3500000), RATE(4000000),
	};
#undef RATE

	for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++)
		if (rates[i].baudrate == baudrate) {
			*speed = rates[i].speed;
			return 0;
		}
	return -ENOTSUP;
}

static int open_by_termios(struct pl_serial_port *port, const char *path,
                           const struct pl_serial_settings *s)
{
	static const tcflag_t sizes[] = { CS5, CS6, CS7, CS8 };
	static const tcflag_t parities[] = {
		[SP_PARITY_NONE] = 0,
		[SP_PARITY_ODD] = PARENB | PARODD,
		[SP_PARITY_EVEN] = PARENB,
		[SP_PARITY_MARK] = PARENB | CMSPAR | PARODD,
		[SP_PARITY_SPACE] = PARENB | CMSPAR,
	};
	struct termios t;
	speed_t speed;
	int code = speed_of(s->baudrate, &speed);

	if (code)
		return code;
	/* O_NOCTTY: or unplugging it would be a SIGHUP for us. */
	port->fd = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (port->fd < 0)
		return -errno;
	if (tcgetattr(port->fd, &t) < 0)
		goto close_fd;
	cfmakeraw(&t);
	t.c_cflag &= ~(tcflag_t)(CSIZE | PARENB | PARODD | CMSPAR | CSTOPB);
	t.c_cflag |= sizes[s->bytesize - 5] | parities[s->parity] | CLOCAL | CREAD;
	if (s->stopbits == 2)
		t.c_cflag |= CSTOPB;
	cfsetispeed(&t, speed);
	cfsetospeed(&t, speed);
	if (tcsetattr(port->fd, TCSANOW, &t) == 0)
		return 0;
close_fd:
	code = -errno;
	close(port->fd);
	port->fd = -1;
	return code;
}

/* --- both ------------------------------------------------------------------------------- */

/* The descriptor as we want it, whoever opened it. */
static int mend(int fd, const struct pl_serial_settings *s)
{
	struct termios t;

	/* Two locks, because nobody looks at both: flock() stops picocom, tio and another
	 * partyline, TIOCEXCL whoever is not root. */
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (ioctl(fd, TIOCEXCL) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
	    tcgetattr(fd, &t) < 0)
		return -errno;
	/* RTS/CTS: the library sets and clears the bit in the wrong word, so one that a
	 * killed minicom left on would hold our output for ever.  HUPCL off: a board that
	 * resets when DTR moves is not reset by our coming and going.  IXON and IXANY are
	 * what a fresh tty and the library have on.  VMIN 1: nothing to read is EAGAIN, and
	 * 0 is left for a line that has gone. */
	t.c_cflag &= ~(tcflag_t)(CRTSCTS | HUPCL);
	t.c_iflag &= ~(tcflag_t)(IXON | IXOFF | IXANY);
	if (s->rtscts)
		t.c_cflag |= CRTSCTS;
	if (s->xonxoff)
		t.c_iflag |= IXON | IXOFF;
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	if (tcsetattr(fd, TCSANOW, &t) < 0 || tcflush(fd, TCIFLUSH) < 0)
		return -errno;
	return 0;
}

int pl_serial_carrier(int fd)
{
	int lines;

	if (ioctl(fd, TIOCMGET, &lines) < 0)
		return -errno;
	return (lines & TIOCM_CD) != 0;
}

int pl_serial_open(struct pl_serial_port *port, const char *path,
                   const struct pl_serial_settings *settings, struct pl_error *err)
{
	int code = pl_serial_check_path(path, err);

	*port = (struct pl_serial_port){ .fd = -1 };
	if (code)
		return code;
	/* The library has the same answer for absent, forbidden and unknown. */
	if (access(path, R_OK | W_OK) < 0)
		return pl_serial_explain(-errno, path, settings, err);
	code = open_by_library(port, path, settings);
	if (code == -ENOTTY)
		code = open_by_termios(port, path, settings);
	if (code)
		return pl_serial_explain(code, path, settings, err);
	code = mend(port->fd, settings);
	if (code)
		pl_serial_explain(code, path, settings, err);
	else if (settings->carrier && pl_serial_carrier(port->fd) < 0)
		code = pl_fail(err, -ENOTTY,
		               "serial:%s: it has no carrier line, so carrier=yes cannot work",
		               path);
	if (code)
		pl_serial_close(port);
	return code;
}

void pl_serial_close(struct pl_serial_port *port)
{
	if (port->fd < 0)
		return;
	/* Who else holds it open (socat both ends of a pair) keeps the tty, and with it our
	 * claim: the next open would be refused. */
	ioctl(port->fd, TIOCNXCL);
	if (port->sp) {
		sp_close(port->sp);
		sp_free_port(port->sp);
	} else {
		close(port->fd);
	}
	*port = (struct pl_serial_port){ .fd = -1 };
}

int pl_serial_output(int fd)
{
	int bytes;

	return ioctl(fd, TIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

void pl_serial_forget_output(int fd)
{
	/* A pty has none, ever: there a flush would take away what the other end has not
	 * read yet. */
	if (pl_serial_output(fd) > 0)
		tcflush(fd, TCOFLUSH);
}

int pl_serial_restart_output(int fd)
{
	struct termios t;

	if (tcgetattr(fd, &t) < 0)
		return -errno;
	if (!(t.c_iflag & IXON))
		return -ENOTSUP;
	t.c_iflag &= ~(tcflag_t)IXON; /* this starts what an XOFF has stopped */
	if (tcsetattr(fd, TCSANOW, &t) < 0)
		return -errno;
	t.c_iflag |= IXON;
	return tcsetattr(fd, TCSANOW, &t) < 0 ? -errno : 0;
}

/* Linux alone counts them where we can ask. */
int pl_serial_read_errors(int fd, struct pl_serial_errors *errors)
{
#ifdef TIOCGICOUNT
	struct serial_icounter_struct n = { 0 };

	if (ioctl(fd, TIOCGICOUNT, &n) < 0)
		return -errno;
	errors->framing = (uint32_t)n.frame;
	errors->parity = (uint32_t)n.parity;
	errors->overruns = (uint32_t)n.overrun + (uint32_t)n.buf_overrun;
	errors->breaks = (uint32_t)n.brk;
	return 0;
#else
	(void)fd;
	(void)errors;
	return -ENOTSUP;
#endif
}

/* --- sentences ---------------------------------------------------------------------------- */

int pl_serial_check_path(const char *path, struct pl_error *err)
{
	struct stat st;

	if (stat(path, &st) < 0 || S_ISCHR(st.st_mode))
		return 0;
	if (S_ISDIR(st.st_mode))
		return pl_fail(err, -EISDIR,
		               "serial:%s: it is a directory, not a serial device", path);
	return pl_fail(err, -ENOTTY, "serial:%s: it is a file, not a serial device", path);
}

static int explain_access(const char *path, struct pl_error *err)
{
	const mode_t both = S_IRGRP | S_IWGRP;
	struct group group, *found = NULL;
	char buf[1024];
	struct stat st;

	if (stat(path, &st) == 0 && (st.st_mode & both) == both && st.st_gid != 0)
		getgrgid_r(st.st_gid, &group, buf, sizeof buf, &found);
	if (!found)
		return pl_fail(err, -EACCES, "serial:%s: permission denied", path);
	return pl_fail(err, -EACCES,
	               "serial:%s: permission denied; add yourself to %s "
	               "(sudo usermod -aG %s $USER) and log in again",
	               path, found->gr_name, found->gr_name);
}

int pl_serial_explain(int code, const char *path, const struct pl_serial_settings *s,
                      struct pl_error *err)
{
	switch (-code) {
	case ENOENT:
		return pl_fail(err, code, "serial:%s: it is not there", path);
	case EACCES:
		return explain_access(path, err);
	case EBUSY:
		return pl_fail(err, code,
		               "serial:%s: another program has it: ModemManager, a getty, or "
		               "another partyline? (fuser -v %s)",
		               path, path);
	case ENOTTY:
		return pl_fail(err, code, "serial:%s: it is not a serial device", path);
	case EINVAL:
	case ENOTSUP:
		return pl_fail(err, code, "serial:%s: the device does not do %d %d%c%d",
		               path, s->baudrate, s->bytesize, "NOEMS"[s->parity],
		               s -> stopbits);
	default:
		return pl_fail(err, code, "serial:%s: %s", path, strerror(-code));
	}
}
