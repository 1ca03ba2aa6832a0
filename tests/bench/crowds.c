/* crowds.c: a hundred thousand people who come and go, and more than there are descriptors.
 *
 * Starts a server, and two users in it who talk all the time: every line of ann must reach
 * bob once and in order, and how long it took is printed.  Meanwhile, from processes of
 * their own and from sources all over 127.0.0.0/8:
 *
 * churn: N connections, at most 200 at a time, that end in every way there is: closed at
 *   once, reset at once, closed after the greeting, after a line, reset after a line,
 *   half-closed.  Descriptors and threads afterwards must be as many as before, and memory
 *   as much as it was after the first tenth (a block for each connection would be seen).
 * full: 20,000 try to come and stay, but the server may have 1,000 descriptors.  Those who
 *   do not get in must be told so, and the server must sleep while the place is full and
 *   people wait outside.  When all have left, everything must be as before, and who comes
 *   then is let in.  Twice, because the first crowd leaves tables that have grown.
 *
 *     build/release/tests/bench_crowds --server build/release/partyline
 *         --only churn|full   (both)
 *         --connects N        of churn (100000)
 *         --attempts N        of full (20000)
 *         --descriptors N     of full (1000)
 *         --processes P       of load (2)
 *         --cores SERVER,LOAD (0,1)
 *
 * Exit status: 0; 1 when a line was lost or something is not as before; never because
 * something took long. */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24 /* of Linux: one port serves many sources */
#endif

enum {
	AT_ONCE = 200,
	SEEN_MAX = 1500, /* of what a caller reads: the greeting */
	PROCESSES_MAX = 16,
	LEAK_KB = 512, /* less than 8 bytes for each of the connections of churn */
	/* Who may wait for a word at a time: fewer than the 4096 whom the kernel keeps for
	 * accept().  Of more it forgets some who believe that they are connected. */
	UNHEARD = 3000,
	OUTSIDE = 300, /* who wait while the place is full */
	GONE_S = 30
};
#define SECOND UINT64_C(1000000000)
#define MS UINT64_C(1000000)
#define SAY_EVERY (20 * MS)
#define GIVE_UP_AFTER (60 * SECOND)

static struct {
	const char *program, *only;
	unsigned connects, attempts, descriptors, processes;
	int server_core, load_core;
} set = {
	.connects = 100000,
	.attempts = 20000,
	.descriptors = 1000,
	.processes = 2,
	.server_core = 0,
	.load_core = 1,
};

static struct rig_server server;
static int port;
static bool failed;

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	printf("FAILED: %s\n", what);
	failed = true;
}

/* --- callers: a process of load ------------------------------------------------------------ */

enum way { CLOSE, RESET, GREETED_CLOSE, LINE_CLOSE, LINE_RESET, HALF_CLOSE, WAYS, STAY };

struct call {
	int fd; /* -1: free */
	enum way way;
	bool connected, greeted;
	uint64_t since_ns;
	size_t len;
	char seen[SEEN_MAX + 1];
};

/* Shared with the parent. */
struct tally {
	unsigned long tried, greeted, turned_away, no_word, failed;
	unsigned done; /* processes that have tried all */
	bool leave;    /* the parent's word to those who stay */
};

static struct tally *tally;

#define COUNT(what) __atomic_add_fetch(&tally->what, 1, __ATOMIC_RELAXED)

/* A connection under way from some source, or -1. */
static int call_from_somewhere(void)
{
	static const int on = 1;
	struct sockaddr_in from = rig_loopback(0), to = rig_loopback(port);
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		rig_die("socket: %s", strerror(errno));
	from.sin_addr.s_addr = htonl(0x7f000000U | (1 + (unsigned)random() % 0xfffffd));
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
	if (bind(fd, (const struct sockaddr *)&from, sizeof from) < 0 ||
	    (connect(fd, (const struct sockaddr *)&to, sizeof to) < 0 &&
	     errno != EINPROGRESS)) {
		close(fd);
		return -1;
	}
	return fd;
}

static void begin(struct call *c, int epoll, enum way way)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT, .data.ptr = c };

	COUNT(tried);
	*c = (struct call){ .fd = call_from_somewhere(), .way = way };
	c->since_ns = rig_now_ns();
	if (c->fd < 0)
		COUNT(failed);
	else
		epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &ev);
}

static void hang_up(struct call *c, bool reset)
{
	const struct linger now = { .l_onoff = 1 };

	if (reset)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(c->fd);
	c->fd = -1;
}

