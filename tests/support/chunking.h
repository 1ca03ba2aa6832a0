/* chunking.h: one input, cut in every way, has one result.
 *
 * A parser that is fed by reads must not care where they end.  chunking_fault() feeds the
 * same bytes whole, byte by byte and in two pieces, and compares what the parser said. */
#ifndef TESTS_CHUNKING_H
#define TESTS_CHUNKING_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <partyline/base.h>

/* What a parser said, as text. */
struct chunk_log {
	char *text; /* ends with a NUL, or NULL */
	size_t len, size;
};

struct chunk_subject {
	size_t size; /* of the parser's state, which begins as zeros */
	void (*feed)(void *parser, const char *data, size_t len, struct chunk_log *log);
	void (*end)(void *parser, struct chunk_log *log); /* the input is over: frees, too */
};

static inline void chunk_log_reserve(struct chunk_log *log, size_t size)
{
	if (log->text && size <= log->size)
		return;
	log->size = size;
	log->text = realloc(log->text, size);
	if (!log->text)
		abort();
}

static inline void chunk_log_bytes(struct chunk_log *log, const char *bytes, size_t len)
{
	if (!log->text || log->len + len + 1 > log->size)
		chunk_log_reserve(log, 2 * (log->len + len + 1));
	if (len)
		memcpy(log->text + log->len, bytes, len);
	log->len += len;
	log->text[log->len] = '\0';
}

static inline void chunk_log_text(struct chunk_log *log, const char *text)
{
	chunk_log_bytes(log, text, strlen(text));
}

/* Feeds pieces of `step` bytes, but the first of `first` bytes if that is not 0. */
static inline struct chunk_log chunk_run(const struct chunk_subject *subject,
                                         const char *data, size_t len, size_t first,
                                         size_t step)
{
	struct chunk_log log = { NULL, 0, 0 };
	void *parser = calloc(1, subject->size);
	size_t at = 0;

	if (!parser)
		abort();
	chunk_log_text(&log, "");
	while (at < len) {
		size_t n = at == 0 && first ? first : step;

		if (n > len - at)
			n = len - at;
		/* A copy, so that a sanitizer sees who reads beyond his piece. */
		char *piece = malloc(n);

		if (!piece)
			abort();
		memcpy(piece, data + at, n);
		subject->feed(parser, piece, n, &log);
		free(piece);
		at += n;
	}
	subject->end(parser, &log);
	free(parser);
	return log;
}

static inline bool chunk_same(const struct chunk_log *a, const struct chunk_log *b)
{
	return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

/* NULL, or a sentence, valid until the next call.  Two pieces are cut at about so many
 * places.  *whole is what the input gave in one piece; the caller frees whole->text. */
static inline const char *chunking_fault(const struct chunk_subject *subject,
                                         const char *data, size_t len, size_t places,
                                         struct chunk_log *whole)
{
	static char fault[8192];

	*whole = chunk_run(subject, data, len, 0, len);
	for (size_t first = 0; first < len; first += len / places + 1) {
		/* 0 stands for byte by byte. */
		struct chunk_log log =
			chunk_run(subject, data, len, first, first ? len : 1);
		const bool same = chunk_same(whole, &log);

		if (!same)
			snprintf(fault, sizeof fault,
			         "cut at %zu of %zu: \"%s\", whole: \"%s\"", first, len,
			         log.text, whole->text);
		free(log.text);
		if (!same)
			return fault;
	}
	return NULL;
}

/* For fuzzers, which are in a hurry: ends the program where there is a fault. */
static inline void chunking_check(const struct chunk_subject *subject, const char *data,
                                  size_t len)
{
	struct chunk_log whole;
	const char *fault = chunking_fault(subject, data, len, 16, &whole);

	if (fault) {
		fprintf(stderr, "%s\n", fault);
		abort();
	}
	free(whole.text);
}

#endif
