/* stalled.c: somebody among many has stopped reading.  What do the others notice?
 *
 * Starts the server on one core and plays N people from another.  One more person talks,
 * at a share of what the server was found to carry, never more lines ahead than the
 * slowest reader can hold.  In the first phase everybody reads, in the second K of them
 * have stopped; then those read again, and the two phases may be repeated.  Each line
 * carries its number: every reader must get every line once and in order, and who had
 * stopped must be told of each line that he missed (but for UDP, where nobody can tell).
 *
 *     build/release/tests/bench_stalled --server build/release/partyline
 *         --wire tcp|udp|unix|pty   what N people are on; pty: 200 lines, the rest on tcp,
 *                                   and those who stop are on lines (tcp)
 *         --people N                (1000)
 *         --stalled K               (1)
 *         --seconds S               of each phase (60)
 *         --rounds R                so often both phases (1)
 *         --load PERCENT            of what the server carries (60)
 *         --text BYTES              of each line (60)
 *         --cores SERVER,LOAD       (0,1)
 *
 * Latency is from the write of the talker to the read of the reader, so what this program
 * itself takes for its reads is in it.  A server that gets its core late writes several
 * lines at once, which costs less for each: on a machine where others work too, compare
 * many short rounds at a small load.  Exit status: 0; 1 when a line was lost, came twice,
 * in the wrong order or not whole, when the server kept something, or did not end well. */
#define _GNU_SOURCE /* ppoll() */
#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum {
	LINES_MAX = 200, /* terminal lines */
	WINDOW = 64, /* lines that the talker may be ahead: they fit into every buffer */
	RING = 1024, /* of send times */
	REST_MAX = 255, /* of an unfinished line */
	ROUNDS_MAX = 100,
	JOINING_MAX = 20, /* at a time */
	SAMPLE_S = 5,
	LOST_S = 60 /* a line that has not come by then will not */
};
#define SECOND UINT64_C(1000000000)

enum kind { TCP, UDP, UNIX, PTY };
static const char *const kind_names[] = { "tcp", "udp", "unix", "pty" };

struct person {
	enum kind kind;
	int fd;
	bool greeted, stops; /* he is one of those who stop reading */
	bool reading;        /* he must get every line; else he catches up */
	uint64_t next, skipped;
	size_t rest_len;
	char rest[REST_MAX + 1];
};

struct settings {
	enum kind kind;
	size_t people, stalled;
	unsigned seconds, rounds, load, text;
	int server_core, load_core;
	const char *program;
};

static struct settings set = {
	.kind = TCP,
	.people = 1000,
	.stalled = 1,
	.seconds = 60,
	.rounds = 1,
	.load = 60,
	.text = 60,
	.server_core = 0,
	.load_core = 1,
};

static struct {
	struct rig_server server;
	int tcp_port, udp_port;
	char directory[40];
	struct person *people; /* the last is the talker */
	size_t joined, readers;
	int epoll;
	uint64_t sent, base; /* lines; `base` of them are with every reader */
	uint64_t sent_ns[RING];
	size_t got[RING]; /* how many readers have line n % RING */
	uint64_t deliveries;
	struct rig_times *times; /* NULL: not measured now */
	bool failed;
	unsigned faults;
} load;

static struct person *talker(void)
{
	return &load.people[set.people];
}

static void fault(const struct person *p, const char *what, uint64_t number)
{
	load.failed = true;
	if (load.faults++ < 20)
		printf("FAULT: person %zu (%s): %s (line %llu, next was %llu)\n",
		       (size_t)(p - load.people), kind_names[p->kind], what,
		       (unsigned long long)number, (unsigned long long)p->next);
}

/* --- reading ------------------------------------------------------------------------------ */

static void got_line(struct person *p, uint64_t number, size_t len)
{
	if (len != set.text + strlen("<talker> "))
		fault(p, "a line that is not whole", number);
	if (number < p->next) {
		fault(p, "a line twice, or out of order", number);
		return;
	}
	if (number > p->next && (p->reading || p->kind != UDP))
		fault(p, "a line is missing", number);
	p->next = number + 1;
	if (!p->reading)
		return;
	load.deliveries++;
	if (load.times && !p->stops)
		rig_times_add(load.times, rig_now_ns() - load.sent_ns[number % RING]);
	load.got[number % RING]++;
	while (load.base < load.sent && load.got[load.base % RING] == load.readers)
		load.base++;
}

