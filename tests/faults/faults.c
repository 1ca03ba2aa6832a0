#define _GNU_SOURCE
/* faults.c: see faults.h.
 *
 * Every wrapper asks strike() first and then calls the real function.  close() is let
 * through before it fails: on Linux the descriptor is gone whatever it returns. */
#include "faults.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <termios.h>
#include <unistd.h>
#ifdef PARTYLINE_HAVE_SERIAL
#include <libserialport.h>
#endif

/* --- what fails how --------------------------------------------------------------------- */

#define HARMS(code) \
	{ \
#code, code, false \
	}
#define HARMLESS(code) \
	{ \
#code, code, true \
	}
#define SHORT \
	{ \
		"short", FAULT_SHORT, true \
	}

const struct call calls[FAULTY_CALLS] = {
	[F_allocation] = { "allocation", { HARMS(ENOMEM) } },
	[F_accept] = { "accept",
	               { HARMLESS(EINTR), HARMLESS(EAGAIN), HARMLESS(ECONNABORTED),
	                 HARMS(EMFILE), HARMS(ENFILE), HARMLESS(ENOBUFS), HARMLESS(ENOMEM),
	                 HARMLESS(EPROTO), HARMLESS(EPERM), HARMLESS(EHOSTUNREACH) } },
	[F_access] = { "access", { HARMS(EACCES), HARMS(ENOENT), HARMS(EIO) } },
	[F_bind] = { "bind",
	             { HARMS(EADDRINUSE), HARMS(EACCES), HARMS(ENOMEM),
	               HARMS(EADDRNOTAVAIL) } },
	[F_chmod] = { "chmod", { HARMS(EPERM), HARMS(EROFS), HARMS(EIO) } },
	[F_close] = { "close", { HARMLESS(EIO), HARMLESS(EINTR) } },
	[F_connect] = { "connect",
	                { HARMS(ECONNREFUSED), HARMS(EACCES), HARMS(EAGAIN), HARMS(EINTR),
	                  HARMS(ETIMEDOUT), HARMS(ENOMEM) } },
	[F_fchmod] = { "fchmod", { HARMS(EPERM), HARMS(EIO) } },
	[F_fchown] = { "fchown", { HARMS(EPERM), HARMS(EIO) } },
	[F_fclose] = { "fclose", { HARMLESS(EIO), HARMLESS(EINTR) } },
	[F_fcntl] = { "fcntl", { HARMS(EBADF), HARMS(ENOMEM) } },
	[F_fopen] = { "fopen", { HARMS(EMFILE), HARMS(ENOMEM), HARMS(EACCES) } },
	[F_fread] = { "fread", { HARMS(EIO) } },
	[F_getaddrinfo] = { "getaddrinfo", { HARMS(ENOMEM), HARMS(EAGAIN), HARMS(EIO) } },
	[F_getgrnam] = { "getgrnam", { HARMS(EIO), HARMS(EMFILE), HARMS(ENOMEM) } },
	[F_getnameinfo] = { "getnameinfo", { HARMLESS(ENOMEM), HARMLESS(EIO) } },
	[F_getrlimit] = { "getrlimit", { HARMLESS(EINVAL) } },
	[F_getsockname] = { "getsockname", { HARMS(ENOBUFS) } },
	[F_getsockopt] = { "getsockopt", { HARMLESS(ENOBUFS), HARMLESS(ENOPROTOOPT) } },
	[F_grantpt] = { "grantpt", { HARMS(EACCES), HARMS(ENOMEM) } },
	[F_ioctl] = { "ioctl", { HARMS(EIO), HARMS(ENODEV), HARMS(ENOTTY), HARMS(EINTR) } },
	[F_listen] = { "listen", { HARMS(EADDRINUSE), HARMS(ENOBUFS) } },
	[F_lstat] = { "lstat", { HARMS(EACCES), HARMS(ENOMEM), HARMS(EIO) } },
	[F_open] = { "open",
	             { HARMS(EMFILE), HARMS(ENFILE), HARMS(ENOMEM), HARMS(EACCES),
	               HARMS(EIO), HARMS(ENODEV), HARMS(EINTR) } },
	[F_opendir] = { "opendir", { HARMS(EMFILE), HARMS(ENOMEM), HARMS(EACCES) } },
	[F_pipe] = { "pipe", { HARMS(EMFILE), HARMS(ENFILE) } },
	[F_poll] = { "poll", { HARMLESS(EINTR), HARMLESS(EAGAIN), HARMLESS(ENOMEM) } },
	[F_posix_openpt] = { "posix_openpt",
	                     { HARMS(EMFILE), HARMS(ENFILE), HARMS(EAGAIN), HARMS(ENOSPC) } },
	[F_pthread_cond_init] = { "pthread_cond_init", { HARMS(EAGAIN), HARMS(ENOMEM) } },
	[F_pthread_create] = { "pthread_create", { HARMS(EAGAIN), HARMS(EPERM) } },
	[F_pthread_mutex_init] = { "pthread_mutex_init", { HARMS(EAGAIN), HARMS(ENOMEM) } },
	[F_ptsname] = { "ptsname", { HARMS(ENOTTY) } },
	[F_read] = { "read",
	             { HARMLESS(EINTR), HARMLESS(EAGAIN), SHORT, HARMS(EIO), HARMS(ENXIO),
	               HARMS(ENOMEM) } },
	[F_readdir] = { "readdir", { HARMS(EIO) } },
	[F_readlink] = { "readlink", { HARMS(EACCES), HARMS(ENOMEM), HARMS(EIO) } },
	[F_realpath] = { "realpath",
	                 { HARMS(ENOENT), HARMS(EACCES), HARMS(EIO), HARMS(ENOMEM) } },
	[F_recv] = { "recv",
	             { HARMLESS(EINTR), HARMLESS(EAGAIN), SHORT, HARMS(ECONNRESET),
	               HARMS(ETIMEDOUT), HARMS(EHOSTUNREACH), HARMS(ENOMEM),
	               HARMS(ENOBUFS), HARMS(EIO) } },
	[F_recvmsg] = { "recvmsg",
	                { HARMLESS(EINTR), HARMLESS(EAGAIN), HARMLESS(ECONNREFUSED),
	                  HARMLESS(EHOSTUNREACH), HARMLESS(ENETDOWN), HARMLESS(ENOMEM),
	                  HARMLESS(ENOBUFS) } },
	[F_send] = { "send", { HARMS(EAGAIN), HARMS(ECONNRESET), HARMS(EPIPE) } },
	[F_sendmsg] = { "sendmsg",
	                { HARMLESS(EINTR), HARMLESS(EAGAIN), SHORT, HARMS(ECONNRESET),
	                  HARMS(EPIPE), HARMS(ETIMEDOUT), HARMS(EHOSTUNREACH),
	                  HARMS(ECONNREFUSED), HARMS(EPERM), HARMS(ENOMEM),
	                  HARMS(ENOBUFS) } },
	[F_setrlimit] = { "setrlimit", { HARMLESS(EPERM) } },
	[F_setsockopt] = { "setsockopt", { HARMS(ENOPROTOOPT), HARMS(ENOBUFS) } },
	[F_shutdown] = { "shutdown", { HARMLESS(ENOTCONN), HARMLESS(ENOBUFS) } },
	[F_sigaction] = { "sigaction", { HARMS(EINVAL) } },
	[F_socket] = { "socket",
	               { HARMS(EMFILE), HARMS(ENFILE), HARMS(ENOBUFS), HARMS(ENOMEM),
	                 HARMS(EACCES), HARMS(EAFNOSUPPORT) } },
	[F_sodium_init] = { "sodium_init", { HARMS(EIO) } },
	[F_sp_get_port_by_name] = { "sp_get_port_by_name",
	                            { HARMS(ENOMEM), HARMS(EINVAL), HARMS(EIO) } },
	[F_sp_new_config] = { "sp_new_config", { HARMS(ENOMEM) } },
	[F_sp_open] = { "sp_open",
	                { HARMS(EBUSY), HARMS(EAGAIN), HARMS(EACCES), HARMS(EIO),
	                  HARMS(ENODEV), HARMS(ENOMEM), HARMS(EMFILE) } },
	[F_sp_set_config] = { "sp_set_config",
	                      { HARMS(EIO), HARMS(EINVAL), HARMS(ENOTSUP) } },
	[F_stat] = { "stat", { HARMS(EACCES), HARMS(ENOMEM), HARMS(EIO), HARMS(ENOENT) } },
	[F_symlink] = { "symlink",
	                { HARMS(EACCES), HARMS(ENOSPC), HARMS(EROFS), HARMS(EEXIST) } },
	[F_tcflush] = { "tcflush", { HARMS(EIO), HARMS(ENOTTY) } },
	[F_tcgetattr] = { "tcgetattr", { HARMS(EIO), HARMS(ENOTTY) } },
	[F_tcsetattr] = { "tcsetattr", { HARMS(EIO), HARMS(EINTR) } },
	[F_unlink] = { "unlink", { HARMS(EACCES), HARMS(EBUSY), HARMS(EROFS) } },
	[F_unlockpt] = { "unlockpt", { HARMS(EIO) } },
	[F_flock] = { "flock",
	              { HARMS(EWOULDBLOCK), HARMS(EINTR), HARMS(ENOLCK), HARMS(EIO) } },
	[F_write] = { "write",
	              { HARMLESS(EINTR), HARMLESS(EAGAIN), HARMLESS(EIO),
	                HARMLESS(ENOSPC) } },
	[F_writev] = { "writev",
	               { HARMLESS(EINTR), HARMLESS(EAGAIN), SHORT, HARMS(EIO),
	                 HARMS(ENODEV), HARMS(ENXIO) } },
};

