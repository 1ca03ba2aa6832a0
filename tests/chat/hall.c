/* hall.c: see hall.h. */
#include "hall.h"

#include <stdlib.h>

struct hall *hall_create(const struct chat_options *options)
{
	struct hall *h = calloc(1, sizeof *h);

	assert_non_null(h);
	h->world = pl_world_create(1);
	assert_non_null(h->world);
	h->chat = chat_create(pl_world_reactor(h->world), options);
	assert_non_null(h->chat);
	hall_listen(h, "mem:lobby");
	return h;
}

int hall_open(void **state)
{
	pl_log_set_level(PL_LOG_ERROR);
	*state = hall_create(&(struct chat_options){ .name = "hall", .motd = "" });
	return 0;
}

int hall_close(void **state)
{
	struct hall *h = *state;

	for (size_t i = 0; i < h->count; i++)
		pl_mem_user_destroy(h->people[i]);
	pl_world_destroy(h->world);
	chat_destroy(h->chat);
	free(h);
	return 0;
}

void hall_listen(struct hall *h, const char *endpoint)
{
	struct pl_error err = { 0 };

	if (!pl_listen(pl_world_reactor(h->world), endpoint, &h->chat->factory, &err))
		fail_msg("%s", err.text);
}

struct pl_mem_user *hall_enter(struct hall *h, const char *name)
{
	struct pl_mem_user *u = pl_mem_user_join(h->world, name);

	assert_non_null(u);
	assert_true(h->count < HALL_PEOPLE);
	h->people[h->count++] = u;
	return u;
}

void hall_announce(struct hall *h)
{
	pl_world_advance(h->world, 1500);
}

void hall_fill(struct hall *h, size_t n)
{
	while (n-- > 0)
		hall_enter(h, "lobby");
	hall_announce(h);
	for (size_t i = 0; i < h->count; i++)
		pl_mem_user_clear(h->people[i]);
}

/* But for the CR of each line end. */
static bool same(const char *screen, const char *text)
{
	for (; *screen; screen++)
		if ((screen[0] != '\r' || screen[1] != '\n') && *screen != *text++)
			return false;
	return *text == '\0';
}

void hall_assert_reads(struct pl_mem_user *u, const char *text, const char *file, int line)
{
	if (!same(pl_mem_user_screen(u), text)) {
		print_error("read: \"%s\"\nwanted: \"%s\"\n", pl_mem_user_screen(u), text);
		_fail(file, line);
	}
	pl_mem_user_clear(u);
}

void hall_assert_answer(struct pl_mem_user *u, const char *typed, const char *text,
                        const char *file, int line)
{
	pl_mem_user_clear(u);
	pl_mem_user_type(u, typed);
	pl_mem_user_type(u, "\n");
	hall_assert_reads(u, text, file, line);
}
