"""What libFuzzer is told and what it prints: arguments, status lines, final statistics, and how it ends."""

import re
import resource
from dataclasses import dataclass
from pathlib import Path

from espproof.fuzz.triage.signature import Kind

STOPPED = 130
"""Exit status after `KeyboardInterrupt`, which is atheris's; it prints no final statistics."""
KINDS: dict[str, Kind] = {"crash": "crash", "timeout": "hang", "oom": "memory", "leak": "memory"}
"""Prefix of an artifact's file name -> what it is."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one input and one process may take."""

    seconds_per_input: int = 5
    memory_mib: int = 1024
    max_octets: int = 2048


@dataclass(slots=True)
class Statistics:
    """What libFuzzer has said so far. `coverage` counts edges (branches of the instrumented code), `features` finer."""

    seed: int = 0
    executions: int = 0
    coverage: int = 0
    features: int = 0
    corpus: int = 0
    executions_per_second: int = 0
    peak_rss_mib: int = 0
    final: bool = False
    """The final statistics were printed: libFuzzer ended by itself."""

    def read(self, line: str) -> bool:
        """Take in one line of output; whether it was one with figures."""
        if found := _STATUS.match(line):
            self.executions = int(found["executions"])
            self.coverage, self.features = (int(found[name] or 0) for name in ("cov", "ft"))
            self.corpus, self.executions_per_second = int(found["corp"] or 0), int(found["speed"])
            return True
        if found := _FINAL.match(line):
            setattr(self, _FINAL_FIELDS[found["name"]], int(found["value"]))
            self.final = True
            return True
        if found := _SEED.match(line):
            self.seed = int(found["seed"])
        return False


_STATUS = re.compile(
    r"#(?P<executions>\d+)\s+[A-Za-z]+\s+(?:cov: (?P<cov>\d+) )?(?:ft: (?P<ft>\d+) )?(?:corp: (?P<corp>\d+)/\S+ )?"
    r".*?exec/s: (?P<speed>\d+)"
)
_FINAL = re.compile(r"stat::(?P<name>number_of_executed_units|average_exec_per_sec|peak_rss_mb):\s+(?P<value>\d+)")
_FINAL_FIELDS = {
    "number_of_executed_units": "executions",
    "average_exec_per_sec": "executions_per_second",
    "peak_rss_mb": "peak_rss_mib",
}
_SEED = re.compile(r"INFO: Seed: (?P<seed>\d+)")


def arguments(
    *, seconds: int, seed: int, limits: Limits, artifacts: Path, corpus: Path, seeds: Path | None = None
) -> list[str]:
    """libFuzzer's command line. New inputs go to `corpus`, the first folder, and none to `seeds`. Seed 0: any."""
    return [
        f"-max_total_time={seconds}",
        f"-seed={seed}",
        f"-timeout={limits.seconds_per_input}",
        f"-rss_limit_mb={limits.memory_mib + _inherited_mib()}",
        f"-max_len={limits.max_octets}",
        f"-artifact_prefix={artifacts}/",
        "-len_control=0",  # seeds are whole packets: there is nothing to be gained by beginning with four octets
        "-report_slow_units=1000000",
        "-print_final_stats=1",
        *(str(folder) for folder in (corpus, seeds) if folder is not None),
    ]


def _inherited_mib() -> int:
    """libFuzzer looks at the peak of resident memory, which Linux hands down from the process that starts it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def artifacts_in(folder: Path) -> list[tuple[Kind, bytes]]:
    """The inputs that ended a process."""
    found = []
    for path in sorted(folder.iterdir()):
        kind = KINDS.get(path.name.partition("-")[0])
        if kind is not None and path.is_file():
            found.append((kind, path.read_bytes()))
    return found
