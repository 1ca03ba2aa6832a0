/* stream_test.c: stream sockets: what transport_impl.h promises of pl_stream and
 * pl_acceptor beyond the promises of every transport. */
#include "cmocka_all.h"
#include "recorder.h"
#include "scene.h"
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <partyline/stats.h>
#include <partyline/transport_impl.h>

/* --- one connection, on a pair of sockets ---------------------------------------- */

struct pair {
	struct scene *scene;
	struct records records;
	struct pl_timer timer;
	struct pl_stream *stream;
	struct record *record;
	int far;
};

static void come_up(struct pl_timer *t)
{
	struct pair *p = pl_container_of(t, struct pair, timer);

	if (pl_transport_name(&p->stream->transport, "pair", NULL) == 0)
		pl_transport_up(&p->stream->transport, &p->records.factory);
}

static void pair_open(struct pair *p, struct scene *s)
{
	int ends[2], big = 1 << 20;

	memset(p, 0, sizeof(*p));
	p->scene = s;
	records_init(&p->records, NULL);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
	setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
	assert_int_equal(pl_set_nonblocking(ends[0]), 0);
	assert_int_equal(pl_set_nonblocking(ends[1]), 0);
	p->far = ends[1];
	p->stream = pl_stream_create(s->reactor, "pair", ends[0], NULL);
	assert_non_null(p->stream);
	p->timer.fn = come_up;
	pl_call_later(s->reactor, &p->timer, 0);
	pl_reactor_turn(s->reactor, 0);
	p->record = records_at(&p->records, 0);
	assert_non_null(p->record);
	s->asked_for = ends[0];
}

static void pair_close(struct pair *p)
{
	if (p->far >= 0)
		close(p->far);
	record_abort(p->record, 0);
	pl_reactor_turn(p->scene->reactor, 0);
	records_check(&p->records);
	assert_true(p->record->lost);
	records_finish(&p->records);
}

static void turn(struct scene *s)
{
	assert_int_equal(pl_reactor_turn(s->reactor, 0), 0);
}

static void at_most_16_kib_are_read_a_turn(void **state)
{
	struct scene *s = *state;
	struct pair p;
	static const char much[40000];
	size_t before = 0;

	pair_open(&p, s);
	assert_int_equal(write(p.far, much, sizeof(much)), sizeof(much));
	for (int turns = 0; p.record->len < sizeof(much); turns++) {
		assert_in_range(turns, 0, 100);
		turn(s);
		assert_in_range(p.record->len - before, 1, 16 * 1024);
		before = p.record->len;
	}
	pair_close(&p);
}

static void at_most_64_kib_are_written_a_turn(void **state)
{
	static const struct pl_marks wide = { .low = 1, .high = 1 << 20, .hard = 1 << 22 };
	struct scene *s = *state;
	struct pair p;
	static char much[200000];
	size_t total = 0;

	pair_open(&p, s);
	record_set_marks(p.record, &wide);
	record_write(p.record, much, sizeof(much));
	for (int turns = 0; total < sizeof(much); turns++) {
		ssize_t n;
		size_t this_turn = 0;

		assert_in_range(turns, 0, 1000);
		turn(s);
		while ((n = read(p.far, much, sizeof(much))) > 0)
			this_turn += (size_t)n;
		assert_in_range(this_turn, 0, 64 * 1024);
		total += this_turn;
	}
	assert_int_equal(total, sizeof(much));
	pair_close(&p);
}

static void room_to_write_is_asked_for_only_when_the_kernel_is_full(void **state)
{
	static const struct pl_marks wide = { .low = 1, .high = 1 << 20, .hard = 1 << 24 };
	struct scene *s = *state;
	struct pair p;
	static char much[64000];

	pair_open(&p, s);
	record_set_marks(p.record, &wide);
	record_print(p.record, "little");
	turn(s);
	turn(s);
	assert_int_equal(s->asked, POLLIN);
	for (int i = 0; i < 100 && s->asked == POLLIN; i++) {
		record_write(p.record, much, sizeof(much));
		turn(s);
		turn(s);
	}
	assert_int_equal(s->asked, POLLIN | POLLOUT);
	while (record_queued(p.record) > 0) {
		while (read(p.far, much, sizeof(much)) > 0)
			;
		turn(s);
	}
	turn(s);
	assert_int_equal(s->asked, POLLIN);
	pair_close(&p);
}

