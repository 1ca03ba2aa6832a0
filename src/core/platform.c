/* platform.c: the real world, as a reactor asks for it.
 *
 * Nothing here keeps state.  Tests replace all of it at once (testing.h). */
#include "core.h"

#include <sodium.h>
#include <stdlib.h>
#include <time.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

static uint64_t real_now(void *ctx PL_UNUSED)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static int64_t real_wall(void *ctx PL_UNUSED)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int real_poll(void *ctx PL_UNUSED, struct pollfd *fds, nfds_t n, int timeout_ms)
{
	return poll(fds, n, timeout_ms);
}

static void real_random(void *ctx PL_UNUSED, void *buf, size_t len)
{
	randombytes_buf(buf, len);
}

void pl_give_memory_back(void)
{
#ifdef __GLIBC__
	malloc_trim(0); /* free() gives back only what lies at the end of the heap */
#endif
}

const struct pl_platform pl_real_platform = {
	.now = real_now,
	.wall = real_wall,
	.poll = real_poll,
	.random = real_random,
};
