/* recorder.c: see recorder.h.
 *
 * The protocol is memory of its own and freed in connection_lost, as promise 7 asks, so
 * that who touches it later is caught by the sanitizer; the record stays. */
#include "recorder.h"

#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Data in the log longer than this is told by its length. */
enum { SHOWN_MAX = 200 };

struct record_entry {
	char word[24]; /* "" for data */
	size_t from, to;
};

struct recording {
	struct pl_protocol protocol;
	struct record *record;
};

static void *grow(void *memory, size_t size)
{
	void *bigger = realloc(memory, size);

	if (!bigger)
		abort();
	return bigger;
}

static void broken(struct record *rec, const char *promise)
{
	struct records *rs = rec->home;

	if (rs->broken[0] == '\0')
		snprintf(rs->broken, sizeof(rs->broken), "connection %zu: %s",
		         rec->number, promise);
}

static void add_entry(struct record *rec, const char *word)
{
	struct record_entry *e;

	if (rec->n_entries == rec->max_entries) {
		rec->max_entries = 2 * rec->max_entries + 16;
		rec->entries = grow(rec->entries, rec->max_entries * sizeof(*e));
	}
	e = &rec->entries[rec->n_entries++];
	snprintf(e->word, sizeof(e->word), "%s", word);
	e->from = e->to = rec->len;
}

/* --- calls up -------------------------------------------------------------------- */

static struct record *enter(struct pl_protocol *p)
{
	struct record *rec = pl_container_of(p, struct recording, protocol)->record;
	struct records *watch = rec->home->watch;

	if (watch->down)
		broken(rec, "a call down made a call up");
	else if (watch->up)
		broken(rec, "called up while another call up was running");
	if (!pthread_equal(pthread_self(), watch->thread))
		broken(rec, "called from another thread");
	if (!p->transport || p->transport != rec->transport)
		broken(rec, "the transport is another one");
	if (rec->lost)
		broken(rec, "called after connection_lost");
	watch->up++;
	return rec;
}

static void leave(struct record *rec)
{
	rec->home->watch->up--;
}

static void recorded_made(struct pl_protocol *p)
{
	struct record *rec = pl_container_of(p, struct recording, protocol)->record;

	rec->transport = p->transport;
	enter(p);
	if (rec->made)
		broken(rec, "connection_made twice");
	if (rec->n_entries)
		broken(rec, "called before connection_made");
	rec->made = true;
	add_entry(rec, "made");
	if (rec->hooks.made)
		rec->hooks.made(rec);
	leave(rec);
}

static void recorded_data(struct pl_protocol *p, const char *data, size_t len)
{
	struct record *rec = enter(p);

	if (!rec->made)
		broken(rec, "data before connection_made");
	if (rec->closing)
		broken(rec, "data after pl_lose or pl_abort");
	if (rec->eof)
		broken(rec, "data after the end of input");
	if (rec->n_entries == 0 || rec->entries[rec->n_entries - 1].word[0] != '\0')
		add_entry(rec, "");
	if (rec->len + len > rec->size) {
		rec->size = 2 * (rec->len + len);
		rec->data = grow(rec->data, rec->size);
	}
	if (len > 0)
		memcpy(rec->data + rec->len, data, len);
	rec->len += len;
	rec->entries[rec->n_entries - 1].to = rec->len;
	if (rec->hooks.data)
		rec->hooks.data(rec, data, len);
	leave(rec);
}

static void recorded_lost(struct pl_protocol *p, int reason)
{
	struct record *rec = enter(p);
	char word[24];

	if (!rec->made)
		broken(rec, "connection_lost before connection_made");
	snprintf(word, sizeof(word), "lost %d", reason);
	add_entry(rec, word);
	rec->reason = reason;
	if (rec->hooks.lost)
		rec->hooks.lost(rec, reason);
	rec->lost = true;
	rec->protocol = NULL;
	rec->transport = NULL;
	leave(rec);
	free(pl_container_of(p, struct recording, protocol));
}

static void recorded_pause(struct pl_protocol *p)
{
	struct record *rec = enter(p);

	if (rec->pauses++ != rec->resumes)
		broken(rec, "pause_writing twice");
	add_entry(rec, "pause");
	if (rec->hooks.pause)
		rec->hooks.pause(rec);
	leave(rec);
}

static void recorded_resume(struct pl_protocol *p)
{
	struct record *rec = enter(p);

	if (++rec->resumes != rec->pauses)
		broken(rec, "resume_writing without pause_writing");
	add_entry(rec, "resume");
	if (rec->hooks.resume)
		rec->hooks.resume(rec);
	leave(rec);
}

static void recorded_event(struct pl_protocol *p, const struct pl_event *ev)
{
	static const char *const words[] = {
		[PL_EVENT_EOF] = "eof",         [PL_EVENT_RECORD_END] = "end",
		[PL_EVENT_WINDOW] = "window",   [PL_EVENT_BREAK] = "break",
		[PL_EVENT_CARRIER] = "carrier", [PL_EVENT_LINES_LOST] = "lines lost",
	};
	struct record *rec = enter(p);

	if (!rec->made)
		broken(rec, "an event before connection_made");
	if (ev->type != PL_EVENT_RECORD_END || !rec->home->ignore_record_end)
		add_entry(rec, words[ev->type]);
	if (ev->type == PL_EVENT_EOF) {
		if (rec->eof)
			broken(rec, "the end of input twice");
		rec->eof = true;
		if (rec->hooks.eof)
			rec->hooks.eof(rec);
	}
	leave(rec);
}

static const struct pl_protocol_ops recorded_ops = {
	.connection_made = recorded_made,
	.data_received = recorded_data,
	.connection_lost = recorded_lost,
	.pause_writing = recorded_pause,
	.resume_writing = recorded_resume,
	.event = recorded_event,
};

