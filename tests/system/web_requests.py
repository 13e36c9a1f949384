"""The administration page as its server sees it: who is let in, what is answered to whom, and what strangers get.

What a browser makes of it is in web_page.py.
"""

import http.client
import json
import os
import urllib.parse

import mailstead
import messages
from mailstead import until

USER = "anna@example.org"
LISTEN = {"http": ["127.0.0.1:0"]}
# Nobody answers there: what looks outside finds so at once.
SILENT = '[resolver]\nservers = ["127.0.0.1:9"]'
GUARDS = ("content-security-policy", "x-content-type-options", "x-frame-options", "referrer-policy")


class Browser:
    """One of somebody, with its cookies."""

    def __init__(self, server):
        self.host, self.port = server.ports["http"]
        self.cookies, self.csrf = {}, None

    def ask(self, method, path, body=None, **fields):
        """(status, fields, body): JSON where it is. A field that is None is left out."""
        content = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        all_fields = {"X-Mailstead-Csrf": self.csrf, "Content-Type": "application/json" if content is not None else None,
                      "Cookie": "; ".join("%s=%s" % pair for pair in self.cookies.items()) or None}
        all_fields.update({name.replace("_", "-"): value for name, value in fields.items()})
        connection = http.client.HTTPConnection(self.host, self.port, timeout=mailstead.TIMEOUT)
        try:
            connection.request(method, path, content, {name: value for name, value in all_fields.items() if value is not None})
            reply = connection.getresponse()
            told = {name.lower(): value for name, value in reply.getheaders()}
            raw = reply.read()
        finally:
            connection.close()
        is_json = told.get("content-type", "").startswith("application/json")
        return reply.status, told, json.loads(raw) if is_json and raw else raw.decode()

    def api(self, method, name, body=None, **fields):
        return self.ask(method, "/admin/api/" + name, body, **fields)

    def log_in(self, link, **fields):
        status, told, said = self.api("POST", "login", {"token": link}, **fields)
        if status == 200:
            name, _, value = told["set-cookie"].partition(";")[0].partition("=")
            self.cookies[name] = value
            self.csrf = said["csrf"]
        return status, told, said

    def command(self, command, *arguments, flags=(), **members):
        status, _, report = self.api("POST", "command", {"command": command, "arguments": arguments, "flags": flags, **members})
        assert status == 200, (status, report)
        return report

    def result(self, command, *arguments, **members):
        report = self.command(command, *arguments, **members)
        assert report["exit_code"] == 0, report
        return report["result"]


class Web(mailstead.ServerTest):
    def setUp(self):
        super().setUp()
        self.server = self.new_server(SILENT, listen=LISTEN).start()

    def link(self):
        url = urllib.parse.urlsplit(self.server.json("web-link")["url"])
        self.assertEqual((url.scheme, url.netloc, url.path), ("http", "127.0.0.1:%d" % self.server.ports["http"][1], "/admin/"))
        name, _, token = url.fragment.partition("=")
        self.assertEqual(name, "login")
        return token

    def browser(self):
        browser = Browser(self.server)
        self.assertEqual(browser.log_in(self.link())[0], 200)
        return browser


