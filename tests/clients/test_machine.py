"""test_machine.py: the machine is short of something: standard streams, room on the disk,
descriptors, a moment without signals.  Those who are there talk on and notice nothing."""

import os
import re
import resource
import signal
import time

import harness
from harness import PATIENCE, Server, Stream, test

EXIT_FAILED = 1
CLOSED = {"<&-": 0, ">&-": 1, "2>&-": 2}


def they_talk(*people):
    for speaker in people:
        said = f"{speaker.name} at {time.monotonic()}"
        speaker.say(said)
        for listener in people:
            if listener is not speaker:
                listener.reads(f"<{speaker.name}> {said}")


def connected(scene, path):
    """A stream as soon as there is a server."""

    def connect():
        try:
            return Stream(scene, path)
        except OSError:  # not yet
            return None

    stream = scene.until(connect, PATIENCE)
    assert stream, "it does not start"
    return stream


def redirected(scene, redirection, *arguments):
    """The server behind a shell that does this to its standard streams."""
    return scene.pipe(
        "sh", "-c", f'exec "$0" "$@" {redirection}', harness.options.partyline, *arguments
    )


def limited(scene, limit, *endpoints):
    """The server under an ulimit."""
    command = ["sh", "-c", f'ulimit {limit} && exec "$0" "$@"', harness.options.partyline]
    return Server(scene, command, endpoints)


# --- standard streams -------------------------------------------------------------------


def serves(scene, redirection):
    path = scene.path("socket")
    server = redirected(scene, redirection, f"unix:{path}")
    ann = connected(scene, path).joins("ann")
    bob = Stream(scene, path).joins("bob")
    they_talk(ann, bob)
    for words, number in CLOSED.items():
        if words in redirection.split():  # nothing of ours has taken its place
            assert os.readlink(f"/proc/{server.process.pid}/fd/{number}") == os.devnull
    server.kill(signal.SIGHUP)  # which is a line of the log
    they_talk(ann, bob)
    for person in ann, bob:
        for word in "info:", "warning:", "unix ":  # no log, no ready line in a connection
            person.has_read(word, times=0)
    server.kill(signal.SIGTERM)
    for person in ann, bob:
        person.reads("goodbye")
        person.close()
    assert server.exits() == 0, f"{redirection}: {server.status}"
    return server


@test
def any_of_its_streams_may_be_closed_from_the_start(scene):
    for redirection in "<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-":
        serves(scene, redirection)


@test
def any_of_its_streams_may_be_full(scene):
    server = serves(scene, ">/dev/full")
    server.reads("the ready lines could not be printed: No space left on device")
    serves(scene, "2>/dev/full")
    serves(scene, ">/dev/full 2>/dev/full")


@test
def help_that_could_not_be_printed_is_a_failure(scene):
    for word in "--help", "--version":
        program = redirected(scene, ">/dev/full", word)
        assert program.exits() == EXIT_FAILED
        program.reads("partyline: standard output: No space left on device")


# --- the log ----------------------------------------------------------------------------


@test
def who_reads_its_log_may_go(scene):
    server = scene.server("tcp:0")
    ann = scene.stream(server).joins("ann")
    bob = scene.stream(server).joins("bob")
    server.errors.close()
    for _ in range(10):
        server.kill(signal.SIGHUP)
        they_talk(ann, bob)
    server.stops()


@test
def a_log_that_may_not_grow_is_no_end_and_tells_what_it_lost(scene):
    path, log = scene.path("socket"), scene.path("log")
    server = redirected(scene, f'2>"{log}"', f"unix:{path}")
    ann = connected(scene, path).joins("ann")
    bob = Stream(scene, path).joins("bob")
    size = os.path.getsize(log) + 150  # ends within a line
    before = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, -1))
    for number in range(20):  # each is a line of the log
        bob.say(f"/nick bob{number}")
        ann.reads(f"is now bob{number}")
    bob.name = "bob19"
    assert os.path.getsize(log) == size
    they_talk(ann, bob)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, before)
    bob.say("/nick bob")
    ann.reads("is now bob")
    ann.close()
    bob.close()
    server.kill(signal.SIGTERM)
    assert server.exits() == 0
    with open(log) as file:
        text = file.read()
    lost = int(re.search(r"^.{19} warning: (\d+) lines of the log were lost$", text, re.M).group(1))
    written = sum(f"is now bob{number}\n" in text for number in range(20))
    assert 0 < written and written + lost == 20, text
    assert re.search("^.{19} info: bob19 is now bob$", text, re.M), text


