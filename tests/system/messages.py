"""Real messages, made the same way every time. All have CRLF line ends and end in CRLF, as they go over the wire."""

import base64
import random
import struct
import zlib

WORDS = ("house garden letter window river evening answer basket candle morning winter summer teacher kitchen "
         "journey mountain bicycle library").split()


def head(name, *more):
    lines = ["From: Anna Example <anna@example.org>", "To: Bert Example <bert@example.org>",
             "Date: Mon, 05 Jan 2026 10:11:12 +0100", "Message-ID: <%s@mail.example.org>" % name,
             "Subject: message %s" % name, "X-Message: %s" % name, *more]
    return "".join(line + "\r\n" for line in lines).encode("ascii")


def written_by(address, message):
    """The same message with another author."""
    return message.replace(b"<anna@example.org>", b"<%s>" % address.encode(), 1)


def crlf(text):
    return text.replace("\n", "\r\n")


def png(width, height, seed):
    """A real PNG: RGB, no filter."""
    noise = random.Random(seed)
    rows = b"".join(b"\0" + noise.randbytes(3 * width) for _ in range(height))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows, 6)) + chunk(b"IEND", b""))


def pdf(text):
    """A real one-page PDF."""
    stream = ("BT /F1 24 Tf 72 720 Td (%s) Tj ET" % text).encode()
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
               b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
               b"/Resources << /Font << /F1 5 0 R >> >> >>",
               b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
               b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    out, places = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)


def base64_lines(data):
    # 57 octets make a line of 76.
    text = base64.b64encode(data)
    return b"".join(text[i:i + 76] + b"\r\n" for i in range(0, len(text), 76))


def multipart(name, parts):
    """`parts`: (content type, file name or None, octets)."""
    boundary = "=_part_%s_=" % name
    out = head(name, "MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="%s"' % boundary) + b"\r\n"
    out += b"This is a message in several parts.\r\n"
    for kind, file, data in parts:
        out += b"\r\n--" + boundary.encode() + b"\r\nContent-Type: " + kind.encode() + b"\r\n"
        if file:
            out += b"Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"%s\"\r\n\r\n" % (
                file.encode())
            out += base64_lines(data)
        else:
            out += b"\r\n" + data
    return out + b"\r\n--" + boundary.encode() + b"--\r\n"


def prose(lines, seed):
    source = random.Random(seed)
    return "".join(" ".join(source.choice(WORDS) for _ in range(source.randint(0, 11))) + "\r\n"
                   for _ in range(lines)).encode()


def small_messages():
    """{name: octets}, without the large one."""
    out = {}
    out["plain"] = head("plain") + b"\r\nHello Bert,\r\n\r\nthis is all.\r\n\r\nAnna\r\n"
    out["images"] = multipart("images", [("text/plain; charset=us-ascii", None, b"Two pictures and a paper.\r\n"),
                                         ("image/png", "garden.png", png(64, 48, 1)),
                                         ("image/png", "one.png", png(1, 1, 2)),
                                         ("application/pdf", "paper.pdf", pdf("Mailstead"))])
    eight = ["MIME-Version: 1.0", "Content-Transfer-Encoding: 8bit"]
    out["utf8"] = (head("utf8", *eight, "Content-Type: text/plain; charset=utf-8") + b"\r\n"
                   + crlf("Grüße aus Köln, 東京, \U0001f4ee – “quoted”\n£ € ¥\n").encode("utf-8"))
    out["latin1"] = (head("latin1", *eight, "Content-Type: text/plain; charset=iso-8859-1") + b"\r\n"
                     + crlf("Grüße aus Köln\nÿþ naïve façade\n").encode("latin-1"))
    out["every_octet"] = (head("every_octet", *eight, "Content-Type: text/plain; charset=x-unknown") + b"\r\n"
                          + bytes(octet for octet in range(1, 256) if octet not in b"\r\n") + b"\r\n")
    out["empty_body"] = head("empty_body") + b"\r\n"
    out["blank_line_body"] = head("blank_line_body") + b"\r\n\r\n"
    out["no_body"] = head("no_body")
    out["dots"] = (head("dots") + b"\r\n.\r\n..\r\n...\r\n.leading\r\n..leading\r\nmiddle . dot .\r\n"
                   b"a dot at the end.\r\n.\r\n\r\n.\r\n..\r\n.\r\n")
    out["long_header"] = (head("long_header", *["X-Keys:" + "".join("\r\n\t" + "k%03d " % i + "v" * 60 for i in range(400))],
                               "X-Line: " + "w" * (998 - len("X-Line: "))) + b"\r\nshort\r\n")
    out["lines_998"] = head("lines_998") + b"\r\n" + b"".join(
        first + bytes([97 + i % 26]) * (998 - len(first)) + b"\r\n" for i, first in enumerate([b"", b".", b"..", b" "] * 10))
    out["many_lines"] = head("many_lines") + b"\r\n" + prose(6000, 3)
    out["spaces"] = head("spaces") + b"\r\n trailing \r\ntab\t\r\n \r\n\t\r\n>From here\r\nFrom there\r\n\r\n\r\n\r\n"
    return out


def large_message():
    """25 MB attached: 34 MB on the wire."""
    data = random.Random(25).randbytes(25_000_000)
    return multipart("large", [("text/plain", None, b"A film.\r\n"), ("video/mp4", "film.mp4", data)])


def numbered(number, size):
    """A message that tells its number, with a body that follows from it; dot lines included."""
    source = random.Random(number)
    out = [b"From: ledger@elsewhere.example\r\nTo: a@example.org\r\nSubject: %d\r\nX-Number: %d\r\n\r\n" % (number, number)]
    length = len(out[0])
    while length < size:
        line = source.choice((b"", b".", b"..", b".x")) + b"%x" % source.getrandbits(4 * source.randint(1, 70)) + b"\r\n"
        out.append(line)
        length += len(line)
    out.append(b"end of %d\r\n" % number)
    return b"".join(out)
