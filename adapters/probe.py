"""Which algorithms an implementation has, found out by asking for an SA of each.

An adapter declares what it could translate, and the implementation that is on this machine decides: libraries are built
with and without algorithms, kernels too. The Case's capabilities know ciphers and integrity algorithms, not pairs of
them, so a cipher counts only if it goes with every integrity algorithm that is declared.
"""

from collections.abc import Callable, Sequence

import msgspec

from espproof.adapters.capabilities import Capabilities, Mode
from espproof.adapters.case import Octets, Sa
from espproof.reference.ah import key_sizes
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY

Works = Callable[[Sequence[Sa]], Sequence[bool]]
"""Per SA, whether the implementation takes it. Every SA has a name and an SPI of its own."""


def narrowed(declared: Capabilities, works: Works) -> Capabilities:
    """The same capabilities with those algorithms and key sizes alone that work."""
    asked, of_ah = candidates(declared), ah_candidates(declared)
    answers = works([sa for _, sa in asked] + of_ah)
    working = {triple for (triple, _), good in zip(asked, answers, strict=False) if good}
    integrity = tuple(auth for auth in declared.integrity if any(pair[2] == auth for pair in working))
    encryption = {
        encr: good
        for encr, sizes in declared.encryption.items()
        if (good := tuple(size for size in sizes if _goes(encr, size, integrity, working)))
    }
    host = declared.host
    if host is not None:
        ah = tuple(sa.auth for sa, good in zip(of_ah, answers[len(asked) :], strict=True) if good)
        host = msgspec.structs.replace(host, ah=ah)
    return msgspec.structs.replace(declared, encryption=encryption, integrity=integrity, host=host)


def candidates(declared: Capabilities) -> list[tuple[tuple[str, int, str], Sa]]:
    """Each cipher, key size and integrity algorithm that go together, and an SA with them."""
    triples = [
        (encr, size, auth)
        for encr, sizes in declared.encryption.items()
        for size in sizes
        for auth in declared.integrity
        if ENCRYPTION[encr].aead == (auth == "NONE")
    ]
    mode: Mode = "tunnel" if "tunnel" in declared.modes else "transport"
    return [(triple, _sa(number, *triple, mode, declared)) for number, triple in enumerate(triples)]


def ah_candidates(declared: Capabilities) -> list[Sa]:
    """An inbound SA of AH with each algorithm that is declared of a host."""
    mode: Mode = "tunnel" if "tunnel" in declared.modes else "transport"
    declared_of_ah = declared.host.ah if declared.host is not None else ()
    made = []
    for number, auth in enumerate(declared_of_ah, 0x400):
        sa = _sa(number, "ENCR_NULL", 0, "NONE", mode, declared)
        key, salt = (_key(number + place, size) for place, size in enumerate(key_sizes(auth)))
        made.append(msgspec.structs.replace(sa, protocol="ah", direction="in", auth=auth, auth_key=key, salt=salt))
    return made


def _goes(encr: str, size: int, integrity: tuple[str, ...], working: set[tuple[str, int, str]]) -> bool:
    partners = [auth for auth in integrity if ENCRYPTION[encr].aead == (auth == "NONE")]
    return bool(partners) and all((encr, size, auth) in working for auth in partners)


def _sa(number: int, encr: str, size: int, auth: str, mode: Mode, declared: Capabilities) -> Sa:
    windows = declared.replay_windows
    outer = declared.families[0][3]
    return Sa(
        name=f"probe-{number}",
        direction=declared.directions[0],
        spi=0x5000 + number,
        mode=mode,
        source="192.0.2.1" if outer == "4" else "2001:db8::1",
        destination="192.0.2.2" if outer == "4" else "2001:db8::2",
        encr=encr,
        encr_key=_key(number, size),
        salt=_key(number + 1, ENCRYPTION[encr].salt_size),
        auth=auth,
        auth_key=_key(number + 2, INTEGRITY[auth].key_size),
        esn=declared.esn[0],
        replay_window=windows.minimum if windows else 0,
        **declared.simplest(),
    )


def _key(number: int, size: int) -> Octets:
    """No octet twice, nor the key of another SA: some algorithms refuse weak keys (3DES with equal parts)."""
    return Octets(bytes((number * 59 + at * 7 + 1) % 256 for at in range(size)))