/* A line without its end; it is followed by a NUL. */
static void understand(struct person *p, const char *line, size_t len)
{
	unsigned long long number;

	if (sscanf(line, "<talker> %llu", &number) == 1) {
		got_line(p, number, len);
	} else if (sscanf(line, "-- %llu line", &number) == 1 && strstr(line, " skipped")) {
		if (p->reading)
			fault(p, "lines were skipped for a reader", number);
		p->next += number;
		p->skipped += number;
	} else if (strstr(line, "-- you are guest") && !p->greeted) {
		p->greeted = true;
		load.joined++;
	}
}

/* Returns what one read brought; false when there was nothing. */
static bool read_once(struct person *p)
{
	static char buffer[REST_MAX + 65536 + 1];
	ssize_t n;
	char *at = buffer, *end;

	memcpy(buffer, p->rest, p->rest_len);
	n = read(p->fd, buffer + p->rest_len, 65536);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0) {
		fault(p, "his connection has ended", p->next);
		epoll_ctl(load.epoll, EPOLL_CTL_DEL, p->fd, NULL);
		return false;
	}
	buffer[p->rest_len + (size_t)n] = '\0';
	while ((end = strstr(at, "\r\n"))) {
		*end = '\0';
		understand(p, at, (size_t)(end - at));
		at = end + 2;
	}
	p->rest_len = strlen(at);
	if (p->rest_len > REST_MAX)
		p->rest_len = 0; /* no line of ours */
	memcpy(p->rest, at, p->rest_len);
	return true;
}

static void watch(struct person *p, bool on)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = p };

	if (epoll_ctl(load.epoll, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, p->fd, &ev) < 0)
		rig_die("epoll_ctl: %s", strerror(errno));
}

/* Reads from those who have something to read; waits for them at most so long. */
static void pump(uint64_t wait_ns)
{
	const struct timespec wait = { (time_t)(wait_ns / SECOND),
		                       (long)(wait_ns % SECOND) };
	struct pollfd ready = { .fd = load.epoll, .events = POLLIN };
	struct epoll_event events[256];
	int n;

	if (wait_ns > 0)
		ppoll(&ready, 1, &wait, NULL);
	n = epoll_wait(load.epoll, events, 256, 0);
	for (int i = 0; i < n; i++) {
		struct person *p = events[i].data.ptr;

		/* A datagram is a read of its own. */
		for (int k = 0; read_once(p) && p->kind == UDP && k < 16; k++)
			;
	}
}

static void pump_for(uint64_t ns)
{
	const uint64_t end = rig_now_ns() + ns;
	uint64_t now;

	while ((now = rig_now_ns()) < end)
		pump(end - now);
}

/* --- coming ------------------------------------------------------------------------------- */

static int open_terminal_line(size_t number)
{
	char path[80];
	struct termios raw;
	int fd;

	snprintf(path, sizeof path, "%s/line%zu", load.directory, number);
	fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || tcgetattr(fd, &raw) < 0)
		rig_die("%s: %s", path, strerror(errno));
	cfmakeraw(&raw);
	raw.c_cc[VMIN] = 1;
	tcsetattr(fd, TCSANOW, &raw);
	return fd;
}

static int open_socket(enum kind kind, bool stops)
{
	static const int little = 16384;
	const struct sockaddr_in in =
		rig_loopback(kind == UDP ? load.udp_port : load.tcp_port);
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const int fd = socket(kind == UNIX ? AF_UNIX : AF_INET,
	                      kind == UDP ? SOCK_DGRAM : SOCK_STREAM, 0);
	int failed;

	/* Or what the kernel holds for him would do for minutes. */
	if (kind == TCP && stops)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
	snprintf(un.sun_path, sizeof un.sun_path, "%s/door", load.directory);
	failed = kind == UNIX ? connect(fd, (const struct sockaddr *)&un, sizeof un)
	                      : connect(fd, (const struct sockaddr *)&in, sizeof in);
	if (failed)
		rig_die("%s: %s", kind_names[kind], strerror(errno));
	return fd;
}

