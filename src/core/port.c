/* port.c: from an endpoint to a port, and the ports of a reactor.
 *
 * It knows no transport: what may be written in an endpoint is read from the usage strings
 * of backend and factory, which are shown to people as they are. */
#include "core.h"
#include <partyline/transport_impl.h>

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- whose keys ------------------------------------------------------------------------------ */

/* Calls found(arg, key, len) for each `:key=` of a usage string until it returns true.
 * What stands behind the `=`, up to the `]`, follows key in the same string. */
static bool each_key(const char *usage,
                     bool (*found)(void *arg, const char *key, size_t len), void *arg)
{
	for (const char *s = usage; s && *s; s++) {
		const size_t n = *s == ':' ? pl_endpoint_key_at(s + 1) : 0;

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
static int check_value(const struct pl_endpoint *ep, const char *key, const char *value,
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
	    pl_endpoint_find_choice(choices, value) >= 0)
		return 0;
	return pl_fail(err, -EINVAL, "%s: %s must be one of %s", pl_endpoint_text(ep),
	               key, choices);
}

struct list {
	char text[160];
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
	const char *key, *value;

	for (size_t i = 0; pl_endpoint_option(ep, i, &key, &value); i++) {
		struct wanted w = { .key = key };
		struct list accepted = { .len = 0 };
		int code;

		if (each_key(b->usage, is_wanted, &w) ||
		    each_key(f->ops->usage, is_wanted, &w) ||
		    each_key(PL_LIMITS_USAGE, is_wanted, &w)) {
			code = check_value(ep, key, value, w.values, err);
			if (code)
				return code;
			continue;
		}
		each_key(b->usage, add_to_list, &accepted);
		each_key(f->ops->usage, add_to_list, &accepted);
		each_key(PL_LIMITS_USAGE, add_to_list, &accepted);
		return pl_fail(err, -EINVAL, "%s: there is no %s=; there is %s",
		               pl_endpoint_text(ep), w.key,
		               accepted.len ? accepted.text : "none at all");
	}
	return 0;
}

static const struct pl_backend *find_backend(const struct pl_endpoint *ep,
                                             struct pl_error *err)
{
	struct list types = { .len = 0 };

	for (size_t i = 0; pl_backends[i]; i++) {
		if (strcmp(pl_backends[i]->type, pl_endpoint_type(ep)) == 0)
			return pl_backends[i];
		add_to_list(&types, pl_backends[i]->type, strlen(pl_backends[i]->type));
	}
	pl_fail(err, -EINVAL, "%s: there is no '%s'; there is %s", pl_endpoint_text(ep),
	        pl_endpoint_type(ep), types.text);
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
	puts("  all of them also take");
	if (f->ops->usage)
		print_usage(f->ops->usage);
	print_usage(PL_LIMITS_USAGE);
}

/* --- ports -------------------------------------------------------------------------------------- */

static int check_with_factory(struct pl_endpoint *ep, struct pl_factory *f,
                              struct pl_error *err)
{
	const struct pl_peer nobody = { .type = pl_endpoint_type(ep),
		                        .name = "",
		                        .endpoint = ep };
	struct pl_error why = { .text = "" };
	const int code = f->ops->check ? f->ops->check(f, &nobody, &why) : 0;

	return code ? pl_fail(err, code, "%s: %s", pl_endpoint_text(ep), why.text) : 0;
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
	    check_with_factory(ep, f, err) == 0 && pl_limits_parse(ep, err) == 0 &&
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
	r->end_all = pl_end_all;
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

struct pl_port *pl_port_next(struct pl_reactor *r, const struct pl_port *p)
{
	return p ? p->next : r->ports;
}

struct pl_port *pl_port_find(struct pl_reactor *r, const char *type, const char *arg)
{
	for (struct pl_port *p = r->ports; p; p = p->next)
		if (!p->stopped && strcmp(pl_endpoint_type(p->endpoint), type) == 0 &&
		    strcmp(pl_endpoint_arg(p->endpoint), arg) == 0)
			return p;
	return NULL;
}

const char *pl_port_name(const struct pl_port *p)
{
	return p->name;
}

const char *pl_port_type(const struct pl_port *p)
{
	return pl_endpoint_type(p->endpoint);
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
