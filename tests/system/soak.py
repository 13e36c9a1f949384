"""Hostile connections of twenty kinds, a thousand at a time, beside fifty clients that behave. The latter lose nothing and are
served all the time, memory stays bounded, and no descriptor is left behind. SECONDS in the environment: how long."""

import asyncio
import base64
import collections
import os
import random
import ssl
import struct
import socket
import time

import mailstead

SECONDS = int(os.environ.get("SECONDS", "120"))
HOSTILE = int(os.environ.get("HOSTILE", "1000"))
GOOD = 50
PASSWORD = "correct horse"
TLS = mailstead.no_verify_context()
PATIENCE = 12  # seconds that one hostile connection is kept up


class Peer:
    """A connection without buffers of its own that could hide what the server does."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def say(self, octets):
        self.writer.write(octets)
        await self.writer.drain()

    async def hear(self, size=65536):
        return await self.reader.read(size)

    async def hear_all(self):
        while await self.hear():
            pass

    def reset(self):
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


ENVELOPE = b"EHLO x\r\nMAIL FROM:<a@elsewhere.example>\r\nRCPT TO:<victim@example.org>\r\n"


# Each kind is given a fresh connection to the service that its name begins with, and may do with it what it likes.

async def smtp_slow_drip(peer):
    while True:
        await peer.say(b"E")
        await asyncio.sleep(0.5)


async def smtp_slow_message(peer):
    await peer.say(ENVELOPE)
    await peer.hear()
    await peer.say(b"DATA\r\n")
    while True:
        await peer.say(b"a\r\n")
        await asyncio.sleep(0.3)


async def smtp_silence(peer):
    await peer.hear_all()


async def smtp_flood_of_noop(peer):
    while True:
        await peer.say(b"NOOP\r\n" * 500)
        await peer.hear()


async def smtp_never_reading(peer):
    peer.reader._transport.pause_reading()
    while True:
        await asyncio.wait_for(peer.say(b"EHLO x\r\n" * 2000), PATIENCE)


async def smtp_huge_line(peer):
    while True:
        await peer.say(b"A" * 65536)


async def smtp_huge_header_line(peer):
    await peer.say(ENVELOPE)
    await peer.hear()
    await peer.say(b"DATA\r\n")
    await peer.say(b"X: ")
    for _ in range(64):
        await peer.say(b"A" * 65536)
    await peer.say(b"\r\n.\r\n")
    await peer.hear()


async def smtp_reset_in_data(peer):
    await peer.say(ENVELOPE)
    await peer.hear()
    await peer.say(b"DATA\r\n")
    await peer.hear()
    await peer.say(b"a\r\n" * 1000)
    peer.reset()


async def smtp_reset_at_once(peer):
    peer.reset()


async def smtp_too_many_recipients(peer):
    await peer.say(b"EHLO x\r\nMAIL FROM:<>\r\n")
    for number in range(3000):
        await peer.say(b"RCPT TO:<victim+%d@example.org>\r\n" % number)
    await peer.hear()


async def smtp_chunk_without_end(peer):
    await peer.say(ENVELOPE + b"BDAT 40000000\r\n")
    while True:
        await peer.say(b"b" * 65536)
        await asyncio.sleep(0.5)


async def smtp_errors(peer):
    await peer.say(b"nonsense\r\n" * 30)
    await peer.hear_all()


async def smtp_starttls_and_silence(peer):
    await peer.say(b"EHLO x\r\nSTARTTLS\r\n")
    await peer.hear_all()


async def submission_guessing(peer):
    await peer.hear()
    await peer.say(b"EHLO x\r\n")
    for number in range(5):
        token = base64.b64encode(b"\0victim@example.org\0guess %d" % number)
        await peer.say(b"AUTH PLAIN " + token + b"\r\n")
        await peer.hear()


async def submission_bad_base64(peer):
    await peer.say(b"EHLO x\r\n" + b"AUTH PLAIN ====\r\nAUTH LOGIN\r\n*\r\n" * 5)
    await peer.hear_all()


async def submissions_half_open_tls(peer):
    await peer.say(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    await peer.hear_all()


async def submissions_plain_text(peer):
    await peer.say(b"EHLO x\r\n")
    await peer.hear_all()


async def pop3_flood_of_capa(peer):
    while True:
        await peer.say(b"CAPA\r\n" * 200)
        await peer.hear()


async def pop3_guessing(peer):
    await peer.hear()
    for number in range(5):
        await peer.say(b"USER victim@example.org\r\nPASS guess %d\r\n" % number)
        await peer.hear()


async def pop3s_garbage(peer):
    await peer.say(random.randbytes(5000))
    await peer.hear_all()


KINDS = [kind for name, kind in sorted(globals().items())
         if name.split("_")[0] in ("smtp", "submission", "submissions", "pop3", "pop3s") and asyncio.iscoroutinefunction(kind)]


async def ask(peer, line, code):
    await peer.say(line + b"\r\n")
    return await expect(peer, code)


async def expect(peer, code):
    while True:
        line = await asyncio.wait_for(peer.reader.readline(), 60)
        if not line.startswith(code):
            raise AssertionError("%r instead of %r" % (line, code))
        if line[3:4] != b"-":
            return line


class Soak(mailstead.ServerTest):
    mailboxes = ()

    def setUp(self):
        self.server = self.new_server('[limits]\nconnections = 4000\n').start()
        self.users = ["good%d@example.org" % number for number in range(GOOD)]
        for user in (*self.users, "victim@example.org"):
            self.server.add_cheap_mailbox(user)
        self.hostile = collections.Counter()
        self.confirmed = collections.defaultdict(set)
        self.fetched = collections.Counter()
        self.waits = []

    async def connect(self, service, **more):
        return Peer(*await asyncio.open_connection(*self.server.ports[service], **more))

    async def attack(self, until):
        while time.monotonic() < until:
            kind = random.choice(KINDS)
            peer = None
            try:
                peer = await self.connect(kind.__name__.split("_")[0])
                self.hostile[kind.__name__] += 1
                await asyncio.wait_for(kind(peer), min(PATIENCE, until - time.monotonic()))
            except (OSError, TimeoutError, asyncio.TimeoutError, asyncio.IncompleteReadError):
                pass
            finally:
                if peer is not None:
                    peer.writer.transport.abort()
            await asyncio.sleep(random.random())

    async def send(self, user, number):
        """One message by one of the three ways; it counts when it was confirmed."""
        service = ("smtp", "submission", "submissions")[number % 3]
        peer = await self.connect(service, **({"ssl": TLS} if service == "submissions" else {}))
        try:
            await expect(peer, b"220")
            await ask(peer, b"EHLO good.example", b"250")
            if service != "smtp":
                token = base64.b64encode(("\0%s\0%s" % (user, PASSWORD)).encode())
                await ask(peer, b"AUTH PLAIN " + token, b"235")
            await ask(peer, b"MAIL FROM:<%s>" % user.encode(), b"250")
            await ask(peer, b"RCPT TO:<%s>" % user.encode(), b"250")
            await ask(peer, b"DATA", b"354")
            await peer.say(b"From: %s\r\nSubject: %d\r\n\r\n%s\r\n.\r\n" % (user.encode(), number, b"x" * random.randrange(9000)))
            await expect(peer, b"250")
            self.confirmed[user].add(number)
            await ask(peer, b"QUIT", b"221")
        finally:
            peer.writer.transport.abort()

    async def take(self, user):
        """All that is there, which is deleted then."""
        peer = await self.connect("pop3")
        try:
            await expect(peer, b"+OK")
            await ask(peer, b"USER " + user.encode(), b"+OK")
            await ask(peer, b"PASS " + PASSWORD.encode(), b"+OK")
            count = int((await ask(peer, b"STAT", b"+OK")).split()[1])
            numbers = []
            for index in range(1, count + 1):
                await ask(peer, b"RETR %d" % index, b"+OK")
                while (line := await asyncio.wait_for(peer.reader.readline(), 60)) != b".\r\n":
                    if line.startswith(b"Subject: "):
                        numbers.append(int(line.split()[1]))
                await ask(peer, b"DELE %d" % index, b"+OK")
            await ask(peer, b"QUIT", b"+OK")
            for number in numbers:
                self.fetched[user, number] += 1
        finally:
            peer.writer.transport.abort()

    async def behave(self, user, until):
        number = 0
        while time.monotonic() < until:
            began = time.monotonic()
            await self.send(user, number)
            number += 1
            if number % 4 == 0:
                await self.take(user)
            self.waits.append(time.monotonic() - began)
            await asyncio.sleep(random.random())
        await self.take(user)

    async def watch(self, until, memory):
        while time.monotonic() < until:
            memory.append(mailstead.memory(self.server.pid)[0])
            await asyncio.sleep(1)

    async def run_all(self, memory):
        until = time.monotonic() + SECONDS
        good = [self.behave(user, until) for user in self.users]
        bad = [self.attack(until) for _ in range(HOSTILE)]
        await asyncio.gather(self.watch(until, memory), *good, *bad)

    def open_files(self):
        return len(os.listdir("/proc/%d/fd" % self.server.pid))

    def test_the_good_lose_nothing(self):
        asyncio.run(asyncio.wait_for(self.warm_up(), 120))
        files, memory = self.open_files(), []
        asyncio.run(self.run_all(memory))
        self.assertEqual(len(KINDS), 20)
        self.assertEqual(set(self.hostile), {kind.__name__ for kind in KINDS})
        for user in self.users:
            self.assertTrue(self.confirmed[user], "%s sent nothing" % user)
            for number in self.confirmed[user]:
                self.assertEqual(self.fetched[user, number], 1, (user, number))
        mailstead.until(lambda: all(listener["connections"] == 0 for listener in self.server.json("status")["listeners"]),
                        "all connections have ended")
        # A mailbox's folder may stay open.
        self.assertLessEqual(self.open_files(), files + 16)
        confirmed, waits = sum(map(len, self.confirmed.values())), sorted(self.waits)
        print("%d hostile connections of %d kinds in %d s beside %d clients: %d messages confirmed and fetched once, "
              "half of the turns within %.2f s, the longest %.2f s; memory %.0f MiB at most, %.0f MiB at the end; %d files open, %d before"
              % (sum(self.hostile.values()), len(KINDS), SECONDS, GOOD, confirmed, waits[len(waits) // 2], waits[-1],
                 max(memory) / 2**20, mailstead.memory(self.server.pid)[0] / 2**20, self.open_files(), files))
        if not mailstead.sanitized():
            self.assertLess(max(memory), 512 << 20)

    async def warm_up(self):
        await asyncio.gather(*(self.send(user, 10_000_000) for user in self.users))
        await asyncio.gather(*(self.take(user) for user in self.users))


if __name__ == "__main__":
    mailstead.main()
