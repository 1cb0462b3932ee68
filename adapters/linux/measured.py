"""A kernel that is measured: a guest with memory for 100,000 SAs, which takes messages and packets by the thousand."""

from collections.abc import Mapping, Sequence
from typing import Any

from espproof.adapters.base import AdapterError
from espproof.adapters.case import Policy, Sa
from espproof.adapters.linux import association
from espproof.adapters.linux.kernel import images
from espproof.adapters.linux.kernel.guest import Guest
from espproof.adapters.linux.kernel.processor import Processor

_MEMORY = "1400M"
_START_SECONDS, _ANSWER_SECONDS = 60.0, 300.0
_PORTION = 5000
"""Messages or packets of one question: some megabytes."""


def words(member: Policy | Sa) -> tuple[bytes, bytes]:
    """The messages of xfrm that add a policy or an SA of a host, and that delete it."""
    if isinstance(member, Sa):
        told = association.describe(member, member.reqid, of_host=True)
    else:
        told = association.describe_policy(member, replace=False)
    return bytes.fromhex(told["new"]), bytes.fromhex(told["delete"])


class Measured:
    """A guest of its own, as a host with the addresses that are given. `AdapterError` where it cannot be had."""

    def __init__(self, name: str) -> None:
        """`name` is that of an adapter: "linux" or "linux:VARIANT"."""
        variant = name.partition(":")[2]
        if not name.startswith("linux") or variant.partition("=")[0] == "host":
            raise AdapterError(f"{name}: measured are the reference and kernels in user mode (linux, linux:LABEL)")
        kernel = images.path(variant)
        self._processor = Processor()
        try:
            self._guest = Guest(kernel, self._processor, _START_SECONDS, memory=_MEMORY)
        except BaseException:
            self._processor.release()
            raise
        self.version = f"{self._guest.release} (user-mode Linux{images.origin(kernel)})"

    def close(self) -> None:
        self._guest.close()
        self._processor.release()

    def reset(self, addresses: Sequence[str], wire: Sequence[str]) -> None:
        """Be this host, with no SA and no policy."""
        host = {"addresses": list(addresses), "wire": list(wire), "blocked": []}
        self._one(["reset", False, host])

    def batch(self, requests: Sequence[bytes]) -> float:
        """Seconds of messages, many in one system call. `AdapterError` if one is refused."""
        return sum(
            self._took(["batch", len(some)], some)
            for some in (requests[at : at + _PORTION] for at in range(0, len(requests), _PORTION))
        )

    def flood(self, packets: Sequence[bytes]) -> float:
        """Seconds of packets that arrive and of which none comes out."""
        return self._took(["flood", len(packets)], packets)

    def counters(self) -> Mapping[str, int]:
        """What was counted since `reset`, but zeros."""
        return dict(self._one(["counters"])[1])

    def octets(self) -> int:
        """What the kernel's allocator has handed out."""
        return int(self._one(["objects"])[1])

    def _took(self, operation: list[Any], packets: Sequence[bytes]) -> float:
        match self._one(operation, packets):
            case ["took", float(seconds)]:
                return seconds
            case ["errno", int(number), *_]:
                raise AdapterError(f"the kernel refuses one of {len(packets)} messages, error {number}")
            case other:
                raise AdapterError(f"{operation[0]}: {other}")

    def _one(self, operation: list[Any], packets: Sequence[bytes] = ()) -> list[Any]:
        return list(self._guest.ask([operation], list(packets), _ANSWER_SECONDS)[0][0])
