"""A home that was copied, moved or set back (rule 21), with real processes: whatever else runs under its name, nothing forks."""
import os
import shutil

from support import PROGRAM, Node, NodesTestCase, introduce, join, put_back, wait_until


class CopiedHome(NodesTestCase):
    def copy(self, node, name):
        """What a copy of the home in another folder would run; the original is left as it is."""
        path = os.path.join(self.folder, name.lower())
        shutil.copytree(node.home, path, ignore=shutil.ignore_patterns("*.sock"))
        made = Node.existing(path, name, f"six words that only {node.name} knows", PROGRAM)
        self.nodes.append(made)
        return made

    def titles(self, node):
        return sorted(r["title"] for r in node.run("report", "list")["items"])

    def new(self, node, title, channel, allowed=(0,)):
        return node.run("report", "new", "--kind", "incident", "--title", title, "--country", "BGD", "--channel", channel, allowed=allowed)

    def meet(self, one, other):
        one.run("peer", "connect", other.org_id, other.listen)

    def no_fork(self, *nodes):
        for node in nodes:
            self.assertEqual(node.run("fork", "list")["items"], [], node.name)
            self.assertEqual(node.run("status")["fork_proofs"], 0, node.name)

    def test_rule_21_both_copies_run_the_copy_alerts_at_once_drafts_follow_and_nothing_forks(self):
        ngo, region, other = (self.node(name) for name in ("Watch", "Region", "Other"))
        for a, b in ((ngo, region), (ngo, other), (region, other)):
            introduce(a, b, self.folder)
        channel = region.run("channel", "create", "shared")["channel_id"]
        alerts = region.run("channel", "create", "alerts", "--class", "alert")["channel_id"]
        for each in (channel, alerts):
            for member in (ngo, other):
                join(region, each, member)
        common = self.new(ngo, "common", channel)["id"]
        wait_until("all have it", lambda: region.count() == 1 and other.count() == 1, 30)
        self.assertEqual(ngo.run("status")["home"], "confirmed")
        for node in (ngo, region, other):
            node.end()
        copy = self.copy(ngo, "Copy")

        ngo.start()
        self.assertEqual(ngo.run("status")["home"], "confirmed", "the original stands where it stood")
        self.new(ngo, "by the original", channel)
        copy.start()
        self.assertEqual(copy.node_id, ngo.node_id)
        status = copy.run("status")
        self.assertEqual(status["home"], "unconfirmed")
        self.assertTrue([w for w in status["warnings"] if "made elsewhere" in w and "sync now" in w], status["warnings"])
        self.assertIn("made elsewhere", str(copy.run("doctor", allowed=(0, 1, 3))))
        draft = self.new(copy, "by the copy", channel, allowed=(3,))
        self.assertEqual((draft["state"], draft["code"], draft["channels"]), ("waiting", "home_unconfirmed", copy_private(copy)))
        corrected = copy.run("report", "correct", common, "--title", "common, corrected", allowed=(3,))
        self.assertEqual(corrected["code"], "home_unconfirmed")
        waiting = copy.run("report", "list", "--state", "waiting")["items"]
        self.assertEqual(sorted((w["until"], w["waiting_for"][0]) for w in waiting), [("home_confirmed", channel)] * 2)
        self.problem(copy, "report", "withdraw", common, "--reason", "wrong", exit=1, code="home_unconfirmed")
        self.problem(copy, "channel", "create", "another", exit=1, code="home_unconfirmed")
        self.problem(copy, "doctor", "--confirm-home", exit=1, code="ask_a_peer")
        alert = copy.run("alert", "raise", "--title", "They come", "--country", "BGD", "--severity", "Extreme", "--urgency", "Immediate")
        self.assertEqual(alert["channels"], [alerts], "rule 52: an alert waits for nobody")
        copy.end()
        copy.start()
        self.assertEqual(copy.run("status")["home"], "unconfirmed", "a restart is no confirmation")
        self.assertEqual(len(copy.run("report", "list", "--state", "waiting")["items"]), 2)

        # The copy meets one peer, the original the other.
        other.start()
        self.meet(copy, other)
        wait_until("a peer confirms it", lambda: copy.run("status")["home"] == "confirmed", 60)
        wait_until("the alert and what waited arrive", lambda: self.titles(other) == ["They come", "by the copy", "common, corrected"], 60)
        self.assertEqual(copy.run("report", "list", "--state", "waiting")["items"], [])
        self.assertFalse([w for w in copy.run("status")["warnings"] if "made elsewhere" in w])
        self.assertTrue([a for a in copy.run("audit", "list")["items"] if "Confirm this home" in a["act"] and "Other" in str(a["names"])])
        region.start()
        self.meet(ngo, region)
        wait_until("the original's arrives", lambda: "by the original" in self.titles(region), 60)
        copy.end()
        self.meet(other, region)
        everything = ["They come", "by the copy", "by the original", "common, corrected"]
        for node in (region, other):
            wait_until(f"{node.name} has everything", lambda n=node: self.titles(n) == everything, 60)
        self.new(ngo, "and on", channel)
        for node in (ngo, region, other):
            wait_until(f"{node.name} has everything", lambda n=node: self.titles(n) == sorted(everything + ["and on"]), 60)
        self.no_fork(ngo, region, other)

    def test_rule_21_an_image_put_back_in_place_takes_what_its_peer_holds_and_begins_a_new_feed(self):
        ngo, region = self.node("Watch"), self.node("Region")
        introduce(ngo, region, self.folder)
        channel = ngo.run("channel", "create", "own")["channel_id"]
        join(ngo, channel, region)
        self.new(ngo, "first", channel)
        wait_until("it arrives", lambda: region.count() == 1, 30)
        ngo.end()
        shutil.copytree(ngo.home, ngo.home + ".before", ignore=shutil.ignore_patterns("*.sock"))
        ngo.start()
        self.meet(ngo, region)
        second = self.new(ngo, "second", channel)["id"]
        ngo.run("channel", "rotate", channel)
        wait_until("it arrives", lambda: region.count() == 2 and region.run("channel", "show", channel)["epoch"] == ngo.run("channel", "show", channel)["epoch"], 30)
        ngo.end()
        put_back(ngo.home, ngo.home + ".before")
        ngo.start()
        self.assertEqual(ngo.run("status")["home"], "confirmed", "from inside nothing of it is to be seen")
        self.meet(ngo, region)
        wait_until("what the peer holds of its own comes back", lambda: self.titles(ngo) == ["first", "second"], 60)
        third = self.new(ngo, "third", channel)["id"]
        ngo.run("channel", "rotate", channel)
        fourth = self.new(ngo, "fourth", channel)["id"]
        wait_until("and it goes on", lambda: self.titles(region) == ["first", "fourth", "second", "third"], 60)
        logs = [ngo.run("report", "show", report)["entry"]["log"] for report in (second, third, fourth)]
        self.assertEqual((logs[0] == logs[1], logs[1] == logs[2]), (False, True), "in another feed than before")
        self.no_fork(ngo, region)

    def test_rule_21_a_home_that_never_had_a_peer_is_confirmed_by_its_admin(self):
        node = self.node("Alone")
        node.run("report", "new", "--kind", "incident", "--title", "before")
        self.problem(node, "doctor", "--confirm-home", exit=1, code="home_confirmed")
        node.end()
        moved = self.copy(node, "Moved")
        shutil.rmtree(node.home)
        moved.start()
        self.assertEqual(moved.run("status")["home"], "unconfirmed")
        moved.run("report", "new", "--kind", "incident", "--title", "a private note")
        self.problem(moved, "channel", "create", "first", exit=1, code="home_unconfirmed")
        self.assertEqual(moved.run("doctor", "--confirm-home"), {"home": "confirmed"})
        moved.run("channel", "create", "first")
        self.assertTrue([a for a in moved.run("audit", "list")["items"] if "Confirm that no original" in a["act"]])
        moved.end()
        moved.start()
        self.assertEqual(moved.run("status")["home"], "confirmed")
        self.assertFalse([w for w in moved.run("status")["warnings"] if "made elsewhere" in w])
        self.assertEqual(self.titles(moved), ["a private note", "before"])


def copy_private(node):
    """The channel of the organisation alone."""
    return [c["channel_id"] for c in node.run("channel", "list")["items"] if c["class"] == "private"]
