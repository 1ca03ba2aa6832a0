"""test_one_room.py: everybody in one room, whatever wire and whatever program they are on."""

import re
import socket

import harness
from harness import Line, SerialTerminal, Skip, UdpTerminal, need, test

GOODBYE = "the server is stopping, goodbye"


def everybody(scene):
    """A server, and people with their wires, at all the programs that there are."""
    need("telnet", "nc", "screen", "picocom", "minicom", "socat")
    lines = [scene.line(number) for number in range(5)]
    server = scene.server("tcp:0", "udp:0", *(f"pty:{line}" for line in lines))
    host, port = server.address("tcp")
    people = {
        scene.telnet(server): "tcp",
        scene.nc(server): "tcp",
        scene.nc_udp(server): "udp",
        scene.screen(lines[0]): "pty",
        scene.picocom(lines[1]): "pty",
        scene.minicom(lines[2]): "pty",
        scene.terminal("socat", "-", f"TCP:{host}:{port}"): "tcp",
        scene.terminal("socat", "-,rawer", f"TCP:{host}:{port}"): "tcp",
    }
    if harness.has("busybox"):
        microcom = scene.terminal("busybox", "microcom", lines[3], kind=SerialTerminal)
        people[microcom] = "pty"
        people[scene.terminal("busybox", "telnet", host, str(port))] = "tcp"
    if harness.has("tio"):
        people[scene.terminal("tio", lines[4], kind=SerialTerminal)] = "pty"
    if harness.has("plink"):
        people[scene.terminal("plink", "-telnet", "-P", str(port), host)] = "tcp"
    names = "ann bob cat dan eve fay gus hal ivy jon kim leo".split()
    harness.come_in([person for person, wire in people.items() if wire == "pty"])
    for person, name in zip(people, names):
        if isinstance(person, UdpTerminal):
            person.joins(name)
        else:
            person.takes_name(name)
    return server, people


@test
def everybody_reads_what_anybody_types(scene):
    server, people = everybody(scene)
    for speaker in people:
        line = f"<{speaker.name}> hello from {speaker.argv[0]}"
        speaker.say(f"hello from {speaker.argv[0]}")
        for other in people:
            if other is not speaker or people[speaker] == "pty":  # which echoes
                other.reads(line)
    for person in people:  # each line once, and the own one where the server echoes
        for speaker, wire in people.items():
            own = person is speaker and wire != "pty"
            person.has_read(f"<{speaker.name}>", times=0 if own else 1)


@test
def everybody_can_ask_who_is_here(scene):
    server, people = everybody(scene)
    for person in people:
        start = person.at
        person.say("/who")
        person.reads(f"{len(people)} people")
        answer = person.heard[start : person.at].decode()
        for other, wire in people.items():
            if not re.search(rf"{other.name} +{wire} +\S+ +\d+s\s", answer):
                person.fail(f"does not read that {other.name} is here")


@test
def everybody_can_leave(scene):
    server, people = everybody(scene)
    witness = scene.stream(server).joins("witness")
    for person, wire in people.items():
        person.say("/exit")
        person.reads(f"goodbye, {person.name}")
        witness.reads(f"* {person.name} has left ({wire})\r\n")
    for person, wire in people.items():
        if wire != "tcp":  # the next may sit down there
            person.joins(f"{person.name}-again")
        elif person.argv[0] != "nc":  # which waits for a key
            person.exits()
    witness.say("/who")
    witness.reads(f"{sum(wire != 'tcp' for wire in people.values()) + 1} people")


@test
def everybody_is_told_that_the_server_stops(scene):
    server, people = everybody(scene)
    server.ask_to_stop()
    for person in people:
        person.reads(GOODBYE)
    server.stops()
    for person in people:
        person.has_read(GOODBYE)


@test
def interrupting_telnet_does_not_silence_the_chat(scene):
    server = scene.server("tcp:0")
    ann = scene.telnet(server).joins("ann")
    bob = scene.nc(server).joins("bob")
    ann.keys(b"\x03")  # telnet throws away what comes until the server has answered it
    ann.say("still here")
    bob.reads("<ann> still here")
    bob.say("good")
    ann.reads("<bob> good")


