/* recorder.h: a protocol that writes down what it is told and watches over the promises.
 *
 * Each connection has a record, which outlives it: its log is one line of text,
 * `made; data "hi"; eof; lost 0`, with data that came in pieces put together again
 * (promise 3 lets it come in any).  A broken promise is written into `broken`, which a
 * test asserts to be "" (records_check), because nothing may be asserted inside a call
 * up.  Calls down go through the record_ functions, so that a call up inside one of them
 * is seen. */
#ifndef TESTS_RECORDER_H
#define TESTS_RECORDER_H

#include <partyline/endpoint.h>
#include <partyline/transport.h>
#include <pthread.h>

struct record;
struct records;

/* What the protocol does when it is called; each may be NULL. */
struct record_hooks {
	void (*made)(struct record *rec);
	void (*data)(struct record *rec, const char *data, size_t len);
	void (*lost)(struct record *rec, int reason);
	void (*eof)(struct record *rec);
	void (*pause)(struct record *rec);
	void (*resume)(struct record *rec);
};

struct record_entry;

struct record {
	struct records *home;
	struct record *next;
	size_t number; /* the first is 0 */
	struct record_hooks hooks;
	void *arg; /* the hooks' */

	bool made, lost, eof;
	int reason;
	unsigned pauses, resumes;
	char *data; /* all that came, but what record_forget_data() took away */
	size_t len;

	/* private: */
	struct pl_protocol *protocol; /* NULL once lost */
	struct pl_transport *transport;
	bool closing; /* we said lose or abort */
	size_t size;
	struct record_entry *entries;
	size_t n_entries, max_entries;
	char *log;
};

/* A factory whose protocols are recorded.  Several may share one watch over calls down
 * and up, so that both ends of a connection are looked after: `watch` is then the first
 * one's. */
struct records {
	struct pl_factory factory;
	struct record *first, **last;
	size_t count;
	struct record_hooks hooks; /* for new ones */
	void *arg;
	bool refuse; /* build no protocol */
	unsigned refused;
	bool ignore_record_end; /* leave `end` out of the log */
	char broken[200];       /* the first broken promise, or "" */

	/* private: */
	struct records *watch;
	unsigned down, up;
	pthread_t thread;
};

void records_init(struct records *rs, struct records *watch);
void records_finish(struct records *rs); /* all connections are lost */

struct record *records_at(struct records *rs, size_t number); /* NULL: not yet */
struct record *records_newest(struct records *rs);
size_t records_alive(const struct records *rs);

/* In the body of a test: fails with the first broken promise. */
void records_check(const struct records *rs);

/* "made; data \"hi\"; lost -104"; valid until the next call for this record. */
const char *record_log(struct record *rec);
void record_forget_data(struct record *rec); /* what has come so far, in log and data */

/* Calls down.  On a record that is lost they do nothing. */
void record_write(struct record *rec, const char *data, size_t len);
void record_print(struct record *rec, const char *text);
void record_lose(struct record *rec);
void record_abort(struct record *rec, int reason);
void record_pause(struct record *rec);
void record_resume(struct record *rec);
void record_set_marks(struct record *rec, const struct pl_marks *marks);
size_t record_queued(struct record *rec);
struct pl_port *records_listen(struct records *rs, struct pl_reactor *r,
                               const char *endpoint, struct pl_error *err);

#endif
