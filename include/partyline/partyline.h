/* partyline.h: everything that a program on top of partyline needs, in one include.
 *
 * Read them in this order: protocol.h (the promises), transport.h, line.h, group.h,
 * endpoint.h, reactor.h.  Who writes a transport adds transport_impl.h. */
#ifndef PARTYLINE_PARTYLINE_H
#define PARTYLINE_PARTYLINE_H

#include <partyline/base.h>
#include <partyline/deferred.h>
#include <partyline/endpoint.h>
#include <partyline/error.h>
#include <partyline/group.h>
#include <partyline/line.h>
#include <partyline/log.h>
#include <partyline/mem.h>
#include <partyline/msg.h>
#include <partyline/protocol.h>
#include <partyline/reactor.h>
#include <partyline/stats.h>
#include <partyline/thread.h>
#include <partyline/transport.h>

PL_BEGIN_DECLS

const char *pl_version(void); /* "0.1.0" */

PL_END_DECLS
#endif
