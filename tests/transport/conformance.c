/* conformance.c: does a transport keep the promises of protocol.h?
 *
 * One check per promise, the same for every transport; what a wire cannot do is excepted
 * by name in its subject, with the reason.  The recorder watches all the time over what
 * must never happen: calls up inside calls down, data after pl_lose, a second
 * connection_lost.  Run as `conformance TYPE`. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <partyline/log.h>

static const struct subject *const subjects[] = {
	&subject_mem,    &subject_tcp, &subject_unix, &subject_udp, &subject_pty,
#ifdef PARTYLINE_HAVE_SERIAL
	&subject_serial,
#endif
};

static const struct checks *const groups[] = {
	&checks_of_calls,
	&checks_of_bytes,
	&checks_of_flow,
	&checks_of_ports,
};

enum { CHECKS_MAX = 100 };

static const char *exception_to(const struct subject *s, const char *check)
{
	for (const struct exception *e = s->excepted; e && e->check; e++)
		if (strcmp(e->check, check) == 0)
			return e->why;
	return NULL;
}

/* A name that no check has would except nothing. */
static void check_exceptions(const struct subject *s, const struct CMUnitTest *checks,
                             size_t n)
{
	for (const struct exception *e = s->excepted; e && e->check; e++) {
		bool found = false;

		for (size_t i = 0; i < n; i++)
			found = found || strcmp(e->check, checks[i].name) == 0;
		if (!found) {
			fprintf(stderr, "%s: there is no check %s\n", s->type, e->check);
			exit(1);
		}
	}
}

static int run(const struct subject *s)
{
	struct CMUnitTest checks[CHECKS_MAX], tests[CHECKS_MAX];
	size_t n = 0, n_tests = 0;

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		for (size_t k = 0; k < groups[i]->n; k++) {
			if (n == CHECKS_MAX)
				abort();
			checks[n++] = groups[i]->list[k];
		}
	check_exceptions(s, checks, n);
	for (size_t i = 0; i < n; i++) {
		const char *why = exception_to(s, checks[i].name);

		if (why) {
			printf("[ EXCEPTED ] %s: %s\n", checks[i].name, why);
			continue;
		}
		tests[n_tests] = checks[i];
		tests[n_tests++].initial_state = (void *)(uintptr_t)s;
	}
	fflush(stdout);
	return _cmocka_run_group_tests(s->type, tests, n_tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	/* SIGPIPE is left as it is: a library must not depend on its being ignored. */
	pl_log_set_level(PL_LOG_ERROR);
	for (size_t i = 0; argc == 2 && i < sizeof(subjects) / sizeof(subjects[0]); i++)
		if (strcmp(subjects[i]->type, argv[1]) == 0)
			return run(subjects[i]);
	fprintf(stderr, "usage: conformance TYPE\n");
	return 2;
}
