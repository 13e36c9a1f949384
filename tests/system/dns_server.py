"""A DNS server for tests: UDP and TCP on one loopback port, a zone that can be changed while it runs.

    with DnsServer({"example.org": {"MX": [(10, "mx.example.org")], "TXT": ["v=spf1 -all"]},
                    "mx.example.org": {"A": ["192.0.2.1"], "AAAA": ["2001:db8::1"]},
                    "alias.example": {"CNAME": "example.org"},
                    "broken.example": SERVFAIL, "quiet.example": SILENCE,
                    "_25._tcp.mx.example.org": {"TLSA": [(3, 1, 1, b"...")]}}) as dns:
        configuration["resolver"] = {"servers": [dns.address]}

A name that is not in the zone does not exist (NXDOMAIN), unless something below it is; a name without records of the type
has none (NOERROR). A null MX is (0, "."). A reverse name may be given as an address: {"192.0.2.1": {"PTR": ["mx.example.org"]}}.
"""

import ipaddress
import socket
import struct
import threading

SERVFAIL, REFUSED, SILENCE, TRUNCATED = "SERVFAIL", "REFUSED", "SILENCE", "TRUNCATED"
TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "TLSA": 52}
NAMES = {number: name for name, number in TYPES.items()}
NOERROR_CODE, SERVFAIL_CODE, NXDOMAIN_CODE, REFUSED_CODE = 0, 2, 3, 5


def wire_name(name):
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def wire_data(kind, value):
    if kind == "A":
        return ipaddress.IPv4Address(value).packed
    if kind == "AAAA":
        return ipaddress.IPv6Address(value).packed
    if kind in ("CNAME", "PTR", "NS"):
        return wire_name(value)
    if kind == "MX":
        return struct.pack("!H", value[0]) + wire_name(value[1])
    if kind == "TLSA":
        return bytes(value[:3]) + value[3]
    assert kind == "TXT", kind
    octets = value if isinstance(value, bytes) else value.encode("utf-8")
    pieces = [octets[at:at + 255] for at in range(0, len(octets), 255)] or [b""]
    return b"".join(bytes([len(piece)]) + piece for piece in pieces)


def read_question(query):
    """Identity, flags, name and type of a query; None for what is none."""
    if len(query) < 17 or query[4:6] != b"\0\1":
        return None
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("ascii", "replace").lower())
        at += 1 + query[at]
    return query[:2], struct.unpack("!H", query[2:4])[0], ".".join(labels), struct.unpack("!H", query[at + 1:at + 3])[0], query[12:at + 5]


