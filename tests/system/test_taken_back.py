"""Reports that their authors take back: erased at every node that got them, confirmed by each, and kept as evidence under a hold."""
import os

from support import NodesTestCase, introduce, join, wait_until


class TakenBack(NodesTestCase):
    def share(self, author, channel, title, **more):
        words = ["report", "new", "--kind", "incident", "--title", title, "--channel", channel]
        for key, value in more.items():
            words += ["--" + key, value]
        return author.run(*words)["id"]

    def titles(self, node, *more):
        return sorted(r["title"] for r in node.run("report", "list", *more)["items"])

    def states(self, node, report):
        return {(item["name"], item["channel"]): (item["state"], item["outcome"])
                for item in node.run("report", "withdrawal", report)["items"]}

    def test_rule_47_a_withdrawal_is_confirmed_by_each_node_and_by_who_comes_later(self):
        a, b, h, late = self.node("Author"), self.node("Bravo"), self.node("Holder"), self.node("Late")
        for one, other in ((a, b), (a, h), (a, late), (b, late)):
            introduce(one, other, self.folder)
        channel = a.run("channel", "create", "all")["channel_id"]
        for member in (b, h, late):
            join(a, channel, member)
        report = self.share(a, channel, "Village burnt", country="MMR")
        kept = self.share(a, channel, "Bridge closed")
        a.run("report", "correct", report, "--title", "Village partly burnt")
        for node in (b, h, late):
            wait_until("it arrives", lambda: "Village partly burnt" in self.titles(node), 30)
        h.run("hold", "add", report, "--reason", "case 7")
        late.end()
        self.assertEqual(a.run("report", "withdrawal", report)["state"], "not_withdrawn")
        a.run("report", "withdraw", report, "--reason", "the source took it back")
        self.assertEqual(self.titles(a), ["Bridge closed"])
        wait_until("two confirm", lambda: self.states(a, report) == {
            ("Author", "all"): ("confirmed", "erased"), ("Bravo", "all"): ("confirmed", "erased"),
            ("Holder", "all"): ("confirmed", "held_under_hold"), ("Late", "all"): ("unreachable", None)}, 40)
        answer = a.run("report", "withdrawal", report)
        self.assertEqual((answer["state"], answer["reason"]), ("withdrawn", "the source took it back"))
        self.assertNotIn("everywhere", answer["note"])
        late_item = next(item for item in answer["items"] if item["name"] == "Late")
        self.assertTrue(late_item["unreachable_since"])
        for node in (b, h):
            self.assertEqual(self.titles(node), ["Bridge closed"])
            self.assertEqual(node.run("report", "search", "burnt")["items"], [])
            self.assertEqual([(r["id"], r["title"]) for r in node.run("report", "list", "--state", "withdrawn")["items"]], [(report, "")])
        shown = b.run("report", "show", report)
        self.assertEqual((shown["state"]["current"], shown.get("title")), ("withdrawn", None))
        self.assertNotIn("burnt", str(shown))
        # The evidence copy is there, and says what it is.
        held = h.run("hold", "list")["items"]
        self.assertEqual([(i["report_id"], i["title"], i["state"], i["reason"], i["taken_back"]) for i in held],
                         [(report, "Village burnt", "under hold", "case 7", True)])
        self.assertEqual(h.run("report", "show", report)["hold"]["state"], "under hold")
        # Who was away gets it from a node that has erased it, without its author.
        a.end()
        late.start(late.listen)
        wait_until("the withdrawal arrives", lambda: late.run("report", "show", report)["state"]["current"] == "withdrawn", 60)
        self.assertEqual(self.titles(late), ["Bridge closed"])
        b.run("index", "rebuild")
        wait_until("the index is there again", lambda: self.titles(b) == ["Bridge closed"], 30)
        self.assertEqual(b.run("report", "show", report)["state"]["current"], "withdrawn")
        a.start(a.listen)
        wait_until("the last confirms", lambda: self.states(a, report)[("Late", "all")] == ("confirmed", "erased"), 60)
        h.run("hold", "remove", report)
        self.assertEqual(h.run("hold", "list")["items"], [])
        wait_until("it is kept no more", lambda: self.states(a, report)[("Holder", "all")] == ("confirmed", "erased"), 40)
        self.problem(h, "hold", "add", report, "--reason", "too late", exit=1, code="body_erased")
        self.problem(a, "report", "withdraw", report, "--reason", "again", exit=1, code="already_withdrawn")
        for node in (a, b, h, late):
            node.end()
            self.assertEqual(node.raw("fsck").returncode, 0)
        self.assertTrue(kept)

    def test_who_joins_the_sync_afterwards_never_shows_it_and_says_so(self):
        a, b, late = self.node("Author"), self.node("Bravo"), self.node("Late")
        for one, other in ((a, b), (a, late), (b, late)):
            introduce(one, other, self.folder)
        channel = a.run("channel", "create", "all")["channel_id"]
        for member in (b, late):
            join(a, channel, member)
        late.end()
        first = self.share(a, channel, "First of its feed")  # it carries the feed's certificate
        self.share(a, channel, "Second")
        wait_until("both arrive", lambda: len(self.titles(b)) == 2, 30)
        a.run("report", "withdraw", first, "--reason", "wrong place")
        wait_until("it is gone", lambda: self.titles(b) == ["Second"], 30)
        a.end()
        late.start(late.listen)
        wait_until("the rest arrives", lambda: self.titles(late) == ["Second"], 40)
        a.start(a.listen)
        wait_until("nothing was held", lambda: self.states(a, first)[("Late", "all")] == ("confirmed", "not_held"), 60)
        for node in (a, late):
            had = {i["name"]: i["delivered"] for i in node.run("report", "withdrawal", first)["items"]}
            self.assertEqual((had["Author"], had["Bravo"]), (True, True))
            self.assertFalse(had["Late"], "by its own word no; not known, once a receipt of it names the entry")
        self.assertEqual(late.run("report", "show", first)["state"]["current"], "withdrawn")

    def test_a_recall_takes_back_the_copy_in_one_channel_alone(self):
        a, b, c = self.node("Author"), self.node("Bravo"), self.node("Charlie")
        introduce(a, b, self.folder)
        introduce(a, c, self.folder)
        one, two = (a.run("channel", "create", name)["channel_id"] for name in ("one", "two"))
        join(a, one, b)
        join(a, two, c)
        report = self.share(a, one, "Village burnt")
        a.run("report", "share", report, "--channel", two)
        alone = self.share(a, one, "Bridge closed")
        for node, count in ((b, 2), (c, 1)):
            wait_until("they arrive", lambda: len(self.titles(node)) == count, 30)
        self.problem(b, "report", "recall", report, "--channel", one, exit=4, code="not_the_author")
        self.assertEqual(a.run("report", "recall", report, "--channel", one, "--dry-run")["channels"], [one])
        a.run("report", "recall", report, "--channel", one)
        a.run("report", "recall", alone, "--channel", "one")
        wait_until("they are gone", lambda: self.titles(b) == [], 30)
        self.problem(b, "report", "show", report, exit=1, code="unknown_report")
        self.assertEqual(self.titles(c), ["Village burnt"])
        self.assertEqual(self.titles(a), ["Bridge closed", "Village burnt"])
        self.assertEqual(a.run("report", "show", alone)["audience"], [a.run("channel", "list")["items"][0]["name"]])
        wait_until("it is confirmed", lambda: self.states(a, report) == {
            ("Author", "one"): ("confirmed", "erased"), ("Bravo", "one"): ("confirmed", "erased")}, 40)
        self.assertEqual(a.run("report", "withdrawal", report)["state"], "recalled")
        self.problem(a, "report", "recall", report, "--channel", one, exit=1, code="not_shared_there")
        a.run("report", "share", report, "--channel", one)
        wait_until("it may be shared again", lambda: self.titles(b) == ["Village burnt"], 30)

    def test_holds_are_for_analysts_and_written_down(self):
        node = self.node("Watch")
        report = node.run("report", "new", "--kind", "incident", "--title", "seen")["id"]
        for name, role in (("Ada", "analyst"), ("Rob", "reader")):
            node.run("user", "add", name, "--role", role)
        token = {name: self.secret(name, node.run("user", "token", name)["token"]) for name in ("Ada", "Rob")}
        as_user = lambda name: {"TOCSIN_TOKEN_FILE": token[name]}
        done = node.raw("hold", "add", report, "--reason", "case 7", environment=as_user("Rob"))
        self.assertEqual(done.returncode, 4, done.stderr)
        done = node.raw("hold", "add", report, "--reason", "case 7", environment=as_user("Ada"))
        self.assertEqual(done.returncode, 0, done.stderr)
        node.run("hold", "remove", report)
        said = [(item["user"], item["act"]) for item in node.run("audit", "list")["items"] if "evidence" in item["act"]]
        self.assertEqual(said, [("owner", "Keep an evidence copy no longer"), ("Ada", "Keep an evidence copy")])
