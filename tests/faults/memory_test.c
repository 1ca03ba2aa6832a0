/* memory_test.c: every allocation fails once.
 *
 * A scene is played again and again, each time with another allocation failing, until it
 * has come to its end with none: connecting and talking may fail, nothing may crash or be
 * left behind, and who comes afterwards is served.  Linked with --wrap for malloc, calloc,
 * realloc and strdup; nothing here allocates while one is to fail. */
#include "cmocka_all.h"
#include "loopback.h"
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <partyline/log.h>
#include <partyline/transport_impl.h>

/* --- allocations that fail ------------------------------------------------------- */

static long until_failure; /* so many succeed, the next fails; below 0: all succeed */
static bool failed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);

static bool fails_now(void)
{
	if (until_failure < 0 || until_failure-- > 0)
		return false;
	failed = true;
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails_now() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails_now() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
	return fails_now() ? NULL : __real_strdup(text);
}

/* --- a protocol without memory of its own ---------------------------------------- */

struct echo {
	struct pl_protocol protocol;

	unsigned made, lost;
	size_t heard;
	int reason;
};

static struct echo echoes[8];  /* the near ends, in order */
static struct echo callers[8]; /* mem: the far ends */
static size_t n_echoes, n_callers;

static void echo_made(struct pl_protocol *p)
{
	pl_container_of(p, struct echo, protocol)->made++;
	pl_write(p->transport, "welcome\n", 8);
}

static void echo_data(struct pl_protocol *p, const char *data, size_t len)
{
	pl_container_of(p, struct echo, protocol)->heard += len;
	pl_write(p->transport, data, len);
}

static void echo_lost(struct pl_protocol *p, int reason)
{
	struct echo *e = pl_container_of(p, struct echo, protocol);

	e->lost++;
	e->reason = reason;
}

static const struct pl_protocol_ops echo_ops = {
	.connection_made = echo_made,
	.data_received = echo_data,
	.connection_lost = echo_lost,
};

static struct pl_protocol *build_echo(struct pl_factory *f, const struct pl_peer *peer)
{
	struct echo *e = &echoes[n_echoes++ % 8];

	(void)f;
	(void)peer;
	*e = (struct echo){ .protocol.ops = &echo_ops };
	return &e->protocol;
}

static void caller_made(struct pl_protocol *p)
{
	pl_container_of(p, struct echo, protocol)->made++;
}

static void caller_data(struct pl_protocol *p, const char *data, size_t len)
{
	(void)data;
	pl_container_of(p, struct echo, protocol)->heard += len;
}

static const struct pl_protocol_ops caller_ops = {
	.connection_made = caller_made,
	.data_received = caller_data,
	.connection_lost = echo_lost,
};

static struct pl_protocol *build_caller(struct pl_factory *f, const struct pl_peer *peer)
{
	struct echo *e = &callers[n_callers++ % 8];

	(void)f;
	(void)peer;
	*e = (struct echo){ .protocol.ops = &caller_ops };
	return &e->protocol;
}

static const struct pl_factory_ops echo_factory_ops = { .build_protocol = build_echo };
static const struct pl_factory_ops caller_factory_ops = { .build_protocol = build_caller };
static struct pl_factory echo_factory = { &echo_factory_ops };
static struct pl_factory caller_factory = { &caller_factory_ops };

/* --- scenes ---------------------------------------------------------------------- */

struct play {
	const char *endpoint;
	struct pl_world *world;
	struct pl_port *port;
	int far; /* a socket, or -1 */
};

static void turns(struct play *p)
{
	for (int i = 0; i < 12; i++)
		world_turn(p->world, i < 6 ? 1 : 0);
}

static int call_port(struct play *p)
{
	const char *name = pl_port_name(p->port), *arg = strchr(name, ':') + 1;
	struct sockaddr_in in;
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int datagrams = strncmp(name, "udp", 3) == 0, fd, got;

	if (strncmp(name, "mem", 3) == 0)
		return pl_mem_connect(pl_world_reactor(p->world), arg, &caller_factory,
		                      NULL);
	if (strncmp(name, "unix", 4) == 0) {
		memcpy(un.sun_path, arg, strlen(arg) + 1);
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		got = connect(fd, (struct sockaddr *)&un, sizeof(un));
	} else {
		in = loopback_address(name);
		fd = socket(AF_INET, datagrams ? SOCK_DGRAM : SOCK_STREAM, 0);
		got = connect(fd, (struct sockaddr *)&in, sizeof(in));
	}
	pl_set_nonblocking(fd);
	p->far = fd;
	return got;
}

static void say(struct play *p, const char *text)
{
	if (p->far >= 0) {
		/* To a connection that has ended this fails, as it should. */
		if (send(p->far, text, strlen(text), MSG_NOSIGNAL) < 0)
			return;
	} else if (n_callers > 0 && callers[(n_callers - 1) % 8].lost == 0 &&
	           callers[(n_callers - 1) % 8].made) {
		pl_write(callers[(n_callers - 1) % 8].protocol.transport, text,
		         strlen(text));
	}
}

static void hang_up(struct play *p)
{
	if (p->far >= 0)
		close(p->far);
	else if (n_callers > 0 && callers[(n_callers - 1) % 8].lost == 0 &&
	         callers[(n_callers - 1) % 8].made)
		pl_lose(callers[(n_callers - 1) % 8].protocol.transport);
	p->far = -1;
}