static void join(struct person *p, enum kind kind, size_t number)
{
	static const int room = 1 << 20;

	p->kind = kind;
	p->fd = kind == PTY ? open_terminal_line(number) : open_socket(kind, p->stops);
	fcntl(p->fd, F_SETFL, O_NONBLOCK);
	if (kind == UDP) {
		/* For the notices of all the others; a line must not be lost here. */
		setsockopt(p->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
		if (send(p->fd, "\n", 1, 0) != 1)
			rig_die("udp: %s", strerror(errno));
	}
	watch(p, true);
}

static enum kind kind_of(size_t number)
{
	return set.kind == PTY && number >= LINES_MAX ? TCP : set.kind;
}

static void wait_until_joined(size_t n)
{
	const uint64_t end = rig_now_ns() + 60 * SECOND;

	while (load.joined < n) {
		if (rig_now_ns() > end)
			rig_die("%zu of %zu people have joined", load.joined, n);
		pump(SECOND / 10);
	}
}

static void gather(void)
{
	static const char nick[] = "/nick talker\n";

	for (size_t i = 0; i < set.people; i++) {
		load.people[i].stops = i < set.stalled;
		join(&load.people[i], kind_of(i), i);
		if (i >= JOINING_MAX)
			wait_until_joined(i - JOINING_MAX);
	}
	wait_until_joined(set.people);
	join(talker(), set.kind == UNIX ? UNIX : TCP, 0);
	wait_until_joined(set.people + 1);
	if (write(talker()->fd, nick, sizeof nick - 1) != sizeof nick - 1)
		rig_die("the talker: %s", strerror(errno));
	pump_for(3 * SECOND); /* until all have read of all others */
}

/* --- talking ------------------------------------------------------------------------------ */

static void talk(uint64_t lines)
{
	static char text[WINDOW * 1100];
	size_t len = 0, done = 0;

	for (; lines > 0; lines--, load.sent++) {
		load.got[load.sent % RING] = 0;
		load.sent_ns[load.sent % RING] = rig_now_ns();
		len += (size_t)snprintf(text + len, sizeof text - len, "%010llu %0*d\n",
		                        (unsigned long long)load.sent, (int)set.text - 11,
		                        0);
	}
	while (done < len) {
		const ssize_t n = write(talker()->fd, text + done, len - done);

		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno != EAGAIN)
			rig_die("the talker: %s", strerror(errno));
		else
			pump(SECOND / 1000);
	}
}

static void check_progress(void)
{
	static uint64_t base, since;

	if (base != load.base || load.base == load.sent || !since) {
		base = load.base;
		since = rig_now_ns();
	} else if (rig_now_ns() - since > LOST_S * SECOND) {
		for (size_t i = 0; i < set.people; i++)
			if (load.people[i].reading && load.people[i].next < load.sent)
				fault(&load.people[i], "a line was lost",
				      load.people[i].next);
		rig_die("line %llu did not come within %d s",
		        (unsigned long long)load.base, LOST_S);
	}
}

static void print_state(uint64_t elapsed_ns)
{
	struct rig_sample s;

	rig_sample(&load.server, &s);
	printf("    %3.0f s  memory %ld kB, kernel TCP %ld kB, descriptors %ld, line %llu\n",
	       (double)elapsed_ns / 1e9, s.rss_kb, 4 * rig_tcp_pages(), s.descriptors,
	       (unsigned long long)load.sent);
	fflush(stdout);
}

/* Talks for so long at so many lines a second (0: as fast as they are read); returns when
 * every reader has every line.  How often the talker was held up by the window. */
static uint64_t flood(unsigned seconds, double rate, bool show)
{
	const uint64_t start = rig_now_ns(), first = load.sent;
	uint64_t now, due_ns, shown = start, held = 0;

	while ((now = rig_now_ns()) - start < seconds * SECOND || load.base < load.sent) {
		const bool over = now - start >= seconds * SECOND;
		const uint64_t room = WINDOW - (load.sent - load.base);
		uint64_t due = over ? 0 : room, wait_ns = SECOND / 100;

		if (!over && rate > 0) {
			const double target = (double)(now - start) * rate / 1e9;

			due = (uint64_t)target + 1 - (load.sent - first);
			due_ns = (uint64_t)((double)(load.sent - first) / rate * 1e9);
			wait_ns = due_ns > now - start ? due_ns - (now - start) : 0;
		}
		if (due > room) {
			held += !over;
			due = room;
			wait_ns = SECOND / 100;
		}
		if (due > 0)
			talk(due);
		pump(due > 0 ? 0 : wait_ns);
		check_progress();
		if (show && now - shown >= SAMPLE_S * SECOND) {
			shown = now;
			print_state(now - start);
		}
	}
	return held;
}

/* --- phases ------------------------------------------------------------------------------- */

struct phase {
	double median_ms, p99_ms, cpu_us, lines_per_s;
};