/* --- which fails now -------------------------------------------------------------------- */

bool faults_kernel_is_full;
void (*faults_at_poll)(void);

static struct point point;
static bool on, resting, struck;
static _Atomic unsigned long counts[FAULTY_CALLS];
static _Atomic long live;

void faults_begin(const struct point *p)
{
	on = resting = struck = false;
	faults_kernel_is_full = false;
	point = *p;
	for (int i = 0; i < FAULTY_CALLS; i++)
		atomic_store(&counts[i], 0);
}

void faults_on(void)
{
	on = !resting;
}

void faults_rest(bool rest)
{
	resting = rest;
}

void faults_off(void)
{
	on = false;
}

void faults_end(void)
{
	on = false;
	point.nth = 0;
}

bool faults_struck(void)
{
	return struck;
}

unsigned long faults_counted(enum faulty call)
{
	return atomic_load(&counts[call]);
}

long faults_live(void)
{
	return atomic_load(&live);
}

/* 0: go on; an errno, which is set; or -1: take or give less. */
static int strike(enum faulty call)
{
	unsigned long n;

	if (!on)
		return 0;
	n = atomic_fetch_add(&counts[call], 1) + 1;
	if (point.nth == 0 || point.call != call ||
	    (point.lasting ? n < point.nth : n != point.nth))
		return 0;
	struck = true;
	errno = calls[call].ways[point.way].code;
	return errno == FAULT_SHORT ? -1 : errno;
}

