#define _GNU_SOURCE /* posix_openpt(), ptsname_r(), cfmakeraw() */
/* far.c: see far.h. */
#include "far.h"

#include "faults.h"
#include "loopback.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <partyline/transport_impl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>
#ifdef PARTYLINE_HAVE_SERIAL
#include "../../transports/serial_port.h"
#include "usbtree.h"
#endif

static void must(int result, const char *what)
{
	if (result >= 0)
		return;
	perror(what);
	abort();
}

/* A path of this process in the folder for temporary files. */
static const char *path_of(const char *kind)
{
	static char path[80];

	snprintf(path, sizeof(path), "/tmp/partyline-%ld.%s", (long)getpid(), kind);
	return path;
}

static const char *endpoint_of(const char *type, const char *arg, const char *options)
{
	static char text[200];

	snprintf(text, sizeof(text), "%s:%s%s", type, arg, options);
	return text;
}

static void nothing(void)
{
}

static void close_fd(struct far *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

/* --- mem -------------------------------------------------------------------------------- */

static struct far *far_of(struct pl_protocol *p)
{
	return pl_container_of(p, struct far, protocol);
}

static void far_made(struct pl_protocol *p)
{
	far_of(p)->made = true;
}

static void show(struct far *f, const char *data, size_t len)
{
	if (len > sizeof(f->screen) - 1 - f->len)
		len = sizeof(f->screen) - 1 - f->len;
	memcpy(f->screen + f->len, data, len);
	f->len += len;
	f->screen[f->len] = '\0';
}

static void far_data(struct pl_protocol *p, const char *data, size_t len)
{
	show(far_of(p), data, len);
}

static void far_lost(struct pl_protocol *p, int reason)
{
	far_of(p)->ended = true;
	far_of(p)->reason = reason;
}

static struct pl_protocol *far_build(struct pl_factory *factory, const struct pl_peer *peer)
{
	(void)peer;
	return &pl_container_of(factory, struct far, factory)->protocol;
}

static const struct pl_protocol_ops far_ops = {
	.connection_made = far_made,
	.data_received = far_data,
	.connection_lost = far_lost,
};

static const struct pl_factory_ops far_factory_ops = { .build_protocol = far_build };

static int come_by_mem(struct far *f, struct pl_world *w, const struct pl_port *port)
{
	int code;

	f->protocol.ops = &far_ops;
	f->factory.ops = &far_factory_ops;
	faults_on();
	code = pl_mem_connect(pl_world_reactor(w), pl_port_place(port), &f->factory, NULL);
	faults_off();
	return code;
}

static void hang_up_mem(struct far *f)
{
	if (!f->made || f->ended)
		return;
	faults_on();
	pl_abort(f->protocol.transport, 0);
	faults_off();
}

static const char *mem_endpoint(void)
{
	return "mem:room:rate=50,3"; /* so that lines wait for their turn */
}

static const char *mem_edit_endpoint(void)
{
	return "mem:room:edit=on";
}

static const char *lobby_endpoint(void)
{
	return "mem:lobby";
}

/* --- sockets ---------------------------------------------------------------------------- */

static int come_by_socket(struct far *f, int family, int type, const struct sockaddr *to,
                          socklen_t len)
{
	f->fd = socket(family, type, 0);
	must(f->fd, "socket");
	if (connect(f->fd, to, len) == 0 && pl_set_nonblocking(f->fd) == 0)
		return 0;
	close_fd(f);
	return -1;
}

static int come_by_tcp(struct far *f, struct pl_world *w, const struct pl_port *port)
{
	const struct sockaddr_in to = loopback_address(pl_port_name(port));
	const int on = 1;

	(void)w;
	if (come_by_socket(f, AF_INET, SOCK_STREAM, (const struct sockaddr *)&to,
	                   sizeof(to)) < 0)
		return -1;
	/* Or his second line would wait for the server's delayed acknowledgement. */
	setsockopt(f->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return 0;
}

static int come_by_udp(struct far *f, struct pl_world *w, const struct pl_port *port)
{
	const struct sockaddr_in to = loopback_address(pl_port_name(port));

	(void)w;
	return come_by_socket(f, AF_INET, SOCK_DGRAM, (const struct sockaddr *)&to,
	                      sizeof(to));
}

static struct sockaddr_un unix_address(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const char *path = path_of("sock");

	memcpy(to.sun_path, path, strlen(path) + 1);
	return to;
}

static int come_by_unix(struct far *f, struct pl_world *w, const struct pl_port *port)
{
	const struct sockaddr_un to = unix_address();

	(void)w, (void)port;
	return come_by_socket(f, AF_UNIX, SOCK_STREAM, (const struct sockaddr *)&to,
	                      sizeof(to));
}

/* What a server that was killed leaves behind. */
static void leave_a_socket(void)
{
	const struct sockaddr_un at = unix_address();
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	must(fd, "socket");
	unlink(at.sun_path);
	must(bind(fd, (const struct sockaddr *)&at, sizeof(at)), "bind");
	close(fd);
}

/* With a reset, where there is such a thing. */
static void hang_up_socket(struct far *f)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(f->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close_fd(f);
}

static void remove_socket(void)
{
	unlink(path_of("sock"));
}

static const char *tcp_endpoint(void)
{
	return "tcp:0";
}

static const char *udp_endpoint(void)
{
	return "udp:0";
}

static const char *udp_door_endpoint(void)
{
	return "udp:0:verify=always:trust=10.0.0.0/8";
}

static const char *unix_endpoint(void)
{
	return endpoint_of("unix", path_of("sock"), "");
}

/* --- pty -------------------------------------------------------------------------------- */

static void leave_a_link(void)
{
	unlink(path_of("tty"));
	must(symlink("/dev/pts/4000000", path_of("tty")), "symlink");
}

static int come_by_pty(struct far *f, struct pl_world *w, const struct pl_port *port)
{
	(void)w, (void)port;
	f->fd = open(path_of("tty"), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	return f->fd < 0 ? -1 : 0;
}

static void remove_link(void)
{
	unlink(path_of("tty"));
}

static const char *pty_endpoint(void)
{
	const struct group *group = getgrgid(getgid());
	char options[100] = "";

	if (group)
		snprintf(options, sizeof(options), ":group=%s", group->gr_name);
	return endpoint_of("pty", path_of("tty"), options);
}

/* --- serial ------------------------------------------------------------------------------ */

#ifdef PARTYLINE_HAVE_SERIAL
/* A pty: the cable's other end, and a hold on the tty, so that its other end does not see
 * the server open and close it. */
static int cable_end = -1, cable_tty = -1;
static struct usbtree tree;
static struct pl_serial_roots roots;
static bool by_usb, adapter_shows;

/* The adapter's node leads to the cable, and it is in sysfs or it is not: the link in
 * class/tty is all that is looked for. */
static void show_adapter(bool there)
{
	char in_sysfs[120], aside[120];

	snprintf(in_sysfs, sizeof(in_sysfs), "%s/class/tty/ttyUSB0", tree.sysfs);
	snprintf(aside, sizeof(aside), "%s/class/ttyUSB0", tree.sysfs);
	if (there != adapter_shows)
		must(there ? rename(aside, in_sysfs) : rename(in_sysfs, aside), aside);
	adapter_shows = there;
}

static void plug(void)
{
	char name[64];
	struct termios t;

	cable_end = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	must(cable_end, "posix_openpt");
	must(grantpt(cable_end), "grantpt");
	must(unlockpt(cable_end), "unlockpt");
	must(-ptsname_r(cable_end, name, sizeof(name)), "ptsname");
	cable_tty = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	must(cable_tty, name);
	must(tcgetattr(cable_tty, &t), "tcgetattr");
	cfmakeraw(&t);
	must(tcsetattr(cable_tty, TCSANOW, &t), "tcsetattr");
	must(symlink(name, path_of("line")), "symlink");
	if (by_usb)
		show_adapter(true);
}

static void unplug(void)
{
	if (cable_end < 0)
		return;
	close(cable_end);
	close(cable_tty);
	cable_end = cable_tty = -1;
	unlink(path_of("line"));
	if (by_usb)
		show_adapter(false);
}

static void lay_cable(void)
{
	by_usb = false;
	unlink(path_of("line"));
	roots = (struct pl_serial_roots){ .sysfs = "/sys", .dev = "/dev" };
	plug();
}

static void remove_tree(void)
{
	usbtree_destroy(&tree);
}

static void lay_usb_cable(void)
{
	by_usb = true;
	if (!tree.root[0]) {
		usbtree_create(&tree);
		usbtree_plug(&tree, "ttyUSB0", "0403:6001:X1", path_of("line"));
		adapter_shows = true;
		atexit(remove_tree);
	}
	roots = (struct pl_serial_roots){ .sysfs = tree.sysfs, .dev = tree.dev };
	plug();
}

static int come_by_serial(struct far *f, struct pl_world *w, const struct pl_port *port)
{
	(void)w, (void)port;
	if (cable_end < 0)
		plug();
	f->fd = cable_end;
	return 0;
}

static void pull_out(struct far *f)
{
	f->fd = -1;
	unplug();
}

static const char *serial_endpoint(void)
{
	return endpoint_of("serial", path_of("line"), "");
}

static const char *serial_auto_endpoint(void)
{
	return "serial:auto:carrier=yes:baudrate=9600";
}
#endif

/* --- the wires ---------------------------------------------------------------------------- */

const struct wire wire_lobby = {
	.name = "lobby",
	.endpoint = lobby_endpoint,
	.prepare = nothing,
	.come = come_by_mem,
	.hang_up = hang_up_mem,
	.tidy = nothing,
};

static const struct wire wire_mem = {
	.name = "mem",
	.leaves_trace = true,
	.endpoint = mem_endpoint,
	.prepare = nothing,
	.come = come_by_mem,
	.hang_up = hang_up_mem,
	.tidy = nothing,
};

static const struct wire wire_mem_edit = {
	.name = "mem_edit",
	.editing = true,
	.leaves_trace = true,
	.endpoint = mem_edit_endpoint,
	.prepare = nothing,
	.come = come_by_mem,
	.hang_up = hang_up_mem,
	.tidy = nothing,
};

static const struct wire wire_tcp = {
	.name = "tcp",
	.leaves_trace = true,
	.endpoint = tcp_endpoint,
	.prepare = nothing,
	.come = come_by_tcp,
	.hang_up = hang_up_socket,
	.tidy = nothing,
};

static const struct wire wire_udp = {
	.name = "udp",
	.knocks = true,
	.endpoint = udp_endpoint,
	.prepare = nothing,
	.come = come_by_udp,
	.hang_up = close_fd,
	.tidy = nothing,
};

static const struct wire wire_udp_door = {
	.name = "udp_door",
	.knocks = true,
	.proves = true,
	.endpoint = udp_door_endpoint,
	.prepare = nothing,
	.come = come_by_udp,
	.hang_up = close_fd,
	.tidy = nothing,
};

static const struct wire wire_unix = {
	.name = "unix",
	.leaves_trace = true,
	.endpoint = unix_endpoint,
	.prepare = leave_a_socket,
	.come = come_by_unix,
	.hang_up = close_fd,
	.tidy = remove_socket,
};

static const struct wire wire_pty = {
	.name = "pty",
	.editing = true,
	.getty = true,
	.endpoint = pty_endpoint,
	.prepare = leave_a_link,
	.come = come_by_pty,
	.hang_up = close_fd,
	.tidy = remove_link,
};

#ifdef PARTYLINE_HAVE_SERIAL
static const struct wire wire_serial = {
	.name = "serial",
	.editing = true,
	.getty = true,
	.endpoint = serial_endpoint,
	.prepare = lay_cable,
	.come = come_by_serial,
	.hang_up = pull_out,
	.tidy = unplug,
};

static const struct wire wire_serial_auto = {
	.name = "serial_auto",
	.editing = true,
	.getty = true,
	.endpoint = serial_auto_endpoint,
	.prepare = lay_usb_cable,
	.come = come_by_serial,
	.hang_up = pull_out,
	.tidy = unplug,
};
#endif

const struct wire *const wires[] = {
	&wire_mem,      &wire_mem_edit,    &wire_tcp, &wire_udp,
	&wire_udp_door, &wire_unix,        &wire_pty,
#ifdef PARTYLINE_HAVE_SERIAL
	&wire_serial,   &wire_serial_auto,
#endif
	NULL,
};

const struct wire *wire_find(const char *name)
{
	for (size_t i = 0; wires[i]; i++)
		if (strcmp(wires[i]->name, name) == 0)
			return wires[i];
	return NULL;
}

struct pl_port *wire_listen(const struct wire *wire, struct pl_reactor *r,
                            struct pl_factory *f, struct pl_error *err)
{
#ifdef PARTYLINE_HAVE_SERIAL
	struct pl_port *port = NULL;
	struct pl_endpoint *ep;

	if (wire->getty && wire != &wire_pty) {
		ep = pl_endpoint_parse(wire->endpoint(), err);
		if (ep && pl_serial_listen(r, ep, f, &roots, &port, err))
			port = NULL;
		pl_endpoint_unref(ep);
		return port;
	}
#endif
	return pl_listen(r, wire->endpoint(), f, err);
}

/* --- people -------------------------------------------------------------------------------- */

int far_come(struct far *f, const struct wire *wire, struct pl_world *w,
             const struct pl_port *port)
{
	f->wire = wire;
	f->made = f->ended = f->deaf = false;
	f->fd = -1;
	if (wire->come(f, w, port) == 0)
		return 0;
	f->wire = NULL;
	return -1;
}

/* To a connection that has ended this fails, as it should. */
static void far_send(struct far *f, const char *bytes, size_t len)
{
	ssize_t sent = 0;

	if (!f->wire || f->ended)
		return;
	if (f->fd >= 0 && f->wire->getty)
		sent = write(f->fd, bytes, len);
	else if (f->fd >= 0)
		sent = send(f->fd, bytes, len, MSG_NOSIGNAL);
	if (f->fd >= 0 || !f->made || sent < 0)
		return;
	faults_on();
	pl_write(f->protocol.transport, bytes, len);
	faults_off();
}

void far_type(struct far *f, const char *line)
{
	char bytes[2000];
	int len = snprintf(bytes, sizeof(bytes), "%s%s", line,
	                   f->wire && f->wire->editing ? "\r" : "\n");

	far_send(f, bytes, (size_t)len);
}

void far_read(struct far *f)
{
	char bytes[16 * 1024];
	ssize_t n = 0;

	if (!f->wire || f->fd < 0 || f->deaf)
		return;
	while (!f->ended && (n = read(f->fd, bytes, sizeof(bytes))) > 0)
		show(f, bytes, (size_t)n);
	/* What a datagram peer gets may be the error of an earlier one.  A terminal line
	 * does not end: its server comes back. */
	if (f->wire->leaves_trace && (n == 0 || (n < 0 && errno != EAGAIN)))
		f->ended = true;
}

void far_hang_up(struct far *f)
{
	if (f->wire)
		f->wire->hang_up(f);
	f->wire = NULL;
}

bool far_sees(const struct far *f, const char *text)
{
	return f->len > f->seen && strstr(f->screen + f->seen, text);
}

unsigned far_count(const struct far *f, const char *text)
{
	unsigned n = 0;

	for (const char *at = f->screen; f->len && (at = strstr(at, text)); at++)
		n++;
	return n;
}
