"""Bundles: two nodes that no network joins, and files that go between them."""
import json
import os
import subprocess
import threading

from support import NodesTestCase, introduce, wait_until

CHUNK, START = 4138, 44 + 8 * 104


class Bundle(NodesTestCase):
    def pair(self):
        """Both run, and neither dials: what they learn of each other came by hand."""
        away = {"TOCSIN_DIAL": "false"}
        a, b = self.node("Alpha", environment=away), self.node("Bravo", "regional", "KEN", environment=away)
        introduce(a, b, self.folder)
        return a, b

    def file(self, name):
        return os.path.join(self.folder, name)

    def carry(self, here, there, channels, name="bundle", for_peer=True, exits=(0,)):
        path = self.file(name)
        words = ["bundle", "export", "--out", path]
        for channel in channels:
            words += ["--channel", channel]
        if for_peer:
            words += ["--for", there.org_id]
        exported = here.run(*words)
        self.assertEqual(exported["bytes"], os.path.getsize(path))
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        return exported, there.run("bundle", "import", path, allowed=exits)

    def joined(self, a, b, klass="shared"):
        """The channel of A, to which B comes by three files."""
        channel = a.run("channel", "create", f"by stick {klass}", "--class", klass)["channel_id"]
        a.run("channel", "add", channel, b.org_id)
        exported, imported = self.carry(a, b, [channel])
        self.assertEqual((exported["mail"], imported["mail"], imported["complete"]), (1, 1, True))
        self.assertEqual([c["state"] for c in b.run("channel", "list")["items"] if c["channel_id"] == channel], ["invited"])
        accepted = {}
        waits = threading.Thread(target=lambda: accepted.update(b.run("channel", "accept", channel)))
        waits.start()  # until the key comes, by file
        wait_until("it accepts", lambda: any(c["state"] == "accepting" for c in b.run("channel", "list")["items"]), 20)
        self.carry(b, a, [channel])
        wait_until("the chair has taken it in", lambda: len(a.run("channel", "show", channel)["members"]) == 2, 20)
        self.carry(a, b, [channel])
        waits.join(60)
        self.assertEqual(accepted["state"], "joined")
        return channel

    def new(self, node, channel, title):
        return node.run("report", "new", "--kind", "incident", "--title", title, "--channel", channel)["id"]

    def titles(self, node):
        return sorted(r["title"] for r in node.run("report", "list")["items"])

    def test_rule_26_all_that_two_nodes_share_goes_by_file_both_ways(self):
        a, b = self.pair()
        for node in (a, b):
            self.assertEqual([p["connected"] for p in node.run("peer", "list")["items"]], [False])
        channel, alerts = self.joined(a, b), self.joined(a, b, "alert")
        self.new(a, channel, "of Alpha")
        self.new(b, channel, "of Bravo")
        raised = a.run("alert", "raise", "--title", "Now", "--country", "MMR", "--severity", "Extreme", "--urgency", "Immediate")
        exported, imported = self.carry(a, b, [channel, alerts])
        self.assertEqual(sorted(c["name"] for c in imported["channels"]), ["by stick alert", "by stick shared"])
        said = lambda node, act: [set(i["names"]) for i in node.run("audit", "list")["items"] if i["act"] == act][0]
        self.assertEqual(said(a, "Export a bundle"), {channel, alerts, b.org_id})
        self.assertEqual(said(b, "Import a bundle"), {channel, alerts, a.org_id})
        self.assertEqual(imported["refused"], [])
        wait_until("Bravo reads them", lambda: self.titles(b) == ["Now", "of Alpha", "of Bravo"], 20)
        wait_until("the alert heads the inbox", lambda: [i["report_id"] for i in b.run("inbox", "list")["items"]][:1] == [raised["id"]], 20)
        self.carry(b, a, [channel, alerts])
        wait_until("Alpha reads them", lambda: self.titles(a) == ["Now", "of Alpha", "of Bravo"], 20)
        # A second time, and what is sent next: nothing but what is new.
        self.new(a, channel, "later")
        path = self.file("bundle")
        again = a.run("bundle", "export", "--channel", channel, "--for", b.org_id, "--out", path)
        everything = a.run("bundle", "export", "--channel", channel, "--for", b.org_id, "--all", "--out", path + ".all")
        self.assertLess(again["entries"], everything["entries"])
        self.assertEqual(b.run("bundle", "import", path + ".all")["entries"], 1)
        for file in (path, path + ".all"):
            second = b.run("bundle", "import", file)
            self.assertEqual((second["entries"], second["refused"], second["complete"]), (0, [], True))
        for node in (a, b):
            self.assertEqual([p["connected"] for p in node.run("peer", "list")["items"]], [False], "no network was there")

    def test_a_cut_or_changed_file_gives_what_was_whole_and_says_what_to_do(self):
        a, b = self.pair()
        channel = self.joined(a, b)
        for n in range(90):
            self.new(a, channel, f"report {n} " + "x" * 150)
        path, cut = self.file("whole"), self.file("cut")
        a.run("bundle", "export", "--channel", channel, "--out", path)
        with open(path, "rb") as file:
            whole = file.read()
        self.assertEqual((len(whole) - START) % CHUNK, 0)
        with open(cut, "wb") as file:
            file.write(whole[:len(whole) // 2])
        shown = b.raw("bundle", "show", cut)
        self.assertEqual(shown.returncode, 3, shown.stderr)
        self.assertFalse(json.loads(shown.stdout)["complete"])
        dry = b.raw("bundle", "import", path, "--dry-run")
        self.assertEqual((dry.returncode, json.loads(dry.stdout)["entries"] >= 90, b.count()), (0, True, 0))
        half = b.run("bundle", "import", cut, allowed=(3,))
        self.assertEqual((half["complete"], half["code"]), (False, "bundle_cut"))
        self.assertIn("once more", half["detail"])
        self.assertTrue(20 < half["entries"] < 90, half)
        wait_until("they are there", lambda: b.count() == half["entries"], 20)
        for at in (len(whole) - 3 * CHUNK, START + 100):
            with open(cut, "wb") as file:
                file.write(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1:])
            problem = self.problem(b, "bundle", "import", cut, exit=6, code="bundle_damaged")
            self.assertFalse(problem["complete"])
        with open(cut, "w") as file:
            file.write("id,name\n")
        self.problem(b, "bundle", "import", cut, exit=1, code="not_a_bundle")
        self.problem(b, "bundle", "import", self.file("nothing"), exit=1, code="file_not_readable")
        rest = b.run("bundle", "import", path)
        self.assertTrue(rest["complete"])
        wait_until("all of them", lambda: b.count() == 90, 20)
        done = subprocess.run([b.program, "--output", "json", "bundle", "show", "-"], env=b.environment, input=whole, capture_output=True, timeout=60)
        shown = json.loads(done.stdout)
        self.assertEqual((shown["complete"], shown["entries"], shown["from"][0]["org_id"]), (True, 0, a.org_id))
        self.assertIn(("feed", 1, 90), [(log["type"], log["first"], log["last"]) for log in shown["logs"]])

    def test_rule_35_for_anybody_else_it_is_a_closed_file_that_names_nobody(self):
        a, b = self.pair()
        other = self.node("Charlie", environment={"TOCSIN_DIAL": "false"})
        introduce(a, other, self.folder)
        channel = self.joined(a, b)
        self.new(a, channel, "for members alone")
        path = self.file("closed")
        for words in (["--for", b.org_id], []):
            a.run("bundle", "export", "--channel", channel, "--out", path, *words)
            with open(path, "rb") as file:
                content = file.read()
            for name in (channel, a.org_id, a.node_id, b.org_id, b.node_id):
                self.assertNotIn(bytes.fromhex(name), content)
            for verb in ("import", "show"):
                problem = self.problem(other, "bundle", verb, path, exit=4, code="bundle_for_others")
                self.assertNotIn("channels", problem)
        self.problem(a, "bundle", "export", "--channel", channel, "--for", other.org_id, "--out", path + ".2", exit=1, code="nothing_for_peer")
        self.problem(other, "bundle", "export", "--channel", channel, "--out", path + ".2", exit=1, code="unknown_channel")
        self.problem(a, "bundle", "export", "--channel", channel, "--out", "/nowhere/x", exit=1, code="file_not_writable")
        self.problem(a, "bundle", "export", "--out", path, exit=2)
        self.assertFalse(os.path.exists(path + ".2"))
        self.assertEqual([name for name in os.listdir(self.folder) if ".part." in name], [])
