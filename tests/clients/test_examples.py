"""test_examples.py: the steps of the tutorial, each on TCP, UDP and a terminal line without a
change."""

import os

import harness
from harness import Line, Server, Terminal, lacks, test

PLACE = r"[^ >]+"  # the far end's name: an address, or a path


class Example(Server):
    """Its output is a terminal, as a beginner has it: a line is shown at once."""

    stdout_is_terminal = True


def example(scene, step):
    """The step, and somebody at each wire."""
    if not harness.options.examples:
        lacks("--examples DIR")
    program = os.path.join(os.path.abspath(harness.options.examples), step)
    path = scene.line(0)
    server = Example(scene, [program], ["tcp:0", "udp:0", f"pty:{path}"])
    line = Line(scene, path)
    line.name = "pty"
    line.reads("press Enter to join")
    scene.until(lambda: False, harness.LINE_QUIET)
    line.keys("\r")
    tcp, udp = scene.nc(server), scene.nc_udp(server)
    tcp.name, udp.name = "tcp", "udp"
    return server, (tcp, udp, line)
