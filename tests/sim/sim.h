/* sim.h: the whole server in a world that is driven from a seed.
 *
 * The chat, the line layer, the core and mem: are the real ones.  Made up are time, random
 * numbers, the order in which jobs finish, and the people: what they type, when they stop
 * reading, how they leave.  All of it comes from one number, so a run that fails can be had
 * again.  After every turn the run is compared with a picture of its own:
 *
 *   room.c    what was said, to whom it is due, and what each of them has read of it
 *   watch.c   the promises of protocol.h, at both ends of every connection, byte by byte
 *   check.c   people, members, names, queues, connections, after a turn and when it is quiet
 *
 * The picture knows what the server was told and what the far ends have read.  Of the
 * server's own structures it believes nothing: it compares them. */
#ifndef SIM_H
#define SIM_H

#include "chat/chat.h"
#include "plants.h"
#include "world.h"

#include <partyline/transport_impl.h>
#include <pthread.h>

struct visit;

struct sim_options {
	uint64_t seed;
	unsigned people, turns; /* turns: in which they act; 0: drawn */
	bool trace;
	enum plant plant;
};

struct sim_result {
	char broken[400]; /* "turn 5123: twice: ...", or "" */
	uint64_t hash;    /* of all that happened, in order */
	unsigned long turns, said, read, skipped, visits, failed_allocations, jobs;
	char *last_events; /* of a run that broke; for free() */
};

/* sim.c */
void sim_run(const struct sim_options *options, struct sim_result *result);

/* --- what a run consists of ------------------------------------------------------------ */

/* A queue of bytes. */
struct bytes {
	char *data;
	size_t from, len, size;
};

void bytes_add(struct bytes *b, const void *data, size_t len);
void bytes_drop(struct bytes *b, size_t len);
void bytes_finish(struct bytes *b);

/* Memory of the simulation, which never fails and is not counted.  memory.c */
void *sim_grow(void *old, size_t size);
void sim_free(void *memory);

/* One end of a connection, watched from its first call up to its last. */
struct watched {
	struct pl_protocol protocol; /* what the transport sees */
	struct pl_protocol *inner;   /* whose calls are passed on to */
	struct pl_transport *transport;
	struct watched *other;
	struct visit *visit;
	uint64_t eof_ms;
	bool server, made, lost, eof, paused;
	bool closing;      /* pl_lose or pl_abort was called, or the input has ended */
	bool closed_first; /* ... before the other end's did */
	bool stalled;      /* it was told to read no more */
	bool aborted;      /* pl_abort was called */
	int reason;
	struct bytes on_the_way; /* written here, not yet read there */
	const struct pl_marks *marks;
	size_t longest; /* of all that was written in one piece */
	uint64_t paused_at, closing_at;
};

/* A line in the making: where it lies in all that this visit types. */
struct typed {
	uint64_t start, end; /* end: with the first byte of its line end */
	unsigned number;     /* 0: none that is counted */
	bool action;         /* behind "/me " */
};

enum { ROW_MAX = 4096 };

/* One stay of one person: from connecting to both ends being gone. */
struct visit {
	unsigned id;
	struct watched server, client;
	struct pl_factory factory;   /* the client's */
	struct pl_protocol protocol; /* ... which is this one */
	const struct place *place;
	size_t chunk, capacity; /* of the wire towards him */
	size_t server_chunk;    /* and from him */
	char name[CHAT_NAME_MAX + 1];

	/* typing */
	struct bytes out;
	struct typed *typed;
	size_t n_typed, max_typed, first_typed;
	uint64_t appended, written;
	unsigned numbers;      /* given to lines so far */
	unsigned typed_number; /* the last that went out whole */
	unsigned exit_number;  /* the last before /exit */
	bool exiting, hung_up;
	bool dismissed; /* the simulation has ended it at the server's end */
	char last_words[1400];
	bool last_words_said;

	/* speaking: the room has heard so far; what he was told nobody has heard */
	unsigned said, unsaid, sorry;

	/* listening: what is due to him, by its place in the room's log */
	uint32_t *due;
	size_t n_due, max_due, read;
	size_t gap_from, gap_to;   /* read past, and not seen since */
	size_t skip_from, skip_to; /* the last that he was told were skipped */
	bool member;
	const struct pl_group_link *link; /* while he is a member */
	size_t untold;                    /* skipped when he left: nobody will tell him */
	unsigned in_room, in_people;      /* stamps of check.c */
	unsigned overdue;                 /* turns that he has been behind for too long */

	/* his screen */
	char row[ROW_MAX];
	size_t row_len, column;
	unsigned char escape;

	struct asking *asking; /* oracle.c */
	bool over;
};

/* Something said in the room. */
struct said {
	char *line;
	size_t len;
	unsigned speaker, number; /* 0: nobody, no number */
};

/* A port. */
struct place {
	const char *name, *keys;
	bool edit, oracle, rated;
};

