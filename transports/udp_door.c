/* udp_door.c: whom of the unknown senders to let in, and what to tell the others.
 *
 * A sender's address may be forged.  Who is not trusted has to send back a code that only
 * he at that address can have read: a keyed hash of the address under a secret that
 * changes.  So nothing is kept about him until he does: what is kept here are counts and
 * bits, of a fixed size, however many knock.
 *
 * The dangers by number: U1 reflection, U2 replay, U3 forged joins, U14 loops. */
#include "udp.h"

#include <ctype.h>
#include <errno.h>
#include <partyline/stats.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A secret makes codes for a minute and counts for another (U2).  A code is 6 symbols of
 * 5 bits: at GUESSES_MAX a second it takes three days to hit one of the two that count.
 * The symbols are without 0, o, 1 and l, which look alike. */
#define SECRET_MS 60000
#define CODE_LEN 6
static const char code_symbols[] = "23456789abcdefghijkmnpqrstuvwxyz";

/* Answers to unproven senders in a second, and looks at what may be a code: of all, and
 * of the networks of one slot, so that one network cannot use up everybody's.  A right
 * code costs no answer: who has got one is let in however many others knock (U3). */
#define ANSWERS_MAX 200
#define ANSWERS_IN_SLOT_MAX 8

/* More of them for who is ignored and comes again in a few seconds, as people do and a
 * flood with ever new addresses does not. */
#define AGAIN_MAX 100
#define KNOCKED_MS 5000

#define GUESSES_MAX 2000
#define GUESSES_IN_SLOT_MAX 32

#define CODE_TEXT "-- to join type %s, then say it again --\r\n"
#define OUR_MARK "-- " /* what our own words begin with */
_Static_assert(sizeof CODE_TEXT - sizeof "%s" + CODE_LEN <= PL_UDP_ANSWER_MAX, "U1");
_Static_assert(sizeof(struct pl_udp_secret) == crypto_shorthash_KEYBYTES, "SipHash");

enum { VERIFY_AUTO, VERIFY_ALWAYS, VERIFY_NEVER };

uint64_t pl_udp_hash(const struct pl_udp_secret *secret, const void *data, size_t len)
{
	unsigned char out[crypto_shorthash_BYTES];
	uint64_t hash;

	crypto_shorthash(out, data, len, secret->key);
	memcpy(&hash, out, sizeof hash);
	return hash;
}

/* --- settings ----------------------------------------------------------------------- */

/* trust=CIDR,CIDR: brackets may stand around IPv6, and mean nothing here. */
static int read_trust(struct pl_udp_door *d, const struct pl_endpoint *ep,
                      struct pl_error *err)
{
	const char *list = pl_endpoint_str(ep, "trust");
	char item[PL_ADDRESS_TEXT];
	size_t n = 1;

	if (!list)
		return 0;
	for (const char *c = list; *c; c++)
		n += *c == ',';
	d->trust = calloc(n, sizeof *d->trust);
	if (!d->trust)
		return pl_fail(err, -ENOMEM, "%s: out of memory", pl_endpoint_text(ep));
	for (; d->n_trust < n; d->n_trust++) {
		size_t len = 0;

		for (; *list && *list != ','; list++)
			if (*list != '[' && *list != ']' && len < sizeof item - 1)
				item[len++] = *list;
		list += *list == ',';
		item[len] = '\0';
		if (pl_prefix_parse(item, &d->trust[d->n_trust]) < 0)
			return pl_fail(err, -EINVAL,
			               "%s: trust must be addresses or networks, as in "
			               "192.168.1.0/24,[fd00::]/8",
			               pl_endpoint_text(ep));
	}
	return 0;
}

