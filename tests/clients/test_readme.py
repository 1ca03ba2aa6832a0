"""test_readme.py: what the documents say is so.

Every command of a fenced `sh` block is run, in the order in which it stands there, each in a
terminal of its own.  What it is shows in its first word:

* `./run` and what is below `build/` is a server: it replaces the one before it, and must say
  that every endpoint is ready; Ctrl-C ends it.
* `./run test` must end by itself.
* A client joins the server above it; then everybody there, and a witness, must read what he
  says.

A command of any other kind fails the test: nothing is skipped.  What differs from what a
reader does:

* Ports are chosen by the kernel: 1234 stands for the one that the ready line names.
* `./run` is the real script, in a folder where cmake and ctest are stand-ins that note how
  they were called, and the program and the examples under test are what they have built.  The
  stand-ins of apt-get and sudo install nothing.
* There are no USB adapters here.  Their device files are the two ends of a cable of socat's,
  and a shim makes libserialport believe that a pseudo-terminal is a serial port.

Besides, C blocks have to stand in a file of the tree, word by word; files that are named have
to exist; and the README's table of endpoints has to be what `partyline --help` says."""

import json
import os
import re
import shlex
import shutil
import subprocess
import xml.etree.ElementTree

import harness
from harness import Terminal, lacks, need, test

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DOCUMENTS = "README.md", "docs/tutorial.md", "docs/transport.md"
LANGUAGES = "sh", "c"
PORT = "1234"
DEFAULT = "tcp:1234 udp:1234 pty:partyline.tty"

# A device of the documents, and which end of the cable stands for it.
CABLE = {
    "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0": "near",
    "/dev/ttyUSB0": "far",
}


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


