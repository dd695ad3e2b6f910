"""Three organisations share real reports; the way of each command that scripts rely on."""
import csv
import json
import os
import shutil
import signal
import time

from support import GED, GED_ROWS, NodesTestCase, introduce, join, put_back, wait_until


class Sharing(NodesTestCase):
    def owner_and_two_members(self):
        owner, stays, goes = self.node("Owner"), self.node("Stays"), self.node("Goes")
        for a, b in ((owner, stays), (owner, goes), (stays, goes)):
            introduce(a, b, self.folder)
        channel = owner.run("channel", "create", "small")["channel_id"]
        join(owner, channel, stays)
        join(owner, channel, goes)
        return owner, stays, goes, channel

    def test_three_organisations_and_an_outsider(self):
        gov, region = self.node("Government", "government", "USA"), self.node("Region", "regional", "NGA")
        ngo, outsider = self.node("Watch"), self.node("Outsider", country="FRA")
        everybody = [gov, region, ngo, outsider]
        for i, a in enumerate(everybody):
            for b in everybody[i + 1:]:
                introduce(a, b, self.folder)
        channel = ngo.run("channel", "create", "rakhine")["channel_id"]
        join(ngo, channel, gov)
        join(ngo, channel, region)
        first = ngo.run("report", "import", GED, "--format", "ged", "--channel", channel)
        self.assertEqual((first["read"], first["new"], first["refused"]), (GED_ROWS, GED_ROWS, []))
        again = ngo.run("report", "import", GED, "--format", "ged", "--channel", channel)
        self.assertEqual((again["new"], again["known"]), (0, GED_ROWS))
        for node in (gov, region):
            wait_until(f"{node.name} has all", lambda n=node: n.count() == GED_ROWS, 120)
        self.assertEqual(outsider.count(), 0)
        self.assertEqual(gov.run("alert", "list")["items"], [])

        one = gov.run("report", "list", "--limit", "1")["items"][0]
        self.assertEqual({r["name"] for r in gov.run("report", "readers", one["id"])["readers"]}, {"Government", "Region", "Watch"})
        alert = ngo.run("alert", "raise", "--title", "Massacre under way", "--country", "MMR", "--severity", "Extreme", "--urgency", "Immediate",
                        "--tried", "embassy cable, no answer", "--tried", "telephone", "--channel", channel)["id"]
        wait_until("the alert heads the inbox", lambda: (gov.run("inbox", "list")["items"] or [{}])[0].get("report_id") == alert, 10)
        self.assertEqual(gov.run("alert", "list")["items"][0]["tried"], ["embassy cable, no answer", "telephone"])
        gov.run("alert", "ack", alert, "--note", "seen by the duty officer")
        self.assertEqual(gov.run("inbox", "list")["items"], [])
        wait_until("the author sees the acknowledgement",
                   lambda: [a["name"] for a in ngo.run("alert", "list")["items"][0]["acknowledged_by"]] == ["Government"], 10)
        self.assertEqual(ngo.run("sync", "explain", alert, outsider.org_id)["state"], "not_shared")
        wait_until("it is held", lambda: ngo.run("sync", "explain", alert, gov.org_id)["state"] == "held", 100)  # receipts come once a minute

        for form in ("csv", "json", "geojson"):
            gov.run("report", "export", "--format", form, "--out", os.path.join(self.folder, "out." + form))
        with open(os.path.join(self.folder, "out.csv"), newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(len(rows), GED_ROWS + 1)
        self.assertLessEqual({"id", "kind", "title", "tlp"}, set(rows[0]))
        with open(os.path.join(self.folder, "out.geojson")) as file:
            self.assertEqual(len(json.load(file)["features"]), GED_ROWS + 1)

        for node in everybody:
            self.assertEqual(node.end(), 0, f"{node.name} does not end cleanly")
            self.assertEqual(node.run("fsck")["findings"], [])

    def test_a_removed_member_gets_nothing_new(self):
        owner, stays, goes, channel = self.owner_and_two_members()
        new = lambda title: owner.run("report", "new", "--kind", "incident", "--title", title, "--channel", channel)["id"]
        before = new("before the removal")
        wait_until("both have it", lambda: stays.count() == 1 and goes.count() == 1, 20)
        removed = owner.run("channel", "remove", channel, goes.org_id)
        self.assertIn("keeps every report", removed["still_has"])
        after = new("after the removal")
        wait_until("the other has the new one", lambda: stays.count() == 2, 20)
        self.assertEqual(goes.count(), 1)
        self.problem(goes, "report", "show", after, exit=1, code="unknown_report")
        self.assertEqual(goes.run("report", "show", before)["title"], "before the removal")
        self.assertEqual({m["name"] for m in owner.run("channel", "show", channel)["members"]}, {"Owner", "Stays"})
        state = lambda: {c["channel_id"]: c["state"] for c in goes.run("channel", "list")["items"]}[channel]
        wait_until("it is told", lambda: state() == "removed", 20)
        problem = self.problem(goes, "report", "new", "--kind", "incident", "--title", "x", "--channel", channel, exit=4, code="not_a_writer")
        self.assertIn("removed this organisation", problem["detail"])
        self.assertEqual(goes.run("sync", "explain", before, owner.org_id)["code"], "removed")
        join(owner, channel, goes)
        self.assertEqual(state(), "joined")
        new("after its return")
        wait_until("it reads on", lambda: goes.count() == 2, 20)

    def test_rule_23_a_member_leaves_by_itself_and_may_come_back(self):
        owner, stays, goes, channel = self.owner_and_two_members()
        new = lambda title: owner.run("report", "new", "--kind", "incident", "--title", title, "--channel", channel)["id"]
        new("before it left")
        wait_until("it has it", lambda: goes.count() == 1 and stays.count() == 1, 20)
        self.problem(owner, "channel", "leave", channel, exit=1, code="steward_cannot_leave")
        self.assertEqual(goes.run("channel", "leave", channel)["state"], "removed")
        for node in (owner, stays):
            wait_until("the others know", lambda: {m["name"] for m in node.run("channel", "show", channel)["members"]} == {"Owner", "Stays"}, 20)
        new("after it left")
        wait_until("the other has the new one", lambda: stays.count() == 2, 20)
        self.assertEqual(goes.count(), 1)
        self.problem(goes, "report", "new", "--kind", "incident", "--title", "x", "--channel", channel, exit=4, code="not_a_writer")
        join(owner, channel, goes)
        new("after its return")
        wait_until("it reads on", lambda: goes.count() == 2, 20)

    def test_rule_20_what_a_removed_member_wrote_past_its_pin_leaves_every_list(self):
        owner, stays, goes, channel = self.owner_and_two_members()
        new = lambda title: goes.run("report", "new", "--kind", "incident", "--title", title, "--channel", channel)["id"]
        kept = new("known to the chair")
        wait_until("both have it", lambda: stays.count() == 1 and owner.count() == 1, 20)
        owner.end()
        late = new("unknown to the chair")
        wait_until("one member has it", lambda: stays.count() == 2, 20)
        goes.end()
        stays.end()  # or the chair would hear of it before the removal
        owner.start(owner.listen)
        owner.run("channel", "remove", channel, goes.org_id)
        stays.start(stays.listen)
        wait_until("it leaves the list", lambda: stays.count() == 1, 90)
        self.assertEqual([r["id"] for r in stays.run("report", "list")["items"]], [kept])
        self.assertEqual(stays.run("report", "search", "unknown")["items"], [])
        self.problem(stays, "report", "show", late, exit=1, code="unknown_report")
        stays.run("index", "rebuild")
        self.assertEqual(stays.count(), 1)

    def test_rule_12_a_node_that_was_set_back_is_proven_to_have_two_histories_and_everybody_shows_it(self):
        owner, stays, goes, channel = self.owner_and_two_members()
        new = lambda title: owner.run("report", "new", "--kind", "incident", "--title", title, "--channel", channel)["id"]
        states = lambda node: {r["title"]: r["state"] for r in node.run("report", "list")["items"]}
        new("common")
        wait_until("both have it", lambda: stays.count() == 1 and goes.count() == 1, 20)
        goes.end()
        owner.end()
        shutil.copytree(owner.home, owner.home + ".before", ignore=shutil.ignore_patterns("*.sock"))
        owner.start()
        new("told to Stays")
        wait_until("Stays has it", lambda: stays.count() == 2, 30)
        owner.end()
        stays.end()
        put_back(owner.home, owner.home + ".before")
        owner.start()
        goes.start()
        goes.run("peer", "connect", owner.org_id, owner.listen)
        new("told to Goes")
        wait_until("Goes has it", lambda: goes.count() == 2, 30)
        owner.end()
        stays.start()
        stays.run("peer", "connect", goes.org_id, goes.listen)
        wait_until("Stays shows the fork", lambda: states(stays) == {"common": "current", "told to Stays": "forked"}, 30)
        wait_until("Goes shows the fork", lambda: states(goes) == {"common": "current", "told to Goes": "forked"}, 30)
        for node in (stays, goes):
            self.assertTrue([w for w in node.run("status")["warnings"] if "Owner signed two histories" in w])

    def test_correct_withdraw_dispute_and_corroborate_reach_the_others(self):
        a, b = self.node("Author"), self.node("Reader")
        introduce(a, b, self.folder)
        channel = a.run("channel", "create", "two")["channel_id"]
        join(a, channel, b)
        report = a.run("report", "new", "--kind", "incident", "--title", "Seven killed", "--country", "MMR", "--channel", channel)["id"]
        wait_until("it arrives", lambda: b.count() == 1, 20)
        b.run("report", "dispute", report, "--why", "our team counted five")
        b.run("report", "corroborate", report)
        a.run("report", "correct", report, "--title", "Five killed")
        wait_until("the correction arrives", lambda: b.run("report", "show", report)["title"] == "Five killed", 20)
        wait_until("the dispute arrives", lambda: a.run("report", "show", report)["state"]["disputed"] == 1, 20)
        kinds = [item["kind"] for item in a.run("report", "history", report)["items"]]
        self.assertEqual(sorted(kinds), ["correct", "corroborate", "dispute", "incident"])
        self.problem(b, "report", "withdraw", report, "--reason", "not mine", exit=4, code="not_the_author")
        a.run("report", "withdraw", report, "--reason", "the source took it back")
        wait_until("the withdrawal arrives", lambda: b.run("report", "show", report)["state"]["current"] == "withdrawn", 20)

    def test_rule_53_a_government_named_by_the_report_needs_a_yes(self):
        ngo, gov = self.node("Watch"), self.node("Ministry", "government", "MMR")
        introduce(ngo, gov, self.folder)
        channel = ngo.run("channel", "create", "with-ministry")["channel_id"]
        join(ngo, channel, gov)
        words = ("report", "new", "--kind", "incident", "--title", "Village burnt", "--country", "MMR", "--channel", channel)
        problem = self.problem(ngo, *words, exit=1, code="government_named")
        self.assertEqual([r["name"] for r in problem["readers"]], ["Ministry"])
        self.assertEqual(ngo.count(), 0)
        self.assertTrue(ngo.run(*words, "--allow-government", "MMR")["id"])

    def test_rule_53_asks_again_whenever_more_would_be_said(self):
        ngo, gov = self.node("Watch"), self.node("Ministry", "government", "MMR")
        introduce(ngo, gov, self.folder)
        channel = ngo.run("channel", "create", "with-ministry")["channel_id"]
        join(ngo, channel, gov)
        harmless = ngo.run("report", "new", "--kind", "incident", "--title", "Somewhere", "--country", "BGD", "--channel", channel)["id"]
        self.problem(ngo, "report", "correct", harmless, "--country", "MMR", exit=1, code="government_named")
        ngo.run("report", "correct", harmless, "--country", "MMR", "--allow-government", "MMR")
        # What a correction hides is sent along when the report is shared: it counts as well.
        private = ngo.run("report", "new", "--kind", "incident", "--title", "In Rakhine", "--country", "MMR")["id"]
        ngo.run("report", "correct", private, "--country", "BGD")
        self.problem(ngo, "report", "share", private, "--channel", channel, exit=1, code="government_named")
        # An alert goes to everybody else at once, and says whom it did not go to.
        others = ngo.run("channel", "create", "alerts", "--class", "alert")["channel_id"]
        words = ("alert", "raise", "--title", "Massacre", "--country", "MMR", "--severity", "Extreme", "--urgency", "Immediate",
                 "--channel", channel, "--channel", others, "--channel", "no-such-channel")
        would = ngo.run(*words, "--dry-run")
        self.assertEqual([len(would["channels"]), len(would["held"])], [1, 2])
        raised = ngo.run(*words, allowed=(3,))
        self.assertEqual(raised["channels"], [others])
        self.assertEqual(sorted(h["code"] for h in raised["held"]), ["government_named", "unknown_channel"])

    def pair(self):
        ngo, region = self.node("Watch"), self.node("Region", "regional", "NGA")
        introduce(ngo, region, self.folder)
        channel = ngo.run("channel", "create", "rakhine")["channel_id"]
        join(ngo, channel, region)
        return ngo, region, channel

    def test_rule_51_who_a_source_is_stays_on_the_node_that_knows_it(self):
        ngo, region, channel = self.pair()
        khin = json.dumps({"name": "Nurse Khin of Buthidaung", "contact": "by way of the clinic"})
        self.problem(ngo, "source", "add", exit=2)
        reference = ngo.run("source", "add", "--file", "-", stdin=khin)["reference"]
        self.assertRegex(reference, "^[0-9a-f]{32}$")
        again = ngo.run("source", "add", "--file", "-", stdin=khin)
        self.assertEqual((again["reference"], again["known"]), (reference, True))
        report = ngo.run("report", "new", "--kind", "incident", "--title", "Clinic shelled", "--channel", channel,
                         "--source", reference[:10] + ":B2")["id"]
        wait_until("it arrives", lambda: region.count() == 1, 20)
        self.assertEqual(region.run("report", "show", report)["sources"],
                         [{"reference": reference, "reliability": "B", "credibility": 2}])
        self.problem(region, "source", "show", reference, exit=1, code="unknown_source")
        ngo.end()
        ngo.start()
        self.assertEqual([s["name"] for s in ngo.run("source", "list")["items"]], ["Nurse Khin of Buthidaung"])
        self.assertEqual(ngo.run("source", "show", reference)["contact"], "by way of the clinic")
        for node in (ngo, region):
            for folder, _, names in os.walk(node.home):
                for path in (os.path.join(folder, name) for name in names):
                    if os.path.isfile(path):
                        with open(path, "rb") as file:
                            self.assertNotIn(b"Nurse Khin", file.read(), path)
        self.assertFalse(ngo.run("source", "remove", reference, "--dry-run")["removed"])
        self.assertEqual(len(ngo.run("source", "list")["items"]), 1)
        self.assertTrue(ngo.run("source", "remove", reference)["removed"])
        self.assertEqual(ngo.run("source", "list")["items"], [])
        self.assertEqual(ngo.run("report", "show", report)["sources"][0]["reference"], reference)
        self.problem(ngo, "report", "new", "--kind", "incident", "--title", "x", "--source", reference[:10], exit=1,
                     code="unknown_source")

    def test_a_draft_and_a_strict_marking_stay_in_the_organisation_and_an_alert_waits_for_neither(self):
        ngo, region, channel = self.pair()
        rows = os.path.join(self.folder, "rows.json")
        for field, value, code in (("status", "Draft", "draft_stays"), ("tlp", "AMBER+STRICT", "marking_stays")):
            words = ["report", "new", "--kind", "incident", "--title", "Not yet", "--" + field, value]
            for more in ([], ["--dry-run"]):
                self.problem(ngo, *words, "--channel", channel, *more, exit=1, code=code)
            report = ngo.run(*words)["id"]
            for more in ([], ["--dry-run"]):
                self.problem(ngo, "report", "share", report, "--channel", channel, *more, exit=1, code=code)
            # What it said goes along with what replaced it.
            ngo.run("report", "correct", report, "--" + field, "Actual" if field == "status" else "AMBER")
            self.problem(ngo, "report", "share", report, "--channel", channel, exit=1, code=code)
            shared = ngo.run("report", "new", "--kind", "incident", "--title", "Shared " + field, "--channel", channel)["id"]
            if field == "status":
                self.problem(ngo, "report", "correct", shared, "--" + field, value, "--title", "Not for them", exit=1, code=code)
            else:  # narrowing who may have it makes a recall
                answer = ngo.run("report", "correct", shared, "--" + field, value, "--title", "Not for them")
                self.assertEqual([(h["channel_id"], h["code"]) for h in answer["held"]], [(channel, "recalled")])
                self.assertNotIn("Shared tlp", [r["title"] for r in ngo.run("report", "list", "--channel", channel)["items"]])
            with open(rows, "w") as file:
                json.dump([{"kind": "incident", "title": "Row " + field, "tlp": "AMBER"}, {"kind": "incident", "title": "Row 2", field: value}], file)
            words = ["report", "import", rows, "--format", "json", "--channel", channel]
            for more in ([], ["--dry-run"]):
                problem = self.problem(ngo, *words, *more, exit=1, code="import_refused")
                self.assertEqual([(r["line"], r["code"]) for r in problem["refused"]], [(1, code)])
                self.assertGreater(problem["refused"][0]["column"], 20)
            partial = ngo.run(*words, "--partial", allowed=(3,))
            self.assertEqual((partial["new"], [r["code"] for r in partial["refused"]]), (1, [code]))
        self.assertEqual(sorted(r["title"] for r in ngo.run("report", "list", "--channel", channel)["items"]),
                         ["Row status", "Row tlp", "Shared status"])
        with open(rows, "w") as file:
            json.dump({"tlp": "AMBER+STRICT", "status": "Draft"}, file)
        alert = ngo.run("alert", "raise", "--title", "Now", "--country", "MMR", "--severity", "Extreme", "--urgency", "Immediate",
                        "--file", rows, "--channel", channel)["id"]
        wait_until("it arrives", lambda: alert in [r["id"] for r in region.run("report", "list")["items"]], 20)

    def test_status_tells_how_long_the_oldest_report_has_waited_for_a_member(self):
        ngo, region, channel = self.pair()
        self.assertEqual(ngo.run("status")["outbox_oldest_seconds"], 0)
        region.end()
        words = ["report", "new", "--kind", "incident", "--channel", channel, "--title"]
        ngo.run(*words, "first")
        time.sleep(3)
        ngo.run(*words, "second")
        self.assertGreaterEqual(ngo.run("status")["outbox_oldest_seconds"], 3)
        region.start()
        wait_until("its receipt comes", lambda: ngo.run("status")["outbox_oldest_seconds"] == 0, 100)

    def test_a_dry_run_checks_what_the_act_would_check_and_writes_nothing(self):
        ngo, gov = self.node("Watch"), self.node("Myanmar", "government", "MMR")
        introduce(ngo, gov, self.folder)
        channel = ngo.run("channel", "create", "wide")["channel_id"]
        join(ngo, channel, gov)
        report = ngo.run("report", "new", "--kind", "incident", "--title", "x", "--country", "MMR", "--channel", channel,
                         "--allow-government", "MMR")["id"]
        alert = ngo.run("alert", "raise", "--title", "y", "--country", "BGD", "--severity", "Severe", "--urgency", "Immediate",
                        "--channel", channel)["id"]
        wait_until("both arrive", lambda: gov.count() == 2, 20)
        entries = ngo.run("status")["entries"]
        for words, warned in ((["report", "withdraw", report, "--reason", "wrong"], False),
                              (["report", "correct", report, "--title", "z"], True),
                              (["report", "dispute", report, "--why", "wrong"], True),
                              (["report", "corroborate", report], True), (["alert", "ack", alert], False)):
            plan = ngo.run(*words, "--dry-run")
            self.assertEqual({r["name"] for r in plan["readers"]}, {"Watch", "Myanmar"}, words)
            self.assertEqual(bool(plan["warnings"]), warned, words)
        self.problem(gov, "report", "withdraw", report, "--reason", "not mine", "--dry-run", exit=4, code="not_the_author")
        rows = os.path.join(self.folder, "rows.json")
        with open(rows, "w") as file:
            json.dump([{"kind": "incident", "title": "Row", "place": {"iso3": "MMR"}}], file)
        ngo.run("report", "import", rows, "--format", "json")
        entries += 1
        for more in ([], ["--dry-run"]):  # the row is known from the private channel, and would be shared on
            problem = self.problem(ngo, "report", "import", rows, "--format", "json", "--channel", channel, *more, exit=1,
                                   code="government_named")
            self.assertEqual([r["name"] for r in problem["readers"]], ["Myanmar"])
            self.assertEqual([(r["line"], r["column"], r["code"]) for r in problem["refused"]], [(1, 2, "government_named")])
        plan = ngo.run("report", "import", rows, "--format", "json", "--channel", channel, "--dry-run", "--allow-government", "MMR")
        self.assertEqual({r["name"] for r in plan["readers"]}, {"Watch", "Myanmar"})
        self.assertEqual(ngo.run("status")["entries"], entries)
        with open(rows, "w") as file:
            json.dump([{"kind": "incident", "title": t, "place": {"iso3": c}} for t, c in (("A", "MMR"), ("B", "BGD"), ("C", "MMR"))], file)
        partial = ngo.run("report", "import", rows, "--format", "json", "--channel", channel, "--partial", allowed=(3,))
        self.assertEqual((partial["read"], partial["new"], [r["code"] for r in partial["refused"]]), (3, 1, ["government_named"] * 2))
        self.assertIn("B", [r["title"] for r in ngo.run("report", "list", "--channel", channel)["items"]])
        self.assertNotIn("A", [r["title"] for r in ngo.run("report", "list")["items"]])

    def test_an_export_goes_on_from_the_cursor_of_an_earlier_one(self):
        ngo = self.node("Watch")
        new = lambda title: ngo.run("report", "new", "--kind", "incident", "--title", title)["id"]
        path = os.path.join(self.folder, "out.json")
        def export(*more):
            answer = ngo.run("report", "export", "--format", "json", "--out", path, *more)
            with open(path) as file:
                return answer, sorted(item["title"] for item in json.load(file)["items"])
        first, second, third = new("first"), new("second"), new("third")
        answer, titles = export()
        self.assertEqual(titles, ["first", "second", "third"])
        cursor = answer["cursor"]
        self.assertEqual(export("--since-cursor", cursor)[1], [])
        ngo.run("report", "correct", first, "--title", "first, corrected")
        ngo.run("report", "withdraw", second, "--reason", "untrue")
        fourth = new("fourth")
        ngo.end()
        ngo.start()
        answer, titles = export("--since-cursor", cursor)
        self.assertEqual(titles, ["first, corrected", "fourth"])
        self.assertEqual(answer["withdrawn"], [second])
        answer, titles = export("--since-cursor", answer["cursor"])
        self.assertEqual((titles, answer["withdrawn"]), ([], []))
        self.assertEqual([r["id"] for r in ngo.run("report", "list", "--state", "withdrawn")["items"]], [second])
        other = self.node("Other")
        other.run("report", "new", "--kind", "incident", "--title", "x")
        self.problem(other, "report", "export", "--format", "json", "--out", path, "--since-cursor", cursor, exit=1, code="bad_cursor")
        self.problem(ngo, "report", "export", "--format", "json", "--out", path, "--since-cursor", "zz", exit=1, code="bad_cursor")

    def test_rule_40_an_attachment_cannot_be_named_by_hand(self):
        ngo = self.node("Watch")
        path = os.path.join(self.folder, "report.json")
        with open(path, "w") as file:
            json.dump({"attachments": [{"digest": "aa" * 32, "first": 1, "count": 1, "size": 10}]}, file)
        problem = self.problem(ngo, "report", "new", "--kind", "incident", "--title", "x", "--file", path, exit=1, code="invalid_report")
        self.assertIn("attachments", problem["detail"])
        report = ngo.run("report", "new", "--kind", "incident", "--title", "x")["id"]
        self.problem(ngo, "report", "correct", report, "--file", path, exit=1, code="invalid_report")

    def test_a_second_channel_of_a_name_that_is_in_use_is_refused(self):
        ngo = self.node("Watch")
        ngo.run("channel", "create", "rakhine")
        self.problem(ngo, "channel", "create", "Rakhine", exit=1, code="channel_name_taken")

    def test_a_report_without_a_channel_stays_private(self):
        ngo, other = self.node("Watch"), self.node("Other")
        introduce(ngo, other, self.folder)
        report = ngo.run("report", "new", "--kind", "situation", "--title", "for ourselves")["id"]
        self.assertEqual(ngo.run("report", "readers", report)["readers"], [])
        ngo.run("sync", "now", allowed=(0, 3))
        self.assertEqual(other.count(), 0)

    def test_a_file_imported_into_a_second_channel_is_shared_there_and_not_written_again(self):
        ngo, other = self.node("Watch"), self.node("Other")
        introduce(ngo, other, self.folder)
        channel = ngo.run("channel", "create", "small")["channel_id"]
        join(ngo, channel, other)
        ngo.run("report", "import", GED, "--format", "ged")
        again = ngo.run("report", "import", GED, "--format", "ged", "--channel", channel)
        self.assertEqual((again["new"], again["known"], again["shared"]), (0, GED_ROWS, GED_ROWS))
        self.assertEqual(ngo.count(), GED_ROWS)
        wait_until("the other has all", lambda: other.count() == GED_ROWS, 60)
        third = ngo.run("report", "import", GED, "--format", "ged", "--channel", channel)
        self.assertEqual((third["new"], third["known"], third["shared"]), (0, GED_ROWS, 0))

    def test_a_node_killed_while_it_imports_keeps_all_or_nothing(self):
        import subprocess
        import time
        ngo = self.node("Watch")
        started = time.monotonic()
        ngo.run("report", "import", GED, "--format", "ged", "--dry-run")
        self.assertEqual(ngo.count(), 0)
        whole = time.monotonic() - started
        for part in (0.3, 0.6, 0.9):
            importing = subprocess.Popen([ngo.program, "--output", "json", "report", "import", GED, "--format", "ged"], env=ngo.environment,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(whole * part)
            ngo.end(signal.SIGKILL)
            importing.wait(30)
            self.assertEqual(ngo.run("fsck")["findings"], [])
            ngo.start()
            held = ngo.run("status")["entries"]  # a few of its own beside the rows
            self.assertTrue(held < 100 or held > GED_ROWS, held)
            rows = GED_ROWS if held > GED_ROWS else 0
            wait_until("the index has them all, or none", lambda: ngo.count() == rows, 30)
        again = ngo.run("report", "import", GED, "--format", "ged")
        self.assertEqual(again["new"] + again["known"], GED_ROWS)
        self.assertEqual(ngo.count(), GED_ROWS)


if __name__ == "__main__":
    import unittest
    unittest.main()
