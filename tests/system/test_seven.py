"""Seven organisations, each a process of its own, and one of them turns hostile with a member's home, keys and all. What
the others do then: they hold the same authorised set, name the hostile one with proof, and end by removing it."""
import json
import os
import subprocess

from support import BUILD, NodesTestCase, introduce, join, wait_until

HOSTILE = os.path.join(BUILD, "tocsin-hostile")
SIXTH_ROLE = "contributor"  # of the sixth process; it sees what it wrote itself, and nobody; a reader would see all
SIXTH_READS = SIXTH_ROLE == "reader"
MEMORY_KIB_MAX = 300 * 1024
# What each who was attacked has refused, by its code: in `status`, and in the log beside the hostile node's id.
REFUSED = {
    "Bravo": {"unexpected_message", "bad_message", "commitment_mismatch", "not_authorised", "unknown_epoch", "not_acceptable"},
    "Charlie": {"unexpected_message", "bad_entries", "bad_signature", "quota_exceeded", "too_much", "not_for_us"},
    "Delta": {"bad_signature"},
}


class Seven(NodesTestCase):
    def setUp(self):
        super().setUp()
        names = ("Alpha", "Bravo", "Charlie", "Delta", "Echo", "Foxtrot", "Golf")
        everybody = [self.node(name) for name in names]
        self.alpha, self.bravo, self.charlie, self.delta, self.echo, self.foxtrot, self.golf = everybody
        self.honest = everybody[:6]
        self.members = everybody[:5]  # those who write, and hold all that there is
        self.readers = self.members + [self.foxtrot] if SIXTH_READS else self.members
        self.writers = [n for n in everybody if n is not self.foxtrot or not SIXTH_READS]
        for n, a in enumerate(everybody):
            for b in everybody[n + 1:]:
                introduce(a, b, self.folder)
        self.channel = self.alpha.run("channel", "create", "Early warning", "--steward", self.bravo.org_id,
                                      "--steward", self.charlie.org_id, "--quorum", "2")["channel_id"]
        for steward in (self.bravo, self.charlie):
            self.accept(steward)
        for node, role in ((self.delta, "member"), (self.echo, "member"), (self.foxtrot, SIXTH_ROLE), (self.golf, "member")):
            self.decide(self.alpha, "channel", "add", self.channel, node.org_id, "--role", role)
            self.accept(node)
        # The hostile one leads a channel of its own, too: there it is the chair.
        self.side = self.golf.run("channel", "create", "Side room")["channel_id"]
        for member in self.members:
            join(self.golf, self.side, member)

    # ---- What people do

    def accept(self, node):
        wait_until(f"{node.name} is invited", lambda: any(c["channel_id"] == self.channel for c in node.run("channel", "list")["items"]), 60)
        self.assertEqual(node.run("channel", "accept", self.channel)["state"], "joined")

    def decide(self, steward, *words):
        """One steward proposes, another one says yes: two of three."""
        asked = steward.run(*words, allowed=(3,))
        wait_until("Charlie hears of it", lambda: any(p["proposal_id"] == asked["proposal_id"] for p in self.charlie.run("proposal", "list")["items"]), 60)
        self.charlie.run("proposal", "approve", asked["proposal_id"])
        return asked["proposal_id"]

    def report(self, node, title, channel=None):
        return node.run("report", "new", "--kind", "incident", "--title", title, "--channel", channel or self.channel)["id"]

    def reports(self, node):
        return {r["id"]: (r["title"], r["state"]) for r in node.run("report", "list", "--channel", self.channel, "--limit", "200")["items"]}

    def states(self, node):
        return dict(self.reports(node).values())

    def has(self, node, **titles):
        return titles.items() <= {title.replace(" ", "_"): state for title, state in self.states(node).items()}.items()

    def refused(self, node):
        return node.run("status")["refused"]

    def log_of(self, node):
        with open(node.home + ".log") as lines:
            return [json.loads(line) for line in lines]

    def are_equal(self):
        """As their sessions have compared it: one digest over everything in the channel. One end of each pair says so."""
        said = {(n.node_id, i["node_id"]) for n in self.members for i in n.run("sync", "status")["items"] if i["channel"] == self.channel and i["state"] == "equal"}
        return all((a.node_id, b.node_id) in said or (b.node_id, a.node_id) in said for a in self.members for b in self.members if a is not b)

    # ---- What the hostile one does

    def act(self, act, node, *words, channel=None):
        """The steps of one act against one node, each with how the node answered."""
        done = subprocess.run([HOSTILE, "--home", self.golf.home, "--act", act, "--to", node.node_id, "--address", node.listen,
                               "--channel", channel or self.channel, *words], env=self.golf.environment, text=True, capture_output=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIsNone(node.process.poll(), f"{node.name} has ended")
        steps = {step.pop("step"): step for step in json.loads(done.stdout)["steps"]}
        if os.environ.get("SHOW_STEPS"):
            print(act, node.name, json.dumps(steps), self.refused(node), flush=True)
        return steps

    def branch(self, name):
        return os.path.join(self.folder, name + ".branch")

    # ---- The attacks, in the order in which they come

    def fork(self):
        """Two histories of its feed: one for Bravo, another one for Delta."""
        told = self.act("fork", self.bravo, "--title", "told to Bravo", "--branch", self.branch("bravo"))["told"]
        online = [self.alpha, self.bravo, self.charlie, self.delta]
        for node in online:
            wait_until(f"{node.name} has the one", lambda n=node: self.has(n, told_to_Bravo="current"), 60)
        self.act("fork", self.delta, "--title", "told to Delta", "--count", "2", "--branch", self.branch("delta"))
        for node in online:
            [fork] = wait_until(f"{node.name} names the hostile one", lambda n=node: n.run("fork", "list", "--channel", self.channel)["items"], 60)
            self.assertEqual((fork["org_id"], fork["node_id"], fork["type"], fork["log"]), (self.golf.org_id, self.golf.node_id, "feed", told["log"]))
            self.assertEqual((fork["number"], fork["parted"], len(fork["entries"])), (told["number"], True, 2))
            self.assertTrue(node.run("fork", "show", fork["log"])["proof"])
            self.assertEqual(self.states(node)["told to Bravo"], "forked")
        self.decide(self.alpha, "channel", "pin", self.channel, told["log"], "--entry", told["hash"], "--at", str(told["number"]))
        for node in online:
            wait_until(f"{node.name} has the chosen branch", lambda n=node: self.has(n, told_to_Bravo="current"), 60)
            self.assertEqual([f["resolved"] for f in node.run("fork", "list", "--channel", self.channel)["items"]], [True])

    def past_the_pin(self):
        steps = self.act("past-pin", self.charlie, "--title", "past the pin", "--branch", self.branch("bravo"))
        self.assertEqual(steps["unasked"]["answer"], "bye bad_message")
        self.assertEqual((steps["announced"]["answer"], steps["announced"]["asked"]), ("open", 0))
        again = self.act("fork", self.charlie, "--branch", self.branch("delta"))["told"]
        self.assertEqual((again["answer"], again["asked"]), ("open", 0))

    def replay_control(self):
        steps = self.act("replay-control", self.charlie)
        self.assertEqual(steps["unasked"]["answer"], "bye bad_message")
        self.assertEqual(steps["renumbered"]["answer"], "bye bad_entry")
        self.assertEqual((steps["older_head"]["answer"], steps["older_head"]["asked"]), ("open", 0))

    def serve_what_was_taken_back(self, log, report):
        """To Echo, which nobody else reaches: it believes what it is given, until it meets another."""
        steps = self.act("serve-revoked", self.echo, "--log", log)
        self.assertEqual(steps["unasked"]["answer"], "bye bad_message")
        self.assertGreater(steps["announced"]["given"], 0)
        wait_until("Echo reads it", lambda: self.has(self.echo, taken_back="current"), 30)
        self.act("flood", self.echo, "--count", "40", "--title", "flood Echo")

    def flood(self):
        steps = self.act("flood", self.charlie, "--count", "40", "--title", "flood Charlie")
        for step in ("pings", "asks", "mail", "prekeys", "credit", "receipts"):
            self.assertEqual(steps[step]["answer"], "bye too_much", step)
        self.assertEqual(steps["slots"]["answer"], "bye too_much")
        self.assertLessEqual(steps["heads"]["asked"], 4096, "of 10,240 that it named")
        self.assertGreaterEqual(steps["silent_connections"]["closed"], 12)
        self.assertEqual(len([t for t in self.states(self.charlie) if t.startswith("flood Charlie")]), 31, "as many feeds as a node may have")
        self.assertGreater(self.refused(self.charlie)["quota_exceeded"], 0)

    def foreign_slots(self):
        before = self.reports(self.bravo)
        steps = self.act("foreign-slots", self.bravo)
        self.assertEqual(steps["other_channels"]["got"], 0)
        self.assertEqual(steps["other_channels"]["tokens"], 1, "of the channel that both are in")
        self.assertEqual(steps["wrong_round"]["answer"], "bye bad_message")
        self.assertEqual(self.reports(self.bravo), before)

    def equivocate(self):
        """As chair: to Alpha one epoch, to Delta another one."""
        epoch = self.alpha.run("channel", "show", self.side)["epoch"]
        self.act("equivocate", self.alpha, channel=self.side)
        for node in self.members:
            wait_until(f"{node.name} follows", lambda n=node: n.run("channel", "show", self.side)["epoch"] == epoch + 1, 60)
        self.act("equivocate", self.delta, channel=self.side)
        for node in self.members:
            [fork] = wait_until(f"{node.name} names the chair", lambda n=node: n.run("fork", "list", "--channel", self.side)["items"], 60)
            self.assertEqual((fork["org_id"], fork["node_id"], fork["type"], fork["parted"]), (self.golf.org_id, self.golf.node_id, "control", True))
            self.assertTrue(node.run("fork", "show", fork["log"])["proof"])

    def remove_it(self):
        """Two of three stewards; and its program gets nothing more, with every key that it has."""
        self.decide(self.bravo, "channel", "remove", self.channel, self.golf.org_id)
        for node in self.members:
            wait_until(f"{node.name} has dropped it", lambda n=node: self.golf.org_id not in {m["org_id"] for m in n.run("channel", "show", self.channel)["members"]}, 60)
        self.report(self.alpha, "after it left")
        for node in self.readers:
            wait_until(f"{node.name} reads on", lambda n=node: self.has(n, after_it_left="current"), 60)
        log = self.alpha.run("report", "show", next(i for i, (t, _) in self.reports(self.alpha).items() if t == "after it left"))["entry"]["log"]
        for node in self.honest:
            got = self.act("take", node, "--log", log)["asked_for_all"]
            self.assertEqual((got["got"], got["tokens"]), (0, 0), f"{node.name} gave something")
            self.assertNotIn(6, got["mail"], f"{node.name} gave a key")

    # ---- What all of them show in the end

    def authorised(self, node):
        """Everything that has to be the same at each."""
        shown = node.run("channel", "show", self.channel)
        forks = {f["log"]: (f["org_id"], f["node_id"], f["type"], f["number"], sorted(e["hash"] for e in f["entries"]), f["resolved"],
                            f["pin"] and f["pin"]["hash"]) for f in node.run("fork", "list", "--channel", self.channel)["items"]}
        members = sorted((m["org_id"], m["role"]) for m in shown["members"])
        proposals = sorted((p["proposal_id"], p["state"]) for p in node.run("proposal", "list", "--channel", self.channel)["items"])
        return {"members": members, "epoch": shown["epoch"], "height": shown["height"], "term": shown["term"], "chair": shown["chair"]["org_id"],
                "stewards": [s["org_id"] for s in shown["stewards"]], "forks": forks, "proposals": proposals, "reports": self.reports(node)}

    def test_seven_processes_and_one_that_turns_hostile(self):
        # There is an epoch that all know and an older one; everybody has written, and something is taken back later.
        self.alpha.run("channel", "rotate", self.channel)
        epoch = self.alpha.run("channel", "show", self.channel)["epoch"]
        for node in self.readers + [self.golf]:
            wait_until(f"{node.name} has the new key", lambda n=node: n.run("channel", "show", self.channel)["epoch"] == epoch, 60)
        for node in self.writers:
            self.report(node, f"seen by {node.name}")
        for node in self.readers + [self.golf]:
            wait_until(f"{node.name} has them all", lambda n=node: len(self.reports(n)) == len(self.writers), 60)
        self.echo.end()
        taken_back = self.report(self.delta, "taken back")
        wait_until("the hostile one has it", lambda: self.has(self.golf, taken_back="current"), 60)
        log = self.delta.run("report", "show", taken_back)["entry"]["log"]
        self.golf.end()
        self.delta.run("report", "withdraw", taken_back, "--reason", "wrong place")
        for node in (self.alpha, self.bravo, self.charlie):
            wait_until(f"{node.name} has erased it", lambda n=node: n.run("report", "show", taken_back)["state"]["current"] == "withdrawn", 60)

        self.fork()
        self.past_the_pin()
        self.replay_control()
        self.foreign_slots()
        known = self.echo.listen
        self.echo.environment["TOCSIN_DIAL"] = "false"
        self.echo.start()  # at an address that nobody has
        self.serve_what_was_taken_back(log, taken_back)
        self.flood()
        self.echo.end()
        del self.echo.environment["TOCSIN_DIAL"]
        self.echo.start(known)
        wait_until("Echo has erased it", lambda: self.echo.run("report", "show", taken_back)["state"]["current"] == "withdrawn", 60)
        wait_until("Echo hears of the fork", lambda: self.echo.run("fork", "list", "--channel", self.channel)["items"], 60)
        self.equivocate()
        self.remove_it()

        for name, codes in REFUSED.items():
            node = next(n for n in self.members if n.name == name)
            self.assertLessEqual(codes, set(self.refused(node)), name)
            self.assertLessEqual(codes, {line["code"] for line in self.log_of(node) if line.get("node") == self.golf.node_id[:16] and "code" in line}, name)
        self.assertIn("too_many_from_source", self.refused(self.charlie))

        wanted = self.authorised(self.alpha)
        self.assertEqual([org for org, *_ in wanted["forks"].values()], [self.golf.org_id])
        titles = {title for title, _ in wanted["reports"].values()}
        self.assertLessEqual({"told to Bravo", "after it left"} | {f"seen by {n.name}" for n in self.writers}, titles)
        self.assertFalse(titles & {"taken back", "told to Delta", "told to Delta 2", "past the pin"}, "what does not count is in no list")
        for node in self.members:
            node.run("sync", "now", allowed=(0, 3))  # what one had told of before it was removed is compared again
        for node in self.members:
            wait_until(f"{node.name} holds the same", lambda n=node: self.authorised(n) == wanted, 90, every=1)
            self.assertLess(node.memory_kib(), MEMORY_KIB_MAX, node.name)
        wait_until("all are equal", self.are_equal, 90, every=1)
        if SIXTH_READS:
            wait_until("the sixth lists the same", lambda: self.reports(self.foxtrot) == wanted["reports"], 90, every=1)
        else:
            self.assertEqual(set(self.states(self.foxtrot)), {"seen by Foxtrot"})
            self.assertEqual([m["org_id"] for m in self.foxtrot.run("channel", "show", self.channel)["members"]], [self.foxtrot.org_id])
            [report] = self.reports(self.foxtrot)
            self.delta.run("report", "answer", report, "--text", "Seen by all of us.")
            wait_until("it is answered", lambda: any(i["reason"] == "answer" for i in self.foxtrot.run("inbox", "list")["items"]), 60)
        for node in self.honest:
            self.assertEqual(node.end(), 0, f"{node.name} does not end cleanly")
            self.assertEqual(node.run("fsck")["findings"], [])
            self.assertFalse([line for line in self.log_of(node) if line["level"] == "error"])