class DnsServer:
    """`authenticated` sets the AD bit of every answer, as a validating resolver does. `ttl` is every record's."""

    def __init__(self, zone=None, ttl=60, authenticated=False, host="127.0.0.1"):
        self.ttl, self.authenticated, self.host = ttl, authenticated, host
        self.queries = []  # (name, type, "udp" or "tcp"), as they came
        self._lock = threading.Lock()
        self.set_zone(zone or {})
        self._udp, self._tcp = self._bind()
        self.port = self._udp.getsockname()[1]
        self.address = "[%s]:%d" % (host, self.port) if ":" in host else "%s:%d" % (host, self.port)
        self._stopped = False
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._serve_udp, self._serve_tcp)]
        for thread in self._threads:
            thread.start()

    def _bind(self):
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        while True:  # until a port is free for both
            udp, tcp = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_STREAM)
            udp.bind((self.host, 0))
            try:
                tcp.bind((self.host, udp.getsockname()[1]))
                tcp.listen(64)
                return udp, tcp
            except OSError:
                udp.close()
                tcp.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._stopped = True
        family = self._udp.family
        with socket.socket(family, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", (self.host, self.port))
        socket.create_connection((self.host, self.port)).close()
        for thread in self._threads:
            thread.join()
        self._udp.close()
        self._tcp.close()

    def set_zone(self, zone):
        with self._lock:
            self._zone = {self._key(name): records for name, records in zone.items()}

    def set(self, name, records):
        """Of one name; None takes it away."""
        with self._lock:
            if records is None:
                self._zone.pop(self._key(name), None)
            else:
                self._zone[self._key(name)] = records

    def asked(self, name, kind=None):
        """How often."""
        with self._lock:
            return sum(1 for query in self.queries if query[0] == name.lower() and kind in (None, query[1]))

    @staticmethod
    def _key(name):
        try:
            return ipaddress.ip_address(name).reverse_pointer
        except ValueError:
            return name.rstrip(".").lower()

    def _answer(self, query, transport):
        """The octets of the answer; None for silence."""
        question = read_question(query)
        if question is None:
            return None
        identity, flags, name, number, echoed = question
        kind = NAMES.get(number, str(number))
        with self._lock:
            self.queries.append((name, kind, transport))
            code, answers, truncated = self._look_up(name, kind, transport)
        if code is None:
            return None
        authority = b""
        if not answers and code in (NOERROR_CODE, NXDOMAIN_CODE):
            soa = wire_name("ns.test") + wire_name("root.test") + struct.pack("!5I", 1, 3600, 600, 86400, self.ttl)
            authority = wire_name(name) + struct.pack("!HHIH", TYPES["SOA"], 1, self.ttl, len(soa)) + soa
        body = echoed + b"".join(answers)
        flags = 0x8080 | (flags & 0x0100) | (0x0020 if self.authenticated else 0) | code
        limit = 512 if transport == "udp" and query[10:12] == b"\0\0" else 1232 if transport == "udp" else 65535
        if truncated or 12 + len(body) + len(authority) > limit:
            return identity + struct.pack("!HHHHH", flags | 0x0200, 1, 0, 0, 0) + echoed
        return identity + struct.pack("!HHHHH", flags, 1, len(answers), 1 if authority else 0, 0) + body + authority

    def _look_up(self, name, kind, transport):
        """The code, the records as octets, and whether they are to be asked for by TCP."""
        answers, truncated = [], False
        for _ in range(20):
            records = self._zone.get(name)
            if records in (SERVFAIL, REFUSED, SILENCE):
                return {SERVFAIL: SERVFAIL_CODE, REFUSED: REFUSED_CODE, SILENCE: None}[records], [], False
            if records is None:
                below = any(other.endswith("." + name) for other in self._zone)
                return (NOERROR_CODE if below else NXDOMAIN_CODE), answers, truncated
            truncated = truncated or (bool(records.get(TRUNCATED)) and transport == "udp")
            if kind in records or "CNAME" not in records:
                values = records.get(kind, [])
                if values in (SERVFAIL, REFUSED, SILENCE):  # of one type alone: {"MX": SERVFAIL}
                    return {SERVFAIL: SERVFAIL_CODE, REFUSED: REFUSED_CODE, SILENCE: None}[values], [], False
                return NOERROR_CODE, answers + [self._record(name, kind, value) for value in values], truncated
            answers.append(self._record(name, "CNAME", records["CNAME"]))
            name = records["CNAME"].rstrip(".").lower()
        return SERVFAIL_CODE, [], False  # a loop of aliases

    def _record(self, name, kind, value):
        data = wire_data(kind, value)
        return wire_name(name) + struct.pack("!HHIH", TYPES[kind], 1, self.ttl, len(data)) + data

    def _serve_udp(self):
        while True:
            query, peer = self._udp.recvfrom(65535)
            if self._stopped:
                return
            answer = self._answer(query, "udp")
            if answer is not None:
                self._udp.sendto(answer, peer)

    def _serve_tcp(self):
        while True:
            connection, _ = self._tcp.accept()
            if self._stopped:
                connection.close()
                return
            threading.Thread(target=self._serve_connection, args=(connection,), daemon=True).start()

    def _serve_connection(self, connection):
        with connection, connection.makefile("rwb") as stream:
            while True:
                head = stream.read(2)
                if len(head) < 2:
                    return
                answer = self._answer(stream.read(struct.unpack("!H", head)[0]), "tcp")
                if answer is None:
                    return
                stream.write(struct.pack("!H", len(answer)) + answer)
                stream.flush()
