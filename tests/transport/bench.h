/* bench.h: a transport set up for one check, and what a check does with it. */
#ifndef TESTS_BENCH_H
#define TESTS_BENCH_H

#include "cmocka_all.h"
#include "subject.h"

/* Turns that a condition may take; idle ones wait a millisecond each for the kernel. */
enum { PATIENCE = 5000 };

/* For cmocka: the state is the subject before, the bench during a check. */
int bench_setup(void **state);
int bench_teardown(void **state);

/* One turn of the reactor, and all far ends read; several; fake time. */
void turn(struct bench *b);
void some_turns(struct bench *b);
void advance(struct bench *b, uint64_t ms);

/* Fails the check. */
void give_up(struct bench *b, const char *what);

/* Turns until something is the case. */
#define UNTIL(b, condition) \
	do { \
		for (int turns = 0; !(condition); turns++) { \
			if (turns == PATIENCE) \
				give_up(b, #condition); \
			turn(b); \
		} \
	} while (0)

/* Begins to connect; NULL when that is refused. */
struct client *connect_client(struct bench *b);

/* Connects and waits until the near end is made. */
struct client *join(struct bench *b);

void client_close(struct client *c);
void leave(struct client *c); /* closes, and waits until the near end has been told */
void be_deaf(struct client *c, bool deaf);

/* Has all that was said before the end arrived at the far end? */
bool has_ended(const struct client *c);

/* The byte at an offset of an endless text that does not repeat soon, and the first
 * offset where data is not that text, or len. */
char pattern(size_t at);
size_t pattern_ends(const char *data, size_t from, size_t len);

/* From the far end, turning as long as the wire is full. */
void send_some(struct client *c, const char *data, size_t len);
void send_text(struct client *c, const char *text);
void send_pattern(struct client *c, size_t from, size_t len);

/* From the near end, in units that fit into a datagram. */
void write_pattern(struct record *rec, size_t from, size_t len);

/* The checks by subject matter. */
struct checks {
	const struct CMUnitTest *list;
	size_t n;
};

extern const struct checks checks_of_calls, checks_of_bytes, checks_of_flow,
	checks_of_ports;

#define CHECK(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

#endif
