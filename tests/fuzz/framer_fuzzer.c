/* framer_fuzzer.c: whatever comes, lines are clean, short enough and the same for every
 * way in which reads cut the input. */
#include "chunking.h"
#include "line/line_impl.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What cleaning leaves alone is clean. */
static void check_clean(const char *line, size_t len)
{
	char again[PL_LINE_MAX + 1];

	assert(len <= PL_LINE_MAX && line[len] == '\0' && strlen(line) == len);
	assert(pl_clean_text(again, sizeof again, line, len) == len);
	assert(memcmp(again, line, len) == 0);
}

static bool note(void *arg, const char *line, size_t len)
{
	struct chunk_log *log = arg;

	if (!line) {
		chunk_log_text(log, "!");
		return true;
	}
	check_clean(line, len);
	chunk_log_bytes(log, line, len);
	chunk_log_text(log, "\n");
	return true;
}

static void feed(void *parser, const char *data, size_t len, struct chunk_log *log)
{
	const ssize_t taken = pl_framer_feed(parser, data, len, note, log);

	assert(taken == (ssize_t)len);
}

static void end(void *parser, struct chunk_log *log)
{
	struct pl_framer *f = parser;

	assert(f->line.len > 0 || !f->line.bytes);
	pl_framer_end(f, note, log);
	assert(!f->line.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct chunk_subject framer = { sizeof(struct pl_framer), feed, end };

	chunking_check(&framer, (const char *)data, size);
	return 0;
}