/* A wrapper that only fails: the result is `failed`. */
#define WRAP(type, name, failed, params, args) \
	type __real_##name params; \
	type __wrap_##name params; \
	type __wrap_##name params \
	{ \
		return strike(F_##name) ? failed : __real_##name args; \
	}

/* --- memory, and what is freed by a call of its own ----------------------------------------- */

static void *counted(void *block)
{
	if (block)
		atomic_fetch_add(&live, 1);
	return block;
}

static void *uncounted(void *block)
{
	if (block)
		atomic_fetch_sub(&live, 1);
	return block;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
void __real_free(void *block);
void __wrap_free(void *block);
char *__real_realpath(const char *path, char *resolved);
char *__wrap_realpath(const char *path, char *resolved);
DIR *__real_opendir(const char *path);
DIR *__wrap_opendir(const char *path);
int __real_closedir(DIR *dir);
int __wrap_closedir(DIR *dir);
int __real_getaddrinfo(const char *node, const char *service,
                       const struct addrinfo *hints, struct addrinfo **found);
int __wrap_getaddrinfo(const char *node, const char *service,
                       const struct addrinfo *hints, struct addrinfo **found);
void __real_freeaddrinfo(struct addrinfo *list);
void __wrap_freeaddrinfo(struct addrinfo *list);

void *__wrap_malloc(size_t size)
{
	return strike(F_allocation) ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
	return strike(F_allocation) ? NULL : counted(__real_calloc(n, size));
}

void *__wrap_realloc(void *old, size_t size)
{
	void *block = strike(F_allocation) ? NULL : __real_realloc(old, size);

	return old ? block : counted(block);
}

char *__wrap_strdup(const char *text)
{
	return strike(F_allocation) ? NULL : counted(__real_strdup(text));
}

void __wrap_free(void *block)
{
	__real_free(uncounted(block));
}

char *__wrap_realpath(const char *path, char *resolved)
{
	char *found = strike(F_realpath) ? NULL : __real_realpath(path, resolved);

	return resolved ? found : counted(found);
}

DIR *__wrap_opendir(const char *path)
{
	return strike(F_opendir) ? NULL : counted(__real_opendir(path));
}

int __wrap_closedir(DIR *dir)
{
	return __real_closedir(uncounted(dir));
}

int __wrap_getaddrinfo(const char *node, const char *service,
                       const struct addrinfo *hints, struct addrinfo **found)
{
	const int code = strike(F_getaddrinfo);
	int result;

	if (code)
		return code == ENOMEM   ? EAI_MEMORY
		       : code == EAGAIN ? EAI_AGAIN
		                        : EAI_SYSTEM;
	result = __real_getaddrinfo(node, service, hints, found);
	if (result == 0)
		counted(*found);
	return result;
}

void __wrap_freeaddrinfo(struct addrinfo *list)
{
	__real_freeaddrinfo(uncounted(list));
}

/* --- bytes ------------------------------------------------------------------------------------ */

ssize_t __real_read(int fd, void *buf, size_t len);
ssize_t __wrap_read(int fd, void *buf, size_t len);
ssize_t __real_recv(int fd, void *buf, size_t len, int flags);
ssize_t __wrap_recv(int fd, void *buf, size_t len, int flags);
ssize_t __real_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __real_writev(int fd, const struct iovec *iov, int n);
ssize_t __wrap_writev(int fd, const struct iovec *iov, int n);
int __real_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_ms);

ssize_t __wrap_read(int fd, void *buf, size_t len)
{
	const int code = strike(F_read);

	return code > 0 ? -1 : __real_read(fd, buf, code < 0 && len > 1 ? 1 : len);
}

ssize_t __wrap_recv(int fd, void *buf, size_t len, int flags)
{
	const int code = strike(F_recv);

	return code > 0 ? -1 : __real_recv(fd, buf, code < 0 && len > 1 ? 1 : len, flags);
}

static bool is_full(void)
{
	if (!on || !faults_kernel_is_full)
		return false;
	errno = EAGAIN;
	return true;
}

/* A datagram goes whole: where there is a name, less is not to be had. */
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct iovec byte = msg->msg_iovlen ? msg->msg_iov[0] : (struct iovec){ NULL, 0 };
	struct msghdr less = *msg;
	const int code = strike(F_sendmsg);

	if (code > 0 || is_full())
		return -1;
	if (code == 0 || msg->msg_name || byte.iov_len == 0)
		return __real_sendmsg(fd, msg, flags);
	byte.iov_len = 1;
	less.msg_iov = &byte;
	less.msg_iovlen = 1;
	return __real_sendmsg(fd, &less, flags);
}

