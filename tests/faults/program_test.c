#define _GNU_SOURCE /* getopt_long() beside pread() and tmpfile() */
/* program_test.c: the program comes up and goes down while one call fails.
 *
 * src/main.c is linked in with another name for main().  It is asked to stop as soon as it
 * waits, so each run is everything from the command line to the last free().  It ends with
 * status 0, or with 1 and a sentence; and the next run, in which nothing fails, finds
 * nothing in its way. */
#include "cmocka_all.h"
#include "faults.h"
#include "harden.h"
#include "world.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int partyline_main(int argc, char **argv);

/* What the program lays down it would lay down for this test as well, and for good. */
void harden_begin(void)
{
}

int harden_find_user(const char *text, struct harden_user *u, struct pl_error *err)
{
	(void)text, (void)u;
	return pl_fail(err, -ENOTSUP, "not in this test");
}

int harden_serve(const struct harden_user *u, struct pl_error *err)
{
	(void)u, (void)err;
	return 0;
}

static char motd[64], unix_endpoint[64], pty_endpoint[64];
static FILE *said; /* what it wrote to both of its outputs */
static char failing[80];

/* Waits, with its handlers set: the first thing is that it has to go. */
static void ask_to_stop(void)
{
	struct sigaction now;

	faults_off();
	if (sigaction(SIGTERM, NULL, &now) == 0 && now.sa_handler != SIG_DFL)
		raise(SIGTERM);
	faults_on();
}

static int run_program(const struct point *point)
{
	char *argv[] = { "partyline", "--log-level", "error",       "--motd",     motd,
		         "tcp:0",     "udp:0",       unix_endpoint, pty_endpoint, NULL };
	const int saved[] = { dup(STDOUT_FILENO), dup(STDERR_FILENO) };
	int status;

	rewind(said);
	if (ftruncate(fileno(said), 0) < 0 || saved[0] < 0 || saved[1] < 0)
		abort();
	fflush(stdout);
	dup2(fileno(said), STDOUT_FILENO);
	dup2(fileno(said), STDERR_FILENO);
	optind = 0; /* getopt's way to begin anew */
	faults_begin(point);
	faults_at_poll = ask_to_stop;
	faults_on();
	status = partyline_main(9, argv);
	faults_end();
	fflush(stdout);
	dup2(saved[0], STDOUT_FILENO);
	dup2(saved[1], STDERR_FILENO);
	close(saved[0]);
	close(saved[1]);
	return status;
}

/* One line at least that begins as its sentences do. */
static bool has_said_why(void)
{
	char text[4000];
	const size_t n = (size_t)pread(fileno(said), text, sizeof(text) - 1, 0);

	text[n < sizeof(text) ? n : 0] = '\0';
	return strncmp(text, "partyline: ", 11) == 0 || strstr(text, "\npartyline: ");
}

static bool play_program(const struct point *point)
{
	const struct point nothing = { .nth = 0 };
	const struct way *way = &calls[point->call].ways[point->way];
	const long live = faults_live();
	const int descriptors = open_descriptors(), status = run_program(point);
	const bool struck = faults_struck();

	snprintf(failing, sizeof(failing), "%s %s %lu%s", calls[point->call].name,
	         way->name ? way->name : "", point->nth,
	         point->lasting ? " and after" : "");
	if (status != 0 && (status != 1 || !struck))
		fail_msg("%s: status %d", failing, status);
	if (status != 0 && !has_said_why())
		fail_msg("%s: it does not say why it ends", failing);
	if (status != 0 && way->harmless)
		fail_msg("%s: nothing was to come of that", failing);
	if (faults_live() != live || open_descriptors() != descriptors)
		fail_msg("%s: something is left behind", failing);
	if (struck && run_program(&nothing) != 0)
		fail_msg("%s: it does not come up again", failing);
	return struck;
}

static unsigned long fail_each(enum faulty call, int way, bool lasting)
{
	struct point point = { .call = call, .way = way, .nth = 1, .lasting = lasting };

	while (play_program(&point))
		point.nth++;
	return point.nth - 1;
}

static void every_allocation_of_the_program_fails(void **state)
{
	(void)state;
	print_message("[          ] program: allocation: %lu points\n",
	              fail_each(F_allocation, 0, false));
	print_message("[          ] program: allocation, and all after it: %lu points\n",
	              fail_each(F_allocation, 0, true));
}

static void every_system_call_of_the_program_fails(void **state)
{
	(void)state;
	for (int call = F_allocation + 1; call < FAULTY_CALLS; call++) {
		unsigned long points = 0;

		for (int way = 0; way < WAYS_MAX && calls[call].ways[way].name; way++)
			points += fail_each((enum faulty)call, way, false);
		if (points)
			print_message("[          ] program: %s: %lu points\n",
			              calls[call].name, points);
	}
}

static int set_up(void **state)
{
	FILE *file;

	(void)state;
	snprintf(motd, sizeof(motd), "/tmp/partyline-%ld.motd", (long)getpid());
	snprintf(unix_endpoint, sizeof(unix_endpoint), "unix:/tmp/partyline-%ld.sock",
	         (long)getpid());
	snprintf(pty_endpoint, sizeof(pty_endpoint), "pty:/tmp/partyline-%ld.tty",
	         (long)getpid());
	file = fopen(motd, "w");
	said = tmpfile();
	if (!file || !said)
		return -1;
	fputs("Hello.\n", file);
	return fclose(file);
}

static int tear_down(void **state)
{
	(void)state;
	fclose(said);
	return unlink(motd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_of_the_program_fails),
		cmocka_unit_test(every_system_call_of_the_program_fails),
	};

	return cmocka_run_group_tests_name("program", tests, set_up, tear_down);
}
