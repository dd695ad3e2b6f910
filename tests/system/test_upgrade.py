"""Homes made by earlier versions, kept in tests/data: each version must open them, find what was said, and sync with them."""
import glob
import json
import os
import subprocess

from support import PROGRAM, ROOT, NodesTestCase, introduce, join, wait_until
from nodes import Node

FIXTURES = sorted(glob.glob(os.path.join(ROOT, "tests", "data", "home_*")))


class Upgrade(NodesTestCase):
    def each(self):
        """For each home that was kept, what is expected of it; a folder of its own."""
        self.assertTrue(FIXTURES)
        first = self.folder
        for fixture in FIXTURES:
            with self.subTest(home=os.path.basename(fixture)), open(os.path.join(fixture, "expected.json")) as file:
                self.folder = os.path.join(first, os.path.basename(fixture))
                os.mkdir(self.folder)
                self.fixture = fixture
                yield json.load(file)
        self.folder = first

    def old(self, name, start=True):
        subprocess.run(["tar", "--extract", "--xz", "--no-same-owner", "--file", os.path.join(self.fixture, name.lower() + ".tar.xz"),
                        "--directory", self.folder], check=True)
        with open(os.path.join(self.fixture, "passphrase")) as file:
            passphrase = file.read().strip()
        node = Node.existing(os.path.join(self.folder, name.lower()), name, passphrase, PROGRAM)
        self.nodes.append(node)
        return node.start() if start else node

    @staticmethod
    def confirm(watch, region):
        """Both were unpacked here, so each has to hear from the other that it is the one it was (rule 21)."""
        watch.run("peer", "connect", region.node_id, region.listen)
        for node in (watch, region):
            wait_until(f"{node.name} is confirmed", lambda n=node: n.run("status")["home"] == "confirmed", 60)

    @staticmethod
    def titles(node, *query):
        return {r["id"]: r["title"] for r in node.run("report", "list", *query)["items"]}

    @staticmethod
    def data(node):
        with open(os.path.join(node.home, "store", "data.mdb"), "rb") as file:
            return file.read()

    def test_a_home_of_an_earlier_version_opens_with_all_that_was_said(self):
        for expected in self.each():
            watch = self.old("Watch", start=False)
            before = self.data(watch)
            plan = watch.run("migrate", "--check")
            self.assertFalse(plan["changed"])
            self.assertEqual(plan["home_version"], expected["home_version"])
            self.assertGreaterEqual(plan["index_version"], 1, "a clean end leaves a snapshot")
            self.assertEqual(self.data(watch), before, "a check changes nothing")
            self.assertEqual(watch.run("migrate")["changed"], bool(plan["steps"]))
            self.assertTrue(watch.run("migrate", "--check")["current"])
            watch.start()
            self.assertEqual({"org_id": watch.org_id, "node_id": watch.node_id}, expected["organisations"]["Watch"])
            all_of_it = expected["reports"] + [expected["note"], expected["alert"]]
            self.assertEqual(self.titles(watch), {r["id"]: r["title"] for r in all_of_it})
            self.assertEqual(watch.run("report", "show", expected["reports"][1]["id"])["title"], expected["reports"][1]["title"])
            self.assertEqual([a["id"] for a in watch.run("alert", "list")["items"]], [expected["alert"]["id"]])
            channels = {c["channel_id"]: c["state"] for c in watch.run("channel", "list")["items"]}
            self.assertEqual((channels[expected["shared"]], channels[expected["alerts"]]), ("joined", "joined"))
            self.assertTrue(any("made elsewhere" in w for w in watch.run("status")["warnings"]), "rule 21: a copy is said to be one")
            self.assertEqual(watch.end(), 0)
            self.assertEqual(watch.run("fsck")["findings"], [])
            watch.start()
            self.assertEqual(watch.count(), len(all_of_it))

    def test_two_of_them_go_on_in_the_channel_that_they_have(self):
        for expected in self.each():
            watch, region = self.old("Watch"), self.old("Region")
            self.confirm(watch, region)
            for writer, reader in ((watch, region), (region, watch)):
                title = f"after the upgrade, by {writer.name}"
                made = writer.run("report", "new", "--kind", "incident", "--title", title, "--channel", expected["shared"])["id"]
                wait_until("it arrives", lambda: self.titles(reader).get(made) == title, 60)
            alert = region.run("alert", "raise", "--title", "again", "--country", "MMR", "--severity", "Extreme", "--urgency", "Immediate",
                               "--channel", expected["alerts"])["id"]
            wait_until("the alert arrives", lambda: alert in {a["id"] for a in watch.run("alert", "list")["items"]}, 60)

    def test_a_node_of_this_version_shares_a_new_channel_with_one(self):
        for expected in self.each():
            watch, fresh = self.old("Watch"), self.node("Fresh")
            self.confirm(watch, self.old("Region"))
            introduce(watch, fresh, self.folder)
            channel = watch.run("channel", "create", "after")["channel_id"]
            join(watch, channel, fresh)
            for writer, reader in ((watch, fresh), (fresh, watch)):
                made = writer.run("report", "new", "--kind", "incident", "--title", f"by {writer.name}", "--channel", channel)["id"]
                wait_until("it arrives", lambda: made in self.titles(reader), 60)
            self.assertEqual(fresh.count(), 2, "and nothing of the older channels")

    def test_a_home_of_a_later_version_is_left_alone(self):
        node = self.node("Later", start=False)
        mark, store = os.path.join(node.home, "home"), os.path.join(node.home, "store", "data.mdb")
        for path, now, later, code in ((mark, b"tocsin home 1\n", b"tocsin home 2\n", "home_too_new"),
                                       (store, b"schema\1\0\0\0", b"schema\2\0\0\0", "schema_too_new")):
            with open(path, "rb") as file:
                before = file.read()
            self.assertIn(now, before)
            changed = before.replace(now, later)
            with open(path, "wb") as file:
                file.write(changed)
            for words in (("run", "--listen", "127.0.0.1:0"), ("migrate", "--check"), ("migrate",), ("fsck",)):
                self.assertIn("later version", self.problem(node, *words, exit=1, code=code)["detail"])
            with open(path, "rb") as file:
                self.assertEqual(file.read(), changed)
            with open(path, "wb") as file:
                file.write(before)
        node.start()
        self.problem(node, "migrate", exit=1, code="home_in_use")
