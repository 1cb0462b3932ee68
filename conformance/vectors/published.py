"""Vectors that others have published: their numbers, and what had to be added to make whole IP packets of them.

The numbers are transcribed from the documents named below. What a document lacks is added here and said in the case's
`source`: RFC 3602 and RFC 3686 have no integrity algorithm (we add one: RFC 8221 4 forbids to go without), the GCM
drafts and RFC 3686 have no IP header in front. Expectations come from the published plaintext and packet; the reference
only makes what was added.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from espproof.adapters.case import Case, Dropped, Octets, Outbound, Sa, Sent, SequenceNumber, Step
from espproof.conformance.requirements.ids import ACCEPTED, COVERS_HIGH, ICV, SPI_ZERO
from espproof.conformance.vectors.made import Made, Mistake, Vector, accepted, arrive, protect
from espproof.conformance.vectors.suites import octets
from espproof.reference import ip
from espproof.reference.algorithms import INTEGRITY
from espproof.reference.transforms import mac

FLAGS = {
    "published": "Numbers that somebody else has published. Whoever fails them does not speak the algorithm that he says.",
    "published-esn": "Published with a high half that is not zero: the only such ESP packets there are.",
    "integrity-added": "The document has no integrity algorithm; the ICV at the end of the packet is ours.",
    "empty-payload": "Nothing but the trailer is inside. Receivers that want at least one octet drop it.",
    "spi-zero": "The published packet has SPI 0, which RFC 4303 2.1 forbids on the wire. An SA with the same keys must "
    "not take it: SPI 0 is what uninitialised table entries match.",
}


def _hex(text: str) -> Octets:
    return Octets(bytes.fromhex(text))


@dataclass(frozen=True, slots=True)
class Published:
    """One published packet. `esp` is what the document gives of it; `inner` the packet that it protects."""

    name: str
    title: str
    source: str
    sa: dict[str, Any]
    sequence: int
    iv: bytes
    inner: bytes
    packet: bytes
    flags: tuple[str, ...]
    rules: tuple[str, ...]


# ----------------------------------------------------------------------------------------------------------- RFC 3602

_ADDED_AUTH = "AUTH_HMAC_SHA2_256_128"
_ADDED_KEY = octets("auth added to RFC 3602 and RFC 3686", 32)

_PING = "".join(f"{octet:02x}" for octet in range(0x08, 0x38))
_RFC3602: tuple[tuple[int, str, str, int, int, str, str, str, str], ...] = (
    # case, mode, key, SPI, sequence number, IV, original packet, outer header without ICV, ciphertext
    (5, "transport", "90d382b410eeba7ad938c46cec1a82bf", 0x4321, 1, "e96e8c08ab465763fd098d45dd3ff893",
     "4500005408f200004001f9fec0a87b03c0a87b64" "08000ebda70a00008e9c083db95b0700" + _PING,
     "4500007c08f200004032f9a5c0a87b03c0a87b64",
     "f663c25d325c18c6a9453e194e120849a4870b66cc6b9965330013b4898dc856"
     "a4699e523a55db080b59ec3a8e4b7e52775b07d1db34ed9c538ab50c551b874a" "a269add047ad2d5913ac19b7cfbad4a6"),
    (6, "transport", "90d382b410eeba7ad938c46cec1a82bf", 0x4321, 8, "69d08df7d203329db093fc4924e5bd80",
     "4500003008fe00004001fa16c0a87b03c0a87b64" "0800b5e8a80a0500a69c083d0b660e00777777777777777777777777",
     "4500004c08fe00004032f9c9c0a87b03c0a87b64",
     "f51995881ec4e0c4488987ce742e8109689bb379d2d750c0d915dca346a89f75"),
    (7, "tunnel", "0123456789abcdef0123456789abcdef", 0x8765, 2, "f4e765244f6407adf13dc1380f673f37",
     "45000054090400004001f988c0a87b03c0a87bc8" "08009f76a90a0100b49c083d02a20400" + _PING,
     "4500008c090500004032f91ec0a87b03c0a87bc8",
     "773b5241a4c449225e4f3ce5ed611b0c237ca96cf74a93013c1b0ea1a0cf70f8"
     "e4ecaec78ac53aad7a0f022b859243c647752e94a859352b8a4d4d2decd136e5"
     "c177f132ad3fbfb2201ac9904c74ee0a109e0ca1e4dfe9d5a100b842f1c22f0d"),
    (8, "tunnel", "0123456789abcdef0123456789abcdef", 0x8765, 5, "85d47224b5f3dd5d2101d4ea8dffab22",
     "45000044090c00004001f990c0a87b03c0a87bc8" "0800d63caa0a0200c69c083da3de0300" + "ff" * 32,
     "4500007c090d00004032f926c0a87b03c0a87bc8",
     "15b92683819596a8047232cc00f7048fe45318e11f8a0f62ede3c3fc61203bb5"
     "0f980a08c9843fd3a1b06d5c07ff9639b7eb7dfb3512e5de435e7207ed971ef3" "d2726d9b5ef6affc6d17a0decbb13892"),
)  # fmt: skip


def rfc3602() -> Iterator[Vector]:
    for number, mode, key, spi, sequence, iv, inner, header, ciphertext in _RFC3602:
        esp = _with_icv(_hex(f"{spi:08x}{sequence:08x}") + _hex(iv) + _hex(ciphertext))
        outer = ip.parse(_hex(header) + bytes(int(header[4:8], 16) - 20))
        yield from _both(
            Published(
                name=f"rfc3602-case-{number}",
                title=f"RFC 3602 case #{number}: {mode} mode, ping",
                source=f"RFC 3602 section 4, case #{number}: header, IV and ciphertext; the ICV is added, and the "
                "length and checksum of the outer header follow it",
                sa=_sa(mode, outer, spi=spi, encr="ENCR_AES_CBC", encr_key=_hex(key), auth=_ADDED_AUTH,
                       auth_key=_ADDED_KEY, hop_limit=outer.header[8]),
                sequence=sequence,
                iv=_hex(iv),
                inner=_hex(inner),
                packet=_ipv4(outer, esp),
                flags=("published", "integrity-added"),
                rules=("RFC3602-3-iv-in-each-packet", "RFC3602-2.4-block-padding"),
            )
        )  # fmt: skip


# ----------------------------------------------------------------------------------------------------------- RFC 7634

_RFC7634_KEY = "".join(f"{octet:02x}" for octet in range(0x80, 0xA0))
_RFC7634_INNER = (
    "45000054a6f200004001e778c6336405c0000205" "08005b7a3a080000553bec1000073627" + _PING
)  # fmt: skip
_RFC7634_PACKET = (
    "4500008c234500004032de5bcb007199cb007105" "0102030400000005" "1011121314151617"
    "24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c6"
    "14ee8099d52844eb61aa95dfab4c02f72aa71e7c4c4f64c9befe2facc638e8f3"
    "cbec163fac469b502773f6fb94e664da9165b82829f641e0" "76aaa8266b7fb0f7b11b369907e1ad43"
)  # fmt: skip


def rfc7634() -> Iterator[Vector]:
    packet = _hex(_RFC7634_PACKET)
    outer = ip.parse(packet)
    yield from _both(
        Published(
            name="rfc7634-a",
            title="RFC 7634 Appendix A: ChaCha20-Poly1305, tunnel mode, ping",
            source="RFC 7634 Appendix A: the whole packet",
            sa=_sa("tunnel", outer, spi=0x01020304, encr="ENCR_CHACHA20_POLY1305", encr_key=_hex(_RFC7634_KEY),
                   salt=_hex("a0a1a2a3"), hop_limit=outer.header[8]),
            sequence=5,
            iv=_hex("1011121314151617"),
            inner=_hex(_RFC7634_INNER),
            packet=packet,
            flags=("published",),
            rules=("RFC7634-2.1-aad", "RFC7634-2-nonce-layout"),
        )
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------- draft-mcgrew-gcm-test

_CISCO = "636973636f0172756c657301746865016e6574776501646566696e6501746865746563686e6f6c6f6769657301746861"
_GCM_TEST: tuple[tuple[str, str, str, str, str, str], ...] = (
    # key, SPI, sequence number (8 octets: extended), nonce, plaintext, what follows the IV in the packet
    ("4c80cdefbb5d10da906ac73c3613a634", "00004321", "8765432100000000", "2e443b684956ed7e3b244cfe",
     "45000048699a000080114db7c0a80102c0a801010a9bf15638d301000001000000000000045f736970045f7564700373"
     "69700963796265726369747902646b000021000101020201",
     "fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34cfa2436f14a3f3cf65925bf1f4a13c5d"
     "15b21e1884f5ff6247aeabb786b93bce61bc17d768fd9732459018148f6cbe722fd04796562dfdb4"),
    ("feffe9928665731c6d6a8f9467308308", "0000a5f8", "0000000a", "cafebabefacedbaddecaf888",
     "4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d0010000010000000000000373697009637962"
     "65726369747902646b00000100010001",
     "deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d114d2a5c3de81827c10e9a4f51330d0eec416642"
     "cfbb85a5b47e48a4ec3b9ba95d918bd183b70d3aa8bc6ee4c309e9d85a41ad4a"),
    ("abbccddef00112233445566778899aababbccddef00112233445566778899aab", "4a2cbfe3", "00000002",
     "112233440102030405060708",
     "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee0000000007002400020bf0000020405b401010402"
     "01020201",
     "ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763748a637985771d347f0545659f14e99d"
     "ef842d8eb335f4eecfdbf831824b4c4915956c96"),
    ("00000000000000000000000000000000", "00000000", "00000001", "000000000000000000000000",
     "4500003c99c500008001cb7a40679318010101010800075c020044006162636465666768696a6b6c6d6e6f7071727374"
     "75767761626364656667686901020201",
     "4688daf2f973a392732909c331d56d60f694abaa414b5e7ff5fdcdfff5e9a284456476492719ffb64de7d9dca1e1d894"
     "bc3bd57873ed4d181d19d4d5c8c18af3f821d496eeb096e98ad2b69e4799c71d"),
    ("3de09874b388e6491988d0c3607eae1f", "42f67e3f", "1010101010101010", "57690e434e280000a2fca1a3",
     "4500003c99c300008001cb7c40679318010101010800085c020043006162636465666768696a6b6c6d6e6f7071727374"
     "75767761626364656667686901020201",
     "fba2caa4853cf9f0f22cb10d86dd83b0fec75691cf1a04b00d1138ec9c35791765acbd8701ad79845bf9fe3fba487bc9"
     "1755e6662b4c8d0d1f5e22739530320ae0d731cc978ecafaeae88f00e80d6e48"),
    ("3de09874b388e6491988d0c3607eae1f", "42f67e3f", "1010101010101010", "57690e434e280000a2fca1a3",
     "4500001c42a200008001441f406793b6e00000020a00f5ff01020201",
     "fba2ca845e5df9f0f22c3e6e86dd831e1fc65792cd1af9130e1379ed369f071f35e034be95f112e4e7d05d35"),
    ("feffe9928665731c6d6a8f9467308308feffe9928665731c", "0000a5f8", "0000000a", "cafebabefacedbaddecaf888",
     "45000028a4ad4000400678800a01038f0a010612802306b8cb712602dd6bb03e501016d075680001",
     "a5b1f8066029aea40e598b8122de02420938b3ab33f828e687b8858b5bfbdbd0315b27452144cc7795457b9652037f53"
     "18027b5b4cd7a636"),
    ("abbccddef00112233445566778899aab", "00000100", "0000000000000001", "decaf888cafedebaceface74",
     "4500004933ba00007f119106c3fb1d10c2b1d326c02831ce0035dd7b800302d500004e20001e8c18d75b81dc91baa047"
     "6b91b924b280389d92c963bac046ec959b6266c04722b14923010101",
     "18a6fd42f72cbf4ab2a2ea901f73d814e3e7f243d95412e1c349c1d2fbec168f9190feebaf2cb01984e65863965d7472"
     "b79da345e0e780191f0d2f0e0f496c226f2127b27db35724e7845d68651f57e65f354f75ff17015769623436"),
    ("abbccddef00112233445566778899aababbccddef00112233445566778899aab", "17405e67", "156f3126dd0db99b",
     "73616c74616e640169766563",
     "45080028732c00004006e9f90a0106120a01038f06b88023dd6bafbecb71260250101f646d540001",
     "f2d69ecdbd5a0d5b8d5ef38bad4da58d1f278fde98ef67549d524a3018d9a57ff4d3a31ce673119e451626c2415771e3"
     "b7eebca614c89b35"),
    ("3de09874b388e6491988d0c3607eae1f", "42f67e3f", "1010101010101010", "57690e434e280000a2fca1a3",
     "45000049333e00007f119182c3fb1d10c2b1d326c02831ce0035cb458003025b000001e0001e8c18d65759d52284a035"
     "2c71475c8880391c764d6e5ee0496b325ae270c03899493915010101",
     "fba2cad12fc1f9f00d3cebf305410db83d7784b607323d220f24b0a97d54182800cadb0f68d99ef0e0c0c89ae9bea888"
     "4e52d65bc1afd0740f742444747b5b39ab533163aad4550ee5160975cdb608c5769189609763b8e18caa81e2"),
    ("abbccddef00112233445566778899aababbccddef00112233445566778899aab", "17405e67", "156f3126dd0db99b",
     "73616c74616e640169766563",
     _CISCO + "7477696c6c01646566696e65746f6d6f72726f7701020201",
     "d4b7ed86a1777f2ea13d6973d324c69e7b43f826fb56831226508bebd2dceb18d0a6df10e5487df074113e14c641024e"
     "3e6773d91a62ee429b043a10e3efe6b012a49363412364f8c0cac587f249e56b11e24f30e44ccc76"),
    ("7d773d00c144c525ac619d18c84a3f47", "335467ae", "ffffffff", "d966426743457e9182443bc6",
     "01020201", "437f866bcb3f699fe9b0822bac961c4504bef270"),
    ("abbccddef00112233445566778899aab", "00000100", "0000000000000001", "decaf888cafedebaceface74",
     "746f016265016f72016e6f7401746f0162650001",
     "29c9fc69a197d038ccdd14e2ddfcaa0543332164412503524303ed3c6c5f283843af8c3e"),
    ("6c6567616c697a656d6172696a75616e61616e64646f69746265666f72656961", "796b6963", "ffffffffffffffff",
     "7475726e333021696765746d",
     "45000030da3a00008001df3bc0a80005c0a800010800c6cd020007006162636465666768696a6b6c6d6e6f7071727374"
     "01020201",
     "f97ab2aa356d8edce17644ac8c78e25dd24dedbb29ebf1b64a274b39b49c3a864cd3d78ca4ae68a32b42458fb57dbe82"
     "1dcc63b9d0937ba2945f669368661a329fb4c053"),
    ("4c80cdefbb5d10da906ac73c3613a634", "00004321", "00000007", "22433c640000000000000000",
     "45000030da3a00008001df3bc0a80005c0a800010800c6cd020007006162636465666768696a6b6c6d6e6f7071727374"
     "01020201",
     "45000030da3a00008001df3bc0a80005c0a800010800c6cd020007006162636465666768696a6b6c6d6e6f7071727374"
     "01020201f2a9a836e155106aa8dcd618e4099aaa"),
    ("3de09874b388e6491988d0c3607eae1f", "3f7ef642", "1010101010101010", "57690e434e280000a2fca1a3",
     "45000030da3a00008001df3bc0a80005c0a800010800c6cd020007006162636465666768696a6b6c6d6e6f7071727374"
     "01020201",
     "fba2caa8c6c5f9f0f22ca54a061210ad3f6e5791cf1aca210d117cec9c35791765acbd8701ad79845bf9fe3fba487bc9"
     "6321930684eecadb56912546e7a95c9740d7cb05"),
    ("4c80cdefbb5d10da906ac73c3613a634", "00004321", "8765432100000007", "22433c644855ec7d3a234bfd",
     "0800c6cd020007006162636465666768696a6b6c6d6e6f707172737401020201",
     "74752e8aeb5d873cd7c0f4acc36c4bff84b7d7b98f0ca8b6acda6894bc619069ef9cbc28fe1b56a7c4e0d58c86cd2bc0"),
)  # fmt: skip
_GMAC = 15
_SPI_ZERO = 4

_SOURCE, _DESTINATION = bytes([192, 0, 2, 44]), bytes([198, 51, 100, 88])
_ICMP = 1


def gcm_test() -> Iterator[Vector]:
    """All say next header 1 (ICMP), whatever the payload looks like: in ESP's terms, transport mode."""
    for number, row in enumerate(_GCM_TEST, start=1):
        one = _gcm_test_one(number, row)
        if number == _SPI_ZERO:
            yield _spi_zero(one)
        else:
            yield from _both(one)


