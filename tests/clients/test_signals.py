"""test_signals.py: how the server ends, and what it does instead of starting."""

import os
import re
import signal

import harness
from harness import AS_FAST_AS_HE_LIKES, Line, Stream, test

GOODBYE = "the server is stopping, goodbye"
EXIT_FAILED, EXIT_USAGE = 1, 2


# --- stopping ---------------------------------------------------------------------------


def stuck_reader(scene, server):
    """Somebody on TCP who has stopped to read, and so much said that his wire is full."""
    stuck = scene.stream(server, receive_buffer=65536).joins("stuck")
    stuck.listen(False)
    return stuck


def stuck_line(scene, path):
    """The same at a terminal line."""
    stuck = Line(scene, path).joins("stuck-line")
    stuck.listen(False)
    return stuck


def flood(speaker, megabytes):
    """More than all buffers on the way hold.  What is said comes back to nobody else."""
    line = b"x" * 1000 + b"\n"
    for _ in range(megabytes):
        speaker.keys(line * 1000)
        speaker.is_answered()


@test
def who_does_not_read_holds_up_nobody(scene):
    path = scene.line(0)
    server = scene.server("tcp:0", "udp:0", f"pty:{path}", arguments=AS_FAST_AS_HE_LIKES)
    stuck_reader(scene, server)
    stuck_line(scene, path)
    ann = scene.stream(server).joins("ann")
    bob = scene.stream(server).joins("bob")
    flood(ann, 6)
    ann.say("still here")
    bob.reads("<ann> still here")
    server.ask_to_stop()
    for person in ann, bob:
        person.reads(GOODBYE)
    took = server.stops()
    assert took > 1, f"nobody was stuck: it took {took} s"


@test
def who_reads_again_is_told_what_he_has_missed(scene):
    path = scene.line(0)
    server = scene.server("tcp:0", f"pty:{path}", arguments=AS_FAST_AS_HE_LIKES)
    stuck = [stuck_reader(scene, server), stuck_line(scene, path)]
    ann = scene.stream(server).joins("ann")
    flood(ann, 6)
    for person in stuck:
        person.listen(True)
        missed = int(person.sees(r"^-- (\d+) lines skipped --\r\n").group(1))
        lines = person.heard.count(b"<ann> " + b"x" * 1000 + b"\r\n")
        assert lines + missed == 6000, f"{person.name} has read {lines} and missed {missed}"
        person.has_read("<ann>", times=lines)
        person.is_answered()


@test
def an_interrupt_ends_it_as_well(scene):
    server = scene.server("tcp:0", f"pty:{scene.line(0)}")
    ann = scene.stream(server).joins("ann")
    server.ask_to_stop(signal.SIGINT)
    ann.reads(GOODBYE)
    ann.close()
    server.stops()
    assert not os.path.lexists(scene.line(0)), "the line's link is left"


@test
def a_second_signal_ends_it_at_once(scene):
    path = scene.line(0)
    server = scene.server("tcp:0", f"pty:{path}", arguments=AS_FAST_AS_HE_LIKES)
    stuck_reader(scene, server)
    stuck_line(scene, path)
    ann = scene.stream(server).joins("ann")
    flood(ann, 6)
    server.ask_to_stop()
    ann.reads(GOODBYE)
    server.ask_to_stop()
    server.stops(seconds=1)


@test
def who_reads_late_still_reads_the_goodbye(scene):
    path = scene.line(0)
    server = scene.server("tcp:0", "udp:0", f"pty:{path}", arguments=AS_FAST_AS_HE_LIKES)
    people = [
        scene.stream(server).joins("ann"),
        scene.datagrams(server).joins("bob"),
        Line(scene, path).joins("cat"),
    ]
    for person in people:
        person.is_answered()
        person.listen(False)
    server.ask_to_stop()
    scene.rest(0.3)
    for person in people:
        person.listen(True)
        person.reads(GOODBYE)
    server.stops()


@test
def a_hangup_is_nothing_to_it(scene):
    server = scene.server("tcp:0")
    ann = scene.stream(server).joins("ann")
    server.kill(signal.SIGHUP)
    server.errors.reads("SIGHUP")
    ann.is_answered()


@test
def signals_that_mean_nothing_are_noted(scene):
    server = scene.server("tcp:0")
    ann = scene.stream(server).joins("ann")
    for name in "SIGUSR1", "SIGUSR2":
        server.kill(getattr(signal, name))
        server.errors.reads(f"info: {name}: means nothing here")
        ann.is_answered()


@test
def nobody_has_to_read_its_output(scene):
    server = scene.server("tcp:0")
    server.listen(False)
    server.over = True
    os.dup2(os.open(os.devnull, os.O_RDONLY), server.fd)
    server.errors.close()
    ann = scene.stream(server).joins("ann")
    bob = scene.stream(server).joins("bob")
    ann.say("hello")
    bob.reads("<ann> hello")
    bob.close()
    ann.reads("bob has left")
    server.stops()


@test
def it_runs_without_input_and_output(scene):
    path = scene.path("socket")
    closed = 'exec "$0" "$@" <&- >&- 2>&-'
    server = scene.pipe("sh", "-c", closed, harness.options.partyline, f"unix:{path}", "tcp:0")

    def connected():
        try:
            return Stream(scene, path)
        except OSError:  # not yet
            return None

    ann = scene.until(connected, harness.PATIENCE)
    assert ann, "it does not start"
    ann.joins("ann")
    bob = Stream(scene, path).joins("bob")
    ann.say("hello")
    bob.reads("<ann> hello")
    for person in ann, bob:
        person.has_read("info:", times=0)  # no log line in a connection
        person.has_read("tcp ", times=0)
    server.kill(signal.SIGTERM)
    ann.reads(GOODBYE)
    ann.close()
    bob.close()
    assert server.exits() == 0


