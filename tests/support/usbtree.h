/* usbtree.h: a made-up machine with USB serial adapters that come and go. */
#ifndef TESTS_USBTREE_H
#define TESTS_USBTREE_H

/* Two folders below a new one: what /sys and /dev are on a real machine. */
struct usbtree {
	char root[64], sysfs[80], dev[80];
};

void usbtree_create(struct usbtree *t);
void usbtree_destroy(struct usbtree *t); /* with all that is in it */

/* An adapter "VID:PID" or "VID:PID:SERIAL" appears as tty ("ttyUSB0", "ttyACM0"); its
 * node in /dev leads to node, unless that is NULL. */
void usbtree_plug(struct usbtree *t, const char *tty, const char *id, const char *node);
void usbtree_unplug(struct usbtree *t, const char *tty);

/* A port that is part of the machine, below a device of another kind. */
void usbtree_add_builtin(struct usbtree *t, const char *tty);

#endif
