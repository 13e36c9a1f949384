"""Sessions a second, and what they cost the server and the client: pop3_load against each server in turn."""

import os
import statistics
import subprocess

import processes
from servers import sites

CLIENT = os.environ.get("POP3_LOAD", "")


class Measure:
    """`commands` between login and QUIT; `unit` says what is counted each second. Goals are times the peer's."""

    def __init__(self, name, mailboxes, commands, unit="sessions/s", service="pop3", rate=None, cost=None):
        self.name, self.mailboxes, self.commands, self.unit, self.service = name, mailboxes, commands, unit, service
        self.goals = {"rate": rate, "cost": cost}

    def units(self, sessions, octets):
        return {"sessions/s": sessions, "RETR/s": sessions * len(self.commands), "MB/s": octets / 1e6}[self.unit]

    def run(self, sites_, seconds, rounds, table):
        octets = {site: self.mailboxes.verify(site, self.service, self.commands) for site in sites_}
        found = {site: [] for site in sites_}
        for turn in range(rounds):
            for site in sites_ if turn % 2 == 0 else reversed(sites_):
                found[site].append(self.load(site, seconds, octets[site]))
        medians = {site: {key: statistics.median(each[key] for each in found[site]) for key in found[site][0]}
                   for site in sites_}

        def of(key):
            return [medians[site][key] for site in sites_]

        table.rate(self.name, self.unit, of("rate"), self.goals["rate"], clients=of("client"))
        table.cost(self.name, "CPU s/1,000 sessions", of("cost"), self.goals["cost"])

    def load(self, site, seconds, octets):
        users = self.mailboxes.users[site]
        before = processes.processor_seconds(site.pid)
        done = subprocess.run([CLIENT, "load", str(site.ports[self.service][1]), self.service, sites.PASSWORD, str(seconds),
                               ";".join(self.commands)], input="\n".join(users), capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError("%s, %s: %s" % (site.name, self.name, done.stderr))
        spent = processes.processor_seconds(site.pid) - before
        sessions, all_octets, took, client = (float(word) for word in done.stdout.split())
        if all_octets != sessions * octets:
            raise AssertionError("%s, %s: replies of another length than those looked at" % (site.name, self.name))
        return {"rate": self.units(sessions, all_octets) / took, "cost": spent / sessions * 1000, "client": client / took}


def retr(count):
    return ["RETR %d" % number for number in range(1, count + 1)]
