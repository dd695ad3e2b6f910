"""Ending trust and keeping it: an organisation's roots, its nodes, and what each may do, with real processes."""
import json
import os
import time

from support import NodesTestCase, introduce, join, wait_until


class Trust(NodesTestCase):
    def secret(self, name, *lines):
        path = os.path.join(self.folder, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.write("\n".join(lines) + "\n")
        return path

    def founded(self, name):
        """An organisation of three roots, of which two sign together, each in a folder of its own."""
        self.roots = [f"{name} root {n} passphrase" for n in (1, 2, 3)]
        self.next_roots = [f"{name} next root {n} passphrase" for n in (1, 2, 3)]
        passphrases = self.secret("roots", *self.roots, *self.next_roots)
        folders = [os.path.join(self.folder, f"stick{n}") for n in (1, 2, 3)]
        words = ["--roots", "3", "--threshold", "2", "--next-roots-out", os.path.join(self.folder, "safe")]
        for folder in folders:
            words += ["--roots-out", folder]
        return self.node(name, extra=words, environment={"TOCSIN_ROOT_PASSPHRASE_FILE": passphrases})

    def sign(self, node, request, number, passphrase, exit=0, next_root=False):
        """As on a machine without a home: the request, one key file, its passphrase."""
        name = "next-root" if next_root else "root"
        folder = "safe" if next_root else f"stick{number}"
        out = os.path.join(self.folder, f"signature{number}")
        environment = {"TOCSIN_ROOT_PASSPHRASE_FILE": self.secret("one", passphrase), "TOCSIN_HOME": "/nowhere"}
        done = node.raw("org", "sign", request, "--root", os.path.join(self.folder, folder, f"{name}-{number}.key"), "--out", out,
                        environment=environment)
        self.assertEqual(done.returncode, exit, done.stderr)
        return out if exit == 0 else json.loads(done.stderr)["code"]

    def test_rule_17_roots_kept_apart_revoke_a_node_by_signatures_that_travel(self):
        ngo, region = self.founded("Watch"), self.node("Region")
        warnings = ngo.run("status")["warnings"]
        self.assertEqual(sum("stick" in w or "safe" in w for w in warnings), 6, "while the key files lie here")
        introduce(ngo, region, self.folder)
        channel = ngo.run("channel", "create", "shared")["channel_id"]
        join(ngo, channel, region)
        ngo.run("report", "new", "--kind", "incident", "--title", "before", "--channel", channel)
        wait_until("it arrives", lambda: region.count() == 1, 20)

        request = os.path.join(self.folder, "request")
        revoke = ["org", "revoke", ngo.node_id[:12]]
        asked = ngo.run(*revoke, "--reason", "laptop lost", "--request-out", request)
        self.assertEqual((asked["change"], asked["signatures_needed"], len(asked["warnings"])), ("revoke", 2, 2))
        self.assertEqual(ngo.run("org", "show")["nodes"][0]["state"], "live", "nothing has changed yet")
        self.assertEqual(self.sign(ngo, request, 1, self.roots[1], exit=4), "wrong_passphrase")
        first = self.sign(ngo, request, 1, self.roots[0])
        self.problem(ngo, *revoke, "--signature", first, exit=1, code="signatures_missing")
        self.problem(ngo, *revoke, "--signature", first, "--signature", first, exit=1, code="signatures_missing")
        self.assertEqual(self.sign(ngo, request, 1, self.next_roots[0], exit=1, next_root=True), "wrong_root")
        third = self.sign(ngo, request, 3, self.roots[2])
        with open(request) as file:
            text = file.read()
        with open(request, "w") as out:
            out.write(text.replace(text[40], "a" if text[40] != "a" else "b", 1))
        self.assertEqual(self.sign(ngo, request, 2, self.roots[1], exit=1), "bad_checksum")
        self.assertEqual(ngo.run(*revoke, "--signature", first, "--signature", third, "--dry-run")["entry"], 3)
        self.assertEqual(ngo.run("org", "show")["nodes"][0]["state"], "live", "a dry run")
        ngo.run(*revoke, "--signature", third, "--signature", first)
        node = ngo.run("org", "show")["nodes"][0]
        self.assertEqual((node["state"], node["reason"]), ("revoked", "laptop lost"))
        self.problem(ngo, *revoke, "--signature", third, "--signature", first, exit=1, code="stale_request")

        connected = lambda: [p["connected"] for p in region.run("peer", "list")["items"]]
        wait_until("nobody talks with it any more", lambda: connected() == [False], 30)
        ngo.raw("report", "new", "--kind", "incident", "--title", "after", "--channel", channel)
        time.sleep(2)
        self.assertEqual(region.count(), 1)
        self.assertEqual(region.run("report", "list")["items"][0]["title"], "before", "what was known before stays")

    def test_rule_19_the_next_roots_take_over_and_the_old_ones_are_worth_nothing(self):
        ngo = self.founded("Watch")
        request, safe = os.path.join(self.folder, "request"), os.path.join(self.folder, "safe")
        rotate = ["org", "rotate-roots", "--next-set", os.path.join(safe, "next-root.set")]
        self.problem(ngo, *rotate, "--request-out", request, exit=2, code="missing_option")
        fresh = os.path.join(self.folder, "fresh")
        ngo.environment["TOCSIN_ROOT_PASSPHRASE_FILE"] = self.secret("fresh-ones", "fresh one 1", "fresh one 2", "fresh one 3")
        wrong = ["org", "rotate-roots", "--next-set", os.path.join(self.folder, "stick1", "root.set")]
        self.problem(ngo, *wrong, "--next-roots-out", fresh, "--request-out", request, exit=1, code="wrong_next_roots")
        self.assertEqual(os.listdir(fresh), [], "keys that nothing stands behind are not left lying about")
        ngo.run(*rotate, "--next-roots-out", fresh, "--request-out", request)
        self.assertEqual(sorted(os.listdir(fresh)), ["next-root-1.key", "next-root-2.key", "next-root-3.key", "next-root.set"])
        self.assertEqual(self.sign(ngo, request, 1, self.roots[0], exit=1), "wrong_root")
        signatures = [self.sign(ngo, request, n, self.next_roots[n - 1], next_root=True) for n in (2, 3)]
        before = ngo.run("org", "show")
        ngo.run(*rotate[:2], "--signature", signatures[0], "--signature", signatures[1])
        after = ngo.run("org", "show")
        self.assertNotEqual(before["roots"], after["roots"])
        self.assertNotEqual(before["next_roots"], after["next_roots"])
        self.assertEqual((after["threshold"], len(after["roots"]), after["nodes"][0]["state"]), (2, 3, "live"))
        ngo.run("org", "revoke", ngo.node_id, "--request-out", request)
        self.assertEqual(self.sign(ngo, request, 1, self.roots[0], exit=1), "wrong_root")
        self.sign(ngo, request, 1, self.next_roots[0], next_root=True)

    def test_one_root_in_the_home_signs_at_once_and_nobody_else_is_taken_for_it(self):
        ngo = self.node("Watch")
        self.problem(ngo, "org", "revoke", "00000000", exit=1, code="unknown_node")
        self.problem(ngo, "org", "revoke", ngo.node_id, "--at", "nonsense", exit=2, code="bad_value")
        self.problem(ngo, "org", "revoke", ngo.node_id, "--at", "00000000:1", exit=1, code="unknown_feed")
        other = self.node("Other")
        request = os.path.join(self.folder, "request")
        other.run("org", "revoke", other.node_id, "--request-out", request)
        environment = {"TOCSIN_ROOT_PASSPHRASE_FILE": ngo.passphrase_file}
        done = ngo.raw("org", "sign", request, "--root", os.path.join(ngo.home, "roots", "root.key"), "--out", request + ".s",
                       environment=environment)
        self.assertEqual((done.returncode, json.loads(done.stderr)["code"]), (1, "wrong_root"))
        done = ngo.raw("org", "revoke", ngo.node_id, "--dry-run", environment=environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(ngo.run("org", "show")["nodes"][0]["state"], "live")