def _gcm_test_one(number: int, row: tuple[str, str, str, str, str, str]) -> Published:
    key, spi, sequence, nonce, plaintext, body = row
    text = _hex(plaintext)
    assert text[-1] == _ICMP
    assert text[-2 - text[-2] : -2] == bytes(range(1, text[-2] + 1))
    payload = text[: -2 - text[-2]]
    inner = ip.build_ipv4(_SOURCE, _DESTINATION, _ICMP, payload, identification=0x5A71)
    esp = _hex(spi) + _hex(sequence)[-4:] + _hex(nonce)[4:] + _hex(body)
    packet = ip.build_ipv4(_SOURCE, _DESTINATION, 50, esp, identification=0x5A71)
    gmac, esn = number == _GMAC, len(sequence) == 16
    aad = "RFC4543-3.3-aad" if gmac else "RFC4106-5-aad-esn" if esn else "RFC4106-5-aad"
    flags = ["published"]
    if esn and int(sequence, 16) >> 32:
        flags.append("published-esn")
    if not payload:
        flags.append("empty-payload")
    if number == _SPI_ZERO:
        flags.append("spi-zero")
    return Published(
        name=f"gcm-test-{number:02}",
        title=f"GCM test draft, test case {number} in the order of the text: {'GMAC' if gmac else 'GCM'}, "
        f"{8 * len(key) // 2}-bit key, {'extended' if esn else '32-bit'} sequence number",
        source=f"draft-mcgrew-gcm-test-01 section 4, test case {number} in the order of the text: the whole ESP "
        "packet; the IP header in front is added",
        sa=_sa("transport", ip.parse(packet), spi=int(spi, 16), esn=esn, encr_key=_hex(key), salt=_hex(nonce[:8]),
               encr="ENCR_NULL_AUTH_AES_GMAC" if gmac else "ENCR_AES_GCM_16"),
        sequence=int(sequence, 16),
        iv=_hex(nonce[8:]),
        inner=inner,
        packet=packet,
        flags=tuple(flags),
        rules=(aad, "RFC4543-3.2-nonce-layout" if gmac else "RFC4106-4-nonce-layout"),
    )  # fmt: skip


