"""rte_ipsec of DPDK, as the shim beside this module drives it.

The lookaside path (a crypto device with queues) and the synchronous CPU path are different code of rte_ipsec and of the
device's driver, hence the variants. An SA of rte_ipsec is for one inner IP version, which a Case's SA does not tell: the
plain variants tunnel IPv4 in IPv4 and IPv6 in IPv6, `crossed` the other two. `cpu` is unfinished: the device's library
dies with AES-CBC and XCBC, and nobody has found out whether the call is wrong; it has no expectations of its own.

The application's job, done by the shim: finding ESP and (with rte_ipsec_sad) the SA, fragments, UDP decapsulation, the
template of the outer header, IPv4 header checksums, refusal of SAs that are against the RFCs. The outbound starting
number is `ipsec_xform.esn.value`. Inbound, that value is T, but T is not marked as received; so T and `received_offsets`
arrive as authentic packets, made with a sender of the same keys.

Not declared although rte_ipsec has an option for it:
* RFC 6040: decapsulation writes the ECN field and leaves the inner IPv4 checksum as it was.
* ESN with AES-GMAC (answered with `Unsupported`): the high half is authenticated behind the packet as it is with HMAC, not
  within the associated data where RFC 4543 3.3 puts it, so that nobody else's packets are right.
* ESN with a window below 64 or none (answered with `Unsupported`): it silently becomes 64.
* DF copied: the option is not looked at.
"""

from pathlib import Path

from espproof.adapters import native

INSTALL = "apt-get install -y libdpdk-dev pkg-config gcc libcjson-dev"
SHIM = native.Shim(
    "dpdk",
    Path(__file__).parent,
    ("shim.c", "engine.c", "transforms.c", "packets.c", "survival.c"),
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
    "cpu_gmac": ("crypto_aesni_mb0", "cpu", "gmac"),
}
"""Variant -> arguments of the shim."""


class DpdkAdapter(native.NativeAdapter):
    """rte_ipsec with the crypto device and path of a variant."""

    def __init__(self, variant: str = "") -> None:
        super().__init__(f"dpdk:{variant}" if variant else "dpdk", SHIM, ARGUMENTS[variant])
