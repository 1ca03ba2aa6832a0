"""test_harden.py: what the server gives up before it lets anybody in.

A library that is preloaded (tests/support/trespasser.c) tries from inside the server what a
chat server never does.  What takes root is skipped where the tests are run by somebody else.
"""

import grp
import os
import pwd
import re

import harness
from harness import Line, Skip, Stream, test

USER = "nobody"
EXIT_FAILED, EXIT_USAGE = 1, 2
FILTERED = os.environ.get("PARTYLINE_SECCOMP") == "1"

# The answer to a call that is forbidden is EPERM, but for these.
OTHER_ANSWERS = {
    "clone3": "ENOSYS",
    "may_socket_tcp": "done",
    "may_socket_udp6": "done",
    "may_socket_unix": "done",
    "may_TIOCGWINSZ": "EBADF",
    "may_thread": "done",
    "over": "done",
}
MAY_LACK = {"may_socket_udp6": "EAFNOSUPPORT"}  # a machine without IPv6


def need_root():
    if os.geteuid() != 0:
        raise Skip("only root can become somebody else")


def need_filter():
    if not FILTERED:
        raise Skip("this build has no filter of system calls")


def status(server):
    """What the kernel says of each thread: {"Uid": {"65534 65534 65534 65534"}, ...}"""
    result = {}
    folder = f"/proc/{server.process.pid}/task"
    for thread in os.listdir(folder):
        with open(f"{folder}/{thread}/status") as file:
            for line in file:
                key, _, value = line.partition(":")
                result.setdefault(key, set()).add(" ".join(value.split()))
    return result


def open_to_others(scene):
    """The folder of the scene, so that another user can use what is in it."""
    os.chmod(scene.folder, 0o755)


def as_user(scene, *endpoints, user=USER, **more):
    if harness.options.sanitized:  # it looks for leaks in a process it may not look into
        scene.environment["ASAN_OPTIONS"] = "detect_leaks=0:verify_asan_link_order=0"
    return scene.server(*endpoints, arguments=["--user", user], **more)


def they_talk(*people):
    for speaker in people:
        speaker.say(f"this is {speaker.name}")
        for listener in people:
            if listener is not speaker:
                listener.reads(f"<{speaker.name}> this is {speaker.name}")


# --- system calls -----------------------------------------------------------------------


def tries(server, thread):
    """What the trespasser of a thread has got: {call: result}"""
    server.errors.reads(f"trespasser {thread} over done")
    pattern = rf"^trespasser {thread} (\S+) (\S+)$".encode()
    found = re.findall(pattern, server.errors.heard, re.MULTILINE)
    return {call.decode(): result.decode() for call, result in found}


@test
def what_a_chat_never_does_is_forbidden_to_every_thread_of_it(scene):
    need_filter()
    preload = os.path.abspath(os.environ["PARTYLINE_TRESPASSER"])
    server = scene.server("tcp:0", f"pty:{scene.line(0)}", preload=preload)
    ann = scene.stream(server).joins("ann")
    bob = Line(scene, scene.line(0)).joins("bob")
    server.kill(harness.signal.SIGRTMIN)
    for thread in "first", "second":  # the second has begun before there was a filter
        results = tries(server, thread)
        assert len(results) > 30, results
        for call, result in results.items():
            wanted = OTHER_ANSWERS.get(call, "EPERM")
            assert result in (wanted, MAY_LACK.get(call)), f"{thread} {call}: {result}"
    they_talk(ann, bob)
    found = status(server)
    assert found["Seccomp"] == {"2"}, found["Seccomp"]


@test
def every_name_in_the_list_of_what_is_forbidden_is_known(scene):
    need_filter()
    server = scene.server("tcp:0", arguments=["--log-level", "debug"])
    server.errors.reads("system calls that a chat never makes are forbidden")
    server.errors.has_read("is not known here", times=0)


@test
def a_server_without_a_filter_says_so(scene):
    if FILTERED:
        raise Skip("this build has one")
    server = scene.server("tcp:0", arguments=["--log-level", "debug"])
    server.errors.reads("no system call is forbidden: built without libseccomp")


@test
def nothing_it_could_run_would_have_more_rights_than_it_has(scene):
    server = scene.server("tcp:0")
    assert status(server)["NoNewPrivs"] == {"1"}


# --- another user -----------------------------------------------------------------------


@test
def who_runs_it_as_root_is_told_once(scene):
    need_root()
    server = scene.server("tcp:0", "udp:0")
    server.errors.reads("running as root: --user NAME gives that up once the ports are open")
    scene.stream(server).joins("ann")
    server.stops()
    server.errors.has_read("running as root", times=1)


@test
def root_becomes_the_user_once_the_ports_are_open_and_keeps_nothing(scene):
    need_root()
    open_to_others(scene)
    line, path = scene.line(0), scene.path("socket")
    server = as_user(scene, "tcp:0", "udp:0", f"pty:{line}", f"unix:{path}")
    user = pwd.getpwnam(USER)
    server.errors.reads(f"running as {USER}, uid {user.pw_uid}, gid {user.pw_gid}")
    server.errors.has_read("running as root", times=0)
    found = status(server)
    assert found["Uid"] == {" ".join([str(user.pw_uid)] * 4)}, found["Uid"]
    assert found["Gid"] == {" ".join([str(user.pw_gid)] * 4)}, found["Gid"]
    groups = " ".join(map(str, sorted(os.getgrouplist(USER, user.pw_gid))))
    assert found["Groups"] == {groups}, found["Groups"]
    for kind in "CapInh", "CapPrm", "CapEff", "CapAmb":
        assert found[kind] == {"0" * 16}, f"{kind}: {found[kind]}"
    # Not to be looked into: its files in /proc are root's.
    assert os.stat(f"/proc/{server.process.pid}/status").st_uid == 0
    they_talk(
        scene.stream(server).joins("ann"),
        scene.datagrams(server).joins("bob"),
        Line(scene, line).joins("cat"),
        Stream(scene, path).joins("dan"),
    )


