/* log.h: what the operator should know, on standard error.
 *
 * One line a call.  Control characters in it are escaped, so that nothing a peer sends
 * can forge a line or drive a terminal.  In systemd's journal (JOURNAL_STREAM names
 * standard error) lines carry their priority and no time.  Callable from any thread.
 *
 * Nothing waits for the log: a line that its reader, or a full disk, does not take is lost,
 * and the next line that is taken tells how many were. */
#ifndef PARTYLINE_LOG_H
#define PARTYLINE_LOG_H

#include <partyline/base.h>

PL_BEGIN_DECLS

enum pl_log_level {
	PL_LOG_ERROR,   /* something the operator has to mend */
	PL_LOG_WARNING, /* something lost or refused */
	PL_LOG_INFO,    /* the ordinary course: ports, devices, people */
	PL_LOG_DEBUG    /* for who reads the code */
};

/* Optional, for programs that give up privileges: a terminal on standard error is opened
 * once more, which its next user may not do later.  Otherwise the first line does it, and
 * where it cannot, a terminal that is stuck can hold the program up. */
void pl_log_begin(void);

void pl_log(enum pl_log_level level, const char *fmt, ...) PL_PRINTF(2, 3);

/* Lines above this level are dropped.  The default is PL_LOG_INFO. */
void pl_log_set_level(enum pl_log_level level);

/* "error", "warning", "info" or "debug" to a level; -EINVAL for anything else. */
int pl_log_level_parse(const char *name, enum pl_log_level *level);

/* Lines that were lost since the program began. */
unsigned pl_log_lost(void);

PL_END_DECLS
#endif
