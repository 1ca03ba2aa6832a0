#!/usr/bin/env python3
"""forged.py: a million datagrams from a million forged senders, and what they achieve.

    forged.py --partyline PROGRAM [--count 1000000] [--rate 20000]

The server runs `udp:0:verify=always`.  Each datagram has another source address and port,
all over 127.0.0.0/8: the sockets are bound to every address, and IP_PKTINFO says which one
to send from.  What comes back to those addresses comes back to the same sockets, and is
counted.  Meanwhile ann and bob, who have proved themselves, talk over UDP, and carl over
TCP; dora, who got her code before it began, sends it in the middle of it (U3); and ten
newcomers knock as people do, every two seconds, until they are answered.

It ends by itself.  Exit status 1: an answer with its headers was more than three times what
it answered, or memory has grown by more than 1 MB, or a session was made, or dora was not
let in, or a newcomer with a code was not, or somebody's lines did not come."""

import argparse
import collections
import multiprocessing
import os
import re
import selectors
import signal
import socket
import statistics
import struct
import subprocess
import sys
import time

IP_PKTINFO = 8  # of Linux, and so is all of this
HEADERS = 28  # IP and UDP
SOCKETS = 64
CODE = re.compile(rb"-- to join type ([a-z0-9]{6}), then say it again --\r\n")
SCATTER = 0x9E3779  # odd, so number i of the forged addresses is 127.0.0.0 + i * SCATTER
TURN = 0.01  # seconds between two bursts of the flood
SAY_EVERY = 0.1  # one of the three says a line
KNOCK_EVERY = 2.03  # in another phase of the second each time
NEWCOMERS = 10  # the first comes at once, and every 0.3 seconds another
LIMIT = 1024 * 1024  # bytes that memory may grow by

# What strangers say: number i says the one at i % 8.
WORDS = b"hello\n", b"", b"\n", b"234567\n", b"x" * 100, b"X", b"-- no --\r\n", b"y" * 1000


def address_of(number):
    return 0x7F000000 | (number + 1) * SCATTER % (1 << 24)


def number_of(address):
    return (address % (1 << 24) * pow(SCATTER, -1, 1 << 24) - 1) % (1 << 24)


# --- the flood --------------------------------------------------------------------------


def forged_sockets():
    sockets = []
    for _ in range(SOCKETS):
        s = socket.socket(type=socket.SOCK_DGRAM)
        s.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        s.bind(("0.0.0.0", 0))
        s.setblocking(False)
        sockets.append(s)
    return sockets


def flood(port, count, rate, pipe):
    """Sends, and counts what comes back; the figures go into the pipe."""
    sockets = forged_sockets()
    got = collections.Counter()
    answered = set()
    worst = 0.0
    begin = time.monotonic()

    def hear(sock):
        nonlocal worst
        while True:
            try:
                data, control, _, _ = sock.recvmsg(2048, 64)
            except BlockingIOError:
                return
            address = struct.unpack(">I", control[0][2][8:12])[0]
            number = number_of(address)
            size = len(WORDS[number % len(WORDS)])
            worst = max(worst, (len(data) + HEADERS) / (size + HEADERS))
            got["answers"] += 1
            got["answered twice"] += number in answered
            got["bytes"] += len(data)
            answered.add(number)

    sent = sent_bytes = 0
    while sent < count:
        due = min(count, int((time.monotonic() - begin + TURN) * rate))
        for number in range(sent, due):
            source = struct.pack("=I4s4s", 0, struct.pack(">I", address_of(number)), bytes(4))
            word = WORDS[number % len(WORDS)]
            try:
                sockets[number % SOCKETS].sendmsg(
                    [word], [(socket.IPPROTO_IP, IP_PKTINFO, source)], 0, ("127.0.0.1", port)
                )
            except BlockingIOError:
                got["not sent"] += 1
            sent_bytes += len(word)
        sent = due
        for s in sockets:
            hear(s)
        time.sleep(TURN)
    seconds = time.monotonic() - begin
    time.sleep(0.5)
    for s in sockets:
        hear(s)
    got.update({"sent": sent, "sent bytes": sent_bytes, "worst": worst, "seconds": seconds})
    pipe.send(got)


# --- people -----------------------------------------------------------------------------


class Person:
    def __init__(self, name, sock):
        self.name = name
        self.socket = sock
        self.heard = b""
        self.latencies = []
        sock.setblocking(False)

    def say(self, line):
        self.socket.send(line.encode() + b"\n")

    def listen(self):
        try:
            data = self.socket.recv(65536)
        except BlockingIOError:
            return
        now = time.monotonic()
        self.heard += data
        for stamp in re.findall(rb"> at ([0-9.]+)", data):
            self.latencies.append(now - float(stamp))


