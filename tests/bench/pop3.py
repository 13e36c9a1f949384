"""POP3 beside Dovecot in the same run: sessions a second, octets a second.

  pop3.py [--messages 1000] [--users 50] [--seconds 4] [--rounds 3]

Environment: MAILSTEAD and POP3_LOAD, the binaries. Each measure alternates between the two servers; a ratio is that of
the medians. The machine should be idle; only the ratios mean something.
"""

import argparse
import os
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "conformance"))
import sites  # noqa: E402
import mailstead  # noqa: E402

MEASURES = [("login", "", "sessions"),
            ("login, STAT, LIST, UIDL", "STAT;LIST;UIDL", "sessions"),
            ("200 RETR of 4 KiB, pipelined", ";".join("RETR %d" % number for number in range(1, 201)), "octets")]


def message(number):
    body = (b"%076d\r\n" % number) * 51
    return b"Subject: %d\r\nFrom: a@elsewhere.example\r\n\r\n" % number + body


def fill(site, users, messages):
    """Mailboxes with these many messages each, put there as files by both servers' own rules."""
    names = []
    for _ in range(users):
        user = site.mailbox()
        names.append(user)
        folder = site.folder_of(user)
        for number in range(messages):
            with open(os.path.join(folder, "%d.%d.bench" % (1_700_000_000 + number, number)), "wb") as file:
                file.write(message(number))
        owner = os.stat(folder)
        subprocess.run(["chown", "-R", "%d:%d" % (owner.st_uid, owner.st_gid), folder], check=True)
    for user in names:
        mailstead.until(lambda: has(site, user, messages), "%s has its messages" % user)
    return names


def has(site, user, messages):
    with site.session(user) as session:
        count = session.stat()[0]
        session.quit()
    return count == messages


def load(site, users, commands, seconds):
    done = subprocess.run([os.environ["POP3_LOAD"], str(site.ports["pop3"][1]), str(seconds), str(len(users)), sites.PASSWORD,
                           commands, *users], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit("%s: %s" % (site.name, done.stderr))
    sessions, octets, took = done.stdout.split()
    return {"sessions": int(sessions) / float(took), "octets": int(octets) / float(took)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    mailstead.raise_file_limit()
    with sites.Mailstead() as ours, sites.Dovecot(fast=True) as peer:
        users = {site: fill(site, options.users, options.messages) for site in (ours, peer)}
        ours.be_quiet()
        print("%d users with %d messages each, %d connections at a time" % (options.users, options.messages, options.users))
        for name, commands, unit in MEASURES:
            if commands.startswith("RETR") and options.messages < 200:
                continue
            found = {ours: [], peer: []}
            for _ in range(options.rounds):
                for site in (ours, peer):
                    found[site].append(load(site, users[site], commands, options.seconds)[unit])
            mine, theirs = statistics.median(found[ours]), statistics.median(found[peer])
            scale, label = (1, "sessions/s") if unit == "sessions" else (1e6, "MB/s")
            print("%-32s %8.0f %s, %s %8.0f: ratio %.1f" % (name, mine / scale, label, peer.name, theirs / scale, mine / theirs),
                  flush=True)


if __name__ == "__main__":
    main()
