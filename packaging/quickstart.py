"""The demonstration of packaging/quickstart: sends messages by SMTP, reads them back by POP3, compares.

Only Python's standard library. The password comes on standard input.
"""

import hashlib
import poplib
import re
import smtplib
import socket
import ssl
import struct
import sys
import uuid
import zlib
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate

HOST = "localhost"
TRACE_HEADERS = re.compile(rb"(?:(?:Return-Path|Delivered-To|Received):[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)*", re.I)


class Failure(Exception):
    pass


def probe(ports):
    """Prints the loopback hosts to listen on, as they stand in a listen address; fails if a port is taken."""
    hosts = []
    for family, host, text in ((socket.AF_INET, "127.0.0.1", "127.0.0.1"), (socket.AF_INET6, "::1", "[::1]")):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as trial:
                trial.bind((host, 0))
        except OSError:
            continue  # this machine has no such address
        for port in ports:
            with socket.socket(family, socket.SOCK_STREAM) as trial:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    trial.bind((host, port))
                except OSError as error:
                    raise Failure(f"port {port} of {text} cannot be used ({error.strerror}): another program, perhaps "
                                  f"another quickstart, has it; end that one (ss -ltnp shows it) and start again")
        hosts.append(text)
    if not hosts:
        raise Failure("this machine has no loopback address")
    print(" ".join(hosts))


def picture(side=96):
    """A PNG: a colour gradient."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + b"".join(bytes((x * 255 // side, y * 255 // side, (x ^ y) & 255)) for x in range(side))
                    for y in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def compose(sender, recipient, subject):
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = subject
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{uuid.uuid4()}@mailstead.test>"
    message.set_content("Grüße! This came in by SMTP and went out by POP3.\n\n.\n.. lines that begin with dots\n.\n",
                        cte="8bit")
    message.add_attachment(picture(), maintype="image", subtype="png", filename="gradient.png")
    return message["Message-ID"], message.as_bytes()


def send(smtp, sender, recipient, message):
    options = ["BODY=8BITMIME"] if smtp.has_extn("8bitmime") else []
    smtp.sendmail(sender, [recipient], message, mail_options=options)


def fetch(pop3, message_id):
    """The stored message with this Message-ID; the newest messages are looked at first."""
    wanted = f"Message-ID: {message_id}".encode()
    count, _ = pop3.stat()
    for number in range(count, 0, -1):
        if wanted in pop3.top(number, 0)[1]:
            return b"".join(line + b"\r\n" for line in pop3.retr(number)[1])
    raise Failure(f"none of the {count} messages in the mailbox is the one that was sent")


def compare(sent, received):
    trace = TRACE_HEADERS.match(received).group()
    if b"received:" not in trace.lower():
        raise Failure("the received message has no Received line")
    if received[len(trace):] != sent:
        raise Failure("the received message differs from the one that was sent")
    return len(sent)


def demonstrate(address, certificate, ports, password):
    """`ports`: of SMTP (STARTTLS is used), of submission and of POP3 (both TLS from the start)."""
    smtp_port, submissions_port, pop3s_port = ports
    tls = ssl.create_default_context(cafile=certificate)

    from_outside, outside = compose("Berta <berta@example.org>", address, "Welcome: a message from outside")
    with smtplib.SMTP(HOST, smtp_port, local_hostname="client.example.org", timeout=30) as smtp:
        smtp.starttls(context=tls)
        send(smtp, "berta@example.org", address, outside)
    print(f"Sent by SMTP, port {smtp_port}, STARTTLS: {len(outside)} octets with a picture")

    from_client, own = compose(address, address, "Welcome: a message from your mail program")
    with smtplib.SMTP_SSL(HOST, submissions_port, local_hostname="client.example.org", timeout=30, context=tls) as smtp:
        smtp.login(address, password)
        send(smtp, address, address, own)
    print(f"Sent by SMTP, port {submissions_port}, TLS, logged in: {len(own)} octets with a picture")

    pop3 = poplib.POP3_SSL(HOST, pop3s_port, timeout=30, context=tls)
    try:
        pop3.user(address)
        pop3.pass_(password)
        for message_id, sent in ((from_outside, outside), (from_client, own)):
            octets = compare(sent, fetch(pop3, message_id))
            print(f"Read by POP3, port {pop3s_port}, TLS: {octets} octets, the same byte for byte")
    finally:
        pop3.quit()


def fingerprint(certificate):
    with open(certificate, encoding="ascii") as file:
        pem = re.search("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", file.read(), re.S).group()
    print(":".join(f"{octet:02X}" for octet in hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).digest()))


def main(arguments):
    command, *rest = arguments
    try:
        if command == "probe":
            probe([int(port) for port in rest])
        elif command == "demonstrate":
            demonstrate(rest[0], rest[1], [int(port) for port in rest[2:]], sys.stdin.readline().rstrip("\n"))
        elif command == "fingerprint":
            fingerprint(rest[0])
        else:
            raise Failure(f"unknown command {command}")
    except (Failure, OSError, smtplib.SMTPException, poplib.error_proto) as error:
        print(f"quickstart: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
