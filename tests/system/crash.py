"""kill -9 at random moments under load; what was promised has to be there afterwards.

Senders deliver by SMTP and deleters read and delete by POP3 until the server is killed. A ledger holds what each was told:

    message   promised   its 250 arrived: it is there, once, byte for byte, until its deletion is confirmed
              flying     the dot went out, no reply came back: there or not, at most once; what the first look shows, stays
              refused    never there
    deletion  confirmed  +OK to QUIT: gone for good
              flying     QUIT went out, no reply: all of the session's or none
              broken     no QUIT: nothing happened

In some rounds the index is lost, or an older copy of it put in its place, while the server is down: mail and UIDLs have to
be the same. ROUNDS (200) and SEED (printed) come from the environment.
"""

import os
import random
import shutil
import sys
import threading
import time
import unittest

import mailstead
import messages
from mailstead import Closed, Refused

ROUNDS = int(os.environ.get("ROUNDS") or os.environ.get("DEFAULT_ROUNDS", "200"))
SEED = int(os.environ.get("SEED", str(random.randrange(1 << 30))))
USERS = ("anna@example.org", "bert@example.org", "carl@example.org")
SENDERS = 4
KEEP = 60  # messages in a mailbox, below which nothing is deleted


class Message:
    def __init__(self, number, size, users):
        self.number, self.size, self.users = number, size, users


class Place:
    """One message in one mailbox. A message that was never sent to its end has none."""

    def __init__(self, message):
        self.message = message
        self.state = "flying"  # flying, promised, deleting, gone
        self.uidl = None


class Ledger:
    def __init__(self):
        self.lock = threading.Lock()
        self.places = {user: {} for user in USERS}  # number: Place
        self.uidls = {user: {} for user in USERS}   # every UIDL ever seen: number
        self.next = 0
        self.counts = dict.fromkeys(("promised", "flying_kept", "flying_lost", "deleted", "deletes_flying_done",
                                     "deletes_flying_undone", "half_delivered"), 0)

    def new_message(self, source):
        with self.lock:
            self.next += 1
            kind = source.random()
            size = (source.randint(0, 3000) if kind < 0.85 else source.randint(3000, 60_000) if kind < 0.96
                    else source.randint(300_000, 900_000))
            users = source.sample(USERS, 1 if source.random() < 0.8 else 2)
            return Message(self.next, size, users)

    def note_sent(self, message, state):
        """`state`: what the sender knows when its connection ends, or the reply to the dot has come."""
        with self.lock:
            for user in message.users:
                place = self.places[user].setdefault(message.number, Place(message))
                if place.state == "flying":  # a deleter may have been faster than the reply to the sender
                    place.state = state
            self.counts["promised"] += state == "promised"

    def note_deleted(self, user, numbers, confirmed):
        with self.lock:
            for number in numbers:
                self.places[user][number].state = "gone" if confirmed else "deleting"
            self.counts["deleted"] += len(numbers) if confirmed else 0


def number_of(copy):
    line = next(line for name, line in mailstead.header_fields(copy)[0] if name == b"x-number")
    return int(line.partition(b":")[2])


class Sender(threading.Thread):
    def __init__(self, server, ledger, seed, stop):
        super().__init__(daemon=True)
        self.server, self.ledger, self.source, self.stopping = server, ledger, random.Random(seed), stop
        self.error = None

    def run(self):
        try:
            while not self.stopping.is_set():
                self.session()
        except (Closed, OSError):
            pass  # the server is gone
        except BaseException as error:
            self.error = error

    def session(self):
        with self.server.smtp() as session:
            for _ in range(self.source.randint(1, 8)):
                if self.stopping.is_set():
                    return
                message = self.ledger.new_message(self.source)
                wire = mailstead.stuffed(messages.numbered(message.number, message.size))
                session.envelope("ledger@elsewhere.example", message.users)
                session.must("DATA", "354")
                session.send_raw(wire[:-5])
                # From here on the message may be stored without our knowing.
                self.ledger.note_sent(message, "flying")
                session.send_raw(wire[-5:])
                code, text = session.reply()
                assert code == "250", (code, text)
                self.ledger.note_sent(message, "promised")


