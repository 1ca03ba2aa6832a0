#!/usr/bin/env python3
"""draw_screens.py: draws docs/one-room.svg, the picture of the README, from real screens.

    tests/clients/draw_screens.py [--partyline PROGRAM] [FILE.svg]

In four terminals of tmux it starts a server, telnet, nc -u and screen, types what is in
talk() below, waits until everybody has read it, and draws what tmux says is on the screens:
every character comes from there, only the colours are made up.  It needs tmux, telnet, nc,
screen, and the ports 1234 of TCP and UDP."""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from xml.sax.saxutils import escape

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COLUMNS, ROWS = 58, 20
PATIENCE = 10

# Pixels.  A monospaced font of this size is about so wide; textLength makes it exact.
FONT, CELL_WIDTH, CELL_HEIGHT = 12, 7.2, 15.5
MARGIN, TITLE, GAP = 10, 24, 10

OUTSIDE, PAPER, BAR, EDGE = "#0d1117", "#161b22", "#21262d", "#30363d"
TEXT, TYPED, FAINT = "#c9d1d9", "#7ee787", "#8b949e"


class Terminal:
    """One terminal of 58 columns and 20 rows, with a shell in it."""

    def __init__(self, folder, environment, title):
        self.title = title
        self.typed = []
        self.environment = environment
        self.tmux = ["tmux", "-f", "/dev/null", "-S", os.path.join(folder, title)]
        self.run("new-session", "-d", "-c", folder, "-x", str(COLUMNS), "-y", str(ROWS), "sh")
        self.run("set-option", "status", "off")
        self.run("resize-window", "-x", str(COLUMNS), "-y", str(ROWS))
        self.shows("$ ")

    def run(self, *words):
        result = subprocess.run(
            [*self.tmux, *words], check=True, capture_output=True, env=self.environment
        )
        return result.stdout.decode()

    def rows(self):
        return self.run("capture-pane", "-p").rstrip("\n").split("\n")

    def cursor(self):
        return tuple(map(int, self.run("display", "-p", "#{cursor_x} #{cursor_y}").split()))

    def shows(self, text):
        deadline = time.monotonic() + PATIENCE
        while text not in self.run("capture-pane", "-p", "-J"):
            if time.monotonic() > deadline:
                sys.exit(f"{self.title} does not show {text!r}:\n" + "\n".join(self.rows()))
            time.sleep(0.05)

    def types(self, text):
        self.typed.append(text)
        self.run("send-keys", "-l", "--", text)
        self.run("send-keys", "Enter")

    def ends(self):
        self.run("kill-server")


def talk(server, telnet, udp, line):
    """What happens in the picture."""
    server.types("partyline tcp:1234 udp:1234 pty:partyline.tty 2>log")
    server.shows("screen partyline.tty")
    telnet.types("telnet localhost 1234")
    telnet.shows("you are guest1")
    udp.types("nc -u localhost 1234")
    time.sleep(0.5)  # nc does not say when it is ready
    udp.types("")
    udp.shows("you are guest2")
    line.types("screen partyline.tty")
    line.shows("press Enter to join")
    time.sleep(0.5)  # an Enter counts only after a moment of silence
    line.types("")
    line.shows("you are guest3")
    people = {telnet: "ann", udp: "bob", line: "cho"}
    for speaker, name in people.items():
        speaker.types(f"/nick {name}")
        for listener in people:
            listener.shows(f"is now {name}")
    said = "hello from telnet", "UDP hears you", "and so does the serial line"
    for speaker, text in zip(people, said):
        speaker.types(text)
        for listener in people:
            if listener is not speaker:
                listener.shows(f"<{people[speaker]}> {text}")
    line.types("/who")
    line.shows("3 people")


def stop(server):
    """It does not mind that its terminal goes away."""
    server.run("send-keys", "C-c")
    server.shows("$ \n")


# --- drawing ----------------------------------------------------------------------------------


def number(value):
    return f"{value:.1f}".rstrip("0").rstrip(".")