class Room:
    def __init__(self, server):
        self.server = server
        self.people = []
        self.selector = selectors.DefaultSelector()
        self.memory = []

    def person(self, name, kind, port, source="127.0.0.1"):
        s = socket.socket(type=kind)
        s.bind((source, 0))
        s.connect(("127.0.0.1", port))
        person = Person(name, s)
        self.people.append(person)
        self.selector.register(s, selectors.EVENT_READ, person)
        return person

    def pump(self, seconds):
        for key, _ in self.selector.select(max(0, seconds)):
            key.data.listen()

    def until(self, condition, seconds):
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            self.pump(0.01)
        return True

    def wait_for(self, person, pattern, seconds=10):
        if not self.until(lambda: re.search(pattern, person.heard), seconds):
            sys.exit(f"{person.name} does not read {pattern!r} but {person.heard[-300:]!r}")
        return re.search(pattern, person.heard)

    def code_for(self, person):
        """A code, from a server that has time."""
        person.say("hello")
        return self.wait_for(person, CODE).group(1).decode()

    def prove(self, person, code):
        person.say(code)
        self.wait_for(person, rb"-- you are ")

    def sample_memory(self):
        with open(f"/proc/{self.server.pid}/status") as status:
            kilobytes = re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1)
        self.memory.append(int(kilobytes) * 1024)

    def count_people(self, person):
        person.heard = b""
        person.say("/who")
        return int(self.wait_for(person, rb"-- (\d+) (?:person|people)").group(1))


class Newcomer:
    """Knocks until there is an answer, then sends what it says until she is in."""

    def __init__(self, person, code=None, delay=0.0):
        self.person = person
        self.code = code
        self.delay = delay
        self.begin = self.answered = self.joined = None
        self.knocks = self.codes = 0
        self.next = 0.0

    def act(self):
        now = time.monotonic()
        if not self.begin:
            self.begin = self.next = now + self.delay
        found = CODE.search(self.person.heard)
        if found and not self.code:
            self.code, self.answered, self.next = found.group(1).decode(), now, now
        if not self.joined and b"-- you are " in self.person.heard:
            self.joined = now
        if self.joined or now < self.next:
            return
        self.next = now + KNOCK_EVERY
        if self.code:
            self.codes += 1
            self.person.say(self.code)
        else:
            self.knocks += 1
            self.person.say("hello")

    def story(self):
        told = f"{self.person.name}: {self.knocks} knocks"
        if self.answered:
            told += f", answered after {self.answered - self.begin:.1f} s"
        if not self.joined:
            return told + ", not let in"
        since = self.answered or self.begin
        told += f", in {1000 * (self.joined - since):.0f} ms after the first of"
        return told + f" {self.codes} times that the code was sent"


def talk(room, speakers, ends, newcomers=()):
    """The speakers say a line in turn until the end; returns how many lines there were."""
    lines = 0
    following = sampled = time.monotonic()
    for person in speakers:
        person.latencies = []
    while not ends():
        now = time.monotonic()
        if now >= following:
            speakers[lines % len(speakers)].say(f"at {now:.6f}")
            lines += 1
            following += SAY_EVERY
        if now >= sampled:
            room.sample_memory()
            sampled = now + 0.25
        for newcomer in newcomers:
            newcomer.act()
        room.pump(min(0.01, following - now))
    wanted = lines * (len(speakers) - 1)
    room.until(lambda: sum(len(p.latencies) for p in speakers) >= wanted, 1)
    return lines


def milliseconds(person):
    latencies = sorted(1000 * latency for latency in person.latencies) or [float("nan")]
    p99 = latencies[int(0.99 * (len(latencies) - 1))]
    median = statistics.median(latencies)
    return f"median {median:.2f} ms, p99 {p99:.2f} ms, {len(latencies)} lines"


# --- the whole --------------------------------------------------------------------------


