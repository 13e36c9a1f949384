"""Debian's Thunderbird under Xvfb: what a start fetches and leaves, that the next one fetches nothing twice, and what it sends.

Each test has a profile of its own. Everything that a person would have set stands in it before the mail is fetched: the account
in user.js, the server's self-signed certificate in cert_override.txt, and the password, which a first start for all tests puts
into Thunderbird's own store. Marionette, Mozilla's remote control, does that and ends each start as its menu would; the fetching is
what Thunderbird does by itself at its start. Judged by the mbox and popstate.dat in the profile, and by the server's log.
"""

import email
import email.policy
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys

import mailstead
import messages
from client_tools import OTHER, PASSWORD, USER, ClientTest, crlf, environment, needs, with_blank_line, write

LIMIT = 120  # seconds for anything that Thunderbird does
SOCKET_TYPES = {"plain": 0, "STLS": 2, "POP3S": 3}
SHA256 = "OID.2.16.840.1.101.3.4.2.1"
OWN_FIELDS = (b"x-account-key", b"x-uidl", b"x-mozilla-status", b"x-mozilla-status2", b"x-mozilla-keys")

QUIET = {  # no questions, no pages, and nothing that would call home
    "app.update.enabled": False, "browser.shell.checkDefaultBrowser": False, "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False, "mail.biff.show_alert": False, "mail.biff.play_sound": False,
    "mail.inappnotifications.enabled": False, "mail.provider.suppress_dialog_on_startup": True, "mail.purge.ask": False,
    "mail.rights.version": 1, "mail.shell.checkDefaultClient": False, "mail.spotlight.firstRunDone": True,
    "mailnews.start_page.enabled": False, "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False, "network.proxy.type": 0, "toolkit.telemetry.enabled": False}

STORE_PASSWORD = """
    const [user, password, done] = arguments;
    const logins = ["mailbox://127.0.0.1", "smtp://127.0.0.1"].map(origin => {
      const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
      login.init(origin, null, origin, user, password, "", "");
      return login;
    });
    Promise.all(logins.map(login => Services.logins.addLoginAsync(login)))
      .then(() => done("stored"), error => done(String(error)));"""

GET_MAIL = """
    const [done] = arguments;
    const {MailServices} = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
    const server = MailServices.accounts.getIncomingServer("server1");
    const listener = {QueryInterface: ChromeUtils.generateQI(["nsIUrlListener"]),
                      OnStartRunningUrl() {}, OnStopRunningUrl(url, status) { done(status); }};
    MailServices.pop3.GetNewMail(null, listener, server.rootFolder.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox), server);"""

DELETE_FIRST = """
    const [subject, done] = arguments;
    const {MailServices} = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
    const server = MailServices.accounts.getIncomingServer("server1");
    const inbox = server.rootFolder.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox);
    const chosen = [...inbox.messages].filter(header => header.subject == subject);
    const listener = {QueryInterface: ChromeUtils.generateQI(["nsIMsgCopyServiceListener"]), onStartCopy() {}, onProgress() {},
                      setMessageKey() {}, getMessageId() { return null; }, onStopCopy(status) { done(status); }};
    if (chosen.length == 1) inbox.deleteMessages(chosen, null, true, false, listener, false);
    else done("there are " + chosen.length);"""


# What its compose window does when Send is pressed, without the window: the message is made from fields, a body and files.
SEND = """
    const [identity, to, cc, bcc, subject, body, files, done] = arguments;
    const {MailServices} = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
    const author = MailServices.accounts.getIdentity(identity);
    const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
    Object.assign(fields, {from: author.fullAddress, to, cc, bcc, subject});
    for (const [path, contentType] of files) {
      const attachment = Cc["@mozilla.org/messengercompose/attachment;1"].createInstance(Ci.nsIMsgAttachment);
      const file = Cc["@mozilla.org/file/local;1"].createInstance(Ci.nsIFile);
      file.initWithPath(path);
      attachment.url = Services.io.newFileURI(file).spec;
      attachment.name = file.leafName;
      attachment.contentType = contentType;
      fields.addAttachment(attachment);
    }
    const listener = {QueryInterface: ChromeUtils.generateQI(["nsIMsgSendListener"]), onStartSending() {}, onSendProgress() {},
                      onProgress() {}, onStatus() {}, onGetDraftFolderURI() {}, onSendNotPerformed() { done("not performed"); },
                      onTransportSecurityError(id, status) { done("security error " + status); },
                      onStopSending(id, status) { done(status); }};
    Cc["@mozilla.org/messengercompose/send;1"].createInstance(Ci.nsIMsgSend).createAndSendMessage(
      null, author, "account1", fields, false, false, Ci.nsIMsgSend.nsMsgDeliverNow, null, "text/plain", body,
      null, null, listener, "", "", Ci.nsIMsgCompType.New).catch(error => done(String(error)));"""


class Display:
    """An X server without a screen, on the first number that is free."""

    def __init__(self):
        ours, theirs = os.pipe()
        self.process = subprocess.Popen(["Xvfb", "-displayfd", str(theirs), "-nolisten", "tcp", "-screen", "0", "1280x1024x24"],
                                        pass_fds=[theirs], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, preexec_fn=die_with_the_test)
        os.close(theirs)
        with os.fdopen(ours) as pipe:
            number = pipe.readline().strip()
        if not number:
            self.close()
            raise AssertionError("Xvfb does not start")
        self.name = ":" + number

    def close(self):
        self.process.terminate()
        self.process.wait(LIMIT)


def die_with_the_test():
    mailstead.LIBC.prctl(mailstead.PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


class Marionette:
    """A client of Mozilla's remote control: packets `LENGTH:JSON`, commands [0, id, name, parameters]."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=LIMIT)
        self.buffer, self.number = b"", 0
        self.packet()  # who it is
        self.command("WebDriver:NewSession", capabilities={})
        self.command("Marionette:SetContext", value="chrome")

    def packet(self):
        while True:
            length, colon, rest = self.buffer.partition(b":")
            if colon and len(rest) >= int(length):
                self.buffer = rest[int(length):]
                return json.loads(rest[:int(length)])
            piece = self.socket.recv(1 << 16)
            if not piece:
                raise AssertionError("Thunderbird closed its remote control")
            self.buffer += piece

    def command(self, name, **parameters):
        self.number += 1
        text = json.dumps([0, self.number, name, parameters]).encode()
        self.socket.sendall(b"%d:%s" % (len(text), text))
        _, number, error, value = self.packet()
        if number != self.number or error:
            raise AssertionError("%s: %s" % (name, error))
        return value

    def script(self, text, *arguments):
        """Runs it in Thunderbird; what it hands to `done`, its last argument."""
        return self.command("WebDriver:ExecuteAsyncScript", script=text, args=list(arguments), newSandbox=True,
                            scriptTimeout=LIMIT * 1000)["value"]


class Thunderbird:
    """A profile, and one start of Thunderbird over it after the other."""

    def __init__(self, home, display, port, transport, fingerprint, profile=None):
        """`profile`: another one to begin with."""
        self.home, self.display = home, display
        self.profile = os.path.join(home, "profile")
        self.mail = os.path.join(self.profile, "Mail", "127.0.0.1")
        self.output = os.path.join(home, "output")
        self.process = self.remote = None
        self.fingerprint = fingerprint
        if profile:
            shutil.copytree(profile, self.profile, ignore=shutil.ignore_patterns("lock", ".parentlock"))
        else:
            os.mkdir(self.profile)
        write(self.profile, "cert_override.txt", "127.0.0.1:%d:\t%s\t%s\t\n" % (port, SHA256, fingerprint))
        server = {"type": "pop3", "hostname": "127.0.0.1", "port": port, "userName": USER, "name": USER, "authMethod": 3,
                  "socketType": SOCKET_TYPES[transport], "directory": self.mail, "directory-rel": "[ProfD]Mail/127.0.0.1",
                  "check_new_mail": False, "download_on_biff": True}
        local = {"type": "none", "hostname": "Local Folders", "userName": "nobody", "name": "Local Folders",
                 "directory-rel": "[ProfD]Mail/Local Folders"}
        self.settings = {"mail.accountmanager.accounts": "account1,account2", "mail.accountmanager.defaultaccount": "account1",
                         "mail.accountmanager.localfoldersserver": "server2", "mail.account.account1.server": "server1",
                         "mail.account.account1.identities": "id1", "mail.account.account2.server": "server2",
                         "mail.identity.id1.useremail": USER, "mail.identity.id1.fullName": "Anna",
                         "mail.identity.id1.valid": True, "marionette.port": 0, **QUIET}
        self.settings.update(("mail.server.server1." + key, value) for key, value in server.items())
        self.settings.update(("mail.server.server2." + key, value) for key, value in local.items())

    def sends_by(self, ports):
        """An identity for each way to send: id1 by TLS, id2 by STARTTLS. `ports`: the server's in that order."""
        for number, port, way in zip((1, 2), ports, (3, 2)):
            server = {"hostname": "127.0.0.1", "port": port, "username": USER, "authMethod": 3, "type": "smtp", "try_ssl": way}
            identity = {"smtpServer": "smtp%d" % number, "useremail": USER, "fullName": "Anna", "valid": True, "fcc": False}
            self.settings.update(("mail.smtpserver.smtp%d.%s" % (number, key), value) for key, value in server.items())
            self.settings.update(("mail.identity.id%d.%s" % (number, key), value) for key, value in identity.items())
            with open(os.path.join(self.profile, "cert_override.txt"), "a") as file:
                file.write("127.0.0.1:%d:\t%s\t%s\t\n" % (port, SHA256, self.fingerprint))
        self.settings.update({"mail.smtpservers": "smtp1,smtp2", "mail.smtp.defaultserver": "smtp1",
                              "mail.account.account1.identities": "id1,id2"})

    def configure(self, **server):
        """Changes these settings of the account, for all starts to come."""
        self.settings.update(("mail.server.server1." + key, value) for key, value in server.items())

    def start(self, **server):
        self.configure(**server)
        write(self.profile, "user.js", "".join("user_pref(%s, %s);\n" % (json.dumps(key), json.dumps(value))
                                               for key, value in self.settings.items()))
        port_file = os.path.join(self.profile, "MarionetteActivePort")
        if os.path.exists(port_file):
            os.unlink(port_file)
        more = {"DISPLAY": self.display.name, "MOZ_REMOTE_ALLOW_SYSTEM_ACCESS": "1", "MOZ_CRASHREPORTER_DISABLE": "1",
                "DBUS_SESSION_BUS_ADDRESS": "disabled:", "NO_AT_BRIDGE": "1", "TMPDIR": self.home}
        with open(self.output, "ab") as output:
            self.process = subprocess.Popen(["thunderbird", "--no-remote", "--marionette", "--profile", self.profile],
                                            stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.home,
                                            env=dict(environment(self.home), **more), start_new_session=True,
                                            preexec_fn=die_with_the_test)

        def port():
            if self.process.poll() is not None:
                raise AssertionError("Thunderbird ended with %d\n%s" % (self.process.returncode, self.said()))
            try:
                with open(port_file) as file:
                    return int(file.read())
            except (FileNotFoundError, ValueError):
                return None

        self.remote = Marionette(mailstead.until(port, "Thunderbird's remote control", LIMIT))

    def said(self):
        with open(self.output, errors="replace") as file:
            return file.read()[-4000:]

    def end(self):
        """Quits as its menu would; nothing of it may be left running."""
        self.remote.command("Marionette:Quit", flags=["eAttemptQuit"])
        self.remote.socket.close()
        self.remote = None
        code = self.process.wait(LIMIT)
        if code != 0:
            raise AssertionError("Thunderbird ended with %d\n%s" % (code, self.said()))
        mailstead.until(lambda: not members(self.process.pid), "Thunderbird's own processes end", LIMIT)
        self.process = None

    def kill(self):
        """After a test that failed: the process and those that it started, which are its group. Shows what it said."""
        if self.process is None:
            return
        print("---- what Thunderbird said\n" + self.said(), file=sys.stderr)
        if self.remote is not None:
            self.remote.socket.close()
        if members(self.process.pid):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def inbox(self):
        """[(UIDL, the message with CRLF)] of the mbox, without what Thunderbird puts before a message and behind it."""
        with open(os.path.join(self.mail, "Inbox"), "rb") as file:
            parts = re.split(rb"(?m)^From - .*\r?\n", file.read())
        assert parts[0] == b"", parts[0]
        found = []
        for part in parts[1:]:
            part = re.sub(rb"(?m)^>(>*From )", rb"\1", part)
            part = crlf(re.sub(rb"\r?\n\Z", b"", part))  # the empty line at the end of an mbox entry
            fields, body = mailstead.header_fields(part)
            uidl = next(line.split()[1].decode() for name, line in fields if name == b"x-uidl")
            found.append((uidl, b"".join(line for name, line in fields if name not in OWN_FIELDS) + part[body:]))
        return found

    def known(self):
        """{UIDL: what Thunderbird means to do with it} as popstate.dat has it."""
        with open(os.path.join(self.mail, "popstate.dat")) as file:
            entries = (line.split() for line in file if re.match("[a-z] ", line))
            return {uidl: state for state, uidl, _ in entries}


def members(group):
    """The processes of a process group; zombies do not count."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name) as file:
                    state, _, number = file.read().rpartition(")")[2].split()[:3]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(number) == group and state != "Z":
                found.append(int(name))
    return found


@needs("thunderbird")
@needs("Xvfb")
class Mail(ClientTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.addClassCleanup(super().tearDownClass)
        cls.display = Display()
        cls.addClassCleanup(cls.display.close)
        # One start for all tests, in which Thunderbird learns the password.
        home = mailstead.work_folder("mailstead-client-")
        cls.addClassCleanup(shutil.rmtree, home, True)
        bird = Thunderbird(home, cls.display, cls.server.ports["pop3s"][1], "POP3S", cls.fingerprint)
        cls.addClassCleanup(bird.kill)
        bird.start(login_at_startup=False)
        stored = bird.remote.script(STORE_PASSWORD, USER, PASSWORD)
        assert stored == "stored", stored
        bird.end()
        cls.profile = bird.profile

    @classmethod
    def tearDownClass(cls):
        pass  # the clean-ups above: they are also done when setUpClass() fails

    def introduced(self, transport, **server):
        """A Thunderbird that knows its account and the password, and has not fetched anything yet."""
        bird = Thunderbird(self.home, self.display, self.port(transport), transport, self.fingerprint, self.profile)
        self.addCleanup(bird.kill)
        bird.configure(**server)
        return bird

    def fetching_start(self, bird, **server):
        """Starts it, waits until it has fetched, ends it; how many messages came over the wire in its one session."""
        mark = self.mark()
        bird.start(login_at_startup=True, **server)
        fetched = self.fetched_since(mark)
        bird.end()
        return fetched

    def judge(self, bird, sent, kept):
        """Each message stands in the mbox once and whole."""
        inbox = bird.inbox()
        self.compare(sent, kept, [copy for _, copy in inbox], with_blank_line, "Thunderbird")
        self.assertEqual(len({uidl for uidl, _ in inbox}), len(sent))

    def test_leaving_mail_on_the_server(self):
        """POP3S. Nothing comes twice, also not in the start after that; then it is told to leave nothing any more."""
        sent = messages.small_messages()
        kept = self.deliver(sent)
        before = self.server.fetch(USER)
        bird = self.introduced("POP3S", leave_on_server=True)
        self.assertEqual(self.fetching_start(bird), [len(sent)])
        self.judge(bird, sent, kept)
        self.assertEqual(bird.known(), {uidl: "k" for uidl, _ in before})
        self.assertEqual(self.server.fetch(USER), before)

        self.assertEqual(self.fetching_start(bird), [0])
        self.judge(bird, sent, kept)
        self.assertEqual(self.server.fetch(USER), before)

        sent["later"] = messages.head("later") + b"\r\nthis came later\r\n"
        kept.update(self.deliver({"later": sent["later"]}))
        before = self.server.fetch(USER)
        self.assertEqual(self.fetching_start(bird), [1])
        self.judge(bird, sent, kept)
        self.assertEqual(self.server.fetch(USER), before)
        self.assertEqual(bird.known(), {uidl: "k" for uidl, _ in before})

        self.assertEqual(self.fetching_start(bird, leave_on_server=False), [0])
        self.judge(bird, sent, kept)
        self.assertEqual(self.server.fetch(USER), [])

    def taken_off_the_server(self, transport, sent):
        kept = self.deliver(sent)
        bird = self.introduced(transport, leave_on_server=False)
        self.assertEqual(self.fetching_start(bird), [len(sent)])
        self.judge(bird, sent, kept)
        self.assertEqual(self.server.fetch(USER), [])
        self.assertEqual(self.fetching_start(bird), [0])
        self.judge(bird, sent, kept)

    def test_taking_mail_off_the_server_by_pop3s(self):
        """With the 25 MB attachment."""
        self.taken_off_the_server("POP3S", dict(messages.small_messages(), large=messages.large_message()))

    def test_taking_mail_off_the_server_by_stls(self):
        self.taken_off_the_server("STLS", messages.small_messages())

    def test_deleting_in_thunderbird_deletes_on_the_server(self):
        """With "until I delete them" a DELE is sent at the next check, for that message only."""
        sent = messages.small_messages()
        self.deliver(sent)
        before = self.server.fetch(USER)
        bird = self.introduced("STLS", leave_on_server=True, delete_mail_left_on_server=True)
        mark = self.mark()
        bird.start(login_at_startup=True)
        self.assertEqual(self.fetched_since(mark), [len(sent)])
        self.assertEqual(bird.remote.script(DELETE_FIRST, "message dots"), 0)
        self.assertEqual(bird.remote.script(GET_MAIL), 0)
        bird.end()
        left = [(uidl, copy) for uidl, copy in before if b"X-Message: dots\r\n" not in copy]
        self.assertEqual(self.server.fetch(USER), left)
        self.assertEqual(bird.known(), {uidl: "k" for uidl, _ in left})

    def test_sending_by_both_ways_and_fetching_what_was_sent(self):
        """With an attachment of 2 MB, to two and a hidden third, who is the sender and fetches by POP3S."""
        third = self.server.add_cheap_mailbox("carl@example.org", PASSWORD)
        film = messages.random.Random(2).randbytes(2_000_000)
        path = os.path.join(self.home, "film.mp4")
        with open(path, "wb") as file:
            file.write(film)
        body = "Grüße aus Köln\r\n.\r\n..\r\n\r\n.ende\r\n"
        bird = self.introduced("POP3S")
        services = ("submissions", "submission")
        bird.sends_by([self.server.ports[service][1] for service in services])
        bird.start(login_at_startup=False)
        for number, service in enumerate(services, 1):
            with self.subTest(service=service):
                mark = self.mark()
                subject = "Ein Film für %s" % service
                sent = bird.remote.script(SEND, "id%d" % number, OTHER, third, USER, subject, body, [[path, "video/mp4"]])
                self.assertEqual(sent, 0, bird.said())
                self.assertEqual(bird.remote.script(GET_MAIL), 0)
                self.mark()
                accepted, = [line for line in self.server.lines[mark:] if " accepted " in line]
                self.assertIn(" service=%s " % service, accepted)
                self.assertIn(" tls=TLSv1.3 ", accepted)
                self.assertTrue(accepted.endswith(" user=" + USER), accepted)
                inbox = [copy for _, copy in bird.inbox()]
                self.assertEqual(len(inbox), number)
                self.judge_film(inbox[-1], subject, body, film)
                for user in (OTHER, third):
                    (_, copy), = self.server.fetch(user, delete=True)
                    self.assertIn(b" with ESMTPSA ", b" ".join(mailstead.split_trace(copy)[0][b"received"].split()))
                    mailstead.assert_same(mailstead.sent_part(copy), mailstead.sent_part(inbox[-1]))
        bird.end()

    def judge_film(self, copy, subject, body, film):
        found = email.message_from_bytes(copy, policy=email.policy.default)
        self.assertEqual((found["from"], found["to"], found["subject"]), ("Anna <%s>" % USER, OTHER, subject))
        self.assertEqual([len(found.get_all(name, [])) for name in ("date", "message-id", "bcc")], [1, 1, 0])
        text, attachment = found.iter_parts()
        self.assertEqual(text.get_payload(decode=True).decode().rstrip(), body.rstrip())
        self.assertEqual((attachment.get_filename(), attachment.get_content_type()), ("film.mp4", "video/mp4"))
        self.assertEqual(attachment.get_payload(decode=True), film)


if __name__ == "__main__":
    mailstead.main()
