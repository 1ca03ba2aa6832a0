#define _XOPEN_SOURCE 700 /* mkdtemp(), nftw() */
/* usbtree.c: see usbtree.h.  The links are laid as Linux lays them:
 *
 *     class/tty/ttyUSB0 -> ../../devices/usb1/ttyUSB0-adapter/if0/ttyUSB0/tty/ttyUSB0
 *                          there: device -> ../../../ttyUSB0
 *     class/tty/ttyACM0 -> ../../devices/usb1/ttyACM0-adapter/if0/tty/ttyACM0
 *                          there: device -> ../../../if0
 *
 * A folder or link that cannot be made ends the program. */
#include "usbtree.h"

#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void must(int result, const char *what)
{
	if (result >= 0)
		return;
	perror(what);
	abort();
}

/* root/..., in one of two places: a caller may need two at once. */
static const char *path_in(const char *root, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static const char *path_in(const char *root, const char *fmt, ...)
{
	static char paths[2][PATH_MAX];
	static int turn;
	char *path = paths[turn ^= 1];
	int len = snprintf(path, PATH_MAX, "%s/", root);
	va_list args;

	va_start(args, fmt);
	vsnprintf(path + len, (size_t)(PATH_MAX - len), fmt, args);
	va_end(args);
	return path;
}

/* With all the folders above it. */
static void make_folder(const char *path)
{
	char part[PATH_MAX];

	for (const char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s",
		         (int)(slash ? slash - path : (long)strlen(path)), path);
		mkdir(part, 0777);
		if (!slash)
			break;
	}
	must(access(path, F_OK), path);
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	must(file ? 0 : -1, path);
	fprintf(file, "%s\n", text);
	fclose(file);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void remove_tree(const char *path)
{
	must(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), path);
}

void usbtree_create(struct usbtree *t)
{
	snprintf(t->root, sizeof(t->root), "/tmp/partyline-usb-XXXXXX");
	must(mkdtemp(t->root) ? 0 : -1, "mkdtemp");
	snprintf(t->sysfs, sizeof(t->sysfs), "%s/sys", t->root);
	snprintf(t->dev, sizeof(t->dev), "%s/dev", t->root);
	make_folder(t->dev);
	make_folder(path_in(t->sysfs, "class/tty"));
}

void usbtree_destroy(struct usbtree *t)
{
	remove_tree(t->root);
}

/* The tty's own folder, its link to its device, and its entry in the class. */
static void add_tty(struct usbtree *t, const char *tty, const char *parent,
                    const char *device)
{
	char target[PATH_MAX];

	snprintf(target, sizeof(target), "../../devices/%s/tty/%s", parent, tty);
	make_folder(path_in(t->sysfs, "devices/%s/tty/%s", parent, tty));
	must(symlink(device, path_in(t->sysfs, "devices/%s/tty/%s/device", parent, tty)),
	     tty);
	must(symlink(target, path_in(t->sysfs, "class/tty/%s", tty)), tty);
}

void usbtree_plug(struct usbtree *t, const char *tty, const char *id, const char *node)
{
	const int is_acm = strncmp(tty, "ttyACM", 6) == 0;
	char adapter[64], parent[128], device[64], text[5] = "";

	snprintf(adapter, sizeof(adapter), "usb1/%s-adapter", tty);
	snprintf(parent, sizeof(parent), "%s/if0%s%s", adapter, is_acm ? "" : "/",
	         is_acm ? "" : tty);
	snprintf(device, sizeof(device), "../../../%s", is_acm ? "if0" : tty);
	add_tty(t, tty, parent, device);
	write_file(path_in(t->sysfs, "devices/%s/idVendor", adapter), memcpy(text, id, 4));
	write_file(path_in(t->sysfs, "devices/%s/idProduct", adapter),
	           memcpy(text, id + 5, 4));
	if (id[9])
		write_file(path_in(t->sysfs, "devices/%s/serial", adapter), id + 10);
	if (node)
		must(symlink(node, path_in(t->dev, "%s", tty)), tty);
}

void usbtree_unplug(struct usbtree *t, const char *tty)
{
	must(unlink(path_in(t->sysfs, "class/tty/%s", tty)), tty);
	remove_tree(path_in(t->sysfs, "devices/usb1/%s-adapter", tty));
	unlink(path_in(t->dev, "%s", tty));
}

void usbtree_add_builtin(struct usbtree *t, const char *tty)
{
	char parent[64], device[64];

	snprintf(parent, sizeof(parent), "platform/%s-chip", tty);
	snprintf(device, sizeof(device), "../../../%s-chip", tty);
	add_tty(t, tty, parent, device);
}
