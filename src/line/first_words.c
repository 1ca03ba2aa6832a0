/* first_words.c: who begins as no person does.
 *
 * Browsers, scanners and TLS clients find every open port, and old terminal programs greet
 * every line as if it were a modem.  Whom their first words betray is ended before anybody
 * hears of him (T7, S10).  Only the first line counts, and only what is sure: a person may
 * say GET or AT. */
#include "line_impl.h"

#include <string.h>

enum { TLS_HANDSHAKE = 0x16, TLS_MAJOR_VERSION = 0x03 }; /* RFC 8446, section 5.1 */

bool pl_first_bytes_are_tls(struct pl_first_words *f, const char *data, size_t len)
{
	for (size_t i = 0; i < len && f->bytes < 2; i++) {
		const unsigned char byte = (unsigned char)data[i];

		if (f->bytes == 1) {
			f->bytes = 2;
			return byte == TLS_MAJOR_VERSION;
		}
		f->bytes = byte == TLS_HANDSHAKE ? 1 : 2;
	}
	return false;
}

/* METHOD SP target SP HTTP-version (RFC 9112, section 3).  Of a line that was cut the end
 * is not there to be looked at. */
static bool is_http(const char *line, size_t len)
{
	static const char *const methods[] = { "GET ",     "HEAD ",    "POST ",
		                               "PUT ",     "DELETE ",  "CONNECT ",
		                               "OPTIONS ", "TRACE ",   "PATCH ",
		                               "PRI ",     "PROPFIND " };
	const char *end;

	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
		if (strncmp(line, methods[i], strlen(methods[i])) != 0)
			continue;
		end = strrchr(line, ' ');
		return strncmp(end, " HTTP/", 6) == 0 || len == PL_LINE_MAX;
	}
	return false;
}

/* One command behind AT: a letter, or a mark and a letter; then digits, or S0=0.  Returns
 * its length, 0 when it is none. */
static size_t hayes_command(const char *s, bool *sure)
{
	size_t n = strchr("&%\\+#*", *s) != NULL;

	*sure |= *s == '+';
	if (!((s[n] >= 'A' && s[n] <= 'Z') || (n && s[n] >= 'a' && s[n] <= 'z')))
		return 0;
	for (n++; strchr("0123456789=?", s[n]) && s[n]; n++)
		*sure = true;
	return n;
}

/* "AT S7=45 S0=0 L1 V1 X4 &c1 E1 Q0" of minicom up to 2.5 (WIRES 4), "ATZ", "ATE0".  With
 * more than one letter, and neither a number nor a plus, it may be a word. */
static bool is_modem_command(const char *line)
{
	bool sure = false;
	unsigned commands = 0;

	if (strncmp(line, "AT", 2) != 0)
		return false;
	for (line += 2; *line; commands++) {
		size_t n;

		line += strspn(line, " ");
		n = *line ? hayes_command(line, &sure) : 0;
		if (*line && !n)
			return false;
		line += n;
	}
	return sure || commands <= 1;
}

bool pl_first_line_is_no_persons(const struct pl_peer *peer, const char *line, size_t len)
{
	return peer->terminal ? is_modem_command(line) : is_http(line, len);
}