int pl_udp_door_init(struct pl_udp_door *d, struct pl_reactor *r,
                     const struct pl_endpoint *ep, struct pl_error *err)
{
	int code;

	/* Memory is taken now, not when a flood makes use of it. */
	memset(d, 0, sizeof *d);
	d->reactor = r;
	if (sodium_init() < 0)
		return pl_fail(err, -ENOSYS, "%s: no libsodium", pl_endpoint_text(ep));
	d->secret_ms = d->second_ms = pl_reactor_now(r);
	pl_reactor_random(r, &d->slot_key, sizeof d->slot_key);
	pl_reactor_random(r, d->secrets, sizeof d->secrets);
	code = pl_endpoint_choice(ep, "verify", "auto|always|never", VERIFY_AUTO,
	                          &d->verify, err);
	return code ? code : read_trust(d, ep, err);
}

void pl_udp_door_finish(struct pl_udp_door *d)
{
	free(d->trust);
	d->trust = NULL;
}

/* --- who ---------------------------------------------------------------------------- */

/* Services that answer whatever comes: with one of them as a forged sender we would talk
 * for ever, or help to shoot at somebody (U14). */
static bool answers_by_itself(long port)
{
	static const uint16_t ports[] = { 0,   7,    9,    13,   17,   19,   37,
		                          53,  69,   111,  123,  137,  161,  389,
		                          520, 1900, 3702, 5353, 5683, 11211 };

	for (size_t i = 0; i < sizeof ports / sizeof *ports; i++)
		if (ports[i] == port)
			return true;
	return false;
}

/* Why he and what he says get no answer at all, in the words of a counter; or NULL. */
static const char *why_ignored(const struct pl_udp_sender *from, const char *data,
                               size_t len)
{
	const struct sockaddr *sa = pl_udp_address(from);
	const size_t mark_len = sizeof OUR_MARK - 1;

	if (from->to_many || !pl_address_is_unicast(sa))
		return "udp: strangers ignored: broadcast or multicast";
	if (answers_by_itself(pl_address_port(sa)))
		return "udp: strangers ignored: the port of a service that answers";
	if (len == 1 && *data == 'X') /* nc -v */
		return "udp: strangers ignored: probes";
	if (len >= mark_len && memcmp(data, OUR_MARK, mark_len) == 0) /* another server */
		return "udp: strangers ignored: words like our own";
	return NULL;
}

bool pl_udp_door_trusts(const struct pl_udp_door *d, const struct sockaddr *sa)
{
	if (pl_address_is_loopback(sa))
		return true;
	for (size_t i = 0; i < d->n_trust; i++)
		if (pl_prefix_holds(&d->trust[i], sa))
			return true;
	return false;
}

/* --- sets of addresses -------------------------------------------------------------- */

/* Three bits of so many words are a member's.  ANSWERS_MAX a second for a minute fill a
 * seventh of an `asked`, and 20,000 knocks a second for KNOCKED_MS a seventh of a `knocked`:
 * then one other address in 400 is taken for a member. */
#define SHARES 3

static void put_into(uint64_t *bits, size_t words, uint64_t hash)
{
	for (int i = 0; i < SHARES; i++, hash /= 64 * words)
		bits[hash / 64 % words] |= UINT64_C(1) << hash % 64;
}

static bool is_in(const uint64_t *bits, size_t words, uint64_t hash)
{
	for (int i = 0; i < SHARES; i++, hash /= 64 * words)
		if (!(bits[hash / 64 % words] >> hash % 64 & 1))
			return false;
	return true;
}

static uint64_t address_hash(const struct pl_udp_door *d, const struct pl_udp_key *key)
{
	return pl_udp_hash(&d->slot_key, key, sizeof *key);
}

/* --- budgets ------------------------------------------------------------------------ */

static void begin_second(struct pl_udp_door *d)
{
	const uint64_t now_ms = pl_reactor_now(d->reactor);

	if (now_ms - d->second_ms < 1000)
		return;
	d->second_ms = now_ms;
	d->answers = d->again = d->guesses = (struct pl_udp_budget){ .used = 0 };
}

/* Takes one from this second's budget; false when it is used up.  The slots are drawn
 * anew each second: who shares one with a flood has another one soon. */