@test
def the_group_may_be_another_one(scene):
    need_root()
    group = next(g for g in grp.getgrall() if g.gr_gid not in (0, pwd.getpwnam(USER).pw_gid))
    server = as_user(scene, "tcp:0", user=f"{USER}:{group.gr_name}")
    server.errors.reads(f"running as {USER}, uid {pwd.getpwnam(USER).pw_uid}, gid {group.gr_gid}")
    found = status(server)
    assert found["Gid"] == {" ".join([str(group.gr_gid)] * 4)}, found["Gid"]


@test
def every_thread_becomes_the_user(scene):
    need_root()
    need_filter()
    preload = os.path.abspath(os.environ["PARTYLINE_TRESPASSER"])
    server = as_user(scene, "tcp:0", preload=preload)
    server.errors.reads(f"running as {USER}")
    found = status(server)
    assert len(os.listdir(f"/proc/{server.process.pid}/task")) == 2
    assert found["Uid"] == {" ".join([str(pwd.getpwnam(USER).pw_uid)] * 4)}, found["Uid"]


@test
def the_next_at_a_line_reads_nothing_of_the_last_ones_after_root_is_gone(scene):
    need_root()
    open_to_others(scene)
    path = scene.line(0)
    server = as_user(scene, "tcp:0", f"pty:{path}")
    ann = scene.stream(server).joins("ann")
    last = Line(scene, path).joins("last")
    last.listen(False)
    ann.say("for the last alone")
    ann.is_answered()
    last.close()
    ann.reads("last has left")
    following = Line(scene, path).joins("next")
    following.has_read("for the last alone", times=0)
    server.ask_to_stop()
    following.reads("goodbye")


@test
def what_it_cannot_remove_any_more_is_in_the_log(scene):
    need_root()
    open_to_others(scene)  # to look at, not to change
    line, path = scene.line(0), scene.path("socket")
    server = as_user(scene, f"pty:{line}", f"unix:{path}")
    server.stops()
    server.errors.reads(f"unix: {path} stays behind: Permission denied")
    server.errors.at = 0
    server.errors.reads(f"pty: {line} stays behind: Permission denied")
    assert os.path.lexists(line) and os.path.lexists(path)


@test
def what_it_may_remove_it_removes(scene):
    need_root()
    os.chown(scene.folder, pwd.getpwnam(USER).pw_uid, -1)
    line, path = scene.line(0), scene.path("socket")
    server = as_user(scene, f"pty:{line}", f"unix:{path}")
    server.stops()
    server.errors.has_read("stays behind", times=0)
    assert not os.path.lexists(line) and not os.path.lexists(path)


# --- not starting -----------------------------------------------------------------------


@test
def a_user_that_nobody_can_become_is_refused(scene):
    need_root()
    for user, sentence in {
        "nosuchuser": "there is no user nosuchuser",
        f"{USER}:nosuchgroup": "there is no group nosuchgroup",
        "root": "root is root too",
        "": "NAME or NAME:GROUP",
        ":": "NAME or NAME:GROUP",
        f"{USER}:": "NAME or NAME:GROUP",
        "x" * 100: "NAME or NAME:GROUP",
    }.items():
        scene.refused("--user", user, "tcp:0", status=EXIT_FAILED, sentence=sentence)
    scene.refused("--user", status=EXIT_USAGE, sentence="user")


def with_rights(scene, *switches):
    """How it ends with fewer or stranger rights than root has: status and stderr."""
    harness.need("setpriv")
    program = scene.pipe(
        "setpriv", *switches, harness.options.partyline, "--user", USER, f"unix:{scene.path('s')}"
    )
    return program.exits(), program.heard.decode()


@test
def it_does_not_serve_when_it_cannot_become_the_user(scene):
    need_root()
    for right in "setgid", "setuid":
        code, said = with_rights(scene, f"--bounding-set=-{right}")
        assert code == EXIT_FAILED, (code, said)
        assert re.search(f"^partyline: --user: cannot become {USER}: ", said, re.M), said
        assert "unix " not in said, "a ready line"
        assert not os.path.lexists(scene.path("s")), "the socket is left"


@test
def it_does_not_serve_when_it_could_become_root_again(scene):
    need_root()
    code, said = with_rights(scene, "--securebits=+no_setuid_fixup")
    assert code == EXIT_FAILED, (code, said)
    assert f"partyline: --user: {USER} could become root again" in said, said


@test
def who_is_not_root_is_told_that_he_cannot_become_somebody_else(scene):
    harness.need("setpriv")
    command = [harness.options.partyline, "--user", USER, "tcp:0"]
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid=1", "--clear-groups", *command]
    program = scene.pipe(*command)
    assert program.exits() == EXIT_FAILED
    program.reads(f"partyline: --user {USER}: only root can become somebody else")


if __name__ == "__main__":
    harness.main()