static void say_line(const struct call *c)
{
	static const char line[] = "hello from a crowd\n";

	if (send(c->fd, line, sizeof line - 1, MSG_NOSIGNAL) < 0)
		COUNT(failed);
}

static void on_connected(struct call *c, int epoll)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };

	c->connected = true;
	epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &ev);
	if (c->way == LINE_CLOSE || c->way == LINE_RESET)
		say_line(c);
	if (c->way == HALF_CLOSE)
		shutdown(c->fd, SHUT_WR);
	if (c->way == CLOSE || c->way == RESET)
		hang_up(c, c->way == RESET);
}

/* Reads; what he has read so far decides what he does. */
static void on_words(struct call *c)
{
	char ignored[4096];
	char *into = c->greeted ? ignored : c->seen + c->len;
	const ssize_t n =
		recv(c->fd, into, c->greeted ? sizeof ignored : SEEN_MAX - c->len, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		if (!c->greeted && n < 0)
			COUNT(failed);
		else if (!c->greeted && !strstr(c->seen, "too many"))
			COUNT(no_word);
		hang_up(c, false);
		return;
	}
	if (c->greeted)
		return;
	c->len += (size_t)n;
	c->seen[c->len] = '\0';
	if (strstr(c->seen, "too many")) {
		COUNT(turned_away);
		hang_up(c, false);
	} else if (strstr(c->seen, "you are guest")) {
		c->greeted = true;
		COUNT(greeted);
		if (c->way != STAY && c->way != HALF_CLOSE)
			hang_up(c, c->way == LINE_RESET);
	}
}

static void on_events(struct call *c, int epoll, unsigned events)
{
	int code = 0;
	socklen_t len = sizeof code;

	if (!c->connected) {
		getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &code, &len);
		if (code) {
			COUNT(failed);
			hang_up(c, false);
			return;
		}
		on_connected(c, epoll);
	}
	if (c->fd >= 0 && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		on_words(c);
}

static void pump(int epoll, int wait_ms)
{
	struct epoll_event events[256];
	const int n = epoll_wait(epoll, events, 256, wait_ms);

	for (int i = 0; i < n; i++) {
		struct call *c = events[i].data.ptr;

		if (c->fd >= 0)
			on_events(c, epoll, events[i].events);
	}
}

/* Who hears nothing goes away; the rest is still under way. */
static size_t give_up(struct call *calls, size_t n)
{
	const uint64_t now = rig_now_ns();
	size_t waiting = 0;

	for (size_t i = 0; i < n; i++) {
		if (calls[i].fd < 0 || calls[i].greeted)
			continue;
		if (now - calls[i].since_ns > GIVE_UP_AFTER) {
			COUNT(no_word);
			hang_up(&calls[i], false);
		} else {
			waiting++;
		}
	}
	return waiting;
}

/* In a process of its own: so many calls, so many at a time. */
static void call_and_go(unsigned n, size_t at_once)
{
	struct call *calls = calloc(at_once, sizeof *calls);
	const int epoll = epoll_create1(EPOLL_CLOEXEC);

	for (size_t i = 0; i < at_once; i++)
		calls[i].fd = -1;
	while (n > 0 || give_up(calls, at_once) > 0) {
		for (size_t i = 0; i < at_once && n > 0; i++) {
			if (calls[i].fd >= 0)
				continue;
			begin(&calls[i], epoll, (enum way)(n % WAYS));
			n--;
		}
		pump(epoll, 10);
	}
	/* A half-close is answered with the end of the connection. */
	for (int i = 0; i < 200; i++)
		pump(epoll, 10);
	free(calls);
}

/* In a process of its own: so many calls of people who stay if they are let in. */
static void call_and_stay(unsigned n)
{
	struct call *calls = calloc(n, sizeof *calls);
	const int epoll = epoll_create1(EPOLL_CLOEXEC);
	unsigned begun = 0;
	size_t waiting = 0;

	while (begun < n || waiting > 0) {
		for (; waiting < UNHEARD / set.processes && begun < n; waiting++)
			begin(&calls[begun++], epoll, STAY);
		pump(epoll, 10);
		waiting = give_up(calls, begun);
	}
	COUNT(done);
	while (!__atomic_load_n(&tally->leave, __ATOMIC_RELAXED))
		pump(epoll, 100);
}

