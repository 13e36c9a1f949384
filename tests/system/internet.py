"""A small Internet in a network of a test's own: a name server, and mail servers of other people that do as they are told."""

import hashlib
import http.server
import os
import socket
import socketserver
import ssl
import struct
import subprocess
import sys
import threading
import time

import mailstead

US = "192.0.2.1"
NAME_SERVER = ("192.0.2.53", 53)
OTHERS = ["192.0.2.%d" % number for number in range(10, 30)]
OTHERS6 = ["2001:db8::%d" % number for number in range(10, 14)]

TYPES = {"A": 1, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "TLSA": 52}


def enter_namespace():
    """Starts this program again in a network of its own; ends it with SKIP where that cannot be."""
    if not os.environ.get("MAILSTEAD_TEST_INTERNET"):
        for way in (["unshare", "--net"], ["unshare", "--user", "--map-root-user", "--net"]):
            try:
                able = subprocess.run([*way, "ip", "link", "set", "lo", "up"], capture_output=True).returncode == 0
            except FileNotFoundError:
                able = False
            if able:
                os.execvpe(way[0], [*way, sys.executable, *sys.orig_argv[1:]],
                           dict(os.environ, MAILSTEAD_TEST_INTERNET="1"))
        print("skipped: no network of its own can be made here")
        sys.exit(mailstead.SKIP)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in (US, NAME_SERVER[0], *OTHERS):
        subprocess.run(["ip", "address", "add", address + "/32", "dev", "lo"], check=True)
    for address in OTHERS6:
        subprocess.run(["ip", "address", "add", address + "/128", "dev", "lo", "nodad"], check=True)


# ---- names

def encode_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def encode_data(kind, value):
    if kind == "A":
        return socket.inet_pton(socket.AF_INET, value)
    if kind == "AAAA":
        return socket.inet_pton(socket.AF_INET6, value)
    if kind == "MX":
        preference, host = value.split()
        return struct.pack("!H", int(preference)) + encode_name("" if host == "." else host)
    if kind == "SRV":
        priority, weight, port, host = value.split()
        return struct.pack("!HHH", int(priority), int(weight), int(port)) + encode_name(host)
    if kind == "SOA":
        primary, contact, *numbers = value.split()
        return encode_name(primary) + encode_name(contact) + struct.pack("!5I", *map(int, numbers))
    if kind == "TLSA":
        usage, selector, matching, data = value.split()
        return bytes([int(usage), int(selector), int(matching)]) + bytes.fromhex(data)
    if kind == "TXT":
        return b"".join(bytes([len(part)]) + part for part in [value.encode()[i:i + 255] for i in range(0, len(value), 255)])
    return encode_name(value)


class Names:
    """A name server. `zone`: {name: {type: [value, …]}}; `trouble`: {name: "SERVFAIL", "silence", "truncated"};
    `validated`: domains with all below them whose answers it says to have validated."""

    def __init__(self, address=NAME_SERVER):
        self.zone, self.trouble, self.asked, self.validated = {}, {}, [], set()
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(address)
        self.tcp = socket.create_server(address)
        for serve in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    def add(self, name, kind, *values):
        self.zone.setdefault(name, {}).setdefault(kind, []).extend(values)

    def serve_udp(self):
        while True:
            question, client = self.udp.recvfrom(4096)
            answer = self.answer(question, "udp")
            if answer:
                self.udp.sendto(answer, client)

    def serve_tcp(self):
        while True:
            connection, _ = self.tcp.accept()
            threading.Thread(target=self.serve_connection, args=(connection,), daemon=True).start()

    def serve_connection(self, connection):
        with connection, connection.makefile("rb") as stream:
            while True:
                length = stream.read(2)
                if len(length) < 2:
                    return
                answer = self.answer(stream.read(struct.unpack("!H", length)[0]), "tcp")
                if answer:
                    connection.sendall(struct.pack("!H", len(answer)) + answer)

    def answer(self, question, way):
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode().lower())
            at += 1 + question[at]
        kind_number, = struct.unpack("!H", question[at + 1:at + 3])
        kind = {number: kind for kind, number in TYPES.items()}.get(kind_number)
        name = ".".join(labels)
        self.asked.append((name, kind, way))
        trouble = self.trouble.get(name)
        if trouble == "silence":
            return None
        flags, records = 0x8180, []
        if trouble == "SERVFAIL":
            flags |= 2
        elif trouble == "truncated" and way == "udp":
            flags |= 0x0200
        else:
            owner = name
            while "CNAME" in self.zone.get(owner, {}) and kind != "CNAME":
                alias = self.zone[owner]["CNAME"][0]
                records.append((owner, "CNAME", alias))
                owner = alias
                if len(records) > 20:
                    break
            records += [(owner, kind, value) for value in self.zone.get(owner, {}).get(kind, [])]
            if owner not in self.zone:
                flags |= 3
        if question[3] & 0x20 and any(("." + name).endswith("." + domain) for domain in self.validated):
            flags |= 0x20
        body = question[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0) + question[12:at + 5]
        for owner, each, value in records:
            data = encode_data(each, value)
            body += encode_name(owner) + struct.pack("!HHIH", TYPES[each], 1, 60, len(data)) + data
        return body


