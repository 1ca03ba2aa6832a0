"""test_serial.py: serial lines, with socat as the cable: the server at one end, people with
their terminal programs at the other.

With ptymodem preloaded a tty passes for a port that libserialport opens; without it has no
modem lines, and the server opens it by itself.  What may differ is tested in both ways."""

import os
import re
import termios

import harness
from harness import AS_FAST_AS_HE_LIKES, INVITATION, Line, Pipe, ScreenTerminal, SerialTerminal, lacks, need, test


class Cable:
    """A pair of ttys.  Unplugged it is as if the adapter had been pulled: the device
    disappears from under the server."""

    def __init__(self, scene):
        need("socat")
        self.scene = scene
        self.a, self.b = scene.line("a"), scene.line("b")
        self.socat = None

    def plug(self):
        ends = [f"pty,rawer,link={link}" for link in (self.a, self.b)]
        self.socat = Pipe(self.scene, "socat", ["socat", *ends])
        there = lambda: os.path.exists(self.a) and os.path.exists(self.b)
        if not self.scene.until(there, harness.PATIENCE):
            self.socat.fail("has not made a pair of ttys")

    def unplug(self):
        self.socat.close()
        for link in self.a, self.b:
            os.remove(link)


class Street:
    """A server with a serial line and a witness on TCP."""

    def __init__(self, scene, preload, options="", plugged=True):
        self.scene = scene
        self.preload = preload
        self.cable = Cable(scene)
        if plugged:
            self.cable.plug()
        endpoint = f"serial:{self.cable.a}{options}"
        self.server = scene.server(
            "tcp:0", endpoint, arguments=AS_FAST_AS_HE_LIKES, preload=preload
        )
        self.ann = scene.stream(self.server).joins("ann")

    def line(self):
        """The far end, with the invitation to come that the opening brings."""
        return Line(self.scene, self.cable.b)


def register(body, way, preload):
    """body(scene, street): street() is one whose server has that preloaded."""

    def run(scene):
        library = preload()
        body(scene, lambda *options, **more: Street(scene, library, *options, **more))

    run.__name__ = f"{body.__name__}_{way}"
    test(run)


def ptymodem():
    return harness.options.ptymodem or lacks("--ptymodem SO")


def by_libserialport(body):
    register(body, "by_libserialport", ptymodem)


def both_ways(body):
    register(body, "by_libserialport", ptymodem)
    register(body, "by_termios", lambda: None)


@both_ways
def enter_joins_and_exit_leaves(scene, street):
    place = street()
    if place.preload:
        place.server.errors.reads("sp_open(")
    bob = place.line().joins("bob")
    place.ann.reads("* guest1 has joined (serial)")
    place.ann.say("hello")
    bob.reads("<ann> hello\r\n")
    bob.say("hello yourself")
    place.ann.reads("<bob> hello yourself\r\n")
    place.ann.say("/who")
    place.ann.sees(f"bob +serial +{place.cable.a[:20]}")
    bob.say("/exit")
    bob.reads("-- goodbye, bob --\r\n")
    place.ann.reads("* bob has left (serial)")
    place.ann.say("nobody at the line")
    place.ann.is_answered()
    bob.joins("carl").is_answered()
    bob.has_read("nobody at the line", times=0)


@by_libserialport
def people_at_real_programs(scene, street):
    need("screen", "picocom")
    place = street()
    # Each of them comes later than the invitation, and presses Enter all the same.
    for argv, kind in ((["screen"], ScreenTerminal), (["picocom", "-q"], SerialTerminal)):
        bob = scene.terminal(*argv, place.cable.b, kind=kind)
        harness.come_in([bob])
        bob.takes_name(argv[0])
        bob.keys("hellp\x7fo\r")
        place.ann.reads(f"<{argv[0]}> hello\r\n")
        place.ann.say("good day")
        bob.reads("<ann> good day")
        bob.say("/exit")
        place.ann.reads(f"* {argv[0]} has left (serial)")
        bob.reads("press Enter to join")
        bob.close()


@both_ways
def unplugging_is_told_once_and_plugging_in_invites_again(scene, street):
    place = street()
    for name in "bob", "carl":
        bob = place.line().joins(name)
        bob.keys("half a li")
        place.ann.is_answered()
        place.cable.unplug()
        place.ann.sees(rf"\* {name} has left \(serial: [a-z ]+\)\r\n")
        place.server.errors.reads("is gone, waiting for it")
        place.cable.plug()
    place.line().joins("dan").say("back")
    place.ann.reads("<dan> back\r\n")
    place.ann.has_read("has left", times=2)
    place.ann.has_read("half a li", times=0)


@by_libserialport
def a_device_that_is_missing_is_waited_for(scene, street):
    place = street(plugged=False)
    place.server.errors.reads("it is not there")
    place.cable.plug()
    place.line().joins("bob").say("here I am")
    place.ann.reads("<bob> here I am\r\n")
    place.server.errors.has_read("it is not there")


@by_libserialport
def noise_joins_nobody(scene, street):
    place = street()
    line = place.line()
    line.reads(INVITATION)
    for noise in b"\xff\x00\xfe\r", b"\r\nOK\r\n", b"login: ", b"~\r~\r", b"\0\r":
        line.keys(noise)
        scene.rest(harness.LINE_QUIET)
    line.has_read("Welcome", times=0)
    harness.come_in([line])
    place.ann.reads("has joined (serial)")
    place.server.errors.has_read("has joined (serial")


