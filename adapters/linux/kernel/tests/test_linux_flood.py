"""A guest that sends without end, or what makes no sense: a verdict in time, within a bounded memory, and nothing left."""

import time
import tracemalloc
from collections.abc import Callable

import pytest

from espproof.adapters.base import AdapterError, Crashed, Hung
from espproof.adapters.linux.inside import channel
from espproof.adapters.linux.kernel import machine
from espproof.adapters.linux.kernel.guest import Guest

Start = Callable[..., Guest]

SECONDS = 0.5
BUSY = 30
"""More than that is not the machine, which may have other things to do."""
MEMORY = 300 << 20
"""Octets that an answer may take up at the most: some copies of the longest message."""

READY = 'channel.send(channel.pack(["ready", "6.0", 65535]), put, take)\n'
ASKED = READY + "channel.receive(put, take)\n"
AFTERWARDS = "time.sleep(60)"

HUNG = {
    "frames of another protocol": 'while True: asker.send(bytes(12) + b"\\x86\\xdd" + bytes(46))',
    "frames too short to have a protocol": "while True: asker.send(bytes(5))",
    "empty pieces, deaf": 'while True: put(more(b""))',
    "empty pieces, each asked for": 'while True: put(more(b"")); take()',
    "half an answer": 'put(more(b"half")); ' + AFTERWARDS,
    "lines on the console": 'while True: say("+" * 1000)',
    "a line on the console that never ends": 'while True: os.write(1, b"+" * 65536)',
    "nothing": AFTERWARDS,
    "a channel that is let go of": "asker.close(); " + AFTERWARDS,
}
NONSENSE = {
    "pieces that go on for ever": ("while True: put(more(bytes(59000))); take()", "more than 64 MiB"),
    "pieces of no kind": ('while True: put(b"\\7" + bytes(7))', "a piece of kind 7"),
    "random frames": ("while True: put(os.urandom(60))", "piece"),
    "empty frames": ('while True: put(b"")', "a frame of 0 octets"),
    "whole messages that are none": ('while True: put(last(b"{" * 59000))', "announced"),
    "whole messages of no list": ('while True: put(last(channel.pack({"a": 1})))', "not a list"),
    "a huge piece": ('put(bytes([0, 0, 0, 0]) + b"\\xff" * 60)', "a piece of 4294967295 octets"),
    "a huge text": ('put(last(b"\\xff" * 4 + bytes(60)))', "4294967295 octets of JSON"),
    "a great many packets": ('put(last(bytes(4) + b"\\xff" * 60))', "4294967295 packets"),
    "a huge packet": ('put(last(bytes([0, 0, 0, 0, 0, 0, 0, 1]) + b"\\xff" * 4))', "4294967307 are announced"),
    "a deep text": ('long(channel._LENGTHS.pack(1000000, 0) + b"[" * 1000000)', "not JSON"),
    "many results": ("long(channel.pack([[]] * 1300000))", "1300000 results for 1 operations"),
    "an error without words": ('put(last(channel.pack(["error"])))', "the agent failed"),
}


@pytest.mark.parametrize("flood", HUNG.values(), ids=HUNG)
def test_what_never_becomes_an_answer_hangs(start: Start, flood: str) -> None:
    """Though there is always something to read."""
    one = start(ASKED + flood)
    began = time.monotonic()
    with pytest.raises(Hung, match=r"no answer within 0\.5 s"):
        one.ask([["reset"]], [], SECONDS)
    assert time.monotonic() - began < SECONDS + BUSY


class _Faster:
    """A channel on which a frame is always there, once a question was sent."""

    def __init__(self, content: bytes, ethertype: int) -> None:
        self._frame = bytes(12) + ethertype.to_bytes(2, "big") + content
        self._sent = False

    def send(self, frame: bytes) -> None:
        self._sent = True

    def recv(self, size: int) -> bytes:
        if not self._sent:
            raise BlockingIOError
        return self._frame


