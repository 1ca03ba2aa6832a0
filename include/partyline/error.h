/* error.h: failures, for programs and for people.
 *
 * 0 is success and a failure is a negative errno, everywhere.  Calls that set something
 * up also fill a sentence that names the endpoint, the bad value and what would be
 * right; calls that run later never do, because nobody would read it. */
#ifndef PARTYLINE_ERROR_H
#define PARTYLINE_ERROR_H

#include <partyline/base.h>

PL_BEGIN_DECLS

struct pl_error {
	int code;       /* 0, or the negative errno that the call returned */
	char text[200]; /* "udp:99999: port must be 0..65535"; no newline at the end */
};

/* Fills *err (which may be NULL) and returns code, so that a function can end with
 * `return pl_fail(err, -EINVAL, "...")`.  A longer sentence is cut. */
int pl_fail(struct pl_error *err, int code, const char *fmt, ...) PL_PRINTF(3, 4);

/* What a reason given to connection_lost means, for a person: "connection reset".
 * Takes 0 and negative errnos; the text is constant. */
const char *pl_reason(int reason);

PL_END_DECLS
#endif
