/* scene.c: see scene.h. */
#include "scene.h"

#include "world.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t scene_now(void *ctx)
{
	struct scene *s = ctx;

	return s->now_ms += s->step_ms;
}

static int64_t scene_wall(void *ctx)
{
	const struct scene *s = ctx;

	return 7000000000 + (int64_t)s->now_ms;
}

static int scene_poll(void *ctx, struct pollfd *fds, nfds_t n, int timeout_ms)
{
	struct scene *s = ctx;
	int ready;

	s->polls++;
	s->timeout_ms = timeout_ms;
	s->n = n;
	s->asked = -1;
	for (nfds_t i = 0; i < n; i++)
		if (fds[i].fd >= 0 && fds[i].fd == s->asked_for)
			s->asked = fds[i].events;
	if (s->fail_errno) {
		errno = s->fail_errno;
		s->fail_errno = 0;
		return -1;
	}
	ready = poll(fds, n, 0);
	if (ready == 0 && timeout_ms > 0)
		s->now_ms += (uint64_t)timeout_ms;
	return ready;
}

static void scene_random(void *ctx, void *buf, size_t len)
{
	(void)ctx;
	memset(buf, 7, len);
}

int scene_setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	struct pl_platform platform = {
		.now = scene_now,
		.wall = scene_wall,
		.poll = scene_poll,
		.random = scene_random,
		.ctx = s,
	};

	if (!s)
		return -1;
	s->descriptors = open_descriptors();
	s->now_ms = 5000;
	s->asked_for = -1;
	s->reactor = pl_reactor_create(&platform);
	*state = s;
	return s->reactor ? 0 : -1;
}

int scene_teardown(void **state)
{
	struct scene *s = *state;
	int before = s->descriptors, after;

	pl_reactor_destroy(s->reactor);
	free(s);
	after = open_descriptors();
	if (after != before)
		fprintf(stderr, "%d descriptors were open before, %d after\n", before,
		        after);
	return after == before ? 0 : -1;
}

void scene_note(struct scene *s, const char *fmt, ...)
{
	size_t used = strlen(s->log);
	va_list args;

	if (used > 0 && used < sizeof(s->log) - 1)
		s->log[used++] = ' ';
	va_start(args, fmt);
	vsnprintf(s->log + used, sizeof(s->log) - used, fmt, args);
	va_end(args);
}

void scene_run_to(struct scene *s, uint64_t end_ms)
{
	while (s->now_ms < end_ms)
		pl_reactor_turn(s->reactor, (int)(end_ms - s->now_ms));
	pl_reactor_turn(s->reactor, 0);
}
