/* run.c: what every server program does around its factory.
 *
 * Open all endpoints or none, say where they are, run until told to stop, say goodbye. */
#include <partyline/endpoint.h>
#include <partyline/log.h>
#include <partyline/reactor.h>
#include <partyline/stats.h>
#include <partyline/transport.h>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Together with the last turns less than the 3 s that were promised. */
#define GOODBYE_MS 2500

/* Each person is a descriptor, and the usual soft limit of 1024 is there for programs that
 * use select(), which this one does not. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int pl_listen_all(struct pl_reactor *r, const char *prog, struct pl_factory *f,
                  const char *const *endpoints, size_t n, struct pl_port **ports)
{
	struct pl_error err;
	int code = 0;

	raise_descriptor_limit();
	for (size_t i = 0; i < n; i++) {
		ports[i] = pl_listen(r, endpoints[i], f, &err);
		if (ports[i])
			continue;
		fprintf(stderr, "%s: %s\n", prog, err.text);
		if (!code)
			code = err.code;
	}
	if (!code)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (ports[i])
			pl_port_stop(ports[i]);
		ports[i] = NULL;
	}
	return code;
}

static int widest(struct pl_port *const *ports, size_t n,
                  const char *(*column)(const struct pl_port *port))
{
	size_t width = 0;

	for (size_t i = 0; i < n; i++)
		if (strlen(column(ports[i])) > width)
			width = strlen(column(ports[i]));
	return (int)width;
}

static void print_ready_lines(struct pl_port *const *ports, size_t n)
{
	const int type = widest(ports, n, pl_port_type),
		  place = widest(ports, n, pl_port_place);

	for (size_t i = 0; i < n; i++) {
		const char *remark = pl_port_remark(ports[i]);

		printf("%-*s %-*s  %s", type, pl_port_type(ports[i]), place,
		       pl_port_place(ports[i]), pl_port_command(ports[i]));
		printf(*remark ? "  (%s)\n" : "%s\n", remark);
	}
	if (fflush(stdout) != 0 || ferror(stdout))
		pl_log(PL_LOG_WARNING, "the ready lines could not be printed: %s",
		       strerror(errno));
}

/* --- until a signal, and then the goodbye ------------------------------------------------ */

struct goodbye {
	unsigned signals;
	struct pl_timer timer;
	bool over;
};

static void on_signal(struct pl_reactor *r, int signo, void *arg)
{
	struct goodbye *g = arg;

	pl_log(PL_LOG_INFO, "%s: stopping%s", signo == SIGINT ? "SIGINT" : "SIGTERM",
	       g->signals ? " at once" : "");
	g->signals++;
	pl_reactor_stop(r);
}

static void on_patience_over(struct pl_timer *t)
{
	pl_container_of(t, struct goodbye, timer)->over = true;
}

static void say_goodbye(struct pl_reactor *r, struct pl_factory *f, struct goodbye *g,
                        struct pl_port *const *ports, size_t n)
{
	const unsigned signals = g->signals;

	if (f->ops->stopping)
		f->ops->stopping(f);
	for (size_t i = 0; i < n; i++)
		pl_port_stop(ports[i]);
	pl_lose_all(r);
	pl_call_later(r, &g->timer, GOODBYE_MS);
	while (pl_connections(r) && !g->over && g->signals == signals)
		if (pl_reactor_turn(r, -1) < 0)
			break;
	pl_timer_cancel(&g->timer);
	pl_abort_all(r, -ECANCELED);
}

/* What was lost is seen, by who reads the log. */
static void log_counters(const struct pl_reactor *r)
{
	const char *what;
	uint64_t n;

	for (size_t i = 0; pl_counter_at(r, i, &what, &n); i++)
		pl_log(PL_LOG_INFO, "counted: %" PRIu64 " %s", n, what);
	if (pl_log_lost())
		pl_log(PL_LOG_INFO, "counted: %u log: lines lost", pl_log_lost());
}

int pl_serve(struct pl_reactor *r, struct pl_factory *f, struct pl_port *const *ports,
             size_t n)
{
	struct goodbye g = { .timer = { .fn = on_patience_over } };
	int code;

	/* A terminal or a pipe that went away must not end the conversation. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* nor a file that has reached its limit */
	raise_descriptor_limit();
	code = pl_reactor_on_signal(r, SIGINT, on_signal, &g);
	if (!code)
		code = pl_reactor_on_signal(r, SIGTERM, on_signal, &g);
	if (!code) {
		print_ready_lines(ports, n);
		code = pl_reactor_run(r);
	}
	say_goodbye(r, f, &g, ports, n);
	log_counters(r);
	pl_reactor_on_signal(r, SIGINT, NULL, NULL);
	pl_reactor_on_signal(r, SIGTERM, NULL, NULL);
	return code;
}

static int usage(const char *prog, const struct pl_factory *f, bool asked)
{
	if (!asked) {
		fprintf(stderr,
		        "%s: which endpoints? For example: %s tcp:1234 (or --help)\n",
		        prog, prog);
		return 2;
	}
	printf("usage: %s ENDPOINT...\n", prog);
	pl_print_endpoint_usage(f);
	return 0;
}

int pl_main(int argc, char **argv, struct pl_factory *f)
{
	const char *slash = strrchr(argv[0], '/'), *prog = slash ? slash + 1 : argv[0];
	const size_t n = argc > 1 ? (size_t)argc - 1 : 0;
	struct pl_port **ports;
	struct pl_reactor *r;
	int code = -ENOMEM;

	if (!n || argv[1][0] == '-')
		return usage(prog, f, n && strcmp(argv[1], "--help") == 0);
	ports = calloc(n, sizeof(struct pl_port *));
	r = pl_reactor_create(NULL);
	if (!ports || !r)
		fprintf(stderr, "%s: cannot start: %s\n", prog, strerror(errno));
	else
		code = pl_listen_all(r, prog, f, (const char *const *)(argv + 1), n, ports);
	if (!code)
		code = pl_serve(r, f, ports, n);
	pl_reactor_destroy(r);
	free(ports);
	return code ? 1 : 0;
}
