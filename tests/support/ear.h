/* ear.h: a pipe with a watch at its reading end, which writes down what it hears:
 * "ar" for ear a and READ, "arh" with HANGUP. */
#ifndef TESTS_EAR_H
#define TESTS_EAR_H

#include "scene.h"

struct ear {
	struct pl_watch watch;
	struct scene *scene;
	char letter;
	int in; /* where to write so that the watch hears */
	void (*then)(struct ear *e);
	struct ear *other;
};

struct ear *ear_new(struct scene *s, char letter);
void ear_close(struct ear *e); /* stops the watch */
void ear_free(struct ear *e);
void ear_set(struct ear *e, unsigned wants);
void ear_tell(struct ear *e);    /* writes a byte into the pipe */
void ear_read_it(struct ear *e); /* and reads what there is */

#endif
