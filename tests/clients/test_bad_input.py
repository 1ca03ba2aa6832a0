"""test_bad_input.py: what nobody should send.  On every wire it gets a clear answer, and
two others go on talking as if nothing were."""

import re

import harness
from harness import AS_FAST_AS_HE_LIKES, Line, test

ESCAPES = "\x1b]0;title\x07\x1b[31mred\x1b[2J\x1b[6n\u009b31m\u009d0;x\u009c\u202e\u2066"
# C0 but the line's end, DEL, C1, and what turns the direction of text.
UNFIT = re.compile("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f\u0080-\u009f\u202a-\u202e\u2066-\u2069]")


class Hall:
    """A server with all wires, and two who talk while a third does something bad."""

    def __init__(self, scene):
        self.scene = scene
        self.path = scene.line(0)
        self.server = scene.server(
            "tcp:0", "udp:0", f"pty:{self.path}", arguments=AS_FAST_AS_HE_LIKES
        )
        self.ann = scene.stream(self.server).joins("ann")
        self.bob = scene.stream(self.server).joins("bob")
        self.said = 0

    def guest(self, wire):
        if wire == "tcp":
            return self.scene.stream(self.server)
        if wire == "udp":
            return self.scene.datagrams(self.server)
        return Line(self.scene, self.path)

    def goes_on(self):
        """Each hears the other, and has read nothing that is unfit for a terminal."""
        for speaker, listener in ((self.ann, self.bob), (self.bob, self.ann)):
            self.said += 1
            speaker.say(f"we are still here {self.said}")
            listener.reads(f"<{speaker.name}> we are still here {self.said}\r\n")
        for person in self.ann, self.bob:
            unfit = UNFIT.search(person.heard.decode())
            if unfit:
                person.fail(f"has read {unfit.group()!r}")


def on_every_wire(body):
    """body(hall, mallory, wire), for mallory on each wire."""

    def run(scene):
        hall = Hall(scene)
        for wire in "tcp", "udp", "pty":
            mallory = hall.guest(wire).joins("mallory")
            body(hall, mallory, wire)
            hall.goes_on()
            mallory.is_answered()
            mallory.say("/exit")
            hall.ann.reads("mallory has left")

    run.__name__ = body.__name__
    return test(run)


@on_every_wire
def a_line_of_100_kB_is_cut(hall, mallory, wire):
    if wire == "udp":  # the most that a datagram holds, and its end is the line's
        mallory.keys(b"x" * 60000)
    else:
        mallory.keys(b"x" * 100000)
        hall.goes_on()
        mallory.say("")
    hall.ann.reads("<mallory> " + 1024 * "x" + "\r\n")
    mallory.reads("-- line too long: cut at 1024 bytes --")
    mallory.is_answered()
    hall.ann.has_read("<mallory>", times={"tcp": 1, "udp": 2, "pty": 3}[wire])
    mallory.has_read("-- line too long")


@on_every_wire
def nul_bytes_are_nothing(hall, mallory, wire):
    mallory.say(b"\0he\0ll\0\0o\0")
    hall.ann.reads("<mallory> hello\r\n")
    mallory.keys(b"\0" * 10000 if wire != "udp" else b"\0" * 1000)
    mallory.say("again")
    hall.ann.reads("<mallory> again\r\n")


@on_every_wire
def what_is_no_utf8_is_marked(hall, mallory, wire):
    mallory.say(b"caf\xe9 \xc3")  # Latin-1, then half a character
    hall.ann.reads("<mallory> caf\ufffd \ufffd\r\n")
    mallory.say(b"\xc0\xaf \xed\xa0\x80 \xf5\x80\x80\x80 \xe2\x82 ok")
    hall.ann.sees("<mallory> \ufffd[\ufffd ]* ok\r\n".encode())
    mallory.say("é € 😀 日本")
    hall.ann.reads("<mallory> é € 😀 日本\r\n")


@on_every_wire
def escapes_do_not_reach_others(hall, mallory, wire):
    for command in "", "/me ", "/nick ", "/who ", "/", "//":
        mallory.say(f"{command}a{ESCAPES}z")
        hall.goes_on()
    mallory.say(f"{ESCAPES}done")
    hall.ann.sees(r"<mallory> .*done\r\n")
    unfit = UNFIT.search(mallory.heard.decode().replace("\x1b[K", "").replace("\b", ""))
    if wire != "pty" and unfit:
        mallory.fail(f"is sent back {unfit.group()!r}")


