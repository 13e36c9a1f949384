"""A network of a test's own, where clients can have addresses that are not loopback's."""

import os
import socket
import subprocess
import sys

import mailstead

HERE, GATEWAY = "192.0.2.254", "192.0.2.253"
CLIENTS = ["192.0.2.%d" % number for number in range(1, 9)]


def enter_namespace():
    """Starts this program again in a network of its own; ends it with SKIP where that cannot be."""
    if not os.environ.get("MAILSTEAD_TEST_NETWORK"):
        for way in (["unshare", "--net"], ["unshare", "--user", "--map-root-user", "--net"]):
            try:
                able = subprocess.run([*way, "ip", "link", "set", "lo", "up"], capture_output=True).returncode == 0
            except FileNotFoundError:
                able = False
            if able:
                environment = dict(os.environ, MAILSTEAD_TEST_NETWORK="1")
                os.execvpe(way[0], [*way, sys.executable, *sys.orig_argv[1:]], environment)
        print("skipped: no network of its own can be made here")
        sys.exit(mailstead.SKIP)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    # A network card with a default route, for the gateway to be one; only then may its address be ours as well.
    subprocess.run(["ip", "link", "add", "veth-here", "type", "veth", "peer", "name", "veth-there"], check=True)
    subprocess.run(["ip", "link", "set", "veth-here", "up"], check=True)
    subprocess.run(["ip", "route", "add", "default", "via", GATEWAY, "dev", "veth-here", "onlink"], check=True)
    for address in (*CLIENTS, HERE, GATEWAY):
        subprocess.run(["ip", "address", "add", address + "/32", "dev", "lo"], check=True)
    for address in ("2001:db8:1:1::1", "2001:db8:1:1::2", "2001:db8:1:2::1", "2001:db8::254"):
        subprocess.run(["ip", "address", "add", address + "/128", "dev", "lo", "nodad"], check=True)


class From(mailstead.Stream):
    """A connection whose client has this address."""

    def __init__(self, client, port):
        server = "2001:db8::254" if ":" in client else HERE
        self.socket = socket.create_connection((server, port), timeout=mailstead.TIMEOUT, source_address=(client, 0))
        self.buffer = bytearray()
