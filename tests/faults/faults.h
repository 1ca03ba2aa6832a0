/* faults.h: every fallible call of the product, and how to make one of them fail.
 *
 * Linked with -Wl,--wrap for all that stands in enum faulty: a call by the product (or by
 * the test: the linker cannot tell) comes here first.  Only what is called between
 * faults_on() and faults_off() is counted and can fail.  What shared libraries call for
 * themselves passes by. */
#ifndef TESTS_FAULTS_H
#define TESTS_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

/* The functions: F_allocation is malloc, calloc, realloc and strdup together.  To fail one
 * more: its name here, its ways in calls[], a wrapper, and its name in the CMake list.
 *
 * Of what can fail by its manual these are left out: gethostname() and getgrgid_r(), which
 * are only asked for words of a sentence, and have others; clock_gettime(), pthread_sigmask()
 * and signal(), which fail for wrong arguments alone; the setters of a config and the end of
 * a port in libserialport, which are ignored; what prints to standard output. */
enum faulty {
	F_allocation,
	F_accept,
	F_access,
	F_bind,
	F_chmod,
	F_close,
	F_connect,
	F_fchmod,
	F_fchown,
	F_fclose,
	F_fcntl,
	F_flock,
	F_fopen,
	F_fread,
	F_getaddrinfo,
	F_getgrnam,
	F_getnameinfo,
	F_getrlimit,
	F_getsockname,
	F_getsockopt,
	F_grantpt,
	F_ioctl,
	F_listen,
	F_lstat,
	F_open,
	F_opendir,
	F_pipe,
	F_poll,
	F_posix_openpt,
	F_pthread_cond_init,
	F_pthread_create,
	F_pthread_mutex_init,
	F_ptsname,
	F_read,
	F_readdir,
	F_readlink,
	F_realpath,
	F_recv,
	F_recvmsg,
	F_send,
	F_sendmsg,
	F_setrlimit,
	F_setsockopt,
	F_shutdown,
	F_sigaction,
	F_socket,
	F_sodium_init,
	F_sp_get_port_by_name,
	F_sp_new_config,
	F_sp_open,
	F_sp_set_config,
	F_stat,
	F_symlink,
	F_tcflush,
	F_tcgetattr,
	F_tcsetattr,
	F_unlink,
	F_unlockpt,
	F_write,
	F_writev,
	FAULTY_CALLS
};

/* A way to fail: an errno, or FAULT_SHORT: less than was asked for, no failure at all. */
enum { FAULT_SHORT = 0, WAYS_MAX = 12 };
struct way {
	const char *name;
	int code;
	/* Nobody may notice: no connection ends, no line is lost. */
	bool harmless;
};

struct call {
	const char *name;
	struct way ways[WAYS_MAX]; /* up to one without a name */
};
extern const struct call calls[FAULTY_CALLS];

/* The nth call, counted from 1, fails; with `lasting` all later ones too. */
struct point {
	enum faulty call;
	int way;
	unsigned long nth; /* 0: none fails */
	bool lasting;
};

/* Forgets all counts; faults are off. */
void faults_begin(const struct point *point);
void faults_on(void);
void faults_off(void);

/* While they rest, faults_on() has no effect: for scenes that are none of the test's. */
void faults_rest(bool rest);

/* Nothing fails from here on. */
void faults_end(void);

bool faults_struck(void); /* has anything failed since faults_begin()? */
unsigned long faults_counted(enum faulty call);

/* Blocks that wrapped calls have allocated and not freed: memory, directories, lists of
 * addresses. */
long faults_live(void);

/* While it is true the kernel takes nothing, from anybody: sending is EAGAIN, and poll()
 * does not say that there is room. */
extern bool faults_kernel_is_full;

/* Called in place of the next poll(), once.  NULL: none. */
extern void (*faults_at_poll)(void);

#endif
