#define _GNU_SOURCE    /* syscall() */
#undef _FORTIFY_SOURCE /* its readlink() is inline */
/* ptymodem.c: a pty passes for a serial port.
 *
 * libserialport wants two things that a pty lacks: an entry in sysfs, and modem lines.
 * The functions by which it asks for them answer here; everything else is the real
 * library on a real line discipline.  Preload it (LD_PRELOAD), or link it into a program
 * whose symbols are exported (-rdynamic).  glibc's names: __lxstat before 2.33. */
#include "ptymodem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

atomic_bool ptymodem_off;
atomic_int ptymodem_lines = TIOCM_CTS | TIOCM_DSR | TIOCM_CD;

static int answer(unsigned long request, int *lines)
{
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
	if (result < 0 && errno == ENOTTY && !ptymodem_off && tcgetattr(fd, &t) == 0 &&
	    answer(request, arg) == 0)
		return 0;
	return result;
}

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
