"""The administration page in a real browser: headless Chromium, used as a person does, against the real server. What the page did is
looked at by the command line. Pictures of each screen go to MAILSTEAD_WEB_PICTURES, default build/results/web."""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import unittest

import internet
import mailstead
from mailstead import until

try:
    from selenium import webdriver
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.chrome.service import Service
except ImportError:
    webdriver = None

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PICTURES = os.environ.get("MAILSTEAD_WEB_PICTURES", os.path.join(ROOT, "build", "results", "web"))
MOCK = os.environ.get("MAILSTEAD_WEB_MOCK")

ANNA, BERT = "anna@example.org", "bert@example.org"
DESK, PHONE = (1280, 900), (360, 740)
SETTINGS = """hostname = "mail.example.org"
[resolver]
servers = ["%s"]
[queue]
retry = ["1 h"]
[auth]
plaintext = "always"
ban_after = 3
""" % internet.NAME_SERVER[0]
PORTS = {"smtp": 25, "submission": 587, "submissions": 465, "pop3": 110, "pop3s": 995}
LISTEN = {"http": ["127.0.0.1:0"], **{service: ["%s:%d" % (internet.US, port)] for service, port in PORTS.items()}}

# Before any script of the page: what must not happen is noted.
WATCH = """
  window.seen = {violations: [], alerts: []};
  document.addEventListener("securitypolicyviolation", (event) => seen.violations.push(event.violatedDirective + " " + event.blockedURI));
  window.alert = window.confirm = window.prompt = (text) => { seen.alerts.push(String(text)); };
"""

# Names of what may not be without one, for people who do not see it.
NAMELESS = """
  const bad = [];
  const named = (each) => each.getAttribute("aria-label") || each.getAttribute("aria-labelledby") || each.textContent.trim() || each.title;
  for (const each of document.querySelectorAll("button, a[href], summary, h1, h2, h3")) if (!named(each)) bad.push(each.outerHTML);
  for (const each of document.querySelectorAll("input, textarea, select")) if (!each.labels.length && !each.getAttribute("aria-label") && !each.classList.contains("aside")) bad.push(each.outerHTML);
  for (const each of document.querySelectorAll("img:not([alt]), svg:not([role=img]):not([aria-hidden])")) bad.push(each.outerHTML.slice(0, 200));
  const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
  for (const id of ids.filter((each, i) => ids.indexOf(each) !== i)) bad.push("twice: " + id);
  if (document.querySelectorAll("h1").length !== 1) bad.push("headings of the first level: " + document.querySelectorAll("h1").length);
  return bad;
"""

# What sticks out at the side, and is in no box of its own that scrolls.
TOO_WIDE = """
  const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= wide && innerWidth <= arguments[0]) return [];
  return [`${document.documentElement.scrollWidth} of ${wide}, window ${innerWidth}`, ...[...document.querySelectorAll("body *")].filter((each) =>
    each.getBoundingClientRect().right > arguments[0] + 1 && !each.closest("pre")).slice(-4).map((each) => each.outerHTML.slice(0, 200))];
"""


class From(mailstead.Stream):
    """A connection that comes from this address, to a port of ours."""

    def __init__(self, client, port):
        self.socket = mailstead.socket.create_connection((internet.US, port), timeout=mailstead.TIMEOUT, source_address=(client, 0))
        self.buffer = bytearray()


