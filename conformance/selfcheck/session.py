"""The walk through all questions: opens the adapter, asks, and sums up.

An adapter that contradicts itself is asked nothing more than who it is: everything else would be guesswork.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import msgspec

import espproof
from espproof.adapters import registry
from espproof.adapters.base import Adapter, AdapterError, AdapterFailure
from espproof.adapters.capabilities import Capabilities
from espproof.adapters.registry import open_adapter
from espproof.conformance.oracle.outbound import SAME_IV, WRONG_ICV
from espproof.conformance.results import expectations
from espproof.conformance.selfcheck import behaviour, honesty, probe, probes, refusals, start
from espproof.conformance.selfcheck.item import Grade, Item
from espproof.conformance.selfcheck.item import answer as ask
from espproof.conformance.selfcheck.rig import Rig

FORMAT = "espproof-check"
VERSION = 1

INDISPENSABLE = ("start.capabilities-valid", "start.capabilities-constant")
"""Without these everything else would be guesswork."""

Tick = Callable[[Item], None]


class Checked(msgspec.Struct, kw_only=True):
    """What was found out about an adapter. `whole` is False when it was interrupted or could not be asked everything."""

    format: str = FORMAT
    version: int = VERSION
    espproof: str
    adapter: str
    adapter_version: str
    whole: bool
    not_whole_because: str = ""
    seconds: float
    cases_per_second: float
    """Of plain traffic: what a run on this adapter will take."""
    grades: dict[str, int]
    items: tuple[Item, ...]

    @property
    def correct(self) -> bool:
        return self.whole and not self.grades[Grade.FAIL.value]


def check(name: str, *, start_limit: float = 30.0, tick: Tick | None = None) -> Checked:
    """Check the adapter of that name. `Misuse` or `AdapterError` if it cannot even be made."""
    begun = time.perf_counter()
    first = _opened(name)
    rig = Rig(first, Capabilities(encryption={}), start_limit=start_limit)
    rig.deviations = _deviations(name)
    try:
        rig.caps, rig.seconds_to_start = _capabilities(first), time.perf_counter() - begun
        if not first.exclusive:
            try:
                rig.again = _opened(name)
            except AdapterFailure as error:
                rig.why_alone = str(error)
        return check_rig(rig, name, begun=begun, tick=tick)
    finally:
        for adapter in (rig.again, first):
            if adapter is not None:
                with suppress(Exception):  # `start.closes` has asked what close() does
                    adapter.close()


def check_rig(rig: Rig, name: str, *, begun: float | None = None, tick: Tick | None = None) -> Checked:
    """Ask everything of the adapter on that rig."""
    begun = time.perf_counter() if begun is None else begun
    items: list[Item] = []
    trouble = ""
    try:
        for item in _walk(rig):
            items.append(item)
            if tick:
                tick(item)
    except KeyboardInterrupt:
        trouble = f"interrupted after {len(items)} questions"
    if not trouble and len(items) == len(start.QUESTIONS):
        trouble = "what the adapter says about itself is not valid: nothing else was asked"
    counts = Counter(item.grade for item in items)
    return Checked(
        espproof=espproof.__version__,
        adapter=name,
        adapter_version=_version(rig.adapter),
        whole=not trouble,
        not_whole_because=trouble,
        seconds=round(time.perf_counter() - begun, 3),
        cases_per_second=0.0 if trouble else round(_speed(rig), 1),
        grades={grade.value: counts[grade] for grade in Grade},
        items=tuple(items),
    )


def _walk(rig: Rig) -> Iterator[Item]:
    failed = False
    for question in start.QUESTIONS:
        item = ask(question, rig)
        failed = failed or (question.id in INDISPENSABLE and item.grade is Grade.FAIL)
        yield item
    if failed:
        return
    for question in (*behaviour.QUESTIONS, *refusals.QUESTIONS, *honesty.QUESTIONS):
        yield ask(question, rig)
    for one in probes.all_probes(rig.caps):
        yield _excused(probe.answer(one, rig), rig.deviations)
    for question in start.LAST_QUESTIONS:
        yield ask(question, rig)


_EXCUSES = (
    (
        ("capability.replay.", "capability.set_window"),
        "",
        ("RFC4303-3.4.3-duplicate-", "RFC4303-3.4.3-left-", "RFC4303-3.4.3-window-", "RFC4303-A2"),
    ),
    (
        ("capability.encryption.ENCR_AES_CBC-", "capability.encryption.ENCR_3DES-"),
        SAME_IV,
        ("RFC3602-3-iv-unpredictable",),
    ),
    (("capability.esn",), WRONG_ICV, ("RFC4543-3.3-aad",)),
    (
        ("capability.encryption.ENCR_AES_GCM_8-", "capability.encryption.ENCR_AES_GCM_12-"),
        WRONG_ICV,
        ("RFC4106-5-aad",),
    ),
    (("capability.udp_ports",), "", ("RFC3948-3.3-transport-removed",)),
    (
        ("capability.udp.over.IPv4.transport", "capability.udp.over.IPv6.transport"),
        "",
        ("RFC3948-2.1-udp-header",),
    ),
    (("capability.ecn.",), "", ("RFC6040-4.",)),
    (("capability.df.copy",), "", ("RFC4301-8.1-df-copy",)),
)
"""Beginnings of probes, the end of what they tell, and beginnings of requirements: where the implementation is known not
to meet one, that failure of the probe says nothing about its adapter."""


def _deviations(name: str) -> tuple[str, ...]:
    """Requirements that the implementation is known not to meet."""
    path = registry.expectations_of(name)
    return tuple(entry.id for entry in expectations.read_expectations(path)) if path is not None else ()


def _excused(item: Item, deviations: Sequence[str]) -> Item:
    """A failure that `_EXCUSES` has, where the deviation is listed, is none of the adapter's."""
    if item.grade is not Grade.FAIL:
        return item
    for probed, told, requirements in _EXCUSES:
        known = [one for one in deviations if one.startswith(requirements)]
        if item.id.startswith(probed) and item.told.endswith(told) and known:
            return Item(id=item.id, grade=Grade.NOT_APPLICABLE, told=f"a known deviation: {', '.join(known)}")
    return item


def _opened(name: str) -> Adapter:
    """The adapter, whatever its constructor does."""
    try:
        return open_adapter(name)
    except (ArithmeticError, LookupError, RuntimeError, TypeError) as error:
        raise AdapterError(f"{name}: {type(error).__name__} while it was made: {error}") from error


def _version(adapter: Adapter) -> str:
    with suppress(Exception):  # `start.version` has asked
        return str(adapter.version)
    return "?"


def _capabilities(adapter: Adapter) -> Capabilities:
    try:
        caps = adapter.capabilities()
    except Exception as error:
        raise AdapterError(f"capabilities(): {type(error).__name__}: {error}") from error
    if not isinstance(caps, Capabilities):
        raise AdapterError(f"capabilities() gives {type(caps).__name__}, not Capabilities")
    return caps


def _speed(rig: Rig) -> float:
    """Cases of plain traffic per second; 0 if there is none that it can carry."""
    item = ask(behaviour.QUESTIONS[0], rig)
    if item.grade is not Grade.PASS:
        return 0.0
    case, count, begun = rig.traffic(), 0, time.perf_counter()
    while count < 50 and time.perf_counter() - begun < 0.5:
        rig.execute(case)
        count += 1
    return count / (time.perf_counter() - begun)
