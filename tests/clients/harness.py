"""harness.py: real clients, each in a terminal of its own, in one room of a real server.

A test is a function with the decorator @test.  It gets a Scene, starts a server and people
in it, and says what they type and what must come to their eyes:

    @test
    def what_one_says_the_other_reads(scene):
        server = scene.server("tcp:0")
        ann = scene.telnet(server).joins("ann")
        bob = scene.nc(server).joins("bob")
        ann.say("hello")
        bob.reads("<ann> hello")

One loop, Scene.pump(), reads what all programs write, so that none of them waits for the
test.  Tests wait for what has to come; only where a silence means something do they let
time pass.  Every port is chosen by the kernel and read from the server's ready lines.  A
test that fails prints what each of them typed (>) and read (<), escapes visible.

A tool that is missing skips the test, with the reason; with PARTYLINE_REQUIRE_ALL=1 in the
environment it fails the test.  Exit status: 0, 1 when a test failed, 77 when all were
skipped."""

import argparse
import collections
import contextlib
import fcntl
import os
import pty
import re
import selectors
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import traceback

# How long to wait for what must come, in seconds: only a test that fails waits so long.
PATIENCE = 10
# The server's promise for SIGTERM.
STOP_SECONDS = 3
COLUMNS, ROWS = 80, 24
# For tests in which somebody says more than a person does, and which are about something else.
AS_FAST_AS_HE_LIKES = ("--rate=off",)
# Of what somebody typed and read, so many lines at the end are shown.
LOG_LINES = 100
# What a line says to nobody in particular, and Enter that comes after a silence of 250 ms
# lets in.
INVITATION = "partyline: press Enter to join"
LINE_QUIET = 0.3

tests = []
parser = argparse.ArgumentParser(description="Real clients against the real server.")
options = None  # what it has made of the command line


class Skip(Exception):
    """The reason why a test cannot run here."""


def has(tool):
    return shutil.which(tool) is not None


def lacks(what):
    if os.environ.get("PARTYLINE_REQUIRE_ALL") == "1":
        raise AssertionError(f"{what} is missing, and PARTYLINE_REQUIRE_ALL=1")
    raise Skip(f"{what} is missing")


def need(*tools):
    for tool in tools:
        if not has(tool):
            lacks(tool)


def to_bytes(text):
    return text.encode() if isinstance(text, str) else text


# --- somebody who types and reads -------------------------------------------------------


class Peer:
    """Something that is written to and read from; each kind of it says how."""

    enter = b"\n"

    def __init__(self, scene, name, fd):
        self.scene = scene
        self.name = name
        self.fd = fd
        self.heard = bytearray()  # all that came
        self.at = 0  # how far sees() has gone in it
        self.log = []  # [">" or "<", bytes], in order
        self.over = False  # nothing more will come
        os.set_blocking(fd, False)
        scene.peers.append(self)
        self.listen(True)

    def receive(self):
        """Some bytes; none at the end.  BlockingIOError: not now."""
        try:
            return os.read(self.fd, 65536)
        except BlockingIOError:
            raise
        except OSError:  # EIO: a terminal whose program has gone
            return b""

    def send(self, data):
        """How many of the bytes were taken.  BlockingIOError: not now."""
        return os.write(self.fd, data)

    def shut(self):
        os.close(self.fd)

    def leave(self):
        """What is done before shut(), while it is still read from."""

    def close(self):
        if self.fd >= 0:
            self.leave()
            self.listen(False)
            self.shut()
            self.fd = -1
            self.over = True

    def listen(self, on):
        """Off: somebody who does not look at what he is sent."""
        if on:
            self.scene.selector.register(self.fd, selectors.EVENT_READ, self)
        elif self.fd in self.scene.selector.get_map():
            self.scene.selector.unregister(self.fd)

    def on_readable(self):
        try:
            data = self.receive()
        except BlockingIOError:
            return
        if data:
            self.note("<", data)
            self.heard += data
        else:
            self.over = True
            self.listen(False)

    def note(self, direction, data):
        if self.log and self.log[-1][0] == direction:
            self.log[-1][1] += data
        else:
            self.log.append([direction, bytearray(data)])

    # What tests say.

    def keys(self, data):
        """Types keys; Enter is not among them unless it is given."""
        data = to_bytes(data)
        self.note(">", data)
        deadline = time.monotonic() + PATIENCE
        while data:
            try:
                data = data[self.send(data) :]
            except BlockingIOError:
                if time.monotonic() > deadline:
                    self.fail("can type no more: nobody reads it")
                self.scene.pump(0.01)

    def say(self, line):
        self.keys(to_bytes(line) + self.enter)

    def sees(self, pattern, seconds=PATIENCE):
        """Waits for a match of the regular expression behind what was seen last."""
        compiled = re.compile(to_bytes(pattern), re.MULTILINE)
        find = lambda: compiled.search(self.heard, self.at)
        self.scene.until(lambda: self.over or find(), seconds)
        found = find()
        if not found:
            self.fail(f"does not see {pattern!r} within {seconds} s")
        self.at = found.end()
        return found

    def reads(self, text, seconds=PATIENCE):
        """The same for a plain text."""
        return self.sees(re.escape(to_bytes(text)), seconds)

    def has_read(self, text, times=1):
        """So many times, not more and not less, in all that has come so far."""
        count = self.heard.count(to_bytes(text))
        if count != times:
            self.fail(f"has read {text!r} {count} times, not {times}")

    def ends(self, seconds=PATIENCE):
        """Waits for the end of what comes."""
        if not self.scene.until(lambda: self.over, seconds):
            self.fail(f"has not ended within {seconds} s")

    def fail(self, what):
        raise AssertionError(f"{self.name} {what}")

    # In the server's chat.

    def joins(self, name):
        """Comes in, is greeted, and takes a name."""
        return self.takes_name(name)

    def takes_name(self, name):
        self.sees(rb"you are guest\d+")
        self.say(f"/nick {name}")
        self.reads(f"is now {name}")
        self.name = name
        return self

    def is_answered(self):
        """Waits for an answer: then all that was typed before it has been heard, and
        what the others get of it is on its way."""
        self.say("/nosuchcommand")
        self.reads("no command /nosuchcommand")


