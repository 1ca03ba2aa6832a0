/* utf8.c: bytes of unknown origin made into characters that are fit for any terminal.
 *
 * UTF-8 is decoded first, then characters are dropped: a filter of bytes would either
 * break é or let C1 controls through, which are c2 80 to c2 9f.  No state but the few
 * bytes of struct pl_clean, so the input may be split anywhere. */
#include "line_impl.h"

/* --- escape sequences ------------------------------------------------------------------ */

/* What keys and programs send, told apart by the character alone:
 *
 *     ESC x             Alt and a key; ESC alone swallows the character behind it
 *     ESC [ ... final   arrows, colours (ECMA-48: 0x20-0x3f, then 0x40-0x7e)
 *     ESC [ [ x         F1 to F5 of the Linux console
 *     ESC O x           F1 to F4 of others
 *     ESC ( x           choice of a character set, as `tput sgr0` writes it
 *
 * A control or anything beyond ASCII ends a sequence and is itself again: Enter is Enter,
 * whatever came before. */
enum { OUTSIDE, ESCAPE, CSI_BEGINS, CSI, LAST, STATES };
enum { IS_ESC, IS_BRACKET, IS_O, IS_PARAM, IS_SIGN, IS_FINAL, IS_OTHER, CLASSES };

/* clang-format off */
static const unsigned char next_state[STATES][CLASSES] = {
	/*              ESC     [           O        0-9;    !-/      A-z      other */
	[OUTSIDE] =    {ESCAPE, OUTSIDE,    OUTSIDE, OUTSIDE, OUTSIDE, OUTSIDE, OUTSIDE},
	[ESCAPE] =     {ESCAPE, CSI_BEGINS, LAST,    OUTSIDE, LAST,    OUTSIDE, OUTSIDE},
	[CSI_BEGINS] = {ESCAPE, LAST,       OUTSIDE, CSI,     CSI,     OUTSIDE, OUTSIDE},
	[CSI] =        {ESCAPE, OUTSIDE,    OUTSIDE, CSI,     CSI,     OUTSIDE, OUTSIDE},
	[LAST] =       {ESCAPE, OUTSIDE,    OUTSIDE, OUTSIDE, OUTSIDE, OUTSIDE, OUTSIDE},
};
/* clang-format on */

static unsigned class_of(uint32_t code)
{
	if (code == 0x1b)
		return IS_ESC;
	if (code < 0x20 || code > 0x7e)
		return IS_OTHER;
	if (code == ' ' || (code >= '0' && code <= '?'))
		return IS_PARAM;
	if (code < '0')
		return IS_SIGN;
	return code == '[' ? IS_BRACKET : code == 'O' ? IS_O : IS_FINAL;
}

static bool in_escape(struct pl_clean *c, uint32_t code)
{
	const unsigned class = class_of(code);
	const bool was_outside = c->escape == OUTSIDE;

	c->escape = next_state[c->escape][class];
	return class == IS_ESC || (!was_outside && class != IS_OTHER);
}

/* --- characters ------------------------------------------------------------------------- */

/* C0 but TAB, DEL, C1; line and paragraph separator; the embeddings, overrides and
 * isolates that turn the rest of a line around.  The mere marks U+200E and U+200F stay:
 * Hebrew and Arabic text needs them. */
static bool fit(uint32_t code)
{
	if (code < 0x20)
		return code == '\t';
	return !(code >= 0x7f && code <= 0x9f) && !(code >= 0x2028 && code <= 0x202e) &&
	       !(code >= 0x2066 && code <= 0x2069);
}

/* Begins with the bytes that may come second (Unicode, table 3-7), so that a sequence is
 * known to be wrong at its first wrong byte. */
static bool begin(struct pl_clean *c, unsigned char byte)
{
	c->low = 0x80;
	c->high = 0xbf;
	if (byte < 0x80) {
		c->code = byte;
	} else if (byte >= 0xc2 && byte <= 0xdf) {
		c->code = byte & 0x1fu;
		c->need = 1;
	} else if (byte >= 0xe0 && byte <= 0xef) {
		c->code = byte & 0x0fu;
		c->need = 2;
		if (byte == 0xe0)
			c->low = 0xa0; /* below: too long a form */
		else if (byte == 0xed)
			c->high = 0x9f; /* above: surrogates */
	} else if (byte >= 0xf0 && byte <= 0xf4) {
		c->code = byte & 0x07u;
		c->need = 3;
		if (byte == 0xf0)
			c->low = 0x90;
		else if (byte == 0xf4)
			c->high = 0x8f; /* above: beyond U+10FFFF */
	} else {
		c->code = PL_REPLACEMENT;
	}
	return !c->need;
}

static bool decode(struct pl_clean *c, unsigned char byte)
{
	if (!c->need)
		return begin(c, byte);
	c->code = c->code << 6 | (byte & 0x3fu);
	c->low = 0x80;
	c->high = 0xbf;
	return !--c->need;
}

static size_t keep(struct pl_clean *c, uint32_t code, uint32_t *out)
{
	if (in_escape(c, code) || !fit(code))
		return 0;
	*out = code;
	return 1;
}

/* One U+FFFD for as much of a sequence as was right, as Unicode recommends (chapter 3,
 * "maximal subpart"); the byte that was wrong there may begin the next. */
size_t pl_clean_feed(struct pl_clean *c, unsigned char byte, uint32_t out[2])
{
	size_t n = 0;

	if (c->need && (byte < c->low || byte > c->high)) {
		c->need = 0;
		n = keep(c, PL_REPLACEMENT, out);
	}
	if (decode(c, byte))
		n += keep(c, c->code, out + n);
	return n;
}

size_t pl_clean_end(struct pl_clean *c, uint32_t *out)
{
	const size_t n = c->need ? keep(c, PL_REPLACEMENT, out) : 0;

	*c = (struct pl_clean){ 0 };
	return n;
}

size_t pl_utf8_put(char out[4], uint32_t code)
{
	const unsigned lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	const size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

	for (size_t i = n; i-- > 1; code >>= 6)
		out[i] = (char)(0x80 | (code & 0x3f));
	out[0] = (char)(lead[n] | code);
	return n;
}

size_t pl_utf8_get(const char *text, uint32_t *code)
{
	struct pl_clean c = { 0 };
	size_t n = 0;

	while (!decode(&c, (unsigned char)text[n++]))
		;
	*code = c.code;
	return n;
}

size_t pl_clean_text(char *out, size_t size, const char *text, size_t len)
{
	struct pl_clean c = { 0 };
	uint32_t codes[2];
	char bytes[4];
	size_t used = 0;

	if (!size)
		return 0;
	for (size_t i = 0; i <= len; i++) {
		const size_t n = i < len ? pl_clean_feed(&c, (unsigned char)text[i], codes)
		                         : pl_clean_end(&c, codes);

		for (size_t j = 0; j < n; j++) {
			const size_t more = pl_utf8_put(bytes, codes[j]);

			if (more > size - 1 - used)
				goto full;
			for (size_t k = 0; k < more; k++)
				out[used++] = bytes[k];
		}
	}
full:
	out[used] = '\0';
	return used;
}
