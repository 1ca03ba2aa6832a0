/* scene.h: a reactor alone, with a platform that shows what it was asked for.
 *
 * Lower than a world: a test of the reactor itself moves the clock by hand, makes poll()
 * fail and looks at the set that it was given. */
#ifndef TESTS_SCENE_H
#define TESTS_SCENE_H

#include <partyline/reactor.h>

struct scene {
	struct pl_reactor *reactor;
	uint64_t now_ms;
	uint64_t step_ms; /* the clock moves so far whenever it is looked at */

	/* the last poll() */
	unsigned polls;
	int timeout_ms;
	size_t n;       /* how many it was to look at */
	int asked_for;  /* is this descriptor among them? (asked) */
	short asked;    /* for which events, or -1 */
	int fail_errno; /* the next poll() fails so */

	int descriptors;
	char log[4000];
};

/* For cmocka: the state is the scene; open descriptors must be as many as before. */
int scene_setup(void **state);
int scene_teardown(void **state);

/* Adds a word to the log. */
void scene_note(struct scene *s, const char *fmt, ...) PL_PRINTF(2, 3);

/* Turns until the clock stands at end_ms, without waiting longer. */
void scene_run_to(struct scene *s, uint64_t end_ms);

#endif