static bool take(struct pl_udp_door *d, struct pl_udp_budget *budget, unsigned max,
                 unsigned max_in_slot, const struct sockaddr *sa)
{
	struct {
		unsigned char network[16];
		uint64_t second_ms;
	} bound = { .second_ms = d->second_ms };
	struct pl_prefix prefix;
	unsigned char *slot;

	_Static_assert(sizeof bound == 16 + 8, "all of it is hashed");
	pl_prefix_of(sa, PL_UDP_PREFIX_V4, PL_UDP_PREFIX_V6, &prefix);
	memcpy(bound.network, prefix.bytes, sizeof bound.network);
	slot = &budget->used_in_slot[pl_udp_hash(&d->slot_key, &bound, sizeof bound) %
	                             sizeof budget->used_in_slot];
	if (budget->used >= max || *slot >= max_in_slot)
		return false;
	budget->used++;
	++*slot;
	return true;
}

/* Has he been ignored in the last seconds?  Now he has. */
static bool knocks_again(struct pl_udp_door *d, const struct pl_udp_key *key)
{
	const uint64_t now_ms = pl_reactor_now(d->reactor), age_ms = now_ms - d->knocked_ms;
	const uint64_t hash = address_hash(d, key);
	bool again;

	if (age_ms >= KNOCKED_MS) {
		d->knocked[1] = d->knocked[0];
		memset(&d->knocked[0], 0, sizeof d->knocked[0]);
		d->knocked_ms = now_ms;
	}
	if (age_ms >= 2 * KNOCKED_MS)
		memset(&d->knocked[1], 0, sizeof d->knocked[1]);
	again = is_in(d->knocked[0].bits, PL_UDP_KNOCKED_WORDS, hash) ||
	        is_in(d->knocked[1].bits, PL_UDP_KNOCKED_WORDS, hash);
	put_into(d->knocked[0].bits, PL_UDP_KNOCKED_WORDS, hash);
	return again;
}

static bool take_answer(struct pl_udp_door *d, const struct pl_udp_sender *from)
{
	const struct sockaddr *sa = pl_udp_address(from);

	if (take(d, &d->answers, ANSWERS_MAX, ANSWERS_IN_SLOT_MAX, sa) ||
	    (knocks_again(d, &from->key) &&
	     take(d, &d->again, AGAIN_MAX, ANSWERS_IN_SLOT_MAX, sa)))
		return true;
	pl_count(d->reactor, "udp: strangers ignored: over the budget", 1);
	return false;
}

/* --- codes -------------------------------------------------------------------------- */

static void rotate_secrets(struct pl_udp_door *d)
{
	const uint64_t now_ms = pl_reactor_now(d->reactor), age_ms = now_ms - d->secret_ms;

	if (age_ms < SECRET_MS)
		return;
	d->secrets[1] = d->secrets[0];
	d->asked[1] = d->asked[0];
	memset(&d->asked[0], 0, sizeof d->asked[0]);
	if (age_ms >= 2 * SECRET_MS)
		pl_reactor_random(d->reactor, &d->secrets[1], sizeof d->secrets[1]);
	pl_reactor_random(d->reactor, &d->secrets[0], sizeof d->secrets[0]);
	d->secret_ms = now_ms;
}

/* A code that was used is void, or who saw it on its way could use it again (U2): the
 * count of codes used is part of the next one.  Addresses share the counts. */
static uint16_t *codes_used(struct pl_udp_door *d, const struct pl_udp_key *key)
{
	const size_t slots = sizeof d->codes_used / sizeof *d->codes_used;

	return &d->codes_used[address_hash(d, key) % slots];
}

