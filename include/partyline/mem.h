/* mem.h: both ends of a connection in one process.
 *
 * `mem:NAME` is an ordinary endpoint; this is the other end of it.  For tests, which can
 * make it slow, small and rude, and for programs that talk to a server they contain. */
#ifndef PARTYLINE_MEM_H
#define PARTYLINE_MEM_H

#include <partyline/endpoint.h>
#include <partyline/transport.h>

PL_BEGIN_DECLS

/* Connects to the port mem:NAME of r.  f builds this end's protocol (its peer is of type
 * "mem" as well).  Both ends come up in the next turn, the server's first.  0;
 * -ECONNREFUSED when nobody listens there; -ENOMEM. */
int pl_mem_connect(struct pl_reactor *r, const char *name, struct pl_factory *f,
                   struct pl_error *err);

/* What a real wire does without being asked, for either end t: */

/* Delivers what comes to t in pieces of at most n bytes, one a turn (0: whole). */
void pl_mem_set_chunk(struct pl_transport *t, size_t n);

/* How much fits into the wire towards t before its peer has to wait (64 KiB). */
void pl_mem_set_capacity(struct pl_transport *t, size_t n);

PL_END_DECLS
#endif
