"""test_sources.py: people who come from elsewhere: limits for each source, codes over UDP.

What comes from this machine is exempt from both.  So the test moves into a network of its
own, whose only interface is its loopback, and gives that addresses which are none: who binds
to one of them comes from afar."""

import os
import socket
import subprocess
import sys

import harness
from harness import Datagrams, Peer, Stream, need, test

SERVER = {4: "192.0.2.1", 6: "2001:db8::1"}
NEAR = ["192.0.2.7", "192.0.2.8"]  # one network over UDP, two sources over TCP
FAR = ["198.51.100.7"]
SIX = ["2001:db8:0:1::7", "2001:db8:0:2::7", "2001:db8:0:100::7"]  # the first two: one /56
MANY = "-- too many from your address, try again later --\r\n"
INSIDE = "PARTYLINE_TEST_NETWORK"


def move_into_a_network():
    """Runs this file again where it may give itself addresses."""
    if sys.platform != "linux":
        print("skipped: only Linux has networks for this")
        sys.exit(77)
    need("unshare", "ip")
    enter = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    if subprocess.run([*enter, "true"], capture_output=True).returncode:
        print("skipped: this system lets nobody make a network of his own")
        sys.exit(77)
    os.environ[INSIDE] = "1"
    os.execvp("unshare", [*enter, sys.executable, "-B", *sys.argv])


def make_addresses():
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in [SERVER[4], *NEAR, *FAR]:
        subprocess.run(["ip", "addr", "add", f"{address}/32", "dev", "lo"], check=True)
    for address in [SERVER[6], *SIX]:
        subprocess.run(["ip", "addr", "add", f"{address}/128", "dev", "lo", "nodad"], check=True)


def connected(kind, server, wire, source):
    """A socket of that kind which comes from there."""
    version = 6 if ":" in source else 4
    s = socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, kind)
    s.bind((source, 0))
    s.connect((SERVER[version], server.address(wire)[1]))
    return s


class StreamFrom(Stream):
    def __init__(self, scene, server, source):
        self.socket = connected(socket.SOCK_STREAM, server, "tcp", source)
        Peer.__init__(self, scene, f"one from {source}", self.socket.fileno())


class DatagramsFrom(Datagrams):
    def __init__(self, scene, server, source):
        self.socket = connected(socket.SOCK_DGRAM, server, "udp", source)
        self.datagrams = []
        Peer.__init__(self, scene, f"one from {source}", self.socket.fileno())

    def proves(self):
        """Reads a code and types it."""
        self.say("hello")
        self.say(self.sees(r"-- to join type ([a-z0-9]+), then").group(1))
        return self


def is_in(person):
    person.sees(r"you are guest\d+ --")
    return person


def is_turned_away(person):
    person.reads(MANY)


def a_server(scene):
    return scene.server(
        "tcp:0:interface=*", "udp:0:interface=*", arguments=("--per-source", "3")
    )


@test
def over_tcp_a_source_is_an_address(scene):
    server = a_server(scene)
    for source in NEAR[0], NEAR[1], FAR[0]:
        for _ in range(3):
            is_in(StreamFrom(scene, server, source))
        late = StreamFrom(scene, server, source)
        is_turned_away(late)
        late.ends()


@test
def on_ipv6_a_source_is_what_a_home_is_given(scene):
    server = a_server(scene)
    for source in SIX[0], SIX[0], SIX[1]:
        is_in(StreamFrom(scene, server, source))
    is_turned_away(StreamFrom(scene, server, SIX[1]))
    is_in(StreamFrom(scene, server, SIX[2]))


@test
def over_udp_who_comes_from_afar_proves_it_and_a_source_is_a_network(scene):
    server = a_server(scene)
    ann = is_in(StreamFrom(scene, server, FAR[0]))
    for source in NEAR[0], NEAR[1], NEAR[0]:
        is_in(DatagramsFrom(scene, server, source).proves())
    is_turned_away(DatagramsFrom(scene, server, NEAR[1]).proves())
    is_in(DatagramsFrom(scene, server, FAR[0]).proves())
    ann.has_read("hello", times=0)  # what comes before the proof is not said


@test
def this_machine_does_not_count(scene):
    server = a_server(scene)
    for _ in range(6):
        is_in(scene.stream(server))


if __name__ == "__main__":
    if INSIDE not in os.environ:
        move_into_a_network()
    make_addresses()
    harness.main()