def blocks(text):
    """Pairs of language and content."""
    found = re.findall(r"^```(.*?)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert text.count("```") == 2 * len(found), "a block does not begin or end a line"
    return found


def commands(text):
    """Pairs of the words of a command and the remark behind it."""
    for language, content in blocks(text):
        for line in content.replace("\\\n", " ").splitlines() if language == "sh" else ():
            command, _, remark = line.partition("  #")
            yield shlex.split(command), remark


# --- the folder in which they run --------------------------------------------------------------


def write_program(path, text):
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o755)


def prepare(scene):
    """What somebody has who has unpacked the sources and run ./run."""
    for folder in "bin", "build/release":
        os.makedirs(scene.path(folder))
    built = scene.path("build/release")
    os.symlink(harness.options.partyline, f"{built}/partyline")
    os.symlink(os.path.abspath(harness.options.examples), f"{built}/examples")
    script = read("run")
    assert DEFAULT in script, f"./run does not start on {DEFAULT}"
    write_program(scene.path("run"), script.replace(DEFAULT, any_port(DEFAULT)))
    for tool in "cmake", "ctest":
        write_program(
            scene.path(f"bin/{tool}"), f'#!/bin/sh\necho "{tool} $*" >>{scene.path("calls")}\n'
        )
    for tool in "apt-get", "sudo":
        write_program(scene.path(f"bin/{tool}"), "#!/bin/sh\nexit 1\n")
    scene.environment["PATH"] = scene.path("bin") + ":" + scene.environment["PATH"]


def any_port(text):
    return re.sub(rf"\b(tcp|udp):{PORT}\b", r"\1:0", text)


def at_the_cable(scene, word):
    for device, end in CABLE.items():
        word = word.replace(device, scene.line(end))
    assert not re.search("/dev/(?!tty$)", word), f"what stands for {word}?"
    return word


def lay_cable(scene):
    """Between the two ends that CABLE names; the shim is for the server."""
    need("socat")
    if not harness.options.ptymodem:
        lacks("the shim for serial lines (--ptymodem)")
    near, far = scene.line("near"), scene.line("far")
    scene.terminal("socat", f"pty,rawer,link={near}", f"pty,rawer,link={far}")
    assert scene.until(lambda: os.path.exists(near) and os.path.exists(far), harness.PATIENCE)
    return ["env", f"LD_PRELOAD={os.path.abspath(harness.options.ptymodem)}"]


def calls(scene):
    """Of cmake and ctest since the last time."""
    with open(scene.path("calls")) as file:
        lines = file.read().splitlines()
    os.remove(scene.path("calls"))
    return lines


# --- servers -----------------------------------------------------------------------------------


class DocumentedServer:
    """A server in a terminal, and the people who have joined it."""

    def __init__(self, scene, words):
        self.scene = scene
        self.people = []
        argv = [at_the_cable(scene, any_port(word)) for word in words]
        if argv != [any_port(word) for word in words]:
            argv = lay_cable(scene) + argv
        self.terminal = Terminal(scene, " ".join(words), argv)
        self.name = os.path.basename(words[0])
        self.ports = {}
        endpoints = words[1:] or DEFAULT.split()
        for endpoint in endpoints:
            kind = endpoint.split(":")[0]
            line = self.terminal.sees(rf"^{kind} +(\S+) +[^\r\n]+\r$")
            self.ports[kind] = line.group(1).decode().rpartition(":")[2]
        assert "tcp" in self.ports, f"{words}: there is nowhere for a witness to join"
        if self.name == "run":
            made = calls(scene)
            assert made == ["cmake --preset release", made[-1]], made
            assert made[-1].startswith("cmake --build --preset release"), made
        if self.name in ("step1", "step2"):  # what they read they print
            self.audience = [self.terminal]
        else:
            self.audience = [harness.Stream(scene, ("127.0.0.1", int(self.ports["tcp"])))]
        if "console" in self.ports:
            self.audience.append(self.terminal)
            self.people.append(self.terminal)

    def welcome(self, client):
        """Has him speak until he is heard: before, he has not joined."""
        for attempt in range(harness.PATIENCE):
            if isinstance(client, AtTheLine):
                client.presses_enter()
            line = f"attempt {attempt} of {client.name}"
            client.say(line)
            ear = self.audience[0]
            if self.scene.until(lambda: line.encode() in ear.heard, 1):
                break
        else:
            client.fail("is not heard by anybody")
        self.people.append(client)
        if self.name not in ("step1", "step2"):
            self.audience.append(client)

    def everybody_speaks(self):
        assert self.people, f"nobody joins {self.terminal.name}"
        for speaker in self.people:
            line = f"hello from {speaker.name}"
            speaker.say(line)
            for listener in self.audience:
                if listener is not speaker:
                    listener.reads(line)

    def stop(self):
        self.everybody_speaks()
        self.terminal.keys(b"\x03")
        status = self.terminal.exits()
        assert status == 0, f"{self.terminal.name} has ended with {status}"
        for client in self.people:
            client.close()


# --- clients -----------------------------------------------------------------------------------


class AtTheLine(harness.SerialTerminal):
    """A terminal program at a serial line or what passes for one."""

    def presses_enter(self):
        # On a cable it may have gone by before we looked.
        self.scene.until(lambda: b"press Enter to join" in self.heard, 1)
        self.scene.until(lambda: False, harness.LINE_QUIET)
        self.keys(self.enter)
        self.scene.until(lambda: False, harness.LINE_QUIET)


def client(scene, server, words, remark):
    udp, unix = "-u" in words, "-U" in words
    port = server.ports.get("udp" if udp else "tcp")
    argv = [port if word == PORT else at_the_cable(scene, word) for word in words]
    assert words[0] in ("telnet", "nc", "screen"), f"what is {words}?"
    need(words[0])
    kind = AtTheLine if words[0] == "screen" else Terminal
    person = kind(scene, " ".join(words), argv)
    must_press = udp or kind is AtTheLine
    assert must_press == ("press Enter" in remark), f"{words}: is Enter to be pressed?"
    if udp:
        person.keys(person.enter)
    assert udp or unix or kind is AtTheLine or PORT in words, f"where does {words} lead?"
    return person


# --- the tests ---------------------------------------------------------------------------------


def run_tests_as_documented(scene):
    made = subprocess.run(
        ["./run", "test"],
        cwd=scene.folder,
        env=scene.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if "missing on this machine" in made.stderr:
        lacks("something that ./run test would install: " + made.stderr)
    assert made.returncode == 0, made.stderr
    lines = calls(scene)
    assert lines[0] == "cmake --preset dev" and len(lines) == 3, lines
    assert lines[1].startswith("cmake --build --preset dev "), lines
    assert lines[2].startswith("ctest --preset dev "), lines


def run_commands(scene, document):
    prepare(scene)
    server = None
    for words, remark in commands(read(document)):
        if words[:2] == ["./run", "test"]:
            run_tests_as_documented(scene)
        elif words[0] == "./run" or words[0].startswith("build/"):
            if server:
                server.stop()
            server = DocumentedServer(scene, words)
        else:
            assert server, f"{words} comes before any server"
            server.welcome(client(scene, server, words, remark))
    if server:
        server.stop()


@test
def every_command_of_the_readme_works(scene):
    run_commands(scene, "README.md")


@test
def every_command_of_the_tutorial_works(scene):
    run_commands(scene, "docs/tutorial.md")


@test
def every_command_of_the_transport_guide_works(scene):
    run_commands(scene, "docs/transport.md")


@test
def the_presets_that_run_asks_for_exist(scene):
    presets = json.loads(read("CMakePresets.json"))
    for kind, names in {
        "configurePresets": ("release", "dev"),
        "buildPresets": ("release", "dev"),
        "testPresets": ("dev",),
    }.items():
        have = [preset["name"] for preset in presets[kind]]
        for name in names:
            assert name in have, f"{kind} has no {name}"


@test
def every_c_block_stands_in_a_file(scene):
    files = {}
    for folder in "examples", "include/partyline":
        for name in sorted(os.listdir(os.path.join(ROOT, folder))):
            files[f"{folder}/{name}"] = read(f"{folder}/{name}")
    for document in DOCUMENTS:
        for language, content in blocks(read(document)):
            assert language in LANGUAGES, f"{document} has a block of {language!r}"
            if language == "c":
                assert any(content in file for file in files.values()), (
                    f"{document} has a block that is in no file:\n{content}"
                )


@test
def every_file_that_is_named_exists(scene):
    for document in DOCUMENTS:
        text = read(document)
        here = os.path.dirname(document)
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            if "://" not in target:
                path = os.path.join(ROOT, here, target)
                assert os.path.exists(path), f"{document}: there is no {target}"
        names = r"\b(?:src|include|transports|examples|docs|tests)/[\w./-]*\w/?"
        for name in re.findall(names, re.sub(r"\]\([^)]*\)|build/release/\S+", "", text)):
            assert os.path.exists(os.path.join(ROOT, name)), f"{document}: there is no {name}"


@test
def the_picture_is_a_picture(scene):
    picture = read("docs/one-room.svg")
    assert len(picture) < 60000
    for element in xml.etree.ElementTree.fromstring(picture).iter():
        kind = element.tag.rpartition("}")[2]
        assert kind in ("svg", "title", "rect", "path", "text"), f"there is a {kind} in it"
    assert "3 people" in picture


# --- the table of endpoints --------------------------------------------------------------------


def keys_of(usage):
    """What stands in front of the first [:key=...], and the keys, brackets inside kept."""
    head, keys, depth, start = usage, [], 0, 0
    for at, letter in enumerate(usage):
        if letter == "[":
            if depth == 0 and re.match(r"\[:[\w-]+=", usage[at:]):
                head = head if keys else usage[:at]
                start = at + 2
            depth += 1
        elif letter == "]":
            depth -= 1
            if depth == 0 and start:
                keys.append(usage[start:at])
    return head, keys


def code(text):
    return "`" + text.replace("|", "\\|") + "`"


def endpoints_of(text):
    """Triples of usage, keys and the explanation, from --help; the last is for all."""
    rows = []
    for line in text.partition("Endpoints:\n")[2].partition("\n\n")[0].splitlines():
        indented, word = len(line) - len(line.lstrip()), line.strip()
        if indented == 2 and not word.startswith("["):
            rows.append([word, ""])
        elif word.startswith("["):
            rows[-1][0] += word
        else:
            rows[-1][1] = f"{rows[-1][1]} {word}".strip()
    return [(*keys_of(usage), words) for usage, words in rows]


def endpoint_table(text):
    rows = ["| endpoint | keys | |", "| --- | --- | --- |"]
    for head, keys, words in endpoints_of(text):
        name = head if head.startswith("all of them") else code(head)
        rows.append(f"| {name} | {' '.join(map(code, keys))} | {words} |")
    return rows


@test
def the_table_of_endpoints_is_what_help_says(scene):
    shown = scene.run_partyline("--help")
    assert shown.returncode == 0
    should = endpoint_table(shown.stdout)
    table = re.search(r"<!-- endpoints.*?-->\n(.*?)<!-- end", read("README.md"), re.DOTALL)
    rows = table.group(1).strip().splitlines()
    if not any(row.startswith("| `serial:") for row in should):  # a build without them
        rows = [row for row in rows if not row.startswith("| `serial:")]
    assert rows == should, "the table has to be:\n\n" + "\n".join(should)


if __name__ == "__main__":
    harness.main()
