"""A random life of a host whose SAs are of ESP or AH."""

from espproof.adapters.case import Sa
from espproof.conformance.checks.ah import AhPeer, flipped
from espproof.conformance.machines.host_life import HostLife


class EitherLife(HostLife):
    """As `HostLife`, in which packets of AH are made too."""

    def _protected(self, sa: Sa, packet: bytes, number: int, *, forged: bool) -> bytes:
        if sa.protocol == "esp":
            return super()._protected(sa, packet, number, forged=forged)
        protected = AhPeer(sa).protect(packet, number)
        return flipped(protected, len(protected) - 1) if forged else protected