static size_t heard_back(struct play *p)
{
	char text[4000];
	ssize_t n;
	size_t total = 0;

	if (p->far < 0)
		return n_callers > 0 ? callers[(n_callers - 1) % 8].heard : 0;
	while ((n = read(p->far, text, sizeof(text))) > 0)
		total += (size_t)n;
	return total;
}

/* What comes back when a greeting, "hello\n" and 2999 bytes do. */
enum { ALL_OF_IT = 8 + 6 + 2999 };

/* Connects, talks and leaves.  What came back.  A busy machine takes its time with that, a
 * connection that has failed none: patience is for who is to be served. */
static size_t talk(struct play *p, int patience)
{
	static char much[3000];
	size_t back;

	memset(much, 'x', sizeof(much) - 1);
	if (call_port(p) < 0) {
		hang_up(p);
		return 0;
	}
	turns(p);
	say(p, "hello\n");
	turns(p);
	say(p, much);
	turns(p);
	back = heard_back(p);
	while (p->far >= 0 && back < ALL_OF_IT && patience-- > 0) {
		world_turn(p->world, 1);
		back += heard_back(p);
	}
	hang_up(p);
	turns(p);
	return back;
}

/* With the n-th allocation failing.  Has one failed? */
static bool play(const char *endpoint, long n)
{
	struct play p = { .endpoint = endpoint, .far = -1 };
	struct pl_error err = { 0 };
	size_t back;
	int before;

	n_echoes = n_callers = 0;
	memset(echoes, 0, sizeof(echoes));
	memset(callers, 0, sizeof(callers));
	failed = false;
	before = open_descriptors();

	until_failure = n;
	p.world = pl_world_create(1);
	if (p.world)
		p.port = pl_listen(pl_world_reactor(p.world), endpoint, &echo_factory,
		                   &err);
	if (p.port) {
		talk(&p, 0);
		until_failure = -1;
		back = talk(&p, 1000); /* who comes now is served */
		assert_true(back >= ALL_OF_IT);
	} else if (p.world) {
		until_failure = -1;
		assert_true(failed);
		assert_int_equal(err.code, -ENOMEM);
		assert_non_null(strstr(err.text, "memory"));
	}
	until_failure = -1;
	pl_world_destroy(p.world);
	for (size_t i = 0; i < 8; i++) {
		assert_in_range(echoes[i].made, 0, 1);
		assert_int_equal(echoes[i].made, echoes[i].lost);
		assert_int_equal(callers[i].made, callers[i].lost);
	}
	assert_int_equal(open_descriptors(), before);
	return failed;
}

static void fail_each_allocation_of(const char *endpoint)
{
	long n = 0;

	while (play(endpoint, n)) {
		n++;
		assert_in_range(n, 0, 1000);
	}
	print_message("[          ] %s: %ld allocations failed, one at a time\n",
	              endpoint, n);
	assert_true(n > 5);
}

static void every_allocation_may_fail_on_mem(void **state)
{
	(void)state;
	fail_each_allocation_of("mem:room");
}

static void every_allocation_may_fail_on_tcp(void **state)
{
	(void)state;
	fail_each_allocation_of("tcp:0:interface=127.0.0.1");
}

static void every_allocation_may_fail_on_udp(void **state)
{
	(void)state;
	fail_each_allocation_of("udp:0:interface=127.0.0.1");
}

static void every_allocation_may_fail_on_unix(void **state)
{
	char endpoint[100];

	(void)state;
	snprintf(endpoint, sizeof(endpoint), "unix:/tmp/partyline-%ld.memory",
	         (long)getpid());
	fail_each_allocation_of(endpoint);
}

/* --- a write that finds no memory ------------------------------------------------ */

static void out_of_memory_in_a_write_ends_that_connection_alone(void **state)
{
	struct play p = { .far = -1 };
	struct echo *first, *second;

	(void)state;
	n_echoes = n_callers = 0;
	p.world = pl_world_create(1);
	p.port = pl_listen(pl_world_reactor(p.world), "mem:room", &echo_factory, NULL);
	assert_int_equal(call_port(&p), 0);
	assert_int_equal(call_port(&p), 0);
	turns(&p);
	first = &echoes[0];
	second = &echoes[1];
	assert_int_equal(first->made + second->made, 2);
	until_failure = 0;
	pl_write(first->protocol.transport, "x", 1);
	until_failure = -1;
	assert_true(failed);
	pl_write(second->protocol.transport, "x", 1);
	assert_int_equal(first->lost, 0); /* no call down makes a call up */
	turns(&p);
	assert_int_equal(first->lost, 1);
	assert_int_equal(first->reason, -ENOMEM);
	assert_int_equal(second->lost, 0);
	pl_world_destroy(p.world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_may_fail_on_mem),
		cmocka_unit_test(every_allocation_may_fail_on_tcp),
		cmocka_unit_test(every_allocation_may_fail_on_udp),
		cmocka_unit_test(every_allocation_may_fail_on_unix),
		cmocka_unit_test(out_of_memory_in_a_write_ends_that_connection_alone),
	};

	until_failure = -1;
	pl_log_set_level(PL_LOG_ERROR);
	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
