/* log.c: one line to standard error per call.
 *
 * A line goes out whole, or is lost and counted: the server waits for no reader, and lives
 * without a disk that has room.  The level, and how the last lines fared, are the library's
 * only state outside a reactor. */
#include "core.h"

#include <errno.h>
#include <partyline/log.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <utf8proc.h>

#define LINE_MAX_BYTES 1024

static const char *const names[] = { "error", "warning", "info", "debug" };
static const char *const priorities[] = { "<3>", "<4>", "<6>", "<7>" }; /* sd-daemon(3) */

static atomic_int threshold = PL_LOG_INFO;
static atomic_uint lost_in_all;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the next two */
static unsigned untold; /* lines that were lost since the count was told last */
static bool torn;       /* a line was begun and not ended */

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

static size_t prefix(char *out, size_t size, enum pl_log_level level)
{
	const time_t now = time(NULL);
	struct tm tm;
	size_t n;

	if (getenv("JOURNAL_STREAM"))
		return (size_t)snprintf(out, size, "%s", priorities[level]);
	localtime_r(&now, &tm);
	n = strftime(out, size, "%Y-%m-%d %H:%M:%S ", &tm);
	return n + (size_t)snprintf(out + n, size - n, "%s: ", names[level]);
}

/* All of the text, or false: a reader who is stuck, or has gone, and a disk that is full must
 * not stop the server. */
static bool put(const char *text, size_t len)
{
	while (len > 0) {
		struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
		const int ready = poll(&p, 1, 0);
		ssize_t n = -1;

		if (ready > 0)
			n = write(STDERR_FILENO, text, len);
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
static bool put_note(void)
{
	char note[128];
	size_t n;

	if (!untold)
		return true;
	n = prefix(note, sizeof note, PL_LOG_WARNING);
	n += (size_t)snprintf(note + n, sizeof note - n,
	                      "%u lines of the log were lost\n", untold);
	if (!put(note, n))
		return false;
	untold = 0;
	return true;
}

static void send_line(const char *line, size_t len)
{
	pthread_mutex_lock(&lock);
	if ((torn && !put("\n", 1)) || !put_note() || !put(line, len)) {
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
	va_list args;
	size_t n;

	if ((int)level > atomic_load(&threshold))
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	n = prefix(line, sizeof line, level);
	n += escape(line + n, sizeof line - n - 1, text);
	line[n++] = '\n';
	send_line(line, n);
	errno = saved;
}
