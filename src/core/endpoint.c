/* endpoint.c: endpoint strings.
 *
 * One scanner for the grammar of endpoint.h, one place for each kind of value with its
 * range and its sentence.  Which keys there are is port.c's affair. */
#include "core.h"
#include <partyline/transport_impl.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct option {
	const char *key, *value;
};

/* One block: the struct, the options, the text as written, the text cut up. */
struct pl_endpoint {
	unsigned refs;
	size_t options_len;
	const char *text, *type, *arg;
	struct pl_quota quota;
	struct option options[];
};

struct pl_quota *pl_endpoint_quota(const struct pl_endpoint *ep)
{
	return ep ? &((struct pl_endpoint *)(uintptr_t)ep)->quota : NULL;
}

/* --- the grammar ------------------------------------------------------------------------ */

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* The length of `word=` behind a colon, 0 when there is none. */
size_t pl_endpoint_key_at(const char *s)
{
	size_t n = 0;

	while (is_word(s[n]))
		n++;
	return n && s[n] == '=' ? n + 1 : 0;
}

/* Copies one ARG or value to *out (unescaped, enclosing brackets dropped) and returns
 * where it ends: at a `:word=` or at the end.  NULL for brackets that do not match and a
 * backslash with nothing behind it. */
static const char *take_value(const char *s, char **out)
{
	char *start = *out, *o = *out;
	const char *closed = NULL; /* where the first bracket was */
	const bool opened = *s == '[';
	bool bracket = false;

	for (; *s; s++) {
		if (*s == '\\') {
			if (!*++s)
				return NULL;
			*o++ = *s;
			continue;
		}
		if (*s == ':' && !bracket && pl_endpoint_key_at(s + 1))
			break;
		if (*s == '[' && !bracket) {
			bracket = true;
		} else if (*s == ']' && bracket) {
			bracket = false;
			closed = closed ? closed : o;
		}
		*o++ = *s;
	}
	if (bracket)
		return NULL;
	if (opened && closed == o - 1) {
		memmove(start, start + 1, (size_t)(o - start) - 2);
		o -= 2;
	}
	*o++ = '\0';
	*out = o;
	return s;
}

static size_t count_options(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += *s == ':';
	return n; /* at most: a colon need not begin a key */
}

static int take_options(struct pl_endpoint *ep, const char *s, char *out,
                        struct pl_error *err)
{
	while (*s) {
		const size_t key_len = pl_endpoint_key_at(++s);
		struct option *o = &ep->options[ep->options_len];

		o->key = out;
		memcpy(out, s, key_len - 1);
		out[key_len - 1] = '\0';
		out += key_len;
		o->value = out;
		if (pl_endpoint_str(ep, o->key))
			return pl_fail(err, -EINVAL, "%s: %s is given twice", ep->text,
			               o->key);
		s = take_value(s + key_len, &out);
		if (!s)
			return pl_fail(err, -EINVAL,
			               "%s: %s: a [ without ], or a \\ at the end",
			               ep->text, o->key);
		ep->options_len++;
	}
	return 0;
}

struct pl_endpoint *pl_endpoint_parse(const char *text, struct pl_error *err)
{
	const size_t len = strlen(text), n = count_options(text);
	const char *colon = strchr(text, ':');
	struct pl_endpoint *ep;
	char *copy, *out;

	if (!colon || colon == text) {
		pl_fail(err, -EINVAL,
		        "%s: an endpoint is TYPE:ARG[:KEY=VALUE]..., as in tcp:1234", text);
		return NULL;
	}
	/* Cut up it is never longer than as written: each colon makes room for a NUL. */
	ep = calloc(1, sizeof *ep + n * sizeof ep->options[0] + 2 * (len + 2));
	if (!ep) {
		pl_fail(err, -ENOMEM, "%s: out of memory", text);
		return NULL;
	}
	copy = (char *)&ep->options[n];
	memcpy(copy, text, len + 1);
	out = copy + len + 1;
	ep->refs = 1;
	ep->text = copy;
	ep->type = out;
	memcpy(out, text, (size_t)(colon - text));
	out += colon - text + 1;
	ep->arg = out;
	text = take_value(colon + 1, &out);
	if (!text) {
		pl_fail(err, -EINVAL, "%s: a [ without ], or a \\ at the end", ep->text);
	} else if (take_options(ep, text, out, err) == 0) {
		return ep;
	}
	free(ep);
	return NULL;
}

