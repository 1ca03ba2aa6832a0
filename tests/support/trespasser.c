#define _GNU_SOURCE /* syscall(), CLONE_THREAD */
/* trespasser.c: preloaded, it tries from inside the server what a chat server never does.
 *
 * At SIGRTMIN the program's first thread tries each of a list of system calls, then a thread
 * that was there before main() began does; "trespasser THREAD CALL RESULT" on standard error
 * is what came of each, the result being "done" or the name of an error.  Arguments are such
 * that no call does harm where nothing stops it, and that the error then is another one. */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void tell(const char *thread, const char *call, long result)
{
	char line[128];
	const char *error = result >= 0 ? "done" : strerrorname_np(errno);
	const int n =
		snprintf(line, sizeof line, "trespasser %s %s %s\n", thread, call, error);

	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		_exit(99);
}

/* A child must not go on as a second server. */
static long child(long pid)
{
	if (pid == 0)
		_exit(0);
	return pid;
}

static void *nothing(void *arg)
{
	return arg;
}

static long make_thread(void)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, nothing, NULL);
	return errno ? -1 : pthread_join(thread, NULL);
}

static void try_all(const char *who)
{
	char *const argv[] = { "/nosuchprogram", NULL };
	char byte;

#define TRY(name, ...) tell(who, name, syscall(__VA_ARGS__))
	TRY("execve", SYS_execve, argv[0], argv, argv + 1);
	TRY("execveat", SYS_execveat, -1, argv[0], argv, argv + 1, 0);
#ifdef SYS_fork
	tell(who, "fork", child(syscall(SYS_fork)));
#endif
	tell(who, "clone", child(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)));
	TRY("clone3", SYS_clone3, NULL, 0);
	TRY("ptrace", SYS_ptrace, PTRACE_PEEKDATA, 1, &byte, &byte);
	TRY("process_vm_readv", SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0);
	TRY("kill", SYS_kill, getpid(), 0);
	TRY("kill_other_thread", SYS_tgkill, 1, 1, 0);
	TRY("setuid", SYS_setuid, getuid());
	TRY("mount", SYS_mount, NULL, NULL, NULL, 0, NULL);
	TRY("unshare", SYS_unshare, 0);
	TRY("chroot", SYS_chroot, "/nosuchfolder");
	TRY("init_module", SYS_init_module, NULL, 0, NULL);
	TRY("reboot", SYS_reboot, 0, 0, 0, NULL); /* not the magic numbers */
	TRY("kexec_load", SYS_kexec_load, 0, 0, NULL, ~0UL);
	TRY("bpf", SYS_bpf, -1, NULL, 0);
	TRY("perf_event_open", SYS_perf_event_open, NULL, 0, -1, -1, 0);
	TRY("keyctl", SYS_keyctl, -1, 0, 0, 0, 0);
	TRY("userfaultfd", SYS_userfaultfd, -1);
	TRY("io_uring_setup", SYS_io_uring_setup, 0, NULL);
	TRY("personality", SYS_personality, 0xffffffff);
	TRY("clock_settime", SYS_clock_settime, -1, NULL);
	TRY("socket_netlink", SYS_socket, AF_NETLINK, SOCK_RAW, 0);
	TRY("socket_packet", SYS_socket, AF_PACKET, SOCK_DGRAM, 0);
	TRY("socket_vsock", SYS_socket, AF_VSOCK, SOCK_STREAM, 0);
	TRY("socket_alg", SYS_socket, AF_ALG, SOCK_SEQPACKET, 0);
	TRY("socket_unspec", SYS_socket, AF_UNSPEC, SOCK_STREAM, 0);
	TRY("socket_raw", SYS_socket, AF_INET, SOCK_RAW | SOCK_CLOEXEC, 1);
	TRY("socket_raw6", SYS_socket, AF_INET6, SOCK_RAW, 58);
	TRY("TIOCSTI", SYS_ioctl, -1, TIOCSTI, &byte);
	TRY("TIOCSTI_high_bits", SYS_ioctl, -1, TIOCSTI | 1UL << 32, &byte);

	/* These a chat server does. */
	TRY("may_socket_tcp", SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	TRY("may_socket_udp6", SYS_socket, AF_INET6, SOCK_DGRAM, 0);
	TRY("may_socket_unix", SYS_socket, AF_UNIX, SOCK_STREAM, 0);
	TRY("may_TIOCGWINSZ", SYS_ioctl, -1, TIOCGWINSZ, &byte);
	tell(who, "may_thread", make_thread());
	tell(who, "over", 0);
#undef TRY
}

static void *wait_for_turn(void *arg)
{
	sigset_t set;
	int signo;

	(void)arg;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	sigwait(&set, &signo);
	try_all("second");
	return NULL;
}

static pthread_t second;

static void on_signal(int signo)
{
	(void)signo;
	try_all("first");
	pthread_kill(second, SIGRTMIN + 1);
}

__attribute__((constructor)) static void begin(void)
{
	struct sigaction act = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_create(&second, NULL, wait_for_turn, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	sigaction(SIGRTMIN, &act, NULL);
}
