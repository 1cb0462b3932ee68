"""Executes what is asked over the channel, on a `Gateway`; runs in a guest, or as a process of this host.

An operation is a list: its name, then arguments. Packets that belong to it are taken from those of the message, in order.
Each operation has one result, a list too; packets that go with results follow in the order of the results.

    ["reset", on_the_second, host] ["done"], if so when the clock has come to a whole second
    ["add", description]         ["done"], ["refused", text], ["errno", number, text], ["unsupported", text],
                                 ["device", number, text]
    ["delete", name]             ["done"], ["refused", text], ["errno", number, text]
    ["send", name, count]        ["packets", [[kind, reason], …]], ["refused", text], ["errno", number, text]
    ["receive", count]           ["packets", [[kind, reason], …]]
    ["read", name]               ["state", the kernel's answer in hexadecimal], ["refused", text], ["errno", number, text]
    ["wait", seconds]            ["done"]
    ["policy", name, description] ["done"], ["refused", text], ["errno", number, text]
    ["unpolicy", name]           ["done"], ["refused", text], ["errno", number, text]
    ["enter", side, how]         ["emerged", [[side, header], …], seen], with a packet for each, and one more if seen;
                                 ["unsupported", text]
    ["together", [[side, how], …]] the same
    ["ways"]                     ["ways", {side: [name, …]}, [protocol, …], [protocol, …], [name, …]]
    ["held"]                     the same, when the kernel has looked once more at what it holds
    ["counters"]                 ["counters", {name: count}]
    ["batch", count]             ["took", seconds], ["errno", number, ""]; the packets are messages of xfrm
    ["flood", count]             ["took", seconds]; of packets of which none comes out
    ["objects"]                  ["octets", count] that the kernel's allocator has handed out
    ["reached"]                  ["reached", path, …] with a packet for each: see `reached`
    ["events"]                   ["events", [message in hexadecimal, …]], ["refused", text]
    ["update", description]      ["done"], ["errno", number, text]
    ["reserve", message]         ["done"], ["errno", number, text]
    ["flush", "sas"], or "policies" ["done"]
    ["renew"]                    ["done"], when the card was reset and has a carrier again; ["lost", text]
    ["carrier", there]           ["done"], when the card has one, or has none; ["lost", text]
    ["file", path]               ["text", content] of a file of the kernel's

A `host` is null, or has addresses, wire, blocked and key_manager (as `case.Host`), mtus (of wire and plain, null for any)
and holds (whether packets wait for an SA that they lack): the gateway becomes that host, whose policies are those that it
is given. A policy has, in hexadecimal, the messages `new` and `delete`.
How a packet enters has, where it is not usual, `header` (of a super-packet: a `virtio_net_hdr` in hexadecimal),
`way`, `mark`, `pieces` (sizes), `shared` and `segment` (see `stack.How`); `seen` says whether another owner of its
memory tells what it sees.
The header of one which emerges is told where its device takes super-packets.
A description of an SA (`association.describe` makes it) has name, outbound, tunnel, version (of the outer addresses),
local and remote address, encapsulation port or null, the cipher's name, whether packets can end it (it is `limited`), and
messages for the kernel in hexadecimal: new, get, delete, and of an outbound SA the policies that lead packets to it.

`text` of an error number is what the kernel says in words, mostly nothing. With offload, ["device", …] says that the
kernel takes an SA, but not to be offloaded: the device or its driver refuses it, or (number 0) leaves it to the kernel in
silence, which of some devices is as good as any (`Offload.falls_back`), and so is an SA that these have no room for.
"""

import errno
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any, Never

from espproof.adapters.linux.inside import channel, measure, reached, ways
from espproof.adapters.linux.inside.card import Card, Unusable
from espproof.adapters.linux.inside.gateway import Gateway, Result
from espproof.adapters.linux.inside.later import Later
from espproof.adapters.linux.inside.stack import Emerged, How, Stack, Unasked
from espproof.adapters.linux.netlink import netlink, xfrm
from espproof.adapters.linux.netlink.offload import Offload

_FLUSH = xfrm.encode(xfrm.Request(xfrm.Type.FLUSHSA, xfrm.Flush()))
"""Policies stay: each packet to protect has that of its SA, which is set before."""
_FAILURES_AT = sum(record.size() for record in (xfrm.Selector, xfrm.Id, xfrm.Limits, xfrm.Used)) + len(xfrm.NO_ADDRESS)


Kinds = tuple[Callable[[], Gateway], Callable[[], Stack]]
"""What makes a gateway, and what makes one that is a host with policies of its own."""


