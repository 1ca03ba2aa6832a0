/* hall.h: a chat in a fake world, and people at mem: endpoints in it. */
#ifndef TESTS_HALL_H
#define TESTS_HALL_H

#include "chat/chat.h"
#include "cmocka_all.h"

#include <partyline/log.h>
#include <partyline/testing.h>

enum { HALL_PEOPLE = 128 };

struct hall {
	struct pl_world *world;
	struct chat *chat;
	struct pl_mem_user *people[HALL_PEOPLE];
	size_t count;
};

/* Setup and teardown of a hall that listens on mem:lobby and tells newcomers nothing but
 * their names. */
int hall_open(void **state);
int hall_close(void **state);

/* The same with other words for newcomers. */
struct hall *hall_create(const struct chat_options *options);

void hall_listen(struct hall *h, const char *endpoint);

/* Somebody joins mem:NAME; he is gone with the hall at the latest. */
struct pl_mem_user *hall_enter(struct hall *h, const char *name);

/* Until the others have read of all who came. */
void hall_announce(struct hall *h);

/* So many guests come in by mem:lobby and have read what there was to read. */
void hall_fill(struct hall *h, size_t n);

/* All that he has read since the last time, with '\n' for the wire's line ends. */
#define assert_reads(user, text) hall_assert_reads(user, text, __FILE__, __LINE__)
void hall_assert_reads(struct pl_mem_user *u, const char *text, const char *file, int line);

/* Types a line, and reads exactly this; what he read before is forgotten. */
#define assert_answer(user, typed, text) \
	hall_assert_answer(user, typed, text, __FILE__, __LINE__)
void hall_assert_answer(struct pl_mem_user *u, const char *typed, const char *text,
                        const char *file, int line);

#endif
