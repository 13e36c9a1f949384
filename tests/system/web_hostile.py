"""The administration page with HTML, scripts, links and bidi controls wherever clients, senders, other hosts and people choose the words."""

import internet
import mailstead
from browser import ANNA, PORTS, From, PageTest
from mailstead import until


class Hostile(PageTest):
    """Whatever clients, senders, other hosts and people call things: it is text."""

    MARK = "owned"
    HTML = "<img src=x onerror=window.owned=1><x-evil id=evil>"
    SCRIPT = "</title></script><script>window.owned=1;alert(1)</script>"
    LINK = "[click](javascript:window.owned=1) javascript:alert(1)"
    BIDI = "\u202egro.elpmaxe\u202c \u2067x\u2069"
    PAYLOADS = (HTML, SCRIPT, LINK, BIDI, "'\" onmouseover=alert(1) x=\"", "{{constructor.constructor('alert(1)')()}} ${alert(1)}",
                "%3Cscript%3E#/../login=x?&")

    def accepted(self, *arguments, stdin=""):
        return self.server.admin(*arguments, stdin=stdin, code=None).returncode == 0

    def fill(self):
        screens = [["overview"], ["mailboxes"], ["aliases"], ["queue"], ["doctor"], ["dns"], ["access"]]
        taken = aliases = names = 0
        for payload in self.PAYLOADS:
            local = '"%s"' % payload.replace("\\", "\\\\").replace('"', '\\"')
            address = local + "@example.org"
            if self.accepted("mailbox", "add", "--password-stdin", "--", address, stdin="correct horse\n"):
                taken += 1
                screens += [["mailboxes", address], ["mailboxes", address, "app-passwords"], ["mailboxes", address, "settings"], ["trace", address]]
            aliases += self.accepted("alias", "add", "--", '"alias %s@example.org' % local[1:], address, ANNA)
            names += self.accepted("app-password", "add", "--", ANNA, payload)
            screens.append(["trace", payload])
        self.assertGreater(min(taken, aliases, names), 2, (taken, aliases, names))
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
                      foreign: all.filter((each) =>
                        each.matches("x-evil, #evil, iframe, object, embed, base, body script, img:not([src='icon.svg']), form[action], a[target]") ||
                        [...each.attributes].some(({name, value}) => name.startsWith("on") || name === "style" || name === "srcdoc" ||
                          (["href", "src", "action"].includes(name) && !/^(#|icon\\.svg$|[a-z]+\\.(css|js)$)/.test(value))))
                        .map((each) => each.outerHTML.slice(0, 200)),
                      // Where nothing isolates them, or shows them, they would turn other words around.
                      turning: all.flatMap((each) => [...each.attributes].map(({name, value}) => name === "href" ? "" : value))
                        .concat(document.title, document.body.textContent)
                        .filter((text) => /[\\u202a-\\u202e\\u2066-\\u2069]/.test(text)),
                    };""")
                self.assertEqual(found, {"owned": None, "foreign": [], "turning": []})
                self.assertEqual(page.complaints(), [])
                text = page.text("body")
                shown |= {payload for payload in (*self.PAYLOADS, "\\u202Egro.elpmaxe\\u202C") if payload in text}
        for payload in (self.HTML, self.LINK, "\\u202Egro.elpmaxe\\u202C"):
            self.assertIn(payload, shown, "as text it can be read")
        for subject in ("=?utf-8?b?%s?=" % mailstead.base64.b64encode("\u00a0".encode() * 30).decode(), "W" * 900):
            self.assertTrue(self.mail("x", subject, "<y@evil.example>", ANNA))
        page.go("mailboxes", ANNA, "messages")
        links = page.driver.find_elements("css selector", "td.main a")[:2]
        self.assertEqual(links[1].text, "(no subject)")
        rows = page.driver.find_elements("css selector", "tbody tr")
        self.assertLess(rows[0].size["height"], 100, "a subject and a sender of 900 letters")
        links[0].click()
        until(lambda: "W" * 900 in page.text(".facts"), "all of it is on its own screen")
        page.go("mailboxes")
        page.picture("hostile-mailboxes")
        page.go("mailboxes", ANNA, "messages")
        page.picture("hostile-messages")


if __name__ == "__main__":
    internet.enter_namespace()
    mailstead.main()
