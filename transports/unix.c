/* unix.c: people on this machine, through a socket in the file system.
 *
 * The same streams as TCP; what differs is the name, a file with an owner and a mode, and
 * that the kernel says who the peer is.  A file left behind by a server that was killed is
 * replaced; a file in use, or of any other kind, is not. */
#define _GNU_SOURCE /* SO_PEERCRED, getpeereid */
#include <errno.h>
#include <partyline/log.h>
#include <partyline/stats.h>
#include <partyline/transport_impl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct unix_port {
	struct pl_port port;
	struct pl_acceptor acceptor;
	struct sockaddr_un address;
	struct stat file; /* the socket as we made it: somebody may have replaced it since */
};

static struct unix_port *port_of(struct pl_port *p)
{
	return pl_container_of(p, struct unix_port, port);
}

/* Who is at the other end.  The one thing here that POSIX has no word for. */
static int peer_uid(int fd, unsigned long *uid)
{
#ifdef SO_PEERCRED
	struct ucred cred;
	socklen_t len = sizeof cred;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	*uid = cred.uid;
	return 0;
#elif defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__NetBSD__) || \
	defined(__APPLE__)
	uid_t user;
	gid_t group;

	if (getpeereid(fd, &user, &group) < 0)
		return -errno;
	*uid = user;
	return 0;
#else
	(void)fd;
	(void)uid;
	return -ENOTSUP;
#endif
}

static void accepted(struct pl_acceptor *a, int fd, const struct sockaddr *from PL_UNUSED,
                     socklen_t len PL_UNUSED)
{
	struct unix_port *port = pl_container_of(a, struct unix_port, acceptor);
	char name[40] = "local", uid_text[24];
	const char *uid_fact = NULL;
	unsigned long uid = 0;
	struct pl_stream *s;

	if (peer_uid(fd, &uid) == 0) {
		snprintf(uid_text, sizeof uid_text, "%lu", uid);
		snprintf(name, sizeof name, "uid %lu", uid);
		uid_fact = uid_text;
	}
	s = pl_stream_create(port->port.reactor, "unix", fd, port->port.endpoint);
	if (!s)
		return; /* out of memory refuses one connection */
	if (pl_transport_name(&s->transport, name, "uid", uid_fact, NULL) < 0)
		pl_transport_discard(&s->transport);
	else
		pl_transport_up(&s->transport, port->port.factory);
}

static void remove_own_file(const struct unix_port *port)
{
	struct stat now;

	if (lstat(port->address.sun_path, &now) < 0 || now.st_dev != port->file.st_dev ||
	    now.st_ino != port->file.st_ino || unlink(port->address.sun_path) == 0)
		return;
	pl_log(PL_LOG_WARNING, "unix: %s stays behind: %s", port->address.sun_path,
	       strerror(errno));
	pl_count(port->port.reactor, "unix: sockets that could not be removed", 1);
}

static void unix_stop(struct pl_port *p)
{
	struct unix_port *port = port_of(p);

	pl_acceptor_stop(&port->acceptor);
	remove_own_file(port);
	pl_port_release(p);
}

static void unix_destroy(struct pl_port *p)
{
	free(port_of(p));
}

static const struct pl_port_ops unix_port_ops = { .stop = unix_stop,
	                                          .destroy = unix_destroy };

/* Makes way for a new socket where a dead server left one. */
static int clear_path(const char *text, const struct sockaddr_un *address,
                      struct pl_error *err)
{
	const char *path = address->sun_path;
	struct stat st;
	int fd, code;

	if (lstat(path, &st) < 0)
		return 0; /* nothing there; bind() tells of anything else */
	if (!S_ISSOCK(st.st_mode))
		return pl_fail(err, -EEXIST, "%s: %s exists and is not a socket", text,
		               path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0)
		return pl_fail(err, -errno, "%s: %s", text, strerror(errno));
	pl_set_nonblocking(fd); /* its queue may be full: somebody is there all the same */
	code = connect(fd, (const struct sockaddr *)address, sizeof *address) < 0 ? errno
	                                                                          : 0;
	close(fd);
	if (code == 0 || code == EAGAIN)
		return pl_fail(err, -EADDRINUSE,
		               "%s: somebody is listening there already", text);
	if (code != ECONNREFUSED)
		return pl_fail(err, -code, "%s: cannot tell whether %s is in use: %s",
		               text, path, strerror(code));
	unlink(path);
	return 0;
}

/* Nobody can connect between bind() and listen(), so the mode is right from the start. */
static int open_socket(struct unix_port *port, mode_t mode)
{
	const char *path = port->address.sun_path;
	const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	int code;

	if (fd < 0)
		return -errno;
	code = pl_set_nonblocking(fd);
	if (!code && bind(fd, (struct sockaddr *)&port->address, sizeof port->address) < 0)
		code = -errno;
	if (code) {
		close(fd);
		return code;
	}
	if (chmod(path, mode) < 0 || lstat(path, &port->file) < 0 ||
	    listen(fd, SOMAXCONN) < 0) {
		code = -errno;
		unlink(path);
		close(fd);
		return code;
	}
	return fd;
}

static int start(struct unix_port *port, struct pl_error *err)
{
	const char *text = pl_endpoint_text(port->port.endpoint);
	char command[sizeof port->address.sun_path + 8];
	mode_t mode;
	int fd, code = pl_endpoint_mode(port->port.endpoint, &mode, err);

	if (!code)
		code = clear_path(text, &port->address, err);
	if (code)
		return code;
	fd = open_socket(port, mode);
	if (fd < 0)
		return pl_fail(err, fd, "%s: %s", text, strerror(-fd));
	code = pl_acceptor_start(&port->acceptor, port->port.reactor, fd, accepted);
	snprintf(command, sizeof command, "nc -U %s", port->address.sun_path);
	if (!code)
		code = pl_port_describe(&port->port, text, port->address.sun_path,
		                        command, "");
	if (!code)
		return 0;
	pl_acceptor_stop(&port->acceptor);
	remove_own_file(port);
	return pl_fail(err, code, "%s: %s", text, strerror(-code));
}

static int unix_listen(struct pl_reactor *r, struct pl_endpoint *ep, struct pl_factory *f,
                       struct pl_port **out, struct pl_error *err)
{
	const char *path = pl_endpoint_arg(ep);
	struct unix_port *port;
	int code;

	if (!*path || strlen(path) >= sizeof port->address.sun_path)
		return pl_fail(err, -ENAMETOOLONG, "%s: the path must have 1..%zu bytes",
		               pl_endpoint_text(ep), sizeof port->address.sun_path - 1);
	port = calloc(1, sizeof *port);
	if (!port)
		return pl_fail(err, -ENOMEM, "%s: out of memory", pl_endpoint_text(ep));
	port->address.sun_family = AF_UNIX;
	memcpy(port->address.sun_path, path, strlen(path) + 1);
	pl_port_init(&port->port, &unix_port_ops, r, ep, f);
	code = start(port, err);
	if (code) {
		pl_port_finish(&port->port);
		free(port);
		return code;
	}
	*out = &port->port;
	return 0;
}

const struct pl_backend pl_unix_backend = {
	.type = "unix",
	.usage = "unix:PATH[:mode=MODE]",
	.help = "nc -U PATH, for users of this machine whom the mode (600) lets in",
	.listen = unix_listen,
};