def _spi_zero(one: Published) -> Vector:
    """The fourth has SPI 0: the algorithm agrees (a test of the reference shows it), but no SA may have it."""
    published = _made(Sa(name="in", direction="in", **one.sa), one)
    sa = Sa(name="in", direction="in", **(one.sa | {"spi": 0x5A71_0004}))
    right = protect(sa, one.sequence, one.inner, one.iv)
    steps = (
        arrive(published, SPI_ZERO, Dropped(reason="no-sa"), "the published packet: SPI 0 belongs to no SA"),
        accepted(right, ACCEPTED, "the same keys and plaintext with the SA's own SPI"),
    )
    case = Case(
        version=1,
        id=f"{one.name}-inbound",
        title=f"{one.title}, SPI 0: discarded",
        requirements=(SPI_ZERO, ACCEPTED),
        flags=one.flags,
        source=one.source,
        sas=(sa,),
        steps=steps,
    )
    return Vector(case, (published, right))


# ----------------------------------------------------------------------------------------------------------- RFC 3686

_SINGLE = "53696e676c6520626c6f636b206d7367"
_RFC3686: tuple[tuple[str, str, str, str, str], ...] = (
    # key, nonce, IV, plaintext, ciphertext
    ("ae6852f8121067cc4bf7a5765577f39e", "00000030", "0000000000000000", _SINGLE, "e4095d4fb7a7b3792d6175a3261311b8"),
    ("7e24067817fae0d743d6ce1f32539163", "006cb6db", "c0543b59da48d90b", bytes(range(32)).hex(),
     "5104a106168a72d9790d41ee8edad388eb2e1efc46da57c8fce630df9141be28"),
    ("7691be035e5020a8ac6e618529f9a0dc", "00e0017b", "27777f3f4a1786f0", bytes(range(36)).hex(),
     "c1cf48a89f2ffdd9cf4652e9efdb72d74540a42bde6d7836d59a5ceaaef3105325b2072f"),
    ("16af5b145fc9f579c175f93e3bfb0eed863d06ccfdb78515", "00000048", "36733c147d6d93cb", _SINGLE,
     "4b55384fe259c9c84e7935a003cbe928"),
    ("7c5cb2401b3dc33c19e7340819e0f69c678c3db8e6f6a91a", "0096b03b", "020c6eadc2cb500d", bytes(range(32)).hex(),
     "453243fc609b23327edfaafa7131cd9f8490701c5ad4a79cfc1fe0ff42f4fb00"),
    ("02bf391ee8ecb159b959617b0965279bf59b60a786d3e0fe", "0007bdfd", "5cbd60278dcc0912", bytes(range(36)).hex(),
     "96893fc55e5c722f540b7dd1ddf7e758d288bc95c69165884536c811662f2188abee0935"),
    ("776beff2851db06f4c8a0542c8696f6c6a81af1eec96b4d37fc1d689e6c1c104", "00000060", "db5672c97aa8f0b2", _SINGLE,
     "145ad01dbf824ec7560863dc71e3e0c0"),
    ("f6d66d6bd52d59bb0796365879eff886c66dd51a5b6a99744b50590c87a23884", "00faac24", "c1585ef15a43d875",
     bytes(range(32)).hex(), "f05e231b3894612c49ee000b804eb2a9b8306b508f839d6a5530831d9344af1c"),
    ("ff7a617ce69148e4f1726e2f43581de2aa62d9f805532edff1eed687fb54153d", "001cc5b7", "51a51d70a1c11148",
     bytes(range(36)).hex(), "eb6c52821d0bbbf7ce7594462aca4faab407df866569fd07f48cc0b583d6071f1ec0e6b8"),
)  # fmt: skip


