/* log.c: one line to standard error per call.
 *
 * A whole line goes out in one write, so lines of several threads do not mix.  The level
 * is the library's only setting outside a reactor. */
#include "core.h"

#include <errno.h>
#include <partyline/log.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

static const char *const names[] = {"error", "warning", "info", "debug"};
static const char *const priorities[] = {"<3>", "<4>", "<6>", "<7>"}; /* sd-daemon(3) */

static atomic_int threshold = PL_LOG_INFO;

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

/* Control characters as \xNN (T1, T4 of the terminal rules: a log is read on a terminal);
 * UTF-8 stays. */
static size_t escape(char *out, size_t size, const char *text)
{
	size_t n = 0;

	for (; *text && n + 5 < size; text++) {
		const unsigned char c = (unsigned char)*text;

		/* C2 80 to C2 9F are the C1 controls */
		const bool c1 = c == 0xc2 && (unsigned char)text[1] >= 0x80 &&
		                (unsigned char)text[1] <= 0x9f;
		if (c < 0x20 || c == 0x7f || c1)
			n += (size_t)snprintf(out + n, size - n, "\\x%02x", c);
		else
			out[n++] = (char)c;
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
	/* Nobody to tell when this fails, and nothing depends on it. */
	if (write(STDERR_FILENO, line, n) < 0)
		errno = saved;
	errno = saved;
}
