/* run_test.c: what a server program does around its factory: endpoints, ready lines,
 * signals, the goodbye. */
#include "cmocka_all.h"
#include "recorder.h"
#include "scene.h"
#include "world.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <partyline/log.h>

/* --- standard output, caught ---------------------------------------------------------- */

struct caught {
	FILE *file;
	int fd, saved;
	char text[20000];
};

static void catch_begin(struct caught *c, int fd)
{
	fflush(stdout);
	c->file = tmpfile();
	c->fd = fd;
	c->saved = dup(fd);
	if (!c->file || c->saved < 0)
		abort();
	dup2(fileno(c->file), fd);
}

static const char *catch_end(struct caught *c)
{
	ssize_t n;

	fflush(stdout);
	dup2(c->saved, c->fd);
	close(c->saved);
	n = pread(fileno(c->file), c->text, sizeof(c->text) - 1, 0);
	c->text[n < 0 ? 0 : n] = '\0';
	fclose(c->file);
	return c->text;
}

/* --- a server of one scene ------------------------------------------------------------- */

struct server {
	struct scene *scene;
	struct records records;
	struct pl_factory_ops ops;
	struct pl_port *ports[2];
	struct sockaddr_un address;
	char endpoint[120];
	unsigned stopped; /* the factory was told so often */
	bool signal_again;
};

static struct server *the_server; /* the factory's stopping() has nothing else */

static void say_goodbye(struct pl_factory *f)
{
	struct records *rs = pl_container_of(f, struct records, factory);

	the_server->stopped++;
	for (struct record *rec = rs->first; rec; rec = rec->next)
		record_print(rec, "goodbye");
	if (the_server->signal_again)
		raise(SIGTERM);
}

static void raise_sigterm(struct record *rec)
{
	(void)rec;
	raise(SIGTERM);
}

static void server_open(struct server *s, struct scene *scene)
{
	memset(s, 0, sizeof(*s));
	the_server = s;
	s->scene = scene;
	records_init(&s->records, NULL);
	s->ops = *s->records.factory.ops;
	s->ops.stopping = say_goodbye;
	s->ops.usage = "[:nick=NAME]";
	s->records.factory.ops = &s->ops;
	s->records.hooks.made = raise_sigterm; /* who comes, ends it */
	s->address.sun_family = AF_UNIX;
	snprintf(s->address.sun_path, sizeof(s->address.sun_path),
	         "/tmp/partyline-%ld.run", (long)getpid());
	snprintf(s->endpoint, sizeof(s->endpoint), "unix:%s", s->address.sun_path);
	s->ports[0] = records_listen(&s->records, scene->reactor, s->endpoint, NULL);
	s->ports[1] = records_listen(&s->records, scene->reactor, "tcp:0", NULL);
	assert_non_null(s->ports[0]);
	assert_non_null(s->ports[1]);
}

static int server_call(const struct server *s)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (connect(fd, (const struct sockaddr *)&s->address, sizeof(s->address)) < 0)
		abort();
	return fd;
}

static const char *serve(struct server *s, struct caught *c)
{
	int code;
	const char *text;

	catch_begin(c, STDOUT_FILENO);
	code = pl_serve(s->scene->reactor, &s->records.factory, s->ports, 2);
	text = catch_end(c);
	assert_int_equal(code, 0);
	return text;
}

static void server_close(struct server *s)
{
	pl_reactor_turn(s->scene->reactor, 0);
	assert_int_equal(records_alive(&s->records), 0);
	records_check(&s->records);
	records_finish(&s->records);
}

static void ready_lines_say_where_and_how_to_join(void **state)
{
	struct server s;
	struct caught c;
	const char *text;
	char remark[200];
	int fd;

	server_open(&s, *state);
	snprintf(remark, sizeof(remark), "  (%s)\n", pl_port_remark(s.ports[1]));
	fd = server_call(&s);
	text = serve(&s, &c);
	assert_int_equal(strncmp(text, "unix ", 5), 0);
	assert_non_null(strstr(text, s.address.sun_path));
	assert_non_null(strstr(text, "nc -U "));
	assert_non_null(strstr(text, "\ntcp "));
	assert_non_null(strstr(text, "127.0.0.1:"));
	assert_non_null(strstr(text, "telnet localhost "));
	assert_non_null(strstr(text, remark));
	close(fd);
	server_close(&s);
}