static void measure(const char *name, double rate, struct phase *out)
{
	static struct rig_times times;
	struct rig_sample before, after;
	const uint64_t sent = load.sent, start = rig_now_ns();
	uint64_t held;
	double seconds;

	memset(&times, 0, sizeof times);
	load.deliveries = 0;
	rig_machine_busy();
	rig_sample(&load.server, &before);
	load.times = &times;
	printf("  %s\n", name);
	held = flood(set.seconds, rate, true);
	load.times = NULL;
	rig_sample(&load.server, &after);
	seconds = (double)(rig_now_ns() - start) / 1e9;
	out->median_ms = rig_times_ms(&times, 0.5);
	out->p99_ms = rig_times_ms(&times, 0.99);
	out->cpu_us =
		(double)(after.cpu_ns - before.cpu_ns) / 1e3 / (double)load.deliveries;
	out->lines_per_s = (double)(load.sent - sent) / seconds;
	printf("    %.0f lines/s, %llu delivered; latency median %.3f ms, p99 %.3f ms; server "
	       "%.3f us/line, %.0f %% of its core; machine %.0f %% busy, talker held up %llu "
	       "times\n",
	       out->lines_per_s, (unsigned long long)load.deliveries, out->median_ms,
	       out->p99_ms, out->cpu_us,
	       (double)(after.cpu_ns - before.cpu_ns) / seconds / 1e7, rig_machine_busy(),
	       (unsigned long long)held);
	fflush(stdout);
}

static void stop_reading(void)
{
	for (size_t i = 0; i < set.stalled; i++) {
		watch(&load.people[i], false);
		load.people[i].reading = false;
	}
	load.readers -= set.stalled;
}

static bool has_caught_up(const struct person *p)
{
	return p->next == load.sent || p->kind == UDP;
}

/* One line more may be needed: what was skipped is told when he has caught up. */
static void read_again(void)
{
	const uint64_t end = rig_now_ns() + LOST_S * SECOND;
	uint64_t skipped = 0;

	for (size_t i = 0; i < set.stalled; i++)
		watch(&load.people[i], true);
	pump_for(SECOND);
	for (size_t i = 0; i < set.stalled; i++) {
		struct person *p = &load.people[i];

		while (!has_caught_up(p) && rig_now_ns() < end)
			pump(SECOND / 10);
		if (!has_caught_up(p))
			fault(p, "he was not told of all that he missed", load.sent);
		p->next = load.sent;
		p->reading = true;
		skipped += p->skipped;
		p->skipped = 0;
	}
	load.readers += set.stalled;
	printf("  they read again, and were told of %llu lines that they missed\n",
	       (unsigned long long)skipped);
}

static double capacity(void)
{
	const uint64_t sent = load.sent, start = rig_now_ns();

	flood(5, 0, false);
	return (double)(load.sent - sent) * 1e9 / (double)(rig_now_ns() - start);
}

static void print_ratios(const struct phase *all, const struct phase *some, unsigned n)
{
	double median[ROUNDS_MAX], p99[ROUNDS_MAX], cpu[ROUNDS_MAX];

	for (unsigned i = 0; i < n; i++) {
		median[i] = some[i].median_ms / all[i].median_ms;
		p99[i] = some[i].p99_ms / all[i].p99_ms;
		cpu[i] = some[i].cpu_us / all[i].cpu_us;
	}
	printf("ratio, %zu stalled to all reading, median of %u: latency median %.3f, p99 %.3f; "
	       "CPU per line %.3f\n",
	       set.stalled, n, rig_median(median, n), rig_median(p99, n),
	       rig_median(cpu, n));
	if (n > 1)
		printf("  of the single rounds: median %.3f to %.3f, p99 %.3f to %.3f, CPU "
		       "%.3f to %.3f\n",
		       median[0], median[n - 1], p99[0], p99[n - 1], cpu[0], cpu[n - 1]);
}

static void run(void)
{
	struct phase all[ROUNDS_MAX], some[ROUNDS_MAX];
	struct rig_sample s;
	double carried;

	gather();
	for (size_t i = 0; i < set.people; i++)
		load.people[i].reading = true;
	load.readers = set.people;
	rig_sample(&load.server, &s);
	carried = capacity();
	printf("%zu people on %s: it carries %.0f lines/s; memory %ld kB when all had joined\n",
	       set.people, kind_names[set.kind], carried, s.rss_kb);
	for (unsigned i = 0; i < set.rounds; i++) {
		const double rate = carried * set.load / 100;

		measure("everybody reads", rate, &all[i]);
		stop_reading();
		measure("some have stopped", rate, &some[i]);
		read_again();
	}
	print_ratios(all, some, set.rounds);
}

/* --- the frame ---------------------------------------------------------------------------- */

