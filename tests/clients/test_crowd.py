"""test_crowd.py: a full room: people on TCP, as many on UDP, some at terminal lines, all of
them talking.  Every line must be at every other person exactly once, and in its sender's
order; and when they have gone, the memory they took must be free again.

As part of the tests it is a small crowd that talks fast.  By hand, the large one:

    python3 test_crowd.py --partyline PROGRAM --people 200 --terminals 10 --rate 100"""

import os
import re
import time

import harness
from harness import Line, test

harness.parser.add_argument("--people", type=int, default=20, help="on TCP, and on UDP")
harness.parser.add_argument("--terminals", type=int, default=3, help="people at lines")
harness.parser.add_argument("--lines", type=int, default=20, help="that each of them says")
harness.parser.add_argument("--rate", type=int, default=400, help="lines a second in all")
harness.parser.add_argument("--rounds", type=int, default=3, help="crowds, one by one")

# What an allocator keeps for the next time depends on how much was under way at once, so
# one round may take more than another; but a leak takes some in each of them.
MEMORY_TOLERANCE = 16 * 1024


def gather(scene, server, lines):
    """Everybody, with the name he has got."""
    people = [Line(scene, line) for line in lines]
    harness.come_in(people)
    for _ in range(harness.options.people):
        people.append(scene.stream(server))
        people.append(scene.datagrams(server))
        people[-1].keys(b"\n")
    for person in people:
        person.note = lambda *_: None  # a log of this would fill the memory
        name = person.sees(rb"you are (guest\d+)").group(1)
        person.name = name.decode()
    return people


def talk(scene, people):
    """Each in turn says one line, until all have said theirs."""
    start = time.monotonic()
    said = 0
    for number in range(harness.options.lines):
        for person in people:
            due = start + said / harness.options.rate
            while time.monotonic() < due:
                scene.pump(max(0, due - time.monotonic()))
            person.say(f"line {number}")
            said += 1
    return said, time.monotonic() - start


def check(scene, people):
    """What everybody has read of the others; how many lines it was in all."""
    lines = harness.options.lines
    expected = (len(people) - 1) * lines

    def of_others(person):  # at a terminal the own lines come as well
        own = person.heard.count(b"<%s> line " % person.name.encode())
        return person.heard.count(b"> line ") - own

    everything = lambda: all(of_others(person) >= expected for person in people)
    scene.until(everything, harness.PATIENCE)
    for person in people:
        read = {other.name: [] for other in people}
        for name, number in re.findall(rb"<(\w+)> line (\d+)\r\n", person.heard):
            read[name.decode()].append(int(number))
        for name, numbers in read.items():
            if name != person.name and numbers != list(range(lines)):
                person.fail(f"has read of {name} the lines {numbers}")
        person.has_read("skipped", times=0)
    return len(people) * expected


def leave(scene, server, people, descriptors):
    for person in people:
        person.say("/exit")
        person.reads(f"goodbye, {person.name}")
        person.close()
    gone = lambda: len(os.listdir(f"/proc/{server.process.pid}/fd")) == descriptors
    assert scene.until(gone, harness.PATIENCE), "the server has kept some descriptors"
    scene.peers = [peer for peer in scene.peers if peer not in people]


@test
def every_line_reaches_everybody_once_and_in_order(scene):
    lines = [scene.line(number) for number in range(harness.options.terminals)]
    server = scene.server("tcp:0", "udp:0", *(f"pty:{line}" for line in lines))
    descriptors = len(os.listdir(f"/proc/{server.process.pid}/fd"))
    memory = [server.memory()]
    for _ in range(harness.options.rounds):
        people = gather(scene, server, lines)
        full = server.memory()
        said, seconds = talk(scene, people)
        read = check(scene, people)
        busy = server.memory()
        leave(scene, server, people, descriptors)
        memory.append(server.memory())
        print(
            f"    {len(people)} people: {said} lines in {seconds:.1f} s, read {read} times;"
            f" memory of the server {memory[-2] >> 10} kB before, {full >> 10} with all"
            f" there, {busy >> 10} when all was said, {memory[-1] >> 10} after"
        )
    # The first crowd leaves tables that have grown; all others find room in these.
    grown = [after - before for before, after in zip(memory[1:], memory[2:])]
    if grown and not harness.options.sanitized:
        assert min(grown) <= MEMORY_TOLERANCE, f"memory has grown in every round: {grown}"


if __name__ == "__main__":
    harness.main()
