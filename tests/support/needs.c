/* needs.c: see needs.h.  cmocka's skip() alone would leave a missing tool unseen. */
#include "needs.h"

#include "cmocka_all.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool on_path(const char *program)
{
	const char *path = getenv("PATH");
	char file[4096];

	while (path && *path) {
		int len = (int)strcspn(path, ":");

		snprintf(file, sizeof(file), "%.*s/%s", len, path, program);
		if (access(file, X_OK) == 0)
			return true;
		path += len + (path[len] == ':');
	}
	return false;
}

void test_lacks(const char *what)
{
	const char *all = getenv("PARTYLINE_REQUIRE_ALL");

	if (all && strcmp(all, "1") == 0)
		fail_msg("%s is missing, and PARTYLINE_REQUIRE_ALL=1", what);
	print_message("[   WHY    ] %s is missing\n", what);
	skip();
}

void test_needs(const char *program)
{
	if (!on_path(program))
		test_lacks(program);
}
