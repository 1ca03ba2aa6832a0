#define _GNU_SOURCE /* initgroups() */
/* harden.c: see harden.h.
 *
 * The filter of system calls is a list of what is forbidden, not of what is allowed.  An
 * allowed list is the stronger idea and the weaker program: which calls the C library,
 * libserialport or a name service make is theirs to change with every version, some come
 * only in rare paths (out of memory, an unplugged adapter, the last line before abort()),
 * and what is missing from the list then fails at the worst moment, on the machine that
 * nobody has tested.  What is forbidden here is what whoever gets in through a mistake of
 * ours needs next: another program, another process, the rest of the kernel.  A chat
 * server does none of it, in any version.  The answer is EPERM and not an end, so that
 * even a mistake in this list costs a function and not the conversation.
 *
 * A call that a later kernel brings is allowed until it is written down here. */
#include "harden.h"

#include <errno.h>
#include <grp.h>
#include <partyline/log.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif
#ifdef PARTYLINE_HAVE_SECCOMP
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#endif

/* --- another user ------------------------------------------------------------------- */

int harden_find_user(const char *text, struct harden_user *u, struct pl_error *err)
{
	const char *colon = strchr(text, ':');
	const size_t len = colon ? (size_t)(colon - text) : strlen(text);
	const struct passwd *user;
	const struct group *group;

	if (len == 0 || len >= sizeof u->name || (colon && !colon[1]))
		return pl_fail(err, -EINVAL, "--user %s: it is NAME or NAME:GROUP", text);
	if (geteuid() != 0)
		return pl_fail(err, -EPERM,
		               "--user %s: only root can become somebody else", text);
	memcpy(u->name, text, len);
	u->name[len] = '\0';
	user = getpwnam(u->name);
	if (!user)
		return pl_fail(err, -ENOENT, "--user %s: there is no user %s", text,
		               u->name);
	if (user->pw_uid == 0)
		return pl_fail(err, -EINVAL, "--user %s: %s is root too", text, u->name);
	u->uid = user->pw_uid;
	u->gid = user->pw_gid;
	if (!colon)
		return 0;
	group = getgrnam(colon + 1);
	if (!group)
		return pl_fail(err, -ENOENT, "--user %s: there is no group %s", text,
		               colon + 1);
	u->gid = group->gr_gid;
	return 0;
}

/* Rights that came back would be noticed by nobody else. */
static bool is_for_good(const struct harden_user *u)
{
	if (getuid() != u->uid || geteuid() != u->uid || getgid() != u->gid ||
	    getegid() != u->gid)
		return false;
	return setuid(0) < 0 && seteuid(0) < 0 && (u->gid == 0 || setgid(0) < 0);
}

static int become(const struct harden_user *u, struct pl_error *err)
{
	if (initgroups(u->name, u->gid) < 0 || setgid(u->gid) < 0 || setuid(u->uid) < 0)
		return pl_fail(err, -errno, "--user: cannot become %s: %s", u->name,
		               strerror(errno));
	if (!is_for_good(u))
		return pl_fail(err, -EPERM, "--user: %s could become root again", u->name);
#ifdef __linux__
	/* What other programs of this user do is not our affair, nor ours theirs: they cannot
	 * look into this process, and it leaves no core. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
	pl_log(PL_LOG_INFO, "running as %s, uid %lu, gid %lu", u->name,
	       (unsigned long)u->uid, (unsigned long)u->gid);
	return 0;
}

/* --- the filter ---------------------------------------------------------------------- */

#ifdef PARTYLINE_HAVE_SECCOMP
/* By name, because the library knows which of them this machine has. */
static const char *const forbidden[] = {
	/* another program, another process, and what is in it */
	"execve",
	"execveat",
	"fork",
	"vfork",
	"ptrace",
	"process_vm_readv",
	"process_vm_writev",
	"process_madvise",
	"pidfd_open",
	"pidfd_getfd",
	"pidfd_send_signal",
	"kcmp",
	"kill",
	"rt_sigqueueinfo",
	"rt_tgsigqueueinfo",
	"personality",
#ifdef __GLIBC__
	"tkill", /* abort() of others needs it */
#endif
	/* another user, and the rights of one */
	"setuid",
	"setgid",
	"setreuid",
	"setregid",
	"setresuid",
	"setresgid",
	"setfsuid",
	"setfsgid",
	"setgroups",
	"setuid32",
	"setgid32",
	"setreuid32",
	"setregid32",
	"setresuid32",
	"setresgid32",
	"setfsuid32",
	"setfsgid32",
	"setgroups32",
	"capset",
	/* another view of the machine */
	"mount",
	"umount",
	"umount2",
	"move_mount",
	"open_tree",
	"fsopen",
	"fsconfig",
	"fsmount",
	"fspick",
	"mount_setattr",
	"pivot_root",
	"chroot",
	"unshare",
	"setns",
	"mknod",
	"mknodat",
	"name_to_handle_at",
	"open_by_handle_at",
	"fanotify_init",
	"quotactl",
	"swapon",
	"swapoff",
	"acct",
	/* the kernel, its clock and its keys */
	"init_module",
	"finit_module",
	"delete_module",
	"create_module",
	"kexec_load",
	"kexec_file_load",
	"reboot",
	"bpf",
	"perf_event_open",
	"userfaultfd",
	"io_uring_setup",
	"io_uring_enter",
	"io_uring_register",
	"add_key",
	"keyctl",
	"request_key",
	"syslog",
	"lookup_dcookie",
	"iopl",
	"ioperm",
	"modify_ldt",
	"vm86",
	"vm86old",
	"uselib",
	"nfsservctl",
	"_sysctl",
	"sethostname",
	"setdomainname",
	"settimeofday",
	"clock_settime",
	"clock_settime64",
	"clock_adjtime",
	"clock_adjtime64",
	"adjtimex",
	"stime",
	/* memory of other machines' nodes, and a door to the kernel's mistakes */
	"migrate_pages",
	"move_pages",
	"mbind",
	"set_mempolicy",
};

static int forbid_by_name(scmp_filter_ctx filter)
{
	int code = 0;

	for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden && !code; i++) {
		const int call = seccomp_syscall_resolve_name(forbidden[i]);

		if (call == __NR_SCMP_ERROR)
			pl_log(PL_LOG_DEBUG, "system call filter: %s is not known here",
			       forbidden[i]);
		else
			code = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 0);
	}
	return code;
}

