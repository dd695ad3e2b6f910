"""Several stewards of one channel, with real processes: what they decide together, and one chair after the other (rules 22, 23)."""
import signal

from support import NodesTestCase, introduce, wait_until


class Stewards(NodesTestCase):
    def setUp(self):
        super().setUp()
        self.alpha, self.bravo, self.charlie = (self.node(name) for name in ("Alpha", "Bravo", "Charlie"))
        self.member, self.guest = self.node("Delta"), self.node("Echo")
        everybody = [self.alpha, self.bravo, self.charlie, self.member]
        for n, a in enumerate(everybody):
            for b in everybody[n + 1:]:
                introduce(a, b, self.folder)
        introduce(self.alpha, self.guest, self.folder)
        self.channel = self.alpha.run("channel", "create", "Early warning", "--steward", self.bravo.org_id, "--steward", self.charlie.org_id, "--quorum", "2")["channel_id"]
        for steward in (self.bravo, self.charlie):
            self.accept(steward)

    def accept(self, node):
        wait_until(f"{node.name} is invited", lambda: self.state(node) == "invited", 30)
        self.assertEqual(node.run("channel", "accept", self.channel)["state"], "joined")

    def state(self, node):
        return next((c["state"] for c in node.run("channel", "list")["items"] if c["channel_id"] == self.channel), None)

    def shown(self, node):
        return node.run("channel", "show", self.channel)

    def members(self, node):
        return sorted(m["name"] for m in self.shown(node)["members"])

    def approve(self, node, proposal):
        wait_until(f"{node.name} hears of it", lambda: any(p["proposal_id"] == proposal for p in node.run("proposal", "list")["items"]), 30)
        self.assertIn("proposal", " ".join(node.run("status")["warnings"]))
        return node.run("proposal", "approve", proposal[:12])

    def test_rule_22_two_of_three_decide_and_the_chair_follows_when_it_is_lost(self):
        shown = self.shown(self.bravo)
        self.assertEqual((shown["quorum"], [s["name"] for s in shown["stewards"]], shown["role"]), (2, ["Bravo", "Alpha", "Charlie"], "steward"))

        # What one steward wants is proposed, and says that nothing has changed yet.
        asked = self.alpha.run("channel", "add", self.channel, self.member.org_id, "--reason", "works in the north", allowed=(3,))
        self.assertEqual((asked["state"], asked["approved"], asked["needed"]), ("proposed", 1, 2))
        self.assertIsNone(self.state(self.member))
        twice = self.problem(self.alpha, "channel", "add", self.channel, self.member.org_id, exit=1, code="already_proposed")
        self.assertIn(asked["proposal_id"][:16], twice["detail"])
        self.problem(self.alpha, "proposal", "approve", asked["proposal_id"], exit=1, code="already_answered")
        seen = self.approve(self.charlie, asked["proposal_id"])
        self.assertEqual(seen["reason"], "works in the north")
        self.accept(self.member)
        self.member.run("report", "new", "--kind", "incident", "--title", "from the north", "--channel", self.channel)

        # Two say no: rejected, with reasons that all see.
        asked = self.alpha.run("channel", "add", self.channel, self.guest.org_id, allowed=(3,))
        for steward in (self.bravo, self.charlie):
            wait_until("it is heard of", lambda: any(p["proposal_id"] == asked["proposal_id"] for p in steward.run("proposal", "list")["items"]), 30)
            steward.run("proposal", "reject", asked["proposal_id"], "--reason", "nobody knows them")
        wait_until("it is rejected", lambda: self.alpha.run("proposal", "show", asked["proposal_id"])["state"] == "rejected", 30)
        self.assertIsNone(self.state(self.guest))

        # The chair is lost in the middle of its work.
        before = self.shown(self.bravo)["epoch"]
        self.alpha.end(signal.SIGKILL)
        asked = self.bravo.run("channel", "chair", self.channel, "--to", self.charlie.org_id, "--reason", "Alpha is gone", allowed=(3,))
        self.approve(self.charlie, asked["proposal_id"])
        for node in (self.bravo, self.charlie, self.member):
            wait_until(f"{node.name} follows Charlie", lambda: (self.shown(node)["term"], self.shown(node)["chair"]["name"]) == (2, "Charlie"), 30)
        self.assertEqual(self.shown(self.member)["epoch"], before + 1)
        lapses = self.bravo.run("channel", "stewards", self.channel, "--steward", self.bravo.org_id, "--steward", self.charlie.org_id,
                                "--steward", self.member.org_id, "--quorum", "2", allowed=(3,))["proposal_id"]
        asked = self.bravo.run("channel", "remove", self.channel, self.member.org_id, allowed=(3,))
        self.assertIn("keeps every report", asked["still_has"])
        self.approve(self.charlie, asked["proposal_id"])
        wait_until("it is removed", lambda: self.members(self.bravo) == ["Alpha", "Bravo", "Charlie"], 30)
        gone = self.bravo.run("proposal", "show", lapses)
        self.assertEqual((gone["state"], gone["code"]), ("lapsed", "steward_gone"))
        self.assertIn("propose others", gone["detail"])
        self.assertEqual(self.bravo.run("proposal", "list")["items"], [])
        self.bravo.run("report", "new", "--kind", "incident", "--title", "after it left", "--channel", self.channel)
        wait_until("the others have it", lambda: self.charlie.count() == 2, 30)
        self.assertEqual(self.member.count(), 1)

        # The old chair comes back from its grave, and leads no more.
        self.alpha.start()
        wait_until("it follows", lambda: self.shown(self.alpha)["term"] == 2, 120)
        self.problem(self.alpha, "channel", "rotate", self.channel, exit=1, code="not_chair")
        wait_until("and has what was written meanwhile", lambda: self.alpha.count() == 2, 60)
        self.assertEqual(self.members(self.alpha), ["Alpha", "Bravo", "Charlie"])

    def test_rule_23_members_go_on_in_a_successor(self):
        lone = self.alpha.run("channel", "create", "Lone")["channel_id"]
        self.alpha.run("channel", "add", lone, self.member.org_id)
        wait_until("it is invited", lambda: any(c["channel_id"] == lone for c in self.member.run("channel", "list")["items"]), 30)
        self.member.run("channel", "accept", lone)
        self.alpha.end(signal.SIGKILL)
        made = self.member.run("channel", "create", "Lone goes on", "--successor-of", lone)
        self.assertEqual([m["name"] for m in made["invited"]], ["Alpha"])
        self.assertEqual(self.member.run("channel", "show", lone)["successor"], made["channel_id"])
        self.assertEqual(self.member.run("channel", "show", made["channel_id"])["successor_of"], lone)

    def test_what_cannot_be_decided_is_refused_with_what_to_do(self):
        two = self.problem(self.alpha, "channel", "create", "Two", "--steward", self.bravo.org_id, exit=1)
        self.assertIn("third", two["detail"])
        advice = self.problem(self.alpha, "channel", "remove", self.channel, self.bravo.org_id, exit=1, code="bad_change")
        self.assertIn("first name the stewards without it", advice["detail"])
        self.problem(self.alpha, "proposal", "approve", "00000000", exit=1, code="unknown_proposal")
        self.problem(self.alpha, "proposal", "reject", "00000000", exit=2)
        unknown = self.problem(self.alpha, "channel", "create", "Odd", "--steward", "ffffffff", "--steward", self.bravo.org_id, exit=1)
        self.assertTrue(unknown["detail"])
