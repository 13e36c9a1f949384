"""A browser as a person uses it, and the administration page of a server in it, in an Internet of a test's own (internet.py).

Pictures go to MAILSTEAD_WEB_PICTURES, default build/results/web.
"""

import contextlib
import json
import os
import shutil
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
    webdriver = By = Keys = Service = None  # By and Keys are for the tests

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PICTURES = os.environ.get("MAILSTEAD_WEB_PICTURES", os.path.join(ROOT, "build", "results", "web"))

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
  for (const each of document.querySelectorAll("input, textarea, select")) if (!each.labels.length) bad.push(each.outerHTML);
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

# Words that are hard to read: WCAG 2.2, 1.4.3.
PALE = """
  const light = (rgb) => rgb.map((each) => each / 255).map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
    .reduce((sum, each, i) => sum + each * [0.2126, 0.7152, 0.0722][i], 0);
  const parts = (colour) => (colour.match(/^rgba?\\(([^)]*)\\)$/)?.[1] ?? "0, 0, 0, 0").split(",").map(Number);
  const ground = (each) => {
    for (; each; each = each.parentElement) {
      const [r, g, b, alpha = 1] = parts(getComputedStyle(each).backgroundColor);
      if (alpha === 1) return [r, g, b];
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll("body *:not(:hover):not(.unseen)")].filter((each) => {
    if (!each.checkVisibility() || ![...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim())) return false;
    const style = getComputedStyle(each);
    const [one, other] = [light(parts(each instanceof SVGElement ? style.fill : style.color).slice(0, 3)), light(ground(each))].sort((a, b) => b - a);
    return (one + 0.05) / (other + 0.05) < 4.5;
  }).slice(0, 5).map((each) => each.outerHTML.slice(0, 150));
"""


# Tables whose last columns are out of sight in their box.
CUT = """return [...document.querySelectorAll(".table-box")].filter((each) => each.scrollWidth > each.clientWidth + 1)
  .map((each) => `${each.scrollWidth} of ${each.clientWidth}: ` + each.textContent.slice(0, 60));"""


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

    def count(self, selector):
        return len(self.driver.find_elements(By.CSS_SELECTOR, selector))

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
        """Errors of the console and of the rules, alerts. That nobody is logged in, or a link is no good, is said with 401 and 403."""
        lines = [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
        lines = [line for line in lines if not ("status of 40" in line and ("/api/session" in line or "/api/login" in line))]
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

    def show(self):
        if mailstead.has_failed(self):
            with contextlib.suppress(Exception):
                self.browser.picture("failed-" + self.id().rsplit(".", 1)[1])
            print("\n".join(self.server.lines[-30:]))

    def link(self):
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

    def submit_many(self, number, recipient):
        """In one session."""
        with mailstead.Smtp(From(internet.US, PORTS["submission"]), user=ANNA, password=self.server.passwords[ANNA]) as session:
            for each in range(number):
                session.send(b"Subject: number %d\r\n\r\n" % each, ANNA, [recipient])

    def attempted(self, queue_id):
        return until(lambda: [each for each in self.server.json("queue", "show", queue_id)["recipients"] if each["attempts"]], "it was tried")

    def wait_for(self, *recipients, **more):
        """A message that waits, since the DNS of its domain is in trouble."""
        for recipient in recipients:
            self.names.trouble[recipient.partition("@")[2]] = "SERVFAIL"
        found = self.submit(*recipients, **more)
        self.attempted(found)
        return found
