"""The parts that SAs are made of, for whoever makes one: secrets from a number, the two ends.

What an SA asks of header fields that only its own side sees is in `Capabilities.simplest`.
"""

from typing import Any

from espproof.adapters.case import Octets
from espproof.conformance.strategies.packets import GATEWAYS
from espproof.conformance.strategies.values import octets
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY


def secrets(material: int, encr: str, key_size: int, auth: str) -> dict[str, Any]:
    """Keys and salt, as fields of `Sa`, of the sizes in octets that the algorithms ask for; another number gives others.

    An algorithm that nobody knows gets a salt of 4 octets and an integrity key of 20.
    """
    salt_size = ENCRYPTION[encr].salt_size if encr in ENCRYPTION else 4
    auth_size = INTEGRITY[auth].key_size if auth in INTEGRITY else 20
    return {
        "encr_key": Octets(octets(material, "encr", key_size)),
        "salt": Octets(octets(material, "salt", salt_size)),
        "auth_key": Octets(octets(material, "auth", auth_size)),
    }


def ends(outer: int, direction: str, index: int = 0) -> dict[str, Any]:
    """Source and destination, as fields of `Sa`: from our gateway to the far one, or back where the SA is inbound."""
    near, far = GATEWAYS[outer][index % 2]
    return {"source": far, "destination": near} if direction == "in" else {"source": near, "destination": far}