enum { PLACES = 6, RING = 60, EVENT_TEXT = 90 };
extern const struct place places[PLACES];

struct sim_event {
	unsigned long turn;
	unsigned visit;
	const char *what;
	uint64_t a;
	char text[EVENT_TEXT];
};

struct sim {
	struct sim_options options;
	struct sim_result *result;
	struct pl_world *world;
	struct pl_reactor *reactor;
	struct chat *chat;
	uint64_t random, plant_random;
	unsigned long turn;
	bool broken, ending;
	bool all_said; /* even those whose lines wait their turn have had it */

	/* what kind of run it is */
	unsigned people;
	unsigned rudeness;     /* one call up in so many ends the connection; 0: none */
	unsigned memory_fails; /* one allocation in so many; 0: none */

	struct pl_port *ports[PLACES];
	struct pl_factory watched_factory[2]; /* the chat's and the oracle's */
	struct visit **visits; /* all there were, by their id, which begins at 1 */
	size_t n_visits, max_visits;
	struct visit **live; /* those that are not over */
	size_t n_live;
	struct visit **persons; /* who each is at the moment, or NULL */
	struct visit **coming;  /* connected; the server's end is not up yet */
	size_t first_coming, n_coming, max_coming;
	size_t ends; /* that are up */

	struct said *log;
	size_t n_log, max_log;
	char (*known)[CHAT_NAME_MAX + 1]; /* names, as a reader knows them */
	size_t n_known, max_known;

	/* watch.c */
	unsigned down, up;
	bool acting; /* it is the simulation that calls down */
	pthread_t thread;

	struct sim_event ring[RING];
	unsigned long n_events;
};

/* The run under way: functions that take the place of others have no argument for it. */
extern struct sim *sim;

/* --- chance and events: trace.c --------------------------------------------------------- */

uint64_t sim_draw(uint64_t n); /* 0 to n - 1 */
bool sim_chance(uint64_t one_in);
uint64_t sim_mix(uint64_t x); /* the same for the same */

/* Something happened; v may be NULL.  It goes into the hash and among the last events. */
void sim_note(const struct visit *v, const char *what, uint64_t a);
void sim_note_text(const struct visit *v, const char *what, const char *text, size_t len);

/* The run is broken: the first time counts.  The verdict begins with `what`. */
void sim_break(const char *what, const char *fmt, ...) PL_PRINTF(2, 3);

/* "guest3 (7)" for messages; of the last few that were asked for. */
const char *sim_who(const struct visit *v);

/* --- the parts ----------------------------------------------------------------------------- */

/* watch.c */
struct watched *watched_of(const struct pl_transport *t);
struct visit *visit_of_line(const struct pl_line_receiver *l);
void watch_made(struct pl_protocol *p);
void watch_data(struct pl_protocol *p, const char *data, size_t len);
void watch_lost(struct pl_protocol *p, int reason);
void watch_pause(struct pl_protocol *p);
void watch_resume(struct pl_protocol *p);
void watch_event(struct pl_protocol *p, const struct pl_event *ev);
void watch_init(struct watched *e, struct visit *v, bool server);
struct pl_protocol *watch_build_server(struct pl_protocol *inner, struct visit *v);

/* visit.c */
struct visit *visit_begin(const struct place *place);
void visit_maybe_over(struct visit *v); /* when both ends are gone */
void visit_free(struct visit *v);
size_t visit_text(char *out, size_t size, unsigned visit, unsigned number);
void visit_pump(struct visit *v); /* writes some of what he has typed */
void visit_type(struct visit *v, const char *bytes, size_t len); /* with its line end */
void visit_say(struct visit *v, bool action); /* the next line with a number */
bool visit_can_type(const struct visit *v);
void visit_hang_up(struct visit *v);

/* people.c */
void people_act(void);
void people_pump(void);

/* screen.c: what the far end shows */
void screen_bytes(struct visit *v, const char *data, size_t len);

/* room.c */
void room_closes(struct visit *v); /* nothing that is said now can reach him */
void room_read(struct visit *v, const char *line, size_t len);
void room_missed(struct visit *v, const char *when); /* a gap that was not filled */

/* notices.c */
void notices_hear(const struct pl_msg *m);
void notices_end(void);

/* oracle.c */
struct pl_factory *oracle_factory(void);
void oracle_ask(struct visit *v);
void oracle_read(struct visit *v, const char *line, size_t len);
void oracle_over(struct visit *v);
void oracle_quiet(struct visit *v);
void oracle_begin(void);
void oracle_end(void);

/* memory.c */
extern unsigned memory_fails_one_in; /* 0: never */
extern long memory_live;             /* blocks that the server holds */

/* check.c */
void check_turn(void);
void check_quiet(void);
bool check_waits(const struct visit *v); /* have lines of his still to have their turn? */
void check_over(struct visit *v);
void check_empty(void); /* everybody has gone */

#endif
