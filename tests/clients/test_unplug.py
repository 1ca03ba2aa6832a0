"""test_unplug.py: serial adapters that are pulled out and plugged in again, at any moment:
while the device opens, while people are invited, join, type, read a flood.  The ptys that
pass for adapters are ours, so pulling one out is to close its master.

What must hold, whatever the moment: the room reads of each coming once and of each going
once, never two of a kind in a row; nothing that was typed without Enter is said; and in the
end the server has the descriptors, the threads and the memory that it had, and idles.

As part of the tests it is 30 times on three lines.  By hand, or as the soak test:

    python3 test_unplug.py --partyline PROGRAM --ptymodem SO --unplugs 1000 --lines 10"""

import os
import pty
import random
import re
import time
import tty

import harness
from harness import INVITATION, LINE_QUIET, Peer, lacks, test

harness.parser.add_argument("--unplugs", type=int, default=30, help="how often in all")
harness.parser.add_argument("--lines", type=int, default=3, help="at so many lines")
harness.parser.add_argument("--seed", type=int, default=1, help="of the moments")

# Where an adapter is pulled out, and what has come before.
STAGES = "opening", "invited", "joining", "in a line", "in a flood"
# The opening of a device takes so long, so that some are pulled out during it.
OPEN_MS = 20
# A pause of the retries, and what a busy machine needs.
COMES_BACK = 15
MEMORY_TOLERANCE = 1 << 20


class Adapter(Peer):
    """The far end of a line that can be pulled out."""

    enter = b"\r"

    def __init__(self, scene, link):
        self.link = link
        master, slave = pty.openpty()
        tty.setraw(slave)
        os.symlink(os.ttyname(slave), link)
        self.plugged = time.monotonic()
        super().__init__(scene, "an adapter", master)
        os.close(slave)

    def on_readable(self):
        """Nobody at the other end, which reads as an error, is not the end here: the server
        has not opened it yet, or has closed it."""
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            self.listen(False)
            return
        self.heard += data

    def note(self, *_):
        """A log of this would fill the memory."""

    def look(self):
        if self.fd >= 0 and self.fd not in self.scene.selector.get_map():
            self.listen(True)

    def has(self, what):
        self.look()
        return what in self.heard

    def types(self, data):
        try:
            os.write(self.fd, data)
        except OSError:
            pass

    def unplug(self):
        os.remove(self.link)
        self.close()
        self.scene.peers.remove(self)


def come_in(adapter, number):
    is_in = lambda: adapter.has(b"you are line")
    for _ in range(COMES_BACK):  # a busy machine may take a pause apart
        yield from pause(LINE_QUIET)
        adapter.types(b"\r")
        yield from until(is_in, None, 1)
        if is_in():
            return
    raise AssertionError(f"line {number} is not let in")


def one_line(scene, number, dice, unplugs, moments):
    """A line's life, as a generator: what it gives is what it waits for."""
    link = scene.line(number)
    for cycle in range(unplugs):
        adapter = Adapter(scene, link)
        stage = dice.choice(STAGES)
        moments[stage] += 1
        if stage == "opening":
            yield from pause(dice.uniform(0, 0.7))
        else:
            yield from until(lambda: adapter.has(INVITATION.encode()), f"{number} invited")
        if stage == "invited":
            yield from pause(dice.uniform(0, 0.2))
        if stage == "joining":
            yield from pause(LINE_QUIET)
            adapter.types(b"\r")
            yield from pause(dice.uniform(0, 0.5))
        if stage in ("in a line", "in a flood"):
            yield from come_in(adapter, number)
            adapter.types(b"here is %d for the time %d\r" % (number, cycle))
            said = b"here is %d for the time %d\r\n" % (number, cycle)
            yield from until(lambda: adapter.has(said), f"{number} said")
        if stage == "in a line":
            adapter.types(b"half a li")
            yield from pause(dice.uniform(0, 0.1))
        if stage == "in a flood":
            adapter.types(b"/help\r" * 200)
            yield from pause(dice.uniform(0, 0.1))
        adapter.unplug()
        yield from pause(dice.choice([0, 0, dice.uniform(0, 0.7)]))