@test
def telnet_asks_whether_we_are_there(scene):
    server = scene.server("tcp:0")
    ann = scene.telnet(server).joins("ann")
    ann.keys(b"\x1d")  # Ctrl-]
    ann.reads("telnet>")
    ann.say("send ayt")
    ann.reads("-- yes, I am here --")


@test
def backspace_is_backspace_at_every_terminal_program(scene):
    line = scene.line(0)
    server = scene.server("tcp:0", f"pty:{line}")
    bob = scene.stream(server).joins("bob")
    for number, start in enumerate((scene.screen, scene.picocom, scene.minicom)):
        ann = start(line).joins(f"ann{number}")
        ann.keys("helpp\x7f\x7flo\r")  # minicom makes 08 of the 7f
        bob.reads(f"<ann{number}> hello\r\n")
        ann.close()
        bob.reads(f"ann{number} has left")


@test
def nc_that_sends_line_ends_apart_says_one_line(scene):
    server = scene.server("tcp:0")
    ann = scene.nc(server, "-C").joins("ann")
    bob = scene.stream(server).joins("bob")
    ann.say("one")
    bob.reads("<ann> one\r\n")
    ann.say("two")
    bob.reads("<ann> two\r\n")
    bob.has_read("<ann>", times=2)


@test
def who_pipes_a_line_into_nc_gets_its_answer(scene):
    server = scene.server("tcp:0")
    host, port = server.address("tcp")
    bob = scene.stream(server).joins("bob")
    once = scene.pipe("nc", "-N", host, str(port))
    once.keys("hi\n/who\n")
    once.no_more()
    once.reads("2 people")
    assert once.exits() == 0
    bob.sees(r"<guest\d+> hi\r\n")
    bob.sees(r"guest\d+ has left \(tcp\)")


@test
def a_last_line_without_its_end_is_a_line(scene):
    server = scene.server("tcp:0")
    host, port = server.address("tcp")
    bob = scene.stream(server).joins("bob")
    for command, answer in (("/who", "2 people"), ("/exit", "goodbye, guest1")):
        once = scene.pipe("nc", "-N", host, str(port))
        once.keys(command)
        once.no_more()
        once.reads(answer)
        assert once.exits() == 0
        bob.reads("guest1 has left (tcp)")
    once = scene.pipe("nc", "-N", host, str(port))
    once.keys("hi")
    once.no_more()
    bob.reads("<guest1> hi\r\n")


@test
def localhost_is_both_its_addresses(scene):
    try:
        socket.socket(socket.AF_INET6).bind(("::1", 0))
    except OSError as why:
        raise Skip(f"no IPv6 here: {why}")
    server = scene.server("tcp:0", "udp:0")
    people = [
        scene.terminal("nc", "::1", str(server.address("tcp")[1])).joins("ann"),
        scene.nc(server).joins("bob"),
        scene.terminal(
            "nc", "-u", "::1", str(server.address("udp")[1]), kind=UdpTerminal
        ).joins("cat"),
        scene.nc_udp(server).joins("dan"),
    ]
    for speaker in people:
        speaker.say("hello")
        for other in people:
            if other is not speaker:
                other.reads(f"<{speaker.name}> hello")


@test
def who_sits_down_at_a_line_reads_nothing_of_who_sat_there_before(scene):
    path = scene.line(0)
    server = scene.server("tcp:0", f"pty:{path}")
    ann = scene.stream(server).joins("ann")
    mia = Line(scene, path).joins("mia")
    mia.listen(False)
    ann.say("a secret for mia")
    ann.is_answered()
    mia.close()
    ann.reads("mia has left")
    next_one = Line(scene, path)
    next_one.reads("press Enter to join")
    next_one.has_read("secret", times=0)


if __name__ == "__main__":
    harness.main()
