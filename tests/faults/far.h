/* far.h: people at the far ends of all wires, and the wires themselves.
 *
 * What a person types and reads goes through the kernel, or for mem: through the server's
 * own reactor, as in life.  Nothing here allocates, so it can stay when memory is gone. */
#ifndef TESTS_FAR_H
#define TESTS_FAR_H

#include <partyline/endpoint.h>
#include <partyline/mem.h>
#include <partyline/testing.h>

enum { FAR_SCREEN = 512 * 1024 };

struct wire;

struct far {
	const struct wire *wire; /* NULL: he is nowhere */
	struct pl_protocol protocol;
	struct pl_factory factory;
	bool made;  /* mem: connected */
	bool ended; /* the server has closed, or the connection is lost */
	bool deaf;  /* he does not read */
	int reason; /* mem: why it was lost */
	int fd;     /* -1 */
	char screen[FAR_SCREEN];
	size_t len, seen; /* far_sees() looks behind this */
};

struct wire {
	const char *name;
	bool editing;      /* a terminal: Enter is CR, and what is typed is echoed */
	bool knocks;       /* a datagram peer, who has to say something to be seen */
	bool proves;       /* ... and then a code */
	bool getty;        /* Enter joins, between two quarters of a second of silence */
	bool leaves_trace; /* /exit ends the connection, which he sees */
	/* The endpoint to listen on; what there is before the server looks at it (a socket
	 * that a dead server left, a cable). */
	const char *(*endpoint)(void);
	void (*prepare)(void);
	/* 0, or -1 when there is nobody who would let him in. */
	int (*come)(struct far *f, struct pl_world *w, const struct pl_port *port);
	void (*hang_up)(struct far *f); /* rudely */
	void (*tidy)(void);
};

extern const struct wire wire_lobby; /* mem:lobby, where the others sit */
extern const struct wire *const wires[];
const struct wire *wire_find(const char *name); /* NULL */

/* For serial lines, whose device is not where the system has them; else pl_listen(). */
struct pl_port *wire_listen(const struct wire *wire, struct pl_reactor *r,
                            struct pl_factory *f, struct pl_error *err);

int far_come(struct far *f, const struct wire *wire, struct pl_world *w,
             const struct pl_port *port);
void far_type(struct far *f, const char *line); /* and Enter */
void far_read(struct far *f); /* what there is, to his screen; forgets who has ended */
void far_hang_up(struct far *f);
bool far_sees(const struct far *f, const char *text);
unsigned far_count(const struct far *f, const char *text);

#endif