@by_libserialport
def a_far_end_that_echoes_talks_to_nobody(scene, street):
    place = street()
    line = place.line()
    while line.scene.until(lambda: len(line.heard) > line.at, 2 * harness.LINE_QUIET):
        line.at, echo = len(line.heard), bytes(line.heard[line.at :])
        line.keys(echo)
        assert len(line.heard) < 200, "it goes on and on"
    line.has_read(INVITATION)
    place.ann.has_read("(serial)", times=0)


@by_libserialport
def a_far_end_that_begins_to_echo_is_hung_up_on_once(scene, street):
    """S14: the terminal program has gone, and `cat` is there, with the kernel's echo on."""
    place = street()
    bob = place.line().joins("bob")
    bob.say("hello")
    place.ann.reads("<bob> hello\r\n")
    mode = termios.tcgetattr(bob.fd)
    mode[0] |= termios.ICRNL
    mode[1] |= termios.OPOST | termios.ONLCR
    mode[3] |= termios.ECHO | termios.ECHOCTL | termios.ICANON
    termios.tcsetattr(bob.fd, termios.TCSANOW, mode)
    scene.pipe("cat", place.cable.b)
    place.ann.say("good morning")
    place.ann.reads("* bob has left (serial: it echoes what it is sent)\r\n")
    place.ann.say("is it over?")
    place.ann.is_answered()
    scene.rest(1)
    said = re.findall(rb"^<bob>", place.ann.heard, re.MULTILINE)
    assert len(said) < 40, f"{len(said)} lines were said"
    place.ann.has_read("has joined", times=1)
    place.server.errors.reads("echoes what it is sent: hung up")
    place.server.errors.has_read("echoes what it is sent: hung up")


@by_libserialport
def two_servers_on_one_cable_come_to_rest(scene, street):
    """S14: both join when the line opens, and both edit and echo."""
    place = street(":join=open")
    other = scene.server(
        "tcp:0", f"serial:{place.cable.b}:join=open:edit=on", preload=place.preload
    )
    servers = place.server, other
    bob = scene.stream(other).joins("bob")
    told = lambda: [server.errors.heard.count(b"sent: hung up") for server in servers]
    assert scene.until(lambda: sum(told()) > 0, harness.PATIENCE), "nobody has noticed"
    scene.rest(1)
    heard = len(place.ann.heard), len(bob.heard)
    scene.rest(1)
    assert heard == (len(place.ann.heard), len(bob.heard)), "they still talk"
    assert max(told()) == 1
    assert max(heard) < 20000


@by_libserialport
def a_modem_string_is_no_second_session(scene, street):
    """WIRES 4: minicom up to 2.5; each ~ is a pause of a second."""
    place = street()
    line = place.line()
    line.reads(INVITATION)
    scene.rest(1)
    line.keys(b"\r")
    scene.rest(1)
    line.keys(b"AT S7=45 S0=0 L1 V1 X4 &c1 E1 Q0\r")
    line.say("/exit")  # if the command has not ended it
    line.reads(INVITATION)
    for _ in range(3):
        scene.rest(1)
        line.keys(b"\r")
    scene.rest(0.5)
    line.has_read("you are guest", times=1)


@by_libserialport
def options_of_the_line(scene, street):
    place = street(":baudrate=9600:bytesize=8:parity=none:stopbits=1:nick=lobby-desk")
    line = place.line()
    line.reads(INVITATION)
    harness.come_in([line])
    place.ann.reads("* lobby-desk has joined (serial)")
    place.ann.say("hello")
    line.reads("<ann> hello\r\n")


@by_libserialport
def a_line_that_is_open_to_all_asks_nobody(scene, street):
    place = street(":join=open:nick=printer")
    line = place.line()
    line.reads("-- you are printer --")
    place.ann.say("hello")
    line.reads("<ann> hello\r\n")
    line.has_read(INVITATION, times=0)


@by_libserialport
def two_servers_do_not_share_a_line(scene, street):
    place = street()
    place.line().joins("bob")
    second = scene.server(f"serial:{place.cable.a}", "tcp:0")
    second.errors.reads("another program has it")
    place.ann.say("hello")
    place.ann.is_answered()
    second.errors.has_read("another program has it")


@by_libserialport
def a_line_that_nobody_reads_does_not_hold_up_the_end(scene, street):
    place = street()
    bob = place.line().joins("bob")
    bob.listen(False)
    for number in range(200):
        place.ann.say("x" * 1000)
    place.ann.is_answered()
    place.server.ask_to_stop()
    place.ann.reads("the server is stopping, goodbye")
    place.ann.close()
    place.server.stops()


@both_ways
def the_goodbye_arrives(scene, street):
    place = street()
    bob = place.line().joins("bob")
    place.server.ask_to_stop()
    bob.reads("the server is stopping, goodbye")
    place.ann.reads("the server is stopping, goodbye")
    place.server.stops()


@test
def what_is_no_serial_line_is_refused(scene):
    path = scene.path("file")
    open(path, "w").close()
    fails = lambda *words, sentence: scene.refused(*words, status=1, sentence=sentence)
    fails(f"serial:{scene.folder}", sentence="it is a directory, not a serial device")
    fails(f"serial:{path}", sentence="it is a file, not a serial device")
    fails(f"serial:{scene.line(0)}:baudrate=fast", sentence="baudrate")
    fails(f"serial:{scene.line(0)}:baudrate=0", sentence="baudrate")
    fails(f"serial:{scene.line(0)}:parity=no", sentence="parity.*none.*odd.*even")
    fails("serial:", sentence="serial:")
    # One that is not there is not wrong, but what else is said must be right.
    fails(f"serial:{scene.line(0)}", "tcp:99999", sentence="tcp:99999")


if __name__ == "__main__":
    harness.main()