static void a_paused_stream_is_watched_for_its_end_alone(void **state)
{
	struct scene *s = *state;
	struct pair p;

	pair_open(&p, s);
	turn(s);
	assert_int_equal(s->asked, POLLIN);
	record_pause(p.record);
	turn(s);
	assert_int_equal(s->asked, 0);
	record_resume(p.record);
	turn(s);
	assert_int_equal(s->asked, POLLIN);
	pair_close(&p);
}

static void the_descriptor_is_given_back_on_abort_before_lost_comes(void **state)
{
	struct scene *s = *state;
	struct pair p;
	char c;

	pair_open(&p, s);
	record_abort(p.record, 0);
	assert_int_equal(read(p.far, &c, 1), 0); /* closed already */
	assert_false(p.record->lost);
	pair_close(&p);
}

static void writing_to_who_has_gone_is_an_end_and_not_a_signal(void **state)
{
	struct scene *s = *state;
	struct pair p;

	pair_open(&p, s); /* SIGPIPE would end this program */
	record_pause(p.record);
	close(p.far);
	p.far = -1;
	for (int i = 0; i < 5; i++) {
		record_print(p.record, "anybody there?");
		turn(s);
	}
	pair_close(&p);
}

static void a_peer_that_leaves_during_the_farewell_is_an_end(void **state)
{
	struct scene *s = *state;
	struct pair p;
	char text[10] = "";

	pair_open(&p, s);
	record_print(p.record, "bye");
	record_lose(p.record);
	turn(s);
	assert_int_equal(read(p.far, text, sizeof(text)), 3);
	assert_int_equal(read(p.far, text, sizeof(text)), 0); /* half-closed */
	assert_false(p.record->lost);
	close(p.far);
	p.far = -1;
	turn(s);
	turn(s);
	assert_string_equal(record_log(p.record), "made; lost 0");
	pair_close(&p);
}

static void a_descriptor_is_made_non_blocking_and_close_on_exec(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(pl_set_nonblocking(ends[0]), 0);
	assert_true(fcntl(ends[0], F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(ends[0], F_GETFD) & FD_CLOEXEC);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(pl_set_nonblocking(-1), -EBADF);
}

/* --- accepting ------------------------------------------------------------------- */

struct door {
	struct pl_acceptor acceptor;
	struct scene *scene;
	struct sockaddr_un address;
	int accepted[64], n, blocking;
	bool stop; /* at the next one */
};

static void let_in(struct pl_acceptor *a, int fd, const struct sockaddr *from, socklen_t len)
{
	struct door *d = pl_container_of(a, struct door, acceptor);

	(void)from;
	(void)len;
	if (!(fcntl(fd, F_GETFL) & O_NONBLOCK) || !(fcntl(fd, F_GETFD) & FD_CLOEXEC))
		d->blocking++;
	d->accepted[d->n++] = fd;
	if (d->stop)
		pl_acceptor_stop(a);
}

static void door_open(struct door *d, struct scene *s)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memset(d, 0, sizeof(*d));
	d->scene = s;
	d->address.sun_family = AF_UNIX;
	snprintf(d->address.sun_path, sizeof(d->address.sun_path),
	         "/tmp/partyline-%ld.door", (long)getpid());
	unlink(d->address.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&d->address, sizeof(d->address)), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(pl_set_nonblocking(fd), 0);
	assert_int_equal(pl_acceptor_start(&d->acceptor, s->reactor, fd, let_in), 0);
}