class Association:
    """An SA that the kernel has."""

    def __init__(self, description: dict[str, Any]) -> None:
        self.outbound = bool(description["outbound"])
        self.tunnel = bool(description["tunnel"])
        self.local, self.remote = str(description["local"]), str(description["remote"])
        self.port = None if description["port"] is None else (int(description["version"]), int(description["port"]))
        self.new, self.get, self.delete = (bytes.fromhex(description[what]) for what in ("new", "get", "delete"))
        self.policies = [bytes.fromhex(text) for text in description["policies"]]
        self.cipher = str(description["cipher"])
        self.limited = bool(description["limited"])
        self.integrity_failures = 0


class Agent:
    """The SAs of one case, and the gateway that has them. `offload`: every SA is to be carried by the wire's device;
    `later`: their ciphers finish later."""

    def __init__(
        self, kinds: Kinds = (Gateway, Stack), offload: Offload | None = None, later: Later | None = None
    ) -> None:
        self._kinds = kinds
        self._offload = offload
        self._later = later
        self._sas: dict[str, Association] = {}
        self._policy = ""
        self._policies: dict[str, bytes] = {}
        """Of a host: by name, what deletes it, which no two have in common."""
        self._gateway = self._open()

    def _open(self, *, of_host: bool = False) -> Gateway:
        gateway = self._kinds[of_host]()
        gateway.integrity_failed = self._integrity_failed
        return gateway

    def close(self) -> None:
        """Let go of the gateway."""
        self._gateway.close()

    def listen(self, put: channel.Put, take: channel.Take) -> Never:
        """Serve whoever asks over the channel, until `take` or `put` raises."""
        while True:
            operations, packets = channel.unpack(channel.receive(put, take))
            try:
                results, out = self.serve(operations, packets)
            except Exception:
                results, out = ["error", traceback.format_exc()], []
            channel.send(channel.pack(results, out), put, take)

    def serve(self, operations: list[Any], packets: list[bytes]) -> tuple[list[Any], list[bytes]]:
        """Carry out the operations; their results and packets."""
        results: list[Any] = []
        out: list[bytes] = []
        queue = iter(packets)
        for name, *arguments in operations:
            result = _OPERATIONS[name](self, queue, out, *arguments)
            results.append(result)
        return results, out

    # -------------------------------------------------------------------------------------------------- operations

    def _reset(
        self, packets: Iterator[bytes], out: list[bytes], on_the_second: bool, host: dict[str, Any] | None
    ) -> list[Any]:
        spoilt = self._gateway.unexplained and self._gateway.holds_fragments() and self._gateway.wire.renewed
        if spoilt or self._gateway.of_host != (host is not None):
            self._gateway.close()
            self._gateway = self._open(of_host=host is not None)
        else:
            if self._gateway.unexplained:
                self._gateway.outlive_fragments()
            self._gateway.errno(_FLUSH)
            self._gateway.encapsulation_ports(set())
        self._sas, self._policy, self._policies = {}, "", {}
        self._gateway.clear()
        if isinstance(self._gateway, Stack) and host is not None:
            self._gateway.become(**host)
        if on_the_second:
            time.sleep(1 - time.time() % 1)
        return ["done"]

    def _add(self, packets: Iterator[bytes], out: list[bytes], description: dict[str, Any]) -> list[Any]:
        if description["name"] in self._sas:
            return ["refused", "name in use"]
        sa = Association(description)
        if not self._gateway.of_host and not self._has_ends(sa):
            return ["unsupported", "an address that is ours and the peer's at once"]
        refusal = self._install(sa)
        if refusal:
            return refusal
        self._sas[description["name"]] = sa
        self._open_ports()
        return ["done"]

    def _has_ends(self, sa: Association) -> bool:
        """Make its addresses ours and the peer's, unless another SA needs them the other way round."""
        if any(sa.local == other.remote or sa.remote == other.local for other in self._sas.values()):
            return False
        self._gateway.end(sa.local, ours=True)
        if sa.remote != sa.local:
            self._gateway.end(sa.remote, ours=False)
        return True

    def _delete(self, packets: Iterator[bytes], out: list[bytes], name: str) -> list[Any]:
        sa = self._sas.pop(name, None)
        if sa is None:
            return ["refused", "no such SA"]
        error, text = self._gateway.error(sa.delete)
        self._open_ports()
        if self._policy == name:
            self._policy = ""
        return ["errno", error, text] if error else ["done"]

    def _install(self, sa: Association) -> list[Any]:
        """Add an SA; the result if that fails, else nothing."""
        if self._offload is None:
            error, text = self._gateway.error(sa.new)
            if not error and self._later is not None and self._later.is_new(sa.cipher):
                self._gateway.error(sa.delete)
                error, text = self._gateway.error(sa.new)
            return ["errno", error, text] if error else []
        error, text = self._gateway.error(self._offload.sa(sa.new, self._gateway.wire.index, outbound=sa.outbound))
        if not error and (self._offload.falls_back or self._offload.was_taken(self._gateway.ask(sa.get))):
            return []
        plain, its_text = (0, "") if not error else self._gateway.error(sa.new)
        if plain:
            return ["errno", plain, its_text]
        if error == errno.ENOSPC and self._offload.falls_back:
            return []
        self._gateway.error(sa.delete)
        return ["device", error, text]

    def _send(self, packets: Iterator[bytes], out: list[bytes], name: str, count: int) -> list[Any]:
        mine = [next(packets) for _ in range(count)]
        sa = self._sas.get(name)
        if sa is None or not sa.outbound:
            return ["refused", "no outbound SA of that name"]
        if self._policy != name:
            for request in sa.policies:
                policy = self._offload.policy(request, self._gateway.wire.index) if self._offload else request
                error, text = self._gateway.error(policy)
                if error:
                    return ["errno", error, text]
            self._policy = name
        if sa.tunnel:
            return self._results(self._gateway.forward, mine, out)
        return self._results(lambda packet: self._gateway.originate(packet, sa.local, sa.remote), mine, out)

    def _receive(self, packets: Iterator[bytes], out: list[bytes], count: int) -> list[Any]:
        return self._results(self._gateway.arrive, [next(packets) for _ in range(count)], out)

    def _results(self, step: Callable[[bytes], Result], packets: list[bytes], out: list[bytes]) -> list[Any]:
        told = []
        for packet in packets:
            kind, what = step(packet)
            if isinstance(what, bytes):
                out.append(what)
                what = ""
            told.append((kind, what))
        return ["packets", told]

    def _read(self, packets: Iterator[bytes], out: list[bytes], name: str) -> list[Any]:
        sa = self._sas.get(name)
        if sa is None:
            return ["refused", "no such SA"]
        answer = self._gateway.ask(sa.get)
        first = next(netlink.messages(answer))
        return ["state", answer.hex()] if first.errno is None else ["errno", first.errno, first.text]

    def _wait(self, packets: Iterator[bytes], out: list[bytes], seconds: float) -> list[Any]:
        if isinstance(self._gateway, Stack):
            self._gateway.pause()
        time.sleep(seconds)
        return ["done"]

    # ------------------------------------------------------------------------------------------- of a host

    def _add_policy(
        self, packets: Iterator[bytes], out: list[bytes], name: str, description: dict[str, Any]
    ) -> list[Any]:
        delete = bytes.fromhex(description["delete"])
        if self._policies.get(name, delete) != delete:
            return ["refused", "name in use"]
        error, text = self._gateway.error(bytes.fromhex(description["new"]))
        if error:
            return ["errno", error, text]
        self._policies = {other: its for other, its in self._policies.items() if its != delete} | {name: delete}
        return ["done"]

    def _delete_policy(self, packets: Iterator[bytes], out: list[bytes], name: str) -> list[Any]:
        delete = self._policies.pop(name, None)
        if delete is None:
            return ["refused", "no such policy"]
        error, text = self._gateway.error(delete)
        return ["errno", error, text] if error else ["done"]

    def _enter(self, packets: Iterator[bytes], out: list[bytes], side: str, how: dict[str, Any]) -> list[Any]:
        try:
            emerged, seen = self._stack().enter(side, next(packets), _how(how))
        except Unasked as lacking:
            return ["unsupported", str(lacking)]
        self._let_limits_pass()
        return _told(emerged, out, seen)

    def _together(
        self, packets: Iterator[bytes], out: list[bytes], burst: list[tuple[str, dict[str, Any]]]
    ) -> list[Any]:
        try:
            emerged = self._stack().enter_burst([(side, next(packets), _how(how)) for side, how in burst])
        except Unasked as lacking:
            return ["unsupported", str(lacking)]
        self._let_limits_pass()
        return _told(emerged, out, None)

    def _let_limits_pass(self) -> None:
        """An SA that a packet has ended is taken away by a timer; until then it is in the way of the next packet."""
        if any(sa.limited for sa in self._sas.values()):
            self._stack().let_timers_run()

    def _renew(self, packets: Iterator[bytes], out: list[bytes]) -> list[Any]:
        return _unless_lost(self._card().renew)

    def _carrier(self, packets: Iterator[bytes], out: list[bytes], there: bool) -> list[Any]:
        return _unless_lost(lambda: self._card().await_carrier(there=there))

    def _file(self, packets: Iterator[bytes], out: list[bytes], path: str) -> list[Any]:
        with open(path, encoding="utf-8") as file:
            return ["text", file.read()]

    def _card(self) -> Card:
        assert isinstance(self._gateway.wire, Card)
        return self._gateway.wire

    def _ways(self, packets: Iterator[bytes], out: list[bytes]) -> list[Any]:
        return ["ways", *ways.found()]

    def _held(self, packets: Iterator[bytes], out: list[bytes]) -> list[Any]:
        return _told(self._stack().await_held(), out, None)

    def _counters(self, packets: Iterator[bytes], out: list[bytes]) -> list[Any]:
        return ["counters", dict(self._stack().counters())]

    # ------------------------------------------------------------------------------------------- measured

    def _batch(self, packets: Iterator[bytes], out: list[bytes], count: int) -> list[Any]:
        seconds, error = measure.batch(self._gateway, [next(packets) for _ in range(count)])
        return ["errno", error, ""] if error else ["took", seconds]

    def _flood(self, packets: Iterator[bytes], out: list[bytes], count: int) -> list[Any]:
        return ["took", measure.flood([next(packets) for _ in range(count)])]

    def _objects(self, packets: Iterator[bytes], out: list[bytes]) -> list[Any]:
        return ["octets", measure.kernel_objects()]

    def _reached(self, packets: Iterator[bytes], out: list[bytes]) -> list[Any]:
        told = list(reached.counts())
        out += [content for _, content in told]
        return ["reached", *(path for path, _ in told)]

    def _events(self, packets: Iterator[bytes], out: list[bytes]) -> list[Any]:
        told = self._stack().events()
        return ["refused", "no key manager"] if told is None else ["events", [message.hex() for message in told]]

    def _update(self, packets: Iterator[bytes], out: list[bytes], description: dict[str, Any]) -> list[Any]:
        sa = Association(description)
        error, text = self._gateway.error(sa.new)
        if error:
            return ["errno", error, text]
        self._sas[description["name"]] = sa
        self._open_ports()
        return ["done"]

    def _reserve(self, packets: Iterator[bytes], out: list[bytes], message: str) -> list[Any]:
        error, text = self._gateway.error(bytes.fromhex(message))
        return ["errno", error, text] if error else ["done"]

    def _flush(self, packets: Iterator[bytes], out: list[bytes], what: str) -> list[Any]:
        if what == "sas":
            self._gateway.errno(_FLUSH)
            self._sas = {}
            self._open_ports()
        else:
            self._stack().flush_policies()
            self._policies = {}
        return ["done"]

    def _stack(self) -> Stack:
        if isinstance(self._gateway, Stack):
            return self._gateway
        raise TypeError("not a host")

    # ------------------------------------------------------------------------------------------------------------

    def _open_ports(self) -> None:
        self._gateway.encapsulation_ports({sa.port for sa in self._sas.values() if sa.port and not sa.outbound})

    def _integrity_failed(self) -> bool:
        for sa in self._sas.values():
            if sa.outbound:
                continue
            for message in netlink.messages(self._gateway.ask(sa.get)):
                if message.errno is None:
                    failures = xfrm.Failures.decode(message.payload[_FAILURES_AT:]).integrity
                    if failures != sa.integrity_failures:
                        sa.integrity_failures = failures
                        return True
        return False


