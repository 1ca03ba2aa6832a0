/* group.h: those who hear the same.
 *
 * Fan-out lives here and nowhere else: one message in, one line out to each member, what
 * is too much for a slow member counted instead of queued, and the count told when he
 * has caught up.  A room is a group plus its rules. */
#ifndef PARTYLINE_GROUP_H
#define PARTYLINE_GROUP_H

#include <partyline/line.h>

PL_BEGIN_DECLS

struct pl_group;
struct pl_group_link;

struct pl_group_ops {
	/* Both optional.  The line of m in a style, without its end, valid until m is gone
	 * (NULL: out of memory; those of that style read that a line was skipped); does this
	 * member hear m? */
	const char *(*render)(struct pl_group *g, struct pl_msg *m, enum pl_style style,
	                      size_t *len);
	bool (*wants)(struct pl_group_link *member, const struct pl_msg *m);
};

struct pl_group {
	const struct pl_group_ops *ops; /* or NULL */
	/* private: */
	struct pl_group_link *first, **last;
	size_t count;
};

/* One per member and group, embedded in the member: joining cannot fail.  Zeroed before
 * it is used first. */
struct pl_group_link {
	struct pl_line_receiver *line;
	/* private: */
	struct pl_group *group;                       /* NULL when in none */
	struct pl_group_link *next, **link;           /* the group's */
	struct pl_group_link *line_next, **line_link; /* the member's */
	size_t skipped;
};

void pl_group_init(struct pl_group *g, const struct pl_group_ops *ops);
void pl_group_finish(struct pl_group *g); /* all leave */

/* Joining twice is joining once; connection_lost leaves by itself. */
void pl_group_join(struct pl_group *g, struct pl_group_link *k, struct pl_line_receiver *l);
void pl_group_leave(struct pl_group_link *k); /* accepts one that is in no group */

/* To every member, in order of joining.  The speaker (or NULL) hears it only where the
 * line he typed is replaced by what the others see, that is on terminals we echo for;
 * elsewhere his own screen has it already. */
void pl_group_send(struct pl_group *g, struct pl_msg *m, struct pl_line_receiver *speaker);
/* To every member but one (or NULL), as it is. */
void pl_group_send_but(struct pl_group *g, struct pl_msg *m, struct pl_line_receiver *but);

void pl_group_sendf(struct pl_group *g, struct pl_line_receiver *speaker, const char *fmt,
                    ...) PL_PRINTF(3, 4);

/* for (k = g->first; k; k = k->next) walks the members. */

PL_END_DECLS
#endif
