"""What libFuzzer prints, and what it is told."""

import resource
from pathlib import Path

from espproof.fuzz.engines.libfuzzer import Limits, Statistics, arguments


def test_the_figures_of_libfuzzer_are_read() -> None:
    """Status lines with and without coverage, final figures, the seed, and nothing from other lines."""
    said = Statistics()
    assert not said.read("INFO: Seed: 3405634219")
    assert said.read("#2\tINITED exec/s: 0 rss: 40Mb")
    assert said.read("#86242\tREDUCE cov: 314 ft: 429 corp: 56/4424b lim: 2048 exec/s: 5390 rss: 78Mb L: 120/128")
    assert (said.seed, said.executions, said.coverage, said.features, said.corpus) == (3405634219, 86242, 314, 429, 56)
    assert not said.read("Done 7 runs in 1 second(s)")
    assert not said.final
    assert said.read("stat::number_of_executed_units: 90000")
    assert said.read("stat::peak_rss_mb:              78")
    assert (said.executions, said.peak_rss_mib, said.final) == (90000, 78, True)


def test_what_this_process_has_used_is_not_held_against_the_fuzzing(tmp_path: Path) -> None:
    """Linux hands the peak of memory down: a large test process must not end the run that it starts."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    said = arguments(seconds=1, seed=1, limits=Limits(memory_mib=100), artifacts=tmp_path, corpus=tmp_path)
    limit = next(int(one.partition("=")[2]) for one in said if one.startswith("-rss_limit_mb="))
    assert 100 + peak <= limit <= 100 + 2 * peak