static void a_signal_says_goodbye_to_everyone(void **state)
{
	struct server s;
	struct caught c;
	char text[100] = "";
	struct sigaction now;
	int fd;

	server_open(&s, *state);
	fd = server_call(&s);
	serve(&s, &c);
	assert_int_equal(s.stopped, 1);
	assert_int_equal(read(fd, text, sizeof(text) - 1), 7);
	assert_string_equal(text, "goodbye");
	assert_int_equal(read(fd, text, sizeof(text)), 0);
	/* Nobody listens any more, and the signals are as they were. */
	assert_int_not_equal(access(s.address.sun_path, F_OK), 0);
	sigaction(SIGTERM, NULL, &now);
	assert_true(now.sa_handler == SIG_DFL);
	close(fd);
	server_close(&s);
}

static void fill_up(struct record *rec)
{
	static const struct pl_marks endless = { .low = 1, .high = 2, .hard = 1 << 30 };
	static char much[1 << 20];

	record_set_marks(rec, &endless);
	record_write(rec, much, sizeof(much));
	raise(SIGTERM);
}

static void who_is_stuck_is_waited_for_two_and_a_half_seconds(void **state)
{
	struct server s;
	struct caught c;
	uint64_t start_ms;
	int fd;

	server_open(&s, *state);
	s.records.hooks.made = fill_up;
	fd = server_call(&s);
	start_ms = s.scene->now_ms;
	serve(&s, &c);
	assert_in_range(s.scene->now_ms - start_ms, 2500, 3000);
	server_close(&s);
	close(fd);
}

static void a_second_signal_does_not_wait(void **state)
{
	struct server s;
	struct caught c;
	uint64_t start_ms;
	int fd;

	server_open(&s, *state);
	s.records.hooks.made = fill_up;
	s.signal_again = true;
	fd = server_call(&s);
	start_ms = s.scene->now_ms;
	serve(&s, &c);
	assert_in_range(s.scene->now_ms - start_ms, 0, 100);
	server_close(&s);
	close(fd);
}

/* --- pl_main ------------------------------------------------------------------------------ */

static int run_main(struct caught *c, int fd, const char *first, const char *second)
{
	char *argv[] = { (char *)(uintptr_t) "/usr/bin/echo-server",
		         (char *)(uintptr_t)first, (char *)(uintptr_t)second, NULL };
	struct records records;
	struct pl_factory_ops ops;
	int code;

	records_init(&records, NULL);
	ops = *records.factory.ops;
	ops.usage = "[:nick=NAME]";
	records.factory.ops = &ops;
	catch_begin(c, fd);
	code = pl_main(first ? second ? 3 : 2 : 1, argv, &records.factory);
	catch_end(c);
	records_finish(&records);
	return code;
}

static void a_program_without_endpoints_says_what_it_wants(void **state)
{
	struct caught c;

	(void)state;
	assert_int_equal(run_main(&c, STDERR_FILENO, NULL, NULL), 2);
	assert_int_equal(strncmp(c.text, "echo-server: ", 13), 0);
	assert_non_null(strstr(c.text, "tcp:1234"));
	assert_int_equal(run_main(&c, STDERR_FILENO, "-x", NULL), 2);
}

static void help_lists_every_transport_and_the_factorys_keys(void **state)
{
	static const char *const parts[] = {
		"usage: echo-server", "tcp:PORT",   "udp:PORT",    "unix:PATH",
		"pty:PATH",           "interface=", "[:nick=NAME]"
	};
	struct caught c;

	(void)state;
	assert_int_equal(run_main(&c, STDOUT_FILENO, "--help", NULL), 0);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		assert_non_null(strstr(c.text, parts[i]));
}

static void what_cannot_be_opened_is_one_sentence_and_exit_code_1(void **state)
{
	struct caught c;

	(void)state;
	assert_int_equal(run_main(&c, STDERR_FILENO, "mem:a", "udp:99999"), 1);
	assert_string_equal(c.text, "echo-server: udp:99999: port must be 0..65535\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
		T(ready_lines_say_where_and_how_to_join),
		T(a_signal_says_goodbye_to_everyone),
		T(who_is_stuck_is_waited_for_two_and_a_half_seconds),
		T(a_second_signal_does_not_wait),
		cmocka_unit_test(a_program_without_endpoints_says_what_it_wants),
		cmocka_unit_test(help_lists_every_transport_and_the_factorys_keys),
		cmocka_unit_test(what_cannot_be_opened_is_one_sentence_and_exit_code_1),
	};

	pl_log_set_level(PL_LOG_ERROR);
	return cmocka_run_group_tests_name("servers", tests, NULL, NULL);
}