static void start_server(void)
{
	static char lines[LINES_MAX][100], door[100];
	const char *endpoints[LINES_MAX + 3];
	const struct rig_options options = { .program = set.program,
		                             .core = set.server_core };
	size_t n = 0;

	snprintf(door, sizeof door, "unix:%s/door", load.directory);
	endpoints[n++] = "tcp:0:interface=127.0.0.1";
	endpoints[n++] = "udp:0:interface=127.0.0.1:idle=86400";
	endpoints[n++] = door;
	for (size_t i = 0; set.kind == PTY && i < set.people && i < LINES_MAX; i++) {
		snprintf(lines[i], sizeof lines[i], "pty:%s/line%zu:join=open",
		         load.directory, i);
		endpoints[n++] = lines[i];
	}
	rig_start(&load.server, &options, endpoints, n);
	load.tcp_port = rig_next_port(&load.server);
	load.udp_port = rig_next_port(&load.server);
	for (size_t i = 2; i < n; i++)
		rig_next_port(&load.server);
}

static void leave(long descriptors)
{
	struct rig_sample s;

	for (size_t i = 0; i <= set.people; i++) {
		if (load.people[i].kind == UDP)
			send(load.people[i].fd, "/exit\n", 6, 0);
		close(load.people[i].fd);
	}
	for (int i = 0; i < 100; i++) {
		rig_sample(&load.server, &s);
		if (s.descriptors == descriptors)
			break;
		usleep(100000);
	}
	printf("all have left: descriptors %ld before, %ld after; memory %ld kB\n",
	       descriptors, s.descriptors, s.rss_kb);
	load.failed = load.failed || s.descriptors != descriptors;
}

static long number(const char *text, long min, long max)
{
	char *end;
	const long n = strtol(text, &end, 10);

	if (*end || end == text || n < min || n > max)
		rig_die("%s: it is a number from %ld to %ld", text, min, max);
	return n;
}

static enum kind kind_named(const char *name)
{
	for (enum kind k = TCP; k <= PTY; k++)
		if (strcmp(kind_names[k], name) == 0)
			return k;
	rig_die("--wire is tcp, udp, unix or pty, not %s", name);
}

static void read_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "server", required_argument, NULL, 'v' },
		{ "wire", required_argument, NULL, 'w' },
		{ "people", required_argument, NULL, 'n' },
		{ "stalled", required_argument, NULL, 'k' },
		{ "seconds", required_argument, NULL, 's' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "load", required_argument, NULL, 'l' },
		{ "text", required_argument, NULL, 't' },
		{ "cores", required_argument, NULL, 'c' },
		{ NULL, 0, NULL, 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 'v':
			set.program = optarg;
			break;
		case 'w':
			set.kind = kind_named(optarg);
			break;
		case 'n':
			set.people = (size_t)number(optarg, 1, 15000);
			break;
		case 'k':
			set.stalled = (size_t)number(optarg, 1, 15000);
			break;
		case 's':
			set.seconds = (unsigned)number(optarg, 1, 540);
			break;
		case 'r':
			set.rounds = (unsigned)number(optarg, 1, ROUNDS_MAX);
			break;
		case 'l':
			set.load = (unsigned)number(optarg, 1, 100);
			break;
		case 't':
			set.text = (unsigned)number(optarg, 12, 1000);
			break;
		case 'c':
			if (sscanf(optarg, "%d,%d", &set.server_core, &set.load_core) != 2)
				rig_die("--cores SERVER,LOAD");
			break;
		default:
			exit(2);
		}
	}
	if (optind < argc || set.stalled >= set.people ||
	    (set.kind == PTY && set.stalled > LINES_MAX))
		rig_die("how to run it stands at the head of stalled.c");
}

int main(int argc, char **argv)
{
	struct rig_sample before;
	char path[80];

	read_options(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	rig_raise_descriptor_limit();
	snprintf(load.directory, sizeof load.directory, "/tmp/partyline.XXXXXX");
	load.people = calloc(set.people + 1, sizeof *load.people);
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!mkdtemp(load.directory) || !load.people || load.epoll < 0)
		rig_die("%s", strerror(errno));
	start_server();
	rig_pin(set.load_core);
	rig_sample(&load.server, &before);
	run();
	leave(before.descriptors);
	if (!rig_stop(&load.server))
		load.failed = true;
	snprintf(path, sizeof path, "%s/door", load.directory);
	unlink(path);
	rmdir(load.directory);
	free(load.people);
	puts(load.failed ? "FAILED" : "every line came once and in order to all who read");
	return load.failed ? 1 : 0;
}
