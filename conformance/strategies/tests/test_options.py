"""The covering array of SA options: every pair that can stand together does, and nothing that cannot."""

from itertools import combinations, product

import pytest

from espproof.adapters.capabilities import Capabilities, ReplayWindows
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.registry import open_adapter
from espproof.conformance.strategies.options import FACTORS, Options, OptionSpace, pairs_of, window_sizes

SMALL = Capabilities(
    encryption={"ENCR_AES_GCM_16": (16, 32), "ENCR_AES_CBC": (16,), "ENCR_NULL": (0,)},
    integrity=("NONE", "AUTH_HMAC_SHA2_256_128"),
    modes=("transport", "tunnel"),
    families=("4in4", "6in4", "6in6"),
    esn=(False, True),
    udp=(4,),
    dscp=("copy", "fixed"),
)
LEAST = Capabilities(encryption={"ENCR_AES_GCM_16": (16,)})
SPACES = {
    "everything": OptionSpace(ReferenceAdapter().capabilities()),
    "scapy": OptionSpace(open_adapter("scapy").capabilities()),
    "small": OptionSpace(SMALL),
    "least": OptionSpace(LEAST),
}


@pytest.fixture(params=list(SPACES))
def space(request: pytest.FixtureRequest) -> OptionSpace:
    return SPACES[request.param]


def test_every_feasible_pair_is_in_a_row(space: OptionSpace) -> None:
    """The rows together cover all pairs, and no row has a pair that is not feasible."""
    assert set().union(*map(pairs_of, space.rows)) == space.pairs


def test_rows_are_feasible_and_differ(space: OptionSpace) -> None:
    """A row is an SA that an implementation with these capabilities can have."""
    assert len(set(space.rows)) == len(space.rows) > 0
    for row in space.rows:
        assert space.feasible({name: getattr(row, name) for name in FACTORS}), row


def test_few_rows_do(space: OptionSpace) -> None:
    """The array is not much longer than the product of its two longest columns, which no array can be shorter than."""
    longest = sorted((len(domain) for domain in space.domains.values()), reverse=True)
    assert len(space.rows) <= 2 * longest[0] * longest[1]


def test_feasible_pairs_are_those_of_all_combinations() -> None:
    """Against the whole product: a pair counts if some combination of all options has it."""
    space = SPACES["small"]
    rows = (dict(zip(FACTORS, values, strict=True)) for values in product(*(space.domains[name] for name in FACTORS)))
    assert space.pairs == set().union(*(pairs_of(Options(**row)) for row in rows if space.feasible(row)))


def test_pairs_of_a_row() -> None:
    """A row of n options has n (n - 1) / 2 pairs."""
    row = SPACES["least"].rows[0]
    assert len(pairs_of(row)) == len(list(combinations(FACTORS, 2)))


@pytest.mark.parametrize(
    "fixed",
    [
        {"esn": True},
        {"mode": "transport", "udp": True},
        {"encr": "ENCR_AES_CBC", "family": "6in6"},
        {"replay_window": (32, 33)},
        {"encr": "ENCR_3DES", "auth": "AUTH_HMAC_MD5_96", "esn": True, "udp": True, "family": "6in4", "dscp": "fixed"},
    ],
)
def test_selected_rows_have_what_was_asked_for(fixed: dict[str, object]) -> None:
    """`select` gives rows with these values, made up where the array has none."""
    space = SPACES["everything"]
    rows = space.select(**fixed)
    assert rows
    for row in rows:
        assert space.feasible({name: getattr(row, name) for name in FACTORS})
        for name, value in fixed.items():
            assert getattr(row, name) in (value if isinstance(value, tuple) else (value,))


@pytest.mark.parametrize(
    "fixed",
    [{"esn": True}, {"encr": "ENCR_AES_CBC"}, {"mode": "transport"}, {"udp": True}],
)
def test_what_is_not_declared_is_not_selected(fixed: dict[str, object]) -> None:
    """No row for what the capabilities do not have."""
    assert SPACES["least"].select(**fixed) == ()


@pytest.mark.parametrize(
    ("windows", "sizes"),
    [
        (None, (0,)),
        (ReplayWindows(minimum=64, maximum=64, step=1), (64,)),
        (ReplayWindows(minimum=32, maximum=128, step=32), (64, 32, 128)),
        (ReplayWindows(minimum=32, maximum=64, step=1, off=True), (64, 32, 33, 63, 0)),
    ],
)
def test_window_sizes_are_declared_ones(windows: ReplayWindows | None, sizes: tuple[int, ...]) -> None:
    """The sizes that are tried are honoured by the implementation; 0 only where it can turn the window off."""
    assert window_sizes(Capabilities(encryption={}, replay_windows=windows)) == sizes


def test_the_array_is_always_the_same() -> None:
    """Rows depend on the capabilities alone, as the same seed must give the same cases."""
    assert OptionSpace(SMALL).rows == SPACES["small"].rows
