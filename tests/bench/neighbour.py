"""A neighbour that writes to the same file system all the time: neighbour.py FOLDER MB-PER-SECOND, until SIGTERM.

It writes over one file again and again and flushes it four times a second, so that the disk really has that to do. At the end it
prints how many MB a second it got.
"""

import os
import signal
import sys
import time

PIECE = b"\xa5" * (2 << 20)
ROUND = 256 * len(PIECE)  # octets, then from the beginning
FLUSHES = 4               # a second


class Neighbour:
    def __init__(self, folder, rate):
        path = os.path.join(folder, "neighbour")
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.unlink(path)
        self.rate, self.octets, self.ended = rate, 0, False
        signal.signal(signal.SIGTERM, self.end)

    def end(self, *_):
        self.ended = True

    def write(self):
        """Until the end; the rate that it got."""
        begin = due = flushed = time.monotonic()
        while not self.ended:
            self.octets += os.pwrite(self.fd, PIECE, self.octets % ROUND)
            now = time.monotonic()
            if now - flushed > 1 / FLUSHES:
                os.fdatasync(self.fd)
                flushed = now
            # What a slow flush took is made up for, but no more than a second of it.
            due = max(due + len(PIECE) / self.rate, now - 1)
            time.sleep(max(0, due - now))
        return self.octets / (time.monotonic() - begin)


def main():
    print("%.0f" % (Neighbour(sys.argv[1], float(sys.argv[2]) * 1e6).write() / 1e6))


if __name__ == "__main__":
    main()
