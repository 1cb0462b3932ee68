"""`xfrm-netlink`: hostile octets into the reader of the kernel's xfrm messages (`adapters/linux/netlink/xfrm.py`).

The answer is messages that can be written and are then read as the same ones, or `Malformed`. The adapter that is named
has no part in it, and a Case has no words for such octets.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import IntEnum
from typing import Any, ClassVar

from espproof.adapters.case import Case
from espproof.adapters.linux.netlink import netlink, records, xfrm
from espproof.adapters.linux.netlink.netlink import Malformed
from espproof.adapters.linux.netlink.xfrm import FORMS, Attribute, Request, SadAttribute, SpdAttribute, Type
from espproof.fuzz.targets.base import Target


class Unfaithful(Exception):
    """A message was read that cannot be written, or is not read again as the same."""


class XfrmNetlink(Target):
    name: ClassVar[str] = "xfrm-netlink"
    what: ClassVar[str] = "raw octets into the reader of the Linux kernel's xfrm messages; no adapter takes part"

    def one_input(self, octets: bytes) -> None:
        _read_answers(octets)
        try:
            told = xfrm.decode(octets)
        except Malformed:
            return
        for request in told:
            try:
                again = xfrm.decode(xfrm.encode(request))
            except ValueError as error:
                raise Unfaithful(f"{request.type.name}: {error}") from error
            if again != (request,):
                raise Unfaithful(f"{request.type.name}: written and read again it is another message")

    def unchecked(self) -> Callable[[bytes], object]:
        def one_input(octets: bytes) -> None:
            _read_answers(octets)
            with suppress(Malformed):
                for request in xfrm.decode(octets):
                    xfrm.decode(xfrm.encode(request))

        return one_input

    def case(self, octets: bytes) -> Case:
        return Case(version=1)

    @classmethod
    def seeds(cls) -> Mapping[str, bytes]:
        """Every message with the attributes of its kind, and the kernel's answers."""
        found = {}
        for kind, form in FORMS.items():
            found[kind.name.lower()] = xfrm.encode(Request(kind, form.body(), _VALUES[form.names]))
        found["dump"] = xfrm.encode(Request(Type.GETSA, xfrm.Nothing(), {Attribute.PROTO: 50}))
        refused = (-22).to_bytes(4, "little", signed=True) + found["getsa"][:16] + netlink.attribute(1, b"no\0")
        found["refused"] = netlink.message(netlink.ERROR, netlink.CAPPED | netlink.TLVS, refused)
        return found


def _read_answers(octets: bytes) -> None:
    with suppress(Malformed):
        for message in netlink.messages(octets):
            with suppress(Malformed):
                _ = message.errno, message.text


_GCM = xfrm.Algorithm("rfc4106(gcm(aes))", bytes(range(20)), 128)
_VALUES: Mapping[type[IntEnum], Mapping[int, Any]] = {
    Attribute: {
        Attribute.ALG_AEAD: _GCM,
        Attribute.ALG_CRYPT: xfrm.Algorithm("cbc(aes)", bytes(range(16))),
        Attribute.ALG_AUTH_TRUNC: xfrm.Algorithm("hmac(sha256)", bytes(range(32)), 128),
        Attribute.TMPL: (xfrm.Template(reqid=1), xfrm.Template(reqid=2)),
        Attribute.ENCAP: xfrm.Encapsulation(),
        Attribute.SEC_CTX: xfrm.SecurityContext(b"system_u:object_r:ipsec_spd_t:s0\0"),
        Attribute.REPLAY_ESN_VAL: xfrm.ReplayEsn(1, 2, 3, 4, 64, (5, 6)),
        Attribute.SRCADDR: xfrm.address("192.0.2.17"),
        Attribute.LASTUSED: 7,
        Attribute.OFFLOAD_DEV: xfrm.Offload(3, int(xfrm.OffloadFlag.INBOUND)),
        Attribute.SA_DIR: 1,
        Attribute.MIGRATE: (records.Migration(),),
    },
    SadAttribute: {SadAttribute.CNT: 8, SadAttribute.HINFO: records.HashSize(8, 1024)},
    SpdAttribute: {
        SpdAttribute.INFO: records.PolicyCounts(1, 2, 3, 4, 5, 6),
        SpdAttribute.IPV4_HTHRESH: records.HashThreshold(32, 24),
    },
}
