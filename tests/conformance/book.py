"""What binds a server, as a list of rules. pop3_rules.py and the smtp_….py files fill such books; judging.py goes through them.

A rule names its RFC and section, how strongly it binds, and what it says in our words. Its function gets a Site and
raises AssertionError (or meets an answer that it did not expect) when the server breaks the rule. A rule that cannot be
tried over the wire in a moment names the dialogue that shows it instead.
"""

import base64


class CannotBeTried(Exception):
    """This server offers no way to try the rule, which says nothing about the server."""


class Rule:
    def __init__(self, rfc, section, level, text, needs=None, dialogue=None, check=None, settings=None, departs=None):
        self.rfc, self.section, self.level, self.text = rfc, section, level, text
        self.needs = needs        # a capability; without it the rule does not bind
        self.dialogue = dialogue  # tests/dialogues/PROTOCOL/NAME.txt
        self.check = check
        self.settings = settings  # ours is judged with these, in a server of its own
        self.departs = departs    # why ours does not keep it

    @property
    def name(self):
        """The dialogue or the function that shows it; a rule that is not kept has none."""
        return self.dialogue or (self.check.__name__ if self.check else "")

    @property
    def shown_by(self):
        return self.departs or "`%s`" % self.name


class Book:
    def __init__(self):
        self.rules = []

    def rule(self, rfc, section, level, text, needs=None, settings=None):
        def add(check):
            self.rules.append(Rule(rfc, section, level, text, needs, check=check, settings=settings))
            return check
        return add

    def by_dialogue(self, rfc, section, level, text, dialogue, needs=None):
        self.rules.append(Rule(rfc, section, level, text, needs, dialogue=dialogue))

    def departed(self, rfc, section, level, text, why):
        """A rule that binds, and that we do not keep. It stands in the table so that nobody is misled by the others."""
        self.rules.append(Rule(rfc, section, level, text, departs=why))


def encoded(*parts):
    """A response of the mechanism PLAIN, and with one part a string in base64."""
    return base64.b64encode("\0".join(parts).encode()).decode()


def equal(found, expected, what=""):
    assert found == expected, "%s%r instead of %r" % (what + ": " if what else "", found, expected)