class Entry(Web):
    def test_a_link_lets_in_once(self):
        link = self.link()
        browser, other = Browser(self.server), Browser(self.server)
        self.assertEqual(browser.api("GET", "session")[0], 401)
        self.assertEqual(browser.log_in(link + "x")[0], 403)
        status, told, said = browser.log_in(link)
        self.assertEqual((status, said["hostname"]), (200, "mail.example.org"))
        self.assertEqual(told["cache-control"], "no-store")
        cookie = told["set-cookie"]
        for attribute in ("HttpOnly", "SameSite=Strict", "Path=/admin/"):
            self.assertIn("; " + attribute, cookie)
        self.assertNotIn("Secure", cookie)
        self.assertEqual(other.log_in(link)[0], 403)
        self.assertNotIn("csrf", browser.api("GET", "session")[2])
        self.assertEqual(other.api("GET", "session")[0], 401)
        self.assertEqual(browser.result("mailbox list"), [])
        # No secret is in the log, and who came in is.
        log = self.server.log()
        for secret in (link, browser.csrf, *browser.cookies.values()):
            self.assertNotIn(secret, log)
        self.assertIn("web-session-opened", log)
        self.assertIn("web-link-refused", log)

    def test_a_cookie_alone_is_nothing(self):
        """Browsers send it to each port of the host, where others may listen."""
        browser, thief = self.browser(), Browser(self.server)
        thief.cookies = dict(browser.cookies)
        for csrf in (None, "", "x", self.browser().csrf):
            thief.csrf = csrf
            self.assertEqual(thief.api("GET", "session")[0], 401, csrf)
            self.assertEqual(thief.api("GET", "history")[0], 403, csrf)
            self.assertEqual(thief.api("POST", "command", {"command": "mailbox list"})[0], 403, csrf)
            self.assertEqual(thief.api("POST", "logout", {})[0], 403, csrf)
        # Nor does one that another port has set shut anybody out.
        [name] = browser.cookies
        both = "%s=bad; %s=%s" % (name, name, browser.cookies[name])
        self.assertEqual(browser.api("GET", "session", Cookie=both)[0], 200)

    def test_one_browser_has_one_session(self):
        browser = self.browser()
        before, csrf = dict(browser.cookies), browser.csrf
        self.assertEqual(browser.log_in(self.link())[0], 200)
        self.assertEqual(browser.api("GET", "session")[0], 200)
        browser.cookies, browser.csrf = before, csrf
        self.assertEqual(browser.api("GET", "session")[0], 401)

    def test_all_sessions_are_ended(self):
        browsers = [self.browser() for _ in range(3)]
        link = self.link()
        sessions = self.server.json("web-link", "--sessions")
        self.assertEqual([(each["peer"], sorted(each)) for each in sessions], [("127.0.0.1", ["last_used_at", "peer", "since"])] * 3)
        self.assertIn("127.0.0.1", self.server.admin("web-link", "--sessions").stdout)
        self.assertEqual(self.server.json("web-link", "--end-sessions"), {"ended": 3})
        self.assertEqual(self.server.json("web-link", "--sessions"), [])
        for browser in browsers:
            self.assertEqual(browser.api("GET", "session")[0], 401)
        self.assertEqual(browsers[0].log_in(link)[0], 403)

    def test_many_wrong_links_fill_no_log(self):
        stranger = Browser(self.server)
        for number in range(50):
            self.assertEqual(stranger.log_in("wrong%d" % number)[0], 403)
        self.assertLess(self.server.log().count("web-link-refused"), 3)

    def test_what_ends_a_session(self):
        browser, other = self.browser(), self.browser()
        status, told, _ = browser.api("POST", "logout", {})
        self.assertEqual(status, 200)
        self.assertIn("Max-Age=0", told["set-cookie"])
        self.assertEqual(browser.api("GET", "session")[0], 401)
        self.assertEqual(other.api("GET", "session")[0], 200)
        self.server.stop()
        self.server.start()
        other.port = self.server.ports["http"][1]
        self.assertEqual(other.api("GET", "session")[0], 401)

    def test_behind_a_proxy_that_speaks_https(self):
        self.server.stop()
        self.server.configure(SILENT + '\n[admin]\nnames = ["admin.example.org"]', LISTEN)
        self.server.start()
        browser = Browser(self.server)
        status, told, _ = browser.log_in(self.link(), Host="admin.example.org", Origin="https://admin.example.org")
        self.assertEqual(status, 200)
        self.assertIn("; Secure", told["set-cookie"])
        # One that does not pass the name on, as many do not unless they are told to.
        self.assertEqual(Browser(self.server).log_in(self.link(), Origin="https://admin.example.org")[0], 200)
        status, _, said = Browser(self.server).log_in(self.link(), Origin="https://other.example.org")
        self.assertEqual(status, 403)
        self.assertIn("has to pass on the Host", said["error"])

    def test_turned_off(self):
        self.server.stop()
        self.server.configure(SILENT + "\n[admin]\npage = false", LISTEN)
        self.server.start()
        self.assertIn("turned off", self.server.admin("web-link", code=1).stderr)
        self.assertEqual(Browser(self.server).ask("GET", "/admin/")[0], 404)
        self.assertEqual(Browser(self.server).api("GET", "session")[0], 404)
        self.assertEqual(Browser(self.server).ask("GET", "/healthz")[0], 200)

    def test_turned_off_by_a_reload(self):
        """Also for connections that are open, and for good: not until it is turned on again."""
        browser = self.browser()
        kept = http.client.HTTPConnection(browser.host, browser.port, timeout=mailstead.TIMEOUT)
        self.addCleanup(kept.close)
        fields = {"X-Mailstead-Csrf": browser.csrf, "Cookie": "%s=%s" % next(iter(browser.cookies.items()))}

        def asked():
            kept.request("GET", "/admin/api/session", headers=fields)
            reply = kept.getresponse()
            reply.read()
            return reply.status

        self.assertEqual(asked(), 200)
        self.reload(SILENT + "\n[admin]\npage = false", LISTEN)
        self.assertEqual(asked(), 404)
        self.reload(SILENT, LISTEN)
        self.assertEqual(asked(), 401)
        browser = self.browser()
        fields.update({"X-Mailstead-Csrf": browser.csrf, "Cookie": "%s=%s" % next(iter(browser.cookies.items()))})
        self.assertEqual(asked(), 200)
        self.reload(SILENT, {"http": []})
        self.assertEqual(asked(), 404)

    def reload(self, settings, listen):
        self.server.configure(settings, listen)
        start = len(self.server.lines)
        self.server.process.send_signal(mailstead.signal.SIGHUP)
        self.server.wait_line(lambda line: line.endswith("reloaded"), "the reload", start)

    def test_where_the_link_leads(self):
        self.server.stop()
        self.server.configure(SILENT, {"http": ["0.0.0.0:0", "127.0.0.2:0"]})
        self.server.start()
        told = self.server.admin("web-link").stdout
        self.assertIn("http://127.0.0.2:", told)
        is_container = "This is a container" in told
        if not is_container:
            self.assertRegex(told, r"ssh -N -L (\d+):127\.0\.0\.2:\1 mail\.example\.org")
        self.assertNotIn("encrypted", told)
        self.server.stop()
        self.server.configure(SILENT, {"http": ["0.0.0.0:0"]})
        self.server.start()
        told = self.server.admin("web-link").stdout
        self.assertIn("http://127.0.0.1:", told)
        self.assertIn("Where the container's port" if is_container else "nothing is encrypted there", told)

    def test_no_listener(self):
        self.server.stop()
        self.server.configure(SILENT, {"http": []})
        self.server.start()
        self.assertIn("no listener", self.server.admin("web-link", code=1).stderr)
        self.server.stop()
        self.assertIn("no server runs", self.server.admin("web-link", code=1).stderr)

    def test_not_for_the_public(self):
        """What mail programs ask for their settings at is open to everybody."""
        self.server.stop()
        self.server.configure(SILENT, {"http": ["127.0.0.1:0"], "web": ["127.0.0.1:0"]})
        self.server.start()
        link = self.link()
        public = Browser(self.server)
        public.host, public.port = self.server.ports["web"]
        for path in ("/", "/admin", "/admin/", "/admin/api/session", "/ADMIN/"):
            self.assertEqual(public.ask("GET", path)[0], 404, path)
        self.assertEqual(public.log_in(link)[0], 404)
        self.assertEqual(Browser(self.server).log_in(link)[0], 200)


