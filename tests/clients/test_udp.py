"""test_udp.py: datagrams: who is somebody, what he must prove, and how he is gone."""

import os
import re

import harness
from harness import UdpTerminal, need, test

CODE = rb"-- to join type ([a-z0-9]+), then say it again --\r"


def datagram_sockets(server):
    """The local addresses of the server's UDP sockets, as the kernel lists them."""
    folder = f"/proc/{server.process.pid}/fd"
    inodes = set()
    for descriptor in os.listdir(folder):
        found = re.match(r"socket:\[(\d+)\]", os.readlink(f"{folder}/{descriptor}"))
        inodes.update(found.groups() if found else ())
    rows = []
    for table in "udp", "udp6":
        with open(f"/proc/net/{table}") as lines:
            rows += [line.split() for line in lines.readlines()[1:]]
    return sorted(row[1].split(":")[0] for row in rows if row[9] in inodes)


@test
def u4_udp_is_there_only_when_asked_for_and_for_this_machine_alone(scene):
    without = scene.server("tcp:0")
    assert datagram_sockets(without) == [], datagram_sockets(without)
    server = scene.server("udp:0")
    addresses = datagram_sockets(server)
    loopback = ["00000000000000000000000001000000", "0100007F"]
    assert addresses in (loopback, loopback[1:]), addresses


@test
def two_people_talk(scene):
    server = scene.server("udp:0")
    ann = scene.nc_udp(server).joins("ann")
    bob = scene.nc_udp(server).joins("bob")
    ann.reads("* guest1 has joined (udp)")
    for number in range(10):
        ann.say(f"question {number}")
        bob.reads(f"<ann> question {number}")
        bob.say(f"answer {number}")
        ann.reads(f"<bob> answer {number}")
    ann.has_read("<ann>", times=0)


@test
def the_first_line_is_said_as_well(scene):
    server = scene.server("udp:0")
    ann = scene.nc_udp(server).joins("ann")
    bob = scene.terminal(*server.command("udp"))
    bob.say("hello all")
    ann.reads("* guest1 has joined (udp)")
    ann.reads("<guest1> hello all")
    bob.reads("-- you are guest1 --")


@test
def lines_that_share_a_datagram_are_lines(scene):
    server = scene.server("udp:0")
    ann = scene.nc_udp(server).joins("ann")
    bob = scene.datagrams(server).joins("bob")
    bob.keys("one\ntwo\r\nthree")
    bob.keys("four\n\n\nfive\n")
    for line in "one", "two", "three", "four", "five":
        ann.reads(f"<bob> {line}\r")
    carl = scene.terminal("nc", "-u", "-C", "localhost", str(server.address("udp")[1]))
    carl.say("six")  # and the line's end in a datagram of its own
    ann.reads("<guest1> six")
    carl.say("seven")
    ann.reads("<guest1> seven")
    ann.has_read("<guest1>", times=2)


@test
def a_probe_is_nobody(scene):
    need("nc")
    server = scene.server("udp:0")
    ann = scene.nc_udp(server).joins("ann")
    host, port = server.address("udp")
    probe = scene.datagrams(server)
    probe.keys("X")
    verbose = scene.terminal("nc", "-u", "-v", host, str(port), kind=UdpTerminal)
    verbose.reads("succeeded")  # nc has sent what it probes with, and types from now on
    verbose.joins("bob")
    ann.reads("is now bob")
    ann.has_read("X", times=0)
    ann.has_read("has joined", times=1)
    assert probe.datagrams == [], probe.datagrams


@test
def exit_is_over_and_a_word_is_back(scene):
    server = scene.server("udp:0")
    ann = scene.nc_udp(server).joins("ann")
    bob = scene.nc_udp(server).joins("bob")
    bob.say("/exit")
    bob.reads("-- goodbye, bob --")
    ann.reads("* bob has left (udp)")
    ann.say("still here")
    ann.is_answered()
    bob.say("back again")
    ann.reads("* guest1 has joined (udp)")
    ann.reads("<guest1> back again")
    bob.has_read("still here", times=0)