def start_server(program):
    server = subprocess.Popen(
        [program, "tcp:0", "udp:0:verify=always"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    ports = {}
    for _ in range(2):
        words = server.stdout.readline().decode().split()
        ports[words[0]] = int(words[1].rsplit(":", 1)[1])
    return server, ports


def kernel_drops(port):
    with open("/proc/net/udp") as table:
        rows = [row.split() for row in table.readlines()[1:]]
    return sum(int(row[-1]) for row in rows if int(row[1].split(":")[1], 16) == port)


def run(server, ports, options):
    broken = []
    room = Room(server)
    datagrams, stream = socket.SOCK_DGRAM, socket.SOCK_STREAM
    ann, bob = (room.person(name, datagrams, ports["udp"]) for name in ("ann", "bob"))
    for person in ann, bob:
        room.prove(person, room.code_for(person))
    carl = room.person("carl", stream, ports["tcp"])
    room.wait_for(carl, rb"-- you are ")
    speakers = [ann, bob, carl]

    end = time.monotonic() + options.before
    lines = talk(room, speakers, lambda: time.monotonic() > end)
    before = {p.name: milliseconds(p) for p in speakers}
    print(f"before: {lines} lines said")
    for name, told in before.items():
        print(f"  {name:5}{told}")
    people = room.count_people(carl)
    memory = room.memory[-1]
    room.memory = []

    dora = room.person("dora", datagrams, ports["udp"])
    dora = Newcomer(dora, room.code_for(dora))
    newcomers = [
        Newcomer(
            room.person(f"newcomer {number}", datagrams, ports["udp"], f"127.0.{number}.9"),
            delay=0.3 * number,
        )
        for number in range(NEWCOMERS)
    ]
    mine, its = multiprocessing.Pipe()
    flooder = multiprocessing.Process(
        target=flood, args=(ports["udp"], options.count, options.rate, its), daemon=True
    )
    flooder.start()
    begin = time.monotonic()
    longest = options.count / options.rate * 5 + 30
    talk(room, speakers, lambda: time.monotonic() > begin + 2.37)  # it is under way
    lines = talk(
        room,
        speakers,
        lambda: mine.poll() or time.monotonic() > begin + longest,
        [dora, *newcomers],
    )
    if not mine.poll():
        sys.exit("forged.py: the flood does not end")
    figures = collections.Counter(mine.recv())
    flooder.join()
    room.until(lambda: False, 1)
    room.sample_memory()

    sent, answers = figures["sent"], figures["answers"]
    bytes_in, bytes_out = figures["sent bytes"], figures["bytes"]
    ratio = (bytes_out + HEADERS * answers) / (bytes_in + HEADERS * sent)
    print(f"flood: {sent} datagrams from as many addresses in {figures['seconds']:.1f} s")
    print(f"  {figures['not sent']} not taken by the kernel")
    print(f"  {kernel_drops(ports['udp'])} dropped by it on the server's side")
    print(f"  in {bytes_in} bytes, out {bytes_out} bytes in {answers} answers")
    print(f"  out over in {bytes_out / bytes_in:.5f}, with headers {ratio:.5f}")
    print(f"  the worst answer {figures['worst']:.2f}, with headers")
    print(f"meanwhile: {lines} lines said")
    for person in speakers:
        print(f"  {person.name:5}{milliseconds(person)}")
        others = lines - (lines + len(speakers) - 1 - speakers.index(person)) // len(speakers)
        if len(person.latencies) < 0.95 * others:
            broken.append(f"{person.name} has read {len(person.latencies)} of {others} lines")
    for newcomer in [dora, *newcomers]:
        print(f"  {newcomer.story()}")
    print(f"memory: {memory} bytes before, at most {max(room.memory)}, {room.memory[-1]} after")
    expected = people + sum(bool(newcomer.joined) for newcomer in [dora, *newcomers])
    people = room.count_people(carl)
    print(f"people: {people}, expected {expected}")
    carl.heard = b""
    carl.say("/stats")
    carl.say("/nosuchcommand")
    room.wait_for(carl, rb"no command /nosuchcommand")
    print("/stats:", *carl.heard.decode().splitlines()[:-1], sep="\n  ")

    if ratio > 3 or figures["worst"] > 3 or figures["answered twice"]:
        broken.append("more than three times was sent back")
    if answers == 0:
        broken.append("nobody was answered, so nothing was counted")
    if max(room.memory) - memory > LIMIT:
        broken.append("memory has grown")
    if people != expected:
        broken.append("a session was made")
    if not dora.joined or dora.joined - dora.begin > 2:
        broken.append("dora was not let in within two seconds")
    for newcomer in newcomers:
        if newcomer.answered and not newcomer.joined:
            broken.append(f"{newcomer.person.name} had a code and was not let in")
    return broken


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--partyline", default=os.environ.get("PARTYLINE"), metavar="PROGRAM")
    parser.add_argument("--count", type=int, default=1000000, help="of datagrams (1000000)")
    parser.add_argument("--rate", type=int, default=20000, help="of them per second (20000)")
    parser.add_argument("--before", type=float, default=10, help="seconds to compare with (10)")
    options = parser.parse_args()
    if not options.partyline:
        parser.error("where is the server? --partyline PROGRAM")
    server, ports = start_server(options.partyline)
    try:
        broken = run(server, ports, options)
    finally:
        server.send_signal(signal.SIGTERM)
        _, errors = server.communicate(timeout=10)
    print("its log:", *errors.decode().splitlines()[-40:], sep="\n  ")
    for sentence in broken:
        print("BROKEN:", sentence)
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
