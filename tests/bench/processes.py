"""What a server costs: all of its processes together, those that have ended included."""

import os
import resource

RESERVED = 700  # open files that a server of ours keeps for other work, and a few more
TICK = os.sysconf("SC_CLK_TCK")


def tree(pid):
    """{pid: fields of its stat after the name} of a process and all below it."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name) as file:
                    found[int(name)] = file.read().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended meanwhile
    below, more = {pid}, True
    while more:
        added = {each for each, fields in found.items() if int(fields[1]) in below} - below
        below |= added
        more = bool(added)
    return {each: found[each] for each in below}


def processor_seconds(pid):
    """User and system time. A child that ends moves from its own count into its parent's."""
    return sum(int(ticks) for fields in tree(pid).values() for ticks in fields[11:15]) / TICK


def memory(pid):
    """PSS in octets: what processes share counts once."""
    octets = 0
    for each in tree(pid):
        try:
            with open("/proc/%d/smaps_rollup" % each) as file:
                octets += sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return octets


def raise_file_limit(wanted):
    """As far as it may be; servers and clients that are started inherit it. Returns it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(wanted, hard), max(wanted, hard)))
    except (ValueError, PermissionError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def most_connections(wanted):
    """As many of them as the limit of open files allows a server of ours, which counts two for each; the limit is raised as far as
    it may be."""
    return min(wanted, (raise_file_limit(2 * wanted + RESERVED) - RESERVED) // 2)
