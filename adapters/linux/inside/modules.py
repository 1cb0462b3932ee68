"""The kernel's modules that the gateway needs in user-mode Linux, where they are not built in."""

FOLDER = "/usr/lib/uml/modules"
NEEDED = (
    "af_packet", "tun", "veth", "xfrm_user", "esp4", "esp6", "ah4", "ah6",
    "iptable_mangle", "ip6table_mangle", "xt_NFLOG", "xt_mark", "xt_policy", "xt_tcpudp", "nfnetlink_log",
    "authenc", "authencesn", "gcm", "ccm", "ctr", "cbc", "hmac", "cmac", "xcbc", "seqiv", "echainiv", "chacha20poly1305",
    "jitterentropy_rng", "drbg", "sha512_generic", "des_generic", "chacha_generic", "poly1305_generic", "ghash-generic",
)  # fmt: skip
"""What is not built into Debian's kernel, templates of the crypto API and its random numbers (for IVs) among it."""
GRO = ("esp4_offload", "esp6_offload")
"""Without these, GRO knows nothing of ESP."""
LATER = ("cryptd", "crypto_user")
"""Ciphers behind a queue, and the messages that ask for them. Debian's kernel has one processor, and so no pcrypt."""