ssize_t __wrap_writev(int fd, const struct iovec *iov, int n)
{
	struct iovec byte = n > 0 ? iov[0] : (struct iovec){ NULL, 0 };
	const int code = strike(F_writev);

	if (code > 0 || is_full())
		return -1;
	if (code == 0 || byte.iov_len == 0)
		return __real_writev(fd, iov, n);
	byte.iov_len = 1;
	return __real_writev(fd, &byte, 1);
}

static int poll_without_room(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	enum { MANY = 64 };
	struct pollfd copy[MANY];
	int ready;

	if (n > MANY)
		abort();
	memcpy(copy, fds, n * sizeof(*fds));
	for (nfds_t i = 0; i < n; i++)
		copy[i].events = (short)(copy[i].events & ~POLLOUT);
	ready = __real_poll(copy, n, timeout_ms);
	for (nfds_t i = 0; i < n; i++)
		fds[i].revents = copy[i].revents;
	return ready;
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	void (*at_poll)(void) = on ? faults_at_poll : NULL;

	if (strike(F_poll))
		return -1;
	if (at_poll) {
		faults_at_poll = NULL;
		at_poll();
	}
	return on && faults_kernel_is_full ? poll_without_room(fds, n, timeout_ms)
	                                   : __real_poll(fds, n, timeout_ms);
}

