"""A clock that is set wrong, and right again, while mail waits to be sent: nothing is given up for it, and nothing is
forgotten. The server's clock is ours by a library that is loaded before all others; exits with 77 where none can be made."""

import os
import subprocess
import sys
import tempfile
import time
import unittest

import internet
import mailstead
import sending
from mailstead import until

YEARS = 10 * 365 * 86400
SOURCE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long ahead(void) {
  char text[32] = {0};
  const int file = open(getenv("CLOCK_AHEAD"), O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  if (read(file, text, sizeof text - 1) < 0) text[0] = 0;
  close(file);
  return atol(text);
}

int clock_gettime(clockid_t clock, struct timespec* at) {
  const int result = syscall(SYS_clock_gettime, clock, at);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) at->tv_sec += ahead();
  return result;
}

time_t time(time_t* at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}

int gettimeofday(struct timeval* at, void* zone) {
  struct timespec now;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &now);
  at->tv_sec = now.tv_sec;
  at->tv_usec = now.tv_nsec / 1000;
  return 0;
}
"""


def make_clock(folder):
    """The library's path; ends the program with SKIP where it cannot be made."""
    made = os.path.join(folder, "clock.so")
    source = os.path.join(folder, "clock.c")
    with open(source, "w") as file:
        file.write(SOURCE)
    for compiler in ("cc", "gcc", "clang"):
        try:
            if subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", made, source]).returncode == 0:
                return made
        except FileNotFoundError:
            pass
    print("skipped: there is no C compiler")
    sys.exit(mailstead.SKIP)


class ClockJumps(sending.Sender):
    settings = sending.SETTINGS + "delay_warning = \"1 h\"\n"

    def setUp(self):
        super().setUp()
        self.server.stop()
        self.ahead = os.path.join(self.server.folder, "ahead")  # the server sees nothing else of /tmp
        self.set_clock(0)
        self.server.environment.update(LD_PRELOAD=CLOCK, CLOCK_AHEAD=self.ahead, ASAN_OPTIONS=":".join(
            filter(None, [mailstead.SANITIZER, "verify_asan_link_order=0"])))
        self.server.start()
        self.far = self.host("192.0.2.10", "far.example")
        self.far.replies["RCPT"] = "450 4.7.1 later"

    def set_clock(self, ahead):
        with open(self.ahead + ".new", "w") as file:
            file.write(str(ahead))
        os.rename(self.ahead + ".new", self.ahead)

    def attempts(self, sent):
        return next(entry["recipients"][0]["attempts"] for entry in self.queue() if entry["id"] == sent)

    def test_years_ahead_nothing_is_given_up(self):
        sent = self.submit("carl@far.example")
        until(lambda: self.attempts(sent) == 1, "it was tried")
        self.set_clock(YEARS)
        late = self.submit("dora@far.example")
        for tries in (2, 3):
            self.server.admin("queue", "retry")
            until(lambda: self.attempts(sent) >= tries and self.attempts(late) >= tries - 1, "it was tried again")
        self.assertEqual(self.mail(), [], "told of a failure, or a delay")
        del self.far.replies["RCPT"]
        self.server.admin("queue", "retry")
        self.emptied()
        self.assertEqual(sorted(each["to"] for each in self.far.taken), [["<carl@far.example>"], ["<dora@far.example>"]])
        self.assertEqual(self.mail(), [])

    def stands_still(self):
        return [line for line in self.server.lines if " alert about=queue " in line]

    def test_a_queue_that_stands_still_for_hours_is_told(self):
        """Also where no host is ever asked, since the DNS does not answer; a domain alone may be dead itself."""
        self.names.trouble.update({"far.example": "SERVFAIL", "near.example": "SERVFAIL"})
        sent = self.submit("carl@far.example")
        until(lambda: self.attempts(sent) >= 1, "it was tried")
        self.set_clock(2 * 3600 + 60)
        time.sleep(65)  # it looks once a minute
        self.assertEqual(self.stands_still(), [])
        sent = self.submit("dora@near.example")
        until(lambda: self.attempts(sent) >= 1, "it was tried")
        until(self.stands_still, "a word in the log")
        self.assertRegex(self.stands_still()[0], "No mail has gone out for 2 h [0-9]+ min: 2 recipients wait")

    def put_off_for_years(self):
        """Two messages that were tried while the clock was ahead, one that came then, and one that its sender wants held."""
        held = self.submit("held@far.example", parameters="HOLDFOR=2000000")
        before = self.submit("carl@far.example")
        until(lambda: self.attempts(before) == 1, "it was tried")
        self.set_clock(YEARS - 3600)  # the held one's time has come: it is tried with the others
        meanwhile = self.submit("dora@far.example")
        self.server.admin("queue", "retry")
        until(lambda: self.attempts(before) >= 2 and self.attempts(meanwhile) >= 1, "they were tried")
        return held

    def taken(self):
        return sorted(recipient for each in self.far.taken for recipient in each["to"])

    def test_set_back_while_it_runs(self):
        held = self.put_off_for_years()
        self.set_clock(0)
        # What happens shows the clock; else it is looked at once a minute.
        self.submit("emil@far.example")
        self.server.wait_line(lambda line: " queue-clock " in line, "a word about the clock")
        del self.far.replies["RCPT"]
        until(lambda: self.taken() == ["<carl@far.example>", "<dora@far.example>", "<emil@far.example>"], "all have come")
        until(lambda: [entry["id"] for entry in self.queue()] == [held], "nothing else is left")
        self.server.admin("queue", "release", held)
        self.emptied()
        self.assertEqual(self.mail(), [])

    def test_set_back_while_it_is_stopped(self):
        held = self.put_off_for_years()
        self.server.stop()
        self.set_clock(0)
        del self.far.replies["RCPT"]
        self.server.start()
        until(lambda: self.taken() == ["<carl@far.example>", "<dora@far.example>"], "all have come")
        until(lambda: [entry["id"] for entry in self.queue()] == [held], "nothing else is left")
        self.assertEqual(self.mail(), [])

    def test_what_is_to_be_there_by_a_moment_goes_by_the_clock(self):
        self.far.extensions.append("DELIVERBY")
        self.submit("carl@far.example", parameters="BY=3600;R")
        self.told("deferred", "carl@far.example")
        self.set_clock(YEARS)
        self.server.admin("queue", "retry")
        self.emptied()
        self.assertIn("carl@far.example", self.report().as_string())


if __name__ == "__main__":
    internet.enter_namespace()
    with tempfile.TemporaryDirectory() as library:
        CLOCK = make_clock(library)
        unittest.main()
