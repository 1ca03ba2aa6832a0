/* log.c: one line to standard error per call.
 *
 * A line goes out whole, or is lost and counted: the server waits for no reader, and lives
 * without a disk that has room.  The level, how the last lines fared, and the terminal that
 * they went to are the library's only state outside a reactor. */
#include "core.h"

#include <errno.h>
#include <fcntl.h>
#include <partyline/log.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <utf8proc.h>

#define LINE_MAX_BYTES 1024

static const char *const names[] = { "error", "warning", "info", "debug" };
static const char *const priorities[] = { "<3>", "<4>", "<6>", "<7>" }; /* sd-daemon(3) */

static atomic_int threshold = PL_LOG_INFO;
static atomic_uint lost_in_all;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static unsigned untold;      /* lines that were lost since the count was told last */
static bool torn;            /* a line was begun and not ended */
static struct stat led_to;   /* what standard error was at the last line */
static int terminal_fd = -1; /* the same, opened anew; -1: it is none */

void pl_log_set_level(enum pl_log_level level)
{
	atomic_store(&threshold, (int)level);
}

int pl_log_level_parse(const char *name, enum pl_log_level *level)
{
	for (int i = 0; i <= (int)PL_LOG_DEBUG; i++) {
		if (strcmp(name, names[i]) == 0) {
			*level = (enum pl_log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* Control characters, and bytes that are no UTF-8, as \xNN: a log is read on a terminal, by
 * somebody whom peers should not be able to drive or deceive (T1, T4). */
static size_t escape(char *out, size_t size, const char *text)
{
	const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
	size_t n = 0;

	while (*at && n + 5 < size) {
		utf8proc_int32_t code;
		const utf8proc_ssize_t len = utf8proc_iterate(at, -1, &code);
		const bool control = code < 0x20 || (code >= 0x7f && code < 0xa0);

		if (len < 1 || control) {
			n += (size_t)snprintf(out + n, size - n, "\\x%02x", *at++);
			/* The second byte of a C1 control is escaped by the next round. */
			continue;
		}
		memcpy(out + n, at, (size_t)len);
		n += (size_t)len;
		at += len;
	}
	return n;
}

/* The variable is inherited by programs whose standard error is something else by now:
 * systemd.exec(5) says to compare. */
static bool is_journal(const struct stat *now)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char is[64];

	if (!stream)
		return false;
	snprintf(is, sizeof is, "%ju:%ju", (uintmax_t)now->st_dev, (uintmax_t)now->st_ino);
	return strcmp(stream, is) == 0;
}

static size_t prefix(char *out, size_t size, enum pl_log_level level,
                     const struct stat *where)
{
	const time_t now = time(NULL);
	struct tm tm;
	size_t n;

	if (is_journal(where))
		return (size_t)snprintf(out, size, "%s", priorities[level]);
	localtime_r(&now, &tm);
	n = strftime(out, size, "%Y-%m-%d %H:%M:%S ", &tm);
	return n + (size_t)snprintf(out + n, size - n, "%s: ", names[level]);
}

/* --- where it goes ------------------------------------------------------------------- */

static struct stat look_at_stderr(void)
{
	struct stat now;

	if (fstat(STDERR_FILENO, &now) < 0)
		now = (struct stat){ 0 };
	return now;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_rdev == b->st_rdev;
}

static int open_terminal(const struct stat *wanted)
{
	char name[128];
	struct stat opened;
	int fd;

	if (!S_ISCHR(wanted->st_mode) || ttyname_r(STDERR_FILENO, name, sizeof name) != 0)
		return -1;
	fd = open(name, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0 && (fstat(fd, &opened) < 0 || !is_same(&opened, wanted))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* A terminal that nobody reads is ready for a byte, as poll() has it, and then a write of
 * more of them sleeps.  Only a description of its own does not: the one that we were given
 * is shared with the shell, which is not prepared for O_NONBLOCK. */
static int descriptor(const struct stat *now)
{
	if (!is_same(now, &led_to)) {
		if (terminal_fd >= 0)
			close(terminal_fd);
		terminal_fd = open_terminal(now);
		led_to = *now;
	}
	return terminal_fd >= 0 ? terminal_fd : STDERR_FILENO;
}

void pl_log_begin(void)
{
	const struct stat now = look_at_stderr();

	pthread_mutex_lock(&lock);
	descriptor(&now);
	pthread_mutex_unlock(&lock);
}

/* All of the text, or false: a reader who is stuck, or has gone, and a disk that is full must
 * not stop the server. */
static bool put(int fd, const char *text, size_t len)
{
	while (len > 0) {
		struct pollfd p = { .fd = fd, .events = POLLOUT };
		const int ready = poll(&p, 1, 0);
		ssize_t n = -1;

		if (ready > 0)
			n = write(fd, text, len);
		if ((ready < 0 || (ready > 0 && n < 0)) && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		torn = n < (ssize_t)len || text[len - 1] != '\n';
		text += n;
		len -= (size_t)n;
	}
	return true;
}

/* What could not be written is told by the next line that can. */
static bool put_note(int fd, const struct stat *now)
{
	char note[128];
	size_t n;

	if (!untold)
		return true;
	n = prefix(note, sizeof note, PL_LOG_WARNING, now);
	n += (size_t)snprintf(note + n, sizeof note - n,
	                      "%u lines of the log were lost\n", untold);
	if (!put(fd, note, n))
		return false;
	untold = 0;
	return true;
}

static void send_line(const char *line, size_t len, const struct stat *now)
{
	int fd;

	pthread_mutex_lock(&lock);
	fd = descriptor(now);
	if ((torn && !put(fd, "\n", 1)) || !put_note(fd, now) || !put(fd, line, len)) {
		untold++;
		atomic_fetch_add(&lost_in_all, 1);
	}
	pthread_mutex_unlock(&lock);
}

unsigned pl_log_lost(void)
{
	return atomic_load(&lost_in_all);
}

void pl_log(enum pl_log_level level, const char *fmt, ...)
{
	char text[LINE_MAX_BYTES / 2], line[LINE_MAX_BYTES];
	const int saved = errno;
	struct stat now;
	va_list args;
	size_t n;

	if ((int)level > atomic_load(&threshold))
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	now = look_at_stderr();
	n = prefix(line, sizeof line, level, &now);
	n += escape(line + n, sizeof line - n - 1, text);
	line[n++] = '\n';
	send_line(line, n, &now);
	errno = saved;
}
