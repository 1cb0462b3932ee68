"""A port of the device with its driver that does all of ESP: packet offload."""

from espproof.reference import ip
from espproof.reference.errors import Malformed
from espproof.reference.offload.api import Progress, Refused, Whole
from espproof.reference.offload.connectx.device import ESP, ETHERTYPE
from espproof.reference.offload.connectx.driver import OffloadedSa
from espproof.reference.offload.connectx.full import WINDOWS
from espproof.reference.offload.connectx.layouts import Syndrome
from espproof.reference.offload.connectx.port import CIPHERS, MAX_PACKET, ConnectXPort
from espproof.reference.sa import SaState, SecurityAssociation

_FOUND = {
    Syndrome.RIGHT: "right",
    Syndrome.AUTHENTICATION_FAILED: "forged",
    Syndrome.BAD_TRAILER: "broken",
    Syndrome.REPLAYED: "replayed",
}


class ConnectXPacketPort(ConnectXPort):
    """Device and driver. In front of a tunnel's packets the device puts a header that is always the same (mlx5: a
    template), and throws away that of what comes: tunnels that take DSCP, ECN or DF over are software's, and so are
    packets that come with ECN."""

    def add(self, sa: SecurityAssociation, state: SaState) -> int:  # type: ignore[override]
        if len(sa.encr_key) not in CIPHERS.get(sa.encr, ()):
            raise Refused(f"{sa.encr} with {len(sa.encr_key) * 8} bits: the device has AES-GCM with 128 and 256")
        if sa.udp is not None:
            raise Refused("UDP encapsulation: not in this model")
        if sa.mode == "tunnel" and sa.direction == "out" and "copy" in (sa.dscp, sa.df):
            raise Refused("tunnel mode: the device does not take DSCP and DF over")
        if sa.mode == "tunnel" and sa.direction == "out" and sa.ecn != "compatibility":
            raise Refused("tunnel mode: the device does not take ECN over")
        limits = state.lifetime
        if limits.hard_octets is not None:
            raise Refused("a limit of octets: the device counts packets")
        window = state.replay.size
        if sa.direction == "in" and window not in WINDOWS:
            raise Refused(f"a window of {window}: the device has {', '.join(map(str, WINDOWS))}")
        outbound = sa.direction == "out"
        return self.driver.add(
            OffloadedSa(
                sa.direction, sa.spi, sa.destination.packed, sa.encr_key, sa.salt, esn=sa.esn, full=True,
                number=state.sequence if outbound else state.replay.highest,
                window=0 if outbound else window,
                received=0 if outbound else sum(1 << n for n in state.replay.received_offsets()),
                hard=limits.hard_packets, soft=limits.soft_packets, used=state.packets,
                tunnel=sa.mode == "tunnel", header=_header(sa) if outbound and sa.mode == "tunnel" else b"",
            )
        )  # fmt: skip

    def takes(self, packet: bytes) -> bool:
        """A whole packet without IPv4 options or IPv6 extension headers."""
        if len(packet) > MAX_PACKET or not super().takes(packet):
            return False
        try:
            parsed = ip.parse(packet)
        except Malformed:
            return False
        return not parsed.is_fragment and parsed.total_length == len(packet)

    def befalls(self, event: str) -> None:
        """`work-waits`: nobody sees to what the device tells, until `work-done`. `event-lost`, `event-doubled`: what it
        tells next."""
        if event.startswith("event-"):
            self.device.fault = event.removeprefix("event-")
        else:
            super().befalls(event)

    def calm(self) -> None:
        self.device.fault = ""
        super().calm()
        self.look()

    def state(self, handle: int) -> Progress:
        return self.driver.state(handle)

    def set_state(self, handle: int, progress: Progress) -> None:
        self.driver.set_state(handle, progress)

    def look(self) -> None:
        if self.driver.works:
            self.driver.look()

    def send(self, packet: bytes, handle: int | None, sequence: int = 0) -> list[bytes]:
        left = super().send(packet, handle)
        self.driver.work()
        return left

    def arrive(self, packet: bytes) -> list[Whole]:  # type: ignore[override]
        version = packet[0] >> 4 if packet else 0
        frame = bytes(12) + ETHERTYPE.get(version, ETHERTYPE[4]) + packet
        arrived = [self._whole(packet, one) for one in self.device.arrive(frame)]
        self.driver.work()
        return arrived

    def _whole(self, packet: bytes, completion: object) -> Whole:
        one = self.driver.received(completion, packet)  # type: ignore[arg-type]
        if one.handle is None:
            return Whole(one.packet, "nothing")
        return Whole(one.packet, _FOUND[one.syndrome], one.handle, one.next_header or 0)  # type: ignore[arg-type]


def _header(sa: SecurityAssociation) -> bytes:
    """In front of a tunnel's packets."""
    source, destination, dscp = sa.source.packed, sa.destination.packed, 0 if sa.dscp == "copy" else sa.dscp
    if sa.destination.version == 6:
        return ip.build_ipv6(source, destination, ESP, b"", traffic_class=dscp << 2, hop_limit=sa.hop_limit)
    return ip.build_ipv4(source, destination, ESP, b"", tos=dscp << 2, dont_fragment=sa.df == "set", ttl=sa.hop_limit)