static void make_code(struct pl_udp_door *d, const struct pl_udp_secret *secret,
                      const struct pl_udp_key *key, char out[CODE_LEN + 1])
{
	struct {
		struct pl_udp_key key;
		uint16_t used;
	} bound = { *key, *codes_used(d, key) };
	uint64_t hash = pl_udp_hash(secret, &bound, sizeof bound);

	_Static_assert(sizeof bound == sizeof bound.key + sizeof bound.used,
	               "all of it is hashed");

	for (int i = 0; i < CODE_LEN; i++, hash /= 32)
		out[i] = code_symbols[hash % 32];
	out[CODE_LEN] = '\0';
}

/* Is it one word of the length and the symbols of a code? */
static bool read_code(const char *data, size_t len, char typed[CODE_LEN + 1])
{
	while (len > 0 && isspace((unsigned char)data[len - 1]))
		len--;
	for (; len > 0 && isspace((unsigned char)*data); len--)
		data++;
	if (len != CODE_LEN)
		return false;
	for (int i = 0; i < CODE_LEN; i++)
		typed[i] = (char)tolower((unsigned char)data[i]);
	typed[CODE_LEN] = '\0';
	return strspn(typed, code_symbols) == CODE_LEN;
}

/* Has he sent his code?  Who was never told one cannot have it, so a flood of guesses from
 * forged addresses does not use up what the others need. */
static bool proves(struct pl_udp_door *d, const struct pl_udp_sender *from,
                   const char *data, size_t len)
{
	const uint64_t hash = address_hash(d, &from->key);
	const bool asked[2] = { is_in(d->asked[0].bits, PL_UDP_ASKED_WORDS, hash),
		                is_in(d->asked[1].bits, PL_UDP_ASKED_WORDS, hash) };
	char typed[CODE_LEN + 1], code[CODE_LEN + 1];

	if (!read_code(data, len, typed))
		return false;
	if ((asked[0] || asked[1]) && !take(d, &d->guesses, GUESSES_MAX,
	                                    GUESSES_IN_SLOT_MAX, pl_udp_address(from))) {
		pl_count(d->reactor, "udp: codes not looked at: over the budget", 1);
		return false;
	}
	for (int i = 0; i < 2; i++) {
		if (!asked[i])
			continue;
		make_code(d, &d->secrets[i], &from->key, code);
		if (sodium_memcmp(typed, code, CODE_LEN) == 0) {
			++*codes_used(d, &from->key);
			return true;
		}
	}
	pl_count(d->reactor, "udp: codes that were wrong, used or too old", 1);
	return false;
}

/* His code of this minute, for CODE_TEXT. */
static void tell_code(struct pl_udp_door *d, const struct pl_udp_key *key,
                      char answer[PL_UDP_ANSWER_MAX + 1])
{
	char code[CODE_LEN + 1];

	make_code(d, &d->secrets[0], key, code);
	put_into(d->asked[0].bits, PL_UDP_ASKED_WORDS, address_hash(d, key));
	snprintf(answer, PL_UDP_ANSWER_MAX + 1, CODE_TEXT, code);
	pl_count(d->reactor, "udp: strangers answered with a code", 1);
}

enum pl_udp_verdict pl_udp_door_ask(struct pl_udp_door *d,
                                    const struct pl_udp_sender *from, const char *data,
                                    size_t len, char answer[PL_UDP_ANSWER_MAX + 1])
{
	const struct sockaddr *sa = pl_udp_address(from);
	const char *ignored = why_ignored(from, data, len);
	const bool trusted = pl_udp_door_trusts(d, sa);

	if (ignored) {
		pl_count(d->reactor, ignored, 1);
		return PL_UDP_IGNORE;
	}
	begin_second(d);
	if (d->verify == VERIFY_NEVER || (d->verify == VERIFY_AUTO && trusted))
		return trusted || take_answer(d, from) ? PL_UDP_JOIN_AND_SAY
		                                       : PL_UDP_IGNORE;
	rotate_secrets(d);
	if (proves(d, from, data, len))
		return PL_UDP_JOIN;
	if (!take_answer(d, from))
		return PL_UDP_IGNORE;
	tell_code(d, &from->key, answer);
	return PL_UDP_ANSWER;
}
