"""Two tiers of secrets: a node that starts without a person, is locked, unlocked, and wiped, with real processes."""
import glob
import json
import os
import subprocess

from support import NodesTestCase, introduce, join, wait_until


class Lock(NodesTestCase):
    def pair(self):
        """Two nodes that share a channel, with one report in it."""
        ngo, region = self.node("Watch"), self.node("Region")
        introduce(ngo, region, self.folder)
        channel = ngo.run("channel", "create", "shared")["channel_id"]
        join(ngo, channel, region)
        self.report(ngo, channel, "before")
        wait_until("it arrives", lambda: region.count() == 1, 20)
        return ngo, region, channel

    def report(self, node, channel, title):
        return node.run("report", "new", "--kind", "incident", "--title", title, "--channel", channel)["id"]

    def entries(self, node):
        return node.run("status")["entries"]

    def test_rule_48_a_locked_node_takes_and_passes_on_and_nobody_reads(self):
        ngo, region, channel = self.pair()
        third = self.node("Third")
        introduce(ngo, third, self.folder)
        introduce(region, third, self.folder)
        join(ngo, channel, third)
        wait_until("all know each other", lambda: all(p["connected"] for n in (ngo, region, third) for p in n.run("peer", "list")["items"]), 30)
        listen = region.listen
        self.assertEqual(region.run("lock"), {"unlocked": False})
        self.assertEqual(region.run("lock"), {"unlocked": False}, "once more changes nothing")
        status = region.run("status")
        self.assertEqual((status["unlocked"], status["reports"], status["listen"]), (False, None, [listen]))
        for words in (["report", "list"], ["report", "search", "before"], ["channel", "list"], ["inbox", "list"], ["card", "show"],
                      ["alert", "raise", "--title", "x", "--country", "MMR", "--severity", "Extreme", "--urgency", "Immediate"]):
            self.problem(region, *words, exit=4, code="locked")
        self.assertTrue(any(c["state"] == "warning" and "locked" in c["detail"] for c in region.run("doctor")["checks"]))

        before = self.entries(region)
        title = "a village that nobody may read about here"
        self.report(ngo, channel, title)
        wait_until("the locked node stores it", lambda: self.entries(region) > before, 30)
        ngo_listen = ngo.listen
        ngo.end()
        wait_until("the third gets it, from the locked node if need be", lambda: third.count() == 1, 30)
        self.assertEqual(region.process.poll(), None)

        # Somebody joins meanwhile, whom the locked node has never heard of.
        ngo.start(ngo_listen)
        fourth = self.node("Fourth")
        introduce(ngo, fourth, self.folder)
        join(ngo, channel, fourth)
        self.report(fourth, channel, "by a newcomer")
        wait_until("all who read have it", lambda: (ngo.count(), third.count()) == (3, 2), 60)
        wait_until("the locked node has it, too", lambda: self.entries(region) >= before + 3, 60)

        wrong = self.secret("wrong", "no such passphrase")
        done = region.raw("unlock", environment={"TOCSIN_PASSPHRASE_FILE": wrong})
        self.assertEqual((done.returncode, json.loads(done.stderr)["code"]), (4, "wrong_passphrase"))
        self.assertEqual(region.run("unlock"), {"unlocked": True})
        wait_until("what came while it was locked is read", lambda: region.count() == 3, 60)
        self.report(region, channel, "written after")
        wait_until("and it writes again", lambda: third.count() == 3, 30)
        self.assertEqual(region.end(), 0)

    def test_rule_48_after_a_power_loss_the_credential_starts_it_locked(self):
        ngo, region, channel = self.pair()
        listen = region.listen
        folder = os.path.join(self.folder, "credentials")
        os.mkdir(folder)
        credential = os.path.join(folder, "tocsin.storage")
        region.run("key", "credential", "--out", credential)
        self.problem(region, "key", "credential", "--out", credential, exit=1, code="keys_exist")
        region.end(9)
        self.report(ngo, channel, "while it was dark")
        passphrase = region.environment.pop("TOCSIN_PASSPHRASE_FILE")
        region.environment["CREDENTIALS_DIRECTORY"] = folder
        region.start(listen)
        self.assertEqual(region.run("status")["unlocked"], False)
        before = self.entries(region)
        wait_until("it takes what was written meanwhile", lambda: self.entries(region) > before or before > 5, 30)
        done = region.raw("report", "list")
        self.assertEqual(done.returncode, 4, "nobody reads")
        for path in glob.glob(region.home + "/**", recursive=True):
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    self.assertNotIn(b"while it was dark", file.read(), path)
        region.environment["TOCSIN_PASSPHRASE_FILE"] = passphrase
        region.run("unlock")
        wait_until("both are read", lambda: region.count() == 2, 30)
        wait_until("what was done to its keys is written down", lambda: {"Unlock this node", "Write the credential that starts this node locked"} <= set(self.acts(region)), 20)
        region.end()
        # Another home's credential, and a passphrase that goes before a credential.
        region.run("key", "credential", "--out", os.path.join(self.folder, "other"))
        self.assertEqual(self.run_with(ngo, credential), ("wrong_credential", 4))
        region.start(listen)
        self.assertEqual(region.run("status")["unlocked"], True, "started with a passphrase it is unlocked")
        self.assertTrue(any(passphrase in c["detail"] for c in region.run("doctor")["checks"]), "and doctor names the file")

    def run_with(self, node, credential):
        """What `run` says of a home with another home's credential."""
        node.end()
        environment = dict(node.environment, CREDENTIALS_DIRECTORY=os.path.dirname(credential))
        environment.pop("TOCSIN_PASSPHRASE_FILE")
        done = subprocess.run([node.program, "--output", "json", "run", "--listen", "127.0.0.1:0"], env=environment, text=True,
                              capture_output=True, timeout=60)
        return json.loads(done.stderr.splitlines()[-1])["code"], done.returncode

    def test_the_passphrase_is_changed_under_a_running_node(self):
        node = self.node("Watch")
        new = self.secret("new", "quite another passphrase")
        short = self.secret("short", "short")
        environment = {"TOCSIN_NEW_PASSPHRASE_FILE": short}
        done = node.raw("key", "passphrase", environment=environment)
        self.assertEqual((done.returncode, json.loads(done.stderr)["code"]), (1, "weak_passphrase"))
        # Without a terminal each says the name of its own file.
        unasked = lambda *words, **files: json.loads(subprocess.run(
            [node.program, "--output", "json", *words], env=dict(node.environment, **files), text=True, capture_output=True,
            start_new_session=True, timeout=60).stderr)
        root = os.path.join(node.home, "roots", "root.key")
        node.run("org", "revoke", node.node_id, "--request-out", short + ".request")
        for words, files, name, line in (
                (("key", "passphrase"), {}, "TOCSIN_NEW_PASSPHRASE_FILE", 1),
                (("key", "passphrase"), {"TOCSIN_PASSPHRASE_FILE": ""}, "TOCSIN_PASSPHRASE_FILE", 1),
                (("user", "add", "Ann", "--role", "reader", "--password"), {}, "TOCSIN_USER_PASSWORD_FILE", 1),
                (("org", "sign", short + ".request", "--root", root, "--out", short + ".1", "--yes"), {}, "TOCSIN_ROOT_PASSPHRASE_FILE", 1),
                (("--home", node.home + "2", "init", "--org", "Aid", "--kind", "ngo", "--country", "BGD", "--roots", "2", "--roots-out", "a",
                  "--next-roots-out", "b"), {"TOCSIN_ROOT_PASSPHRASE_FILE": ""}, "TOCSIN_ROOT_PASSPHRASE_FILE", 1)):
            problem = unasked(*words, **files)
            self.assertEqual(problem["code"], "no_passphrase", words)
            self.assertIn(f"line {line} of a file, and name that in {name}", problem["detail"])
        done = node.raw("key", "passphrase", environment={"TOCSIN_NEW_PASSPHRASE_FILE": new})
        self.assertEqual(done.returncode, 0, done.stderr)
        node.run("lock")
        self.problem(node, "unlock", exit=4, code="wrong_passphrase")
        node.environment["TOCSIN_PASSPHRASE_FILE"] = new
        node.run("unlock")
        self.assertEqual([k["name"] for k in node.run("key", "status")["items"]], ["node certificate", "transport key", "last prekey"])
        # A node that does not run writes it down at its next start.
        node.end()
        newer = self.secret("newer", "yet another passphrase")
        self.assertEqual(node.raw("key", "passphrase", environment={"TOCSIN_NEW_PASSPHRASE_FILE": newer}).returncode, 0)
        node.environment["TOCSIN_PASSPHRASE_FILE"] = newer
        node.start()
        change = "Change the passphrase of this node"
        wait_until("all of it is written down", lambda: self.acts(node) == [change, "Unlock this node", "Forget the signing and reading keys now", change], 20)

    def acts(self, node):
        return [item["act"] for item in node.run("audit", "list")["items"] if item["user"] == "owner"]

    def test_rule_48_an_admin_with_a_token_locks_and_is_told_at_once(self):
        node = self.node("Watch")
        node.run("user", "add", "Ann", "--role", "admin")
        path = os.path.join(self.folder, "token")
        with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w") as out:
            out.write(node.run("user", "token", "Ann")["token"])
        done = node.raw("lock", environment={"TOCSIN_TOKEN_FILE": path}, timeout=60)
        self.assertEqual((done.returncode, json.loads(done.stdout)), (0, {"unlocked": False}), done.stderr)
        self.assertFalse(node.run("status")["unlocked"])

    def test_rule_48_wipe_destroys_both_tiers_at_once(self):
        ngo, region, channel = self.pair()
        self.problem(ngo, "wipe", exit=2, code="usage")
        self.problem(ngo, "wipe", "--confirm", ngo.node_id[:12], exit=1, code="wrong_node")
        self.problem(ngo, "wipe", "--confirm", region.node_id, exit=1, code="wrong_node")
        self.assertEqual(ngo.count(), 1, "nothing was destroyed")
        self.assertEqual(ngo.run("wipe", "--confirm", ngo.node_id), {"wiped": True})
        self.assertEqual(ngo.process.wait(20), 0, "and the node ends")
        self.assertEqual([f for f in glob.glob(ngo.home + "/keys/*") + glob.glob(ngo.home + "/roots/*")], [])
        # It says so itself from then on, and what to do.
        for words in (("wipe", "--confirm", ngo.node_id), ("run",), ("status",), ("fsck",), ("doctor",), ("report", "list"), ("migrate",)):
            self.assertIn("tocsin org revoke NODE", self.problem(ngo, *words, exit=1, code="home_wiped")["detail"])
        # A node that does not run, and whose passphrase nobody knows.
        region.end()
        region.environment.pop("TOCSIN_PASSPHRASE_FILE")
        self.problem(region, "wipe", "--confirm", ngo.node_id, exit=1, code="wrong_node")
        self.problem(region, "wipe", "--confirm", region.node_id, "--dry-run", exit=2, code="no_dry_run")
        self.assertNotEqual(os.listdir(os.path.join(region.home, "keys")), [], "there is no trying it")
        region.run("wipe", "--confirm", region.node_id)
        self.assertEqual(os.listdir(os.path.join(region.home, "keys")), [])
