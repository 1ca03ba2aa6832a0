/* rig.c: see rig.h. */
#define _GNU_SOURCE /* sched_setaffinity() */
#include <sys/resource.h>

#include "rig.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 1100 };

void rig_die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

/* --- this process ------------------------------------------------------------------------ */

void rig_pin(int core)
{
	cpu_set_t set;

	if (core < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET((size_t)core, &set);
	if (sched_setaffinity(0, sizeof set, &set) < 0)
		fprintf(stderr, "not pinned to core %d: %s\n", core, strerror(errno));
}

void rig_raise_descriptor_limit(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	if (clock_gettime(clock, &now) < 0)
		return 0;
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t rig_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

struct sockaddr_in rig_loopback(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET };

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.sin_port = htons((uint16_t)port);
	return a;
}

double rig_machine_busy(void)
{
	static unsigned long long last_all, last_idle;
	unsigned long long v[8] = { 0 }, all = 0, idle;
	FILE *f = fopen("/proc/stat", "r");
	double busy;

	if (!f || fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1],
	                 &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]) != 8)
		rig_die("/proc/stat cannot be read");
	fclose(f);
	for (int i = 0; i < 8; i++)
		all += v[i];
	idle = v[3] + v[4];
	busy = all > last_all ? 100.0 - 100.0 * (double)(idle - last_idle) /
	                                        (double)(all - last_all)
	                      : 0;
	last_all = all;
	last_idle = idle;
	return busy;
}

/* --- the server ------------------------------------------------------------------------ */

/* Does its --help know this option? */
static bool knows(const char *program, const char *option)
{
	char command[1000], line[1000];
	bool found = false;
	FILE *f;

	snprintf(command, sizeof command, "'%s' --help", program);
	f = popen(command, "r"); /* the path is the operator's */
	while (f && fgets(line, sizeof line, f))
		found = found || strstr(line, option);
	if (!f || pclose(f) != 0)
		rig_die("%s does not run", program);
	return found;
}

static void run_server(const struct rig_options *o, const char *const *argv, int out,
                       int log)
{
	const struct rlimit limit = { o->descriptors, o->descriptors };

	rig_pin(o->core);
	if (o->descriptors && setrlimit(RLIMIT_NOFILE, &limit) < 0)
		_exit(126);
	dup2(out, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	for (int fd = 3; fd < 100; fd++)
		close(fd);
	execv(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}

void rig_start(struct rig_server *s, const struct rig_options *o,
               const char *const *endpoints, size_t n)
{
	const char *argv[ARGUMENTS_MAX + 8];
	size_t argc = 0;
	int out[2];

	argv[argc++] = o->program ? o->program : getenv("PARTYLINE");
	if (!argv[0])
		rig_die("where is the server?  Say --server PROGRAM, or set PARTYLINE.");
	if (n > ARGUMENTS_MAX)
		rig_die("too many endpoints");
	if (knows(argv[0], "--rate"))
		argv[argc++] = "--rate=off";
	argv[argc++] = "--log-level=warning";
	for (size_t i = 0; i < n; i++)
		argv[argc++] = endpoints[i];
	argv[argc] = NULL;
	s->log = tmpfile();
	if (!s->log || pipe(out) < 0 || (s->pid = fork()) < 0)
		rig_die("the server cannot be started: %s", strerror(errno));
	if (s->pid == 0)
		run_server(o, argv, out[1], fileno(s->log));
	close(out[1]);
	s->ready = fdopen(out[0], "r");
	if (!s->ready)
		rig_die("fdopen: %s", strerror(errno));
}

static void print_log(struct rig_server *s)
{
	char line[1000];

	rewind(s->log);
	for (int i = 0; i < 40 && fgets(line, sizeof line, s->log); i++)
		printf("  server: %s", line);
}

int rig_next_port(struct rig_server *s)
{
	char line[1000], place[200] = "";
	const char *colon;

	if (!fgets(line, sizeof line, s->ready)) {
		print_log(s);
		rig_die("the server is not ready");
	}
	sscanf(line, "%*s %199s", place);
	colon = strrchr(place, ':');
	return colon ? (int)strtol(colon + 1, NULL, 10) : 0;
}

bool rig_stop(struct rig_server *s)
{
	int status = 0;

	kill(s->pid, SIGTERM);
	waitpid(s->pid, &status, 0);
	fclose(s->ready);
	print_log(s);
	fclose(s->log);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		printf("the server ended with status %#x\n", (unsigned)status);
		return false;
	}
	return true;
}

void rig_sample(const struct rig_server *s, struct rig_sample *out)
{
	char path[64], line[256];
	struct dirent *entry;
	clockid_t clock;
	FILE *f;
	DIR *d;

	*out = (struct rig_sample){ 0 };
	snprintf(path, sizeof path, "/proc/%ld/status", (long)s->pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f)) {
		sscanf(line, "VmRSS: %ld", &out->rss_kb);
		sscanf(line, "Threads: %ld", &out->threads);
	}
	snprintf(path, sizeof path, "/proc/%ld/fd", (long)s->pid);
	d = opendir(path);
	while (d && (entry = readdir(d)))
		out->descriptors += entry->d_name[0] != '.';
	if (!f || !d || clock_getcpuclockid(s->pid, &clock) != 0)
		rig_die("the server has gone");
	out->cpu_ns = clock_ns(clock);
	fclose(f);
	closedir(d);
}

long rig_tcp_pages(void)
{
	FILE *f = fopen("/proc/net/sockstat", "r");
	char line[256];
	long pages = 0;

	while (f && fgets(line, sizeof line, f)) {
		const char *mem =
			strncmp(line, "TCP:", 4) == 0 ? strstr(line, " mem ") : NULL;

		if (mem)
			pages = strtol(mem + 5, NULL, 10);
	}
	if (f)
		fclose(f);
	return pages;
}

/* --- figures ------------------------------------------------------------------------------ */

/* 0 to 127 each have their bucket; above, those six bits that follow the first one. */
static size_t bucket_of(uint64_t ns)
{
	unsigned shift = 0;

	while (ns >> shift >= 128)
		shift++;
	return 64 * shift + (ns >> shift);
}

static uint64_t start_of(size_t bucket)
{
	return bucket < 128 ? bucket : (uint64_t)(64 + bucket % 64) << (bucket / 64 - 1);
}

void rig_times_add(struct rig_times *t, uint64_t ns)
{
	t->n++;
	t->counts[bucket_of(ns)]++;
}

double rig_times_ms(const struct rig_times *t, double quantile)
{
	const uint64_t rank = (uint64_t)(quantile * (double)t->n);
	uint64_t seen = 0;

	for (size_t i = 0; i < RIG_BUCKETS; i++) {
		seen += t->counts[i];
		if (seen > rank)
			return (double)start_of(i) / 1e6;
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double rig_median(double *values, size_t n)
{
	if (n == 0)
		return 0;
	qsort(values, n, sizeof *values, compare);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}
