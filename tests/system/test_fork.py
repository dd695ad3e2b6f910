"""A home that was set back while it stood still, and wrote again (rule 12): every member hears of it, and the chair chooses."""
import os
import shutil

from support import PROGRAM, Node, NodesTestCase, introduce, join, put_back, wait_until


class Fork(NodesTestCase):
    def states(self, node):
        return {r["title"]: r["state"] for r in node.run("report", "list")["items"]}

    def meet(self, one, other):
        one.run("peer", "connect", other.org_id, other.listen)

    def test_rule_12_a_fork_is_told_to_all_and_the_chair_chooses(self):
        chair, author, left, right = (self.node(name) for name in ("Chair", "Author", "Left", "Right"))
        everybody = [chair, author, left, right]
        for i, a in enumerate(everybody):
            for b in everybody[i + 1:]:
                introduce(a, b, self.folder)
        channel = chair.run("channel", "create", "river")["channel_id"]
        for member in (author, left, right):
            join(chair, channel, member)
        wait_until("the author knows all", lambda: len(author.run("channel", "show", channel)["members"]) == 4, 30)
        new = lambda title: author.run("report", "new", "--kind", "incident", "--title", title, "--channel", channel)["id"]
        new("common")
        wait_until("all have it", lambda: all(n.count() == 1 for n in everybody), 30)
        for node in (author, chair, right):
            node.end()
        shutil.copytree(author.home, author.home + ".copy", ignore=shutil.ignore_patterns("*.sock"))

        # The one copy meets Left, the other one Right.
        author.start()
        self.meet(author, left)
        lost = new("told to Left")
        wait_until("Left has it", lambda: left.count() == 2, 30)
        author.end()
        left.end()
        put_back(author.home, author.home + ".copy")
        author.start()
        right.start()
        self.meet(author, right)
        new("told to Right")
        new("and more")
        wait_until("Right has both", lambda: right.count() == 3, 30)
        author.end()
        left.start()
        self.meet(left, right)
        wait_until("Left shows it", lambda: self.states(left) == {"common": "current", "told to Left": "forked"}, 30)
        wait_until("Right shows it", lambda: self.states(right) == {"common": "current", "told to Right": "forked", "and more": "forked"}, 30)
        [branch] = right.run("fork", "list")["items"]
        self.assertEqual(right.run("fork", "show", branch["log"][:8])["head"], branch["head"])
        backup = os.path.join(self.folder, "backup")
        right.run("backup", "create", backup)
        right.end()

        # The chair has met neither copy since; Left alone tells it.
        chair.start()
        self.meet(chair, left)
        [fork] = wait_until("the chair hears", lambda: chair.run("fork", "list", "--channel", "river")["items"], 30)
        self.assertEqual((fork["org_name"], fork["org_id"], fork["node_id"], fork["type"]), ("Author", author.org_id, author.node_id, "feed"))
        self.assertEqual((fork["log"], fork["number"], fork["parted"], fork["resolved"], fork["pin"]), (branch["log"], branch["number"], True, False, None))
        self.assertEqual({e["hash"] for e in fork["entries"]}, {e["hash"] for e in branch["entries"]})
        self.assertEqual(len(fork["entries"]), 2)
        self.assertTrue(chair.run("fork", "show", fork["log"])["proof"])
        self.assertEqual(self.states(chair), {"common": "current"}, "what is in dispute is not passed on")
        self.assertTrue([w for w in chair.run("status")["warnings"] if "Author signed two histories" in w])
        self.assertIn("Author signed two histories", str(chair.run("doctor", allowed=(0, 1, 3))))
        self.problem(chair, "fork", "show", "00000000", exit=1, code="unknown_log")

        choose = ("channel", "pin", "river", fork["log"], "--entry", branch["head_hash"])
        self.problem(left, *choose, "--at", str(branch["head"]), exit=1, code="not_chair")
        self.problem(chair, *choose, exit=1, code="unknown_entry")
        would = chair.run(*choose, "--at", str(branch["head"]), "--dry-run")
        self.assertEqual((would["number"], would["entry"], would["dropped"]), (branch["head"], branch["head_hash"], 0))
        # It is on the branch that the chair does not hold: nobody here can tell whether the number is right, and that is said.
        self.assertEqual((would["held"], would["entry_held"]), (fork["head"], False))
        self.assertIn(f"holds that feed up to entry {fork['head']}, and not the entry that was named", would["warnings"][0])
        below = ("channel", "pin", "river", fork["log"], "--entry", fork["previous"])
        good = chair.run(*below, "--dry-run")
        self.assertEqual((good["number"], good["entry_held"], good["warnings"]), (fork["number"] - 1, True, []))
        wrong = self.problem(chair, *below, "--at", str(fork["number"] + 5), exit=1, code="unknown_entry")
        self.assertIn(f"has the number {fork['number'] - 1}", wrong["detail"], "one that it holds it knows better")
        self.problem(chair, *below, "--at", "5x", exit=2, code="usage")
        self.assertFalse(chair.run("fork", "show", fork["log"])["pin"])
        chair.run(*choose, "--at", str(branch["head"]))
        self.problem(chair, *choose, "--at", str(branch["head"]), exit=1, code="already_pinned")

        right.start()
        author.start()
        for one, other in ((chair, right), (left, right), (chair, author)):
            self.meet(one, other)
        chosen = {"common": "current", "told to Right": "current", "and more": "current"}
        for node in everybody:
            wait_until(f"{node.name} has the chosen branch", lambda n=node: self.states(n) == chosen, 60)
            wait_until(f"{node.name} says so", lambda n=node: [f["resolved"] for f in n.run("fork", "list")["items"]] in ([True], []), 30)
            self.assertFalse([w for w in node.run("status")["warnings"] if "two histories" in w])
        self.problem(left, "report", "show", lost, exit=1, code="unknown_report")
        self.assertEqual(left.run("report", "search", "Left")["items"], [])

        # It stays so, and the author goes on.
        new("afterwards")
        chosen["afterwards"] = "current"
        for node in everybody:
            wait_until(f"{node.name} goes on", lambda n=node: self.states(n) == chosen, 60)
        left.end()
        left.run("fsck")  # ends with 6 when it finds something
        left.start()
        wait_until("after a restart the same", lambda: self.states(left) == chosen, 30)
        left.run("index", "rebuild")
        self.assertEqual(self.states(left), chosen)
        self.assertEqual([f["pin"]["hash"] for f in left.run("fork", "list")["items"]], [branch["head_hash"]])

        # A backup from before the choice brings the proof back.
        restored = Node.existing(os.path.join(self.folder, "again"), "Again", "six words that only Right knows", PROGRAM)
        self.nodes.append(restored)
        self.assertEqual(restored.raw("backup", "restore", backup).returncode, 0)
        restored.start()
        [again] = restored.run("fork", "list")["items"]
        for key in ("log", "number", "entries", "found", "previous", "resolved"):
            self.assertEqual(again[key], branch[key], key)
        wait_until("it shows what is in dispute", lambda: self.states(restored) == {"common": "current", "told to Right": "forked", "and more": "forked"}, 30)
