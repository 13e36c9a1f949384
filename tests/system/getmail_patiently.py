"""Runs Debian's getmail with a child that waits until its parent waits for it.

getmail hands each message to a child process and begins to listen for its end only afterwards. On a busy machine the
child has ended by then, and getmail waits for ever: its fault, and none that a mail server could cause or prevent.
"""

import os
import runpy
import shutil
import sys
import time

fork = os.fork


def parent_waits():
    try:
        with open("/proc/%d/wchan" % os.getppid(), encoding="ascii") as file:
            return "futex" in file.read()
    except OSError:
        return False


def fork_patiently():
    child = fork()
    if child == 0:
        last = time.monotonic() + 5
        while not parent_waits() and time.monotonic() < last:
            time.sleep(0.002)
    return child


os.fork = fork_patiently
sys.argv[0] = shutil.which("getmail")
runpy.run_path(sys.argv[0], run_name="__main__")