class Deleter(threading.Thread):
    def __init__(self, server, ledger, user, seed, stop):
        super().__init__(daemon=True)
        self.server, self.ledger, self.user, self.source, self.stopping = server, ledger, user, random.Random(seed), stop
        self.error = None

    def run(self):
        try:
            while not self.stopping.is_set():
                self.session()
        except (Closed, OSError):
            pass
        except BaseException as error:
            self.error = error

    def session(self):
        try:
            session = self.server.pop3(self.user)
        except Refused as refused:
            assert "[IN-USE]" in refused.reply, refused
            return
        with session:
            listed = session.uidl()
            chosen = []
            for number, uidl in listed[:max(0, len(listed) - self.source.randint(KEEP // 2, KEEP))]:
                known = self.ledger.uidls[self.user].get(uidl)
                if known is None:  # not read yet: read it first, as a client would
                    copy = session.retr(number)
                    known = check_copy(self.ledger, self.user, uidl, copy)
                session.must("DELE %d" % number)
                chosen.append(known)
            if self.source.random() < 0.2:
                return  # broken off: deletes nothing
            self.ledger.note_deleted(self.user, chosen, confirmed=False)
            reply = session.command("QUIT")
            assert reply.startswith("+OK"), reply
            self.ledger.note_deleted(self.user, chosen, confirmed=True)


def check_copy(ledger, user, uidl, copy):
    """Is this copy one that may be here, as it was sent? Notes its UIDL; returns its number."""
    number = number_of(copy)
    with ledger.lock:
        place = ledger.places[user].get(number)
    assert place is not None, "message %d is in %s and was never sent there" % (number, user)
    mailstead.assert_same(messages.numbered(number, place.message.size), mailstead.sent_part(copy), "message %d" % number)
    with ledger.lock:
        assert place.uidl in (None, uidl), "message %d has the UIDLs %s and %s: it is there twice" % (number, place.uidl, uidl)
        assert ledger.uidls[user].get(uidl, number) == number, "UIDL %s was given twice" % uidl
        place.uidl = uidl
        ledger.uidls[user][uidl] = number
    return number


def check_all(server, ledger, source, everything=False):
    """Compares all mailboxes with the ledger; settles what was flying."""
    settled = {}
    for user in USERS:
        with server.pop3(user) as session:
            listed = session.uidl()
            assert len({uidl for _, uidl in listed}) == len(listed), "a UIDL twice"
            sizes = session.sizes()
            assert session.stat() == (len(listed), sum(sizes))
            present = set()
            for (number, uidl), size in zip(listed, sizes):
                known = ledger.uidls[user].get(uidl)
                if known is None or everything or source.random() < 0.05:
                    copy = session.retr(number)
                    assert len(copy) == size, "size in LIST %d, sent %d" % (size, len(copy))
                    found = check_copy(ledger, user, uidl, copy)
                    assert known in (None, found), "UIDL %s was message %s, is message %d" % (uidl, known, found)
                    known = found
                assert known not in present, "message %d is there twice" % known
                present.add(known)
            session.quit()
        places = ledger.places[user]
        undecided = {}
        for number, place in places.items():
            there = number in present
            if place.state == "promised":
                assert there, "message %d was promised to %s and is not there" % (number, user)
            elif place.state == "gone":
                assert not there, "message %d was deleted from %s and is back" % (number, user)
            elif place.state == "flying":
                ledger.counts["flying_kept" if there else "flying_lost"] += 1
                place.state = "promised" if there else "gone"
                settled.setdefault(number, set()).add(there)
            elif place.state == "deleting":
                undecided[number] = there
        if undecided:
            assert len(set(undecided.values())) == 1, "%s: deletes done by halves: %s" % (user, undecided)
            for number, there in undecided.items():
                ledger.counts["deletes_flying_undone" if there else "deletes_flying_done"] += 1
                places[number].state = "promised" if there else "gone"
    # Nobody was promised anything, so this is no fault; the sender will come again, and one mailbox gets a second copy.
    ledger.counts["half_delivered"] += sum(len(found) == 2 for found in settled.values())


def database_files(server):
    return [name for name in sorted(os.listdir(server.data)) if name.startswith("mailstead.db")]


def lose_index(server):
    for name in database_files(server):
        os.unlink(os.path.join(server.data, name))


def keep_copy(server, folder):
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    for name in database_files(server):
        if not name.endswith("-shm"):
            shutil.copy(os.path.join(server.data, name), folder)


def put_copy(server, folder):
    lose_index(server)
    for name in os.listdir(folder):
        shutil.copy(os.path.join(folder, name), server.data)


class Crash(unittest.TestCase):
    def test_kill_9(self):
        print("\nROUNDS=%d SEED=%d" % (ROUNDS, SEED), flush=True)
        source = random.Random(SEED)
        ledger = Ledger()
        server = mailstead.Server()
        copy = os.path.join(server.folder, "older-index")
        begin = time.monotonic()
        recoveries = losses = restores = 0
        with server:
            server.start()
            for user in USERS:
                server.add_cheap_mailbox(user)
            for number in range(1, ROUNDS + 1):
                self.load_and_kill(server, ledger, source)
                special = number % 12
                if special in (4, 8, 0):
                    # First the interrupted deletes are finished: losing the index as well would be a second misfortune.
                    server.start()
                    if source.random() < 0.5:
                        server.kill()
                    else:
                        server.stop()
                    if special == 4:
                        keep_copy(server, copy)
                    elif special == 8 and os.path.isdir(copy):
                        put_copy(server, copy)
                        restores += 1
                    elif special == 0:
                        lose_index(server)
                        losses += 1
                server.start()
                if special == 0:
                    for user in USERS:
                        with server.pop3() as session:
                            session.must("USER " + user)
                            session.refused("PASS " + server.passwords[user])
                        server.set_cheap_password(user)
                recoveries += " recovered " in server.log()
                try:
                    check_all(server, ledger, source, everything=number == ROUNDS or special == 0)
                except AssertionError as error:
                    raise AssertionError("round %d (SEED=%d): %s" % (number, SEED, error))
            self.assertGreater(ledger.counts["promised"], ROUNDS, "hardly any load")
            self.assertGreater(ledger.counts["deleted"], 0)
        seconds = time.monotonic() - begin
        print("%d rounds in %.0f s; %s; rounds with something to recover: %d; index lost %d times, an older one put back %d times"
              % (ROUNDS, seconds, ", ".join("%s %d" % item for item in ledger.counts.items()), recoveries, losses, restores))

    def load_and_kill(self, server, ledger, source):
        stop = threading.Event()
        threads = [Sender(server, ledger, source.random(), stop) for _ in range(SENDERS)]
        threads += [Deleter(server, ledger, user, source.random(), stop) for user in USERS]
        for thread in threads:
            thread.start()
        # The one place where time passes: the moment of the kill is meant to be anywhere.
        time.sleep(source.uniform(0.005, 0.3))
        stop.set()  # a session that has just begun need not begin another
        server.kill()
        for thread in threads:
            thread.join(mailstead.TIMEOUT)
            self.assertFalse(thread.is_alive())
            if thread.error is not None:
                raise thread.error


if __name__ == "__main__":
    mailstead.main()