/* The kernel looks at 32 bits of an int that was passed in 64. */
static struct scmp_arg_cmp low_bits(unsigned arg, unsigned mask, unsigned value)
{
	return (struct scmp_arg_cmp){ arg, SCMP_CMP_MASKED_EQ, mask, value };
}

static int forbid_socket(scmp_filter_ctx filter, struct scmp_arg_cmp what)
{
	return seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1,
	                              &what);
}

/* Stream and datagram sockets of AF_UNIX (1), AF_INET (2) and AF_INET6 (10) are left. */
static int forbid_sockets(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp beyond = { 0, SCMP_CMP_GT, AF_INET6, 0 };
	const unsigned kind = 0xf; /* of the type; above it are flags */
	int code = forbid_socket(filter, beyond);

	for (unsigned family = 0; family < AF_INET6 && !code; family++)
		if (family != AF_UNIX && family != AF_INET)
			code = forbid_socket(filter, low_bits(0, 0xffffffff, family));
	if (!code)
		code = forbid_socket(filter, low_bits(1, kind, SOCK_RAW));
	if (!code)
		code = forbid_socket(filter, low_bits(1, kind, SOCK_PACKET));
	return code;
}

/* Typing into somebody's terminal, selecting and pasting on the console, line disciplines. */
static int forbid_ioctls(scmp_filter_ctx filter)
{
	static const unsigned requests[] = { TIOCSTI, TIOCLINUX, TIOCSETD };
	int code = 0;

	for (size_t i = 0; i < sizeof requests / sizeof *requests && !code; i++) {
		const struct scmp_arg_cmp request = low_bits(1, 0xffffffff, requests[i]);

		code = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM),
		                              SCMP_SYS(ioctl), 1, &request);
	}
	return code;
}

/* abort() and setuid() of the C library signal our own threads. */
static int forbid_signals(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp others = { 0, SCMP_CMP_NE, (scmp_datum_t)getpid(), 0 };

	return seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(tgkill), 1,
	                              &others);
}

/* Threads are made, processes are not.  clone3() has its flags in memory, where no filter
 * sees them; told that there is no such call, the C library uses clone(). */
static int forbid_processes(scmp_filter_ctx filter)
{
#ifdef __s390x__
	const unsigned flags_at = 1;
#else
	const unsigned flags_at = 0;
#endif
	const struct scmp_arg_cmp no_thread = low_bits(flags_at, CLONE_THREAD, 0);
	const int clone3 = seccomp_syscall_resolve_name("clone3");
	int code = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone),
	                                  1, &no_thread);

	if (!code && clone3 != __NR_SCMP_ERROR)
		code = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), clone3, 0);
	return code;
}

static int load_filter(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int code = -ENOMEM;

	if (!filter)
		return code;
	/* For all threads: a serial line has one by now. */
	code = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!code)
		code = seccomp_attr_set(filter, SCMP_FLTATR_API_SYSRAWRC, 1);
	/* Calls of another architecture of this machine pass by all of the list. */
	if (!code)
		code = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH,
		                        SCMP_ACT_KILL_PROCESS);
	/* A tree instead of a list: what is allowed is found out by a few comparisons. */
	if (!code)
		code = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!code)
		code = forbid_by_name(filter);
	if (!code)
		code = forbid_sockets(filter);
	if (!code)
		code = forbid_ioctls(filter);
	if (!code)
		code = forbid_signals(filter);
	if (!code)
		code = forbid_processes(filter);
	if (!code)
		code = seccomp_load(filter);
	seccomp_release(filter);
	return code;
}

static void filter_system_calls(void)
{
	const int code = load_filter();

	if (code < 0)
		pl_log(PL_LOG_WARNING, "no system call is forbidden: %s", strerror(-code));
	else
		pl_log(PL_LOG_DEBUG, "system calls that a chat never makes are forbidden");
}
#else
static void filter_system_calls(void)
{
	pl_log(PL_LOG_DEBUG, "no system call is forbidden: built without libseccomp");
}
#endif

/* --- the three steps ------------------------------------------------------------------ */

void harden_begin(void)
{
#ifdef __linux__
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		pl_log(PL_LOG_WARNING, "no_new_privs: %s", strerror(errno));
#else
	pl_log(PL_LOG_DEBUG, "no_new_privs: this system has no such thing");
#endif
}

int harden_serve(const struct harden_user *u, struct pl_error *err)
{
	const int code = u ? become(u, err) : 0;

	if (code)
		return code;
	if (!u && geteuid() == 0)
		pl_log(PL_LOG_WARNING,
		       "running as root: --user NAME gives that up once the ports are open");
	filter_system_calls();
	return 0;
}
