"""test_examples.py: the steps of the tutorial, each on TCP, UDP and a terminal line without a
change."""

import os

import harness
from harness import Line, Server, lacks, test

CTRL_L = b"\x0c"


def stage(scene, step):
    """The step, with its output on a terminal as a beginner has it, and the people at its
    wires with the names that it has for them."""
    if not harness.options.examples:
        lacks("--examples DIR")
    program = os.path.join(harness.options.examples, step)
    path = scene.line(0)
    server = Server(scene, [program], ["tcp:0", "udp:0", f"pty:{path}"], terminal=True)
    line = Line(scene, path)
    line.reads(harness.INVITATION)
    for _ in range(harness.PATIENCE):  # steps that greet nobody: who is in can draw anew
        scene.rest(harness.LINE_QUIET)
        line.keys("\r")
        scene.rest(harness.LINE_QUIET)
        line.keys(CTRL_L)
        if scene.until(lambda: b"\x1b[K" in line.heard, 1):
            break
    tcp, udp = scene.stream(server), scene.datagrams(server)
    people = {
        tcp: "127.0.0.1:%d" % tcp.socket.getsockname()[1],
        udp: "127.0.0.1:%d" % udp.socket.getsockname()[1],
        line: path,
    }
    return server, people


@test
def step_1_prints_the_lines_that_arrive(scene):
    server, people = stage(scene, "step1")
    for number, person in enumerate(people):
        person.say(f"line {number}")
        server.sees(rf"^line {number}\r\n")


@test
def step_2_says_who_typed_them(scene):
    server, people = stage(scene, "step2")
    for person, name in people.items():
        person.say("hello")
        server.reads(f"<{name}> hello\r\n")
    once = scene.pipe("nc", "-C", *map(str, server.address("tcp")))
    for number in range(3):  # nc sends the text and its line end apart
        once.say(f"line {number}")
        server.reads(f"> line {number}\r\n")
    server.has_read("\r\n<", times=6)


def everybody_hears_everybody(people):
    for person in people:
        person.say("hello")  # and who is on UDP is somebody from now on
    for person, name in people.items():
        person.say("hello again")
        for other in people:
            if other is not person:
                other.reads(f"<{name}> hello again\r\n")


@test
def step_3_sends_them_to_everybody(scene):
    server, people = stage(scene, "step3")
    everybody_hears_everybody(people)
    tcp, udp, line = people
    tcp.close()
    udp.say("still here")
    line.reads(f"<{people[udp]}> still here\r\n")


@test
def step_4_greets_and_tells_who_comes_and_goes(scene):
    server, people = stage(scene, "step4")
    everybody_hears_everybody(people)
    tcp, udp, line = people
    for person, name in people.items():
        person.has_read(f"Welcome, {name}! Say something; /exit leaves.\r\n")
    line.has_read(f"* {people[tcp]} has joined (tcp)\r\n")
    line.has_read(f"* {people[udp]} has joined (udp)\r\n")
    tcp.say("/exit")
    tcp.reads("Goodbye!\r\n")
    tcp.ends()
    tcp.close()
    udp.reads(f"* {people[tcp]} has left (tcp)\r\n")
    line.say("/exit")
    line.reads("Goodbye!\r\n")
    line.reads(harness.INVITATION)
    udp.reads(f"* {people[line]} has left (pty)\r\n")
    udp.say("/exit")
    udp.reads("Goodbye!\r\n")


if __name__ == "__main__":
    harness.main()