static void start_callers(pid_t *pids, unsigned n, bool stay)
{
	*tally = (struct tally){ 0 };
	fflush(stdout);
	for (unsigned i = 0; i < set.processes; i++) {
		const unsigned part = n / set.processes + (i < n % set.processes);

		pids[i] = fork();
		if (pids[i] < 0)
			rig_die("fork: %s", strerror(errno));
		if (pids[i] > 0)
			continue;
		srandom(i + 1);
		if (stay)
			call_and_stay(part);
		else
			call_and_go(part, AT_ONCE / set.processes);
		_exit(0);
	}
}

static bool are_running(pid_t *pids)
{
	bool any = false;

	for (unsigned i = 0; i < set.processes; i++) {
		if (pids[i] > 0 && waitpid(pids[i], NULL, WNOHANG) == pids[i])
			pids[i] = 0;
		any = any || pids[i] > 0;
	}
	return any;
}

/* --- ann and bob --------------------------------------------------------------------------- */

struct user {
	int fd;
	size_t len;
	char text[70000];
};

static struct user ann, bob;
static uint64_t said, heard, said_ns[1024];
static struct rig_times times;

static void on_line_of_bob(const char *line)
{
	unsigned long long number;

	if (sscanf(line, "<ann> %llu", &number) == 1) {
		if (number != heard)
			printf("bob has read line %llu, the next was %llu\n", number,
			       (unsigned long long)heard);
		check(number == heard, "a line of ann was lost, or came twice");
		heard = number + 1;
		rig_times_add(&times, rig_now_ns() - said_ns[number % 1024]);
	}
	check(!strstr(line, "skipped --") && !strstr(line, "lost --"),
	      "bob was told that he is behind");
}

/* Reads what there is; hands bob's lines on. */
static void listen_to(struct user *u)
{
	ssize_t n;

	while ((n = read(u->fd, u->text + u->len, sizeof u->text - 1 - u->len)) > 0) {
		char *at = u->text, *end;

		u->text[u->len + (size_t)n] = '\0';
		while ((end = strstr(at, "\r\n"))) {
			*end = '\0';
			if (u == &bob)
				on_line_of_bob(at);
			at = end + 2;
		}
		u->len = strlen(at);
		memmove(u->text, at, u->len);
	}
	if (n == 0 || errno != EAGAIN)
		rig_die("a user was put out");
}