def pause(seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield


def until(condition, what, seconds=COMES_BACK):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            assert what is None, f"line {what}: not within {seconds} s"
            return
        yield


def live(scene, lives):
    lives = list(lives)
    while lives:
        scene.pump(0.01)
        lives = [life for life in lives if next(life, "over") != "over"]


def usage(server):
    """Descriptors, threads, bytes of memory, seconds of the processor."""
    process = f"/proc/{server.process.pid}"
    with open(f"{process}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    ticks = int(fields[11]) + int(fields[12])
    return (
        len(os.listdir(f"{process}/fd")),
        len(os.listdir(f"{process}/task")),
        server.memory(),
        ticks / os.sysconf("SC_CLK_TCK"),
    )


def check_notices(ann, lines):
    """Comes and goes take turns, at each line; how many there were."""
    comings = goings = 0
    for number in range(lines):
        pattern = rb"^\* line%d\.(\d*) has (joined|left) \((.*)\)\r\n" % number
        notices = re.findall(pattern, ann.heard, re.MULTILINE)
        kinds = [kind for _, kind, _ in notices]
        assert kinds == [b"joined", b"left"] * (len(kinds) // 2), f"line {number}: {kinds}"
        reasons = {how for _, kind, how in notices if kind == b"left"}
        assert reasons <= {b"serial: device gone"}, reasons
        names = {name for name, _, _ in notices}
        assert names <= {b""}, f"there was more than one of {number}: {names}"
        comings += kinds.count(b"joined")
        goings += kinds.count(b"left")
    return comings, goings


@test
def an_adapter_may_be_pulled_out_at_any_moment(scene):
    preload = harness.options.ptymodem or lacks("--ptymodem SO")
    lines, unplugs = harness.options.lines, harness.options.unplugs
    scene.environment["PTYMODEM_OPEN_MS"] = str(OPEN_MS)
    # A letter at the end, or two lines would take each other's numbers for a second self.
    endpoints = [f"serial:{scene.line(n)}:nick=line{n}." for n in range(lines)]
    server = scene.server("tcp:0", *endpoints, preload=preload)
    server.errors.note = lambda *_: None
    ann = scene.stream(server)
    ann.note = lambda *_: None
    ann.takes_name("ann")
    # One round first: what the allocator and the loader keep is there then.
    moments = dict.fromkeys(STAGES, 0)
    dice = [random.Random(f"{harness.options.seed}/{n}") for n in range(lines)]
    warm_up = dict(moments)
    live(scene, (one_line(scene, n, random.Random(n), 2, warm_up) for n in range(lines)))
    ann.is_answered()
    scene.rest(1)
    before = usage(server)
    start = time.monotonic()
    each = [unplugs // lines + (n < unplugs % lines) for n in range(lines)]
    live(scene, (one_line(scene, n, dice[n], each[n], moments) for n in range(lines)))
    took = time.monotonic() - start
    ann.is_answered()
    scene.rest(1)
    after = usage(server)
    scene.rest(2)
    idle = usage(server)[3] - after[3]
    comings, goings = check_notices(ann, lines)
    names = ", ".join(f"{n} {stage}" for stage, n in moments.items())
    print(
        f"    seed {harness.options.seed}: {unplugs} unplugs at {lines} lines in {took:.1f} s"
        f" ({names}); {comings} joined, {goings} left;"
        f" descriptors {before[0]} before, {after[0]} after; threads {before[1]}, {after[1]};"
        f" memory {before[2] >> 10} kB, {after[2] >> 10} kB;"
        f" processor {after[3] - before[3]:.2f} s, {idle:.2f} s of 2 s at rest"
    )
    ann.has_read("half a li", times=0)
    assert comings == goings
    assert comings >= moments["in a line"] + moments["in a flood"]
    assert after[0] <= before[0], "descriptors have leaked"
    assert after[1] <= before[1], "threads have leaked"
    assert idle < 0.2, "it does not rest"
    if not harness.options.sanitized:
        assert after[2] - before[2] <= MEMORY_TOLERANCE, "memory has leaked"


if __name__ == "__main__":
    harness.main()
