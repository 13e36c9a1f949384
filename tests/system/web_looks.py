"""Each screen of the administration page on a desk and on a phone, light and dark, and by the keyboard. Leaves a picture of each."""

import internet
import mailstead
from browser import ANNA, BERT, CUT, DESK, NAMELESS, PALE, PHONE, PORTS, TOO_WIDE, From, Keys, PageTest, webdriver
from mailstead import until


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
        return {"overview": ["overview"], "mailboxes": ["mailboxes"], "mailbox": ["mailboxes", ANNA],
                "app-passwords": ["mailboxes", ANNA, "app-passwords"],
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
                        self.assertEqual(page.script(PALE), [])
                        self.assertEqual(page.script(CUT), [])
                        dark = page.script("return getComputedStyle(document.body).backgroundColor") == "rgb(17, 21, 27)"
                        self.assertEqual(dark, scheme == "dark")
                        page.picture("%s-%s-%s" % (name, "phone" if width < 500 else "desk", scheme))
        # In between, tables are cards where columns do not fit.
        for width in (600, 820, 940, 1100):
            page.size(width, 900)
            for name, words in screens.items():
                with self.subTest(screen=name, width=width):
                    page.go(*words)
                    self.assertEqual((page.script(TOO_WIDE, width), page.script(CUT)), ([], []))
                    if name in ("queue", "overview", "deleted"):
                        page.picture("%s-%d" % (name, width))
        for width, height in (DESK, PHONE):
            page.size(width, height)
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
        # It closes by Escape, and by the entry of where one is.
        page.press("Menu", within="//header")
        webdriver.ActionChains(page.driver).send_keys(Keys.ESCAPE).perform()
        self.assertEqual(page.script("return document.querySelector('#menu').ariaExpanded + document.activeElement.id"), "falsemenu")
        page.press("Menu", within="//header")
        page.press("Access", within="//header")
        self.assertEqual(page.script("return document.querySelector('#menu').ariaExpanded"), "false")
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


if __name__ == "__main__":
    internet.enter_namespace()
    mailstead.main()