class AtALine:
    """One of the kinds of Peer, at a line that invites first and is joined by Enter."""

    enter = b"\r"

    def joins(self, name):
        self.reads(INVITATION)
        come_in([self])
        return self.takes_name(name)

    def is_in(self):
        return b"-- you are " in self.heard[self.at :]


def come_in(people):
    """All of those who sit at lines press Enter."""
    for _ in range(PATIENCE):  # a busy machine may take a pause apart
        outside = [person for person in people if not person.is_in()]
        if not outside:
            return
        people[0].scene.rest(LINE_QUIET)
        for person in outside:
            person.keys(person.enter)
        people[0].scene.until(lambda: all(person.is_in() for person in outside), 1)
    outside[0].fail("is not let in")


class Stream(Peer):
    """A bare socket, to an address of TCP or to the path of a unix socket."""

    def __init__(self, scene, address, receive_buffer=None):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(address)
        super().__init__(scene, "a stream socket", self.socket.fileno())

    def receive(self):
        try:
            return self.socket.recv(65536)
        except ConnectionResetError:
            return b""

    def shut(self):
        self.socket.close()

    def reset(self):
        """Leaves in a way that the other side sees an error instead of an end."""
        linger = struct.pack("ii", 1, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close()


class Datagrams(Peer):
    """A bare UDP socket; each keys() and say() is one datagram."""

    def __init__(self, scene, address):
        self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.connect(address)
        self.datagrams = []
        super().__init__(scene, "a datagram socket", self.socket.fileno())

    def receive(self):
        try:
            self.datagrams.append(self.socket.recv(65536))
        except ConnectionRefusedError:
            return b""
        return self.datagrams[-1]

    def shut(self):
        self.socket.close()

    def joins(self, name):
        self.keys(b"\n")  # nothing comes to who has said nothing
        return self.takes_name(name)


class Line(AtALine, Peer):
    """The far end of a terminal line, opened as terminal programs do it."""

    def __init__(self, scene, path):
        flags = os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK
        super().__init__(scene, "a terminal line", os.open(path, flags))


# --- programs ---------------------------------------------------------------------------


class Program(Peer):
    """A program; after its end self.status is its exit status, or minus a signal."""

    def __init__(self, scene, name, fd, process):
        self.process = process
        self.status = None
        super().__init__(scene, name, fd)

    def has_ended(self):
        if self.status is None:
            self.status = self.process.poll()
        return self.status is not None

    def kill(self, signo=signal.SIGKILL):
        if not self.has_ended():
            os.kill(self.process.pid, signo)

    def exits(self, seconds=PATIENCE):
        """Waits for its end; the exit status."""
        if not self.scene.until(lambda: self.over and self.has_ended(), seconds):
            self.fail(f"has not ended within {seconds} s")
        return self.status

    def shut(self):
        self.kill()
        super().shut()
        self.status = self.process.wait()


class Terminal(Program):
    """A program in a terminal of its own."""

    enter = b"\r"

    def __init__(self, scene, name, argv):
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        process = subprocess.Popen(
            argv,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=scene.environment,
            cwd=scene.folder,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self.argv = argv
        super().__init__(scene, name, master, process)


class SerialTerminal(AtALine, Terminal):
    """A terminal program at a line."""

    def leave(self):
        self.kill(signal.SIGTERM)  # some lock the line by a file, and remove it now
        self.scene.until(self.has_ended, 0.5)  # minicom needs three seconds, and has none


class ScreenTerminal(SerialTerminal):
    """GNU screen, whose windows live on when it is killed."""

    def leave(self):
        if self.has_ended():
            return
        self.keys(b"\x01:quit\r")  # Ctrl-A, then a command
        self.scene.until(self.has_ended, 1)


class UdpTerminal(Terminal):
    """A program whose server hears of it when something is typed."""

    def joins(self, name):
        self.keys(self.enter)
        return self.takes_name(name)


class Pipe(Program):
    """A program whose input and output are pipes; its errors go to the output."""

    def __init__(self, scene, name, argv):
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            env=scene.environment,
            cwd=scene.folder,
        )
        super().__init__(scene, name, os.dup(process.stdout.fileno()), process)
        process.stdout.close()

    def send(self, data):
        return os.write(self.process.stdin.fileno(), data)

    def no_more(self):
        """The end of its input."""
        self.process.stdin.close()

    def shut(self):
        self.process.stdin.close()
        super().shut()


Ready = collections.namedtuple("Ready", "type place command remark")


class Server(Program):
    """The server, or an example: they have endpoints and ready lines alike."""

    def __init__(self, scene, argv, endpoints, preload=None, terminal=False):
        output, its_output = pty.openpty() if terminal else os.pipe()
        environment = dict(scene.environment)
        if preload:
            environment["LD_PRELOAD"] = preload
            environment["LIBSERIALPORT_DEBUG"] = "1"  # it tells what it is asked to do
            # A sanitizer wants to be preloaded first.
            environment.setdefault("ASAN_OPTIONS", "verify_asan_link_order=0")
        process = subprocess.Popen(
            [*argv, *endpoints],
            stdin=subprocess.DEVNULL,
            stdout=its_output,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=scene.folder,
        )
        os.close(its_output)
        name = os.path.basename(argv[0])
        super().__init__(scene, name, output, process)
        self.errors = Peer(scene, f"{name}'s stderr", os.dup(process.stderr.fileno()))
        process.stderr.close()
        self.asked = None  # when it was asked to stop
        self.ready = [self.read_ready_line() for _ in endpoints]

    def read_ready_line(self):
        found = self.sees(r"^(\S+) +(\S+) +(.*?)(?:  \((.*)\))?\r?\n")
        return Ready(*(group and group.decode() for group in found.groups()))

    def of(self, type):
        return next(ready for ready in self.ready if ready.type == type)

    def address(self, type):
        return "127.0.0.1", int(re.search(r":(\d+)$", self.of(type).place).group(1))

    def command(self, type):
        """What the ready line says to type."""
        return shlex.split(self.of(type).command)

    def memory(self):
        """What it has in memory now, in bytes."""
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1)) * 1024

    def ask_to_stop(self, signo=signal.SIGTERM):
        self.asked = time.monotonic()
        self.kill(signo)

    def stops(self, seconds=STOP_SECONDS):
        """Ends as it should, asked to if it has not been; after how many seconds."""
        if self.asked is None:
            self.ask_to_stop()
        status = self.exits(seconds + PATIENCE)
        took = time.monotonic() - self.asked
        self.scene.until(lambda: self.errors.over, 1)
        if status != 0:
            self.fail(f"has ended with {status}")
        if took > seconds and not options.sanitized:  # it looks for leaks at the end
            self.fail(f"has taken {took:.1f} s to stop")
        for trouble in rb"Sanitizer", rb"runtime error:":
            if trouble in self.errors.heard:
                self.fail("has trouble: see its stderr")
        return took


