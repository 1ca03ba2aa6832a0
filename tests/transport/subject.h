/* subject.h: what the conformance suite has to know about a transport.
 *
 * A subject is the far end of a wire: how to connect there, send, receive and leave,
 * without ever blocking, because both ends are driven from one thread.  To test a new
 * transport, write one subject and enter it into the list of conformance.c. */
#ifndef TESTS_SUBJECT_H
#define TESTS_SUBJECT_H

#include "recorder.h"
#include "world.h"

#include <sys/types.h>

struct bench;

/* One far end. */
struct client {
	struct bench *bench;
	struct client *next;
	struct record *record; /* of the near end, once it is made */
	bool deaf;             /* reads nothing for now */
	char *data;            /* all that came, NUL-terminated */
	size_t len, size;
	bool ended; /* the end of input was read */
	int error;  /* what reading failed with, or 0 */

	/* the subject's: */
	int fd;               /* -1: closed */
	size_t number;        /* mem: of this end's own record */
	struct record *other; /* mem: that record, once it is made */
	size_t taken;         /* mem: so much of its data was handed out */
};

/* What is set up for one check. */
struct bench {
	const struct subject *subject;
	struct pl_world *world; /* NULL when the check has destroyed it */
	struct pl_reactor *reactor;
	struct records records; /* the near ends */
	struct pl_port *port;   /* NULL when the check has stopped it */
	char name[200];         /* the port's */
	struct client *clients;
	int descriptors; /* that were open before */

	/* the subject's: */
	char directory[64]; /* of this check alone; removed with what prepare() made */
	char path[80];      /* in it */
	char endpoint[200];
	struct records far; /* mem: the far ends */
	size_t connects;    /* mem: so many were begun */
};

/* A check that a transport cannot pass, by its name, and why. */
struct exception {
	const char *check, *why;
};

struct subject {
	const char *type;
	const struct exception *excepted; /* an empty one at the end; or NULL */
	size_t bulk;                      /* how many bytes stand for a megabyte here */
	size_t max_send;                  /* the most bytes of one send(); 0: any */
	unsigned join_ms;                 /* fake time that joining may take, 0: none */
	bool endless;                     /* the far end does not see an end */
	bool leaves_silently; /* nobody notices that it has gone before something is sent */
	const char *invites; /* what the near end says while nobody is joined, or NULL */
	const char *gone;    /* the log of a connection whose far end went away */

	void (*prepare)(struct bench *b); /* fills endpoint */
	void (*cleanup)(struct bench *b); /* or NULL */
	int (*connect)(struct client *c); /* begins to; 0, or a negative errno: refused */
	ssize_t (*send)(struct client *c, const char *data, size_t len); /* as send(2) */
	ssize_t (*receive)(struct client *c, char *data, size_t size);   /* as recv(2) */
	void (*set_deaf)(struct client *c, bool deaf); /* or NULL: not to read is enough */
	void (*half_close)(struct client *c);          /* or NULL */
	void (*close)(struct client *c);
	void (*reset)(struct client *c); /* or NULL: close is as rude as it gets */
};

/* For subjects whose far end is a descriptor: c->fd, non-blocking. */
ssize_t fd_send(struct client *c, const char *data, size_t len);
ssize_t fd_receive(struct client *c, char *data, size_t size);
void fd_close(struct client *c);
void bench_make_directory(struct bench *b); /* and a path in it */
void bench_remove_directory(struct bench *b);

#define INVITATION "partyline: press Enter to join\r\n"

extern const struct subject subject_mem, subject_tcp, subject_unix, subject_udp,
	subject_pty, subject_serial;

#endif
