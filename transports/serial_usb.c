#define _XOPEN_SOURCE 700 /* realpath() */
/* serial_usb.c: USB serial ports, as sysfs shows them.
 *
 * A tty is one if its device link leads to a place below a directory with an idVendor:
 * the adapter, one level above an ACM interface and two above a usb-serial port.  Plain
 * files of some bytes are read; nothing is opened as a device (sp_list_ports() would, and
 * raise DTR on every port of the machine). */
#include "serial_port.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Exactly four hexadecimal digits. */
static bool parse_id(const char *text, unsigned *id)
{
	char digits[5] = "";

	for (size_t i = 0; i < 4; i++) {
		if (!isxdigit((unsigned char)text[i]))
			return false;
		digits[i] = text[i];
	}
	*id = (unsigned)strtoul(digits, NULL, 16);
	return true;
}

bool pl_serial_usb_parse(const char *text, struct pl_serial_usb *usb)
{
	*usb = (struct pl_serial_usb){ .tty = "" };
	if (!parse_id(text, &usb->vendor) || text[4] != ':' ||
	    !parse_id(text + 5, &usb->product))
		return false;
	if (text[9] == '\0')
		return true;
	if (text[9] != ':' || text[10] == '\0' || strlen(text + 10) >= sizeof usb->serial)
		return false;
	snprintf(usb->serial, sizeof usb->serial, "%s", text + 10);
	return true;
}

/* The first line of dir/name, without what a terminal could take for a command. */
static bool read_attribute(const char *dir, const char *name, char *value, size_t size)
{
	char path[PATH_MAX];
	ssize_t n;
	int fd;

	if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, value, size - 1);
	close(fd);
	if (n < 0)
		return false;
	value[n] = '\0';
	value[strcspn(value, "\n")] = '\0';
	for (char *c = value; *c; c++)
		if (!isprint((unsigned char)*c))
			*c = '?';
	return true;
}

int pl_serial_usb_read(const char *sysfs, const char *tty, struct pl_serial_usb *usb)
{
	char link[PATH_MAX], dir[PATH_MAX], vendor[8], product[8];

	*usb = (struct pl_serial_usb){ .tty = "" };
	if ((strncmp(tty, "ttyUSB", 6) != 0 && strncmp(tty, "ttyACM", 6) != 0) ||
	    strlen(tty) >= sizeof usb->tty)
		return -ENOENT;
	if (snprintf(link, sizeof link, "%s/class/tty/%s/device", sysfs, tty) >=
	            (int)sizeof link ||
	    !realpath(link, dir))
		return -ENOENT;
	while (!read_attribute(dir, "idVendor", vendor, sizeof vendor)) {
		char *last = strrchr(dir, '/');

		if (!last || last == dir)
			return -ENOENT;
		*last = '\0';
	}
	if (!parse_id(vendor, &usb->vendor) ||
	    !read_attribute(dir, "idProduct", product, sizeof product) ||
	    !parse_id(product, &usb->product))
		return -ENOENT;
	if (!read_attribute(dir, "serial", usb->serial, sizeof usb->serial))
		usb->serial[0] = '\0';
	snprintf(usb->tty, sizeof usb->tty, "%s", tty);
	return 0;
}

void pl_serial_usb_each(const char *sysfs, pl_serial_usb_fn *fn, void *arg)
{
	struct pl_serial_usb usb;
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	if (snprintf(path, sizeof path, "%s/class/tty", sysfs) >= (int)sizeof path)
		return;
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (!pl_serial_usb_read(sysfs, entry->d_name, &usb))
			fn(arg, &usb);
	closedir(dir);
}

static bool is_adapter(const struct pl_serial_usb *wanted, const struct pl_serial_usb *usb)
{
	return wanted->vendor == usb->vendor && wanted->product == usb->product &&
	       (!wanted->serial[0] || strcmp(wanted->serial, usb->serial) == 0);
}

struct search {
	const struct pl_serial_usb *wanted;
	struct pl_serial_usb *found;
};

/* ttyUSB2 comes before ttyUSB10. */
static bool comes_before(const char *a, const char *b)
{
	const size_t a_len = strlen(a), b_len = strlen(b);

	return a_len != b_len ? a_len < b_len : strcmp(a, b) < 0;
}

static void look_at(void *arg, const struct pl_serial_usb *usb)
{
	struct search *s = arg;

	if (is_adapter(s->wanted, usb) &&
	    (!s->found->tty[0] || comes_before(usb->tty, s->found->tty)))
		*s->found = *usb;
}

int pl_serial_usb_find(const char *sysfs, const struct pl_serial_usb *wanted,
                       struct pl_serial_usb *found)
{
	*found = (struct pl_serial_usb){ .tty = "" };
	pl_serial_usb_each(sysfs, look_at, &(struct search){ wanted, found });
	return found->tty[0] ? 0 : -ENOENT;
}

static bool names(const char *pattern, const struct pl_serial_usb *usb, const char *path)
{
	struct pl_serial_usb wanted;

	if (pl_serial_usb_parse(pattern, &wanted))
		return is_adapter(&wanted, usb);
	return fnmatch(pattern, path, 0) == 0 || fnmatch(pattern, usb->tty, 0) == 0;
}

bool pl_serial_usb_listed(const char *patterns, const struct pl_serial_usb *usb,
                          const char *path)
{
	char pattern[PATH_MAX];

	while (patterns && *patterns) {
		const size_t len = strcspn(patterns, ",");

		if (len < sizeof pattern) {
			memcpy(pattern, patterns, len);
			pattern[len] = '\0';
			if (names(pattern, usb, path))
				return true;
		}
		patterns += len + (patterns[len] == ',');
	}
	return false;
}