# --- what is on a screen ----------------------------------------------------------------


class Screen:
    """A program in a window of tmux, which knows what a person would see there."""

    enter = "\r"

    def __init__(self, scene, name, argv):
        need("tmux")
        self.scene = scene
        self.name = name
        self.log = []
        self.tmux = ["tmux", "-f", "/dev/null", "-S", scene.path(f"{name}.tmux")]
        self.run("new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS), shlex.join(argv))
        scene.peers.append(self)

    def run(self, *words):
        return subprocess.run(
            [*self.tmux, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self.scene.environment,
            cwd=self.scene.folder,
        ).stdout.decode()

    def rows(self):
        """From the top to the last that is not empty."""
        return self.run("capture-pane", "-p").rstrip("\n").split("\n")

    def keys(self, text):
        self.log.append([">", to_bytes(text)])
        self.run("send-keys", "-H", *(f"{byte:02x}" for byte in to_bytes(text)))

    def say(self, line):
        self.keys(to_bytes(line) + b"\r")

    def shows(self, *rows, seconds=PATIENCE):
        """Waits until the last rows on it are these."""
        wanted = [row.rstrip() for row in rows]
        if not self.scene.until(lambda: self.tail(len(rows)) == wanted, seconds):
            self.fail(f"does not show {rows} within {seconds} s")

    def tail(self, n):
        return [row.rstrip() for row in self.rows()[-n:]]

    def joins(self, name):
        self.shows(INVITATION)
        come_in([self])
        self.say(f"/nick {name}")
        renamed = lambda: f"is now {name}" in self.rows()[-1]
        if not self.scene.until(renamed, PATIENCE):
            self.fail("has got no name")
        self.name = name
        return self

    def is_in(self):
        return "-- you are " in self.rows()[-1]

    def fail(self, what):
        self.log.append(["<", "\n".join(self.rows()).encode()])
        raise AssertionError(f"{self.name} {what}")

    def close(self):
        self.run("kill-server")


# --- the scene --------------------------------------------------------------------------


class Scene:
    """A folder, programs and people: all that one test starts and all that ends with it."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.peers = []
        self.folder = tempfile.mkdtemp(prefix="partyline-")
        self.environment = {
            **os.environ,
            "HOME": self.folder,
            "TERM": "xterm",
            "LC_ALL": "C.UTF-8",
            "SCREENDIR": self.path("screens"),
            "SYSSCREENRC": "/dev/null",
        }
        for outside in "STY", "TMUX":  # we may be in a window of one of them
            self.environment.pop(outside, None)
        os.mkdir(self.path("screens"), 0o700)
        with open(self.path(".screenrc"), "w") as screenrc:
            screenrc.write("startup_message off\n")

    def path(self, name):
        return os.path.join(self.folder, name)

    def line(self, number):
        """A path for a line.  Some programs lock it by the last part of its name."""
        return self.path(f"{os.path.basename(self.folder)}-{number}")

    # Time.

    def pump(self, seconds):
        """Reads what comes, for so long at most; returns after something has come."""
        for key, _ in self.selector.select(seconds):
            key.data.on_readable()

    def until(self, condition, seconds):
        """Pumps until the condition holds, for so long at most; what it was then."""
        deadline = time.monotonic() + seconds
        while True:
            result = condition()
            left = deadline - time.monotonic()
            if result or left <= 0:
                return result
            self.pump(min(left, 0.02))

    def rest(self, seconds):
        """Lets time pass, where a silence is what is meant."""
        self.until(lambda: False, seconds)

    # The server.

    def server(self, *endpoints, arguments=(), preload=None):
        return Server(self, [options.partyline, *arguments], endpoints, preload)

    def run_partyline(self, *arguments):
        """For those calls that end by themselves: what subprocess.run() returns."""
        return subprocess.run(
            [options.partyline, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            env=self.environment,
            cwd=self.folder,
            text=True,
        )

    def refused(self, *arguments, status, sentence, lines=1):
        """It must end with the status, without ready lines, and with one line on stderr
        for each thing that is wrong; one of them matches the sentence."""
        result = self.run_partyline(*arguments)
        said = result.stderr.splitlines()
        told = f"{arguments}: {result.returncode}, {result.stdout!r}, {result.stderr!r}"
        assert result.returncode == status, told
        assert result.stdout == "", told
        assert len(said) == lines, told
        assert all(line.startswith("partyline: ") for line in said), told
        assert re.search(sentence, result.stderr), told

    # People.  The commands of telnet, nc -u and screen are those of the ready lines.

    def terminal(self, *argv, kind=Terminal):
        need(argv[0])
        return kind(self, argv[0], argv)

    def telnet(self, server):
        return self.terminal(*server.command("tcp"))

    def nc(self, server, *switches):
        host, port = server.address("tcp")
        return self.terminal("nc", *switches, host, str(port))

    def nc_udp(self, server):
        return self.terminal(*server.command("udp"), kind=UdpTerminal)

    def screen(self, path):
        return self.terminal("screen", path, "115200", kind=ScreenTerminal)

    def picocom(self, path):
        return self.terminal("picocom", "-q", path, kind=SerialTerminal)

    def minicom(self, path):
        return self.terminal("minicom", "-o", "-D", path, kind=SerialTerminal)

    def stream(self, server, receive_buffer=None):
        return Stream(self, server.address("tcp"), receive_buffer)

    def datagrams(self, server):
        return Datagrams(self, server.address("udp"))

    def pipe(self, *argv):
        need(argv[0])
        return Pipe(self, argv[0], argv)

    # The end.

    def finish(self):
        """After a test that has passed: what server still runs must stop as it should."""
        servers = [peer for peer in self.peers if isinstance(peer, Server)]
        for peer in self.peers:
            if not isinstance(peer, Server) and peer not in [s.errors for s in servers]:
                peer.close()
        for server in servers:
            if server.asked is None or not server.has_ended():
                server.stops()

    def close(self):
        for peer in self.peers:
            peer.close()
        for session in os.listdir(self.path("screens")):  # PID.TERMINAL.HOST
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(session.split(".")[0]), signal.SIGTERM)
        self.selector.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def print_logs(self):
        for peer in self.peers:
            lines = [
                f"    {direction} {line.decode(errors='backslashreplace')!r}"
                for direction, data in peer.log
                for line in re.findall(rb"[^\n]*\n|[^\n]+$", data)
            ]
            print(f"--- {peer.name}")
            if len(lines) > LOG_LINES:
                print(f"    ({len(lines) - LOG_LINES} lines before these)")
            print(*lines[-LOG_LINES:], sep="\n")


# --- running tests ----------------------------------------------------------------------


def test(function):
    tests.append(function)
    return function


def run(function):
    """The test's result, in a word."""
    scene = Scene()
    try:
        function(scene)
        scene.finish()
        if options.show:
            scene.print_logs()
        return "ok"
    except Skip as why:
        print(f"    {why}")
        return "skipped"
    except Exception:
        traceback.print_exc(file=sys.stdout)
        scene.print_logs()
        return "FAILED"
    finally:
        scene.close()


def main():
    global options
    get = os.environ.get
    parser.add_argument("--partyline", default=get("PARTYLINE"), metavar="PROGRAM")
    parser.add_argument("--examples", default=get("PARTYLINE_EXAMPLES"), metavar="DIR")
    parser.add_argument("--ptymodem", default=get("PARTYLINE_PTYMODEM"), metavar="SO")
    parser.add_argument("--show", action="store_true", help="print the logs of all tests")
    parser.add_argument("names", nargs="*", help="run only tests with this in their name")
    options = parser.parse_args()
    if not options.partyline:
        parser.error("where is the server? --partyline PROGRAM")
    for path in "partyline", "examples", "ptymodem":
        if getattr(options, path):
            setattr(options, path, os.path.abspath(getattr(options, path)))
    with open(options.partyline, "rb") as program:  # a sanitizer keeps what is freed
        options.sanitized = re.search(rb"__[at]san_init", program.read()) is not None
    results = collections.Counter()
    begin = time.monotonic()
    for function in tests:
        if options.names and not any(name in function.__name__ for name in options.names):
            continue
        start = time.monotonic()
        result = run(function)
        results[result] += 1
        name = function.__name__.replace("_", " ")
        print(f"{result:8}{time.monotonic() - start:5.1f} s  {name}", flush=True)
    counts = ", ".join(f"{n} {result}" for result, n in results.items())
    print(f"{counts or 'no test'} in {time.monotonic() - begin:.1f} s")
    if results["FAILED"]:
        sys.exit(1)
    if results["skipped"] and not results["ok"]:
        sys.exit(77)
