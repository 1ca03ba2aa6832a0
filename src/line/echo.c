/* echo.c: does the far end of a terminal line send back what it is sent?
 *
 * A device with its echo on does, and so does another server at the other end of the
 * cable: both would talk to the chat for ever (S14, W16).  A person quotes as well, so one
 * line that comes back says nothing.  What tells them apart is that an echo has no end: the
 * line that was said because a line came back comes back too, and so on, each inside the
 * next (`<bob> <bob> hello`).  How deep that goes is a line's level: 0 for what was shown,
 * one more each time it comes back.  A person quotes at level 1; who pastes his own quotes
 * is at 2; nobody goes on.  There are three ways to be found out:
 *
 *   - the first lines that come are the first that were shown, in that order;
 *   - lines that came back count the more the higher their level, those that are somebody's
 *     own words against it;
 *   - single keys: what is typed is drawn, comes back, is drawn again, and never becomes a
 *     line.
 *
 * How long something is on its way nobody knows: a slow line may have a hundred lines to
 * come back.  So not the lines are kept but their hashes, in a table in which new ones take
 * the place of old ones here and there; it does not matter which of them are found.  The
 * hash of a text is made from its end to its beginning, which gives those of all its tails
 * on the way: the other server puts a name in front. */
#include "line_impl.h"

#include <string.h>

#define PRIME UINT64_C(1073741789) /* below 2^30 */
#define TAIL_MIN 4 /* bytes: what is shorter is said by everybody all the time */
#define LEVEL_MAX 4
#define ENOUGH 32 /* so much is an echo */

/* Lines as long as there can be, each key of them taken back and typed again, and more;
 * within a time for which an echo needs half at 300 baud.  Who presses Enter now and then,
 * or whose terminal does against idleness, is never there. */
#define KEYS_MAX (4 * PL_LINE_MAX)
#define KEYS_MS (10 * 60 * 1000)

enum kind { SHOWN = 1, HEARD = 2 };

void pl_echo_init(struct pl_echo *e, uint32_t key, bool editing)
{
	*e = (struct pl_echo){
		.key = 256 + key % ((uint32_t)PRIME - 256),
		.editing = editing,
	};
}

/* --- the table ------------------------------------------------------------------------- */

/* Of a text that begins with c and goes on with one whose hash is h.  A TAB that is typed
 * on a terminal is a blank. */
static uint32_t prepend(const struct pl_echo *e, char c, uint32_t h)
{
	const uint64_t byte = (unsigned char)(c == '\t' ? ' ' : c);

	return (uint32_t)(((uint64_t)h * e->key + byte + 1) % PRIME);
}

static uint32_t hash(const struct pl_echo *e, const char *text, size_t len)
{
	uint32_t h = 0;

	while (len > 0)
		h = prepend(e, text[--len], h);
	return h;
}

static size_t slot_of(uint32_t h, enum kind kind)
{
	return (h ^ (kind == HEARD ? PL_ECHO_SLOTS / 2 : 0)) % PL_ECHO_SLOTS;
}

/* The level of that text, or -1. */
static int find(const struct pl_echo *e, uint32_t h, enum kind kind)
{
	const size_t slot = slot_of(h, kind);

	return e->texts[slot] == (h << 2 | kind) ? e->levels[slot] : -1;
}

static void remember(struct pl_echo *e, uint32_t h, enum kind kind, int level)
{
	const size_t slot = slot_of(h, kind);

	if (find(e, h, kind) >= level)
		return;
	e->texts[slot] = h << 2 | kind;
	e->levels[slot] = (unsigned char)level;
}

static bool is_behind_name(const char *text, size_t at)
{
	return at >= 4 && text[at - 1] == ' ' && text[at - 2] == '>';
}

/* The highest level among the tails of text, or -1.  Those that a name stands before:
 * "<bob> " and the tail. */
static int find_tail(const struct pl_echo *e, const char *text, size_t len,
                     enum kind kind, bool named)
{
	uint32_t h = 0;
	int level = -1;

	for (size_t at = len; at-- > 0;) {
		h = prepend(e, text[at], h);
		if (len - at < TAIL_MIN || (named && !is_behind_name(text, at)))
			continue;
		const int found = find(e, h, kind);

		level = found > level ? found : level;
	}
	return level;
}

static bool is_blank(const char *text, size_t len)
{
	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		len--;
	return len == 0;
}

/* --- what is shown, and what comes ----------------------------------------------------- */

void pl_echo_shown(struct pl_echo *e, const char *text, size_t len)
{
	const uint32_t h = hash(e, text, len);
	int level;

	if (is_blank(text, len))
		return;
	if (e->n_first < PL_ECHO_FIRST)
		e->first[e->n_first++] = h;
	/* With a name before it: who says a line again quotes nobody. */
	level = find_tail(e, text, len, HEARD, true);
	remember(e, h, SHOWN, level > 0 ? level : 0);
}

/* Has all that came been what was shown first? */
static bool is_greeting(struct pl_echo *e, const char *text, size_t len)
{
	uint32_t h = 0;

	if (e->n_same < 0 || e->n_same >= (int)e->n_first)
		return false;
	for (size_t n = 1; n <= len; n++) {
		h = prepend(e, text[len - n], h);
		if (h == e->first[e->n_same]) {
			e->n_same++;
			return true;
		}
	}
	e->n_same = -1;
	return false;
}

/* Without an editor nothing is answered to most lines, so an echo does not grow: there
 * quotes alone have to do. */
static int weight(const struct pl_echo *e, int level)
{
	static const int weights[LEVEL_MAX + 1] = { 0, 0, 4, 16, ENOUGH };

	return level == 1 && !e->editing ? 1 : weights[level];
}

/* 0: words of his own. */
static int level_heard(const struct pl_echo *e, const char *text, size_t len)
{
	const int shown = find_tail(e, text, len, SHOWN, false);
	const int heard = find_tail(e, text, len, HEARD, true);
	const int level = 1 + (shown > heard ? shown : heard);

	return level < LEVEL_MAX ? level : LEVEL_MAX;
}

bool pl_echo_heard(struct pl_echo *e, const char *text, size_t len)
{
	const uint32_t h = hash(e, text, len);
	int level;

	if (is_blank(text, len))
		return false;
	e->keys = 0;
	if (is_greeting(e, text, len) && e->n_same == PL_ECHO_FIRST)
		return true;
	if (len < TAIL_MIN && find(e, h, SHOWN) >= 0)
		return false; /* neither a quote nor words of his own */
	level = level_heard(e, text, len);
	remember(e, h, HEARD, level);
	if (level > 0)
		e->score += weight(e, level);
	else
		e->score = e->score > 4 ? e->score - 4 : 0;
	return e->score >= ENOUGH;
}

bool pl_echo_drew(struct pl_echo *e, uint64_t now_ms)
{
	if (e->keys == 0 || now_ms - e->keys_since_ms >= KEYS_MS) {
		e->keys = 0;
		e->keys_since_ms = now_ms;
	}
	return ++e->keys > KEYS_MAX;
}
