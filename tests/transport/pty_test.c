#define _XOPEN_SOURCE 700 /* posix_openpt() */
#define _DEFAULT_SOURCE   /* cfmakeraw() */
/* pty_test.c: the link to a line, and who is refused at it. */
#include "cmocka_all.h"
#include "recorder.h"
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <partyline/stats.h>

#define FULL "-- too many people here, please try again later --\r\n"
#define INVITATION "partyline: press Enter to join\r\n"
#define PATIENCE 5000

struct place {
	struct pl_world *world;
	struct records people;
	char directory[24], paths[2][40];
	int fds[2]; /* terminal programs on them */
	int descriptors;
	char text[400];
	size_t len;
};

static struct pl_reactor *reactor_of(const struct place *p)
{
	return pl_world_reactor(p->world);
}

static int set_up(void **state)
{
	static struct place p;

	p = (struct place){ .fds = { -1, -1 } };
	p.descriptors = open_descriptors();
	snprintf(p.directory, sizeof p.directory, "/tmp/partyline.XXXXXX");
	if (!mkdtemp(p.directory))
		return -1;
	for (int i = 0; i < 2; i++)
		snprintf(p.paths[i], sizeof p.paths[i], "%.23s/line%d", p.directory, i);
	p.world = pl_world_create(1);
	records_init(&p.people, NULL);
	*state = &p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;

	records_check(&p->people);
	for (int i = 0; i < 2; i++)
		if (p->fds[i] >= 0)
			close(p->fds[i]);
	pl_world_destroy(p->world);
	records_finish(&p->people);
	unlink(p->paths[0]);
	rmdir(p->directory);
	return open_descriptors() == p->descriptors ? 0 : -1;
}

static struct pl_port *listen_at(struct place *p, int line, const char *keys,
                                 struct pl_error *err)
{
	char endpoint[100];

	snprintf(endpoint, sizeof endpoint, "pty:%s%s", p->paths[line], keys);
	return records_listen(&p->people, reactor_of(p), endpoint, err);
}

/* --- the link ------------------------------------------------------------------------ */

static void assert_link_is_refused(struct place *p, const char *why)
{
	struct pl_error err = { 0 };

	assert_null(listen_at(p, 0, "", &err));
	assert_non_null(strstr(err.text, why));
}

