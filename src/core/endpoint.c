/* endpoint.c: endpoint strings, and the ports that are made from them.
 *
 * One scanner for the grammar of endpoint.h, one place for each kind of value with its
 * range and its sentence.  It knows no transport: what may be written is read from the
 * usage strings. */
#include "core.h"
#include <partyline/transport_impl.h>

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
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
	struct option options[];
};

/* --- the grammar ------------------------------------------------------------------------ */

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* The length of `word=` behind a colon, 0 when there is none. */
static size_t key_at(const char *s)
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
	bool bracket = false, enclosed = *s == '[';

	for (; *s; s++) {
		if (*s == '\\') {
			if (!*++s)
				return NULL;
			*o++ = *s;
			continue;
		}
		if (*s == ':' && !bracket && key_at(s + 1))
			break;
		if (*s == '[' && !bracket)
			bracket = true;
		else if (*s == ']' && bracket)
			bracket = false;
		*o++ = *s;
	}
	if (bracket)
		return NULL;
	if (enclosed && o[-1] == ']') {
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
		const size_t key_len = key_at(++s);
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
static int find_choice(const char *choices, const char *word)
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
	const int place = text ? find_choice(choices, text) : fallback;

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
		text ? find_choice("no|yes|off|on|false|true|0|1", text) : fallback;

	if (place < 0)
		return pl_fail(err, -EINVAL, "%s: %s must be yes or no", ep->text, key);
	*value = place & 1;
	return 0;
}

/* --- whose keys ------------------------------------------------------------------------------ */

/* Calls found(arg, key, len) for each `:key=` of a usage string until it returns true.
 * What stands behind the `=`, up to the `]`, follows key in the same string. */
static bool each_key(const char *usage,
                     bool (*found)(void *arg, const char *key, size_t len), void *arg)
{
	for (const char *s = usage; s && *s; s++) {
		const size_t n = *s == ':' ? key_at(s + 1) : 0;

		if (n && found(arg, s + 1, n - 1))
			return true;
	}
	return false;
}

struct wanted {
	const char *key;
	const char *values; /* where it was found: what may follow, and more */
};

static bool is_wanted(void *arg, const char *key, size_t len)
{
	struct wanted *w = arg;

	if (strlen(w->key) != len || memcmp(w->key, key, len) != 0)
		return false;
	w->values = key + len + 1;
	return true;
}

/* Where the usage string says `key=one|two|three` the value is one of these; what else it
 * may be is for whoever reads the key to say, as with yes|no, which has synonyms. */
static int check_value(const struct pl_endpoint *ep, const struct option *o,
                       const char *values, struct pl_error *err)
{
	const size_t len = strcspn(values, "]");
	char choices[80];

	if (!memchr(values, '|', len) || len >= sizeof choices ||
	    strspn(values, "abcdefghijklmnopqrstuvwxyz|") < len)
		return 0;
	memcpy(choices, values, len);
	choices[len] = '\0';
	if (strcmp(choices, "yes|no") == 0 || strcmp(choices, "on|off") == 0 ||
	    find_choice(choices, o->value) >= 0)
		return 0;
	return pl_fail(err, -EINVAL, "%s: %s must be one of %s", ep->text, o->key, choices);
}

struct list {
	char text[120];
	size_t len;
};

static bool add_to_list(void *arg, const char *key, size_t len)
{
	struct list *l = arg;

	if (l->len + len + 3 < sizeof l->text)
		l->len += (size_t)snprintf(l->text + l->len, sizeof l->text - l->len,
		                           "%s%.*s", l->len ? ", " : "", (int)len, key);
	return false;
}

static int check_keys(const struct pl_endpoint *ep, const struct pl_backend *b,
                      const struct pl_factory *f, struct pl_error *err)
{
	for (size_t i = 0; i < ep->options_len; i++) {
		struct wanted w = { .key = ep->options[i].key };
		struct list accepted = { .len = 0 };
		int code;

		if (each_key(b->usage, is_wanted, &w) ||
		    each_key(f->ops->usage, is_wanted, &w)) {
			code = check_value(ep, &ep->options[i], w.values, err);
			if (code)
				return code;
			continue;
		}
		each_key(b->usage, add_to_list, &accepted);
		each_key(f->ops->usage, add_to_list, &accepted);
		return pl_fail(err, -EINVAL, "%s: there is no %s=; there is %s", ep->text,
		               w.key, accepted.len ? accepted.text : "none at all");
	}
	return 0;
}

static const struct pl_backend *find_backend(const struct pl_endpoint *ep,
                                             struct pl_error *err)
{
	struct list types = { .len = 0 };

	for (size_t i = 0; pl_backends[i]; i++) {
		if (strcmp(pl_backends[i]->type, ep->type) == 0)
			return pl_backends[i];
		add_to_list(&types, pl_backends[i]->type, strlen(pl_backends[i]->type));
	}
	pl_fail(err, -EINVAL, "%s: there is no '%s'; there is %s", ep->text, ep->type,
	        types.text);
	return NULL;
}

