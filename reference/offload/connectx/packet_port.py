"""A port of the device with its driver that does all of ESP in transport mode: packet offload."""

from espproof.reference import ip
from espproof.reference.errors import Malformed
from espproof.reference.offload.api import Refused, Whole
from espproof.reference.offload.connectx.driver import ETHERTYPE, OffloadedSa
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
    """Device and driver. Tunnels are software's: what the header of a tunnel takes over of the packet's, the device does
    not know (mlx5: a template)."""

    def add(self, sa: SecurityAssociation, state: SaState) -> int:  # type: ignore[override]
        if len(sa.encr_key) not in CIPHERS.get(sa.encr, ()):
            raise Refused(f"{sa.encr} with {len(sa.encr_key) * 8} bits: the device has AES-GCM with 128 and 256")
        if sa.udp is not None:
            raise Refused("UDP encapsulation: not in this model")
        if sa.mode != "transport":
            raise Refused("tunnel mode: the device does not take DSCP and ECN over")
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

    def state(self, handle: int) -> tuple[int, int]:
        return self.driver.state(handle)

    def set_state(self, handle: int, number: int, received: int) -> None:
        self.driver.set_state(handle, number, received)

    def arrive(self, packet: bytes) -> list[Whole]:  # type: ignore[override]
        version = packet[0] >> 4 if packet else 0
        frame = bytes(12) + ETHERTYPE.get(version, ETHERTYPE[4]) + packet
        return [self._whole(packet, one) for one in self.device.arrive(frame)]

    def _whole(self, packet: bytes, completion: object) -> Whole:
        one = self.driver.received(completion, packet)  # type: ignore[arg-type]
        if one.handle is None:
            return Whole(one.packet, "nothing")
        return Whole(one.packet, _FOUND[one.syndrome], one.handle, one.next_header or 0)  # type: ignore[arg-type]