# --- signals ----------------------------------------------------------------------------


def busy_server(scene):
    endpoints = "tcp:0", "udp:0", f"pty:{scene.line(0)}"
    return scene.server(*endpoints, arguments=harness.AS_FAST_AS_HE_LIKES)


def they_talk_meanwhile(scene, server, disturb):
    people = [scene.stream(server).joins(name) for name in ("ann", "bob", "cat")]
    people.append(scene.datagrams(server).joins("dan"))
    people.append(harness.Line(scene, scene.line(0)).joins("eve"))
    for number in range(300):
        for _ in range(5):
            disturb()
        speaker = people[number % len(people)]
        speaker.say(f"line {number}")
        if number % 10 == 9:  # nobody outruns the others by far
            speaker.is_answered()
    for person in people:
        person.is_answered()
    for person in people:
        others = [n for n in range(300) if people[n % len(people)] is not person]
        heard = [int(n) for n in re.findall(rb"> line (\d+)\r\n", person.heard)]
        heard = [n for n in heard if n in others]  # a line shows him his own as well
        for speaker in range(len(people)):
            wanted = [n for n in others if n % len(people) == speaker]
            got = [n for n in heard if n % len(people) == speaker]
            assert got == wanted, f"{person.name} has read {got} of {people[speaker].name}"


@test
def signals_without_end_lose_nothing(scene):
    server = busy_server(scene)
    they_talk_meanwhile(scene, server, lambda: server.kill(signal.SIGHUP))


@test
def being_stopped_and_continued_without_end_loses_nothing(scene):
    server = busy_server(scene)

    def stop_and_continue():
        server.kill(signal.SIGSTOP)
        server.kill(signal.SIGCONT)

    they_talk_meanwhile(scene, server, stop_and_continue)


# --- descriptors ------------------------------------------------------------------------


@test
def too_few_descriptors_to_begin_with_are_a_sentence(scene):
    for limit in 4, 6, 8:
        path = scene.path("socket")
        program = scene.pipe(
            *("sh", "-c", f'ulimit -n {limit} && exec "$0" "$@"', harness.options.partyline),
            *(f"unix:{path}", "tcp:0", "udp:0", f"pty:{scene.line(0)}"),
        )
        assert program.exits() == EXIT_FAILED, f"{limit}: {program.status}"
        program.reads("partyline: ")
        program.reads("Too many open files")
        assert not os.path.lexists(path) and not os.path.lexists(scene.line(0))


@test
def a_soft_limit_is_raised_before_the_first_endpoint_is_opened(scene):
    server = limited(scene, "-S -n 8", "tcp:0", "udp:0", f"unix:{scene.path('socket')}")
    people = [scene.stream(server) for _ in range(20)]
    for person in people:
        person.reads("you are guest")


@test
def when_descriptors_run_out_those_who_are_there_talk_on(scene):
    server = limited(scene, "-n 16", "tcp:0")
    inside = []
    while len(inside) < 16:
        person = scene.stream(server)
        if person.sees("you are guest|too many people here").group().startswith(b"too"):
            break
        inside.append(person)
    assert 3 <= len(inside) < 16, f"{len(inside)} were let in"
    for number, person in enumerate(inside):
        person.say(f"/nick p{number}")
        person.reads(f"is now p{number}")
        person.name = f"p{number}"
    for _ in range(5):  # each is told, nobody hangs
        late = scene.stream(server)
        late.reads("too many people here, please try again later")
        late.ends()
        they_talk(*inside)
    inside.pop().close()
    inside[0].reads("has left")

    def let_in():
        person = scene.stream(server)
        person.sees("you are guest|too many people here")
        return b"you are guest" in person.heard and person

    assert scene.until(let_in, PATIENCE), "who comes after that is not let in"
    server.stops()
    server.errors.reads("warning: out of descriptors")
    server.errors.has_read("warning: out of descriptors", times=1)


if __name__ == "__main__":
    harness.main()