static struct pl_protocol *build(struct pl_factory *f, const struct pl_peer *peer)
{
	struct records *rs = pl_container_of(f, struct records, factory);
	struct recording *p;
	struct record *rec;

	if (rs->refuse) {
		rs->refused++;
		return NULL;
	}
	p = calloc(1, sizeof(*p));
	rec = calloc(1, sizeof(*rec));
	if (!p || !rec)
		goto refused;
	p->protocol.ops = &recorded_ops;
	p->record = rec;
	rec->home = rs;
	rec->hooks = rs->hooks;
	rec->arg = rs->arg;
	rec->number = rs->count++;
	rec->protocol = &p->protocol;
	*rs->last = rec;
	rs->last = &rec->next;
	if (rs->watch->down)
		broken(rec, "a call down built a protocol");
	if (!peer || !peer->type || !peer->name)
		broken(rec, "a peer without type or name");
	return &p->protocol;
refused:
	free(p);
	free(rec);
	return NULL;
}

static const struct pl_factory_ops build_ops = { .build_protocol = build };

/* --- the log --------------------------------------------------------------------- */

static void print_data(FILE *out, const char *data, size_t len)
{
	if (len > SHOWN_MAX) {
		fprintf(out, "data of %zu bytes", len);
		return;
	}
	fputs("data \"", out);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)data[i];

		if (c == '\n')
			fputs("\\n", out);
		else if (c == '\r')
			fputs("\\r", out);
		else if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			fprintf(out, "\\x%02x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

const char *record_log(struct record *rec)
{
	size_t size;
	FILE *out;

	free(rec->log);
	rec->log = NULL;
	out = open_memstream(&rec->log, &size);
	if (!out)
		abort();
	for (size_t i = 0; i < rec->n_entries; i++) {
		const struct record_entry *e = &rec->entries[i];

		if (i > 0)
			fputs("; ", out);
		if (e->word[0] != '\0')
			fputs(e->word, out);
		else
			print_data(out, rec->data + e->from, e->to - e->from);
	}
	fclose(out);
	return rec->log;
}

void record_forget_data(struct record *rec)
{
	size_t kept = 0;

	for (size_t i = 0; i < rec->n_entries; i++)
		if (rec->entries[i].word[0] != '\0')
			rec->entries[kept++] = rec->entries[i];
	rec->n_entries = kept;
	rec->len = 0;
}

/* --- a factory's records --------------------------------------------------------- */

void records_init(struct records *rs, struct records *watch)
{
	memset(rs, 0, sizeof(*rs));
	rs->factory.ops = &build_ops;
	rs->last = &rs->first;
	rs->watch = watch ? watch : rs;
	rs->thread = pthread_self();
}

void records_finish(struct records *rs)
{
	struct record *rec;

	while ((rec = rs->first)) {
		rs->first = rec->next;
		/* Built, but never made: the transport failed in between. */
		if (rec->protocol)
			free(pl_container_of(rec->protocol, struct recording, protocol));
		free(rec->data);
		free(rec->entries);
		free(rec->log);
		free(rec);
	}
	rs->last = &rs->first;
	rs->count = 0;
}

struct record *records_at(struct records *rs, size_t number)
{
	struct record *rec = rs->first;

	while (rec && rec->number != number)
		rec = rec->next;
	return rec && rec->made ? rec : NULL;
}

struct record *records_newest(struct records *rs)
{
	return rs->count ? records_at(rs, rs->count - 1) : NULL;
}

size_t records_alive(const struct records *rs)
{
	size_t alive = 0;

	for (const struct record *rec = rs->first; rec; rec = rec->next)
		alive += rec->made && !rec->lost;
	return alive;
}

void records_check(const struct records *rs)
{
	assert_string_equal(rs->broken, "");
}

/* --- calls down ------------------------------------------------------------------ */

void record_write(struct record *rec, const char *data, size_t len)
{
	if (!rec->transport)
		return;
	rec->home->watch->down++;
	pl_write(rec->transport, data, len);
	rec->home->watch->down--;
}

void record_print(struct record *rec, const char *text)
{
	record_write(rec, text, strlen(text));
}

void record_lose(struct record *rec)
{
	if (!rec->transport)
		return;
	rec->closing = true;
	rec->home->watch->down++;
	pl_lose(rec->transport);
	rec->home->watch->down--;
}

void record_abort(struct record *rec, int reason)
{
	if (!rec->transport)
		return;
	rec->closing = true;
	rec->home->watch->down++;
	pl_abort(rec->transport, reason);
	rec->home->watch->down--;
}

void record_pause(struct record *rec)
{
	if (!rec->transport)
		return;
	rec->home->watch->down++;
	pl_pause_reading(rec->transport);
	rec->home->watch->down--;
}

void record_resume(struct record *rec)
{
	if (!rec->transport)
		return;
	rec->home->watch->down++;
	pl_resume_reading(rec->transport);
	rec->home->watch->down--;
}

void record_set_marks(struct record *rec, const struct pl_marks *marks)
{
	if (!rec->transport)
		return;
	rec->home->watch->down++;
	pl_set_marks(rec->transport, marks);
	rec->home->watch->down--;
}

size_t record_queued(struct record *rec)
{
	return rec->transport ? pl_queued(rec->transport) : 0;
}

struct pl_port *records_listen(struct records *rs, struct pl_reactor *r,
                               const char *endpoint, struct pl_error *err)
{
	struct pl_port *port;

	rs->watch->down++;
	port = pl_listen(r, endpoint, &rs->factory, err);
	rs->watch->down--;
	return port;
}