_EXPERIMENT = 253
"""RFC 3692: a protocol number for experiments."""


def rfc3686() -> Iterator[Vector]:
    """The published plaintexts end in no ESP trailer; the key stream they give away is put on those that do."""
    for number, (key, nonce, iv, plaintext, ciphertext) in enumerate(_RFC3686, start=1):
        stream = _xor(_hex(plaintext), _hex(ciphertext))
        payload = _hex(plaintext)[:-2]
        spi, sequence = 0x3686_0000 + number, 0x51 + number
        covered = _hex(f"{spi:08x}{sequence:08x}") + _hex(iv) + _xor(payload + bytes([0, _EXPERIMENT]), stream)
        packet = ip.build_ipv4(_SOURCE, _DESTINATION, 50, _with_icv(covered), identification=0x5A71)
        yield from _both(
            Published(
                name=f"rfc3686-vector-{number}",
                title=f"RFC 3686 test vector #{number}: {4 * len(key)}-bit key, {len(stream)} octets",
                source=f"RFC 3686 section 6, test vector #{number}: key, nonce, IV and the key stream; header, trailer "
                "(in place of the last two octets of the plaintext) and ICV are added",
                sa=_sa("transport", ip.parse(packet), spi=spi, encr="ENCR_AES_CTR", encr_key=_hex(key),
                       salt=_hex(nonce), auth=_ADDED_AUTH, auth_key=_ADDED_KEY),
                sequence=sequence,
                iv=_hex(iv),
                inner=ip.build_ipv4(_SOURCE, _DESTINATION, _EXPERIMENT, payload, identification=0x5A71),
                packet=packet,
                flags=("published", "integrity-added"),
                rules=("RFC3686-4-counter-block", "RFC3686-4-counter-from-one"),
            )
        )  # fmt: skip


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