# --- not starting -----------------------------------------------------------------------


def fails(scene, *arguments, sentence, lines=1):
    scene.refused(*arguments, status=EXIT_FAILED, sentence=sentence, lines=lines)


@test
def a_port_in_use_is_refused(scene):
    server = scene.server("tcp:0", "udp:0")
    for type in "tcp", "udp":
        endpoint = f"{type}:{server.address(type)[1]}"
        fails(scene, endpoint, sentence=f"{endpoint}: another program uses")
        fails(scene, "tcp:0", endpoint, "udp:0", sentence=f"{endpoint}: another program uses")


@test
def a_port_that_is_none_is_refused(scene):
    for type in "tcp", "udp":
        for port in "99999", "65536", "-1", "http", "", "1234x", "1 2":
            sentence = rf"{type}:{port}.*: port must be 0\.\.65535"
            fails(scene, f"{type}:{port}", sentence=sentence)


@test
def what_is_no_endpoint_is_refused(scene):
    fails(scene, "sctp:1234", sentence="sctp.*tcp.*udp")  # tells which there are
    fails(scene, "1234", sentence="1234")
    fails(scene, "", sentence="endpoint")
    fails(scene, "tcp:0:colour=red", sentence="colour.*interface")  # and which keys
    fails(scene, "udp:0:verify=maybe", sentence="verify.*auto.*always.*never")
    fails(scene, "tcp:0:interface=nowhere.invalid", sentence="nowhere.invalid")
    fails(scene, f"pty:{scene.line(0)}:mode=rw", sentence="mode")


@test
def a_directory_is_no_device(scene):
    fails(scene, f"pty:{scene.folder}", sentence=scene.folder)
    fails(scene, f"unix:{scene.folder}", sentence=scene.folder)
    assert os.path.isdir(scene.folder)


@test
def a_file_is_no_device(scene):
    path = scene.path("file")
    with open(path, "w") as file:
        file.write("dear diary")
    for type in "pty", "unix":
        fails(scene, f"{type}:{path}", sentence=path)
    with open(path) as file:
        assert file.read() == "dear diary", "the file is spoilt"
    fails(scene, f"pty:{scene.path('no/such/folder')}", sentence="No such file")
    fails(scene, f"unix:{scene.path('no/such/folder')}", sentence="No such file")


@test
def what_a_killed_server_has_left_is_in_nobodys_way(scene):
    line, path = scene.line(0), scene.path("socket")
    killed = scene.server(f"pty:{line}", f"unix:{path}")
    fails(scene, f"pty:{line}", sentence="leads to a terminal")
    fails(scene, f"unix:{path}", sentence="listening there already")
    killed.close()
    scene.peers.remove(killed)
    assert os.path.lexists(line) and os.path.lexists(path), "nothing was left"
    os.remove(line)  # its terminal's number may be another's by now
    os.symlink("/dev/pts/999999", line)
    scene.server(f"pty:{line}", f"unix:{path}")
    Stream(scene, path).joins("ann")
    Line(scene, line).joins("bob")


@test
def it_opens_all_endpoints_or_none(scene):
    line, path = scene.line(0), scene.path("socket")
    fails(scene, f"pty:{line}", f"unix:{path}", "tcp:0", "tcp:99999", sentence="99999")
    assert not os.path.lexists(line), "the line's link is left"
    assert not os.path.lexists(path), "the socket is left"
    fails(scene, "tcp:99999", "udp:99999", "tcp:0", sentence="udp:99999", lines=2)


@test
def wrong_usage_is_told_from_failure(scene):
    scene.refused("--nosuch", "tcp:0", status=EXIT_USAGE, sentence="--nosuch")
    scene.refused("-x", status=EXIT_USAGE, sentence="x")
    scene.refused("--motd", status=EXIT_USAGE, sentence="motd")
    scene.refused(status=EXIT_USAGE, sentence="endpoint")
    scene.refused("--log-level", "loud", "tcp:0", status=EXIT_USAGE, sentence="loud")


@test
def a_greeting_that_cannot_be_read_is_refused(scene):
    path = scene.path("motd")
    fails(scene, "--motd", path, "tcp:0", sentence="motd: No such file")
    fails(scene, "--motd", scene.folder, "tcp:0", sentence="directory")
    with open(path, "w") as motd:
        motd.write("too much\n" * 2000)
    fails(scene, "--motd", path, "tcp:0", sentence="longer than")


@test
def help_and_version_are_no_failure(scene):
    version = scene.run_partyline("--version")
    assert version.returncode == 0 and version.stderr == ""
    assert re.fullmatch(r"partyline \d+\.\d+\.\d+\n", version.stdout), version.stdout
    text = scene.run_partyline("--help")
    assert text.returncode == 0 and text.stderr == ""
    for word in "--motd", "--user", "tcp:PORT", "udp:PORT", "pty:PATH", "nick=NAME":
        assert word in text.stdout, f"--help lacks {word}"


if __name__ == "__main__":
    harness.main()