class Browser:
    """One Chromium; pages open in it one after the other."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="mailstead-browser-")
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
                         "--disable-background-networking", "--disable-component-update", "--no-proxy-server", "--force-device-scale-factor=1",
                         "--user-data-dir=" + os.path.join(self.folder, "profile"), "--window-size=%d,%d" % DESK):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(service=Service(DRIVER), options=options)
        self.driver.set_script_timeout(mailstead.TIMEOUT)
        self.cdp = self.driver.execute_cdp_cmd
        self.cdp("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
        self.script = self.driver.execute_script

    def close(self):
        self.driver.quit()
        shutil.rmtree(self.folder, ignore_errors=True)

    def size(self, width, height):
        self.cdp("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500})

    def colours(self, scheme):
        self.cdp("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})

    # ---- what a person does

    def open(self, url):
        """A page of its own, also when only what stands behind # is another."""
        self.driver.get("about:blank")
        self.driver.get(url)
        self.settled()

    def settled(self):
        until(lambda: self.script("""return document.readyState === "complete" && document.querySelector("#screen h1") !== null &&
            document.querySelector("#screen [aria-busy]") === null"""), "the page is there", 30)

    def go(self, *words):
        """To a screen."""
        self.script("document.querySelector('.screen')?.setAttribute('data-old', '')")
        self.script("location.hash = '#/x'; location.hash = '#/' + arguments[0].map(encodeURIComponent).join('/')", words)
        until(lambda: self.script("return document.querySelector('.screen:not([data-old])') !== null"), "the screen changes", 30)
        self.settled()

    def text(self, selector="#screen"):
        return self.script("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def find(self, path):
        """The first element of this path that can be seen; in a dialog, where one is open."""
        if self.script("return document.querySelector('dialog[open]') !== null"):
            path = "//dialog" + path.removeprefix("//main")

        def visible():
            return next((each for each in self.driver.find_elements(By.XPATH, path) if each.is_displayed()), None)
        return until(visible, "there is " + path, 30)

    def press(self, label, row=None, within="//main"):
        """A button or a link, by what stands on it; of the table's row or card that has this text in it."""
        scope = "//*[self::tr or self::article][contains(., %s)]" % quoted(row) if row else within
        element = self.find("%s//*[self::button or self::a or self::summary][normalize-space(.)=%s]" % (scope, quoted(label)))
        self.script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def field(self, label):
        found = self.find("//label[normalize-space(.)=%s]" % quoted(label))
        return self.driver.find_element(By.ID, found.get_attribute("for"))

    def type(self, label, text):
        field = self.field(label)
        field.clear()
        field.send_keys(text)

    def choose(self, label):
        self.find("//label[normalize-space(.)=%s]" % quoted(label)).click()

    def told(self, words):
        until(lambda: words in self.text("#news"), "the page says %r (news: %r, errors: %r, dialog: %r)"
              % (words, self.text("#news"), self.text("#errors"), self.text("dialog")), 30)
        self.settled()

    def secret(self):
        """What is shown once; the dialog is closed then."""
        secret = self.find("//*[@id='secret']").text
        self.press("I have it")
        return secret

    def picture(self, name):
        os.makedirs(PICTURES, exist_ok=True)
        # The whole page, not only what fits.
        shot = self.cdp("Page.captureScreenshot", {"captureBeyondViewport": True, "format": "png"})
        with open(os.path.join(PICTURES, name + ".png"), "wb") as file:
            file.write(mailstead.base64.b64decode(shot["data"]))

    # ---- what it says of itself

    def complaints(self):
        """Errors of the console and of the rules, alerts. That nobody is logged in, or a link is no good, is said with 401."""
        lines = [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
        lines = [line for line in lines if not ("401" in line and ("/api/session" in line or "/api/login" in line))]
        seen = self.script("return window.seen || {violations: [], alerts: []}")
        return lines + seen["violations"] + seen["alerts"]

    def requests(self):
        """The addresses that were asked since the last call."""
        found = []
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated"):
                found.append(message["params"].get("request", message["params"])["url"])
        return found


def quoted(text):
    """In XPath."""
    return "concat(%s, '')" % ", '\"', ".join('"%s"' % part for part in text.split('"'))


@unittest.skipUnless(webdriver and CHROMIUM and DRIVER, "chromium, chromium-driver or python3-selenium is not installed")
class PageTest(unittest.TestCase):
    """A server in an Internet of its own, and a browser that is logged in to its page."""

    names = None

    @classmethod
    def setUpClass(cls):
        if PageTest.names is None:
            PageTest.names = internet.Names()
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        self.names.zone.clear()
        self.names.trouble.clear()
        self.server = mailstead.Server(SETTINGS, LISTEN).start()
        self.addCleanup(self.server.close)
        self.addCleanup(self.show)
        self.server.add_cheap_mailbox(ANNA)
        self.browser.size(*DESK)
        self.browser.colours("light")
        self.browser.cdp("Network.clearBrowserCookies", {})
        self.browser.requests()
        self.browser.complaints()
        self.begin()

    def show(self):
        if mailstead.has_failed(self):
            with contextlib.suppress(Exception):
                self.browser.picture("failed-" + self.id().rsplit(".", 1)[1])
            print("\n".join(self.server.lines[-30:]))

    def begin(self):
        if MOCK:
            self.mock = subprocess.Popen(["python3", MOCK, "--data", self.server.data, "--config", self.server.config, "--port", "0", "--binary", mailstead.BINARY],
                                         stdout=subprocess.PIPE, text=True)
            self.addCleanup(self.mock.wait)
            self.addCleanup(self.mock.terminate)
            self.mock_port = int(self.mock.stdout.readline())

    def link(self):
        if MOCK:
            import urllib.request
            return json.load(urllib.request.urlopen("http://127.0.0.1:%d/link" % self.mock_port))["url"]
        return self.server.json("web-link")["url"]

    def log_in(self):
        link = self.link()
        self.browser.open(link)
        until(lambda: "/login" not in self.browser.driver.current_url and "The server runs" in self.browser.text(), "somebody is logged in", 30)
        return link

    def tearDown(self):
        """No test leaves an error in the console, or has asked another server than its own."""
        self.assertEqual(self.browser.complaints(), [])
        own = self.link().partition("/admin/")[0] + "/"
        others = [url for url in self.browser.requests() if not url.startswith((own, "blob:" + own, "about:", "data:,"))]
        self.assertEqual(others, [])

    # ---- mail

    def deliver(self, subject, to=ANNA, sender="sender@elsewhere.example", **fields):
        head = "".join("%s: %s\r\n" % (name.replace("_", "-"), value) for name, value in {"From": sender, "Subject": subject, **fields}.items())
        with mailstead.Smtp(From(internet.US, PORTS["smtp"])) as session:
            return session.send(head.encode() + b"\r\nWords.\r\n", sender, [to])

    def submit(self, *recipients, subject="on its way"):
        message = "From: %s\r\nSubject: %s\r\nMessage-ID: <%d@example.org>\r\n\r\nWords.\r\n" % (ANNA, subject, len(recipients))
        with mailstead.Smtp(From(internet.US, PORTS["submission"]), user=ANNA, password=self.server.passwords[ANNA]) as session:
            return session.send(message.encode(), ANNA, recipients)

    def attempted(self, queue_id):
        return until(lambda: [each for each in self.server.json("queue", "show", queue_id)["recipients"] if each["attempts"]], "it was tried")

    def wait_for(self, *recipients, **more):
        """A message that waits, since the DNS of its domain is in trouble."""
        for recipient in recipients:
            self.names.trouble[recipient.partition("@")[2]] = "SERVFAIL"
        found = self.submit(*recipients, **more)
        self.attempted(found)
        return found


class Session(PageTest):
    def test_a_link_logs_in_once_and_leaves_the_address_bar(self):
        link = self.log_in()
        self.assertNotIn("login", self.browser.driver.current_url)
        self.assertNotIn(link.partition("=")[2], self.browser.script("return document.documentElement.outerHTML"))
        self.assertEqual(self.browser.text("#hostname"), "mail.example.org")
        # A session is there for another tab, too; the link is not needed again.
        self.browser.open(link.partition("#")[0])
        self.assertIn("The server runs", self.browser.text())
        self.browser.open(link)
        self.assertIn("used before, or is too old", self.browser.text("#news"))
        # Without a session it is of no use.
        self.browser.press("Log out", within="//header")
        until(lambda: "You are logged out" in self.browser.text(), "it says so")
        self.browser.open(link)
        self.assertIn("This link cannot be used", self.browser.text())
        self.assertIn("mailstead web-link", self.browser.text())
        self.assertFalse(self.browser.script("return document.querySelector('#top').checkVisibility()"))

    def test_without_a_link_it_says_where_to_get_one(self):
        self.browser.open(self.link().partition("#")[0])
        self.assertIn("mailstead web-link", self.browser.text())
        self.assertIn("docker exec NAME mailstead web-link", self.browser.text())
        self.assertEqual(self.browser.script(NAMELESS), [])

    def test_a_session_that_ended_meanwhile_says_so(self):
        self.log_in()
        self.browser.cdp("Network.clearBrowserCookies", {})
        self.browser.script("location.hash = '#/queue'")
        until(lambda: "Log in to Mailstead" in self.browser.text(), "it asks for a link")
        self.assertTrue(self.browser.find("//*[@role='alert']").text)
        # The browser notes each 401.
        self.assertTrue(all("401" in line for line in self.browser.complaints()))


class Actions(PageTest):
    def setUp(self):
        super().setUp()
        self.log_in()

    def test_overview_tells_how_the_server_is(self):
        page = self.browser
        for words in ("There was never a backup", "Mailboxes", "Listeners", "127.0.0.1", "Free space", "self-signed", "Messages accepted"):
            self.assertIn(words, page.text())
        self.assertEqual(len(page.driver.find_elements(By.CSS_SELECTOR, "svg.chart[role=img]")), 6)
        summary = page.script("return document.querySelector('svg.chart').getAttribute('aria-label')")
        self.assertIn("Messages, per minute, the last hour", summary)
        for span, words in (("Day", "the last day"), ("Week", "the last week")):
            page.choose(span)
            until(lambda: words in page.script("return document.querySelector('svg.chart').getAttribute('aria-label')"), "another span")
        page.choose("Hour")
        # It looks again by itself, and a key points at a moment.
        self.deliver("counted")
        until(lambda: "Messages accepted\n1" in page.text(), "the new message is counted", 30)
        free = page.driver.find_elements(By.CSS_SELECTOR, "svg.chart")[4]
        until(lambda: page.script("return arguments[0].querySelector('.line, .dot') !== null", free), "a sample is drawn", 30)
        free.send_keys(Keys.END)
        self.assertRegex(page.script("return arguments[0].parentNode.querySelector('.read-out').innerText", free), r"\d+:\d+:\d+ free [\d.]+ .iB")

    def test_mailboxes_are_added_changed_and_removed(self):
        page = self.browser
        page.go("mailboxes")
        page.press("Add a mailbox")
        page.type("Address", "no address")
        page.press("Add")
        until(lambda: "no address" in page.text("dialog .message"), "the refusal is shown in the dialog")
        page.type("Address", BERT)
        page.press("Add")
        secret = page.secret()
        until(lambda: BERT in page.text("h1"), "its page")
        self.server.passwords[BERT] = secret
        self.assertEqual(self.server.fetch(BERT), [])

        page.press("Change the password")
        page.choose("I type one")
        page.type("Password", "staple battery 9")
        page.press("Change it")
        page.told("has a new password")
        self.server.passwords[BERT] = "staple battery 9"
        self.assertEqual(self.server.fetch(BERT), [])

        page.press("Disable")
        page.press("Disable")
        page.told("is disabled")
        self.assertFalse(self.server.json("mailbox", "show", BERT)["enabled"])
        page.press("Enable")
        page.told("is enabled")
        self.assertTrue(self.server.json("mailbox", "show", BERT)["enabled"])

        page.press("Set the quota")
        page.type("Size", "20 MiB")
        page.press("Set it")
        page.told("may hold 20 MiB")
        self.assertEqual(self.server.json("mailbox", "show", BERT)["quota"], 20 << 20)
        self.assertIn("0 % of 20.0 MiB", page.text())

        page.go("mailboxes")
        page.type("Search", "BERT")
        until(lambda: ANNA not in page.text(), "only what was looked for")
        self.assertIn(BERT, page.text())
        page.go("mailboxes", BERT)
        page.press("Remove")
        page.type("To be sure, type its address", ANNA)
        page.press("Remove it")
        until(lambda: "This is not its address" in page.text("dialog"), "it is not removed")
        page.type("To be sure, type its address", BERT)
        page.choose("Keep its messages on the disk")
        page.press("Remove it")
        page.told("stay on the disk")
        self.assertEqual([each["address"] for each in self.server.json("mailbox", "list")], [ANNA])

    def test_app_passwords_are_shown_once_and_revoked(self):
        page = self.browser
        page.go("mailboxes", ANNA, "app-passwords")
        page.press("Add an app password")
        page.type("Name", "Anna's phone")
        page.choose("reading only (POP3)")
        page.find("//label[contains(., 'APOP')]").click()
        page.press("Add")
        page.find("//*[@id='secret']")
        webdriver.ActionChains(page.driver).send_keys(Keys.ESCAPE).perform()
        secret = page.secret()
        page.told("is added")
        self.assertNotIn(secret, page.script("return document.documentElement.outerHTML"))
        told = self.server.json("app-password", "list", ANNA)[0]
        self.assertEqual((told["name"], told["may"], told["apop"]), ("Anna's phone", ["read"], True))
        self.server.passwords[ANNA] = secret
        self.assertEqual(self.server.fetch(ANNA), [])
        page.press("Revoke", row="Anna's phone")
        page.press("Revoke")
        page.told("is revoked")
        self.assertEqual(self.server.json("app-password", "list", ANNA), [])

    def test_client_settings_can_be_copied(self):
        page = self.browser
        page.go("mailboxes", ANNA, "settings")
        card = self.server.json("client-card", ANNA)
        for words in (card["host"], str(card["pop3"]["tls_port"]), card["certificate_sha256"]):
            self.assertIn(words, page.text())
        # Where there is no navigator.clipboard, as by HTTP from another machine.
        page.script("Object.defineProperty(navigator, 'clipboard', {value: undefined}); document.addEventListener('copy', () => { window.copied = String(getSelection()); })")
        page.press("Copy the user name")
        until(lambda: "Copied" in page.text(), "it says that it is copied")
        self.assertEqual(page.script("return window.copied"), ANNA)

    def test_messages_are_listed_and_deleted_ones_restored(self):
        page = self.browser
        for number in range(60):
            self.deliver("number %d" % number)
        page.go("mailboxes", ANNA, "messages")
        self.assertIn("number 59", page.text())
        self.assertNotIn("number 9\n", page.text())
        page.press("Show older ones")
        until(lambda: "number 9\n" in page.text(), "the older ones are there")
        page.press("number 59")
        until(lambda: "number 59" in page.text("h1"), "the message's page")
        self.assertIn("in the mailbox", page.text())
        with self.server.pop3(ANNA) as session:
            for number in (1, 2, 3):
                session.must("DELE %d" % number)
            session.quit()
        # By another device: both may have been in the same second.
        password = self.server.json("app-password", "add", ANNA, "phone")["password"]
        with mailstead.Pop3(From(internet.US, PORTS["pop3"])) as session:
            session.login(ANNA, password)
            session.must("DELE 1")
            session.quit()
        page.go("mailboxes", ANNA, "deleted")
        page.press("Restore", row="number 1")
        page.told("1 message restored")
        page.press("Restore what was deleted last")
        page.told("1 message restored")
        self.assertEqual(self.server.json("mailbox", "show", ANNA)["deleted_messages"], 2)
        page.press("Restore all")
        page.press("Restore all")
        page.told("2 messages restored")
        self.assertEqual(self.server.json("mailbox", "show", ANNA)["deleted_messages"], 0)

    def test_aliases(self):
        page = self.browser
        page.go("aliases")
        page.press("Add an alias")
        page.type("Alias", "info@new.example")
        page.type("Targets", ANNA + "\ncarl@far.example")
        page.press("Add")
        page.told("Mail to info@new.example goes to")
        self.assertEqual(self.server.json("alias", "list"), [{"alias": "info@new.example", "targets": [ANNA, "carl@far.example"]}])
        page.press("Add an alias")
        page.type("Alias", "@new.example")
        page.type("Targets", ANNA)
        page.press("Add")
        page.told("@new.example")
        self.assertIn("catch-all", page.text())
        self.assertIn("new.example", [each["domain"] for each in self.server.json("domain", "list")])
        page.press("Remove", row="info@new.example")
        page.press("Remove")
        page.told("is removed")
        self.assertEqual([each["alias"] for each in self.server.json("alias", "list")], ["@new.example"])

    def test_queued_mail_is_held_released_tried_and_dropped(self):
        page = self.browser
        one, two = self.wait_for("carl@far.example"), self.wait_for("dora@wide.example", "emil@wide.example")
        page.go("queue")
        self.assertIn("dora@wide.example and 1 more", page.text())
        page.press(one)
        until(lambda: one in page.text("h1"), "its page")
        page.press("Hold")
        page.told("It is held")
        self.assertTrue(self.server.json("queue", "show", one)["held"])
        page.press("Release")
        page.told("It is tried again")
        self.assertFalse(self.server.json("queue", "show", one)["held"])
        attempts = self.attempted(one)[0]["attempts"]
        page.press("Retry now")
        page.told("It will be tried now")
        until(lambda: self.attempted(one)[0]["attempts"] > attempts, "it is tried")
        page.press("Drop")
        page.press("Cancel")
        self.assertEqual(len(self.server.json("queue", "list")), 2)
        page.press("Drop")
        page.press("Drop it")
        page.told("It is dropped")
        self.assertEqual([each["id"] for each in self.server.json("queue", "list")], [two])
        attempts = self.attempted(two)[0]["attempts"]
        page.go("queue")
        page.press("Retry all now")
        page.told("1 message will be tried now")
        until(lambda: self.attempted(two)[0]["attempts"] > attempts, "it is tried")

    def test_a_trace_tells_the_story(self):
        page = self.browser
        one, two = self.deliver("here"), self.wait_for("carl@far.example")
        page.go("trace")
        page.type("An address, or a message's id", ANNA)
        page.press("Trace")
        until(lambda: "is a mailbox of this server" in page.text(), "about the address")
        for words in ("What to do", "here", "Mail waits for 1 recipient"):
            self.assertIn(words, page.text())
        page.go("trace", one)
        for words in ("What happened", "received", "in the mailbox"):
            self.assertIn(words, page.text())
        page.go("queue", two)
        page.press("Trace it")
        until(lambda: "carl@far.example: not taken yet" in page.text(), "about the message")
        page.go("trace", "nothing-of-this-name")
        self.assertIn("check the spelling", page.text("#screen [role=alert]"))

    def test_the_doctor_is_asked_and_waited_for(self):
        page = self.browser
        page.go("doctor")
        page.press("Examine the server")
        until(lambda: "Looking." in page.text(), "it is begun")
        page.go("queue")
        page.go("doctor")  # and is still waited for
        until(lambda: "Made" in page.text(), "it is done", mailstead.TIMEOUT)
        self.assertIn("dns-forward", page.text())
        order = page.script("return [...document.querySelectorAll('.findings')].map((each) => each.firstChild.className)")
        self.assertEqual(order, sorted(order, key=["problem", "warning", "skipped", "note", "ok"].index))
        self.assertEqual(order[0], "problem")

    def test_dns_records_are_told_checked_and_keys_rotated(self):
        page = self.browser
        records = self.server.json("dns", "records", "example.org")
        page.go("dns", "example.org")
        for record in records:
            self.assertIn(record["value"], page.text())
        for record in records:
            if record["type"] != "MX":
                self.names.add(record["name"], record["type"], record["value"])
        page.press("Check the DNS")
        until(lambda: "Checked" in page.text(), "it is checked", mailstead.TIMEOUT)
        verdicts = page.script("return [...document.querySelectorAll('.record')].map((each) => each.querySelector('h3').innerText)")
        self.assertTrue(any("MX" in each and "missing" in each for each in verdicts), verdicts)
        self.assertTrue(any("TXT" in each and "ok" in each for each in verdicts), verdicts)
        page.press("Make new keys")
        page.told("The new keys are made")
        self.assertEqual({key["state"] for key in self.server.json("dkim", "show")}, {"active", "next"})
        page.press("Let the new keys sign")
        page.press("Let them sign")
        page.told("The new keys sign")
        self.assertEqual({key["state"] for key in self.server.json("dkim", "show")}, {"active", "retired"})

    def test_bans_are_lifted_and_the_certificate_is_told(self):
        page = self.browser
        client = internet.OTHERS[0]
        with mailstead.Smtp(From(client, PORTS["submission"])) as session:
            for password in ("one", "two", "three"):
                session.must("AUTH PLAIN " + mailstead.base64.b64encode(b"\0anna@example.org\0" + password.encode()).decode(), "535")
        page.go("access")
        self.assertIn(self.server.json("tls", "show")["sha256"], page.text())
        page.press("Lift", row=client)
        page.told("may log in again")
        self.assertEqual(self.server.json("ban", "list"), [])

    def test_a_server_that_is_gone_is_told(self):
        page = self.browser
        page.script("window.fetch = () => Promise.reject(new TypeError('gone'))")
        page.press("Queue", within="//header")
        until(lambda: "The server cannot be reached" in page.text(), "it says so")


class Numbers(PageTest):
    """The modules that know no elements, as the browser runs them."""

    def told(self, module, expression):
        return self.browser.driver.execute_async_script("const [module, done] = arguments; import(module).then((m) => done(%s), (error) => done(String(error)))"
                                                        % expression, "./%s.js" % module)

    def setUp(self):
        super().setUp()
        self.log_in()

    def test_counters_become_what_happened_in_the_last_minute_with_gaps_where_the_server_was_away(self):
        # Every ten seconds a message; at 100 the server is new; from 150 to 300 nobody noted anything.
        samples = [[t, t // 10 if t < 100 else t // 10 - 10, 7] for t in [*range(0, 150, 10), *range(300, 330, 10)]]
        told = {"step": 10, "fields": ["accepted", "connections"], "samples": samples}
        found = self.told("traffic", "JSON.parse(JSON.stringify(m.by_time(%s, 'hour')))" % json.dumps(told))
        by_time = dict(zip(found["times"], found["values"]["accepted"]))
        self.assertEqual([by_time[t] for t in (0, 10, 50, 60, 90)], [None, 1, 5, 6, 6])
        self.assertEqual([by_time[t] for t in (100, 110, 140)], [None, 1, 4])
        self.assertEqual([by_time[t] for t in (300, 310, 320)], [None, 1, 2])
        self.assertEqual(set(found["values"]["connections"]), {7})
        self.assertEqual([t for t, fresh in zip(found["times"], found["fresh"]) if fresh], [0, 100, 300])

    def test_axes_have_round_numbers(self):
        self.assertEqual(self.told("chart", "[m.nice_step(7, 4, false, true), m.nice_step(1, 4, false, true), m.nice_step(930, 4, false, true), m.nice_step(5e9, 4, true)]"),
                         [2, 1, 500, 1 << 31])
        ticks = self.told("chart", "m.time_ticks(1000000, 1003600, 400)")
        self.assertGreater(len(ticks), 2)
        self.assertEqual({moment % 900 for moment, _ in ticks}, {0})

    def test_what_cannot_be_seen_is_shown(self):
        shown = {"a\u202eb": "a\\u202Eb", "\n\t\x00": "\\n\\t\\u0000", "x\ud800": "x\\uD800", "\U000e0041": "\\u{E0041}", "\u200f": "\\u200F",
                 "Grüße 😀 שלום": "Grüße 😀 שלום"}
        for text, wanted in shown.items():
            self.assertEqual(self.told("text", "m.visible(%s)" % json.dumps(text)), wanted)
        self.assertEqual(self.told("text", "[0, 1023, 1024, 1536, 1e6, 5e9].map(m.size_text)"), ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "977 KiB", "4.7 GiB"])
        self.assertEqual(self.told("text", "[5, 65, 3700, 90000, 864000].map(m.span_text)"), ["5 s", "1 min", "1 h 1 min", "1 day 1 h", "10 days"])


class Looks(PageTest):
    """Every screen on a desk and on a phone, light and dark."""

    def fill(self):
        for address in (BERT, "carla.with.a.rather.long.name.that.needs.room@subdomain.of.a.long.domain.example"):
            self.server.add_cheap_mailbox(address)
        self.server.admin("mailbox", "quota", BERT, "20KiB")
        for number in range(12):
            self.deliver("Invoice %d of a subject that goes on for quite a while, as some do" % number, to=ANNA if number < 8 else BERT)
        self.deliver("x" * 200, to=BERT, X_Filler="y" * 900)
        self.server.admin("mailbox", "disable", "carla.with.a.rather.long.name.that.needs.room@subdomain.of.a.long.domain.example")
        self.server.admin("app-password", "add", ANNA, "Anna's phone")
        self.server.admin("app-password", "add", ANNA, "Printer in the hall", "--only", "send")
        self.server.admin("alias", "add", "info@example.org", ANNA, BERT, "carl@far.example")
        self.server.admin("alias", "add", "@example.org", ANNA)
        with self.server.pop3(ANNA) as session:
            session.retr(1)
            session.must("DELE 2")
            session.quit()
        waits = self.wait_for("carl@far.example", "dora@wide.example")
        self.wait_for("emil@wide.example", subject="second")
        self.server.admin("queue", "hold", waits)
        client = internet.OTHERS[0]
        with mailstead.Smtp(From(client, PORTS["submission"])) as session:
            for password in ("one", "two", "three"):
                session.must("AUTH PLAIN " + mailstead.base64.b64encode(b"\0anna@example.org\0" + password.encode()).decode(), "535")
        with mailstead.Smtp(From(client, PORTS["smtp"])) as session:
            session.must("MAIL FROM:<sender@elsewhere.example>")
            session.command("RCPT TO:<nobody@far.example>")
        uidl = self.server.json("message", "list", ANNA)[0]["uidl"]
        return {"overview": ["overview"], "mailboxes": ["mailboxes"], "mailbox": ["mailboxes", ANNA], "app-passwords": ["mailboxes", ANNA, "app-passwords"],
                "settings": ["mailboxes", ANNA, "settings"], "messages": ["mailboxes", ANNA, "messages"], "deleted": ["mailboxes", ANNA, "deleted"],
                "message": ["message", ANNA, uidl], "aliases": ["aliases"], "queue": ["queue"], "queued": ["queue", waits], "trace": ["trace", waits],
                "trace-address": ["trace", ANNA], "doctor": ["doctor"], "dns": ["dns", "example.org"], "access": ["access"]}

    def test_every_screen_fits_and_is_named_light_and_dark(self):
        screens = self.fill()
        page = self.browser
        self.log_in()
        page.go("doctor")
        page.press("Examine the server")
        until(lambda: "Made" in page.text(), "it is done", mailstead.TIMEOUT)
        page.go("dns")
        page.press("Check the DNS")
        until(lambda: "Checked" in page.text(), "it is checked", mailstead.TIMEOUT)
        for width, height in (DESK, PHONE):
            page.size(width, height)
            for scheme in ("light", "dark"):
                page.colours(scheme)
                for name, words in screens.items():
                    with self.subTest(screen=name, width=width, scheme=scheme):
                        page.go(*words)
                        self.assertEqual(page.script(TOO_WIDE, width), [])
                        self.assertEqual(page.script(NAMELESS), [])
                        dark = page.script("return getComputedStyle(document.body).backgroundColor") == "rgb(17, 21, 27)"
                        self.assertEqual(dark, scheme == "dark")
                        page.picture("%s-%s-%s" % (name, "phone" if width < 500 else "desk", scheme))
            page.go("mailboxes")
            page.press("Add a mailbox")
            self.assertEqual(page.script(TOO_WIDE, width), [])
            page.picture("dialog-%s" % ("phone" if width < 500 else "desk"))
            page.press("Cancel")
        page.go("queue")
        page.press("Menu", within="//header")
        page.picture("menu-phone")
        page.press("Access", within="//header")
        until(lambda: "Bans" in page.text(), "the menu leads there")
        page.press("Menu", within="//header")
        page.press("Log out", within="//header")
        until(lambda: "You are logged out" in page.text(), "it says so")
        self.assertEqual(page.script(TOO_WIDE, width), [])
        page.picture("login-phone")

    def test_the_keyboard_is_enough(self):
        page = self.browser
        self.log_in()
        page.go("mailboxes")
        self.assertEqual(page.script("return document.activeElement.tagName"), "H1")
        keys = webdriver.ActionChains(page.driver)
        keys.send_keys(Keys.TAB).perform()
        self.assertEqual(page.script("return document.activeElement.id"), "add-mailbox")
        self.assertNotEqual(page.script("return getComputedStyle(document.activeElement).outlineStyle"), "none")
        webdriver.ActionChains(page.driver).send_keys(Keys.ENTER).perform()
        until(lambda: page.script("return document.querySelector('dialog[open]') !== null"), "the dialog opens")
        self.assertEqual(page.script("return document.activeElement.name"), "address")
        webdriver.ActionChains(page.driver).send_keys(Keys.ESCAPE).perform()
        until(lambda: page.script("return document.querySelector('dialog') === null"), "the dialog closes")
        self.assertEqual(page.script("return document.activeElement.id"), "add-mailbox")


class Hostile(PageTest):
    """Whatever clients, senders, other hosts and people call things: it is text."""

    MARK = "owned"
    HTML = "<img src=x onerror=window.owned=1><x-evil id=evil>"
    SCRIPT = "</title></script><script>window.owned=1;alert(1)</script>"
    LINK = "[click](javascript:window.owned=1) javascript:alert(1)"
    BIDI = "\u202egro.elpmaxe\u202c \u2067x\u2069"
    PAYLOADS = (HTML, SCRIPT, LINK, BIDI, "'\" onmouseover=alert(1) x=\"", "{{constructor.constructor('alert(1)')()}} ${alert(1)}", "%3Cscript%3E#/../login=x?&")

    def accepted(self, *arguments, stdin=""):
        return self.server.admin(*arguments, stdin=stdin, code=None).returncode == 0

    def fill(self):
        screens = [["overview"], ["mailboxes"], ["aliases"], ["queue"], ["doctor"], ["dns"], ["access"]]
        taken = 0
        for payload in self.PAYLOADS:
            local = '"%s"' % payload.replace("\\", "\\\\").replace('"', '\\"')
            address = local + "@example.org"
            if self.accepted("mailbox", "add", "--password-stdin", "--", address, stdin="correct horse\n"):
                taken += 1
                screens += [["mailboxes", address], ["mailboxes", address, "app-passwords"], ["mailboxes", address, "settings"], ["trace", address]]
            self.accepted("alias", "add", "--", '"alias %s@example.org' % local[1:], address, ANNA)
            self.accepted("app-password", "add", "--", ANNA, payload)
            screens.append(["trace", payload])
        self.assertGreater(taken, 2)
        for number, payload in enumerate(self.PAYLOADS):
            encoded = "=?utf-8?b?%s?=" % mailstead.base64.b64encode(payload.encode()).decode()
            identity = "<%d%s@evil.example>" % (number, payload.replace(" ", "").replace(">", "") if payload.isascii() else "x")
            for subject in (payload, encoded):
                found = self.mail(payload, subject, identity, ANNA)
                if found:
                    screens += [["message", ANNA, found], ["trace", found]]
            screens.append(["trace", identity])
            self.mail(payload, encoded, identity, "nobody@example.org")
            screens.append(["trace", "nobody@example.org"])
        # Other hosts' words.
        for number, code in enumerate(("451 4.0.0 ", "550 5.0.0 ")):
            domain = "%d.example" % number
            host = internet.Host(internet.OTHERS[number + 1])
            self.addCleanup(host.close)
            self.names.add(domain, "MX", "10 mx." + domain)
            self.names.add("mx." + domain, "A", internet.OTHERS[number + 1])
            host.replies["RCPT"] = code + self.HTML + self.SCRIPT
            found = self.submit("carl@" + domain, subject=self.HTML)
            self.attempted(found)
            screens += [["queue", found], ["trace", found]]
        until(lambda: any(not each["from"] or "Undeliver" in (each["subject"] or "") or "MAILER" in each["from"].upper()
                          for each in self.server.json("message", "list", ANNA)), "the report of the bounce came")
        uidl = self.server.json("message", "list", ANNA)[-1]["uidl"]
        screens += [["message", ANNA, uidl], ["trace", uidl], ["mailboxes", ANNA, "messages"], ["mailboxes", ANNA, "app-passwords"], ["trace", ANNA]]
        with self.server.pop3(ANNA) as session:
            for number in range(1, 6):
                session.must("DELE %d" % number)
            session.quit()
        return screens + [["mailboxes", ANNA, "deleted"], ["mailboxes", ANNA]]

    def mail(self, payload, subject, identity, to):
        """Its id, where it is taken; HELO and the reverse-path are hostile as far as they are let through."""
        message = "From: %s <a@evil.example>\r\nSubject: %s\r\nMessage-ID: %s\r\n\r\nx\r\n" % (subject, subject, identity)
        with mailstead.Smtp(From(internet.OTHERS[5], PORTS["smtp"]), greet=False) as session:
            session.expect("220")
            if not session.command("EHLO " + payload)[0].startswith("2"):
                session.must("EHLO evil.example")
            path = '"%s"@evil.example' % payload.replace('"', "").replace("\\", "")
            if not session.command("MAIL FROM:<%s>" % path)[0].startswith("2"):
                session.must("MAIL FROM:<a@evil.example>")
            if not session.command("RCPT TO:<%s>" % to)[0].startswith("2"):
                return None
            session.must("DATA", "354")
            session.stream.send(mailstead.stuffed(message.encode()))
            code, text = session.reply()
            return mailstead.queue_id(text) if code == "250" else None

    def test_nothing_that_others_say_becomes_more_than_text(self):
        screens = self.fill()
        page = self.browser
        self.log_in()
        shown = set()
        for words in screens:
            with self.subTest(screen=words):
                page.go(*words)
                found = page.script("""
                    const all = [...document.querySelectorAll("*")];
                    return {
                      owned: window.owned ?? null,
                      foreign: all.filter((each) => each.matches("x-evil, #evil, iframe, object, embed, base, body script, img:not([src='icon.svg']), form[action], a[target]") ||
                        [...each.attributes].some(({name, value}) => name.startsWith("on") || name === "style" || name === "srcdoc" ||
                          (["href", "src", "action"].includes(name) && !/^(#|icon\\.svg$|[a-z]+\\.(css|js)$)/.test(value)))).map((each) => each.outerHTML.slice(0, 200)),
                      // Where nothing isolates them, or shows them, they would turn other words around.
                      turning: all.flatMap((each) => [...each.attributes].map(({name, value}) => name === "href" ? "" : value)).concat(document.title, document.body.textContent)
                        .filter((text) => /[\\u202a-\\u202e\\u2066-\\u2069]/.test(text)),
                    };""")
                self.assertEqual(found, {"owned": None, "foreign": [], "turning": []})
                self.assertEqual(page.complaints(), [])
                text = page.text("body")
                shown |= {payload for payload in (*self.PAYLOADS, "\\u202Egro.elpmaxe\\u202C") if payload in text}
        for payload in (self.HTML, self.LINK, "\\u202Egro.elpmaxe\\u202C"):
            self.assertIn(payload, shown, "as text it can be read")
        page.go("mailboxes")
        page.picture("hostile-mailboxes")
        page.go("mailboxes", ANNA, "messages")
        page.picture("hostile-messages")


if __name__ == "__main__":
    internet.enter_namespace()
    mailstead.main()
