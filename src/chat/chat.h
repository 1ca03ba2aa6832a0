/* chat.h: people in a room, and what they can type there.
 *
 * The chat knows lines and who typed them, and nothing of the wires below: which one a
 * person came in by is a word in a notice.  chat.c is the place (names, greeting, notices),
 * session.c one person in it, flood.c how fast he may speak, command.c what follows a slash.
 *
 * Everything belongs to the reactor's thread. */
#ifndef CHAT_H
#define CHAT_H

#include <partyline/group.h>
#include <partyline/line.h>
#include <partyline/reactor.h>

enum {
	CHAT_NAME_MAX = 16,
	/* The greeting must fit into what may wait for a newcomer on any wire: UDP's 16 KiB
	 * are the least. */
	CHAT_MOTD_MAX = 8 * 1024
};

/* --- for the program ---------------------------------------------------------------- */

/* Lines that a person may say: so many a second, and so many at once after a silence. */
struct chat_rate {
	unsigned lines_per_s; /* 0: as fast as he likes */
	unsigned burst;
};

#define CHAT_RATE_DEFAULT "5,20"
#define CHAT_RATE_RULE "LINES/s[,BURST], each 1..1000, as in 5,20, or off"

/* "5,20", "5/s,20", "5" (a burst of four seconds' worth) or "off"; each number 1 to 1000.
 * 0 or -EINVAL. */
int chat_rate_parse(const char *text, struct chat_rate *out);

struct chat_options {
	const char *name; /* the server's */
	const char *motd; /* any text, read by newcomers; NULL: three lines of our own */
	size_t motd_len;
	struct chat_rate rate; /* where no rate= of an endpoint says otherwise */
};

/* What every chat's factory can do; its usage is there without a chat. */
extern const struct pl_factory_ops chat_factory_ops;

/* Copies the options.  NULL when out of memory. */
struct chat *chat_create(struct pl_reactor *r, const struct chat_options *options);

/* After the reactor, which ends the connections.  Accepts NULL. */
void chat_destroy(struct chat *c);

/* The command by which UDP joins, for newcomers to read: "nc -u localhost 1234".  0 or
 * -ENOMEM. */
int chat_set_udp_hint(struct chat *c, const char *command);

/* --- inside the chat ---------------------------------------------------------------- */

/* Those who hear the same.  There is one so far. */
struct room {
	const char *name;
	struct pl_group group;
};

struct chat {
	struct pl_factory factory; /* what endpoints are given */
	struct pl_reactor *reactor;
	uint64_t started_ms;
	struct room lobby;
	struct session *people; /* all who have a name, in order of arrival */
	size_t count;
	struct session *newcomers; /* those whom the room has not heard of, in that order */
	struct pl_timer announcing;
	char *name, *motd, *udp_hint; /* clean text; motd and udp_hint may be NULL */
	struct chat_rate rate;
	bool stopping;
};

/* One person.  There may be ten thousand: no buffers in here. */
struct session {
	struct pl_line_receiver line;
	struct pl_group_link member; /* of the room's group */
	struct chat *chat;
	struct room *room;
	struct session *prev, *next;         /* the chat's people */
	struct session *new_prev, *new_next; /* its newcomers */
	uint64_t came_ms;
	bool announced;
	uint64_t heard_ms; /* when the last line came from him */
	bool input_ended;  /* he goes when all that waits has been said */

	/* flood.c */
	struct chat_rate rate;
	uint64_t full_us;        /* when he will have all his tokens again */
	struct waiting *waiting; /* lines, NULL while there are none */
	bool told, slowed;

	char name[CHAT_NAME_MAX + 1]; /* "" before he has joined and after he has left */
};

struct session *session_create(struct chat *c); /* NULL when out of memory */

/* To him alone: `-- text --`. */
void session_tell(struct session *s, const char *fmt, ...) PL_PRINTF(2, 3);

/* What he says or does, to everybody in his room. */
void session_say(struct session *s, enum pl_msg_kind kind, const char *text, size_t len);

/* He goes, and the others read why (0, or the negative errno of what happened to his
 * line).  Nothing if he has gone before.  Ends no connection. */
void session_leave(struct session *s, int reason);

/* For chat.announcing: those who have been here for a while are announced. */
pl_timer_fn session_announce_newcomers;

/* A line that is not empty has its turn. */
void session_run_line(struct session *s, const char *line, size_t len);

/* A line that is not empty: has its turn now, waits for it, or is dropped. */
void flood_line(struct session *s, const char *line, size_t len);

/* His input has ended; true: lines of his wait, and he stays until they have been said. */
bool flood_input_ended(struct session *s);

/* What waits will not be said: he is told how much that is. */
void flood_forget(struct session *s);

/* Is this line "/exit", or means the same?  It need not wait. */
bool command_is_exit(const char *line);

/* A line that began with a slash, without it. */
void command_run(struct session *s, const char *line, size_t len);

/* The server says something to everybody in the room but one (or NULL): NOTICE or SERVER. */
void room_announce(struct chat *c, struct room *room, struct pl_line_receiver *but,
                   enum pl_msg_kind kind, const char *fmt, ...) PL_PRINTF(5, 6);

/* To a newcomer who has a name but is not yet among the people. */
void chat_greet(struct chat *c, struct session *s);

/* How fast somebody who came in by this endpoint may speak. */
struct chat_rate chat_rate_of(const struct chat *c, const struct pl_peer *peer);

/* Names: what is wrong with one, as a sentence, or NULL; who has it (names differ in more
 * than case); the one that a newcomer gets, `wish` or NULL being what his endpoint says. */
const char *chat_name_fault(const char *name, size_t len);
struct session *chat_find(struct chat *c, const char *name, size_t len);
void chat_pick_name(struct chat *c, const char *wish, char name[CHAT_NAME_MAX + 1]);

#endif
