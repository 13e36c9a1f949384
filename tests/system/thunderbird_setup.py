"""Debian's Thunderbird, given an address and a password and nothing else: it finds the settings by itself, sets itself up with
them, and fetches the mail that waits.

What Thunderbird's dialog for a new account does between "Continue" and "Finish" is asked for by Marionette, in the same modules.
Names of the Internet are found through a proxy, which is the server's own listener for settings: what is asked of
http://autoconfig.example.org reaches it as it would with that name in the DNS, and everything else fails.
"""

import contextlib
import random
import shutil
import socket

import mailstead
import messages
import thunderbird
from client_tools import PASSWORD, USER, needs, write

FIND = """
    const [domain, address, done] = arguments;
    const {FindConfig} = ChromeUtils.importESModule("resource:///modules/accountcreation/FindConfig.sys.mjs");
    (async () => {
      const search = FindConfig.parallelAutoDiscovery(domain, address, new AbortController().signal, "");
      const {value} = await search.next();
      return value;
    })().then(config => {
      globalThis.foundConfig = config;
      const told = server => ({type: server.type, hostname: server.hostname, port: server.port, socketType: server.socketType,
                               username: server.username, auth: server.auth});
      done(config && {source: config.source, incoming: told(config.incoming), outgoing: told(config.outgoing),
                      others: config.incomingAlternatives.map(told)});
    }, error => done(String(error)));"""

SET_UP = """
    const [domain, address, name, password, done] = arguments;
    const {FindConfig} = ChromeUtils.importESModule("resource:///modules/accountcreation/FindConfig.sys.mjs");
    const {AccountConfig} = ChromeUtils.importESModule("resource:///modules/accountcreation/AccountConfig.sys.mjs");
    const {CreateInBackend} = ChromeUtils.importESModule("resource:///modules/accountcreation/CreateInBackend.sys.mjs");
    (async () => {
      const search = FindConfig.parallelAutoDiscovery(domain, address, new AbortController().signal, "");
      const {value: config} = await search.next();
      AccountConfig.replaceVariables(config, name, address, password);
      config.rememberPassword = true;
      const account = await CreateInBackend.createAccountInBackend(config);
      const server = account.incomingServer;
      return {type: server.type, hostname: server.hostName, port: server.port, user: server.username,
              leaves: server.QueryInterface(Ci.nsIPop3IncomingServer).leaveMessagesOnServer, folder: server.localPath.path};
    })().then(done, error => done(String(error)));"""

GET_MAIL = thunderbird.GET_MAIL.replace('MailServices.accounts.getIncomingServer("server1")',
                                        'MailServices.accounts.allServers.find(server => server.type == "pop3")')

PROXY = "data:,function FindProxyForURL(url, host) { return host == 'localhost' ? 'DIRECT' : 'PROXY 127.0.0.1:%d'; }"


def free_port():
    """One that is free until its server binds it: the system gives none below 32768 to clients of other tests meanwhile."""
    while True:
        port = random.randrange(20000, 32000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class NewProfile(thunderbird.Thunderbird):
    def __init__(self, home, display, ports, proxy, fingerprint):
        super().__init__(home, display, ports[0], "POP3S", fingerprint)
        write(self.profile, "cert_override.txt",
              "".join("localhost:%d:\t%s\t%s\t\n" % (port, thunderbird.SHA256, fingerprint) for port in ports))
        self.settings = {"marionette.port": 0, **thunderbird.QUIET, "network.proxy.type": 2,
                         "network.proxy.autoconfig_url": PROXY % proxy, "mailnews.auto_config_url": "http://localhost:1/"}


def set_up_and_fetch(home, ports, fingerprint, password):
    """What a new Thunderbird does with the address and the password of USER. Gives what it found, the account that it made of
    that, and the messages of its inbox. `ports`: by service, on localhost."""
    display = thunderbird.Display()
    bird = NewProfile(home, display, [ports[name] for name in ("pop3s", "pop3", "submissions", "submission")], ports["web"],
                      fingerprint)
    try:
        bird.start()
        found = bird.remote.script(FIND, "example.org", USER)
        assert isinstance(found, dict), found
        account = bird.remote.script(SET_UP, "example.org", USER, "Anna", password)
        assert isinstance(account, dict), account
        bird.mail = account["folder"]
        status = bird.remote.script(GET_MAIL)
        assert status == 0, bird.said()
        bird.end()
        return found, account, bird.inbox()
    finally:
        bird.kill()
        display.close()


@needs("thunderbird")
@needs("Xvfb")
class Setup(mailstead.ServerTest):
    def test_address_and_password_are_enough(self):
        ports = {service: free_port() for service in ("pop3s", "pop3", "submissions", "submission", "web")}
        listen = {service: ["127.0.0.1:%d" % port] for service, port in ports.items()}
        server = self.new_server('hostname = "localhost"\n', listen=listen).start()
        server.add_mailbox(USER, PASSWORD)
        sent = messages.small_messages()
        for message in sent.values():
            server.deliver(message, USER)
        home = mailstead.work_folder("mailstead-client-")
        self.addCleanup(shutil.rmtree, home, True)
        found, account, inbox = set_up_and_fetch(home, ports, server.json("tls", "show")["sha256"], PASSWORD)
        self.assertEqual([found[side]["hostname"] for side in ("incoming", "outgoing")], ["localhost"] * 2)
        self.assertEqual((found["incoming"]["type"], found["incoming"]["port"]), ("pop3", ports["pop3s"]))
        self.assertEqual([(other["type"], other["port"]) for other in found["others"]], [("pop3", ports["pop3"])])
        self.assertEqual((found["outgoing"]["type"], found["outgoing"]["port"]), ("smtp", ports["submissions"]))
        self.assertEqual(found["incoming"]["socketType"], thunderbird.SOCKET_TYPES["POP3S"])
        self.assertEqual((account["user"], account["leaves"]), (USER, True))
        self.assertEqual(len(inbox), len(sent))
        self.assertEqual(len(server.fetch(USER)), len(sent))


if __name__ == "__main__":
    mailstead.main()
