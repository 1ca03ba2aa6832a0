/* unix_test.c: what is unix's own: the file, who may use it, and who the peer is.  The
 * promises are conformance.c's. */
#include "cmocka_all.h"
#include "recorder.h"
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct place {
	struct pl_world *world;
	struct pl_reactor *reactor;
	struct records records;
	int descriptors;
	char directory[40], path[60], endpoint[80];
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	if (!p)
		return -1;
	p->descriptors = open_descriptors();
	p->world = pl_world_create(1);
	p->reactor = pl_world_reactor(p->world);
	records_init(&p->records, NULL);
	snprintf(p->directory, sizeof(p->directory), "/tmp/partyline.XXXXXX");
	if (!mkdtemp(p->directory))
		return -1;
	snprintf(p->path, sizeof(p->path), "%s/door", p->directory);
	snprintf(p->endpoint, sizeof(p->endpoint), "unix:%s", p->path);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	int before = p->descriptors;
	bool broken;

	pl_world_destroy(p->world);
	broken = p->records.broken[0] != '\0';
	records_finish(&p->records);
	unlink(p->path);
	rmdir(p->directory);
	free(p);
	return broken || open_descriptors() != before ? -1 : 0;
}

static struct pl_port *listen_at(struct place *p, const char *options, struct pl_error *err)
{
	char text[120];

	snprintf(text, sizeof(text), "%s%s", p->endpoint, options);
	return records_listen(&p->records, p->reactor, text, err);
}

static void fill_address(struct sockaddr_un *address, const char *path)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, path, strlen(path) + 1);
}

static int call(const char *path)
{
	struct sockaddr_un to;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), code;

	fill_address(&to, path);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	code = -errno;
	close(fd);
	return code;
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static void only_its_user_may_join_unless_mode_says_otherwise(void **state)
{
	struct place *p = *state;
	struct pl_port *port = listen_at(p, "", NULL);
	struct stat st;

	assert_non_null(port);
	assert_int_equal(stat(p->path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	pl_port_stop(port);
	assert_non_null(listen_at(p, ":mode=666", NULL));
	assert_int_equal(stat(p->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0666);
}

static void a_mode_is_octal(void **state)
{
	static const char *const wrong[] = { ":mode=",     ":mode=rw", ":mode=888",
		                             ":mode=1000", ":mode=-1", ":mode=6 6" };
	struct place *p = *state;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct pl_error err = { 0 };

		assert_null(listen_at(p, wrong[i], &err));
		assert_int_equal(err.code, -EINVAL);
		assert_non_null(strstr(err.text, "mode"));
		assert_false(exists(p->path));
	}
}

static void the_peers_uid_is_a_fact(void **state)
{
	struct place *p = *state;
	const struct pl_peer *peer;
	char uid[20];
	int fd;

	listen_at(p, "", NULL);
	fd = call(p->path);
	assert_true(fd >= 0);
	for (int turns = 0; turns < 1000 && !records_at(&p->records, 0); turns++)
		world_turn(p->world, 1);
	assert_non_null(records_at(&p->records, 0));
	peer = pl_transport_peer(records_at(&p->records, 0)->transport);
	snprintf(uid, sizeof(uid), "%ld", (long)getuid());
	assert_string_equal(pl_peer_fact(peer, "uid"), uid);
	assert_null(pl_peer_fact(peer, "address"));
	close(fd);
}

static void the_file_is_removed_when_the_port_stops(void **state)
{
	struct place *p = *state;
	struct pl_port *port = listen_at(p, "", NULL);

	assert_true(exists(p->path));
	pl_port_stop(port);
	assert_false(exists(p->path));
	assert_non_null(listen_at(p, "", NULL));
	pl_world_destroy(p->world);
	p->world = NULL;
	assert_false(exists(p->path));
}

static void a_file_that_somebody_else_has_put_there_is_left_alone(void **state)
{
	struct place *p = *state;
	struct pl_port *port = listen_at(p, "", NULL);

	unlink(p->path);
	close(open(p->path, O_CREAT | O_WRONLY, 0600));
	pl_port_stop(port);
	assert_true(exists(p->path));
}

static void a_socket_left_by_a_dead_server_is_replaced(void **state)
{
	struct place *p = *state;
	struct sockaddr_un address;
	int dead = socket(AF_UNIX, SOCK_STREAM, 0);
	struct pl_error err = { 0 };

	fill_address(&address, p->path);
	assert_int_equal(bind(dead, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(dead, 1), 0);
	/* It lives: refused. */
	assert_null(listen_at(p, "", &err));
	assert_int_equal(err.code, -EADDRINUSE);
	assert_true(exists(p->path));
	close(dead);
	assert_non_null(listen_at(p, "", NULL));
	dead = call(p->path);
	assert_true(dead >= 0);
	close(dead);
}

static void a_file_of_another_kind_is_refused_and_left_alone(void **state)
{
	struct place *p = *state;
	struct pl_error err = { 0 };
	char text[10] = "";
	int fd = open(p->path, O_CREAT | O_RDWR, 0600);

	assert_int_equal(write(fd, "precious", 8), 8);
	assert_null(listen_at(p, "", &err));
	assert_true(err.code < 0);
	assert_non_null(strstr(err.text, p->path));
	assert_int_equal(pread(fd, text, 8, 0), 8);
	assert_string_equal(text, "precious");
	assert_true(exists(p->path));
	close(fd);
}

static void a_path_that_cannot_be_is_refused_with_the_reason(void **state)
{
	struct place *p = *state;
	struct pl_error err = { 0 };
	char longest[300] = "unix:/tmp/";

	memset(longest + strlen(longest), 'x', 200);
	assert_null(records_listen(&p->records, p->reactor, longest, &err));
	assert_int_equal(err.code, -ENAMETOOLONG);
	assert_null(records_listen(&p->records, p->reactor, "unix:/nonexistent/door", &err));
	assert_int_equal(err.code, -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/door"));
	snprintf(p->endpoint, sizeof(p->endpoint), "unix:%s", p->directory);
	assert_null(listen_at(p, "", &err)); /* a directory */
	assert_true(err.code < 0);
}

static void the_command_that_joins_names_the_path(void **state)
{
	struct place *p = *state;
	struct pl_port *port = listen_at(p, "", NULL);
	char command[100];

	snprintf(command, sizeof(command), "nc -U %s", p->path);
	assert_string_equal(pl_port_command(port), command);
	assert_string_equal(pl_port_place(port), p->path);
	assert_string_equal(pl_port_name(port), p->endpoint);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(only_its_user_may_join_unless_mode_says_otherwise),
		T(a_mode_is_octal),
		T(the_peers_uid_is_a_fact),
		T(the_file_is_removed_when_the_port_stops),
		T(a_file_that_somebody_else_has_put_there_is_left_alone),
		T(a_socket_left_by_a_dead_server_is_replaced),
		T(a_file_of_another_kind_is_refused_and_left_alone),
		T(a_path_that_cannot_be_is_refused_with_the_reason),
		T(the_command_that_joins_names_the_path),
	};

	return cmocka_run_group_tests_name("unix", tests, NULL, NULL);
}