BAD_NAMES = {
    "": "a name has 1 to 16 letters",
    "   ": "a name has 1 to 16 letters",
    "seventeenletters.": "at most 16",
    "x" * 900: "at most 16",
    "two words": "letters",
    "jörg": "letters",
    "../etc/passwd": "letters",
    "%s%n%x": "letters",
    "<ann>": "letters",
    "日本": "letters",
    "a\u200bb": "letters",
    "server": "reserved",
    "Admin": "reserved",
    "ann": "taken",
    "ANN": "taken",
    "bOb": "taken",
    "mallory": "already",
}


@on_every_wire
def a_bad_name_is_told_what_is_bad_about_it(hall, mallory, wire):
    hall.goes_on()  # and ann has read who mallory is
    renamed = hall.ann.heard.count(b"is now")
    for name, answer in BAD_NAMES.items():
        mallory.say(f"/nick {name}")
        mallory.sees(rf"-- .*{answer}.* --\r\n")
    hall.goes_on()
    hall.ann.has_read("is now", times=renamed)
    for name in "x", "sixteen-letters.", "MALLORY", "1_2.3-4", "mallory":
        mallory.say(f"/nick {name}")
        hall.ann.reads(f"is now {name}\r\n")


@on_every_wire
def a_flood_of_commands_is_answered(hall, mallory, wire):
    for number in range(100):
        mallory.say(f"/{'y' * number}")
    mallory.is_answered()


@test
def who_comes_and_says_nothing_is_nobody_s_trouble(scene):
    hall = Hall(scene)
    hall.goes_on()  # and ann has read of bob
    silent = scene.stream(hall.server)
    name = silent.sees(r"you are (guest\d+)").group(1).decode()
    hall.ann.reads(f"{name} has joined (tcp)\r\n")
    hall.goes_on()
    silent.reads("we are still here")
    silent.close()
    hall.ann.reads(f"{name} has left (tcp)\r\n")
    line = Line(scene, hall.path)
    line.reads("press Enter to join")
    hall.goes_on()
    line.close()
    hall.goes_on()
    hall.ann.has_read("(pty)", times=0)


@test
def who_leaves_in_the_middle_of_a_line_has_not_said_it(scene):
    hall = Hall(scene)
    mallory = hall.guest("tcp").joins("mallory")
    mallory.keys("half a li")
    hall.goes_on()
    mallory.reset()
    hall.ann.sees(r"mallory has left \(tcp: [a-z ]+\)\r\n")
    hall.goes_on()

    mallory = hall.guest("pty").joins("mallory")
    mallory.keys("half a li")
    hall.goes_on()
    mallory.close()
    hall.ann.sees(r"mallory has left \(pty\)\r\n")
    hall.goes_on()

    # The next one there gets nothing of it.
    other = hall.guest("pty").joins("other")
    other.say("a new line")
    hall.ann.reads("<other> a new line\r\n")

    # To a datagram's sender who has gone the news of that comes with the next line to him.
    mallory = hall.guest("udp").joins("mallory")
    mallory.close()
    hall.bob.say("mallory?")
    hall.ann.sees(r"mallory has left \(udp: [a-z ]+\)\r\n")
    for person in hall.ann, hall.bob:
        person.has_read("half a li", times=0)


@test
def a_hundred_who_come_and_go_rudely_leave_nothing(scene):
    hall = Hall(scene)
    for number in range(100):
        mallory = hall.guest("tcp")
        mallory.keys(b"\x00\xff\xfb" * number)
        mallory.reset()
    hall.goes_on()
    # Who goes at once is never announced; of a busy machine's stragglers both is read.
    scene.rest(2)
    hall.ann.say("/who")
    hall.ann.reads("2 people")
    came, went = (hall.ann.heard.count(text) for text in (b"has joined", b"has left"))
    assert came - went == 1, "bob alone has stayed"


if __name__ == "__main__":
    harness.main()
