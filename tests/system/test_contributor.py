"""Contributors (rule 24): who warns a channel and sees nobody of it, with real processes."""
import json
import os

from support import NodesTestCase, introduce, join, wait_until


class Contributor(NodesTestCase):
    def channel(self, chair, klass="alert", name="early warning"):
        terms = os.path.join(self.folder, "terms.txt")
        with open(terms, "w") as out:
            out.write("Purpose: early warning.\nContact: desk@example.org\n")
        return chair.run("channel", "create", name, "--class", klass, "--terms", terms)["channel_id"]

    def contribute(self, chair, channel, node):
        chair.run("channel", "add", channel, node.org_id, "--role", "contributor")
        wait_until("the invitation is here", lambda: self.state(node, channel) == "invited", 30)
        self.assertEqual(node.run("channel", "accept", channel)["state"], "joined")

    def state(self, node, channel):
        return next((c["state"] for c in node.run("channel", "list")["items"] if c["channel_id"] == channel), None)

    def titles(self, node):
        return sorted(r["title"] for r in node.run("report", "list")["items"])

    def reads(self, node, title):
        wait_until(f"{node.name} reads {title}", lambda: title in self.titles(node), 40)

    def test_rule_24_ngos_warn_a_channel_unseen_by_each_other_and_are_answered(self):
        chair = self.node("Body", "regional", "KEN")
        member = self.node("Watch", "un", "USA")
        one, two = self.node("Ngo one", country="MMR"), self.node("Ngo two", country="MMR")
        for other in (member, one, two):
            introduce(chair, other, self.folder)
        introduce(member, one, self.folder)
        introduce(one, two, self.folder)
        channel = self.channel(chair)
        join(chair, channel, member)
        for ngo in (one, two):
            self.contribute(chair, channel, ngo)

        # By its class it is where alerts go; the text reaches everybody who reads.
        first = one.run("alert", "raise", "--title", "Columns of lorries", "--country", "MMR", "--severity", "Severe",
                        "--urgency", "Immediate")["id"]
        two.run("report", "new", "--kind", "incident", "--title", "Wells poisoned", "--country", "MMR",
                "--channel", channel)
        for reader in (chair, member):
            for title in ("Columns of lorries", "Wells poisoned"):
                self.reads(reader, title)
        shown = next(r for r in member.run("report", "list")["items"] if r["id"] == first)
        self.assertEqual(shown["author"], one.org_id)
        # And neither of the two sees the other, or who reads.
        self.assertEqual(self.titles(one), ["Columns of lorries"])
        self.assertEqual(self.titles(two), ["Wells poisoned"])
        show = one.run("channel", "show", channel)
        self.assertEqual([m["org_id"] for m in show["members"]], [one.org_id])
        self.assertEqual((show["role"], show["stewards"], show["readers_hidden"]), ("contributor", [], True))
        self.assertIn("early warning", show["name"])
        self.assertIn("desk@example.org", show["terms"])
        told = json.dumps(one.run("channel", "list")) + json.dumps(show) + json.dumps(one.run("sync", "status"))
        self.assertNotIn(two.org_id, told)
        self.assertNotIn(member.org_id, json.dumps(show))
        self.assertEqual({m["role"] for m in member.run("channel", "show", channel)["members"]},
                         {"steward", "member", "contributor"})

        # Somebody answers; the contributor is told that, and not by whom.
        member.run("report", "answer", first, "--text", "Seen. We are on the way.")
        wait_until("the answer is in its inbox",
                   lambda: any(i["reason"] == "answer" for i in one.run("inbox", "list")["items"]), 40)
        item = next(i for i in one.run("inbox", "list")["items"] if i["reason"] == "answer")
        self.assertEqual((item["report_id"], item["title"]), (first, "Seen. We are on the way."))
        self.assertNotIn(member.org_id, json.dumps(item))
        history = one.run("report", "history", first)["items"]
        self.assertIn("Seen. We are on the way.", [h.get("why") for h in history])
        one.run("inbox", "done", item["id"])
        self.assertEqual([i for i in one.run("inbox", "list")["items"] if i["reason"] == "answer"], [])
        wait_until("the other readers see who answered", lambda: any(
            h.get("author") == member.org_id for h in chair.run("report", "history", first)["items"]), 40)
        self.assertEqual(two.run("inbox", "list")["items"], [])
        # A member is not answered: it reads what is said.
        own = chair.run("report", "new", "--kind", "incident", "--title", "By a member", "--channel", channel)["id"]
        self.reads(member, "By a member")
        self.problem(member, "report", "answer", own, "--text", "x", exit=1, code="not_a_contributor")

        # What it takes back is gone everywhere; what it corrects is corrected.
        one.run("report", "withdraw", first, "--reason", "mistaken", "--yes")
        for reader in (chair, member):
            wait_until("it is withdrawn", lambda: first in [
                r["id"] for r in reader.run("report", "list", "--state", "withdrawn")["items"]], 40)

    def test_rule_20_and_24_a_removed_contributor_is_told_and_restarts_keep_its_place(self):
        chair, ngo = self.node("Body", "regional", "KEN"), self.node("Ngo", country="MMR")
        introduce(chair, ngo, self.folder)
        channel = self.channel(chair)
        self.contribute(chair, channel, ngo)
        ngo.run("report", "new", "--kind", "incident", "--title", "Before", "--channel", channel)
        self.reads(chair, "Before")
        ngo.end()
        ngo.start()
        self.assertEqual(self.titles(ngo), ["Before"])
        ngo.run("report", "new", "--kind", "incident", "--title", "After a restart", "--channel", channel)
        self.reads(chair, "After a restart")
        removed = chair.run("channel", "remove", channel, ngo.org_id, "--yes")
        self.assertIn("nothing of this channel but", removed["still_has"])
        wait_until("it is told", lambda: self.state(ngo, channel) == "removed", 40)
        self.problem(ngo, "report", "new", "--kind", "incident", "--title", "Too late", "--channel", channel, exit=4,
                     code="not_a_writer")

    def test_rule_53_and_24_governments_that_it_is_not_shown_count_for_every_country(self):
        chair, ngo = self.node("Body", "regional", "KEN"), self.node("Ngo", country="MMR")
        state = self.node("Ministry", "government", "MMR")
        for other in (ngo, state):
            introduce(chair, other, self.folder)
        channel = self.channel(chair, "shared")
        self.contribute(chair, channel, ngo)
        words = ["report", "new", "--kind", "incident", "--title", "No government reads", "--country", "MMR",
                 "--channel", channel]
        ngo.run(*words)
        join(chair, channel, state)
        words[5] = "One does now"
        # It hears that with the next notice.
        def asked():
            done = ngo.raw(*words)
            return done.returncode != 0 and json.loads(done.stderr)["code"] == "government_named"
        wait_until("an explicit yes is asked for", asked, 40)
        ngo.run(*words, "--allow-government", "MMR")
        self.reads(state, "One does now")
        # Nothing that stays inside goes there.
        self.problem(ngo, "report", "new", "--kind", "incident", "--title", "Inside", "--tlp", "AMBER+STRICT",
                     "--channel", channel, exit=1, code="marking_stays")

    def test_rule_24_by_stick_alone(self):
        away = {"TOCSIN_DIAL": "false"}
        chair = self.node("Body", "regional", "KEN", environment=away)
        ngo = self.node("Ngo", country="MMR", environment=away)
        introduce(chair, ngo, self.folder)
        channel = self.channel(chair)
        stick = os.path.join(self.folder, "stick")

        def carry(here, there, *more):
            here.run("bundle", "export", "--channel", channel, "--out", stick, *more)
            done = there.run("bundle", "import", stick)
            os.remove(stick)
            return done

        chair.run("channel", "add", channel, ngo.org_id, "--role", "contributor")
        carry(chair, ngo, "--for", ngo.org_id)
        self.assertEqual(self.state(ngo, channel), "invited")
        import threading
        waits = threading.Thread(target=lambda: ngo.run("channel", "accept", channel))
        waits.start()
        wait_until("it accepts", lambda: self.state(ngo, channel) == "accepting", 20)
        carry(ngo, chair, "--for", chair.org_id)
        wait_until("it is taken in", lambda: len(chair.run("channel", "show", channel)["members"]) == 2, 20)
        carry(chair, ngo, "--for", ngo.org_id)
        waits.join(60)
        self.assertEqual(self.state(ngo, channel), "joined")
        ngo.run("report", "new", "--kind", "incident", "--title", "By stick", "--channel", channel)
        carry(ngo, chair)
        self.reads(chair, "By stick")


if __name__ == "__main__":
    import unittest
    unittest.main()
