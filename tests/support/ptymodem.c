#define _GNU_SOURCE    /* syscall() */
#undef _FORTIFY_SOURCE /* its readlink() is inline */
/* ptymodem.c: a pty passes for a serial port.
 *
 * libserialport wants two things that a pty lacks: an entry in sysfs, and modem lines.
 * The functions by which it asks for them answer here; everything else is the real
 * library on a real line discipline.  What hardware does besides is played on demand:
 * openings that fail, or hang, a close that hangs (S3), errors that are counted (S15).
 *
 * Preload it (LD_PRELOAD), or link it into a program whose symbols are exported
 * (-rdynamic).  Preloaded, PTYMODEM_OPEN_MS in the environment lets every opening of a
 * pty take so long.  glibc's names: __lxstat before 2.33, __open_2 for FORTIFY. */
#include "ptymodem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/serial.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

atomic_bool ptymodem_off;
atomic_int ptymodem_lines = TIOCM_CTS | TIOCM_DSR | TIOCM_CD;
atomic_int ptymodem_framing, ptymodem_parity, ptymodem_overruns, ptymodem_buffer_overruns,
	ptymodem_breaks;

/* --- what is played --------------------------------------------------------------------- */

enum { PATH_SIZE = 64, PLAN_SIZE = 32 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t released = PTHREAD_COND_INITIALIZER;
static char planned[PATH_SIZE], held_opening[PATH_SIZE], held_closing[PATH_SIZE];
static int plan[PLAN_SIZE];
static size_t plan_next, plan_size;
static int held_fd = -1; /* of the tty whose close is held */
static int waiting;

static void set(char *which, const char *path)
{
	pthread_mutex_lock(&lock);
	snprintf(which, PATH_SIZE, "%s", path);
	pthread_mutex_unlock(&lock);
}

void ptymodem_plan(const char *path, const int *errnos, size_t n)
{
	set(planned, path);
	pthread_mutex_lock(&lock);
	plan_next = 0;
	plan_size = n < PLAN_SIZE ? n : PLAN_SIZE;
	for (size_t i = 0; i < plan_size; i++)
		plan[i] = errnos[i];
	pthread_mutex_unlock(&lock);
}

void ptymodem_hold_opening(const char *path)
{
	set(held_opening, path);
}

/* Before the tty is opened. */
void ptymodem_hold_closing(const char *path)
{
	set(held_closing, path);
}

int ptymodem_waiting(void)
{
	pthread_mutex_lock(&lock);
	const int n = waiting;
	pthread_mutex_unlock(&lock);
	return n;
}

void ptymodem_release(void)
{
	pthread_mutex_lock(&lock);
	held_opening[0] = held_closing[0] = '\0';
	held_fd = -1;
	pthread_cond_broadcast(&released);
	pthread_mutex_unlock(&lock);
}

void ptymodem_reset(void)
{
	ptymodem_release();
	ptymodem_plan("", NULL, 0);
	ptymodem_off = false;
	ptymodem_lines = TIOCM_CTS | TIOCM_DSR | TIOCM_CD;
	ptymodem_framing = ptymodem_parity = ptymodem_overruns = 0;
	ptymodem_buffer_overruns = ptymodem_breaks = 0;
}

/* With the lock held; gives it up in between. */
static void wait_while(const char *which, const char *path)
{
	waiting++;
	while (strcmp(which, path) == 0)
		pthread_cond_wait(&released, &lock);
	waiting--;
}

/* The errno of an opening of path, 0: it is to be opened. */
static int before_opening(const char *path)
{
	const char *slow = getenv("PTYMODEM_OPEN_MS");
	int code = 0;

	if (strncmp(path, "/dev/pts/", 9) != 0)
		return 0;
	if (slow)
		poll(NULL, 0, atoi(slow));
	pthread_mutex_lock(&lock);
	if (strcmp(path, held_opening) == 0)
		wait_while(held_opening, path);
	if (strcmp(path, planned) == 0 && plan_next < plan_size)
		code = plan[plan_next++];
	pthread_mutex_unlock(&lock);
	return code;
}

static void after_opening(const char *path, int fd)
{
	pthread_mutex_lock(&lock);
	if (fd >= 0 && strcmp(path, held_closing) == 0)
		held_fd = fd;
	pthread_mutex_unlock(&lock);
}

static int open_tty(const char *path, int flags, mode_t mode)
{
	const int code = before_opening(path);
	int fd;

	if (code) {
		errno = code;
		return -1;
	}
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	after_opening(path, fd);
	return fd;
}

int open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list args;

	va_start(args, flags);
	if (flags & (O_CREAT | __O_TMPFILE))
		mode = va_arg(args, mode_t);
	va_end(args);
	return open_tty(path, flags, mode);
}

int __open_2(const char *path, int flags);

int __open_2(const char *path, int flags)
{
	return open_tty(path, flags, 0);
}

int close(int fd)
{
	pthread_mutex_lock(&lock);
	if (fd == held_fd && fd >= 0) {
		waiting++;
		while (fd == held_fd)
			pthread_cond_wait(&released, &lock);
		waiting--;
	}
	pthread_mutex_unlock(&lock);
	return (int)syscall(SYS_close, fd);
}

/* --- modem lines and counters ----------------------------------------------------------- */

static int answer(unsigned long request, void *arg)
{
	int *lines = arg;

	switch (request) {
	case TIOCMGET:
		*lines = ptymodem_lines;
		return 0;
	case TIOCMSET:
		ptymodem_lines = *lines;
		return 0;
	case TIOCMBIS:
		ptymodem_lines |= *lines;
		return 0;
	case TIOCMBIC:
		ptymodem_lines &= ~*lines;
		return 0;
	case TIOCGICOUNT:
		*(struct serial_icounter_struct *)arg = (struct serial_icounter_struct){
			.frame = ptymodem_framing,
			.parity = ptymodem_parity,
			.overrun = ptymodem_overruns,
			.buf_overrun = ptymodem_buffer_overruns,
			.brk = ptymodem_breaks,
		};
		return 0;
	default:
		return -1;
	}
}

int ioctl(int fd, unsigned long request, ...)
{
	struct termios t;
	va_list args;
	void *arg;
	int result;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	result = (int)syscall(SYS_ioctl, fd, request, arg);
	if (result < 0 && (errno == ENOTTY || errno == EINVAL) && !ptymodem_off) {
		const int code = errno;

		if (tcgetattr(fd, &t) == 0 && answer(request, arg) == 0)
			return 0;
		errno = code;
	}
	return result;
}

/* --- sysfs -------------------------------------------------------------------------------- */

static int is_entry(const char *path)
{
	static const char entry[] = "/sys/class/tty/pts/";

	return !ptymodem_off && strncmp(path, entry, sizeof entry - 1) == 0;
}

int lstat(const char *path, struct stat *st)
{
	if (!is_entry(path))
		return fstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW);
	memset(st, 0, sizeof *st);
	st->st_mode = S_IFLNK | 0777;
	return 0;
}

int __lxstat(int version, const char *path, struct stat *st);

int __lxstat(int version, const char *path, struct stat *st)
{
	(void)version;
	return lstat(path, st);
}

ssize_t readlink(const char *path, char *target, size_t size)
{
	if (!is_entry(path))
		return readlinkat(AT_FDCWD, path, target, size);
	/* The library reads into the memory where path stands. */
	return snprintf(target, size, "../../devices/platform/ptymodem/tty/pty");
}
