/* harden.h: what the program gives up before it lets anybody in.
 *
 * A chat server talks to strangers and needs little of the machine.  What it does not need
 * it lays down by itself, in three steps: harden_begin() before there is a second thread,
 * harden_find_user() before the ports are opened, harden_serve() behind that.  For main.c
 * alone; the library leaves such decisions to the program that it is part of. */
#ifndef HARDEN_H
#define HARDEN_H

#include <partyline/error.h>
#include <sys/types.h>

struct harden_user {
	char name[64];
	uid_t uid;
	gid_t gid;
};

/* No program that is run from here on gets more rights than this one has. */
void harden_begin(void);

/* "NAME[:GROUP]": 0, or a negative errno with a sentence.  Only root may ask. */
int harden_find_user(const char *text, struct harden_user *u, struct pl_error *err);

/* Becomes u, for good (NULL: stays who it is, and warns if that is root), then forbids
 * system calls that a chat server never makes, to all threads.  0, or a negative errno with
 * a sentence, when it could not become u for good: then it must not go on.  A filter that
 * cannot be had is a line in the log. */
int harden_serve(const struct harden_user *u, struct pl_error *err);

#endif
