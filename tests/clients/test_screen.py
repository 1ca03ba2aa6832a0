"""test_screen.py: what stands on the screen of somebody who types at a serial line, where
the server echoes, while others are speaking."""

import harness
from harness import Screen, need, test


def at_each_program(body):
    """The same in screen and in picocom: body(ann at her screen, bob on a socket)."""

    def run(scene):
        need("screen", "picocom")
        for number, argv in enumerate((["screen"], ["picocom", "-q"])):
            line = scene.line(number)
            server = scene.server("tcp:0", f"pty:{line}")
            bob = scene.stream(server).joins("bob")
            ann = Screen(scene, f"at-{argv[0]}", [*argv, line]).joins("ann")
            body(ann, bob)

    run.__name__ = body.__name__
    return test(run)


@at_each_program
def a_half_typed_line_stays_below_what_others_say(ann, bob):
    ann.keys("half a li")
    ann.shows("half a li")
    bob.say("hello")
    ann.shows("<bob> hello", "half a li")
    bob.say("are you there?")
    ann.shows("<bob> hello", "<bob> are you there?", "half a li")
    ann.keys("ne\r")
    ann.shows("<bob> hello", "<bob> are you there?", "<ann> half a line")
    bob.reads("<ann> half a line\r\n")
    bob.say("yes")
    ann.shows("<bob> are you there?", "<ann> half a line", "<bob> yes")


@at_each_program
def the_own_line_becomes_what_the_others_see(ann, bob):
    ann.say("hello")
    ann.shows("* guest1 is now ann", "<ann> hello")
    ann.say("/me waves")
    ann.shows("<ann> hello", "* ann waves")
    ann.say("/nosuchcommand")  # nobody else sees it, so it stays
    ann.shows(
        "* ann waves",
        "/nosuchcommand",
        "-- no command /nosuchcommand; /help lists them, and // begins a line with / --",
    )


@at_each_program
def keys_that_erase(ann, bob):
    ann.keys("helpp\x7f\x08lo")  # minicom sends 08
    ann.shows("* guest1 is now ann", "hello")
    ann.keys(" big world")
    ann.shows("hello big world")
    ann.keys(b"\x17")  # Ctrl-W
    ann.shows("hello big")
    ann.keys(b"\x15")  # Ctrl-U
    ann.shows("* guest1 is now ann")
    ann.keys("日本語\x7f\x7f")  # wide ones
    ann.shows("日")
    ann.keys("é e\u0301\x7f")  # one that has a mark to combine with
    ann.shows("日é")
    bob.say("hello")
    ann.shows("* guest1 is now ann", "<bob> hello", "日é")
    ann.keys("\x1b[A\x1b[D\x1bOPx\r")  # keys that it does not know leave nothing behind
    ann.shows("<bob> hello", "<ann> 日é x")
    bob.reads("<ann> 日é x\r\n")


@at_each_program
def a_line_longer_than_the_screen_keeps_to_one_row(ann, bob):
    line = "".join(f" {number}" for number in range(100, 150)).strip()
    ann.keys(line[:60])
    ann.shows("* guest1 is now ann", line[:60])
    ann.keys(line[60:])
    ann.scene.until(lambda: ann.rows()[-1].endswith(line[-20:]), harness.PATIENCE)
    row = ann.rows()[-1]
    assert row.startswith("<") and line.endswith(row[1:]), row
    bob.say("hello")
    ann.shows("* guest1 is now ann", "<bob> hello", row)
    ann.keys("\r")
    bob.reads(f"<ann> {line}\r\n")
    text = f"<ann> {line}"
    ann.shows("<bob> hello", text[:80], text[80:160], text[160:])


if __name__ == "__main__":
    harness.main()
