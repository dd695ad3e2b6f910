"""Bad bytes at every door: a typed error with a reason code, nothing half done, and the node goes on."""
import csv
import json
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import threading

from support import GED, GED_ROWS, PROGRAM, NodesTestCase, introduce, join, wait_until


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
        self.other_kinds(a, b)

    def other_kinds(self, a, b):
        """A file of another kind: what it is, and what takes it."""
        at = lambda name, text: open(os.path.join(self.folder, name), "w").write(text) and os.path.join(self.folder, name)
        card = at("b.card", b.run("card", "show")["card"])
        request, backup = os.path.join(self.folder, "revoke"), os.path.join(self.folder, "backup")
        a.run("org", "revoke", a.node_id, "--request-out", request)
        a.run("backup", "create", backup)
        root = os.path.join(a.home, "roots", "root.key")
        recovery = self.secret("recovery", a.recovery_key)
        with open(backup, "rb") as file:
            head = file.read(300_000).decode("latin1")
        is_card = f"the card of a node of the organisation {b.org_id[:12]};"
        for words, code, what, command in (
                (("peer", "add", request), "bad_prefix", f"to revoke the node {a.node_id[:12]};", "tocsin org sign FILE"),
                (("peer", "add", root), "bad_prefix", "a key file", "tocsin org sign REQUEST --root FILE"),
                (("peer", "add", backup), "bad_prefix", "a backup", "tocsin backup verify FILE"),
                (("peer", "add", recovery), "bad_prefix", "a recovery key", "tocsin backup restore"),
                (("org", "certify", card), "bad_prefix", is_card, "tocsin peer add FILE"),
                (("org", "certify", request), "bad_prefix", f"to revoke the node {a.node_id[:12]};", "tocsin org sign FILE"),
                (("org", "revoke", a.node_id, "--signature", request), "bad_prefix", "a request to the root keys", "tocsin org sign FILE"),
                (("org", "revoke", a.node_id, "--root", card), "not_a_key_file", is_card, "tocsin peer add FILE"),
                (("org", "rotate-roots", "--next-set", root, "--dry-run"), "bad_prefix", "a key file", "tocsin org sign REQUEST --root FILE"),
                (("org", "sign", card, "--root", root, "--out", request + "2"), "bad_prefix", is_card, "tocsin peer add FILE"),
                (("bundle", "import", backup), "not_a_bundle", "a backup", "tocsin backup verify FILE"),
                (("bundle", "show", card), "not_a_bundle", is_card, "tocsin peer add FILE"),
                (("backup", "verify", card), "not_a_backup", is_card, "tocsin peer add FILE"),
                (("--home", a.home + "x", "backup", "restore", request), "not_a_backup", "a request to the root keys", "tocsin org sign FILE"),
                (("--home", a.home + "x", "init", "--join", request), "bad_prefix", "a request to the root keys", "tocsin org sign FILE")):
            detail = self.problem(a, *words, exit=1, code=code)["detail"]
            self.assertTrue(detail.startswith("this is ") and what in detail and " with: " + command in detail, f"{words}: {detail}")
        self.problem(a, "backup", "verify", backup, "--recovery-key", card, exit=4, code="wrong_recovery_key")
        self.assertIn("here a card is wanted", self.problem(a, "peer", "add", "-", stdin=head, exit=1)["detail"])
        self.assertIn("it is a folder", self.problem(a, "peer", "add", self.folder, exit=1, code="file_not_readable")["detail"])
        self.assertFalse(os.path.exists(a.home + "x"))

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

    def large_ged(self, times):
        """The dataset that many times over, each row under an id of its own."""
        with open(GED, newline="") as file:
            head, *rows = csv.reader(file)
        path = os.path.join(self.folder, "ged191-large.csv")
        with open(path, "w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(head)
            for n in range(times):
                for row in rows:
                    writer.writerow([str(n * 10_000_000 + int(row[0])), *row[1:]])
        return path

    def begin_import(self, node, path):
        """Starts an import over the socket; returns its thread and the list that gets the answer, once rows are being read."""
        with open(path, "rb") as file:
            body = file.read()
        head = (f"POST /api/v1/reports/import?format=ged HTTP/1.1\r\nHost: a\r\nIdempotency-Key: long\r\nConnection: close\r\n"
                f"Content-Length: {len(body)}\r\n\r\n").encode()
        answers = []
        door = os.path.join(node.home, "api.sock")
        call = threading.Thread(target=lambda: answers.append(self.talk(socket.AF_UNIX, door, head + body, seconds=120)))
        call.start()
        wait_until("rows are being read", lambda: answers or b'"done":' in self.operation(door) and b'"done":0,' not in self.operation(door), every=0.01)
        self.assertEqual(answers, [])
        return call, answers

    def operation(self, door):
        return self.talk(socket.AF_UNIX, door, b"GET /api/v1/operations/long HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    def test_one_import_at_a_time(self):
        node = self.node("A")
        path = self.large_ged(5)
        call, answers = self.begin_import(node, path)
        self.problem(node, "report", "import", GED, "--format", "ged", exit=1, code="busy")
        call.join()
        self.assertTrue(answers[0].startswith(b"HTTP/1.1 200"), answers[0][:300])
        self.assertEqual(json.loads(answers[0].split(b"\r\n\r\n", 1)[1])["new"], 5 * GED_ROWS)
        self.assertEqual(node.count(), 5 * GED_ROWS)

    def test_an_import_that_the_disk_cuts_short_says_how_much_is_in(self):
        node = self.node("A", start=False)
        node.environment["TOCSIN_LISTEN"] = "127.0.0.1:0"
        node.log = open(node.home + ".log", "a")
        # Python ignores SIGXFSZ, and so does this child: a file at its limit is then an error of the disk.
        node.process = subprocess.Popen([PROGRAM, "run"], env=node.environment, stdout=subprocess.PIPE, stderr=node.log, text=True, restore_signals=False)
        self.assertTrue(node.process.stdout.readline().startswith("ready "))
        size = os.path.getsize(os.path.join(node.home, "store", "data.mdb"))
        resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (size + 34 * 1024 * 1024, resource.RLIM_INFINITY))
        path = self.large_ged(10)  # more than one durable batch
        done = node.raw("report", "import", path, "--format", "ged")
        self.assertEqual(done.returncode, 3, done.stdout + done.stderr)
        answer = json.loads(done.stdout)
        self.assertEqual(answer["code"], "partial")
        self.assertIn(str(answer["new"]), answer["detail"])
        self.assertTrue(0 < answer["new"] < 10 * GED_ROWS)
        node.end(signal.SIGKILL)
        node.start()
        wait_until("what was said to be in is in", lambda: node.count() == answer["new"], seconds=10)
        again = node.run("report", "import", path, "--format", "ged")
        self.assertEqual((again["known"], again["new"]), (answer["new"], 10 * GED_ROWS - answer["new"]))

    def test_a_node_ends_in_the_middle_of_an_import(self):
        node = self.node("A")
        call, answers = self.begin_import(node, self.large_ged(10))
        self.assertEqual(node.end(), 0)
        call.join()
        self.assertFalse(answers[0].startswith(b"HTTP/1.1 200"))
        with open(node.home + ".log") as log:
            self.assertNotIn("internal error", log.read())
        node.start()
        self.assertEqual(node.count(), 0)

    def test_rule_52_an_alert_survives_whatever_stands_in_its_file(self):
        node = self.node("A")
        node.run("channel", "create", "alerts", "--class", "alert")
        words = ("alert", "raise", "--title", "Massacre", "--country", "MMR", "--severity", "Extreme", "--urgency", "Immediate", "--tried", "a")
        deep = "[" * 100_000 + "]" * 100_000
        for n, (text, exit) in enumerate((('{"place":"Maungdaw"}', 0), ('{"alert":["x"]}', 0), ('{"place":[1]}', 0), ("[]", 3), ("{", 3),
                                          ('{"place":' + deep + "}", 3))):
            path = os.path.join(self.folder, f"{n}.json")
            with open(path, "w") as out:
                out.write(text)
            self.assertTrue(node.run(*words, "--file", path, allowed=(exit,))["id"], text[:40])
            self.assertEqual(node.count(), n + 1)
        self.problem(node, "alert", "raise", "--title", "x", "--country", "Burmania", "--severity", "Severe", "--urgency", "Future", exit=2, code="usage")

    def test_json_of_any_depth_is_answered(self):
        node = self.node("A")
        report = node.run("report", "new", "--kind", "situation", "--title", "one")["id"]
        node.run("channel", "create", "alerts", "--class", "alert")
        deep = "[" * 400_000 + "]" * 400_000
        for path, body in (("alerts", '{"title":"a","report":{"x":%s}}' % deep), ("alerts", '{"title":"a","tried":%s}' % deep),
                           (f"reports/{report}/correct", '{"report":{"x":%s}}' % deep), ("reports", '{"report":{"x":%s}}' % deep)):
            head = f"POST /api/v1/{path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
            answer = self.talk(socket.AF_UNIX, os.path.join(node.home, "api.sock"), (head + body).encode())
            self.assertTrue(answer.startswith(b"HTTP/1.1 400"), answer[:200])
            self.assertIn(b"json_too_deep", answer)
        self.assertEqual(node.count(), 1)

    def test_usage_and_unknown_things(self):
        node = self.node("A")
        self.problem(node, "report", "list", "--no-such-filter", "1", exit=2)
        self.problem(node, "nonsense", exit=2)
        self.problem(node, "report", "show", "00000000", exit=1, code="unknown_report")
        self.problem(node, "report", "list", "--severity", "Dreadful", exit=2)
        self.problem(node, "report", "new", "--kind", "incident", exit=1, code="invalid_report")
        self.problem(node, "channel", "show", "nowhere", exit=1, code="unknown_channel")
        self.problem(node, "alert", "raise", "--title", "x", "--country", "MMR", "--severity", "Extreme", "--urgency", "Immediate", exit=1,
                     code="no_alert_channel")

    def talk(self, family, address, content, seconds=10):
        with socket.socket(family, socket.SOCK_STREAM) as s:
            s.settimeout(seconds)
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
            if content.endswith(b"{\"a\":") and answer == b"":
                continue  # ended in the middle of its body
            self.assertTrue(answer.startswith(b"HTTP/1.1 4"), (content[:60], answer[:100]))
            problem = json.loads(answer.split(b"\r\n\r\n", 1)[1])
            self.assertTrue(problem["code"] and problem["detail"], problem)
        self.assertEqual(node.run("status")["reports"], 0)

    def test_a_call_that_fails_inside_costs_that_call_alone(self):
        node = self.node("A")
        with open(f"/proc/{node.process.pid}/status") as status:
            size = next(int(line.split()[1]) for line in status if line.startswith("VmSize:")) * 1024
        if size > 1 << 42:
            self.skipTest("a sanitizer's shadow is no memory that can be limited")
        body = b'{"title":"' + b"a" * 1_000_000 + b'"}'
        call = b"POST /api/v1/reports HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        # Enough to read the body, not enough to make values of it.
        before = resource.prlimit(node.process.pid, resource.RLIMIT_AS, (size + 3 * 1024 * 1024, resource.RLIM_INFINITY))
        answer = self.talk(socket.AF_UNIX, os.path.join(node.home, "api.sock"), call)
        resource.prlimit(node.process.pid, resource.RLIMIT_AS, before)
        self.assertTrue(answer.startswith(b"HTTP/1.1 500"), answer[:200])
        self.assertEqual(json.loads(answer.split(b"\r\n\r\n", 1)[1])["code"], "handler_failed")
        self.assertEqual(node.run("status")["reports"], 0)
        self.assertEqual(node.end(), 0)
        with open(node.home + ".log") as log:
            self.assertIn("handler_failed", log.read())

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
            self.problem(node, "--home", copy, "run", exit=6, code="bad_key_file")
        shutil.rmtree(copy)
        shutil.copytree(node.home, copy)
        data = os.path.join(copy, "store", "data.mdb")
        size = os.path.getsize(data)
        os.truncate(data, size // 2)
        self.assertEqual(node.raw("--home", copy, "fsck").returncode, 6)
        self.problem(node, "--home", copy, "run", exit=6, code="store_damaged")
        # A bit of the mark of the file's two heads, and of what stands last on every other page.
        for pages, offset in ((range(2), 16), (range(2, size // 4096), 4090)):
            shutil.copyfile(os.path.join(node.home, "store", "data.mdb"), data)
            with open(data, "r+b") as file:
                text = bytearray(file.read())
                for page in pages:
                    text[page * 4096 + offset] ^= 1
                file.seek(0)
                file.write(text)
            self.assertIn(self.problem(node, "--home", copy, "run", exit=6)["code"], ("store_damaged", "store_failed"))
        # Bodies that are not what their headers say: fsck finds each, in an object for scripts and in lines for people.
        rows = os.path.join(self.folder, "rows.json")
        with open(rows, "w") as out:
            json.dump([{"kind": "incident", "title": f"Row {n}", "text": "word " * 60} for n in range(300)], out)
        node.start()
        node.run("report", "import", rows, "--format", "json")
        self.assertEqual(node.end(), 0)
        shutil.rmtree(copy)
        shutil.copytree(node.home, copy)
        with open(data, "r+b") as file:
            text = bytearray(file.read())
            pages = len(text) // 4096
            for page in range(pages // 2, pages // 2 + 10):
                text[page * 4096 + 3000] ^= 1
            file.seek(0)
            file.write(text)
        done = node.raw("--home", copy, "fsck")
        self.assertEqual(done.returncode, 6)
        self.assertEqual(json.loads(done.stderr)["code"], "store_damaged")
        findings = json.loads(done.stdout)["findings"]
        self.assertTrue(findings)
        self.assertTrue({f["code"] for f in findings} & {"body_changed", "entry_misplaced", "chain_broken"}, findings)
        shown = self.table(node, "--home", copy, "fsck", exit=6)
        self.assertIn(f"{len(findings)} findings", shown.stderr)
        self.assertIn("hint: copy the home", shown.stderr)
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
        problem = json.loads(done.stderr)
        self.assertEqual(problem["code"], "bad_config")
        self.assertIn("lissten", problem["detail"])
        self.assertTrue(problem["hint"])
        shown = self.table(node, "config", "check", exit=1)
        self.assertEqual(shown.stdout, "")
        self.assertEqual([line.split(":")[0] for line in shown.stderr.splitlines()], ["error", "hint"] * 2)
        self.problem(node, "run", exit=1, code="bad_config")

    def test_a_configuration_that_cannot_be_read_is_no_missing_one(self):
        node = self.node("A", start=False)
        path = os.path.join(node.home, "config.toml")
        os.remove(path)
        self.assertEqual(node.raw("config", "check").returncode, 0)
        os.mkdir(path)
        self.problem(node, "config", "check", exit=1, code="file_failed")
        self.problem(node, "run", exit=1, code="file_failed")

    def table(self, node, *words, exit=0):
        """What a person is shown."""
        done = subprocess.run([PROGRAM, "--output", "table", "--yes", *words], env=node.environment, text=True, capture_output=True, timeout=60)
        self.assertEqual(done.returncode, exit, f"{words}: {done.stdout[:300]} {done.stderr[:300]}")
        return done

    def test_what_a_person_is_shown(self):
        a, b = self.node("A"), self.node("Government", "government", "MMR")
        # A card in each form in which `card show` can be saved.
        path = os.path.join(self.folder, "b.card")
        card = b.run("card", "show")["card"]
        for text in (b.raw("card", "show").stdout, self.table(b, "card", "show").stdout, card[:80] + "\n" + card[80:] + "\n"):
            with open(path, "w") as out:
                out.write(text)
            self.assertEqual(a.run("peer", "add", path)["org_id"], b.org_id)
        self.problem(a, "card", "show", "--qr", exit=2, code="usage")
        introduce(a, b, self.folder)

        # Who leads a channel, as what one is invited, and commands that can be copied as they stand.
        a.run("channel", "create", "two rivers")
        self.assertIn('tocsin channel accept "two rivers"', " ".join(self.table(a, "channel", "add", "two rivers", b.org_id, "--role", "reader").stdout.split()))
        wait_until("it is invited", lambda: [c for c in b.run("channel", "list")["items"] if c["name"] == "two rivers"], 30)
        shown = self.table(b, "channel", "show", "two rivers").stdout
        self.assertRegex(shown, r"(?m)^invited as +reader$")
        self.assertRegex(shown, rf"(?m)^chair +A \({a.org_id[:12]}\)$")
        self.assertIn('This is an invitation to join as a reader, who writes nothing. Who the members are is told to members only. To agree to '
                      'the terms and join: tocsin channel accept "two rivers"; to decline: tocsin channel refuse "two rivers"', shown)
        self.assertRegex(self.table(a, "channel", "show", "two rivers").stdout, rf"(?m)^chair +A \({a.org_id[:12]}\)$")

        target = os.path.join(self.folder, "out.csv")
        would = a.run("report", "export", "--format", "csv", "--out", target, "--dry-run")
        self.assertEqual((would["reports"], would["file"], would["replaces"]), (0, target, False))
        self.assertFalse(os.path.exists(target))
        self.problem(a, "report", "export", "--format", "csv", "--out", "/missing/out.csv", "--dry-run", exit=1, code="file_not_writable")

        rows = os.path.join(self.folder, "rows.json")
        with open(rows, "w") as out:
            json.dump([{"kind": "incident", "title": "good"}, {"kind": "nonsense", "title": "bad"}], out)
        shown = self.table(a, "report", "import", rows, "--format", "json", "--partial", exit=3).stdout
        self.assertIn("line 1, column ", shown)
        self.assertNotIn("{", shown)

        channel = a.run("channel", "create", "c")["channel_id"]
        join(a, channel, b)
        report = a.run("report", "new", "--kind", "incident", "--title", "Village burnt", "--country", "MMR")["id"]
        self.assertEqual(a.run("report", "readers", report)["warnings"], [])
        self.assertIn("MMR", a.run("report", "readers", report, "--channel", "c")["warnings"][0])
        a.run("report", "share", report, "--channel", "c", "--allow-government", "MMR")
        self.assertIn("MMR", a.run("report", "readers", report)["warnings"][0])
        self.assertIn("warning: ", self.table(a, "report", "readers", report).stdout)
        self.assertIn("key ", " ".join(check["name"] for check in a.run("doctor")["checks"]))

        b.end()
        shown = self.table(a, "sync", "now", exit=5)
        self.assertEqual(shown.stdout, "")
        self.assertIn("Government: ", shown.stderr)
        self.assertNotIn("{", shown.stderr)

    def init(self, home, *more, preexec_fn=None):
        passphrase = os.path.join(self.folder, "passphrase")
        with open(os.open(passphrase, os.O_WRONLY | os.O_CREAT, 0o600), "w") as out:
            out.write("six words that only this test knows\n")
        return subprocess.run([PROGRAM, "--output", "json", "--yes", "--home", home, "init", "--org", "A", "--kind", "ngo", "--country", "BGD", *more],
                              env=dict(os.environ, TOCSIN_PASSPHRASE_FILE=passphrase), text=True, capture_output=True, preexec_fn=preexec_fn, timeout=60)

    def test_a_failed_init_leaves_nothing_behind(self):
        def nothing_can_be_written():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

        home = os.path.join(self.folder, "h")
        for more in (["--listen", "nowhere"], ["--listen", "127.0.0.1:1\"]\nsocks5 = \"a:1"], ["--listen", "a\"b:1"], ["--advertise", "a b:1"]):
            done = self.init(home, *more)
            self.assertEqual((done.returncode, json.loads(done.stderr)["code"]), (1, "bad_address"), more)
            self.assertFalse(os.path.exists(home), more)
        for there in (False, True):
            if there:
                os.mkdir(home)
            self.assertEqual(self.init(home, preexec_fn=nothing_can_be_written).returncode, 1)
            self.assertEqual(os.path.exists(home) and os.listdir(home), [] if there else False)
        with open(os.path.join(home, "kept"), "w") as out:
            out.write("somebody's")
        self.assertEqual(json.loads(self.init(home).stderr)["code"], "home_exists")
        self.assertEqual(os.listdir(home), ["kept"])


if __name__ == "__main__":
    import unittest
    unittest.main()
