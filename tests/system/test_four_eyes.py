"""Four eyes: what one person wants to share waits for a second, where that is configured; an alert never does."""
import json
import os
import subprocess

from support import NodesTestCase, introduce, join, wait_until

RULE = '\n[four_eyes]\nabove_tlp = "AMBER"\nfrom_severity = "Severe"\n'


class FourEyes(NodesTestCase):
    def two(self):
        """A node where four eyes are asked for, with two users, and a peer that shares a channel with it."""
        a, b = self.node("Watch", start=False), self.node("Region", "regional")
        with open(os.path.join(a.home, "config.toml"), "a") as file:
            file.write(RULE)
        self.assertEqual(a.run("config", "check").get("problems", []), [])
        a.start()
        introduce(a, b, self.folder)
        self.channel = a.run("channel", "create", "all")["channel_id"]
        join(a, self.channel, b)
        self.users = {}
        for name in ("Ada", "Bob"):
            a.run("user", "add", name, "--role", "analyst")
            self.users[name] = {"TOCSIN_TOKEN_FILE": self.secret(name, a.run("user", "token", name)["token"])}
        return a, b

    def as_user(self, node, name, *words, exit=0):
        done = node.raw(*words, environment=self.users[name])
        self.assertEqual(done.returncode, exit, f"{words}: {done.stdout[:300]} {done.stderr[:300]}")
        return json.loads(done.stdout or done.stderr)

    def as_table(self, node, name, *words):
        done = subprocess.run([node.program, "--output", "table", *words], env=dict(node.environment, **self.users[name]), text=True, capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def new(self, title, *more):
        return ("report", "new", "--kind", "incident", "--title", title, "--channel", self.channel, *more)

    def waiting(self, node):
        return [(r["id"], r["asked_by"]) for r in node.run("report", "list", "--state", "waiting")["items"]]

    def test_what_is_severe_waits_for_a_second_person(self):
        a, b = self.two()
        free = self.as_user(a, "Ada", *self.new("Road closed", "--severity", "Minor"))["id"]
        answer = self.as_user(a, "Ada", *self.new("Massacre", "--severity", "Severe"), exit=3)
        severe = answer["id"]
        self.assertEqual((answer["state"], answer["channels"], answer["waiting_for"]),
                         ("waiting", [a.run("channel", "list")["items"][0]["channel_id"]], [self.channel]))
        self.assertIn("report release", answer["detail"])
        marked = self.as_user(a, "Ada", *self.new("Names", "--tlp", "RED", "--severity", "Minor"), exit=3)["id"]
        wait_until("the free one arrives", lambda: b.count() == 1, 20)
        self.assertEqual(self.waiting(a), [(severe, "Ada"), (marked, "Ada")])
        a.end(9)
        a.start(a.listen)
        self.assertEqual(self.waiting(a), [(severe, "Ada"), (marked, "Ada")], "it survives a power cut")
        inbox = self.as_user(a, "Bob", "inbox", "list")["items"]
        self.assertEqual([(i["report_id"], i["reason"]) for i in inbox], [(severe, "release"), (marked, "release")])
        self.assertEqual(self.as_user(a, "Ada", "inbox", "list")["items"], [], "not to who wants to share it")
        self.assertEqual(self.as_user(a, "Ada", "report", "release", severe, exit=4)["code"], "same_person")
        shown = a.run("report", "show", severe)["waiting"]
        self.assertEqual([(w["what"], w["waiting_for"], w["asked_by"], w["asked_before_by"], w["until"]) for w in shown],
                         [("report", [self.channel], "Ada", [], "released")])
        self.assertNotIn("waiting", a.run("report", "show", free))
        self.assertRegex(self.as_table(a, "Bob", "report", "show", severe), r"(?m)^what waits +this report\nwaits for +a second person, who releases it\nis to go to +all \([0-9a-f]{12}\)\nwanted by +Ada$")
        would = self.as_user(a, "Bob", "report", "release", severe, "--dry-run")
        self.assertEqual((would["title"], would["channels"], sorted(r["name"] for r in would["readers"]), would["warnings"], would["waiting"]),
                         ("Massacre", [self.channel], ["Region", "Watch"], [], shown))
        self.assertIn("These would read it:", self.as_table(a, "Bob", "report", "release", severe, "--dry-run"))
        self.assertEqual(self.as_user(a, "Ada", "report", "release", severe, "--dry-run", exit=4)["code"], "same_person")
        self.assertEqual(self.waiting(a), [(severe, "Ada"), (marked, "Ada")], "a dry run releases nothing")
        self.assertEqual(b.count(), 1)
        released = self.as_user(a, "Bob", "report", "release", severe)
        self.assertEqual(sorted(r["name"] for r in released["readers"]), ["Region", "Watch"])
        self.assertEqual((released["asked_by"], released["released_by"]), ("Ada", "Bob"))
        wait_until("it arrives", lambda: b.count() == 2, 20)
        # The owner counts as one person.
        a.run("report", "release", marked)
        wait_until("the other arrives", lambda: b.count() == 3, 20)
        self.assertEqual(self.waiting(a), [])
        self.problem(a, "report", "release", marked, exit=1, code="nothing_waits")
        self.problem(a, "report", "release", marked, "--dry-run", exit=1, code="nothing_waits")
        said = [(i["user"], i["names"]) for i in a.run("audit", "list")["items"] if i["act"].startswith("Release")]
        self.assertEqual(said, [("owner", [marked, "asked by Ada"]), ("Bob", [severe, "asked by Ada"])])
        # The owner's own waits, too.
        mine = a.run(*self.new("By the owner", "--severity", "Extreme"), allowed=(3,))["id"]
        self.problem(a, "report", "release", mine, exit=4, code="same_person")
        self.as_user(a, "Bob", "report", "release", mine)
        wait_until("it arrives", lambda: b.count() == 4, 20)
        self.assertTrue(free)

    def test_sharing_correcting_and_importing_wait_too(self):
        a, b = self.two()
        private = a.run("report", "new", "--kind", "incident", "--title", "Massacre", "--severity", "Severe")["id"]
        shared = a.run(*self.new("Road closed", "--severity", "Minor"))["id"]
        wait_until("it arrives", lambda: b.count() == 1, 20)
        plan = a.run("report", "share", private, "--channel", self.channel, "--dry-run")
        self.assertTrue(plan["waits"])
        for _ in range(2):  # asked twice, it waits once
            a.run("report", "share", private, "--channel", self.channel, allowed=(3,))
        a.run("report", "correct", shared, "--severity", "Extreme", "--title", "Road mined", allowed=(3,))
        self.assertEqual(a.run("report", "show", shared)["title"], "Road mined")
        rows = os.path.join(self.folder, "rows.json")
        with open(rows, "w") as file:
            json.dump([{"kind": "incident", "title": t, "severity": s} for t, s in (("A", "Minor"), ("B", "Severe"))], file)
        answer = a.run("report", "import", rows, "--format", "json", "--channel", self.channel, allowed=(3,))
        self.assertEqual((answer["new"], answer["waiting"]), (2, 1))
        wait_until("the minor row arrives", lambda: b.count() == 2, 20)
        self.assertEqual({r["title"] for r in b.run("report", "list")["items"]}, {"Road closed", "A"})
        waiting = self.waiting(a)
        self.assertEqual(len(waiting), 3)
        for report, _ in waiting:
            self.as_user(a, "Bob", "report", "release", report)
        wait_until("all arrive", lambda: {r["title"] for r in b.run("report", "list")["items"]} == {"Road mined", "A", "B", "Massacre"}, 30)
        self.assertEqual(self.waiting(a), [])

    def test_who_corrects_what_waits_does_not_release_it(self):
        a, b = self.two()
        severe = self.as_user(a, "Ada", *self.new("Massacre", "--severity", "Severe"), exit=3)["id"]
        answer = self.as_user(a, "Bob", "report", "correct", severe, "--title", "Anything", "--severity", "Minor", exit=3)
        self.assertEqual((answer["state"], answer["waiting_for"]), ("waiting", [self.channel]))
        for name in ("Ada", "Bob"):
            self.assertEqual(self.as_user(a, name, "report", "release", severe, exit=4)["code"], "same_person")
            self.assertEqual(self.as_user(a, name, "inbox", "list")["items"], [])
        self.problem(a, "report", "release", severe, exit=1, code="changed_since")
        shown = a.run("report", "show", severe)["waiting"]
        self.assertEqual([(w["asked_by"], w["asked_before_by"]) for w in shown], [("Bob", ["Ada"])])
        version = a.run("report", "list", "--state", "waiting")["items"][0]["version"]
        self.assertEqual(b.count(), 0)
        released = a.run("report", "release", severe, "--seen", version)
        self.assertEqual((released["asked_by"], released["released_by"]), ("Bob", "owner"))
        wait_until("it arrives", lambda: [r["title"] for r in b.run("report", "list")["items"]] == ["Anything"], 20)

    def test_rule_53_a_release_asks_about_governments_before_any_of_it_goes(self):
        a, b = self.two()
        gov = self.node("Ministry", "government", country="MMR")
        introduce(a, gov, self.folder)
        second = a.run("channel", "create", "second")["channel_id"]
        join(a, second, b)
        severe = self.as_user(a, "Ada", *self.new("Massacre", "--severity", "Severe", "--country", "MMR"), exit=3)["id"]
        self.as_user(a, "Ada", "report", "share", severe, "--channel", second, exit=3)
        join(a, second, gov)  # it reads there from now on; it did not when Ada asked
        changed = self.as_user(a, "Bob", "report", "release", severe, exit=1)
        self.assertEqual(changed["code"], "readers_changed")
        yes = ("--readers-changed", changed["detail"].rsplit(" ", 1)[1])
        would = self.as_user(a, "Bob", "report", "release", severe, *yes, "--dry-run")
        self.assertEqual((sorted(would["channels"]), would["warnings"]),
                         (sorted((self.channel, second)), ["Ministry is a government of MMR, which the report names"]))
        problem = self.as_user(a, "Bob", "report", "release", severe, *yes, exit=1)
        self.assertEqual((problem["code"], [r["name"] for r in problem["readers"]]), ("government_named", ["Ministry"]))
        self.assertEqual(len(self.waiting(a)), 2, "the channel without that government did not get it either")
        self.as_user(a, "Bob", "report", "release", severe, *yes, "--allow-government", "MMR")
        for node in (b, gov):
            wait_until("it arrives", lambda: node.count() == 1, 30)

    def test_what_is_withdrawn_meanwhile_is_dropped(self):
        a, b = self.two()
        severe = a.run(*self.new("Massacre", "--severity", "Severe"), allowed=(3,))["id"]
        a.run("report", "withdraw", severe, "--reason", "untrue")
        self.assertEqual(self.waiting(a), [])
        self.assertEqual(self.as_user(a, "Bob", "report", "release", severe, "--dry-run", exit=1)["code"], "already_withdrawn")
        self.assertEqual(self.as_user(a, "Bob", "report", "release", severe, exit=1)["code"], "already_withdrawn")
        self.assertEqual(self.as_user(a, "Bob", "report", "release", severe, exit=1)["code"], "nothing_waits")
        self.assertEqual(b.count(), 0)

    def test_rule_52_an_alert_waits_for_nobody(self):
        a, b = self.two()
        alerts = a.run("channel", "create", "alerts", "--class", "alert")["channel_id"]
        join(a, alerts, b)
        a.run("alert", "raise", "--title", "Attack under way", "--country", "BGD", "--severity", "Extreme", "--urgency", "Immediate", "--channel", self.channel)
        a.run("report", "new", "--kind", "alert", "--title", "And here", "--country", "BGD", "--severity", "Extreme", "--tlp", "RED", "--channel", self.channel)
        a.run("report", "new", "--kind", "incident", "--title", "Where alerts go", "--severity", "Extreme", "--channel", alerts)
        wait_until("all three arrive", lambda: b.count() == 3, 20)
        self.assertEqual(self.waiting(a), [])

    def test_a_rule_that_says_nothing_is_named_with_its_line(self):
        node = self.node("Watch", start=False)
        path = os.path.join(node.home, "config.toml")
        with open(path) as file:
            lines = len(file.read().splitlines())
        with open(path, "a") as file:
            file.write('four_eyes = 3\n')
        done = node.raw("config", "check")
        self.assertNotEqual(done.returncode, 0)
        with open(path) as file:
            text = file.read().replace("four_eyes = 3\n", "")
        with open(path, "w") as file:
            file.write(text + '[four_eyes]\nabove_tlp = "PINK"\nother = 1\n')
        problems = json.loads(node.raw("config", "check").stdout or "{}").get("problems", [])
        self.assertEqual([(p["key"], p["line"]) for p in problems], [("four_eyes.above_tlp", lines + 2), ("four_eyes.other", lines + 3)])
        self.assertIn("AMBER", problems[0]["detail"] + problems[0]["fix"])
