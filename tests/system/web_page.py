"""The administration page in a real browser: headless Chromium against the real server. What the page did is looked at by the command
line."""

import json
import os

import internet
import mailstead
from browser import ANNA, BERT, PORTS, By, From, Keys, NAMELESS, PageTest, webdriver
from mailstead import until


class Session(PageTest):
    def before_the_page(self, script):
        """In each page that this test opens."""
        identifier = self.browser.cdp("Page.addScriptToEvaluateOnNewDocument", {"source": script})["identifier"]
        self.addCleanup(self.browser.cdp, "Page.removeScriptToEvaluateOnNewDocument", {"identifier": identifier})

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

    def test_a_second_session_in_another_tab_leaves_the_first_one_usable(self):
        self.log_in()
        first = self.browser.driver.current_window_handle
        self.browser.driver.switch_to.new_window("tab")
        self.log_in()
        self.browser.driver.close()
        self.browser.driver.switch_to.window(first)
        self.browser.go("queue")
        self.assertIn("Nothing waits to be sent", self.browser.text())
        self.assertTrue(all("403" in line for line in self.browser.complaints()))

    def test_the_cookie_alone_opens_nothing(self):
        link = self.log_in()
        self.browser.script("localStorage.clear()")
        # Come back to from another site, out of the browser's memory, it shows nothing any more.
        self.browser.script("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
        until(lambda: "The session is over" in self.browser.text(), "it is left")
        self.browser.open(link.partition("#")[0])
        self.assertIn("mailstead web-link", self.browser.text())

    def test_without_storage_it_works_in_its_own_tab(self):
        script = "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError'); }})"
        self.before_the_page(script)
        self.log_in()
        self.browser.go("queue")
        self.assertIn("Nothing waits to be sent", self.browser.text())

    def test_logging_out_leaves_nothing_on_any_screen(self):
        page = self.browser
        link = self.log_in()
        first = page.driver.current_window_handle
        page.go("mailboxes", ANNA)
        page.press("Disable")
        page.press("Disable")
        page.told("is disabled")
        page.press("Change the password")
        page.press("Change it")
        secret = page.find("//*[@id='secret']").text
        page.driver.switch_to.new_window("tab")
        page.open(link.partition("#")[0])
        page.press("Log out", within="//header")
        until(lambda: "You are logged out" in page.text(), "it says so")
        page.driver.close()
        page.driver.switch_to.window(first)
        until(lambda: "another tab has logged out" in page.text(), "the other tab is out, too")
        for words in (ANNA, secret, "mail.example.org"):
            self.assertNotIn(words, page.script("return document.documentElement.outerHTML"))
        self.assertEqual(page.script("return localStorage.length"), 0)

    def test_a_link_is_good_until_there_was_an_answer(self):
        page = self.browser
        page.open(self.link().partition("#")[0])
        page.script("window.was = window.fetch; window.fetch = () => Promise.reject(new TypeError('gone'))")
        page.script("location.hash = arguments[0]", self.link().partition("#")[2])
        until(lambda: "The server cannot be reached" in page.text(), "it says so")
        self.assertNotIn("login", page.driver.current_url)
        page.script("window.fetch = window.was")
        page.press("Try again")
        until(lambda: "The server runs" in page.text(), "the link is still good", 30)

    def test_its_time_is_over_by_itself(self):
        # As if twelve hours were over in a moment, by a clock that is two hours slow.
        self.before_the_page("""const was = window.fetch;
            window.fetch = async (path, asked) => {
              window.polls = [...(window.polls || []), [path, asked.headers["X-Mailstead-Poll"] || ""]];
              const answer = await was(path, asked);
              if (path !== "api/login") return answer;
              const told = await answer.json();
              return Response.json({...told, now: told.now + 7230, ends_at: told.now + 7231});
            };""")
        page = self.browser
        self.log_in()
        self.assertIn("The clock of this device is 2 h slow", page.text("#foot"))
        page.go("aliases")
        page.cdp("Network.clearBrowserCookies", {})
        until(lambda: "The session is over" in page.text(), "it is left", 30)
        self.assertIn(["api/session", "1"], page.script("return window.polls"))
        self.assertEqual({poll for path, poll in page.script("return window.polls") if path == "api/command"}, {""})

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
        # Its button is another one now.
        self.assertEqual(page.script("return document.activeElement.tagName"), "H1")
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

    def test_nobody_leaves_while_something_is_being_done(self):
        page = self.browser
        page.go("mailboxes")
        page.script("""const was = window.fetch;
            window.fetch = async (...asked) => { await new Promise((go) => { window.go = go; }); return was(...asked); };""")
        page.press("Add a mailbox")
        page.type("Address", BERT)
        page.press("Add")
        until(lambda: page.script("return window.go !== undefined"), "it is asked")
        for _ in range(3):
            webdriver.ActionChains(page.driver).send_keys(Keys.ESCAPE).perform()
        page.press("Cancel")
        page.driver.back()
        page.script("document.querySelector('dialog').close()")
        until(lambda: page.script("return document.querySelector('dialog[open]') !== null"), "it is still there")
        page.script("const timer = setInterval(() => window.go(), 20); setTimeout(() => clearInterval(timer), 20000)")
        self.server.passwords[BERT] = page.secret()
        until(lambda: BERT in page.text("h1"), "its page")
        self.assertEqual(self.server.fetch(BERT), [])

    def test_the_overview_takes_neither_the_focus_nor_what_is_marked(self):
        page = self.browser
        page.script("""const link = document.querySelector(".figures a");
            link.focus();
            window.before = link;
            getSelection().selectAllChildren(document.querySelector("#lead p"));
            const was = window.fetch;
            window.asked = [];
            window.fetch = (path, asked) => { window.asked.push(asked.headers["X-Mailstead-Poll"]); return was(path, asked); };""")
        self.server.add_cheap_mailbox(BERT)
        until(lambda: page.text(".figures a") == "2", "it has looked again", 30)
        self.assertTrue(page.script("return document.activeElement === window.before"))
        self.assertIn("The server runs", page.script("return String(getSelection())"))
        self.assertEqual(set(page.script("return window.asked")), {"1"})

    def test_a_new_server_tells_the_first_steps(self):
        page = self.browser
        self.server.admin("mailbox", "remove", ANNA)
        page.go("overview")
        steps = [each.text for each in page.driver.find_elements(By.CSS_SELECTOR, "#first-steps li")]
        self.assertEqual([each.partition("\n")[0] for each in steps],
                         ["Add a mailbox", "Publish the DNS records", "Set up a mail program", "Have the doctor look", "Make a backup"])
        self.server.add_cheap_mailbox(ANNA)
        page.go("overview")
        self.assertIn("Add a mailbox ✓ done", page.text("#first-steps"))
        self.server.fetch(ANNA)
        page.go("overview")
        self.assertEqual(page.count("#first-steps"), 0)

    def test_first_steps_are_done_once_the_doctor_has_found_so(self):
        page = self.browser
        page.script("""
            const was = window.fetch;
            window.findings = [];
            window.fetch = async (path, asked) => !String(path).includes("look?look=doctor") ? was(path, asked) : new Response(
                JSON.stringify({state: "done", at: 1, report: {result: {
                    findings: window.findings, warnings: 0, problems: window.findings.filter((each) => each.state === "problem").length}}}),
                {headers: {"Content-Type": "application/json"}});""")

        def done(*findings):
            page.script("window.findings = arguments[0].map(([check, state]) => ({check, state, found: '', advice: ''}))", findings)
            page.press("Queue", within="//header")
            page.press("Overview", within="//header")
            until(lambda: page.count("#first-steps"), "the overview")
            steps = [each.text for each in page.driver.find_elements(By.CSS_SELECTOR, "#first-steps li")]
            return [each.partition(" ✓")[0].partition("\n")[0] for each in steps if "✓ done" in each]

        records, doctor = "Publish the DNS records", "Have the doctor look"
        self.assertEqual(done(("dns-records", "ok"), ("disk", "ok"))[1:], [records, doctor])
        self.assertEqual(done(("dns-records", "ok"), ("dns-records", "note"), ("disk", "problem"))[1:], [records])
        self.assertEqual(done(("dns-records", "ok"), ("dns-records", "warning"))[1:], [doctor])
        self.assertEqual(done(("dns-records", "skipped"))[1:], [doctor])
        self.assertEqual(done(("disk", "problem"))[1:], [])

    def test_a_long_list_is_drawn_a_hundred_at_a_time(self):
        page = self.browser
        for number in range(120):
            self.server.admin("alias", "add", "a%03d@example.org" % number, ANNA)
        page.go("aliases")
        self.assertEqual(page.count("table[aria-label=Aliases] tbody tr"), 100)
        page.press("Show more")
        self.assertEqual(page.count("table[aria-label=Aliases] tbody tr"), 120)
        self.assertIn("Trace", page.script("return document.activeElement.textContent"))

    def test_what_others_answer_is_told_and_what_an_address_lacks(self):
        page = self.browser
        page.script("window.fetch = async () => new Response('Too many fields.', {status: 431, headers: {'Content-Type': 'text/plain'}})")
        page.press("Queue", within="//header")
        until(lambda: "Too many fields." in page.text(), "its words")
        page.go("message", ANNA)
        self.assertIn("lacks what a message is found by", page.text())

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
        for _ in range(3):
            webdriver.ActionChains(page.driver).send_keys(Keys.ESCAPE).perform()
        page.driver.back()
        # As Android's Back, which cannot be prevented twice.
        page.script("document.querySelector('dialog').close()")
        until(lambda: page.script("return document.querySelector('dialog[open]') !== null"), "it is still there")
        self.assertIn("app-passwords", page.driver.current_url)
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
        page.script("""Object.defineProperty(navigator, "clipboard", {value: undefined});
            document.addEventListener("copy", () => { window.copied = String(getSelection()); });""")
        page.press("Copy the user name")
        until(lambda: "Copied" in page.text(), "it says that it is copied")
        self.assertEqual(page.script("return window.copied"), ANNA)
        page.cdp("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": page.folder})
        page.press("Save the profile")
        profile = os.path.join(page.folder, "mail.mobileconfig")
        until(lambda: os.path.exists(profile), "the profile is saved", 30)
        with open(profile, newline="") as file:
            self.assertEqual(file.read(), card["apple_profile"])

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
        self.assertEqual(page.script("return document.activeElement.id"), "add-alias")
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

    def test_a_long_queue_comes_in_pieces(self):
        page = self.browser
        self.names.trouble["far.example"] = "SERVFAIL"
        self.submit_many(510, "carl@far.example")
        page.go("queue")
        self.assertEqual(page.count("tbody tr"), 500)
        page.press("Show more")
        until(lambda: page.count("tbody tr") == 510, "all are shown")
        page.press("Retry all now")
        page.told("510 messages will be tried now")

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
        return self.browser.driver.execute_async_script("""const [module, done] = arguments;
            import(module).then((m) => done(%s), (error) => done(String(error)));""" % expression, "./%s.js" % module)

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
        for wanted, step in (("7, 4, false, true", 2), ("1, 4, false, true", 1), ("930, 4, false, true", 500), ("5e9, 4, true", 1 << 31)):
            self.assertEqual(self.told("chart", "m.nice_step(%s)" % wanted), step)
        ticks = self.told("chart", "m.time_ticks(1000000, 1003600, 400)")
        self.assertGreater(len(ticks), 2)
        self.assertEqual({moment % 600 for moment, _ in ticks}, {0})

    def test_what_cannot_be_seen_is_shown(self):
        shown = {"a\u202eb": "a\\u202Eb", "\n\t\x00": "\\n\\t\\u0000", "x\ud800": "x\\uD800", "\U000e0041": "\\u{E0041}", "\u200f": "\\u200F",
                 "Grüße 😀 שלום": "Grüße 😀 שלום", "\u3164\u115f\u1160\u00ad\u034f\u180e\u2800": "\\u3164\\u115F\\u1160\\u00AD\\u034F\\u180E\\u2800",
                 # Persian and a family need what joins; between Latin letters it only deceives.
                 "می\u200cخواهم 👩\u200d👧 ❤\ufe0f": "می\u200cخواهم 👩\u200d👧 ❤\ufe0f", "ad\u200dmin": "ad\\u200Dmin"}
        for text, wanted in shown.items():
            self.assertEqual(self.told("text", "m.visible(%s)" % json.dumps(text)), wanted)
        self.assertEqual(self.told("text", "[0, 1023, 1024, 1536, 1e6, 5e9].map(m.size_text)"),
                         ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "977 KiB", "4.7 GiB"])
        self.assertEqual(self.told("text", "[5, 65, 3700, 90000, 864000].map(m.span_text)"), ["5 s", "1 min", "1 h 1 min", "1 day 1 h", "10 days"])


if __name__ == "__main__":
    internet.enter_namespace()
    mailstead.main()
