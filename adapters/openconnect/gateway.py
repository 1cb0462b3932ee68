"""The part of a GlobalProtect gateway that a client needs to bring ESP up: HTTPS, and the configuration as XML.

One `Gateway` per client: a listening socket and a UDP socket for ESP, both on loopback. It works in the foreground: the
kernel takes the client's connection and its first octets, and everything else waits until the keys of a case are known.
Then `serve` makes the TLS handshake and answers one request at a time. Nothing of it is under test.
"""

import base64
import datetime
import hashlib
import os
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from espproof.adapters.base import AdapterError
from espproof.adapters.case import Sa

LOOPBACK = "127.0.0.1"
GETCONFIG = b"/ssl-vpn/getconfig.esp"
CLIENT_ADDRESS = "192.0.2.77"
"""The inner address that the client is given. It is the source of its probes and means nothing else."""
PROBED_ADDRESS = "192.0.2.78"
"""Where the client's probes go. An ICMP echo reply from there is for the client itself, not for the host behind it."""
MTU = 65_535
"""Octets of the largest inner packet that the client is told to take."""

ENC_ALGO = {16: "aes-128-cbc", 32: "aes-256-cbc"}
"""AES-CBC by octets of key; the names are the protocol's."""
HMAC_ALGO = {"AUTH_HMAC_MD5_96": "md5", "AUTH_HMAC_SHA1_96": "sha1", "AUTH_HMAC_SHA2_256_128": "sha256"}

_MAX_REQUEST = 1 << 16
_MAX_DATAGRAM = 1 << 16
_RECEIVE_BUFFER = 4 << 20
_VALID = (datetime.datetime(2020, 1, 1), datetime.datetime(2049, 1, 1))


class Identity:
    """A self-signed certificate made now: `context` serves with it, `pin` is what the client is told to expect."""

    def __init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "espproof")])
        builder = x509.CertificateBuilder(name, name, key.public_key(), 1, *_VALID)
        certificate = builder.sign(key, hashes.SHA256())
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.pin = "pin-sha256:" + base64.b64encode(hashlib.sha256(public).digest()).decode()
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.num_tickets = 0
        _load(self.context, private + certificate.public_bytes(serialization.Encoding.PEM))


def _load(context: ssl.SSLContext, pem: bytes) -> None:
    """`load_cert_chain` wants a file; one in memory is gone with the process, however it ends."""
    descriptor = os.memfd_create("espproof")
    try:
        os.write(descriptor, pem)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def configuration(inbound: Sa, outbound: Sa, udp_port: int) -> str:
    """The answer to getconfig.esp. c2s (client to server) is what the client sends with; SPIs are hexadecimal."""
    keys = "".join(
        _key(tag, octets)
        for tag, octets in (
            ("akey-s2c", inbound.auth_key),
            ("ekey-s2c", inbound.encr_key),
            ("akey-c2s", outbound.auth_key),
            ("ekey-c2s", outbound.encr_key),
        )
    )
    return (
        '<?xml version="1.0"?><response status="success">'
        f"<ip-address>{CLIENT_ADDRESS}</ip-address><netmask>255.255.255.255</netmask>"
        f"<gw-address>{PROBED_ADDRESS}</gw-address><mtu>{MTU}</mtu>"
        f"<ipsec><udp-port>{udp_port}</udp-port><ipsec-mode>esp-tunnel</ipsec-mode>"
        f"<enc-algo>{ENC_ALGO[len(inbound.encr_key)]}</enc-algo><hmac-algo>{HMAC_ALGO[inbound.auth]}</hmac-algo>"
        f"<c2s-spi>{outbound.spi:#010x}</c2s-spi><s2c-spi>{inbound.spi:#010x}</s2c-spi>{keys}</ipsec></response>"
    )


def _key(tag: str, octets: bytes) -> str:
    return f"<{tag}><bits>{8 * len(octets)}</bits><val>{octets.hex()}</val></{tag}>"


class Gateway:
    """Sockets of one client's gateway. `AdapterError` if they cannot be had; its operations raise `OSError`."""

    def __init__(self, identity: Identity) -> None:
        self._context = identity.context
        self._connection: ssl.SSLSocket | None = None
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._listener.bind((LOOPBACK, 0))
            self._listener.listen()
            self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            self.udp.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
            self.udp.bind((LOOPBACK, 0))
        except OSError as error:
            self.close()
            raise AdapterError(f"no socket on {LOOPBACK}: {error.strerror}") from error
        self.port: int = self._listener.getsockname()[1]
        self.udp_port: int = self.udp.getsockname()[1]
        self.udp.setblocking(False)

    def sockets(self) -> list[socket.socket]:
        """Where the client may be heard of next: the listener until it has connected, then the connection and UDP."""
        return [self._connection or self._listener, self.udp]

    def send(self, packet: bytes, traffic_class: int) -> None:
        """One datagram to the client, in an IP packet with this traffic class. `OSError` if it cannot be sent."""
        ancillary = [(socket.IPPROTO_IP, socket.IP_TOS, struct.pack("i", traffic_class))] if traffic_class else []
        self.udp.sendmsg([packet], ancillary)

    def meet(self) -> tuple[bytes, int]:
        """The first datagram of the client, who is then the one to talk to, and its traffic class."""
        packet, traffic_class, client = self._receive()
        self.udp.connect(client)
        return packet, traffic_class

    def received(self) -> Iterator[tuple[bytes, int]]:
        """The datagrams that have come from the client, and the traffic class of the IP packet that brought each."""
        with suppress(BlockingIOError, ConnectionRefusedError):  # the latter: it is gone, as its log will tell
            while True:
                yield self._receive()[:2]

    def _receive(self) -> tuple[bytes, int, Any]:
        packet, ancillary, _, sender = self.udp.recvmsg(_MAX_DATAGRAM, socket.CMSG_SPACE(1))
        return packet, next((octets[0] for _, kind, octets in ancillary if kind == socket.IP_TOS), 0), sender

    def serve(self, config: str, seconds: float) -> bytes:
        """Take the connection if there is none yet, and answer one request. Returns its path; `OSError` if it fails.

        To be called when one of `sockets` but UDP can be read.
        """
        until = time.monotonic() + seconds
        if self._connection is None:
            self._connection = self._accept(seconds)
        path = self._request(until)
        answer = config if path == GETCONFIG else _SUCCESS
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {len(answer)}\r\n\r\n"
        self._connection.sendall((head + answer).encode())
        return path

    def _accept(self, seconds: float) -> ssl.SSLSocket:
        plain, _ = self._listener.accept()
        try:
            plain.settimeout(seconds)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or it waits 40 ms for an acknowledgement
            return self._context.wrap_socket(plain, server_side=True)
        except BaseException:
            plain.close()
            raise

    def _request(self, until: float) -> bytes:
        """Read one request to its end."""
        assert self._connection is not None
        octets = b""
        while True:
            head, end, body = octets.partition(b"\r\n\r\n")
            if end and len(body) >= _content_length(head):
                return (head.split(b" ", 2)[1:2] or [b""])[0].partition(b"?")[0]
            if len(octets) > _MAX_REQUEST or time.monotonic() > until:
                raise OSError("a request without an end")
            more = self._connection.recv(_MAX_REQUEST)
            if not more:
                raise ConnectionResetError("the connection was closed")
            octets += more

    def close(self) -> None:
        for one in (self._connection, self._listener, self.udp):
            if one is not None:
                with suppress(OSError):
                    one.close()


_SUCCESS = '<response status="success"><hip-report-needed>no</hip-report-needed></response>'


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length" and value.strip().isdigit():
            return int(value)
    return 0