static void come_in(struct user *u, const char *name)
{
	const struct sockaddr_in to = rig_loopback(port);

	*u = (struct user){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	if (connect(u->fd, (const struct sockaddr *)&to, sizeof to) < 0)
		rig_die("%s cannot come in: %s", name, strerror(errno));
	dprintf(u->fd, "/nick %s\n", name);
	fcntl(u->fd, F_SETFL, O_NONBLOCK);
}

static void say(void)
{
	char line[40];
	const int n = snprintf(line, sizeof line, "%llu\n", (unsigned long long)said);

	said_ns[said % 1024] = rig_now_ns();
	if (write(ann.fd, line, (size_t)n) != n)
		rig_die("ann cannot speak: %s", strerror(errno));
	said++;
}

/* They talk for so long, or until something is the case (NULL: only so long). */
static void talk(uint64_t ns, bool (*over)(void))
{
	const uint64_t start = rig_now_ns();
	uint64_t now, last = 0;

	while ((now = rig_now_ns()) - start < ns && !(over && over())) {
		struct pollfd p[] = { { .fd = ann.fd, .events = POLLIN },
			              { .fd = bob.fd, .events = POLLIN } };

		if (now - last >= SAY_EVERY && said - heard < 1000) {
			say();
			last = now;
		}
		poll(p, 2, (int)(SAY_EVERY / MS));
		listen_to(&ann);
		listen_to(&bob);
	}
}

static bool all_heard(void)
{
	return heard == said;
}

/* They talk, and how long it took is printed. */
static void talk_and_tell(const char *when, uint64_t ns, bool (*over)(void))
{
	rig_machine_busy();
	memset(&times, 0, sizeof times);
	talk(ns, over);
	printf("  %s: ann to bob %llu lines, median %.3f ms, p99 %.3f ms, longest %.3f ms; "
	       "machine %.0f %% busy\n",
	       when, (unsigned long long)times.n, rig_times_ms(&times, 0.5),
	       rig_times_ms(&times, 0.99), rig_times_ms(&times, 0.999999),
	       rig_machine_busy());
	fflush(stdout);
}

/* --- the server before and after -------------------------------------------------------- */

static void open_place(unsigned descriptors)
{
	const struct rig_options o = { .program = set.program,
		                       .core = set.server_core,
		                       .descriptors = descriptors };
	const char *endpoint = "tcp:0:interface=127.0.0.1";

	rig_start(&server, &o, &endpoint, 1);
	port = rig_next_port(&server);
	said = heard = 0;
	come_in(&ann, "ann");
	come_in(&bob, "bob");
	talk(3 * SECOND, NULL);
	talk(GONE_S * SECOND, all_heard);
}

static void close_place(void)
{
	talk(GONE_S * SECOND, all_heard);
	check(all_heard(), "bob has not read every line of ann");
	close(ann.fd);
	close(bob.fd);
	check(rig_stop(&server), "the server did not end well");
}

static struct rig_sample sample(const char *when)
{
	struct rig_sample s;

	rig_sample(&server, &s);
	printf("  %s: descriptors %ld, threads %ld, memory %ld kB\n", when, s.descriptors,
	       s.threads, s.rss_kb);
	fflush(stdout);
	return s;
}

static struct rig_sample before;

static bool is_empty_again(void)
{
	struct rig_sample s;

	rig_sample(&server, &s);
	return s.descriptors <= before.descriptors;
}

static struct rig_sample check_after(const char *when)
{
	struct rig_sample s;

	talk(GONE_S * SECOND, is_empty_again);
	talk(SECOND, NULL);
	s = sample(when);
	check(s.descriptors == before.descriptors, "descriptors are not as many as before");
	check(s.threads == before.threads, "threads are not as many as before");
	return s;
}

static void print_tally(void)
{
	printf("  tried %lu: greeted %lu, turned away with a sentence %lu, no word %lu, "
	       "failed %lu\n",
	       tally->tried, tally->greeted, tally->turned_away, tally->no_word,
	       tally->failed);
}

/* --- churn ---------------------------------------------------------------------------------- */

static pid_t callers[PROCESSES_MAX];

static bool callers_are_through(void)
{
	return !are_running(callers);
}

static void churn(void)
{
	struct rig_sample warm, after;
	uint64_t start;

	printf("churn: %u connections, %d at a time, from %u processes\n", set.connects,
	       AT_ONCE, set.processes);
	open_place(0);
	talk_and_tell("before", 5 * SECOND, NULL);
	before = sample("before");
	start_callers(callers, set.connects / 10, false);
	talk(3600 * SECOND, callers_are_through);
	warm = check_after("after a tenth");
	start_callers(callers, set.connects - set.connects / 10, false);
	start = rig_now_ns();
	talk_and_tell("meanwhile", 3600 * SECOND, callers_are_through);
	printf("  %.0f connections a second\n",
	       (set.connects - set.connects / 10.0) * 1e9 / (double)(rig_now_ns() - start));
	print_tally();
	after = check_after("after all");
	check(after.rss_kb <= warm.rss_kb + LEAK_KB, "memory has grown");
	check(tally->turned_away == 0, "somebody was turned away");
	talk_and_tell("afterwards", 5 * SECOND, NULL);
	close_place();
}

/* --- full ----------------------------------------------------------------------------------- */

static bool all_have_tried(void)
{
	return __atomic_load_n(&tally->done, __ATOMIC_RELAXED) == set.processes;
}

/* Some come to a full place at once, then, while nobody speaks, one every tenth of a
 * second: are they told, and does the server sleep in between? */
static void stand_outside(void)
{
	static const struct timespec tenth = { .tv_nsec = 100 * MS };
	int fds[OUTSIDE], told = 0;
	struct rig_sample a, b;
	uint64_t start;
	char text[100];

	for (int i = 0; i < OUTSIDE; i++)
		fds[i] = call_from_somewhere();
	talk_and_tell("full, and more outside", 5 * SECOND, NULL);
	for (int i = 0; i < OUTSIDE; i++) {
		const ssize_t n = recv(fds[i], text, sizeof text - 1, 0);

		text[n > 0 ? n : 0] = '\0';
		told += strstr(text, "too many") != NULL;
		close(fds[i]);
	}
	talk(GONE_S * SECOND, all_heard);
	rig_sample(&server, &a);
	start = rig_now_ns();
	for (int i = 0; i < 50; i++) {
		const int fd = call_from_somewhere();

		nanosleep(&tenth, NULL);
		close(fd);
	}
	rig_sample(&server, &b);
	printf("  full: %d of %d outside were told so; while nobody speaks, and one comes every "
	       "100 ms, the server takes %.2f %% of its core\n",
	       told, OUTSIDE,
	       100.0 * (double)(b.cpu_ns - a.cpu_ns) / (double)(rig_now_ns() - start));
	check(told > 0, "nobody outside was told that the place is full");
	check(b.cpu_ns - a.cpu_ns < (rig_now_ns() - start) / 2, "the server spins");
}

static void check_newcomer(void)
{
	const uint64_t start = rig_now_ns();
	static struct user carl;

	come_in(&carl, "carl");
	while (rig_now_ns() - start < GONE_S * SECOND && !strstr(carl.text, "is now carl")) {
		const ssize_t n = read(carl.fd, carl.text + carl.len,
		                       sizeof carl.text - 1 - carl.len);

		carl.len += n > 0 ? (size_t)n : 0;
		talk(10 * MS, NULL);
	}
	check(strstr(carl.text, "is now carl"), "a newcomer was not let in");
	printf("  a newcomer was let in and served within %.0f ms\n",
	       (double)(rig_now_ns() - start) / 1e6);
	close(carl.fd);
	talk(SECOND, NULL);
}

static struct rig_sample fill(void)
{
	struct rig_sample full, after;
	uint64_t start = rig_now_ns();

	start_callers(callers, set.attempts, true);
	talk_and_tell("while they come", 3600 * SECOND, all_have_tried);
	printf("  all had tried after %.1f s\n", (double)(rig_now_ns() - start) / 1e9);
	print_tally();
	full = sample("full");
	check(full.descriptors >= (long)set.descriptors - 20, "the place is not full");
	check(tally->turned_away > 0, "nobody was told that the place is full");
	stand_outside();
	__atomic_store_n(&tally->leave, true, __ATOMIC_RELAXED);
	start = rig_now_ns();
	talk(GONE_S * SECOND, callers_are_through);
	talk(GONE_S * SECOND, is_empty_again);
	printf("  all had left after %.1f s\n", (double)(rig_now_ns() - start) / 1e9);
	check_newcomer();
	after = check_after("after");
	return after;
}

static void full(void)
{
	struct rig_sample first, second;

	printf("full: %u try to come from %u processes, %u descriptors\n", set.attempts,
	       set.processes, set.descriptors);
	open_place(set.descriptors);
	talk_and_tell("before", 5 * SECOND, NULL);
	before = sample("before");
	first = fill();
	second = fill();
	check(second.rss_kb <= first.rss_kb + LEAK_KB, "memory has grown");
	close_place();
}

/* --- the frame ---------------------------------------------------------------------------- */

static unsigned number(const char *text, long min, long max)
{
	char *end;
	const long n = strtol(text, &end, 10);

	if (*end || end == text || n < min || n > max)
		rig_die("%s: it is a number from %ld to %ld", text, min, max);
	return (unsigned)n;
}

static void read_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "server", required_argument, NULL, 'v' },
		{ "only", required_argument, NULL, 'o' },
		{ "connects", required_argument, NULL, 'n' },
		{ "attempts", required_argument, NULL, 'a' },
		{ "descriptors", required_argument, NULL, 'd' },
		{ "processes", required_argument, NULL, 'p' },
		{ "cores", required_argument, NULL, 'c' },
		{ NULL, 0, NULL, 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 'v':
			set.program = optarg;
			break;
		case 'o':
			set.only = optarg;
			break;
		case 'n':
			set.connects = number(optarg, 100, 10000000);
			break;
		case 'a':
			set.attempts = number(optarg, 100, 100000);
			break;
		case 'd':
			set.descriptors = number(optarg, 50, 100000);
			break;
		case 'p':
			set.processes = number(optarg, 1, PROCESSES_MAX);
			break;
		case 'c':
			if (sscanf(optarg, "%d,%d", &set.server_core, &set.load_core) != 2)
				rig_die("--cores SERVER,LOAD");
			break;
		default:
			exit(2);
		}
	}
	if (optind < argc)
		rig_die("how to run it stands at the head of crowds.c");
}

int main(int argc, char **argv)
{
	read_options(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	rig_raise_descriptor_limit();
	tally = mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE,
	             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tally == MAP_FAILED)
		rig_die("mmap: %s", strerror(errno));
	rig_pin(set.load_core);
	if (!set.only || strcmp(set.only, "churn") == 0)
		churn();
	if (!set.only || strcmp(set.only, "full") == 0)
		full();
	puts(failed ? "FAILED" : "all is as before, and no line was lost");
	return failed ? 1 : 0;
}
