"""rte_ipsec of DPDK, as the shim beside this module drives it; `niantic` tells of the variant that has a card.

The lookaside path (a crypto device with queues) and the synchronous CPU path are different code of rte_ipsec and of the
device's driver, hence the variants. An SA of rte_ipsec is for one inner IP version, which a Case's SA does not tell: the
plain variants tunnel IPv4 in IPv4 and IPv6 in IPv6, `crossed` the other two.

AES-GMAC with ESN is taken by rte_ipsec, and then every packet is wrong. As that would hide whatever else goes wrong, the
variant `gmac` does it alone and the others answer `Unsupported`. It sends only: inbound, right packets are discarded for
the same reason. AES-GMAC on the CPU path is taken too, but in tunnel mode no packet comes out and in transport mode the
nonce is without the salt (inbound it is right): that is the variant `cpu-gmac`.

The option `udp_encap` is taken for every SA and does something for outbound tunnels; the shim does elsewhere what an
application has to do. The variant `udp` asks for it in transport mode too, and only sends: inbound no packet comes out of
an SA with the option, as esp_sa_init() (sa.c) has no case for it, and what is to be authenticated and decrypted stays
without length and place.

On the CPU path the driver of aesni_mb dies with the first packet of AES-XCBC or AES-CMAC beside a cipher other than NULL,
whoever calls it. Which integrity algorithms do that is found out in child processes when the shim
starts; they are not declared.

The application's job, done by the shim: finding ESP and the SA (with rte_ipsec_sad, of all packets of a burst at once),
fragments, UDP decapsulation, the template of the outer header, IPv4 header checksums, refusal of SAs that cannot be told
apart. The outbound starting number is `ipsec_xform.esn.value`. Inbound, that value is T, but T is not marked as received;
so T and `received_offsets` arrive as authentic packets, made with a sender of the same keys.
"""

from pathlib import Path

from espproof.adapters import native
from espproof.adapters.base import Adapter
from espproof.adapters.dpdk.niantic import NianticAdapter

INSTALL = "apt-get install -y libdpdk-dev pkg-config gcc libcjson-dev"
SHIM = native.Shim(
    "dpdk",
    Path(__file__).parent,
    ("shim.c", "engine.c", "transforms.c", "packets.c", "sad.c", "survival.c"),
    INSTALL,
    packages=("libdpdk",),
    flags=("-DALLOW_EXPERIMENTAL_API",),
)
ARGUMENTS = {
    "": ("crypto_openssl0",),
    "aesni_mb": ("crypto_aesni_mb0",),
    "cpu": ("crypto_aesni_mb0", "cpu"),
    "crossed": ("crypto_openssl0", "crossed"),
    "gmac": ("crypto_openssl0", "gmac"),
    "cpu-gmac": ("crypto_aesni_mb0", "cpu", "gmac"),
    "udp": ("crypto_openssl0", "udp"),
}
"""Variant -> arguments of the shim."""
NIANTIC = "niantic"
"""The variant that has no shim."""


class DpdkAdapter(native.NativeAdapter):
    """rte_ipsec with the crypto device and path of a variant."""

    def __init__(self, variant: str = "") -> None:
        super().__init__(f"dpdk:{variant}" if variant else "dpdk", SHIM, ARGUMENTS[variant])


def opened(variant: str = "") -> Adapter:
    """The adapter of a variant."""
    return NianticAdapter() if variant == NIANTIC else DpdkAdapter(variant)
