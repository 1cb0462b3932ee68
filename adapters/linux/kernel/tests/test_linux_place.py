"""What follows `linux:host=`: a card, the other end of its cable, the kind of offload."""

import pytest

from espproof.adapters.linux.kernel.host import Place
from espproof.reference.errors import Misuse


@pytest.mark.parametrize(
    ("variant", "place"),
    [
        ("built", None),
        ("host", Place()),
        ("host=eth1", Place("eth1")),
        ("host=eth1,eth2", Place("eth1", "eth2")),
        ("host=crypto:eth1", Place("eth1", "", "crypto")),
        ("host=packet:enp1s0f0np0,enp1s0f1np1", Place("enp1s0f0np0", "enp1s0f1np1", "packet")),
    ],
)
def test_a_variant_says_which_cards_and_what_they_are_to_do(variant: str, place: Place | None) -> None:
    assert Place.of(variant) == place


@pytest.mark.parametrize("argument", ["", "crypto:", "aes:eth1", "eth1,eth1", "eth1,eth2,eth3", "a" * 16, "eth 1"])
def test_an_argument_that_names_no_card_is_misuse(argument: str) -> None:
    with pytest.raises(Misuse, match="linux:host="):
        Place.of(f"host={argument}")
