/* telnet_fuzzer.c: whatever comes, pieces lie within the input, nobody is mute for long, and
 * the cuts between reads change nothing. */
#include "chunking.h"
#include "line/line_impl.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(void *parser, const char *data, size_t len, struct chunk_log *log)
{
	while (len > 0) {
		enum pl_telnet_piece piece;
		const size_t n = pl_telnet_next(parser, data, len, &piece);
		const char mark[] = { '\xff', (char)piece };

		assert(n > 0 && n <= len);
		if (piece == PL_TELNET_TEXT)
			chunk_log_bytes(log, data, n);
		else if (piece != PL_TELNET_NOTHING)
			chunk_log_bytes(log, mark, sizeof mark);
		data += n;
		len -= n;
	}
}

/* Nobody is mute: whatever came before, a line comes through soon. */
static void end(void *parser, struct chunk_log *log)
{
	static const char line[] = "\nhello\n";
	size_t heard = log->len;

	for (int i = 0; i < 100; i++)
		feed(parser, line, sizeof line - 1, log);
	heard = log->len - heard;
	assert(heard >= 10 * (sizeof line - 1));
	assert(memcmp(log->text + log->len - (sizeof line - 1), line, sizeof line - 1) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct chunk_subject telnet = { sizeof(struct pl_telnet), feed, end };

	chunking_check(&telnet, (const char *)data, size);
	return 0;
}
