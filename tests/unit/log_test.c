#define _XOPEN_SOURCE 700 /* posix_openpt() */
/* log_test.c: what the operator reads. */
#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <partyline/log.h>

/* --- a kernel that interrupts, and takes a little at a time --------------------------- */

static atomic_uint calls; /* 0: it does not */

int __real_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);

static bool interrupted(void)
{
	if (!atomic_load(&calls) || atomic_fetch_add(&calls, 1) % 3)
		return false;
	errno = EINTR;
	return true;
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	return interrupted() ? -1 : __real_poll(fds, n, timeout_ms);
}

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
	if (interrupted())
		return -1;
	return __real_write(fd, data, atomic_load(&calls) && len > 9 ? 9 : len);
}

/* --- what is written ------------------------------------------------------------------ */

static bool under_systemd;

/* Standard error is the journal's, if it is to be. */
static void name_journal(void)
{
	char text[64];
	struct stat is;

	if (!under_systemd || fstat(STDERR_FILENO, &is) < 0)
		return;
	snprintf(text, sizeof text, "%ju:%ju", (uintmax_t)is.st_dev, (uintmax_t)is.st_ino);
	setenv("JOURNAL_STREAM", text, 1);
}

/* What a function writes to standard error. */
static const char *caught(void (*fn)(void))
{
	static char text[70000];
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO);
	ssize_t n;

	if (!file || saved < 0)
		abort();
	dup2(fileno(file), STDERR_FILENO);
	name_journal();
	fn();
	dup2(saved, STDERR_FILENO);
	close(saved);
	n = pread(fileno(file), text, sizeof(text) - 1, 0);
	fclose(file);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static int setup(void **state)
{
	(void)state;
	unsetenv("JOURNAL_STREAM");
	under_systemd = false;
	pl_log_set_level(PL_LOG_INFO);
	return 0;
}

static void say_all_levels(void)
{
	pl_log(PL_LOG_ERROR, "one");
	pl_log(PL_LOG_WARNING, "two");
	pl_log(PL_LOG_INFO, "three");
	pl_log(PL_LOG_DEBUG, "four");
}

