"""Bad bytes at every door: a typed error with a reason code, nothing half done, and the node goes on."""
import os
import random
import shutil
import socket

from support import GED, GED_ROWS, NodesTestCase, introduce


class BadInput(NodesTestCase):
    def damaged(self, path, text, seed):
        """Cut, flipped, doubled and oversized forms of a file."""
        dice = random.Random(seed)
        flipped = bytearray(text)
        for _ in range(5):
            flipped[dice.randrange(len(flipped))] ^= 1 << dice.randrange(8)
        for n, content in enumerate((text[:len(text) // 2], bytes(flipped), text + text, b"\0" * 1000, b"")):
            name = f"{path}.{n}"
            with open(name, "wb") as out:
                out.write(content)
            yield name

    def test_cards(self):
        a, b = self.node("A"), self.node("B")
        card = b.run("card", "show")["card"].encode()
        for name in self.damaged(os.path.join(self.folder, "card"), card, 1):
            self.problem(a, "peer", "add", name, exit=1)
        self.problem(a, "peer", "add", os.path.join(self.folder, "missing"), exit=1, code="file_not_readable")
        self.assertEqual(a.run("peer", "list")["items"], [])
        introduce(a, b, self.folder)
        words = b.run("card", "show")["words"].split()
        self.problem(a, "peer", "verify", b.org_id, " ".join(reversed(words)), exit=1, code="wrong_words")
        self.problem(a, "peer", "show", "ffffffff", exit=1, code="unknown_peer")

    def test_imports_are_all_or_nothing_and_name_line_and_column(self):
        node = self.node("A")
        with open(GED, "rb") as file:
            text = file.read()
        lines = text.split(b"\n")
        broken = os.path.join(self.folder, "broken.csv")
        with open(broken, "wb") as out:
            out.write(text.replace(b"209406,2015", b"209406,2015,", 1))
        problem = self.problem(node, "report", "import", broken, "--format", "ged", exit=1, code="import_refused")
        self.assertEqual(problem["new"], 0 if "new" in problem else None)
        self.assertTrue(problem["refused"][0]["line"] > 1 and problem["refused"][0]["code"])
        self.assertEqual(node.count(), 0)
        partial = node.raw("report", "import", broken, "--format", "ged", "--partial")
        self.assertEqual(partial.returncode, 3)
        for name in self.damaged(os.path.join(self.folder, "ged"), text[:20000], 2):
            self.assertIn(node.raw("report", "import", name, "--format", "ged").returncode, (0, 1))
        for name in self.damaged(os.path.join(self.folder, "json"), b'{"items":[{"kind":"incident","title":"x","status":"Actual"}]}', 3):
            self.assertIn(node.raw("report", "import", name, "--format", "json").returncode, (0, 1))
        self.problem(node, "report", "import", GED, "--format", "nonsense", exit=2)
        self.assertTrue(len(lines) > 100 and node.run("status")["reports"] <= GED_ROWS)

    def test_usage_and_unknown_things(self):
        node = self.node("A")
        self.problem(node, "report", "list", "--no-such-filter", "1", exit=2)
        self.problem(node, "nonsense", exit=2)
        self.problem(node, "report", "show", "00000000", exit=1, code="unknown_report")
        self.problem(node, "report", "list", "--severity", "Dreadful", exit=1)
        self.problem(node, "report", "new", "--kind", "incident", exit=1, code="invalid_report")
        self.problem(node, "channel", "show", "nowhere", exit=1, code="unknown_channel")
        self.problem(node, "alert", "raise", "--title", "x", "--country", "MMR", "--severity", "Extreme", "--urgency", "Immediate", exit=1,
                     code="no_alert_channel")

    def talk(self, family, address, content):
        with socket.socket(family, socket.SOCK_STREAM) as s:
            s.settimeout(10)
            s.connect(address)
            try:
                s.sendall(content)
                s.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            answer = b""
            try:
                while piece := s.recv(65536):
                    answer += piece
            except OSError:
                pass
            return answer

    def test_the_api_socket(self):
        node = self.node("A")
        door = os.path.join(node.home, "api.sock")
        dice = random.Random(4)
        for content in (b"\0" * 5000, b"GET / HTTP/1.1\r\n\r\n", b"GET /api/v1/reports?limit=x HTTP/1.1\r\nHost: a\r\n\r\n", dice.randbytes(3000),
                        b"POST /api/v1/reports HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n",
                        b"POST /api/v1/reports HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n{\"a\":",
                        b"GET /api/v1/" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n"):
            answer = self.talk(socket.AF_UNIX, door, content)
            self.assertTrue(answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer[:100])
        self.assertEqual(node.run("status")["reports"], 0)

    def test_rule_44_the_peers_port_is_silent(self):
        node = self.node("A")
        host, port = node.listen.rsplit(":", 1)
        dice = random.Random(5)
        for content in (b"", b"GET / HTTP/1.1\r\n\r\n", dice.randbytes(50), b"\x30\x00" + dice.randbytes(48), b"\xff\xff" + dice.randbytes(70000)):
            self.assertEqual(self.talk(socket.AF_INET, (host, int(port)), content), b"")
        self.assertEqual(node.run("status")["peers"], 0)

    def test_the_home(self):
        node = self.node("A")
        self.problem(node, "run", exit=1, code="home_in_use")
        self.assertEqual(node.end(), 0)
        copy = os.path.join(self.folder, "copy")
        for name, offset in (("keys/tier2", 10), ("keys/keyring", 60)):
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(node.home, copy)
            with open(os.path.join(copy, name), "r+b") as file:
                file.seek(offset)
                byte = file.read(1)
                file.seek(offset)
                file.write(bytes([byte[0] ^ 1]))
            self.problem(node, "--home", copy, "run", exit=1, code="bad_key_file")
        shutil.rmtree(copy)
        shutil.copytree(node.home, copy)
        size = os.path.getsize(os.path.join(copy, "store", "data.mdb"))
        os.truncate(os.path.join(copy, "store", "data.mdb"), size // 2)
        self.assertNotEqual(node.raw("--home", copy, "fsck").returncode, 0)
        with open(node.passphrase_file, "w") as out:
            out.write("another passphrase\n")
        self.problem(node, "run", exit=4, code="wrong_passphrase")
        os.chmod(node.passphrase_file, 0o644)
        self.problem(node, "run", exit=1, code="exposed_file")

    def test_the_configuration(self):
        node = self.node("A", start=False)
        with open(os.path.join(node.home, "config.toml"), "a") as out:
            out.write("lissten = [\"0.0.0.0:1\"]\nreserve_mib = \"much\"\n")
        done = node.raw("config", "check")
        self.assertEqual(done.returncode, 1)
        self.assertIn("lissten", done.stdout)
        self.problem(node, "run", exit=1, code="bad_config")


if __name__ == "__main__":
    import unittest
    unittest.main()
