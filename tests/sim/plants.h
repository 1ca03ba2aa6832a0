/* plants.h: mistakes that are made on purpose, one for each thing that the simulation
 * watches over.
 *
 * A check that never fails proves nothing.  Each plant makes the server misbehave now and
 * then, below the place where the simulation looks on: what it does is in plants.c, and
 * which words the verdict must begin with stands beside it. */
#ifndef SIM_PLANTS_H
#define SIM_PLANTS_H

#include <partyline/group.h>
#include <partyline/transport_impl.h>

enum plant {
	PLANT_NONE,
	/* the group */
	PLANT_SAID_TWICE,
	PLANT_SAID_TO_NOBODY,
	PLANT_SAID_LATER,
	PLANT_NOT_SHOWN,
	PLANT_TWO_LINES_SWAPPED,
	PLANT_WRONG_COUNT,
	PLANT_JOINED_TWICE,
	PLANT_STAYS_IN_ROOM,
	PLANT_SAME_NAME,
	PLANT_ESCAPE_PASSES,
	PLANT_LINE_NOT_TAKEN,
	PLANT_LINE_TAKEN_TWICE,
	/* the transport */
	PLANT_BYTES_TWICE,
	PLANT_BYTES_LOST,
	PLANT_WRITES_WHEN_CLOSED,
	PLANT_NO_MARKS,
	PLANT_NO_AGE,
	PLANT_MADE_TWICE,
	PLANT_LOST_TWICE,
	PLANT_CALL_UP_IN_CALL_DOWN,
	PLANT_DATA_AFTER_LOSE,
	PLANT_EOF_TWICE,
	PLANT_NO_EOF,
	PLANT_TRANSPORT_GONE,
	PLANT_PAUSED_TWICE,
	PLANT_OTHER_THREAD,
	PLANT_ENDED_FOR_NOTHING,
	/* the reactor and what it holds */
	PLANT_CONNECTION_COUNTED_TWICE,
	PLANT_SPIN,
	PLANT_LEAK,
	PLANT_DESCRIPTOR_LEFT,
	PLANT_JOB_NOT_CANCELLED,
	PLANT_JOB_FORGOTTEN,
	PLANT_REAL_CLOCK,
	PLANTS
};

/* "a_line_is_said_twice"; the beginning of the verdict: "twice". */
const char *plant_name(enum plant p);
const char *plant_verdict(enum plant p);

/* Is this one planted, and does it strike now? */
bool plant_strikes(enum plant p);

void plants_begin(void); /* of a run */
void plants_mend(void); /* it is about to be taken down: what would harm that is undone */
void plants_end(void);  /* it has been looked at for the last time */

/* What stands where the real function is called; without a plant that is all they do. */
void plant_group_send(struct pl_group *g, struct pl_msg *m,
                      struct pl_line_receiver *speaker, struct pl_line_receiver *but);
void plant_group_join(struct pl_group *g, struct pl_group_link *k,
                      struct pl_line_receiver *l);
void plant_group_leave(struct pl_group_link *k);
void plant_write(struct pl_transport *t, const char *data, size_t len);

/* The functions that a reactor of the simulation's connections calls, between which and
 * the simulation a plant may stand: `watch` are the simulation's own. */
extern const struct pl_protocol_ops plant_ops;

#endif