static unsigned count_lines(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void a_call_is_a_line_with_its_level(void **state)
{
	const char *text = caught(say_all_levels);

	(void)state;
	assert_int_equal(count_lines(text), 3);
	assert_non_null(strstr(text, "error: one\n"));
	assert_non_null(strstr(text, "warning: two\n"));
	assert_non_null(strstr(text, "info: three\n"));
	assert_null(strstr(text, "four")); /* above the default level */
}

static void lines_above_the_level_are_dropped(void **state)
{
	(void)state;
	pl_log_set_level(PL_LOG_ERROR);
	assert_int_equal(count_lines(caught(say_all_levels)), 1);
	pl_log_set_level(PL_LOG_WARNING);
	assert_int_equal(count_lines(caught(say_all_levels)), 2);
	pl_log_set_level(PL_LOG_DEBUG);
	assert_int_equal(count_lines(caught(say_all_levels)), 4);
}

static void under_systemd_lines_have_a_priority_and_no_time(void **state)
{
	(void)state;
	under_systemd = true;
	pl_log_set_level(PL_LOG_DEBUG);
	assert_string_equal(caught(say_all_levels), "<3>one\n<4>two\n<6>three\n<7>four\n");
}

/* A shell of the user's own systemd has inherited it, and a server that it starts. */
static void a_journal_that_is_somewhere_else_is_none(void **state)
{
	static const char *const elsewhere[] = { "8:12345", "", ":", "8", "0:0" };
	const char *text;

	(void)state;
	for (size_t i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++) {
		setenv("JOURNAL_STREAM", elsewhere[i], 1);
		text = caught(say_all_levels);
		assert_non_null(strstr(text, " error: one\n"));
		assert_null(strchr(text, '<'));
	}
}

static void say_nasty_things(void)
{
	pl_log(PL_LOG_INFO, "%s", "a\nb\rc\033[2Jd\177e\tf\xc2\x9bg\xc3\xa9h");
}

static void control_characters_are_escaped_and_utf8_stays(void **state)
{
	const char *text;

	(void)state;
	under_systemd = true;
	text = caught(say_nasty_things);
	assert_int_equal(count_lines(text), 1);
	assert_non_null(strstr(text, "a\\x0ab\\x0dc\\x1b[2Jd\\x7fe"));
	assert_non_null(strstr(text, "g\xc3\xa9h"));
	/* C1 as UTF-8 as well as on its own: 9b alone is CSI to an 8-bit terminal */
	assert_null(strchr(text, '\x9b'));
}

static void say_much(void)
{
	char text[5000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	pl_log(PL_LOG_INFO, "%s", text);
	memset(text, '\n', sizeof(text) - 1);
	pl_log(PL_LOG_INFO, "%s", text);
}

static void a_long_line_stays_one_line(void **state)
{
	const char *text = caught(say_much);

	(void)state;
	assert_int_equal(count_lines(text), 2);
	assert_true(strlen(text) > 200);
}

static void *say_from_thread(void *arg)
{
	(void)arg;
	for (int i = 0; i < 200; i++)
		pl_log(PL_LOG_INFO, "0123456789012345678901234567890123456789");
	return NULL;
}

static void say_from_threads(void)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, say_from_thread, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

static void assert_each_line_is(const char *text, const char *line)
{
	for (; *text; text += strlen(line))
		assert_int_equal(strncmp(text, line, strlen(line)), 0);
}

static void lines_of_several_threads_do_not_mix(void **state)
{
	const char *text;

	(void)state;
	under_systemd = true;
	text = caught(say_from_threads);
	assert_int_equal(count_lines(text), 800);
	assert_each_line_is(text, "<6>0123456789012345678901234567890123456789\n");
}

static int errno_after;

static void say_with_errno(void)
{
	errno = ENOTTY;
	pl_log(PL_LOG_INFO, "x");
	errno_after = errno;
}

static void errno_is_left_alone(void **state)
{
	(void)state;
	caught(say_with_errno);
	assert_int_equal(errno_after, ENOTTY);
}

static void levels_have_names(void **state)
{
	enum pl_log_level level = PL_LOG_INFO;

	(void)state;
	assert_int_equal(pl_log_level_parse("error", &level), 0);
	assert_int_equal(level, PL_LOG_ERROR);
	assert_int_equal(pl_log_level_parse("warning", &level), 0);
	assert_int_equal(level, PL_LOG_WARNING);
	assert_int_equal(pl_log_level_parse("info", &level), 0);
	assert_int_equal(level, PL_LOG_INFO);
	assert_int_equal(pl_log_level_parse("debug", &level), 0);
	assert_int_equal(level, PL_LOG_DEBUG);
	assert_int_equal(pl_log_level_parse("", &level), -EINVAL);
	assert_int_equal(pl_log_level_parse("warn", &level), -EINVAL);
	assert_int_equal(pl_log_level_parse("Error", &level), -EINVAL);
	assert_int_equal(level, PL_LOG_DEBUG);
}

static void a_reader_who_is_stuck_stops_nobody_and_reads_how_much_he_missed(void **state)
{
	static char text[256 * 1024];
	const int saved = dup(STDERR_FILENO);
	int fds[2];
	unsigned written, lost = 0;
	char *told;
	ssize_t n;

	(void)state;
	under_systemd = true;
	assert_int_equal(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	name_journal();
	for (int i = 0; i < 20000; i++) /* far more than a pipe holds: would block for ever */
		pl_log(PL_LOG_INFO, "%d", i);
	n = read(fds[0], text, sizeof text - 1);
	written = n > 0 ? (text[n] = '\0', count_lines(text)) : 0;
	pl_log(PL_LOG_INFO, "again");
	n = read(fds[0], text, sizeof text - 1);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[0]);
	close(fds[1]);
	assert_true(n > 0);
	text[n] = '\0';
	told = strstr(text, "<4>");
	assert_non_null(told);
	assert_int_equal(sscanf(told, "<4>%u lines of the log were lost", &lost), 1);
	assert_true(lost > 0);
	*told = '\0'; /* before it: what the first read left */
	assert_int_equal(written + count_lines(text) + lost, 20000);
	assert_string_equal(strchr(told + 1, '\n'), "\n<6>again\n");
}

/* --- when it cannot be written ------------------------------------------------------ */

static int saved_stderr;

/* From here on to this descriptor (-1: it is closed), until stderr_back(). */
static void stderr_to(int fd)
{
	saved_stderr = dup(STDERR_FILENO);
	assert_true(saved_stderr >= 0);
	if (fd >= 0)
		dup2(fd, STDERR_FILENO);
	else
		close(STDERR_FILENO);
	name_journal();
}

static void stderr_back(void)
{
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
}

static void say(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		pl_log(PL_LOG_INFO, "line");
}

/* So many lines are lost on fd, and the next line that comes through tells how many. */
static void assert_lost_and_told(int fd, unsigned n)
{
	const unsigned before = pl_log_lost();
	char wanted[80];

	under_systemd = true;
	stderr_to(fd);
	say(n);
	stderr_back();
	assert_int_equal(pl_log_lost() - before, n);
	snprintf(wanted, sizeof wanted, "<4>%u lines of the log were lost\n", n);
	assert_non_null(strstr(caught(say_all_levels), wanted));
	assert_null(strstr(caught(say_all_levels), "lost")); /* once */
	assert_int_equal(pl_log_lost() - before, n);
}

static void lines_that_a_full_disk_does_not_take_are_counted_and_told(void **state)
{
	const int fd = open("/dev/full", O_WRONLY);

	(void)state;
	if (fd < 0)
		skip(); /* there is none but on Linux */
	assert_lost_and_told(fd, 7);
	close(fd);
}

static void lines_whose_reader_has_gone_are_counted_and_told(void **state)
{
	int fds[2];

	(void)state;
	signal(SIGPIPE, SIG_IGN); /* as every program does that serves */
	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	assert_lost_and_told(fds[1], 5);
	close(fds[1]);
	signal(SIGPIPE, SIG_DFL);
}

static void lines_to_nowhere_are_counted_and_told(void **state)
{
	(void)state;
	assert_lost_and_told(-1, 3);
}

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes;
	setrlimit(RLIMIT_FSIZE, &limit);
}

/* The kernel takes the first bytes of a line and then no more. */
static void a_line_that_was_cut_has_a_row_of_its_own(void **state)
{
	FILE *file = tmpfile();
	char text[400] = "";
	struct rlimit before;
	unsigned lost = pl_log_lost();

	(void)state;
	assert_non_null(file);
	under_systemd = true;
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	stderr_to(fileno(file));
	limit_files(12); /* one line of 8 bytes, and half of the next */
	say(4);
	limit_files(before.rlim_cur);
	say(2);
	stderr_back();
	signal(SIGXFSZ, SIG_DFL);
	assert_true(pread(fileno(file), text, sizeof text - 1, 0) > 0);
	fclose(file);
	assert_string_equal(text, "<6>line\n<6>l\n<4>3 lines of the log were lost\n"
	                          "<6>line\n<6>line\n");
	assert_int_equal(pl_log_lost() - lost, 3);
}

static void interruptions_and_short_writes_lose_nothing_and_mix_nothing(void **state)
{
	const unsigned lost = pl_log_lost();
	const char *text;

	(void)state;
	under_systemd = true;
	atomic_store(&calls, 1);
	text = caught(say_from_threads);
	assert_true(atomic_exchange(&calls, 0) > 5 * 800);
	assert_int_equal(pl_log_lost(), lost);
	assert_int_equal(count_lines(text), 800);
	assert_each_line_is(text, "<6>0123456789012345678901234567890123456789\n");
}

/* --- a terminal that nobody reads --------------------------------------------------- */

struct terminal {
	int master, slave;
	char text[300000]; /* all that was read, without CR */
	size_t len;
};

static void open_terminal(struct terminal *t)
{
	t->len = 0;
	t->master = posix_openpt(O_RDWR | O_NOCTTY);
	assert_true(t->master >= 0);
	assert_int_equal(grantpt(t->master), 0);
	assert_int_equal(unlockpt(t->master), 0);
	assert_int_equal(fcntl(t->master, F_SETFL, O_NONBLOCK), 0);
	t->slave = open(ptsname(t->master), O_RDWR | O_NOCTTY);
	assert_true(t->slave >= 0);
}

/* Something, if it comes: by a thread of the kernel. */
static bool read_terminal(struct terminal *t, int patience_ms)
{
	struct pollfd p = { .fd = t->master, .events = POLLIN };
	char buffer[4096];
	ssize_t n = 0;

	if (__real_poll(&p, 1, patience_ms) > 0)
		n = read(t->master, buffer, sizeof buffer);
	for (ssize_t i = 0; i < n; i++) {
		assert_true(t->len < sizeof t->text - 1);
		if (buffer[i] != '\r')
			t->text[t->len++] = buffer[i];
	}
	t->text[t->len] = '\0';
	return n > 0;
}

/* Lines that are whole, and in their order; what was lost, as it was told. */
static unsigned count_whole(const char *at, unsigned *told)
{
	unsigned whole = 0, lost;
	int last = -1, number, end;

	for (*told = 0; *at; at = strchr(at, '\n') + 1) {
		end = 0;
		if (sscanf(at, "<6>line %d of the log.%n", &number, &end) == 1 && end) {
			assert_int_equal(at[end], '\n');
			assert_true(number > last);
			last = number;
			whole++;
		} else if (sscanf(at, "<4>%u lines of the log were lost%n", &lost, &end) ==
		                   1 &&
		           end) {
			assert_int_equal(at[end], '\n');
			*told += lost;
		}
	}
	return whole;
}

/* A frozen ssh.  There is room for a byte, so poll() calls the terminal ready, and not
 * for a line, so a write that may sleep does. */
static void a_terminal_that_nobody_reads_stops_nobody(void **state)
{
	static struct terminal t;
	unsigned lost = pl_log_lost(), before, told, whole;
	int said = 0;

	(void)state;
	under_systemd = true; /* for short lines: they have no time */
	open_terminal(&t);
	stderr_to(t.slave);
	alarm(8); /* it would sleep for ever */
	while (said < 10000)
		pl_log(PL_LOG_INFO, "line %d of the log.", said++);
	assert_in_range(pl_log_lost() - lost, 1000, 9990);
	do { /* somebody reads again */
		while (read_terminal(&t, 50)) {
		}
		before = pl_log_lost();
		pl_log(PL_LOG_INFO, "line %d of the log.", said++);
	} while (pl_log_lost() > before);
	while (!strstr(t.text, "were lost\n<6>line ") || t.text[t.len - 1] != '\n')
		read_terminal(&t, 1000);
	alarm(0);
	stderr_back();
	lost = pl_log_lost() - lost;
	whole = count_whole(t.text, &told);
	assert_int_equal(told, lost);
	/* One that lacks its end alone is lost, and whole to the eye: of those that are torn,
	 * here and there one. */
	assert_in_range(whole, (unsigned)said - lost, (unsigned)said - lost + lost / 100);
	/* The terminal's other users wait as they always did. */
	assert_false(fcntl(t.slave, F_GETFL) & O_NONBLOCK);
	close(t.slave);
	close(t.master);
}

/* It is not kept open behind the one that standard error has become. */
static void a_terminal_that_was_left_is_let_go(void **state)
{
	static struct terminal t;
	struct pollfd p;

	(void)state;
	open_terminal(&t);
	stderr_to(t.slave);
	pl_log_begin();
	stderr_back();
	close(t.slave);
	assert_int_equal(count_lines(caught(say_all_levels)), 3);
	p = (struct pollfd){ .fd = t.master };
	assert_int_equal(__real_poll(&p, 1, 0), 1);
	assert_true(p.revents & POLLHUP);
	close(t.master);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup(name, setup)
		T(a_call_is_a_line_with_its_level),
		T(lines_above_the_level_are_dropped),
		T(under_systemd_lines_have_a_priority_and_no_time),
		T(a_journal_that_is_somewhere_else_is_none),
		T(control_characters_are_escaped_and_utf8_stays),
		T(a_long_line_stays_one_line),
		T(lines_of_several_threads_do_not_mix),
		T(errno_is_left_alone),
		T(a_reader_who_is_stuck_stops_nobody_and_reads_how_much_he_missed),
		T(levels_have_names),
		T(lines_that_a_full_disk_does_not_take_are_counted_and_told),
		T(lines_whose_reader_has_gone_are_counted_and_told),
		T(lines_to_nowhere_are_counted_and_told),
		T(a_line_that_was_cut_has_a_row_of_its_own),
		T(interruptions_and_short_writes_lose_nothing_and_mix_nothing),
		T(a_terminal_that_nobody_reads_stops_nobody),
		T(a_terminal_that_was_left_is_let_go),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
