"""`espproof requirements --families`: what `--only` of other commands can be told."""

import json

from typer.testing import CliRunner

from espproof.conformance.checks.registry import all_checks
from espproof.conformance.commands.cli import build
from espproof.conformance.commands.shell import EXPECTED


def test_families_are_listed_with_what_they_are_about() -> None:
    """All of them, with the number of their checks; in words each stands in a row."""
    told = CliRunner().invoke(build(), ["requirements", "--families", "--json"])
    assert told.exit_code == EXPECTED, told.output
    rows = json.loads(told.stdout)["families"]
    assert sum(row["checks"] for row in rows) == len(all_checks())
    assert [row["family"] for row in rows] == list(dict.fromkeys(one.family for one in all_checks().values()))
    assert all(len(row["about"]) > 20 for row in rows)
    shown = CliRunner().invoke(build(), ["requirements", "--families"]).stdout
    assert all(row["family"] in shown for row in rows)
