/* limits.c: how many may be here at a time: in all, by one endpoint, from one source.
 *
 * A source is a network that a transport names (an address, or what is given to one
 * customer); who comes from this machine has none.  It may also come no faster than it may
 * be here: so many at once, and then one a second, or a loop of connects would be a flood
 * of its own.  For that the sources share slots of a table that never grows, because it
 * has to know of those who have left. */
#include "core.h"
#include <partyline/address.h>

#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1 /* hh.tbl is NULL then */
#include <uthash.h>

#define JOIN_MS 1000    /* one more may come from a source that has used up its burst */
#define JOIN_SLOTS 4096 /* in each of two rows */

_Static_assert(sizeof(struct pl_prefix) == 20, "it is a key: no padding");

/* There is one for each source somebody has come from, as long as he is here. */
struct pl_origin {
	struct pl_prefix prefix;
	struct pl_reactor *reactor;
	unsigned connections;
	uint64_t hash;
	UT_hash_handle hh;
};

void pl_set_limits(struct pl_reactor *r, const struct pl_limits *limits)
{
	/* Nothing said means the default, so "any number" has to be a number. */
	r->quota.max_users = limits->max_users ? limits->max_users : UINT_MAX;
	r->quota.per_source = limits->per_source ? limits->per_source : UINT_MAX;
}

int pl_limits_parse(const struct pl_endpoint *ep, struct pl_error *err)
{
	struct pl_quota *quota = pl_endpoint_quota(ep);
	long max_users, per_source;
	int code = pl_endpoint_int(ep, "max-users", 1, PL_LIMIT_MAX, 0, &max_users, err);

	if (!code)
		code = pl_endpoint_int(ep, "per-source", 1, PL_LIMIT_MAX, 0, &per_source,
		                       err);
	if (code)
		return code;
	quota->max_users = (unsigned)max_users;
	quota->per_source = (unsigned)per_source;
	return 0;
}

/* --- sources ------------------------------------------------------------------------ */

static int refuse(struct pl_reactor *r)
{
	pl_count(r, "connections: refused, out of memory", 1);
	return -ENOMEM;
}

int pl_transport_set_origin(struct pl_transport *t, const struct pl_prefix *prefix)
{
	unsigned char out[crypto_shorthash_BYTES];
	struct pl_reactor *r = t->reactor;
	struct pl_origin *o;
	uint64_t hash;

	_Static_assert(sizeof r->origin_key == crypto_shorthash_KEYBYTES, "SipHash");
	if (!r->joins_full_ms) {
		r->joins_full_ms = calloc(2 * (size_t)JOIN_SLOTS, sizeof *r->joins_full_ms);
		if (!r->joins_full_ms)
			return -ENOMEM;
		pl_reactor_random(r, r->origin_key, sizeof r->origin_key);
	}
	crypto_shorthash(out, (const unsigned char *)prefix, sizeof *prefix, r->origin_key);
	memcpy(&hash, out, sizeof hash);
	HASH_FIND_BYHASHVALUE(hh, r->origins, prefix, sizeof *prefix, (unsigned)hash, o);
	if (!o) {
		o = calloc(1, sizeof *o);
		if (!o)
			return refuse(r);
		o->prefix = *prefix;
		o->reactor = r;
		o->hash = hash;
		HASH_ADD_BYHASHVALUE(hh, r->origins, prefix, sizeof o->prefix,
		                     (unsigned)hash, o);
		if (!o->hh.tbl) {
			free(o);
			return refuse(r);
		}
	}
	o->connections++;
	t->origin = o;
	return 0;
}

static void leave_origin(struct pl_origin *o)
{
	if (--o->connections > 0)
		return;
	HASH_DELETE(hh, o->reactor->origins, o);
	free(o);
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Has the source its burst, or a second of its own, left?  Then that is used up.  It has a
 * slot in each row and is as late as the earlier of them says: who shares one slot with a
 * flood hardly shares the other. */
static bool take_join(const struct pl_origin *o, unsigned burst)
{
	struct pl_reactor *r = o->reactor;
	const uint64_t now_ms = r->now_ms;
	uint64_t *a = r->joins_full_ms + o->hash % JOIN_SLOTS,
		 *b = r->joins_full_ms + JOIN_SLOTS + (o->hash >> 32) % JOIN_SLOTS;
	const uint64_t full_ms = later(*a < *b ? *a : *b, now_ms);

	if (full_ms - now_ms > (uint64_t)(burst - 1) * JOIN_MS)
		return false;
	*a = later(*a, full_ms + JOIN_MS);
	*b = later(*b, full_ms + JOIN_MS);
	return true;
}

/* --- coming and going --------------------------------------------------------------- */

static unsigned or_default(unsigned said, unsigned otherwise)
{
	return said ? said : otherwise;
}

/* The sentences are short enough for an answer to an address that is not proved (U1). */
const char *pl_limits_admit(struct pl_transport *t)
{
	struct pl_quota *all = &t->reactor->quota,
			*own = pl_endpoint_quota(t->peer.endpoint);
	unsigned per_source;

	if (!own)
		return NULL; /* the far end of a connection within the program */
	if (all->users >= or_default(all->max_users, PL_MAX_USERS_DEFAULT) ||
	    own->users >= or_default(own->max_users, UINT_MAX)) {
		pl_count(t->reactor, "connections: turned away, too many people", 1);
		return "-- too many people here, please try again later --\r\n";
	}
	per_source = or_default(own->per_source,
	                        or_default(all->per_source, PL_PER_SOURCE_DEFAULT));
	if (t->origin &&
	    (t->origin->connections > per_source || !take_join(t->origin, per_source))) {
		pl_count(t->reactor, "connections: turned away, too many from one source",
		         1);
		return "-- too many from your address, try again later --\r\n";
	}
	all->users++;
	own->users++;
	t->admitted = true;
	return NULL;
}

void pl_limits_leave(struct pl_transport *t)
{
	if (t->admitted) {
		t->reactor->quota.users--;
		pl_endpoint_quota(t->peer.endpoint)->users--;
	}
	if (t->origin)
		leave_origin(t->origin);
}