/* Broken before a key where the line would be too long for a screen. */
static void print_usage(const char *usage)
{
	enum { INDENT = 2, MORE = 6, WIDTH = 79 };
	size_t column = INDENT;

	printf("%*s", INDENT, "");
	for (size_t len; *usage; usage += len, column += len) {
		const char *next = strstr(usage + 1, "[:");

		len = next ? (size_t)(next - usage) : strlen(usage);
		if (column + len > WIDTH && column > MORE) {
			printf("\n%*s", MORE, "");
			column = MORE;
		}
		printf("%.*s", (int)len, usage);
	}
	putchar('\n');
}

void pl_print_endpoint_usage(const struct pl_factory *f)
{
	for (size_t i = 0; pl_backends[i]; i++) {
		if (!pl_backends[i]->help)
			continue;
		print_usage(pl_backends[i]->usage);
		printf("        %s\n", pl_backends[i]->help);
	}
	if (f->ops->usage) {
		puts("  all of them also take");
		print_usage(f->ops->usage);
	}
}

/* --- ports -------------------------------------------------------------------------------------- */

static int check_with_factory(struct pl_endpoint *ep, struct pl_factory *f,
                              struct pl_error *err)
{
	const struct pl_peer nobody = { .type = ep->type, .name = "", .endpoint = ep };
	struct pl_error why = { .text = "" };
	const int code = f->ops->check ? f->ops->check(f, &nobody, &why) : 0;

	return code ? pl_fail(err, code, "%s: %s", ep->text, why.text) : 0;
}

struct pl_port *pl_listen(struct pl_reactor *r, const char *endpoint,
                          struct pl_factory *f, struct pl_error *err)
{
	struct pl_endpoint *ep = pl_endpoint_parse(endpoint, err);
	const struct pl_backend *backend;
	struct pl_port *port = NULL;

	if (!ep)
		return NULL;
	backend = find_backend(ep, err);
	if (backend && check_keys(ep, backend, f, err) == 0 &&
	    check_with_factory(ep, f, err) == 0 &&
	    backend->listen(r, ep, f, &port, err) < 0)
		port = NULL;
	pl_endpoint_unref(ep);
	return port;
}

static void on_ending(struct pl_timer *t)
{
	struct pl_port *p = pl_container_of(t, struct pl_port, ending);

	pl_port_finish(p);
	p->ops->destroy(p);
}

void pl_port_init(struct pl_port *p, const struct pl_port_ops *ops, struct pl_reactor *r,
                  struct pl_endpoint *ep, struct pl_factory *f)
{
	*p = (struct pl_port){
		.ops = ops,
		.reactor = r,
		.endpoint = pl_endpoint_ref(ep),
		.factory = f,
		.next = r->ports,
		.link = &r->ports,
		.ending = { .fn = on_ending },
	};
	if (p->next)
		p->next->link = &p->next;
	r->ports = p;
}

static int set_text(char **to, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*to);
	*to = copy;
	return 0;
}

int pl_port_describe(struct pl_port *p, const char *name, const char *place,
                     const char *command, const char *remark)
{
	if (set_text(&p->name, name) || set_text(&p->place, place) ||
	    set_text(&p->command, command) || set_text(&p->remark, remark))
		return -ENOMEM;
	return 0;
}

void pl_port_finish(struct pl_port *p)
{
	*p->link = p->next;
	if (p->next)
		p->next->link = p->link;
	pl_timer_cancel(&p->ending);
	pl_endpoint_unref(p->endpoint);
	free(p->name);
	free(p->place);
	free(p->command);
	free(p->remark);
}

void pl_port_release(struct pl_port *p)
{
	assert(p->stopped);
	pl_call_later(p->reactor, &p->ending, 0);
}

void pl_port_stop(struct pl_port *p)
{
	if (p->stopped)
		return;
	p->stopped = true;
	p->ops->stop(p);
}

bool pl_end_all(struct pl_reactor *r)
{
	for (struct pl_port *p = r->ports; p; p = p->next)
		pl_port_stop(p);
	pl_abort_all(r, -ECANCELED);
	return r->ports || r->transports;
}

struct pl_port *pl_port_find(struct pl_reactor *r, const char *type, const char *arg)
{
	for (struct pl_port *p = r->ports; p; p = p->next)
		if (!p->stopped && strcmp(p->endpoint->type, type) == 0 &&
		    strcmp(p->endpoint->arg, arg) == 0)
			return p;
	return NULL;
}

const char *pl_port_name(const struct pl_port *p)
{
	return p->name;
}

const char *pl_port_type(const struct pl_port *p)
{
	return p->endpoint->type;
}

const char *pl_port_place(const struct pl_port *p)
{
	return p->place;
}

const char *pl_port_command(const struct pl_port *p)
{
	return p->command;
}

const char *pl_port_remark(const struct pl_port *p)
{
	return p->remark;
}
