"""What a rule of the firewall has seen, as the kernel tells it."""

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from espproof.adapters.linux.netlink import firewall
from espproof.adapters.linux.netlink.netlink import Malformed


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_any_log_message_is_read_or_refused(octets: bytes) -> None:
    with contextlib.suppress(Malformed):
        firewall.logged(octets)