static void door_close(struct door *d)
{
	assert_int_equal(d->blocking, 0);
	pl_acceptor_stop(&d->acceptor);
	pl_acceptor_stop(&d->acceptor);
	while (d->n > 0)
		close(d->accepted[--d->n]);
	unlink(d->address.sun_path);
}

static int knock(const struct door *d)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (fd < 0 || pl_set_nonblocking(fd) < 0 ||
	    connect(fd, (const struct sockaddr *)&d->address, sizeof(d->address)) < 0)
		abort();
	return fd;
}

static void at_most_32_are_accepted_a_turn(void **state)
{
	struct scene *s = *state;
	struct door d;
	int clients[40];

	door_open(&d, s);
	for (int i = 0; i < 40; i++)
		clients[i] = knock(&d);
	turn(s);
	assert_int_equal(d.n, 32);
	turn(s);
	assert_int_equal(d.n, 40);
	for (int i = 0; i < 40; i++)
		close(clients[i]);
	door_close(&d);
}

static void an_acceptor_stopped_while_accepting_accepts_no_more(void **state)
{
	struct scene *s = *state;
	struct door d;
	int first, second;

	door_open(&d, s);
	d.stop = true;
	first = knock(&d);
	second = knock(&d);
	turn(s);
	turn(s);
	assert_int_equal(d.n, 1);
	close(first);
	close(second);
	door_close(&d);
}

static void an_acceptor_that_was_never_started_may_be_stopped(void **state)
{
	struct pl_acceptor a = { 0 };

	(void)state;
	pl_acceptor_stop(&a);
}

/* Lets this process open no descriptor more.  What it was before. */
static rlim_t allow_no_more_descriptors(void)
{
	struct rlimit limit;
	rlim_t before;
	int next = dup(0);

	close(next);
	getrlimit(RLIMIT_NOFILE, &limit);
	before = limit.rlim_cur;
	limit.rlim_cur = (rlim_t)next;
	setrlimit(RLIMIT_NOFILE, &limit);
	return before;
}

static void allow_descriptors(rlim_t n)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = n;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void assert_turned_away(int client)
{
	char text[200] = "";
	ssize_t n = read(client, text, sizeof(text) - 1); /* a sentence, and the end */

	assert_true(n > 10);
	assert_non_null(strstr(text, "\r\n"));
	assert_int_equal(read(client, text, sizeof(text)), 0);
	close(client);
}

/* O6.  One of them has spoken first, as clients of other protocols do. */
static void when_descriptors_run_out_who_waits_is_turned_away_and_accepting_rests(void **state)
{
	struct scene *s = *state;
	struct door d;
	char text[200];
	int clients[50], later;
	rlim_t before;
	uint64_t rest_ends_ms;

	door_open(&d, s);
	for (int i = 0; i < 50; i++)
		clients[i] = knock(&d);
	assert_int_equal(write(clients[7], "hello\n", 6), 6);
	later = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(pl_set_nonblocking(later), 0);
	before = allow_no_more_descriptors();
	turn(s);
	assert_int_equal(pl_counted(s->reactor,
	                            "connections: turned away, out of descriptors"),
	                 32); /* as many as would be accepted in a turn */
	turn(s);
	assert_int_equal(pl_counted(s->reactor,
	                            "connections: turned away, out of descriptors"),
	                 50);
	assert_int_equal(connect(later, (struct sockaddr *)&d.address, sizeof(d.address)),
	                 0);
	rest_ends_ms = s->now_ms + 100;
	pl_reactor_turn(s->reactor, 99);
	assert_int_equal(s->timeout_ms, 99); /* and it does not spin meanwhile */
	allow_descriptors(before);
	for (int i = 0; i < 50; i++)
		assert_turned_away(clients[i]);
	assert_int_equal(d.n, 0);
	assert_int_equal(read(later, text, sizeof(text)), -1); /* still waits */
	scene_run_to(s, rest_ends_ms);
	turn(s);
	assert_int_equal(d.n, 1);
	close(later);
	door_close(&d);
}

