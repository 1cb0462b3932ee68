"""The `--script` of openconnect: hands the tunnel's inner side over to espproof, and ends.

openconnect runs it once ESP is up, with the number of a datagram socket in VPNFD: one inner IP packet per message in
either direction. Whoever holds that socket is the host behind the tunnel. It goes to espproof over an AF_UNIX socket,
which openconnect and this program have inherited.

Usage: tun_script.py SOCKET_FD   Imports as little as it can: it starts for every client.
"""

import _socket
import os
import sys

SIZE_OF_INT = 4


def main(channel: int, inner: int) -> None:
    rights = inner.to_bytes(SIZE_OF_INT, sys.byteorder)
    _socket.socket(fileno=channel).sendmsg([b"inner"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)])


if __name__ == "__main__":
    main(int(sys.argv[1]), int(os.environ["VPNFD"]))
