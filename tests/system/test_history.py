"""What was written before: a further node of a member gets it by right, a newcomer by a grant alone, with real processes."""
import json
import os
import subprocess
import time

from support import PROGRAM, NodesTestCase, introduce, join, wait_until


class History(NodesTestCase):
    def file(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as out:
            out.write(text)
        return path

    def new(self, node, title, channel):
        return node.run("report", "new", "--kind", "incident", "--title", title, "--channel", channel)["id"]

    def titles(self, node):
        return sorted(r["title"] for r in node.run("report", "list")["items"])

    def shared(self, region, channel):
        for name in ("one", "two", "three"):
            self.new(region, name, channel)
            region.run("channel", "rotate", channel)

    def test_rule_33_a_further_node_reads_what_its_organisation_was_given_before(self):
        watch, region = self.node("Watch"), self.node("Region")
        introduce(region, watch, self.folder)
        channel = region.run("channel", "create", "shared")["channel_id"]
        self.new(region, "before they joined", channel)
        join(region, channel, watch)
        self.shared(region, channel)
        self.new(watch, "by the first node", channel)
        watch.run("report", "new", "--kind", "incident", "--title", "a private note")
        expected = ["a private note", "by the first node", "one", "three", "two"]
        wait_until("the first node has it", lambda: self.titles(watch) == expected, 30)
        second = self.node("Laptop", join=self.file("card", watch.run("card", "show")["card"]))
        done = watch.raw("org", "certify", self.file("request", second.request),
                         environment={"TOCSIN_ROOT_PASSPHRASE_FILE": watch.passphrase_file})
        self.assertEqual(done.returncode, 0, done.stderr)
        wait_until("the second has it all", lambda: self.titles(second) == expected, 90)
        shown = second.run("channel", "show", channel)
        self.assertEqual((shown["state"], shown["grants"], shown["warnings"]), ("joined", [], []))
        # It stays so without the others, after a restart.
        watch.end()
        region.end()
        second.end()
        second.start(second.listen)
        wait_until("it is still there", lambda: self.titles(second) == expected, 30)
        second.end()
        self.assertEqual(second.raw("fsck").returncode, 0)

    def test_rule_34_a_newcomer_reads_what_was_granted_and_everybody_sees_it(self):
        region, watch, other = self.node("Region"), self.node("Watch"), self.node("Other")
        introduce(region, watch, self.folder)
        introduce(region, other, self.folder)
        channel = region.run("channel", "create", "shared")["channel_id"]
        join(region, channel, watch)
        first = region.run("channel", "show", channel)["epoch"]
        self.shared(region, channel)
        join(region, channel, other)
        joined = other.run("channel", "show", channel)["epoch"]
        self.new(region, "for all", channel)
        wait_until("the new one is there", lambda: self.titles(other) == ["for all"], 30)
        time.sleep(2)
        self.assertEqual(self.titles(other), ["for all"])
        grant = ["channel", "grant-history", channel]
        self.problem(watch, *grant, other.org_id, "--from", "1", "--yes", exit=1, code="not_chair")
        self.problem(region, *grant, "00000000", "--from", "1", "--yes", exit=1, code="unknown_peer")
        self.problem(region, *grant, other.org_id, "--from", "x", exit=2, code="usage")
        self.problem(region, *grant, other.org_id, exit=2)
        problem = self.problem(region, *grant, other.org_id, "--from", str(joined), "--yes", exit=1, code="epoch_out_of_range")
        self.assertIn(f"1 to {joined - 1}", problem["detail"])
        asked = subprocess.run([PROGRAM, "--output", "json", *grant, other.org_id, "--from", str(first + 1)], env=region.environment,
                               stdin=subprocess.DEVNULL, text=True, capture_output=True, timeout=60)
        self.assertEqual((asked.returncode, asked.stdout), (1, ""), "without a terminal a question is never a yes")
        problem = json.loads(asked.stderr)
        self.assertEqual(problem["code"], "confirmation_needed")
        for words in ("Give Other everything since 20", ": 2 reports?", "cannot be taken back", "every member will see it"):
            self.assertIn(words, problem["detail"])
        would = region.run(*grant, other.org_id, "--from", str(first + 1), "--dry-run")
        self.assertEqual((would["reports"], would["from_epoch"], would["to_epoch"]), (2, first + 1, joined - 1))
        self.assertEqual(region.run("channel", "show", channel)["grants"], [], "nothing was done yet")
        region.run(*grant, other.org_id, "--from", str(first + 1), "--yes")
        wait_until("it reads them", lambda: self.titles(other) == ["for all", "three", "two"], 60)
        for node in (region, watch, other):
            shown = lambda node=node: [(g["org_id"], g["name"], g["from_epoch"]) for g in node.run("channel", "show", channel)["grants"]]
            wait_until(f"{node.name} sees it", lambda: shown() == [(other.org_id, "Other", first + 1)], 30)
        self.assertTrue(region.run("channel", "show", channel)["grants"][0]["granted_at"].endswith("Z"))
        self.problem(region, *grant, other.org_id, "--from", str(first + 1), "--yes", exit=1, code="already_granted")
        acts = [a["act"] for a in region.run("audit", "list")["items"]]
        self.assertIn("Give a member older epochs", acts)
