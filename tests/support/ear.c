/* ear.c: see ear.h. */
#include "ear.h"

#include <stdlib.h>
#include <unistd.h>

static void hear(struct pl_watch *w, unsigned events)
{
	struct ear *e = pl_container_of(w, struct ear, watch);

	scene_note(e->scene, "%c%s%s%s%s", e->letter, events & PL_READ ? "r" : "",
	           events & PL_WRITE ? "w" : "", events & PL_HANGUP ? "h" : "",
	           events & PL_ERROR ? "e" : "");
	if (e->then)
		e->then(e);
}

struct ear *ear_new(struct scene *s, char letter)
{
	struct ear *e = calloc(1, sizeof(*e));
	int ends[2];

	if (!e || pipe(ends) < 0)
		abort();
	e->watch.fn = hear;
	e->watch.fd = ends[0];
	e->in = ends[1];
	e->scene = s;
	e->letter = letter;
	return e;
}

void ear_close(struct ear *e)
{
	pl_watch_stop(&e->watch);
	if (e->watch.fd >= 0)
		close(e->watch.fd);
	if (e->in >= 0)
		close(e->in);
	e->watch.fd = e->in = -1;
}

void ear_free(struct ear *e)
{
	ear_close(e);
	free(e);
}

void ear_set(struct ear *e, unsigned wants)
{
	if (pl_watch_set(e->scene->reactor, &e->watch, wants) < 0)
		abort();
}

void ear_tell(struct ear *e)
{
	if (write(e->in, "x", 1) != 1)
		abort();
}

void ear_read_it(struct ear *e)
{
	char c[64];

	if (read(e->watch.fd, c, sizeof(c)) < 0)
		abort();
}