struct pl_endpoint *pl_endpoint_ref(struct pl_endpoint *ep)
{
	ep->refs++;
	return ep;
}

void pl_endpoint_unref(struct pl_endpoint *ep)
{
	if (ep && --ep->refs == 0)
		free(ep);
}

/* --- values -------------------------------------------------------------------------------- */

const char *pl_endpoint_text(const struct pl_endpoint *ep)
{
	return ep->text;
}

const char *pl_endpoint_type(const struct pl_endpoint *ep)
{
	return ep->type;
}

const char *pl_endpoint_arg(const struct pl_endpoint *ep)
{
	return ep->arg;
}

const char *pl_endpoint_str(const struct pl_endpoint *ep, const char *key)
{
	for (size_t i = 0; i < ep->options_len; i++)
		if (strcmp(ep->options[i].key, key) == 0)
			return ep->options[i].value;
	return NULL;
}

bool pl_endpoint_option(const struct pl_endpoint *ep, size_t i, const char **key,
                        const char **value)
{
	if (i >= ep->options_len)
		return false;
	*key = ep->options[i].key;
	*value = ep->options[i].value;
	return true;
}

static int parse_int(const struct pl_endpoint *ep, const char *what, const char *text,
                     long min, long max, long *value, struct pl_error *err)
{
	char *end;

	errno = 0;
	const long n = strtol(text, &end, 10);

	/* strtol takes blanks and a plus sign; a number here is digits. */
	if ((*text != '-' && (*text < '0' || *text > '9')) || *end || errno || n < min ||
	    n > max)
		return pl_fail(err, -EINVAL, "%s: %s must be %ld..%ld", ep->text, what,
		               min, max);
	*value = n;
	return 0;
}

int pl_endpoint_int(const struct pl_endpoint *ep, const char *key, long min, long max,
                    long fallback, long *value, struct pl_error *err)
{
	const char *text = pl_endpoint_str(ep, key);

	if (text)
		return parse_int(ep, key, text, min, max, value, err);
	*value = fallback;
	return 0;
}

int pl_endpoint_arg_int(const struct pl_endpoint *ep, const char *what, long min,
                        long max, long *value, struct pl_error *err)
{
	return parse_int(ep, what, ep->arg, min, max, value, err);
}

/* The place of a word in "one|two|three", or -1. */
int pl_endpoint_find_choice(const char *choices, const char *word)
{
	const size_t len = strlen(word);

	for (int i = 0;; i++) {
		const size_t n = strcspn(choices, "|");

		if (n == len && memcmp(choices, word, n) == 0)
			return i;
		if (!choices[n])
			return -1;
		choices += n + 1;
	}
}

int pl_endpoint_choice(const struct pl_endpoint *ep, const char *key, const char *choices,
                       int fallback, int *value, struct pl_error *err)
{
	const char *text = pl_endpoint_str(ep, key);
	const int place = text ? pl_endpoint_find_choice(choices, text) : fallback;

	if (place < 0)
		return pl_fail(err, -EINVAL, "%s: %s must be one of %s", ep->text, key,
		               choices);
	*value = place;
	return 0;
}

int pl_endpoint_bool(const struct pl_endpoint *ep, const char *key, bool fallback,
                     bool *value, struct pl_error *err)
{
	const char *text = pl_endpoint_str(ep, key);
	const int place =
		text ? pl_endpoint_find_choice("no|yes|off|on|false|true|0|1", text)
		     : fallback;

	if (place < 0)
		return pl_fail(err, -EINVAL, "%s: %s must be yes or no", ep->text, key);
	*value = place & 1;
	return 0;
}

int pl_endpoint_mode(const struct pl_endpoint *ep, mode_t *mode, struct pl_error *err)
{
	const char *text = pl_endpoint_str(ep, "mode");
	char *end;

	*mode = 0600;
	if (!text)
		return 0;
	const unsigned long value = strtoul(text, &end, 8);

	if (*text < '0' || *text > '7' || *end || value > 0777)
		return pl_fail(err, -EINVAL, "%s: mode must be 0..777, in octal", ep->text);
	*mode = (mode_t)value;
	return 0;
}
