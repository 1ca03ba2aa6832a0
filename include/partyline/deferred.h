/* deferred.h: one result, later.
 *
 * Who will have a result embeds a pl_deferred and fires it, once.  Who waits for it
 * embeds a pl_step for each thing to do with it and adds them in order.  Each step
 * receives what the one before it returned: a value goes to on_value, a failure (status
 * below 0) to on_failure, and a step without the matching function is passed over.  A
 * step may return a result that is itself still to come: `later`.  Nothing allocates, so
 * nothing here can fail.
 *
 * Unlike Twisted's, cancelling is silent.  Stop means stopped: after it no step runs,
 * and the producer throws away the result that nobody waits for any more. */
#ifndef PARTYLINE_DEFERRED_H
#define PARTYLINE_DEFERRED_H

#include <partyline/base.h>

PL_BEGIN_DECLS

struct pl_deferred;
struct pl_step;

struct pl_result {
	int status;                /* 0, or a negative errno: a failure */
	void *value;               /* ownership is the producer's and the step's affair */
	struct pl_deferred *later; /* not NULL: the result is what that one will bring */
};

typedef struct pl_result pl_step_fn(struct pl_step *step, struct pl_result in);
typedef void pl_cancel_fn(struct pl_deferred *d);

struct pl_step {
	pl_step_fn *on_value, *on_failure;
	/* private: */
	struct pl_deferred *at; /* what this step waits for now */
	struct pl_step *next;
};

struct pl_deferred {
	pl_cancel_fn *cancel; /* the producer's: stop the work; may free the deferred; NULL */
	/* private: */
	struct pl_step *first;
	struct pl_result result;
	bool fired;
};

void pl_deferred_init(struct pl_deferred *d, pl_cancel_fn *cancel);

/* Adds a step at the end.  On a deferred that has fired without a step, the step (and
 * no later one) runs at once. */
void pl_deferred_add(struct pl_deferred *d, struct pl_step *step);

/* Hands the result to the steps, now, on this thread.  Once.  The deferred is not
 * touched after its first step was called: that step may free it. */
void pl_deferred_fire(struct pl_deferred *d, struct pl_result result);

/* Nobody waits any more: forgets all steps and, if the result is still to come, calls
 * the producer's cancel.  From the waiting side, at most once. */
void pl_deferred_cancel(struct pl_deferred *d);

/* The same, for whatever deferred this step waits for at the moment (a chain moves on);
 * nothing when it waits for none.  Also from a step before it in a chain that is running:
 * an owner of several steps cancels before it goes. */
void pl_step_cancel(struct pl_step *step);

PL_END_DECLS
#endif
