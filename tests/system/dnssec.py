"""DANE with real servers: zones that are signed, held by nsd, and a resolver that validates, unbound on this machine."""

import glob
import os
import re
import shutil
import socket
import subprocess
import time
import unittest

import internet
import mailstead
import sending

ZONES_AT = "192.0.2.54"
PROGRAMS = ("nsd", "unbound", "ldns-keygen", "ldns-signzone")
HEAD = "$ORIGIN %s.\n$TTL 60\n@ IN SOA ns hostmaster 1 3600 900 86400 60\n@ IN NS ns\nns IN A " + ZONES_AT + "\n"
NSD = """server:
  ip-address: %s
  username: ""
  chroot: ""
  database: ""
  zonesdir: "%s"
  zonelistfile: "%s/zone.list"
  xfrdfile: "%s/xfrd.state"
  pidfile: "%s/nsd.pid"
remote-control:
  control-enable: no
"""
UNBOUND = """server:
  interface: 127.0.0.1
  port: 53
  username: ""
  chroot: ""
  directory: "%s"
  pidfile: ""
  use-syslog: no
  logfile: ""
  do-daemonize: no
  do-not-query-localhost: no
  module-config: "validator iterator"
  local-zone: "example." nodefault
  access-control: 127.0.0.0/8 allow
"""


def path_of(program):
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")


@unittest.skipUnless(all(map(path_of, PROGRAMS)), "one of %s is not installed" % (PROGRAMS,))
class Dnssec(sending.Sender):
    settings = sending.SETTINGS.replace(internet.NAME_SERVER[0], "127.0.0.1")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        subprocess.run(["ip", "address", "add", ZONES_AT + "/32", "dev", "lo"], check=False, capture_output=True)

    def zone(self, name, records, signed=True, broken=False):
        """A zone's file, and whom unbound has to trust for it."""
        path = os.path.join(self.folder.name, name)
        with open(path, "w") as file:
            file.write(HEAD % name + records)
        anchor = None
        if signed:
            def run(*command):
                return subprocess.run(command, check=True, capture_output=True, text=True, cwd=self.folder.name).stdout.strip()
            key = run("ldns-keygen", "-a", "ECDSAP256SHA256", "-k", name)
            run("ldns-signzone", path, key)
            (anchor,) = glob.glob(os.path.join(self.folder.name, key + ".key"))
            path += ".signed"
        if broken:
            with open(path) as file:
                text = file.read()
            with open(path, "w") as file:
                file.write(re.sub(r"(\tTLSA\t3 1 1 )(..)", r"\g<1>00", text))
        return name, path, anchor

    def resolve(self, *zones):
        folder = self.folder.name
        with open(os.path.join(folder, "nsd.conf"), "w") as file:
            file.write(NSD % (ZONES_AT, folder, folder, folder, folder))
            for name, path, _ in zones:
                file.write("zone:\n  name: %s\n  zonefile: %s\n" % (name, path))
        with open(os.path.join(folder, "unbound.conf"), "w") as file:
            file.write(UNBOUND % folder)
            for name, _, anchor in zones:
                file.write('  trust-anchor-file: "%s"\n' % anchor if anchor else '  domain-insecure: "%s"\n' % name)
            for name, _, _ in zones:
                file.write('stub-zone:\n  name: "%s"\n  stub-addr: %s\n' % (name, ZONES_AT))
        for command in ([path_of("nsd"), "-d", "-c", os.path.join(folder, "nsd.conf")],
                        [path_of("unbound"), "-d", "-c", os.path.join(folder, "unbound.conf")]):
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.addCleanup(process.wait)
            self.addCleanup(process.terminate)
        mailstead.until(self.resolver_answers, "unbound answers")

    def resolver_answers(self):
        question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03far\x07example\x00\x00\x06\x00\x01"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.settimeout(1)
            asker.sendto(question, ("127.0.0.1", 53))
            try:
                answer = asker.recv(4096)
            except OSError:
                time.sleep(0.1)
                return False
            return answer[3] & 0x0F == 0

    def test_signed_records_are_kept_and_others_are_none(self):
        good = internet.certificate(self.folder.name, "anybody.example")
        other = internet.certificate(self.folder.name, "other.example")
        mx = "@ IN MX 10 mx\nmx IN A %s\n_25._tcp.mx IN TLSA %s\n"
        self.resolve(self.zone("far.example", mx % ("192.0.2.10", internet.tlsa(good[0], 3, 1))),
                     self.zone("wrong.example", mx % ("192.0.2.11", internet.tlsa(other[0], 3, 1))),
                     self.zone("plain.example", mx % ("192.0.2.12", internet.tlsa(other[0], 3, 1)), signed=False),
                     self.zone("forged.example", mx % ("192.0.2.13", internet.tlsa(good[0], 3, 1)), broken=True),
                     self.zone("bare.example", "@ IN MX 10 mx\nmx IN A 192.0.2.14\n"))
        hosts = {name: self.host("192.0.2.%d" % number, certificate=good)
                 for number, name in enumerate(("far", "wrong", "plain", "forged", "bare"), start=10)}
        self.submit(*("carl@%s.example" % name for name in hosts))
        for name in ("far", "plain", "bare"):
            self.told("sent", "carl@%s.example" % name)
        self.assertIn("its certificate is not the one that DNS names (wrong.example demands it by DANE)",
                      self.told("deferred", "carl@wrong.example")[-1])
        self.assertIn("do not say which certificate it has", self.told("deferred", "carl@forged.example")[-1])
        self.assertIn("policy=dane", self.told("sent", "carl@far.example")[-1])
        for name in ("plain", "bare"):
            self.assertNotIn("policy=", self.told("sent", "carl@%s.example" % name)[-1])
        self.assertEqual({name: len(host.taken) for name, host in hosts.items()},
                         {"far": 1, "wrong": 0, "plain": 1, "forged": 0, "bare": 1})
        self.assertEqual(self.mail(), [])


if __name__ == "__main__":
    internet.enter_namespace()
    mailstead.main()