static void a_line_that_a_server_uses_is_refused(void **state)
{
	struct place *p = *state;
	struct pl_error err;
	char before[64] = "", after[64] = "";

	assert_non_null(listen_at(p, 0, ":mode=666", &err));
	assert_true(readlink(p->paths[0], before, sizeof before - 1) > 0);
	p->fds[0] = open(p->paths[0], O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_int_equal(write(p->fds[0], "\r", 1), 1); /* which changes other times */
	assert_link_is_refused(p, "leads to a terminal");
	assert_true(readlink(p->paths[0], after, sizeof after - 1) > 0);
	assert_string_equal(before, after);
}

/* A pair of somebody else's, with a link to its slave that has this age. */
static int link_to_terminal(struct place *p, const struct timespec *made)
{
	const struct timespec times[2] = { *made, *made };
	const int master = posix_openpt(O_RDWR | O_NOCTTY);

	assert_true(master >= 0);
	assert_int_equal(grantpt(master), 0);
	assert_int_equal(unlockpt(master), 0);
	unlink(p->paths[0]);
	assert_int_equal(symlink(ptsname(master), p->paths[0]), 0);
	assert_int_equal(utimensat(AT_FDCWD, p->paths[0], times, AT_SYMLINK_NOFOLLOW), 0);
	return master;
}

/* What a killed server has left: its number has been given to another terminal. */
static void a_link_to_a_terminal_that_is_younger_is_replaced(void **state)
{
	struct place *p = *state;
	struct pl_error err;
	struct stat slave, link, target;
	int master = link_to_terminal(p, &(struct timespec){ 0 });

	assert_int_equal(chmod(p->paths[0], 0600), 0); /* somebody has logged in there */
	assert_int_equal(stat(p->paths[0], &slave), 0);
	assert_int_equal(lstat(p->paths[0], &link), 0);
	assert_true(slave.st_ctim.tv_sec > link.st_mtim.tv_sec);
	assert_non_null(listen_at(p, 0, "", &err));
	assert_int_equal(stat(p->paths[0], &target), 0);
	assert_int_not_equal(slave.st_rdev, target.st_rdev);
	close(master);
}

/* Some file systems keep whole seconds of a time, some microseconds. */
static void a_terminal_that_may_be_older_than_the_link_is_not_taken(void **state)
{
	static const long units_ns[] = { 1, 1000, 1000000000 };
	struct place *p = *state;

	for (size_t i = 0; i < sizeof units_ns / sizeof units_ns[0]; i++) {
		int master = link_to_terminal(p, &(struct timespec){ 0 });
		struct timespec times[2];
		struct stat slave;

		assert_int_equal(stat(p->paths[0], &slave), 0);
		times[1] = slave.st_ctim;
		times[1].tv_nsec -= times[1].tv_nsec % units_ns[i];
		times[0] = times[1];
		assert_int_equal(utimensat(AT_FDCWD, p->paths[0], times,
		                           AT_SYMLINK_NOFOLLOW),
		                 0);
		assert_link_is_refused(p, "leads to a terminal");
		close(master);
	}
}

/* --- who is refused ------------------------------------------------------------------ */

static void open_terminal(struct place *p, int line)
{
	struct termios raw;

	p->fds[line] = open(p->paths[line], O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	assert_true(p->fds[line] >= 0);
	tcgetattr(p->fds[line], &raw);
	cfmakeraw(&raw);
	raw.c_cc[VMIN] = 1; /* an idle line reads as EAGAIN */
	tcsetattr(p->fds[line], TCSANOW, &raw);
	pl_world_advance(p->world, 1000);
}

/* On line 1, all there is, until it ends with this. */
static void assert_read(struct place *p, const char *text)
{
	for (int turns = 0; turns < PATIENCE; turns++) {
		const ssize_t n =
			read(p->fds[1], p->text + p->len, sizeof p->text - 1 - p->len);

		p->len += n > 0 ? (size_t)n : 0;
		p->text[p->len] = '\0';
		if (p->len >= strlen(text))
			break;
		world_turn(p->world, 1);
	}
	assert_string_equal(p->text, text);
	p->len = 0;
}

static void at_300_baud_who_is_refused_reads_the_whole_sentence(void **state)
{
	struct place *p = *state;
	struct pl_error err;

	pl_set_limits(reactor_of(p), &(struct pl_limits){ .max_users = 1 });
	assert_non_null(listen_at(p, 0, ":join=open", &err));
	assert_non_null(listen_at(p, 1, ":join=open:baudrate=300", &err));
	open_terminal(p, 0);
	assert_int_equal(p->people.count, 1);
	open_terminal(p, 1);
	assert_int_equal(p->people.count, 1);
	assert_read(p, FULL INVITATION);
}

static void a_device_that_was_refused_joins_when_there_is_room(void **state)
{
	struct place *p = *state;
	struct pl_error err;

	pl_set_limits(reactor_of(p), &(struct pl_limits){ .max_users = 1 });
	assert_non_null(listen_at(p, 0, ":join=open", &err));
	assert_non_null(listen_at(p, 1, ":join=open", &err));
	open_terminal(p, 0);
	open_terminal(p, 1);
	pl_world_advance(p->world, 30000);
	assert_int_equal(p->people.count, 1);
	assert_in_range(pl_counted(reactor_of(p), "pty: sessions refused"), 3, 4);
	record_lose(records_at(&p->people, 0));
	pl_world_advance(p->world, 11000);
	assert_int_equal(p->people.count, 2);
	/* Who has left is not who was refused. */
	record_lose(records_at(&p->people, 1));
	pl_world_advance(p->world, 60000);
	assert_int_equal(p->people.count, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_line_that_a_server_uses_is_refused),
		TEST(a_link_to_a_terminal_that_is_younger_is_replaced),
		TEST(a_terminal_that_may_be_older_than_the_link_is_not_taken),
		TEST(at_300_baud_who_is_refused_reads_the_whole_sentence),
		TEST(a_device_that_was_refused_joins_when_there_is_room),
	};

	return cmocka_run_group_tests_name("pty", tests, NULL, NULL);
}
