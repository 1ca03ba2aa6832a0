/* needs.h: tests that a machine may be unable to run. */
#ifndef TESTS_NEEDS_H
#define TESTS_NEEDS_H

/* At the start of a test: skips it, and says why, when there is no such program on the
 * PATH.  With PARTYLINE_REQUIRE_ALL=1 in the environment it fails instead: what is
 * skipped unseen is not tested. */
void test_needs(const char *program);

/* The same for anything else that is missing. */
void test_lacks(const char *what);

#endif