/* The spare descriptor is there again after the rest, so the next is turned away too. */
static void who_is_turned_away_costs_no_descriptor(void **state)
{
	struct scene *s = *state;
	struct door d;
	int client, descriptors;

	door_open(&d, s);
	descriptors = open_descriptors();
	for (int i = 0; i < 5; i++) {
		char text[200];
		rlim_t before;

		client = knock(&d);
		before = allow_no_more_descriptors();
		turn(s);
		allow_descriptors(before);
		assert_true(read(client, text, sizeof(text)) > 10);
		close(client);
		scene_run_to(s, s->now_ms + 100);
	}
	assert_int_equal(d.n, 0);
	assert_int_equal(pl_counted(s->reactor,
	                            "connections: turned away, out of descriptors"),
	                 5);
	assert_int_equal(open_descriptors(), descriptors);
	door_close(&d);
}

static void shortage(struct door *d)
{
	int client = knock(d);
	rlim_t before = allow_no_more_descriptors();

	turn(d->scene);
	allow_descriptors(before);
	close(client);
	scene_run_to(d->scene, d->scene->now_ms + 100);
}

static unsigned count_in_log(FILE *file, const char *words)
{
	static char text[10000];
	unsigned n = 0;

	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	for (const char *at = text; (at = strstr(at, words)); at++)
		n++;
	return n;
}

/* O6: an attacker who holds all descriptors must not fill the disk as well. */
static void the_log_tells_of_a_shortage_once_an_episode(void **state)
{
	struct scene *s = *state;
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO);
	struct door d;

	door_open(&d, s);
	dup2(fileno(file), STDERR_FILENO);
	for (int i = 0; i < 20; i++)
		shortage(&d);
	scene_run_to(s, s->now_ms + 30000);
	shortage(&d); /* still the same */
	scene_run_to(s, s->now_ms + 60000);
	shortage(&d);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(file);
	assert_int_equal(count_in_log(file, "out of descriptors"), 2);
	fclose(file);
	door_close(&d);
}

static void without_a_spare_descriptor_who_knocks_waits_and_is_let_in_later(void **state)
{
	static const char counter[] = "connections: kept waiting, out of descriptors";
	struct scene *s = *state;
	struct door d;
	rlim_t before;
	int client, taken;

	door_open(&d, s);
	client = knock(&d);
	close(d.acceptor.spare_fd);
	taken = dup(0); /* somebody else has taken its place */
	d.acceptor.spare_fd = -1;
	before = allow_no_more_descriptors();
	turn(s);
	close(taken);
	allow_descriptors(before);
	assert_int_equal(pl_counted(s->reactor, counter), 1);
	scene_run_to(s, s->now_ms + 100);
	turn(s);
	assert_int_equal(d.n, 1);
	close(client);
	door_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
		T(at_most_16_kib_are_read_a_turn),
		T(at_most_64_kib_are_written_a_turn),
		T(room_to_write_is_asked_for_only_when_the_kernel_is_full),
		T(a_paused_stream_is_watched_for_its_end_alone),
		T(the_descriptor_is_given_back_on_abort_before_lost_comes),
		T(writing_to_who_has_gone_is_an_end_and_not_a_signal),
		T(a_peer_that_leaves_during_the_farewell_is_an_end),
		T(a_descriptor_is_made_non_blocking_and_close_on_exec),
		T(at_most_32_are_accepted_a_turn),
		T(an_acceptor_stopped_while_accepting_accepts_no_more),
		T(an_acceptor_that_was_never_started_may_be_stopped),
		T(when_descriptors_run_out_who_waits_is_turned_away_and_accepting_rests),
		T(who_is_turned_away_costs_no_descriptor),
		T(the_log_tells_of_a_shortage_once_an_episode),
		T(without_a_spare_descriptor_who_knocks_waits_and_is_let_in_later),
	};

	return cmocka_run_group_tests_name("streams", tests, NULL, NULL);
}