WRAP(ssize_t, recvmsg, -1, (int fd, struct msghdr *msg, int flags), (fd, msg, flags))
WRAP(ssize_t, send, -1, (int fd, const void *buf, size_t len, int flags),
     (fd, buf, len, flags))
WRAP(ssize_t, write, -1, (int fd, const void *buf, size_t len), (fd, buf, len))

/* --- descriptors and sockets -------------------------------------------------------------------- */

int __real_close(int fd);
int __wrap_close(int fd);
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_fcntl(int fd, int op, ...);
int __wrap_fcntl(int fd, int op, ...);
int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

int __wrap_close(int fd)
{
	const int result = __real_close(fd);

	return strike(F_close) ? -1 : result;
}

int __wrap_open(const char *path, int flags, ...)
{
	unsigned mode = 0;
	va_list args;

	va_start(args, flags);
	if (flags & O_CREAT)
		mode = va_arg(args, unsigned);
	va_end(args);
	return strike(F_open) ? -1 : __real_open(path, flags, mode);
}

/* All arguments that occur fit into a pointer, and are passed as one. */
int __wrap_fcntl(int fd, int op, ...)
{
	va_list args;
	void *arg;

	va_start(args, op);
	arg = va_arg(args, void *);
	va_end(args);
	return strike(F_fcntl) ? -1 : __real_fcntl(fd, op, arg);
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	return strike(F_ioctl) ? -1 : __real_ioctl(fd, request, arg);
}

WRAP(int, accept, -1, (int fd, struct sockaddr *from, socklen_t *len), (fd, from, len))
WRAP(int, bind, -1, (int fd, const struct sockaddr *to, socklen_t len), (fd, to, len))
WRAP(int, connect, -1, (int fd, const struct sockaddr *to, socklen_t len), (fd, to, len))
WRAP(int, flock, -1, (int fd, int op), (fd, op))
WRAP(int, getsockname, -1, (int fd, struct sockaddr *name, socklen_t *len), (fd, name, len))
WRAP(int, getsockopt, -1, (int fd, int level, int option, void *value, socklen_t *len),
     (fd, level, option, value, len))
WRAP(int, listen, -1, (int fd, int backlog), (fd, backlog))
WRAP(int, pipe, -1, (int fds[2]), (fds))
WRAP(int, setsockopt, -1, (int fd, int level, int option, const void *value, socklen_t len),
     (fd, level, option, value, len))
WRAP(int, shutdown, -1, (int fd, int how), (fd, how))
WRAP(int, socket, -1, (int family, int type, int protocol), (family, type, protocol))

/* --- files ---------------------------------------------------------------------------------------- */

FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);
int __real_fclose(FILE *file);
int __wrap_fclose(FILE *file);
size_t __real_fread(void *buf, size_t size, size_t n, FILE *file);
size_t __wrap_fread(void *buf, size_t size, size_t n, FILE *file);
int __real_ferror(FILE *file);
int __wrap_ferror(FILE *file);

static bool read_failed; /* what ferror() says of a file that fread() failed on */