@test
def who_is_silent_for_too_long_has_left(scene):
    server = scene.server("udp:0:idle=1", "tcp:0")
    ann = scene.stream(server).joins("ann")
    bob = scene.nc_udp(server).joins("bob")
    bob.sees("-- no word from you for 1 seconds?: you have left; type anything to return --")
    ann.reads("* bob has left (udp)")
    bob.say("sorry")
    ann.reads("<guest1> sorry")


@test
def a_terminal_that_is_closed_is_gone(scene):
    server = scene.server("udp:0")
    ann = scene.nc_udp(server).joins("ann")
    bob = scene.nc_udp(server).joins("bob")
    carl = scene.nc_udp(server).joins("carl")
    bob.close()
    ann.say("bob?")  # that nobody reads it is an error, about bob alone
    ann.reads("* bob has left (udp: nobody there)")
    carl.reads("* bob has left (udp: nobody there)")
    carl.say("so it is")
    ann.reads("<carl> so it is")
    ann.say("/who")
    ann.reads("2 people")


@test
def a_hundred_who_say_one_line_and_go(scene):
    server = scene.server("udp:0", "tcp:0")
    host, port = server.address("udp")
    ann = scene.stream(server).joins("ann")
    for number in range(100):
        once = scene.pipe("nc", "-u", "-q0", host, str(port))
        once.keys(f"line {number}.")  # without its end
        once.no_more()
        ann.reads(f"> line {number}.\r\n")
        once.exits()
        once.close()
    for number in range(100):
        ann.has_read(f"> line {number}.\r\n")
    ann.is_answered()
    ann.say("anybody there?")
    gone = lambda: len(re.findall(rb"has left \(udp", ann.heard)) == 100
    assert scene.until(gone, harness.PATIENCE), "somebody is still there"
    ann.say("/who")
    ann.reads("1 person")


@test
def who_must_prove_his_address_types_a_code(scene):
    server = scene.server("udp:0:verify=always", "tcp:0")
    ann = scene.stream(server).joins("ann")
    bob = scene.terminal(*server.command("udp"))
    bob.say("hello all")
    code = bob.sees(CODE).group(1).decode()
    bob.say(code.upper())
    bob.reads("-- you are guest1 --")
    bob.say("hello all")
    ann.reads("<guest1> hello all")
    ann.has_read("hello all")
    ann.has_read(code, times=0)


@test
def a_code_is_good_for_one_address_and_once(scene):
    server = scene.server("udp:0:verify=always", "tcp:0")
    ann = scene.stream(server).joins("ann")
    bob, mallory = scene.datagrams(server), scene.datagrams(server)
    bob.say("hello")
    code = bob.sees(CODE).group(1).decode()
    mallory.say(code)
    assert mallory.sees(CODE).group(1).decode() != code
    bob.say(code)
    bob.reads("-- you are guest1 --")
    bob.say("/exit")
    bob.reads("goodbye")
    ann.reads("has left (udp)")
    bob.say(code)
    bob.sees(CODE)
    ann.is_answered()
    ann.has_read("has joined", times=1)


@test
def an_unproven_address_gets_little_and_costs_nothing(scene):
    server = scene.server("udp:0:verify=always", "tcp:0:rate=off")
    ann = scene.stream(server).joins("ann")
    before = server.memory()
    for number in range(200):  # a second's budget ends somewhere on the way
        size = number % 5 * 300 if number else 0
        stranger = scene.datagrams(server)
        stranger.socket.send(b"x" * size)
        ann.is_answered()
        scene.pump(0)
        limit = 56 + 3 * size
        assert len(b"".join(stranger.datagrams)) <= limit, stranger.datagrams
        assert len(stranger.datagrams) <= 1, stranger.datagrams
        if number == 0:
            stranger.sees(CODE)  # so what is counted here does come
        stranger.close()
    ann.has_read("has joined", times=0)
    ann.say("/who")
    ann.reads("1 person")
    server.errors.has_read("udp", times=0)
    if not harness.options.sanitized:
        assert server.memory() - before < 256 * 1024, "memory has grown"


if __name__ == "__main__":
    harness.main()