# --------------------------------------------------------------------------------------------------- cases from packets


def _sa(mode: str, outer: ip.Packet, **fields: Any) -> dict[str, Any]:
    ends = {"source": _dotted(outer.source), "destination": _dotted(outer.destination)}
    return {"mode": mode, **ends, **fields}


def _both(one: Published) -> Iterator[Vector]:
    """The published packet as what is sent and as what arrives."""
    yield _outbound(one)
    yield _inbound(one)


def _outbound(one: Published) -> Vector:
    sa = Sa(name="out", direction="out", sequence=SequenceNumber(one.sequence - 1), **one.sa)
    about = COVERS_HIGH if sa.esn else ICV
    step = Outbound(
        sa=sa.name, packet=Octets(one.inner), iv=Octets(one.iv), requirement=about,
        expect=Sent(packet=Octets(one.packet)), note=f"number {one.sequence:#x}",
    )  # fmt: skip
    return _vector(one, sa, "outbound", "what is sent", about, step)


def _inbound(one: Published) -> Vector:
    at = one.sequence - 1 if one.sequence >> 32 else 0
    sa = Sa(name="in", direction="in", sequence=SequenceNumber(at), **one.sa)
    return _vector(one, sa, "inbound", "what is accepted", ACCEPTED, accepted(_made(sa, one), ACCEPTED))


def _made(sa: Sa, one: Published) -> Made:
    return Made(sa, one.sequence, one.inner, one.iv, Mistake.NONE, Octets(one.packet))


def _vector(one: Published, sa: Sa, direction: str, what: str, about: str, step: Step) -> Vector:
    case = Case(
        version=1, id=f"{one.name}-{direction}", title=f"{one.title}: {what}", requirements=(about, *one.rules),
        flags=one.flags, source=one.source, sas=(sa,), steps=(step,),
    )  # fmt: skip
    return Vector(case, (_made(sa, one),))


def _with_icv(covered: bytes) -> bytes:
    return covered + mac(_ADDED_AUTH, bytes(_ADDED_KEY))(covered)[: INTEGRITY[_ADDED_AUTH].icv_size]


def _ipv4(outer: ip.Packet, esp: bytes) -> bytes:
    """That header, with its length and checksum right for another payload."""
    length = (len(outer.header) + len(esp)).to_bytes(2, "big")
    return ip.with_checksum(outer.header[:2] + length + outer.header[4:]) + esp


def _dotted(address: bytes) -> str:
    return ".".join(map(str, address))
