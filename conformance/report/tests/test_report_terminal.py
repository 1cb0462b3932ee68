"""What a run prints: 80 columns, what is wrong first, the figures last."""

import io
import re

import msgspec
from rich.console import Console

from espproof.conformance.report import terminal
from espproof.conformance.requirements.catalogue import load
from espproof.conformance.results.model import RunResult


def shown(result: RunResult) -> str:
    out = io.StringIO()
    terminal.show(Console(file=out, width=80), result)
    return out.getvalue()


def test_what_is_printed_fits_eighty_columns(found: RunResult) -> None:
    assert max(map(len, shown(found).splitlines())) <= 80


def test_the_longest_id_of_the_catalogue_fits_a_line() -> None:
    assert max(len(f" warning {one.id} {one.level.value}") for one in load().values()) <= 80


def test_every_deviation_stands_unbroken_with_its_wording_below(found: RunResult) -> None:
    lines = shown(found).splitlines()
    for one in found.counterexamples:
        entry = load().get(one.requirement)
        at = next(number for number, line in enumerate(lines) if one.requirement in line.split())
        if entry is not None:
            told = " ".join(line.strip() for line in lines[at + 1 : at + 4])
            assert told.startswith(entry.text)


def test_no_deviation_is_printed_twice(found: RunResult) -> None:
    heads = re.findall(r"^ *(?:fail|crash|warning) (\S+)", shown(found), re.M)
    assert len(heads) == len(set(heads))


def test_the_figures_come_last_and_the_verdicts_first(found: RunResult) -> None:
    lines = shown(found).splitlines()
    assert lines[0].startswith("scapy: not as required")
    assert "cases in" in "".join(lines[-2:])


def test_a_run_that_is_not_whole_says_so_in_the_last_line(found: RunResult) -> None:
    cut = msgspec.structs.replace(found, whole=False, not_whole_because="interrupted [after] 3")
    assert shown(cut).splitlines()[-1] == "NOT WHOLE: interrupted [after] 3"


def test_markup_of_a_stranger_is_printed_as_it_is(found: RunResult) -> None:
    odd = msgspec.structs.replace(found, adapter="[red]x[/]", adapter_version="[/nonsense]")
    assert "[red]x[/] [/nonsense]" in shown(odd)


def test_inapplicable_checks_are_counted_by_what_is_missing(found: RunResult) -> None:
    assert re.search(r"not applicable: \d+ of \d+ checks, for want of lifetime", shown(found))
