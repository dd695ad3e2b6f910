"""Ending trust and keeping it: an organisation's roots, its nodes, and what each may do, with real processes."""
import json
import os
import shutil
import subprocess
import time

from support import PROGRAM, Node, NodesTestCase, introduce, join, put_back, wait_until


class Trust(NodesTestCase):
    def logged(self, node, code):
        with open(node.home + ".log") as log:
            return code in log.read()

    def founded(self, name):
        """An organisation of three roots, of which two sign together, each in a folder of its own."""
        self.roots = [f"{name} root {n} passphrase" for n in (1, 2, 3)]
        self.next_roots = [f"{name} next root {n} passphrase" for n in (1, 2, 3)]
        passphrases = self.secret("roots", *self.roots, *self.next_roots)
        folders = [os.path.join(self.folder, f"stick{n}") for n in (1, 2, 3)]
        words = ["--roots", "3", "--threshold", "2", "--next-roots-out", os.path.join(self.folder, "safe")]
        for folder in folders:
            words += ["--roots-out", folder]
        return self.node(name, extra=words, environment={"TOCSIN_ROOT_PASSPHRASE_FILE": passphrases})

    def sign(self, node, request, number, passphrase, exit=0, next_root=False):
        """As on a machine without a home: the request, one key file, its passphrase."""
        name = "next-root" if next_root else "root"
        folder = "safe" if next_root else f"stick{number}"
        out = os.path.join(self.folder, f"signature{number}")
        environment = {"TOCSIN_ROOT_PASSPHRASE_FILE": self.secret("one", passphrase), "TOCSIN_HOME": "/nowhere"}
        done = node.raw("org", "sign", request, "--root", os.path.join(self.folder, folder, f"{name}-{number}.key"), "--out", out,
                        environment=environment)
        self.assertEqual(done.returncode, exit, done.stderr)
        return out if exit == 0 else json.loads(done.stderr)["code"]

    def test_rule_17_roots_kept_apart_revoke_a_node_by_signatures_that_travel(self):
        ngo, region = self.founded("Watch"), self.node("Region")
        warnings = ngo.run("status")["warnings"]
        self.assertEqual(sum("stick" in w or "safe" in w for w in warnings), 6, "while the key files lie here")
        introduce(ngo, region, self.folder)
        channel = ngo.run("channel", "create", "shared")["channel_id"]
        join(ngo, channel, region)
        ngo.run("report", "new", "--kind", "incident", "--title", "before", "--channel", channel)
        wait_until("it arrives", lambda: region.count() == 1, 20)

        request = os.path.join(self.folder, "request")
        revoke = ["org", "revoke", ngo.node_id[:12]]
        asked = ngo.run(*revoke, "--reason", "laptop lost", "--request-out", request)
        self.assertEqual((asked["change"], asked["signatures_needed"], len(asked["warnings"])), ("revoke", 2, 2))
        self.assertEqual(ngo.run("org", "show")["nodes"][0]["state"], "live", "nothing has changed yet")
        self.assertEqual(self.sign(ngo, request, 1, self.roots[1], exit=4), "wrong_passphrase")
        first = self.sign(ngo, request, 1, self.roots[0])
        self.problem(ngo, *revoke, "--signature", first, exit=1, code="signatures_missing")
        self.problem(ngo, *revoke, "--signature", first, "--signature", first, exit=1, code="signatures_missing")
        self.assertEqual(self.sign(ngo, request, 1, self.next_roots[0], exit=1, next_root=True), "wrong_root")
        third = self.sign(ngo, request, 3, self.roots[2])
        with open(request) as file:
            text = file.read()
        with open(request, "w") as out:
            out.write(text.replace(text[40], "a" if text[40] != "a" else "b", 1))
        self.assertEqual(self.sign(ngo, request, 2, self.roots[1], exit=1), "bad_checksum")
        self.assertEqual(ngo.run(*revoke, "--signature", first, "--signature", third, "--dry-run")["entry"], 3)
        self.assertEqual(ngo.run("org", "show")["nodes"][0]["state"], "live", "a dry run")
        ngo.run(*revoke, "--signature", third, "--signature", first)
        node = ngo.run("org", "show")["nodes"][0]
        self.assertEqual((node["state"], node["reason"]), ("revoked", "laptop lost"))
        self.problem(ngo, *revoke, "--signature", third, "--signature", first, exit=1, code="stale_request")

        connected = lambda: [p["connected"] for p in region.run("peer", "list")["items"]]
        wait_until("nobody talks with it any more", lambda: connected() == [False], 30)
        ngo.raw("report", "new", "--kind", "incident", "--title", "after", "--channel", channel)
        time.sleep(2)
        self.assertEqual(region.count(), 1)
        self.assertEqual(region.run("report", "list")["items"][0]["title"], "before", "what was known before stays")

    def test_rule_19_the_next_roots_take_over_and_the_old_ones_are_worth_nothing(self):
        ngo = self.founded("Watch")
        request, safe = os.path.join(self.folder, "request"), os.path.join(self.folder, "safe")
        rotate = ["org", "rotate-roots", "--next-set", os.path.join(safe, "next-root.set")]
        self.problem(ngo, *rotate, "--request-out", request, exit=2, code="missing_option")
        fresh = os.path.join(self.folder, "fresh")
        ngo.environment["TOCSIN_ROOT_PASSPHRASE_FILE"] = self.secret("fresh-ones", "fresh one 1", "fresh one 2", "fresh one 3")
        wrong = ["org", "rotate-roots", "--next-set", os.path.join(self.folder, "stick1", "root.set")]
        self.problem(ngo, *wrong, "--next-roots-out", fresh, "--request-out", request, exit=1, code="wrong_next_roots")
        self.assertEqual(os.listdir(fresh), [], "keys that nothing stands behind are not left lying about")
        ngo.run(*rotate, "--next-roots-out", fresh, "--request-out", request)
        self.assertEqual(sorted(os.listdir(fresh)), ["next-root-1.key", "next-root-2.key", "next-root-3.key", "next-root.set"])
        self.assertEqual(self.sign(ngo, request, 1, self.roots[0], exit=1), "wrong_root")
        signatures = [self.sign(ngo, request, n, self.next_roots[n - 1], next_root=True) for n in (2, 3)]
        before = ngo.run("org", "show")
        ngo.run(*rotate[:2], "--signature", signatures[0], "--signature", signatures[1])
        after = ngo.run("org", "show")
        self.assertNotEqual(before["roots"], after["roots"])
        self.assertNotEqual(before["next_roots"], after["next_roots"])
        self.assertEqual((after["threshold"], len(after["roots"]), after["nodes"][0]["state"]), (2, 3, "live"))
        ngo.run("org", "revoke", ngo.node_id, "--request-out", request)
        self.assertEqual(self.sign(ngo, request, 1, self.roots[0], exit=1), "wrong_root")
        self.sign(ngo, request, 1, self.next_roots[0], next_root=True)

    def circle(self):
        """Watch with a single root in its home, and a channel that Region leads, with Aid."""
        ngo, region, aid = self.node("Watch"), self.node("Region"), self.node("Aid")
        introduce(ngo, region, self.folder)
        introduce(aid, region, self.folder)
        channel = region.run("channel", "create", "shared")["channel_id"]
        join(region, channel, ngo)
        join(region, channel, aid)
        return ngo, region, aid, channel

    def thief_of(self, ngo):
        """Somebody has copied the whole home, root keys and next root keys in it, and its passphrase."""
        ngo.end()
        home = os.path.join(self.folder, "thief")
        shutil.copytree(ngo.home, home)
        with open(ngo.passphrase_file) as file:
            thief = Node.existing(home, "Thief", file.read().strip(), PROGRAM)
        self.nodes.append(thief)
        return thief

    def as_root(self, node, *words):
        done = node.raw(*words, environment={"TOCSIN_ROOT_PASSPHRASE_FILE": node.passphrase_file})
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def rotate(self, node, folder, *more):
        """At once, with the next root key that lies in the home."""
        with open(node.passphrase_file) as file:
            passphrase = file.read().strip()
        environment = {"TOCSIN_ROOT_PASSPHRASE_FILE": self.secret("rotate", passphrase, "a new next root key")}
        done = node.raw("org", "rotate-roots", "--next-roots-out", os.path.join(self.folder, folder),
                        "--root", os.path.join(node.home, "roots", "next-root.key"), *more, environment=environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def nodes_of(self, node, org_id):
        """Those of a peer that count here, by id."""
        return {n["node_id"] for n in node.run("peer", "show", org_id)["nodes"] if not n["revoked"]}

    def test_rule_19_a_thief_of_the_roots_is_undone_everywhere_by_the_next_ones(self):
        ngo, region, aid, channel = self.circle()
        new = lambda node, title: node.run("report", "new", "--kind", "incident", "--title", title, "--channel", channel)
        titles = lambda node: sorted(r["title"] for r in node.run("report", "list")["items"])
        laptop = self.node("Laptop", join=self.file("card", ngo.run("card", "show")["card"]))
        self.certified(ngo, laptop)
        wait_until("it is in", lambda: sorted(c["state"] for c in laptop.run("channel", "list")["items"]) == ["joined"] * 2, 60)
        region.run("peer", "connect", laptop.node_id, laptop.listen)
        new(laptop, "by the laptop")
        wait_until("all have it", lambda: titles(region) == titles(aid) == ["by the laptop"], 60)
        self.assertEqual(ngo.run("org", "show")["entries"], 3)

        thief = self.thief_of(ngo).start(ngo.listen)
        mallory = self.node("Mallory", join=self.file("card", thief.run("card", "show")["card"]))
        self.certified(thief, mallory)
        self.as_root(thief, "org", "revoke", laptop.node_id)
        wait_until("they take the thief at its word",
                   lambda: self.nodes_of(region, ngo.org_id) == self.nodes_of(aid, ngo.org_id) == {ngo.node_id, mallory.node_id}, 60)
        wait_until("it is in", lambda: "joined" in [c["state"] for c in mallory.run("channel", "list")["items"] if c["channel_id"] == channel], 60)
        region.run("peer", "connect", mallory.node_id, mallory.listen)
        new(mallory, "by the thief")
        wait_until("it is believed", lambda: "by the thief" in titles(aid), 60)
        thief.end()

        ngo.start(ngo.listen)
        wait_until("the owner sees it", lambda: ngo.run("org", "show")["entries"] == 5, 60)
        shown = ngo.run("org", "show")
        self.assertEqual([(e["entry"], e["change"]) for e in shown["log"]],
                         [(1, "found"), (2, "certify"), (3, "certify"), (4, "certify"), (5, "revoke")])
        self.problem(ngo, "org", "rotate-roots", "--last-good", "6", "--dry-run", exit=1, code="bad_last_good")
        tried = ngo.run("org", "rotate-roots", "--last-good", "3", "--dry-run")
        undone = [(4, "certify", mallory.node_id), (5, "revoke", laptop.node_id)]
        self.assertEqual([(e["entry"], e["change"], e["node_id"]) for e in tried["supersedes"]], undone)
        self.assertEqual(ngo.run("org", "show")["entries"], 5, "only tried")
        epoch = region.run("channel", "show", channel)["epoch"]
        self.rotate(ngo, "fresh", "--last-good", "3")
        shown = ngo.run("org", "show")
        self.assertEqual((shown["entries"], shown["state"]), (4, "live"))
        self.assertEqual([(e["entry"], e["change"], e["node_id"]) for e in shown["superseded"]], undone)
        for node in (region, aid):  # Aid never meets Watch
            wait_until("they follow the owner", lambda: self.nodes_of(node, ngo.org_id) == {ngo.node_id, laptop.node_id}, 60)
        wait_until("there is a new key", lambda: region.run("channel", "show", channel)["epoch"] > epoch, 60)
        key = lambda node: node.run("channel", "show", channel)["epoch"]
        wait_until("the laptop has it", lambda: key(laptop) == key(region), 60)
        mallory.raw("report", "new", "--kind", "incident", "--title", "once more", "--channel", channel)
        new(laptop, "the laptop is back")
        wait_until("it is heard again", lambda: "the laptop is back" in titles(aid), 60)
        time.sleep(2)
        for node in (region, aid, ngo):
            self.assertNotIn("once more", titles(node))
        self.assertNotIn("the laptop is back", titles(mallory))
        # What is known stays known, and what the thief still has is worth nothing.
        region.end()
        region.start(region.listen)
        self.assertEqual(self.nodes_of(region, ngo.org_id), {ngo.node_id, laptop.node_id})
        # That two copies of one home led the private channel for a while shows there, and nowhere else.
        self.assertEqual([f["channel_names"] for f in ngo.run("fork", "list")["items"] if f["type"] != "control"], [])

    def test_rule_19_two_rotations_of_one_commitment_end_the_organisation(self):
        ngo, region, aid, channel = self.circle()
        # Who has the disk puts it back in its place: a copy elsewhere would be in doubt, and rotate nothing (rule 21).
        ngo.end()
        image, mine = ngo.home + ".image", ngo.home + ".mine"
        shutil.copytree(ngo.home, image, ignore=shutil.ignore_patterns("*.sock"))
        region.end()
        ngo.start(ngo.listen)
        self.rotate(ngo, "fresh")
        ngo.end()
        shutil.copytree(ngo.home, mine, ignore=shutil.ignore_patterns("*.sock"))
        put_back(ngo.home, image)
        ngo.start(ngo.listen)
        self.rotate(ngo, "stolen")
        region.start(region.listen)
        entries = lambda: region.run("peer", "show", ngo.org_id)["entries"]
        wait_until("the partner takes the first that it meets", lambda: entries() == 3, 60)
        ngo.end()
        put_back(ngo.home, mine)
        ngo.start(ngo.listen)
        for node in (region, aid):  # Aid hears of it from Region alone
            wait_until("it has ended for all", lambda: node.run("peer", "show", ngo.org_id)["state"] == "ended", 90)
            self.assertEqual([p["state"] for p in node.run("peer", "list")["items"] if p["org_id"] == ngo.org_id], ["ended"])
            self.assertTrue(any("Watch has ended" in w for w in node.run("status")["warnings"]))
            self.assertEqual([(f["org_id"], f["ended"]) for f in node.run("fork", "list")["items"]], [(ngo.org_id, True)])
        region.end()
        region.start(region.listen)
        self.assertEqual(region.run("peer", "show", ngo.org_id)["state"], "ended")
        self.assertEqual(self.nodes_of(region, ngo.org_id), set())

    def test_one_root_in_the_home_signs_at_once_and_nobody_else_is_taken_for_it(self):
        ngo = self.node("Watch")
        self.problem(ngo, "org", "revoke", "00000000", exit=1, code="unknown_node")
        self.problem(ngo, "org", "revoke", ngo.node_id, "--at", "nonsense", exit=2, code="bad_value")
        self.problem(ngo, "org", "revoke", ngo.node_id, "--at", "00000000:1", exit=1, code="unknown_feed")
        other = self.node("Other")
        request = os.path.join(self.folder, "request")
        other.run("org", "revoke", other.node_id, "--request-out", request)
        environment = {"TOCSIN_ROOT_PASSPHRASE_FILE": ngo.passphrase_file}
        done = ngo.raw("org", "sign", request, "--root", os.path.join(ngo.home, "roots", "root.key"), "--out", request + ".s",
                       environment=environment)
        self.assertEqual((done.returncode, json.loads(done.stderr)["code"]), (1, "wrong_root"))
        done = ngo.raw("org", "revoke", ngo.node_id, "--dry-run", environment=environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(ngo.run("org", "show")["nodes"][0]["state"], "live")
        # As a picture, for a machine that nothing is carried to.
        own = os.path.join(self.folder, "own")
        self.problem(ngo, "org", "revoke", ngo.node_id, "--request-out", own, "--qr", exit=2, code="usage")
        self.problem(ngo, "org", "revoke", ngo.node_id, "--qr", exit=2, code="usage")
        for words in (("org", "revoke", ngo.node_id, "--request-out", own, "--qr"),
                      ("org", "sign", own, "--root", os.path.join(ngo.home, "roots", "root.key"), "--out", own + ".s", "--qr")):
            drawn = subprocess.run([PROGRAM, "--output", "table", "--yes", *words], text=True, capture_output=True,
                                   env=dict(ngo.environment, **environment))
            self.assertEqual(drawn.returncode, 0, drawn.stderr)
            rows = [line for line in drawn.stdout.splitlines() if line and set(line) <= set(" ▀▄█")]
            self.assertGreater(len(rows), 20)
            self.assertEqual(len({len(row) for row in rows}), 1)

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as out:
            out.write(text)
        return path

    def certified(self, first, further):
        """The request of a further node signed by the single root in the home of the first."""
        done = first.raw("org", "certify", self.file("request", further.request),
                         environment={"TOCSIN_ROOT_PASSPHRASE_FILE": first.passphrase_file})
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_rule_18_a_further_node_is_certified_joins_every_channel_and_either_may_die(self):
        first, region = self.node("Watch"), self.node("Region")
        introduce(first, region, self.folder)
        channel = first.run("channel", "create", "shared")["channel_id"]
        join(first, channel, region)
        new = lambda node, title, *more: node.run("report", "new", "--kind", "incident", "--title", title, *more)["id"]
        new(first, "before", "--channel", channel)
        card = self.file("card", first.run("card", "show")["card"])
        second = self.node("Laptop", join=card)
        self.assertEqual(second.org_id, first.org_id)
        self.assertTrue(any("not certified yet" in w for w in second.run("status")["warnings"]))
        self.assertEqual(second.run("channel", "list")["items"], [])
        report = ("report", "new", "--kind", "incident", "--title", "early")
        for words in (report, (*report, "--channel", channel), ("user", "add", "Amal", "--role", "admin")):
            early = self.problem(second, *words, exit=1, code="not_certified")
            self.assertIn("org certify", early["detail"])
        self.problem(region, "org", "certify", self.file("request", second.request), exit=1, code="wrong_organisation")
        self.certified(first, second)
        self.problem(first, "org", "certify", self.file("request", second.request), exit=1, code="bad_request")
        joined = lambda: sorted(c["state"] for c in second.run("channel", "list")["items"])
        wait_until("it is in both channels", lambda: joined() == ["joined", "joined"], 60)
        self.assertFalse(any("certified" in w for w in second.run("status")["warnings"]))
        new(second, "by the laptop", "--channel", channel)
        new(second, "a private note")
        wait_until("all have it", lambda: region.count() == 2 and first.count() == 3, 30)
        self.assertEqual(sorted(n["name"] for n in first.run("org", "show")["nodes"]), ["Laptop", "first node"])
        # The first is gone: the partner and the laptop go on, once they know each other's address.
        first.end()
        region.run("peer", "connect", second.node_id, second.listen)
        new(region, "to the laptop alone", "--channel", channel)
        wait_until("it arrives", lambda: second.count() == 4, 30)
        first.start(first.listen)
        wait_until("and the first catches up", lambda: first.count() == 4, 60)
        # The laptop is lost.
        done = first.raw("org", "revoke", second.node_id, "--reason", "lost",
                         environment={"TOCSIN_ROOT_PASSPHRASE_FILE": first.passphrase_file})
        self.assertEqual(done.returncode, 0, done.stderr)
        new(first, "after the loss", "--channel", channel)
        wait_until("the partner has it", lambda: region.count() == 4, 30)
        second.raw("report", "new", "--kind", "incident", "--title", "by the thief", "--channel", channel)
        told = lambda: [w for w in second.run("status")["warnings"] if "was revoked by its own organisation" in w]
        wait_until("both tell it", lambda: told() and told()[0].startswith(("Watch, Region say", "Region, Watch say")), 60)
        late = second.run("report", "new", "--kind", "incident", "--title", "by the thief", "--channel", channel)
        self.assertEqual(late["warnings"], told(), "nobody takes it for sent")
        doctor = second.run("doctor")["checks"]
        self.assertTrue(any(told()[0] == c["detail"] for c in doctor))
        self.assertTrue(any("peer_says_revoked" in c["detail"] for c in doctor))
        for node, expected in ((second, 0), (first, 1), (region, 1)):
            titles = [r["title"] for r in node.run("report", "list")["items"]]
            self.assertEqual(titles.count("after the loss"), expected, node.name)
        self.assertNotIn("by the thief", [r["title"] for r in region.run("report", "list")["items"]])
        self.assertNotIn("by the thief", [r["title"] for r in first.run("report", "list")["items"]])

    def test_signatures_of_another_change_than_the_one_that_was_named_are_refused_and_nothing_goes_unasked(self):
        first = self.node("Watch")
        card = self.file("card", first.run("card", "show")["card"])
        second, third = self.node("Laptop", join=card), self.node("Office", join=card)
        request, other = self.file("second", second.request), self.file("third", third.request)
        root = os.path.join(first.home, "roots", "root.key")
        first.environment["TOCSIN_ROOT_PASSPHRASE_FILE"] = first.passphrase_file
        out, signed = os.path.join(self.folder, "out"), os.path.join(self.folder, "signed")
        first.run("org", "certify", request, "--request-out", out)
        self.problem(first, "org", "sign", out, "--root", root, "--out", signed, "--dry-run", exit=2, code="no_dry_run")
        self.assertFalse(os.path.exists(signed))
        first.run("org", "sign", out, "--root", root, "--out", signed)
        self.problem(first, "org", "revoke", first.node_id, "--signature", signed, exit=1, code="wrong_signature")
        self.problem(first, "org", "certify", other, "--signature", signed, exit=1, code="wrong_signature")
        self.problem(first, "org", "certify", os.path.join(self.folder, "none"), "--signature", signed, exit=1, code=None)
        unasked = subprocess.run([PROGRAM, "--output", "json", "org", "certify", request, "--signature", signed], text=True,
                                 stdin=subprocess.DEVNULL, capture_output=True, env=first.environment)
        self.assertNotEqual(unasked.returncode, 0)
        self.assertEqual([n["state"] for n in first.run("org", "show")["nodes"]], ["live"])
        first.run("org", "certify", request, "--signature", signed)
        self.assertEqual(sorted(n["state"] for n in first.run("org", "show")["nodes"]), ["live", "live"])

    def test_rule_18_of_three_nodes_two_go_on_alone_once_they_have_each_others_cards(self):
        first = self.node("Watch")
        card = self.file("card", first.run("card", "show")["card"])
        second, third = self.node("Laptop", join=card), self.node("Office", join=card)
        for further in (second, third):
            self.certified(first, further)
            wait_until("it is in the private channel",
                       lambda: [c["state"] for c in further.run("channel", "list")["items"]] == ["joined"], 60)
        own = self.file("own", second.run("card", "show")["card"])
        self.problem(second, "peer", "add", own, exit=1, code="own_card")
        shown = second.run("peer", "add", self.file("third", third.run("card", "show")["card"]))
        self.assertEqual((shown["org_id"], shown["node_id"], shown["state"], shown["address"]),
                         (first.org_id, third.node_id, "own", third.listen))
        self.assertEqual(second.run("peer", "list")["items"], [], "an own node is no peer")
        first.end()
        second.run("report", "new", "--kind", "incident", "--title", "while the first is lost")
        wait_until("the third has it", lambda: third.count() == 1, 60)

    def test_what_cannot_be_a_further_node_is_refused_before_there_is_a_home(self):
        first = self.node("Watch")
        card = first.run("card", "show")["card"]
        home = os.path.join(self.folder, "new")
        for text, code in ((card[:-4] + "aaaa", "bad_checksum"), ("tocsin1", None), ("no card", "bad_prefix")):
            self.problem(first, "--home", home, "init", "--join", self.file("card", text), exit=1, code=code)
            self.assertFalse(os.path.exists(home))
        good = self.file("card", card)
        self.problem(first, "--home", home, "init", "--join", good, "--kind", "ngo", exit=2, code="usage")
        self.problem(first, "--home", home, "init", "--org", "x", exit=2, code="missing_option")
        self.problem(first, "init", "--join", good, exit=1, code="home_exists")
        differ = self.problem(first, "--home", home, "init", "--join", good, "--network", "drill", exit=1, code="wrong_network")
        self.assertIn("the card is of the network tocsin, and this home of the network drill", differ["detail"])
        self.assertIn("tocsin init --network tocsin", differ["detail"])
        self.assertFalse(os.path.exists(home))

    def test_rule_18_a_node_gets_new_keys_and_nobody_notices(self):
        ngo, region = self.node("Watch"), self.node("Region")
        introduce(ngo, region, self.folder)
        channel = ngo.run("channel", "create", "shared")["channel_id"]
        join(ngo, channel, region)
        ngo.run("report", "new", "--kind", "incident", "--title", "before", "--channel", channel)
        wait_until("it arrives", lambda: region.count() == 1, 20)
        epoch, refused = region.run("channel", "show", channel)["epoch"], region.run("status")["refused"]
        request = os.path.join(self.folder, "renewal")
        first = ngo.run("key", "rotate", "--request-out", request)
        again = ngo.run("key", "rotate")
        self.assertEqual((first["node_id"], again["node_id"]), (ngo.node_id, ngo.node_id))
        self.assertEqual(ngo.run("org", "show")["entries"], 2, "nothing has changed yet")
        ngo.run("report", "new", "--kind", "incident", "--title", "between", "--channel", channel)
        ngo.environment["TOCSIN_ROOT_PASSPHRASE_FILE"] = ngo.passphrase_file
        ngo.run("org", "certify", request)
        wait_until("the node signs with the new ones", lambda: self.logged(ngo, "keys_rotated"), 20)
        self.assertTrue(self.logged(ngo, "transport_key_taken"))
        wait_until("the chair makes a new key", lambda: region.run("channel", "show", channel)["epoch"] > epoch, 30)
        ngo.run("report", "new", "--kind", "incident", "--title", "after", "--channel", channel)
        region.run("report", "new", "--kind", "incident", "--title", "theirs", "--channel", channel)
        wait_until("all arrive", lambda: region.count() == ngo.count() == 4, 30)
        listen = ngo.listen
        ngo.end()
        ngo.start(listen)
        ngo.run("report", "new", "--kind", "incident", "--title", "after a restart", "--channel", channel)
        wait_until("it arrives", lambda: region.count() == 5, 30)
        self.assertEqual([n["node_id"] for n in ngo.run("org", "show")["nodes"]], [ngo.node_id])
        self.assertEqual(region.run("status")["refused"], refused)
        # A further node of a member takes the channel by what its chair signed with the keys before.
        laptop = self.node("Laptop", join=self.file("card", region.run("card", "show")["card"]))
        self.certified(region, laptop)
        wait_until("it is in the channel", lambda: "joined" in [
            c["state"] for c in laptop.run("channel", "list")["items"] if c["channel_id"] == channel], 60)
        self.problem(ngo, "org", "certify", request, exit=1)

    def transport_since(self, node):
        return next(k["since"] for k in node.run("key", "status")["items"] if k["name"] == "transport key")

    def renewed(self, node, folder_name):
        """New keys, certified and taken into use."""
        request, taken = os.path.join(self.folder, folder_name), self.log_count(node, "transport_key_taken")
        node.run("key", "rotate", "--request-out", request)
        node.environment["TOCSIN_ROOT_PASSPHRASE_FILE"] = node.passphrase_file
        node.run("org", "certify", request)
        wait_until("the new keys are taken", lambda: self.log_count(node, "transport_key_taken") > taken and self.logged(node, "keys_rotated"), 20)

    def log_count(self, node, code):
        with open(node.home + ".log") as log:
            return log.read().count(code)

    def connected(self, node, peer):
        return any(p["connected"] for p in node.run("peer", "list")["items"] if p["org_id"] == peer.org_id)

    def known_to(self, node, peer):
        """Entries of the peer's organisation log that the node has: a renewal is one more."""
        return node.run("peer", "show", peer.org_id)["entries"]

    def test_rule_18_the_session_goes_on_when_a_node_gets_a_new_transport_key(self):
        ngo, region = self.node("Watch"), self.node("Region")
        introduce(ngo, region, self.folder)
        wait_until("they are in session", lambda: self.connected(ngo, region) and self.connected(region, ngo), 30)
        time.sleep(3)  # two calls that crossed have been settled
        links, since = [self.log_count(n, "link_up") for n in (ngo, region)], self.transport_since(ngo)
        known, refused = self.known_to(region, ngo), region.run("status")["refused"]
        self.renewed(ngo, "renewal")
        self.assertGreater(self.transport_since(ngo), since)
        wait_until("the peer has the new certificate", lambda: self.known_to(region, ngo) != known, 30)
        time.sleep(2)
        self.assertTrue(self.connected(ngo, region) and self.connected(region, ngo))
        self.assertEqual([self.log_count(n, "link_up") for n in (ngo, region)], links, "it is the session of before")
        self.assertEqual(region.run("status")["refused"], refused)
        for node in (ngo, region):
            node.end()
            node.start(node.listen)
            wait_until("and the next one is", lambda: self.connected(ngo, region) and self.connected(region, ngo), 30)

    def test_rule_18_peers_that_were_away_meet_a_node_with_a_new_transport_key(self):
        ngo, caller, called = self.node("Watch"), self.node("Caller"), self.node("Called")
        for peer in (caller, called):
            introduce(ngo, peer, self.folder)
        wait_until("all know each other", lambda: all(self.connected(ngo, p) for p in (caller, called)), 30)
        known, at = [self.known_to(p, ngo) for p in (caller, called)], ngo.listen
        for peer in (caller, called):
            peer.end()
        self.renewed(ngo, "renewal")
        # One knows where the node is, and is itself elsewhere by now; then the other way round.
        caller.start()
        wait_until("the caller reaches it by the key before", lambda: self.connected(caller, ngo), 30)
        ngo.end()
        ngo.start()
        called.start(called.listen)
        wait_until("it reaches the one it calls", lambda: self.connected(called, ngo), 30)
        for peer, before in zip((caller, called), known):
            wait_until("the peer has the new certificate", lambda: self.known_to(peer, ngo) != before, 30)
        ngo.end()
        ngo.start(at)
        wait_until("and all meet again", lambda: all(self.connected(p, ngo) for p in (caller, called)), 60)

    def test_rule_48_a_locked_node_takes_its_new_transport_key(self):
        ngo = self.node("Watch")
        meet = lambda: ngo.run("status")["peers_connected"] == 1
        second = self.node("Laptop", join=self.file("card", ngo.run("card", "show")["card"]))
        ngo.environment["TOCSIN_ROOT_PASSPHRASE_FILE"] = ngo.passphrase_file
        ngo.run("org", "certify", self.file("request", second.request))
        wait_until("the laptop is certified and there", meet, 60)
        request = os.path.join(self.folder, "renewal")
        second.run("key", "rotate", "--request-out", request)
        second.run("lock")
        wait_until("it is locked", lambda: not second.run("status")["unlocked"], 20)
        ngo.run("org", "certify", request)
        wait_until("it takes the key that the log names", lambda: self.logged(second, "transport_key_taken"), 60)
        self.assertFalse(self.logged(second, "keys_rotated"), "the others need the passphrase")
        ngo.end()
        ngo.start(ngo.listen)
        wait_until("and they meet again", meet, 60)
        second.run("unlock")
        wait_until("the others follow", lambda: self.logged(second, "keys_rotated"), 30)
