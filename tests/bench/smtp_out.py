"""Mail to other hosts beside Postfix in the same run: messages in a second, processor time, memory, and what we want of them.

Environment: MAILSTEAD, the binary. See README.md. As root, since Postfix changes users. The exit code tells only whether
everything could be measured.
"""

import argparse
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time

import processes
import servers
import smtp_sites
from servers import mailstead
from table import Table

SENDERS = 20  # connections that bring mail
CONNECTIONS = 20  # to one host: Postfix's own limit (default_destination_concurrency_limit); ours would be 5
MAIN = """compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = /
myhostname = mail.example.org
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
relayhost = [127.0.0.1]:{sink}
smtpd_client_connection_count_limit = 0
smtpd_peername_lookup = no
minimal_backoff_time = 1000s
alias_maps =
alias_database =
"""
MASTER = """127.0.0.1:{port} inet n - n - - smtpd
smtp unix - - n - - smtp
relay unix - - n - - smtp
local unix - n n - - local
""" + smtp_sites.SERVICES


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Sink:
    """Postfix's smtp-sink: takes everything and counts it."""

    def __init__(self, port):
        self.process = subprocess.Popen(["smtp-sink", "-c", "-u", "nobody", "127.0.0.1:%d" % port, "500"], stdout=subprocess.PIPE)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.tail, self.count = b"", 0
        mailstead.until(lambda: self.answers(port), "smtp-sink answers")

    @staticmethod
    def answers(port):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return True
        except OSError:
            time.sleep(0.05)
            return False

    def messages(self):
        while data := self.process.stdout.read():
            self.tail = (self.tail + data)[-200:]
            found = re.findall(rb"mesg=(\d+)", self.tail)
            if found:
                self.count = int(found[-1])
        return self.count

    def wait_for(self, wanted, patience=300):
        end = time.monotonic() + patience
        while self.messages() < wanted:
            if time.monotonic() > end:
                raise AssertionError("smtp-sink has %d of %d messages" % (self.count, wanted))
            time.sleep(0.005)

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


class Mailstead:
    name = "Mailstead"

    def __init__(self, sink):
        settings = ('hostname = "mail.example.org"\n[queue]\nconnections_per_host = %d\nroutes = ["far.example [127.0.0.1]:%d"]\n'
                    % (CONNECTIONS, sink))
        self.server = servers.Server(settings, {"smtp": ["127.0.0.1:0"]}).start()
        self.server.add_cheap_mailbox("anna@example.org")
        self.recipient = "away@example.org"
        self.server.admin("alias", "add", self.recipient, "carl@far.example")
        self.port, self.pid = self.server.ports["smtp"][1], self.server.process.pid

    def queued(self):
        return len(self.server.json("queue", "list"))

    def flush(self):
        self.server.admin("queue", "retry")

    def close(self):
        self.server.close()


class Postfix:
    name = "Postfix"

    def __init__(self, sink):
        self.folder = mailstead.work_folder("mailstead-peer-")
        os.chmod(self.folder, 0o755)
        for name in ("conf", "queue", "data"):
            os.mkdir(os.path.join(self.folder, name))
        shutil.chown(os.path.join(self.folder, "data"), "postfix")
        self.port, self.recipient = free_port(), "carl@far.example"
        for name, text in (("main.cf", MAIN), ("master.cf", MASTER)):
            with open(self.conf(name), "w") as file:
                file.write(text.format(folder=self.folder, sink=sink, port=self.port))
        self.process = smtp_sites.start_postfix(self.conf(), os.path.join(self.folder, "output"))
        self.pid = self.process.pid
        mailstead.until(lambda: Sink.answers(self.port), "postfix answers")

    def conf(self, name=""):
        return os.path.join(self.folder, "conf", name)

    def queued(self):
        return sum(len(names) for queue in ("incoming", "active", "deferred", "maildrop")
                   for _, _, names in os.walk(os.path.join(self.folder, "queue", queue)))

    def flush(self):
        subprocess.run(["/usr/sbin/postqueue", "-c", self.conf(), "-f"], check=True)

    def close(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder)


def bring(site, count, size):
    subprocess.run(["smtp-source", "-s", str(SENDERS), "-m", str(count), "-l", str(size), "-f", "x@elsewhere.example",
                    "-t", site.recipient, "127.0.0.1:%d" % site.port], check=True)


def through(site, sink, count, size):
    """(messages a second, processor seconds for 1,000, octets) from the first that is brought to the last that arrives."""
    before, cpu, begin = sink.messages(), processes.processor_seconds(site.pid), time.monotonic()
    bring(site, count, size)
    memory = processes.memory(site.pid)
    sink.wait_for(before + count)
    took = time.monotonic() - begin
    mailstead.until(lambda: site.queued() == 0, "the queue is empty")
    return count / took, (processes.processor_seconds(site.pid) - cpu) / count * 1000, memory


def waiting(site, port, count, size):
    """The same of messages that have waited for a host that did not answer."""
    bring(site, count, size)
    mailstead.until(lambda: site.queued() == count, "all wait")
    time.sleep(2)  # until everything has been put off
    sink = Sink(port)
    try:
        cpu, begin = processes.processor_seconds(site.pid), time.monotonic()
        site.flush()
        sink.wait_for(count)
        took = time.monotonic() - begin
        mailstead.until(lambda: site.queued() == 0, "the queue is empty")
        return count / took, (processes.processor_seconds(site.pid) - cpu) / count * 1000
    finally:
        sink.close()


def report(results):
    def both(column):
        return [statistics.median(row[column] for row in results[name]) for name in ("Mailstead", "Postfix")]

    table = Table(("Mailstead", "Postfix"))
    table.rate("in and out again", "messages/s", both(0), 5)
    table.cost("", "CPU s for 1,000", both(1), 5)
    table.cost("", "MB", [octets / 1e6 for octets in both(2)])
    table.rate("out, of a queue that has waited", "messages/s", both(3), 5)
    table.cost("", "CPU s for 1,000", both(4), 5)
    print("%d goals were not reached" % table.missed)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--size", type=int, default=4096, help="octets of a message")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", default="image", help="'image': a new ext4 on a loop device; or a folder")
    options = parser.parse_args()
    if mailstead.BINARY is None or os.geteuid() != 0:
        sys.exit("set MAILSTEAD to the binary, and be root")
    print("%d processors, load before: %s; data on %s; medians of %d rounds of %d messages of %d octets, brought by %d connections\n"
          % (os.cpu_count(), " ".join("%.1f" % each for each in os.getloadavg()), options.data, options.rounds, options.messages,
             options.size, SENDERS), flush=True)
    port = free_port()
    results = {}
    with servers.data_on(options.data):
        sites = [Mailstead(port), Postfix(port)]
        try:
            for number in range(options.rounds):
                for site in sites if number % 2 == 0 else reversed(sites):
                    sink = Sink(port)
                    try:
                        through(site, sink, 200, options.size)  # to warm up
                        now = through(site, sink, options.messages, options.size)
                    finally:
                        sink.close()
                    now += waiting(site, port, options.messages, options.size)
                    results.setdefault(site.name, []).append(now)
        finally:
            for site in sites:
                site.close()
        report(results)


if __name__ == "__main__":
    main()
