/* first_words.c: who begins as no person does.
 *
 * Browsers, scanners, SSH and TLS clients find every open port, and old terminal programs greet
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

/* One command behind AT: a letter, or a mark and a letter, then digits.  Returns its length,
 * 0 when it is none. */
static size_t hayes_command(const char *s, bool *has_digits)
{
	size_t n = *s && strchr("&%\\#*", *s), digits;

	if (!((s[n] >= 'A' && s[n] <= 'Z') || (n && s[n] >= 'a' && s[n] <= 'z')))
		return 0;
	n++;
	digits = strspn(s + n, "0123456789=?");
	*has_digits = digits > 0;
	return n + digits;
}

/* "AT S7=45 S0=0 L1 V1 X4 &c1 E1 Q0" of minicom up to 2.5 (WIRES 4), "ATE1 V1": several
 * commands with a number each, or one that sets a register.  "ATZ" and its like: one of the
 * usual words.  AT alone, AT HOME and ATM may be a person's. */
static bool is_modem_command(const char *line)
{
	static const char *const words[] = { "ATZ",  "ATZ0", "ATE0", "ATE1",  "ATH",
		                             "ATH0", "ATI",  "AT&F", "AT&F0", "AT&F1" };
	unsigned commands = 0, numbered = 0;

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strcmp(line, words[i]) == 0)
			return true;
	if (strncmp(line, "AT+", 3) == 0)
		return strspn(line + 3, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") >= 3;
	if (strncmp(line, "AT", 2) != 0)
		return false;
	for (const char *at = line + 2; *at; commands++) {
		bool has_digits = false;
		size_t n;

		at += strspn(at, " ");
		if (!*at)
			break;
		n = hayes_command(at, &has_digits);
		if (!n)
			return false;
		at += n;
		numbered += has_digits;
	}
	return numbered == commands && (commands > 1 || strchr(line, '='));
}

bool pl_first_line_is_no_persons(const struct pl_peer *peer, const char *line, size_t len)
{
	if (peer->terminal)
		return is_modem_command(line);
	return is_http(line, len) || strncmp(line, "SSH-2.0-", 8) == 0;
}