FILE *__wrap_fopen(const char *path, const char *mode)
{
	read_failed = false;
	return strike(F_fopen) ? NULL : counted(__real_fopen(path, mode));
}

int __wrap_fclose(FILE *file)
{
	const int result = __real_fclose(uncounted(file));

	return strike(F_fclose) ? EOF : result;
}

size_t __wrap_fread(void *buf, size_t size, size_t n, FILE *file)
{
	if (!strike(F_fread))
		return __real_fread(buf, size, n, file);
	read_failed = true;
	return 0;
}

int __wrap_ferror(FILE *file)
{
	return read_failed || __real_ferror(file);
}

WRAP(int, access, -1, (const char *path, int mode), (path, mode))
WRAP(int, chmod, -1, (const char *path, mode_t mode), (path, mode))
WRAP(int, fchmod, -1, (int fd, mode_t mode), (fd, mode))
WRAP(int, fchown, -1, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
WRAP(int, lstat, -1, (const char *path, struct stat *st), (path, st))
WRAP(struct dirent *, readdir, NULL, (DIR * dir), (dir))
WRAP(ssize_t, readlink, -1, (const char *path, char *target, size_t size),
     (path, target, size))
WRAP(int, stat, -1, (const char *path, struct stat *st), (path, st))
WRAP(int, symlink, -1, (const char *target, const char *path), (target, path))
WRAP(int, unlink, -1, (const char *path), (path))

/* --- terminals ------------------------------------------------------------------------------------- */

WRAP(int, grantpt, -1, (int fd), (fd))
WRAP(int, posix_openpt, -1, (int flags), (flags))
WRAP(char *, ptsname, NULL, (int fd), (fd))
WRAP(int, tcflush, -1, (int fd, int queue), (fd, queue))
WRAP(int, tcgetattr, -1, (int fd, struct termios *t), (fd, t))
WRAP(int, tcsetattr, -1, (int fd, int when, const struct termios *t), (fd, when, t))
WRAP(int, unlockpt, -1, (int fd), (fd))

#ifdef PARTYLINE_HAVE_SERIAL
static enum sp_return sp_failure(void)
{
	switch (errno) {
	case ENOMEM:
		return SP_ERR_MEM;
	case EINVAL:
		return SP_ERR_ARG;
	case ENOTSUP:
		return SP_ERR_SUPP;
	default:
		return SP_ERR_FAIL; /* and sp_last_error_code() is errno */
	}
}

WRAP(enum sp_return, sp_get_port_by_name, sp_failure(),
     (const char *name, struct sp_port **port), (name, port))
WRAP(enum sp_return, sp_new_config, sp_failure(), (struct sp_port_config * *config),
     (config))
WRAP(enum sp_return, sp_open, sp_failure(), (struct sp_port * port, enum sp_mode mode),
     (port, mode))
WRAP(enum sp_return, sp_set_config, sp_failure(),
     (struct sp_port * port, const struct sp_port_config *config), (port, config))
#endif

/* --- the rest ------------------------------------------------------------------------------------------ */

WRAP(struct group *, getgrnam, NULL, (const char *name), (name))
WRAP(int, getnameinfo, EAI_MEMORY,
     (const struct sockaddr *sa, socklen_t len, char *host, socklen_t host_size,
      char *service, socklen_t service_size, int flags),
     (sa, len, host, host_size, service, service_size, flags))
WRAP(int, getrlimit, -1, (int resource, struct rlimit *limit), (resource, limit))
WRAP(int, setrlimit, -1, (int resource, const struct rlimit *limit), (resource, limit))
WRAP(int, sigaction, -1, (int signo, const struct sigaction *act, struct sigaction *old),
     (signo, act, old))
WRAP(int, sodium_init, -1, (void), ())
WRAP(int, pthread_cond_init, errno,
     (pthread_cond_t * cond, const pthread_condattr_t *attr), (cond, attr))
WRAP(int, pthread_create, errno,
     (pthread_t * thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg),
     (thread, attr, fn, arg))
WRAP(int, pthread_mutex_init, errno,
     (pthread_mutex_t * mutex, const pthread_mutexattr_t *attr), (mutex, attr))