def _how(described: dict[str, Any]) -> How:
    header, pieces = bytes.fromhex(described.get("header", "")), tuple(described.get("pieces", ()))
    return How(**{**described, "header": header, "pieces": pieces})


def _told(emerged: list[Emerged], out: list[bytes], seen: bytes | None) -> list[Any]:
    out += [one.packet for one in emerged] + ([] if seen is None else [seen])
    return ["emerged", [[one.side, one.header.hex()] for one in emerged], seen is not None]


def _unless_lost(what: Callable[[], None]) -> list[Any]:
    try:
        what()
    except Unusable as lost:
        return ["lost", str(lost)]
    return ["done"]


_OPERATIONS: dict[str, Callable[..., list[Any]]] = {
    "reset": Agent._reset,
    "add": Agent._add,
    "delete": Agent._delete,
    "send": Agent._send,
    "receive": Agent._receive,
    "read": Agent._read,
    "wait": Agent._wait,
    "policy": Agent._add_policy,
    "unpolicy": Agent._delete_policy,
    "enter": Agent._enter,
    "together": Agent._together,
    "counters": Agent._counters,
    "batch": Agent._batch,
    "flood": Agent._flood,
    "objects": Agent._objects,
    "reached": Agent._reached,
    "events": Agent._events,
    "update": Agent._update,
    "reserve": Agent._reserve,
    "flush": Agent._flush,
    "ways": Agent._ways,
    "held": Agent._held,
    "renew": Agent._renew,
    "carrier": Agent._carrier,
    "file": Agent._file,
}
