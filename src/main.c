/* main.c: the program: options, a chat, endpoints.
 *
 * Exit status: 0 when it was asked to stop, 1 when something could not be opened or failed
 * while running, 2 for wrong usage. */
#define _GNU_SOURCE /* getopt_long() */
#include "chat/chat.h"
#include "harden.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <partyline/partyline.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXAMPLE "tcp:1234 udp:1234 pty:partyline.tty"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct settings {
	const char *name, *motd_file, *user;
	struct chat_rate rate;
	struct pl_limits limits;
	const char *const *endpoints;
	size_t n;
};

/* --- a server with these settings --------------------------------------------------- */

static bool read_motd(const char *path, struct chat_options *options,
                      char text[CHAT_MOTD_MAX + 1])
{
	FILE *f = fopen(path, "r");
	size_t len = f ? fread(text, 1, CHAT_MOTD_MAX + 1, f) : 0;
	bool failed = !f || ferror(f);

	if (failed)
		fprintf(stderr, "partyline: --motd %s: %s\n", path, strerror(errno));
	else if (len > CHAT_MOTD_MAX)
		fprintf(stderr, "partyline: --motd %s: longer than %d bytes\n", path,
		        CHAT_MOTD_MAX);
	if (f)
		fclose(f);
	options->motd = text;
	options->motd_len = len;
	return !failed && len <= CHAT_MOTD_MAX;
}

/* NULL after a sentence on stderr. */
static struct chat *make_chat(struct pl_reactor *r, const struct settings *set)
{
	struct chat_options options = { .name = set->name, .rate = set->rate };
	char motd[CHAT_MOTD_MAX + 1];
	struct chat *c;

	if (set->motd_file && !read_motd(set->motd_file, &options, motd))
		return NULL;
	c = chat_create(r, &options);
	if (!c)
		fprintf(stderr, "partyline: out of memory\n");
	return c;
}

static bool has_terminal(void)
{
	const int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* When the terminal that it was started from has been closed, the server goes with it.
 * Otherwise the signal would mean to read the configuration again (O2). */
static void hang_up(struct pl_reactor *r, int signo, void *arg)
{
	const bool *had_terminal = arg;

	(void)signo;
	if (*had_terminal && !has_terminal()) {
		pl_log(PL_LOG_INFO, "SIGHUP: the terminal has gone, stopping");
		pl_reactor_stop(r);
	} else {
		pl_log(PL_LOG_INFO, "SIGHUP: nothing to read again");
	}
}

static void note_signal(struct pl_reactor *r, int signo, void *arg)
{
	(void)r, (void)arg;
	pl_log(PL_LOG_INFO, "%s: means nothing here",
	       signo == SIGUSR1 ? "SIGUSR1" : "SIGUSR2");
}

/* To other servers they mean something: who sends one by habit should not end this one. */
static int watch_user_signals(struct pl_reactor *r)
{
	const int code = pl_reactor_on_signal(r, SIGUSR1, note_signal, NULL);

	return code ? code : pl_reactor_on_signal(r, SIGUSR2, note_signal, NULL);
}

/* Somebody who starts it with nohup(1) wants none of this. */
static int watch_hang_up(struct pl_reactor *r, bool *had_terminal)
{
	struct sigaction now;

	*had_terminal = has_terminal();
	if (sigaction(SIGHUP, NULL, &now) == 0 && now.sa_handler == SIG_IGN)
		return 0;
	return pl_reactor_on_signal(r, SIGHUP, hang_up, had_terminal);
}

static int serve(struct pl_reactor *r, struct chat *c, const struct settings *set,
                 const struct harden_user *user, struct pl_port **ports)
{
	struct pl_error err;
	bool had_terminal;
	int code = watch_hang_up(r, &had_terminal);

	if (code == 0)
		code = watch_user_signals(r);
	/* Each endpoint that fails has its own line on stderr. */
	if (code == 0 &&
	    pl_listen_all(r, "partyline", &c->factory, set->endpoints, set->n, ports) < 0)
		return EXIT_FAILED;
	for (size_t i = 0; i < set->n && code == 0 && !c->udp_hint; i++)
		if (strcmp(pl_port_type(ports[i]), "udp") == 0)
			code = chat_set_udp_hint(c, pl_port_command(ports[i]));
	if (code == 0 && harden_serve(user, &err) < 0) {
		fprintf(stderr, "partyline: %s\n", err.text);
		return EXIT_FAILED;
	}
	if (code == 0)
		code = pl_serve(r, &c->factory, ports, set->n);
	if (code < 0)
		fprintf(stderr, "partyline: %s\n", strerror(-code));
	return code < 0 ? EXIT_FAILED : EXIT_SUCCESS;
}

static int run(const struct settings *set, const struct harden_user *user)
{
	struct pl_port **ports = calloc(set->n, sizeof(struct pl_port *));
	struct pl_reactor *r = ports ? pl_reactor_create(NULL) : NULL;
	struct chat *c = NULL;
	int status = EXIT_FAILED;

	if (!r)
		fprintf(stderr, "partyline: %s\n", strerror(errno));
	else if ((c = make_chat(r, set)) != NULL) {
		pl_set_limits(r, &set->limits);
		status = serve(r, c, set, user, ports);
	}
	pl_reactor_destroy(r);
	chat_destroy(c);
	free(ports);
	return status;
}

static int harden_and_run(const struct settings *set)
{
	struct harden_user user;
	struct pl_error err;

	harden_begin();
	if (!set->user)
		return run(set, NULL);
	if (harden_find_user(set->user, &user, &err) == 0)
		return run(set, &user);
	fprintf(stderr, "partyline: %s\n", err.text);
	return EXIT_FAILED;
}

/* --- the command line --------------------------------------------------------------- */

/* Is on standard output what was printed? */
static int written(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return EXIT_SUCCESS;
	fprintf(stderr, "partyline: standard output: %s\n", strerror(errno));
	return EXIT_FAILED;
}

static int print_help(void)
{
	const struct pl_factory f = { &chat_factory_ops };

	puts("Usage: partyline [OPTION]... ENDPOINT...\n"
	     "One conversation for everybody on TCP, UDP and serial lines.\n"
	     "\n"
	     "  --motd FILE         what newcomers read: text, at most 8 KiB\n"
	     "  --name NAME         what the server calls itself (partyline)\n"
	     "  --rate RATE         how fast a person may speak (" CHAT_RATE_DEFAULT "): "
	     "LINES/s[,BURST],\n"
	     "                      each 1 to 1000, or off\n"
	     "  --max-users N       people at a time, 1 to 1000000 (16384)\n"
	     "  --per-source N      the same from one address (32); then one a second may come\n"
	     "  --log-level LEVEL   error, warning, info or debug (info)\n"
	     "  --user NAME[:GROUP] who root becomes once the endpoints are open\n"
	     "  --version           print the version\n"
	     "  --help              print this\n"
	     "\n"
	     "Endpoints:");
	pl_print_endpoint_usage(&f);
	puts("\n"
	     "Example: partyline " EXAMPLE);
	return written();
}

static int wrong_usage(const char *what, const char *value)
{
	fprintf(stderr, "partyline: %s%s; `partyline --help` tells more\n", what, value);
	return EXIT_USAGE;
}

static bool parse_limit(const char *text, unsigned *limit)
{
	char *end;
	const unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n < 1 || n > PL_LIMIT_MAX)
		return false;
	*limit = (unsigned)n;
	return true;
}