def draw_row(row, x, y, colour):
    """One line of text, every character in its cell whatever font the reader has."""
    lead = len(row) - len(row.lstrip())
    row = row.strip()
    if not row:
        return ""
    return (
        f'<text x="{number(x + lead * CELL_WIDTH)}" y="{number(y)}" fill="{colour}"'
        f' textLength="{number(len(row) * CELL_WIDTH)}">{escape(row)}</text>\n'
    )


def colour_of(row, typed):
    if row.removeprefix("$ ") in typed:
        return TYPED
    return TEXT if row.startswith("<") else FAINT


def draw_terminal(terminal, x, y):
    width, height = COLUMNS * CELL_WIDTH + 2 * MARGIN, ROWS * CELL_HEIGHT + TITLE + 2 * MARGIN
    out = (
        f'<rect x="{number(x)}" y="{number(y)}" width="{number(width)}"'
        f' height="{number(height)}" rx="6" fill="{PAPER}" stroke="{EDGE}"/>\n'
        f'<path d="M{number(x)} {number(y + TITLE)}h{number(width)}" stroke="{EDGE}"/>\n'
    )
    out += draw_row(terminal.title, x + MARGIN, y + TITLE - 8, TEXT)
    left, top = x + MARGIN, y + TITLE + MARGIN
    for index, row in enumerate(terminal.rows()):
        base = top + (index + 0.75) * CELL_HEIGHT
        out += draw_row(row, left, base, colour_of(row, terminal.typed))
    column, row = terminal.cursor()
    out += (
        f'<rect x="{number(left + column * CELL_WIDTH)}" y="{number(top + row * CELL_HEIGHT)}"'
        f' width="{number(CELL_WIDTH)}" height="{number(CELL_HEIGHT - 1)}" fill="{FAINT}"/>\n'
    )
    return out, width, height


def draw(terminals):
    body = ""
    for index, terminal in enumerate(terminals):
        if index == 0:
            x = y = GAP
        part, width, height = draw_terminal(terminal, x, y)
        body += part
        x = GAP if index % 2 else x + width + GAP
        y += (height + GAP) * (index % 2)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg"'
        f' viewBox="0 0 {number(2 * width + 3 * GAP)} {number(2 * height + 3 * GAP)}"'
        f' font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,\'DejaVu Sans Mono\',monospace"'
        f' font-size="{FONT}" xml:space="preserve" style="white-space:pre">\n'
        f"<title>Four terminals: a server, and telnet, nc -u and screen in one room</title>\n"
        f'<rect width="100%" height="100%" rx="8" fill="{OUTSIDE}"/>\n{body}</svg>\n'
    )


def main():
    parser = argparse.ArgumentParser(description="Draws docs/one-room.svg from real screens.")
    parser.add_argument(
        "--partyline",
        default=os.environ.get("PARTYLINE", os.path.join(ROOT, "build/release/partyline")),
        help="the server (build/release/partyline)",
    )
    parser.add_argument("file", nargs="?", default=os.path.join(ROOT, "docs/one-room.svg"))
    options = parser.parse_args()
    program = os.path.dirname(os.path.abspath(options.partyline))
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, "screens"), 0o700)
        with open(os.path.join(folder, "prompt"), "w") as prompt:
            prompt.write("PS1='$ '\n")
        environment = {
            "PATH": program + ":" + os.environ["PATH"],
            "ENV": os.path.join(folder, "prompt"),
            "HOME": folder,
            "LC_ALL": "C.UTF-8",
            "SCREENDIR": os.path.join(folder, "screens"),
            "SYSSCREENRC": "/dev/null",
        }
        terminals = []
        try:
            for title in "the server", "TCP: telnet", "UDP: nc -u", "a serial line: screen":
                terminals.append(Terminal(folder, environment, title))
            talk(*terminals)
            picture = draw(terminals)
        finally:
            stop(terminals[0])
            for terminal in terminals:
                terminal.ends()
    with open(options.file, "w") as out:
        out.write(picture)


if __name__ == "__main__":
    main()
