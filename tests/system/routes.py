"""Routes of single domains, beside a smarthost."""

import signal

import internet
import mailstead
import sending


class Routes(sending.Sender):
    settings = sending.SETTINGS + '''routes = ["far.example [192.0.2.15]:2525", ".far.example relay.example:2526", "wide.example mx"]
[queue.smarthost]
host = "smart.example.net"
port = 2527
tls = "opportunistic"
'''

    def test_each_domain_goes_its_way(self):
        far, below = self.host("192.0.2.15", port=2525), self.host("192.0.2.16", port=2526)
        smart, wide = self.host("192.0.2.17", port=2527), self.host("192.0.2.11", "wide.example")
        self.names.add("relay.example", "A", "192.0.2.16")
        self.names.add("smart.example.net", "A", "192.0.2.17")
        self.submit("a@far.example", "b@one.far.example", "c@two.far.example", "d@wide.example", "e@other.example")
        self.emptied()
        self.assertEqual([sorted(each["to"]) for host in (far, below, wide, smart) for each in host.taken],
                         [["<a@far.example>"], ["<b@one.far.example>", "<c@two.far.example>"], ["<d@wide.example>"], ["<e@other.example>"]])

    def test_a_reload_moves_what_waits(self):
        self.names.add("smart.example.net", "A", "192.0.2.17")
        self.submit("e@other.example")
        self.told("deferred", "e@other.example")
        other = self.host("192.0.2.18", port=2528)
        self.server.configure('hostname = "mail.example.org"\n' + self.settings.replace('["far', '["other.example 192.0.2.18:2528", "far'),
                              self.listen)
        self.server.process.send_signal(signal.SIGHUP)
        self.server.wait_line(lambda line: "reloaded" in line, "the configuration is read again")
        self.server.admin("queue", "retry")
        self.emptied()
        self.assertEqual(len(other.taken), 1)


if __name__ == "__main__":
    internet.enter_namespace()
    mailstead.main()