/* A descriptor of ours that became number 2 would be sent the log. */
static void open_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

enum { GO_ON = -1 };

/* One option: GO_ON, or the status to exit with. */
static int take_option(struct settings *set, int option, const char *value, const char *word)
{
	enum pl_log_level level;

	switch (option) {
	case 'm':
		set->motd_file = value;
		return GO_ON;
	case 'n':
		set->name = value;
		return GO_ON;
	case 'l':
		if (pl_log_level_parse(value, &level) < 0)
			return wrong_usage("--log-level is error, warning, info or debug, not ",
			                   value);
		pl_log_set_level(level);
		return GO_ON;
	case 'r':
		if (chat_rate_parse(value, &set->rate) < 0)
			return wrong_usage("--rate is " CHAT_RATE_RULE ", not ", value);
		return GO_ON;
	case 'u':
		if (!parse_limit(value, &set->limits.max_users))
			return wrong_usage("--max-users is 1 to 1000000, not ", value);
		return GO_ON;
	case 's':
		if (!parse_limit(value, &set->limits.per_source))
			return wrong_usage("--per-source is 1 to 1000000, not ", value);
		return GO_ON;
	case 'U':
		set->user = value;
		return GO_ON;
	case 'v':
		printf("partyline %s\n", pl_version());
		return written();
	case 'h':
		return print_help();
	default:
		return wrong_usage("unknown, or lacks its value: ", word);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "motd", required_argument, NULL, 'm' },
		{ "name", required_argument, NULL, 'n' },
		{ "log-level", required_argument, NULL, 'l' },
		{ "rate", required_argument, NULL, 'r' },
		{ "max-users", required_argument, NULL, 'u' },
		{ "per-source", required_argument, NULL, 's' },
		{ "user", required_argument, NULL, 'U' },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct settings set = {
		.name = "partyline",
		.limits = { PL_MAX_USERS_DEFAULT, PL_PER_SOURCE_DEFAULT },
	};
	int option, status = GO_ON;

	chat_rate_parse(CHAT_RATE_DEFAULT, &set.rate);
	open_standard_descriptors();
	pl_log_begin(); /* while the terminal is still open to us, whoever --user is */
	opterr = 0;     /* its sentences begin with the whole path of the program */
	signal(SIGPIPE, SIG_IGN); /* also when it is the log's reader that goes away */
	signal(SIGXFSZ, SIG_IGN); /* the log may be a file that has reached its limit */
	while (status == GO_ON &&
	       (option = getopt_long(argc, argv, "h", options, NULL)) != -1)
		status = take_option(&set, option, optarg, argv[optind - 1]);
	if (status != GO_ON)
		return status;
	set.endpoints = (const char *const *)argv + optind;
	set.n = (size_t)(argc - optind);
	if (set.n == 0)
		return wrong_usage("no endpoint, try: partyline ", EXAMPLE);
	return harden_and_run(&set);
}
