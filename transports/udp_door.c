/* udp_door.c: whom of the unknown senders to let in, and what to tell the others.
 *
 * A sender's address may be forged.  Who is not trusted has to send back a code that only
 * he at that address can have read: a keyed hash of the address under a secret that
 * changes.  So nothing is kept about him until he does: what is kept here are counts,
 * of a fixed size, however many knock.
 *
 * The dangers by number: U1 reflection, U2 replay, U3 forged joins, U14 loops. */
#include "udp.h"

#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A secret makes codes for a minute and counts for another (U2).  A code is 6 symbols of
 * 5 bits: with SEEN_MAX guesses a second it takes a month to hit one.  The symbols are
 * without 0, o, 1 and l, which look alike. */
#define SECRET_MS 60000
#define CODE_LEN 6
static const char code_symbols[] = "23456789abcdefghijkmnpqrstuvwxyz";

/* Datagrams of unproven senders that are looked at in a second: of all, and of the
 * networks of one slot, so that one network cannot use up everybody's. */
#define SEEN_MAX 200
#define SEEN_IN_SLOT_MAX 8

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

	*d = (struct pl_udp_door){ .reactor = r };
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

/* A sender who may be answered at all: one machine, and not this port (U14). */
static bool is_somebody(const struct pl_udp_sender *from, long number)
{
	const struct sockaddr *sa = pl_udp_address(from);
	const long port = pl_address_port(sa);
	const bool self = from->to_known && port == number &&
	                  memcmp(from->to, from->key.host, sizeof from->to) == 0;

	return !self && !from->to_many && pl_address_is_unicast(sa) &&
	       !answers_by_itself(port);
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

/* Takes one from this second's budget; false when it is used up. */
static bool take_budget(struct pl_udp_door *d, const struct sockaddr *sa)
{
	const uint64_t now_ms = pl_reactor_now(d->reactor);
	struct pl_prefix prefix;
	unsigned char *slot;
	uint64_t hash;

	if (now_ms - d->second_ms >= 1000) {
		d->second_ms = now_ms;
		d->seen = 0;
		memset(d->seen_in_slot, 0, sizeof d->seen_in_slot);
	}
	pl_prefix_of(sa, PL_UDP_PREFIX_V4, PL_UDP_PREFIX_V6, &prefix);
	hash = pl_udp_hash(&d->slot_key, prefix.bytes, sizeof prefix.bytes);
	slot = &d->seen_in_slot[hash % sizeof d->seen_in_slot];
	if (d->seen == SEEN_MAX || *slot == SEEN_IN_SLOT_MAX)
		return false;
	d->seen++;
	++*slot;
	return true;
}

/* --- codes -------------------------------------------------------------------------- */

static void rotate_secrets(struct pl_udp_door *d)
{
	const uint64_t now_ms = pl_reactor_now(d->reactor), age_ms = now_ms - d->secret_ms;

	if (age_ms < SECRET_MS)
		return;
	d->secrets[1] = d->secrets[0];
	if (age_ms >= 2 * SECRET_MS)
		pl_reactor_random(d->reactor, &d->secrets[1], sizeof d->secrets[1]);
	pl_reactor_random(d->reactor, &d->secrets[0], sizeof d->secrets[0]);
	d->secret_ms = now_ms;
}

/* A code that was used is void, or who saw it on its way could use it again (U2): the
 * count of codes used is part of the next one.  Addresses share the counts. */
static unsigned char *codes_used(struct pl_udp_door *d, const struct pl_udp_key *key)
{
	const uint64_t hash = pl_udp_hash(&d->slot_key, key, sizeof *key);

	return &d->codes_used[hash % sizeof d->codes_used];
}

static void make_code(struct pl_udp_door *d, const struct pl_udp_secret *secret,
                      const struct pl_udp_key *key, char out[CODE_LEN + 1])
{
	struct {
		struct pl_udp_key key;
		unsigned char used;
	} bound = { *key, *codes_used(d, key) };
	uint64_t hash = pl_udp_hash(secret, &bound, sizeof bound);

	for (int i = 0; i < CODE_LEN; i++, hash /= 32)
		out[i] = code_symbols[hash % 32];
	out[CODE_LEN] = '\0';
}

/* Is this the code, and nothing else? */
static bool take_code(struct pl_udp_door *d, const struct pl_udp_key *key,
                      const char *data, size_t len)
{
	char typed[CODE_LEN], code[CODE_LEN + 1];

	while (len > 0 && isspace((unsigned char)data[len - 1]))
		len--;
	for (; len > 0 && isspace((unsigned char)*data); len--)
		data++;
	if (len != CODE_LEN)
		return false;
	for (int i = 0; i < CODE_LEN; i++)
		typed[i] = (char)tolower((unsigned char)data[i]);
	for (int i = 0; i < 2; i++) {
		make_code(d, &d->secrets[i], key, code);
		if (sodium_memcmp(typed, code, CODE_LEN) == 0) {
			++*codes_used(d, key);
			return true;
		}
	}
	return false;
}

enum pl_udp_verdict pl_udp_door_ask(struct pl_udp_door *d, const struct pl_udp_sender *from,
                                    long number, const char *data, size_t len,
                                    char answer[PL_UDP_ANSWER_MAX + 1])
{
	const struct sockaddr *sa = pl_udp_address(from);
	const size_t mark_len = sizeof OUR_MARK - 1;
	char code[CODE_LEN + 1];
	bool trusted, proof;

	/* `nc -v` probes with a lone X; what begins like our own words comes from another
	 * server (U14). */
	if (!is_somebody(from, number) || (len == 1 && *data == 'X') ||
	    (len >= mark_len && memcmp(data, OUR_MARK, mark_len) == 0))
		return PL_UDP_IGNORE;
	trusted = pl_udp_door_trusts(d, sa);
	proof = d->verify == VERIFY_ALWAYS || (d->verify == VERIFY_AUTO && !trusted);
	if ((proof || !trusted) && !take_budget(d, sa))
		return PL_UDP_IGNORE;
	if (!proof)
		return PL_UDP_JOIN_AND_SAY;
	rotate_secrets(d);
	if (take_code(d, &from->key, data, len))
		return PL_UDP_JOIN;
	make_code(d, &d->secrets[0], &from->key, code);
	snprintf(answer, PL_UDP_ANSWER_MAX + 1, CODE_TEXT, code);
	return PL_UDP_ANSWER;
}