# ---- mail servers

class Host:
    """Somebody's mail server. What it says is decided by `replies`: {command: reply or function of the line}, where None hangs up, and
    `extensions`. Besides commands there are "greeting", "content" (None hangs up in its midst, a reply is said before that) and "end". What it takes is in `taken`: {"from", "to", "content", "tls", "helo", "at"}."""

    def __init__(self, address, port=25, certificate=None, extensions=("PIPELINING", "8BITMIME", "SIZE 10000000")):
        self.address, self.certificate, self.extensions = address, certificate, list(extensions)
        self.replies, self.taken, self.connections, self.said = {}, [], 0, []
        self.one_message = False  # a connection closes at the second
        self.silence = 0  # seconds behind STARTTLS, without a certificate
        self.lock = threading.Lock()
        host = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                try:
                    host.serve(self)
                except (OSError, ValueError):
                    pass
                finally:
                    if getattr(self, "secured", None):
                        # Its files would keep it open.
                        os.close(self.secured.detach())

        class Listening(socketserver.ThreadingTCPServer):
            allow_reuse_address = daemon_threads = True
            request_queue_size = 128
            address_family = socket.AF_INET6 if ":" in address else socket.AF_INET

        self.server = Listening((address, port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def reply(self, command, line, default):
        chosen = self.replies.get(command, default)
        return chosen(line) if callable(chosen) else chosen

    def serve(self, handler):
        with self.lock:
            self.connections += 1
        stream, tls, envelope, helo, taken = handler, None, None, None, 0

        def say(text):
            stream.wfile.write((text + "\r\n").encode("utf-8", "surrogateescape"))
            stream.wfile.flush()

        greeting = self.reply("greeting", "", "220 %s ESMTP" % self.address)
        if greeting is None:
            return
        say(greeting)
        while True:
            line = stream.rfile.readline()
            if not line:
                return
            text = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
            with self.lock:
                self.said.append(text)
            verb = text.split(" ")[0].upper()
            if verb == "EHLO":
                helo = text[5:]
                offers = self.extensions + (["STARTTLS"] if self.certificate and not tls else [])
                answer = self.reply(verb, text, "\r\n".join(["250-" + self.address] + ["250-" + each for each in offers] + ["250 HELP"]))
                if answer is None:
                    return
                say(answer)
            elif verb == "STARTTLS":
                answer = self.reply(verb, text, "220 go ahead")
                say(answer)
                if answer.startswith("220"):
                    if not self.certificate:
                        time.sleep(self.silence)
                        return
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    context.load_cert_chain(*self.certificate)
                    secured = handler.secured = context.wrap_socket(handler.connection, server_side=True)
                    tls = secured.version()

                    class Secured:
                        rfile, wfile = secured.makefile("rb"), secured.makefile("wb")
                    stream = Secured
            elif verb == "MAIL":
                if self.one_message and taken:
                    return
                answer = self.reply(verb, text, "250 2.1.0 OK")
                if answer is None:
                    return
                envelope = {"from": text[10:], "to": [], "tls": tls, "helo": helo} if answer.startswith("2") else None
                say(answer)
            elif verb == "RCPT":
                answer = self.reply(verb, text, "250 2.1.5 OK") if envelope else "503 5.5.1 MAIL first"
                if answer is None:
                    return
                if answer.startswith("2"):
                    envelope["to"].append(text[8:])
                say(answer)
            elif verb == "DATA":
                nobody = not envelope or not envelope["to"]
                answer = "554 5.5.1 there is nobody to have it" if nobody else self.reply(verb, text, "354 go ahead")
                if answer is None:
                    return
                say(answer)
                if not answer.startswith("354"):
                    continue
                content = []
                while (line := stream.rfile.readline()) != b".\r\n":
                    chosen = self.reply("content", "", "")
                    if chosen:
                        say(chosen)
                    if not line or chosen != "":
                        return
                    content.append(line[1:] if line.startswith(b".") else line)
                answer = self.reply("end", text, "250 2.0.0 taken")
                if answer is None:
                    return
                if answer.startswith("2"):
                    with self.lock:
                        self.taken.append(dict(envelope, content=b"".join(content), at=time.monotonic()))
                    taken += 1
                envelope = None
                say(answer)
            elif verb == "QUIT":
                say("221 2.0.0 bye")
                return
            else:
                say(self.reply(verb, text, "250 2.0.0 OK"))


def certificate(folder, name):
    """A self-signed pair for this name: (certificate, key)."""
    pair = os.path.join(folder, name + ".pem"), os.path.join(folder, name + ".key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=" + name, "-addext", "subjectAltName=DNS:" + name, "-out", pair[0], "-keyout", pair[1]],
                   check=True, capture_output=True)
    return pair


class Authority:
    """Somebody who makes certificates, for those who trust `file`."""

    def __init__(self, folder):
        self.folder, self.count = folder, 0
        self.file, self.key = certificate(folder, "authority.example")

    def issue(self, *names, days=2):
        """(certificate with the authority's behind it, key) for these names. `days` 0: it has expired."""
        self.count += 1
        pair = os.path.join(self.folder, "issued%d.pem" % self.count), os.path.join(self.folder, "issued%d.key" % self.count)
        request, extensions = pair[0] + ".csr", pair[0] + ".ext"
        with open(extensions, "w") as file:
            file.write("subjectAltName=" + ",".join("DNS:" + name for name in names))
        subprocess.run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=" + names[0],
                        "-out", request, "-keyout", pair[1]], check=True, capture_output=True)
        subprocess.run(["openssl", "x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.key, "-CAcreateserial",
                        "-extfile", extensions, "-days", str(days), "-out", pair[0]], check=True, capture_output=True)
        with open(pair[0], "a") as file, open(self.file) as own:
            file.write(own.read())
        return pair


def tlsa(certificate_file, usage, selector):
    """A TLSA record's value, by SHA-256, of the first certificate in the file."""
    pem = subprocess.run(["openssl", "x509", "-in", certificate_file], check=True, capture_output=True).stdout
    if selector == 0:
        der = ssl.PEM_cert_to_DER_cert(pem.decode())
    else:
        key = subprocess.run(["openssl", "x509", "-pubkey", "-noout"], input=pem, check=True, capture_output=True).stdout
        der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key, check=True, capture_output=True).stdout
    return "%d %d 1 %s" % (usage, selector, hashlib.sha256(der).hexdigest())


class Web:
    """A web server with TLS. `pages`: {path: (status, type, body)}, or a function of the handler; `asked`: [(method, path, body)]."""

    def __init__(self, address, pair, port=443):
        self.pages, self.asked = {}, []
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                web.asked.append((self.command, self.path, body))
                page = web.pages.get(self.path, (404, "text/plain", b"nothing"))
                if callable(page):
                    return page(self)
                status, kind, body = page
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *_):
                pass

        class Listening(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Listening((address, port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