class Strangers(Web):
    def test_pages_of_others(self):
        browser = self.browser()
        mine = "http://127.0.0.1:%d" % browser.port
        body = {"command": "mailbox list"}
        self.assertEqual(browser.api("POST", "command", body, Origin=mine, Sec_Fetch_Site="same-origin")[0], 200)
        for fields in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"},
                       {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}, {"X_Mailstead_Csrf": None},
                       {"X_Mailstead_Csrf": "x"}, {"X_Mailstead_Csrf": self.browser().csrf}):
            status, told, said = browser.api("POST", "command", body, **fields)
            self.assertEqual(status, 403, (fields, said))
            self.assertNotIn("access-control-allow-origin", told)
        for content_type in (None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            self.assertEqual(browser.api("POST", "command", body, Content_Type=content_type)[0], 400)
        self.assertEqual(browser.api("POST", "command", body, Cookie=None)[0], 401)
        self.assertEqual(browser.api("OPTIONS", "command", None, Origin="http://evil.example")[0], 403)

    def test_other_names_that_lead_here(self):
        browser = self.browser()
        for host in ("evil.example", "127.0.0.1.evil.example", "mail.example.org.evil.example"):
            for path in ("/admin/", "/admin/api/session"):
                status, told, said = browser.ask("GET", path, Host=host)
                self.assertEqual(status, 421, host)
                self.assertIn("[admin] names", str(said))
        for host in ("mail.example.org", "localhost:%d" % browser.port, "[::1]:%d" % browser.port):
            self.assertEqual(browser.ask("GET", "/admin/api/session", Host=host)[0], 200, host)

    def test_what_is_no_request(self):
        browser = self.browser()
        for body in (b"", b"x", b"[]", b"null", b'"command"', b"{", b"\xff", b'{"command": 1}', b'{"command": "status", "arguments": {}}',
                     b'{"command": "status", "arguments": [1]}', b'{"command": "status", "secret": "x"}', b"[" * 60000):
            status, _, said = browser.api("POST", "command", body)
            self.assertEqual(status, 400, body[:60])
            self.assertTrue(said["error"].endswith("."))
        self.assertEqual(browser.api("POST", "command", b'"' + b"x" * 70000 + b'"')[0], 413)
        for name, method, expected in (("nothing", "GET", 404), ("", "GET", 404), ("command", "GET", 405), ("session", "POST", 405),
                                       ("look", "DELETE", 405), ("history?span=year", "GET", 400), ("look?look=x", "GET", 400),
                                       ("look?look=dns+check", "GET", 400)):
            self.assertEqual(browser.api(method, name, {} if method == "POST" else None)[0], expected, name)
        self.assertEqual(browser.api("POST", "look", {"look": "x"})[0], 400)
        self.assertEqual(browser.api("POST", "look", {"look": "dns check"})[0], 400)
        # An argument of any octets is somebody's mistake, and no more.
        self.assertEqual(browser.command("mailbox show", "\0\x1b\u202e" * 100)["exit_code"], 2)
        self.assertEqual(browser.command("mailbox show", *["a@example.org"] * 1000)["exit_code"], 2)

    def test_commands_that_the_page_does_not_give(self):
        browser = self.browser()
        for command in ("serve", "config show", "backup", "restore", "import maildir", "transfer begin", "doctor facts", "backup done",
                        "metrics", "web-link", "completion", "verify", "no such", ""):
            self.assertEqual(browser.api("POST", "command", {"command": command})[0], 403, command)

    def test_guards_stand_on_every_answer(self):
        browser = self.browser()
        for method, path in (("GET", "/admin/"), ("HEAD", "/admin/"), ("GET", "/admin/api/session"), ("GET", "/admin/api/history"),
                             ("GET", "/admin/none"), ("GET", "/admin/api/none"), ("POST", "/admin/"), ("GET", "/admin/api/command")):
            status, told, _ = browser.ask(method, path)
            for guard in GUARDS:
                self.assertIn(guard, told, (method, path, status))
            policy = told["content-security-policy"]
            self.assertTrue(policy.startswith("default-src 'none'; "))
            self.assertIn("frame-ancestors 'none'", policy)
            for loose in ("unsafe", "http:", "data:", "*"):
                self.assertNotIn(loose, policy)

    def test_files_of_the_page(self):
        stranger = Browser(self.server)
        for path in ("/", "/admin"):
            status, told, _ = stranger.ask("GET", path)
            self.assertEqual((status, told["location"]), (302, "/admin/"))
        status, told, page = stranger.ask("GET", "/admin/")
        self.assertEqual((status, told["content-type"]), (200, "text/html; charset=utf-8"))
        self.assertIn("<!doctype html>", page)
        status, told, body = stranger.ask("GET", "/admin/", If_None_Match=told["etag"])
        self.assertEqual((status, body), (304, ""))
        self.assertEqual(stranger.ask("HEAD", "/admin/")[2], "")
        for path in ("/admin/index.html/", "/admin/../etc/passwd", "/admin/%2e%2e/mailstead.toml", "/admin/README.md", "/admin/embed.cmake"):
            self.assertIn(stranger.ask("GET", path)[0], (400, 404), path)


class Work(Web):
    def test_mailboxes(self):
        browser = self.browser()
        made = browser.command("mailbox add", USER)
        self.assertEqual(made["exit_code"], 0, made)
        self.server.passwords[USER] = made["password"]
        self.server.deliver(messages.numbered(1, 100), USER)
        self.assertEqual(len(self.server.fetch(USER)), 1)
        again = browser.command("mailbox add", USER)
        self.assertEqual(again["exit_code"], 1)
        self.assertIn("exists", again["error"])
        self.assertNotIn("password", again)
        self.assertEqual(browser.result("mailbox show", USER)["messages"], 1)

        changed = browser.command("mailbox password", USER, password="correct horse, staple")
        self.assertEqual((changed["exit_code"], "password" in changed), (0, False))
        self.server.passwords[USER] = "correct horse, staple"
        self.assertEqual(len(self.server.fetch(USER)), 1)
        for bad in ("\x07", "x" * 300, "\U0001f600"):
            self.assertEqual(browser.command("mailbox password", USER, password=bad)["exit_code"], 2, repr(bad))
        self.assertEqual(browser.command("mailbox password", "nobody@example.org", password="good enough")["exit_code"], 1)
        self.assertEqual(browser.command("mailbox password", password="good enough")["exit_code"], 2)

        told = browser.command("app-password add", USER, "phone", flags=["only=read"])
        self.assertEqual(told["exit_code"], 0, told)
        self.assertEqual([each["name"] for each in browser.result("app-password list", USER)], ["phone"])
        browser.result("mailbox quota", USER, "1 GiB")
        self.assertEqual(self.server.json("mailbox", "show", USER)["quota"], 1 << 30)
        self.assertEqual(browser.command("mailbox quota", USER, "much")["exit_code"], 2)
        browser.result("mailbox remove", USER)
        self.assertEqual(self.server.json("mailbox", "list"), [])
        # What was typed or made is in no log.
        for secret in (made["password"], "staple"):
            self.assertNotIn(secret, self.server.log())

    def test_every_command_of_the_page(self):
        """Each is there, and says with --json what it says here."""
        browser = self.browser()
        self.server.add_mailbox(USER)
        self.server.deliver(messages.numbered(1, 100), USER)
        browser.result("alias add", "sales@example.org", USER)
        for command in (["status"], ["mailbox", "list"], ["alias", "list"], ["domain", "list"], ["queue", "list"], ["ban", "list"],
                        ["message", "list", USER], ["client-card", USER], ["dns", "records", "example.org"], ["tls", "show"],
                        ["dkim", "show"], ["why", USER]):
            words = 1 if command[0] in ("status", "client-card", "why") else 2
            name, arguments = " ".join(command[:words]), command[words:]
            here, there = browser.result(name, *arguments), self.server.json(*command)
            if name == "status":
                here, there = here["data"], there["data"]
            self.assertEqual(here, there, name)
        [message] = browser.result("message list", USER)
        self.assertEqual(browser.command("message show", USER, message["uidl"])["exit_code"], 0)

    def test_a_long_list_comes_in_pieces(self):
        self.server.add_cheap_mailbox(USER)
        self.server.admin("import", "maildir", self.maildir(4100), USER)
        browser = self.browser()
        listed, after = [], ""
        for _ in range(3):
            report = browser.command("message list", USER, flags=["newest=50"], after=after)
            self.assertEqual(len(report["result"]), 50)
            self.assertLess(len(report["text"]), 20_000)
            listed += report["result"]
            after = report["next"]
        self.assertEqual([each["subject"] for each in listed], ["number %d" % number for number in range(4099, 3949, -1)])
        # The command line puts all of it together, in the mailbox's order.
        whole = self.server.json("message", "list", USER)
        self.assertEqual([each["uidl"] for each in whole[:-151:-1]], [each["uidl"] for each in listed])
        self.assertEqual(len({each["uidl"] for each in whole}), 4100)
        self.assertEqual([each["subject"] for each in whole[-500:]], ["number %d" % number for number in range(3600, 4100)])
        self.assertIn("3600 older ones are not shown", self.server.admin("message", "list", USER).stdout)
        self.assertEqual(len(self.server.json("message", "list", USER, "--newest", "3")), 3)
        for wrong in ("0", "501", "x", "-1"):
            self.server.admin("message", "list", USER, "--newest=" + wrong, code=2)
        for wrong in ("x", "-1", "0", "1 2", "9" * 30):
            self.assertEqual(browser.command("message list", USER, after=wrong)["exit_code"], 2, wrong)

    def maildir(self, count):
        """So many messages of another server, a second apart."""
        folder = os.path.join(self.server.folder, "maildir")
        for part in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(folder, part))
        for number in range(count):
            path = os.path.join(folder, "cur", "%d.M%dP1.host:2,S" % (1_700_000_000 + number, number))
            with open(path, "w") as file:
                file.write("From: a@b.example\nSubject: number %d\n\nbody\n" % number)
            os.utime(path, (1_700_000_000 + number,) * 2)
        return folder

    def test_history(self):
        browser = self.browser()
        self.server.add_mailbox(USER)
        self.server.deliver(messages.numbered(1, 2000), USER)

        def told():
            history = browser.api("GET", "history?span=hour")[2]
            if not history["samples"]:
                return None
            last = dict(zip(["at", *history["fields"]], history["samples"][-1]))
            return last if last["accepted"] == 1 else None

        last = until(told, "a sample of the message")
        self.assertGreater(last["mail_octets"], 2000)
        self.assertGreater(last["free_octets"], 1 << 20)
        for span, step in (("hour", 10), ("day", 120), ("week", 900)):
            self.assertEqual(browser.api("GET", "history?span=" + span)[2]["step"], step)

    def look(self, browser, query):
        def told():
            said = browser.api("GET", "look?" + query)[2]
            return said if said["state"] == "done" else None
        return until(told, "the end of " + query)

    def test_doctor_and_dns_check(self):
        browser = self.browser()
        self.assertEqual(browser.api("GET", "look?look=doctor")[2], {"state": "none", "at": 0, "report": None})
        self.server.add_mailbox(USER)
        for body in ({"look": "doctor"}, {"look": "doctor"}, {"look": "dns check", "domain": "example.org"},
                     {"look": "dns check", "domain": "elsewhere.example"}):
            self.assertEqual(browser.api("POST", "look", body)[::2], (202, {"state": "running"}))
        # Others do not wait meanwhile.
        self.assertEqual(browser.result("mailbox list")[0]["address"], USER)
        report = self.look(browser, "look=doctor")["report"]
        found = {finding["check"]: finding for finding in report["result"]["findings"]}
        self.assertEqual(found["server"]["state"], "ok")
        self.assertEqual(found["configuration"]["state"], "ok")
        self.assertEqual(found["data-folder"]["state"], "ok", found["data-folder"])
        self.assertEqual(found["resolver"]["state"], "problem")
        self.assertEqual(report["exit_code"], 1)
        records = self.look(browser, "look=dns+check&domain=example.org")["report"]
        self.assertTrue(records["result"])
        self.assertEqual(self.look(browser, "look=dns+check&domain=elsewhere.example")["report"]["exit_code"], 1)

    def test_the_server_ends_while_doctor_looks(self):
        """Nobody answers at that address, and nobody refuses: the look would last."""
        with mailstead.socket.socket(mailstead.socket.AF_INET, mailstead.socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            self.server.stop()
            self.server.configure('[resolver]\nservers = ["127.0.0.1:%d"]' % silent.getsockname()[1], LISTEN)
            self.server.start()
            browser = self.browser()
            self.assertEqual(browser.api("POST", "look", {"look": "doctor"})[0], 202)
            silent.settimeout(mailstead.TIMEOUT)
            silent.recv(512)  # it asks
            self.assertEqual(browser.api("GET", "look?look=doctor")[2]["state"], "running")
            self.server.stop()


if __name__ == "__main__":
    mailstead.main()
