/* memory.c: the server's allocations: counted, and now and then refused.
 *
 * Linked with --wrap for malloc and its relatives.  What the simulation needs for itself
 * goes past that, by sim_grow() and sim_free(). */
#include "sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

unsigned memory_fails_one_in;
long memory_live;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);
void __wrap_free(void *memory);

static bool fails_now(void)
{
	if (!memory_fails_one_in || !sim_chance(memory_fails_one_in))
		return false;
	sim->result->failed_allocations++;
	sim_note(NULL, "an allocation fails", 0);
	errno = ENOMEM;
	return true;
}

static void *counted(void *memory)
{
	if (memory)
		memory_live++;
	return memory;
}

void *__wrap_malloc(size_t size)
{
	return fails_now() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails_now() ? NULL : counted(__real_calloc(n, size));
}

void *__wrap_realloc(void *old, size_t size)
{
	if (fails_now())
		return NULL;
	return old ? __real_realloc(old, size) : counted(__real_realloc(NULL, size));
}

char *__wrap_strdup(const char *text)
{
	return fails_now() ? NULL : counted(__real_strdup(text));
}

void __wrap_free(void *memory)
{
	if (memory)
		memory_live--;
	__real_free(memory);
}

void *sim_grow(void *old, size_t size)
{
	void *memory = __real_realloc(old, size);

	if (!memory) {
		fputs("sim: no memory for the simulation itself\n", stderr);
		abort();
	}
	return memory;
}

void sim_free(void *memory)
{
	__real_free(memory);
}