@pytest.mark.parametrize(
    ("content", "ethertype"), [(bytes(46), 0x86DD), (b"\1" + bytes(7), channel.ETHERTYPE)], ids=["others", "pieces"]
)
def test_a_flood_that_is_faster_than_we_are_hangs(
    start: Start, content: bytes, ethertype: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is never a moment to wait in."""
    one = start(READY + AFTERWARDS)
    with monkeypatch.context() as patch:
        patch.setattr(one, "_ours", _Faster(content, ethertype))
        with pytest.raises(Hung, match=r"no answer within 0\.5 s"):
            one.ask([["reset"]], [], SECONDS)


@pytest.mark.parametrize("flood", HUNG.values(), ids=HUNG)
def test_a_guest_that_floods_instead_of_starting_does_not_start(start: Start, flood: str) -> None:
    """That is no verdict about the implementation."""
    began = time.monotonic()
    with pytest.raises(AdapterError, match=r"did not start: no answer within 0\.5 s"):
        start(flood, SECONDS)
    assert time.monotonic() - began < SECONDS + BUSY


@pytest.mark.parametrize(("flood", "words"), NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_an_error_that_names_it(start: Start, flood: str, words: str) -> None:
    one = start(ASKED + flood + "\n" + AFTERWARDS)
    tracemalloc.start()
    try:
        with pytest.raises(AdapterError, match=words) as raised:
            one.ask([["reset"]], [], 20)
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()
    assert len(str(raised.value)) < 2500


def test_nonsense_instead_of_a_greeting_is_an_error(start: Start) -> None:
    """Of the frames, and of what they say."""
    for greeting, words in (
        ('put(b"")', "the guest's answer: a frame of 0 octets"),
        ('put(last(channel.pack(["ready", 6, []])))', "did not start"),
    ):
        with pytest.raises(AdapterError, match=words):
            start(greeting + "\n" + AFTERWARDS)


def test_a_report_goes_before_the_nonsense_that_follows_it(start: Start) -> None:
    one = start(ASKED + 'say("BUG: KASAN: slab-out-of-bounds"); put(b"")\n' + AFTERWARDS)
    with pytest.raises(Crashed, match="KASAN: slab"):
        one.ask([["reset"]], [], SECONDS)


def test_an_answer_too_many_is_not_taken_for_the_next_one(start: Start) -> None:
    """The answers would be those of the questions before, from then on."""
    answers = 'while True:\n    channel.receive(put, take)\n    for _ in range(3): put(last(channel.pack([["done"]])))'
    one = start(READY + answers)
    assert one.ask([["reset"]], [], 10) == ([["done"]], [])
    time.sleep(0.2)
    with pytest.raises(AdapterError, match="spoke without being asked"):
        one.ask([["reset"]], [], SECONDS)


def test_who_asks_for_more_and_takes_nothing_hangs(start: Start) -> None:
    """Once the channel is full; and we do not compute while we wait for it."""
    one = start(READY + "take()\nwhile True: put(channel._HEAD.pack(channel._GO_ON, 0))")
    computed = time.process_time()
    with pytest.raises(Hung, match=r"no answer within 0\.5 s"):
        one.ask([["reset"]], [bytes(60000)] * 100, SECONDS)
    assert time.process_time() - computed < SECONDS / 2


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("sys.exit(3)", "the kernel ended with exit status 3"),
        ("os.kill(os.getpid(), 11)", "the kernel was killed by SIGSEGV"),
        ("asker.shutdown(socket.SHUT_RDWR); time.sleep(60)", "the kernel closed its channel, but still runs"),
    ],
    ids=["exit", "signal", "closed"],
)
def test_who_ends_in_the_middle_of_an_answer_has_crashed(
    start: Start, end: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_END_SECONDS", 0.5)
    one = start(ASKED + f"put(more(bytes(9)))\n{end}")
    with pytest.raises(Crashed, match=words):
        one.ask([["reset"]], [], SECONDS)
