"""The last step of a first-time user: Thunderbird is given the address and the password, and shows the mail that waits.

usage: first_mail.py FINGERPRINT SUBJECT, the password on stdin. The server listens on this machine's own ports.
"""

import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))

import mailstead  # noqa: E402
import thunderbird_setup  # noqa: E402

PORTS = {"pop3s": 995, "pop3": 110, "submissions": 465, "submission": 587, "web": 80}


def main(fingerprint, subject):
    home = mailstead.work_folder("mailstead-client-")
    try:
        password = sys.stdin.readline().rstrip("\n")
        _, account, inbox = thunderbird_setup.set_up_and_fetch(home, PORTS, fingerprint, password)
    finally:
        shutil.rmtree(home, True)
    print("Thunderbird made the account %s; its inbox has %s" % (account, [uidl for uidl, _ in inbox]))
    return 0 if len(inbox) == 1 and subject.encode() in inbox[0][1] else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
