"""test_flood.py: who says too much, who is one too many, and who is no person at all."""

import re
import socket
import time

import harness
from harness import Line, need, test

SLOWER = "-- slower, please: 5 lines a second; the rest waits its turn --"


def said(listener, name):
    """The numbers of the lines that he has read of somebody, in order."""
    return [int(n) for n in re.findall(rf"<{name}> line (\d+)\r\n".encode(), listener.heard)]


def lines(numbers):
    return "".join(f"line {number}\n" for number in numbers)


def flood_on(wire):
    def run(scene):
        path = scene.line(0)
        server = scene.server("tcp:0", f"pty:{path}")
        ann = scene.stream(server).joins("ann")
        guest = scene.stream(server) if wire == "tcp" else Line(scene, path)
        mallory = guest.joins("mallory")
        begun = time.monotonic()
        mallory.keys(lines(range(40)).replace("\n", mallory.enter.decode()))
        ann.reads("<mallory> line 30\r\n")
        took = time.monotonic() - begun
        # 20 at once less those of the joining, the others with 200 ms between them.
        assert took > 1.8, f"31 lines in {took:.1f} s"
        numbers = said(ann, "mallory")
        assert numbers == list(range(len(numbers))), numbers
        ann.say("still here")
        mallory.reads("<ann> still here")
        mallory.say("/exit")
        mallory.sees(r"-- \d+ lines? of yours waited and will not be said --")
        mallory.reads("-- goodbye, mallory --")
        mallory.has_read(SLOWER)
        ann.reads("* mallory has left")

    run.__name__ = f"a_flood_on_{wire}_is_told_once_and_slowed_and_exit_passes"
    return test(run)


flood_on("tcp")
flood_on("pty")


@test
def of_a_file_that_is_piped_in_nothing_is_lost(scene):
    need("nc")
    server = scene.server("tcp:0")
    host, port = server.address("tcp")
    ann = scene.stream(server).joins("ann")
    once = scene.pipe("nc", "-N", host, str(port))
    once.keys(lines(range(35)))
    once.no_more()
    ann.reads("<guest1> line 34\r\n")
    ann.reads("* guest1 has left (tcp)")
    assert said(ann, "guest1") == list(range(35))
    assert once.exits() == 0


@test
def datagrams_beyond_what_waits_are_dropped_and_he_reads_how_many(scene):
    server = scene.server("tcp:0", "udp:0:rate=50,5")
    ann = scene.stream(server).joins("ann")
    mallory = scene.datagrams(server).joins("mallory")
    count, width = 100, 200
    for number in range(count):
        mallory.keys(f"line {number}".ljust(width) + "\n")
    mallory.reads(
        "-- slower, please: 50 lines a second; the rest waits its turn or is dropped --"
    )
    mallory.reads("-- 1 line of yours was dropped --")
    dropped = 1 + int(mallory.sees(r"-- (\d+) lines of yours were dropped --").group(1))
    heard = ann.heard.count(b"<mallory> line ")
    assert heard + dropped == count, (heard, dropped)
    mallory.say("/stats")
    mallory.sees(rf" {dropped}  lines: dropped, too many at once\r\n")


@test
def scanners_and_knockers_are_nobody(scene):
    server = scene.server("tcp:0")
    ann = scene.stream(server).joins("ann")
    hello = b"\x16\x03\x01\x00\xf4\x01\x00\x00\xf0\x03\x03" + bytes(range(64))
    for words in (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", hello, hello[:1]):
        scanner = scene.stream(server)
        scanner.keys(words)
        if words == hello[:1]:
            scanner.keys(hello[1:])
        scanner.ends()
    for _ in range(50):
        with socket.create_connection(server.address("tcp")):
            pass
    scene.rest(2)
    ann.say("/stats")
    ann.sees(r"^ +3  connections: turned away, HTTP, TLS or modem\r\n")
    ann.has_read("has joined", times=0)
    ann.has_read("has left", times=0)


@test
def one_too_many_is_told_and_the_others_stay(scene):
    server = scene.server("tcp:0", "udp:0", arguments=("--max-users", "3"))
    ann = scene.stream(server).joins("ann")
    bob = scene.datagrams(server).joins("bob")
    carl = scene.stream(server).joins("carl")
    full = "-- too many people here, please try again later --\r\n"
    late = scene.stream(server)
    late.reads(full)
    late.ends()
    knocker = scene.datagrams(server)
    knocker.keys(b"hello\n")
    knocker.reads(full)
    bob.say("it is crowded")
    ann.reads("<bob> it is crowded")
    carl.say("/exit")
    carl.ends()
    carl.close()  # until then he takes a place
    ann.is_answered()
    knocker.keys(b"hello again\n")
    ann.sees(r"<guest\d+> hello again\r\n")


@test
def wrong_options_are_sentences(scene):
    for option, value, sentence in (
        ("--rate", "fast", r"--rate is LINES/s\[,BURST\], each 1\.\.1000, .*, not fast"),
        ("--rate", "0", "--rate is"),
        ("--max-users", "0", "--max-users is 1 to 1000000, not 0"),
        ("--max-users", "many", "--max-users is 1 to 1000000, not many"),
        ("--per-source", "1000001", "--per-source is 1 to 1000000, not 1000001"),
    ):
        scene.refused(option, value, "tcp:0", status=2, sentence=sentence)
    scene.refused("tcp:0:per-source=0", status=1, sentence="per-source must be 1..1000000")


if __name__ == "__main__":
    harness.main()
