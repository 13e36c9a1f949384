"""The tests' own tools, against nothing but Python."""

import os
import stat
import tempfile
import unittest

import mailstead
import messages


class Tools(unittest.TestCase):
    def test_messages_are_the_same_every_time(self):
        one, two = messages.small_messages(), messages.small_messages()
        self.assertEqual(one, two)
        self.assertEqual(messages.numbered(7, 5000), messages.numbered(7, 5000))
        self.assertNotEqual(messages.numbered(7, 5000), messages.numbered(8, 5000))
        for name, message in one.items():
            self.assertTrue(message.endswith(b"\r\n"), name)
            bare = message.replace(b"\r\n", b"")
            self.assertFalse(b"\r" in bare or b"\n" in bare, name)
            self.assertLessEqual(max(map(len, message.split(b"\r\n"))), 998, name)

    def test_stuffing(self):
        self.assertEqual(mailstead.stuffed(b""), b".\r\n")
        self.assertEqual(mailstead.stuffed(b".\r\n..\r\na.\r\n"), b"..\r\n...\r\na.\r\n.\r\n")
        self.assertEqual(mailstead.stuffed(b"a\r\nb"), b"a\r\nb\r\n.\r\n")

    def test_unstuffing(self):
        class Fed(mailstead.Stream):
            def __init__(self, pieces):
                self.buffer, self.pieces = bytearray(), list(pieces)

            def fill(self):
                self.buffer += self.pieces.pop(0)

        for message in [b"", *messages.small_messages().values()]:
            wire = mailstead.stuffed(message) + b"+OK\r\n"
            for step in (1, 2, 3, 7, len(wire)):
                if len(wire) // step > 50_000:
                    continue
                stream = Fed(wire[i:i + step] for i in range(0, len(wire), step))
                self.assertEqual(stream.dotted(), message)
                self.assertEqual(stream.line(), b"+OK")

    def test_trace(self):
        trace = b"Return-Path: <a@b>\r\nDelivered-To: c@d\r\nReceived: from x\r\n\tby y; z\r\n"
        theirs = b"Received: from before\r\nSubject: s\r\n\r\nReceived: no\r\n"
        self.assertEqual(mailstead.sent_part(trace + theirs), theirs)
        self.assertEqual(mailstead.sent_part(trace), b"")
        with self.assertRaises(AssertionError):
            mailstead.sent_part(theirs)

    def test_difference_is_found(self):
        with self.assertRaises(AssertionError):
            mailstead.assert_same(b"abc", b"abd")
        with self.assertRaises(AssertionError):
            mailstead.assert_same(b"abc", b"abcd")

    def test_tree_sees_changes(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "a")
            self.assertEqual(mailstead.tree(path), {})
            os.mkdir(path)
            states = [mailstead.tree(path)]
            with open(os.path.join(path, "file"), "w") as file:
                file.write("x")
            states.append(mailstead.tree(path))
            with open(os.path.join(path, "file"), "w") as file:
                file.write("y")
            states.append(mailstead.tree(path))
            os.chmod(os.path.join(path, "file"), 0o600)
            states.append(mailstead.tree(path))
            for i, state in enumerate(states):
                self.assertNotIn(state, states[i + 1:])

    def test_configuration_text(self):
        import tomllib
        made = tomllib.loads(mailstead.toml_config({"smtp": []}, 'hostname = "x"\n[limits]\nmessage_size = 5\n[log]\nlevel = "debug"'))
        self.assertEqual((made["hostname"], made["listen"]["smtp"], made["limits"]["message_size"], made["log"]["level"]),
                         ("x", [], 5, "debug"))
        made = tomllib.loads(mailstead.toml_config())
        opened = {service for service, addresses in made["listen"].items() if addresses}
        self.assertEqual(opened, set(mailstead.SERVICES), "a server of the tests listens only where they ask it to")


if __name__ == "__main__":
    mailstead.main()
