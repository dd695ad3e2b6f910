"""docs/trust.md is what it says: every command in it runs, in its order, with real nodes, and each procedure ends as the document states.

In the document: ```console blocks of `MACHINE$ COMMAND`, or `MACHINE^C`, which ends its node. Behind the command may stand `# until: TEXT` (again, until
it shows TEXT) or `# refused: CODE`. KIND_OF_MACHINE, and REPORT for the last one written, are filled in with what a machine has shown.
"""
import json
import os
import re
import shlex
import signal
import subprocess
import time
import unittest

from support import PROGRAM, ROOT, NodesTestCase, wait_until

DOCUMENT = os.path.join(ROOT, "docs", "trust.md")
LINE = re.compile(r"^(?P<machine>[a-z]+)(?:\$ (?P<command>.*?)(?:  # (?P<ends>until|refused): ?(?P<what>.*))?|(?P<end>\^C))$")
PLACEHOLDER = re.compile(r"\b(?:(WORDS|NODE|REQUEST|RECOVERY_KEY)_OF_([A-Z]+)|REPORT|LAST_GOOD)\b")
ORGANISATION = {"laptop": "watch", "new": "watch", "spare": "watch"}


def procedures(text):
    """[(heading, [command lines], prose)] of the document; AssertionError for a command that stands where nothing would run it."""
    found, block = [], None
    for number, line in enumerate(text.splitlines(), 1):
        fence = line.strip().startswith("```")
        if block is None and line.startswith("## "):
            found.append((line[3:], [], []))
        elif fence and block is None:
            block = line.strip()[3:]
        elif fence:
            block = None
        elif block is not None:
            match = LINE.match(line.strip())
            assert block == "console" and match and found, f"{DOCUMENT}:{number}: no test runs this: {line.strip()}"
            found[-1][1].append(match.groupdict())
        else:
            assert not re.match(r"\s{4,}(\w+\$ |tocsin )", line), f"{DOCUMENT}:{number}: no test runs this: {line.strip()}"
            if found:
                found[-1][2].append(line)
    return [(heading, lines, "\n".join(prose)) for heading, lines, prose in found]


def verb(command):
    """`tocsin org sign x` -> "org sign", `tocsin lock` -> "lock"; None where it is another program."""
    words = re.sub(r"^.*?\btocsin ", "", command).split() if re.search(r"\btocsin ", command) else []
    known = {"org", "card", "peer", "channel", "report", "sync", "backup", "key"}
    return " ".join(words[:2] if words and words[0] in known else words[:1]) or None


class Attacks(unittest.TestCase):
    def test_each_attack_of_the_security_document_names_tests_that_exist(self):
        with open(os.path.join(ROOT, "docs", "security.md")) as file:
            rows = re.findall(r"^\|.*\|$", file.read().split("## Attacks\n")[1].split("\n## ")[0], re.M)[2:]
        self.assertGreaterEqual(len(rows), 25)
        tests = ""
        for folder, _, names in os.walk(os.path.join(ROOT, "tests")):
            for name in names:
                if name.endswith("_test.cc") or name.startswith("test_") and name.endswith(".py"):
                    with open(os.path.join(folder, name)) as file:
                        tests += file.read()
        for row in rows:
            named = re.findall(r"`(\w+)`", row.split("|")[5])
            self.assertTrue(named, row)
            for name in named:
                self.assertRegex(tests, rf"(TEST(_F)?\(\w+,\s*|def ){name}\(?\)?", row)


class TrustDoc(NodesTestCase):
    def setUp(self):
        super().setUp()
        self.stick = os.path.join(self.folder, "stick")
        bin_folder = os.path.join(self.folder, "bin")
        os.mkdir(self.stick)
        os.mkdir(bin_folder)
        with open(os.path.join(bin_folder, "tocsin"), "w") as out:
            out.write(f'#!/bin/sh\nexec {shlex.quote(PROGRAM)} --output json --yes "$@"\n')
        os.chmod(out.name, 0o755)
        self.path = bin_folder + os.pathsep + os.environ["PATH"]
        self.roots = self.secret("roots", *["of a root key"] * 8)
        self.known, self.listen, self.running, self.passphrases = {}, {}, {}, {}
        self.report = self.last = None

    def tearDown(self):
        for machine in list(self.running):
            self.end(machine, signal.SIGKILL)
        super().tearDown()

    # What the machines are.
    def home(self, machine):
        return os.path.join(self.folder, machine)

    def environment(self, machine):
        """Machines of one organisation share their passphrase; `spare` is one where nobody knows it any more."""
        owner = machine if machine == "spare" else ORGANISATION.get(machine, machine)
        if owner not in self.passphrases:
            self.passphrases[owner] = self.secret(owner + ".passphrase", f"the passphrase of {owner}")
        return dict(os.environ, PATH=self.path, TOCSIN_HOME=self.home(machine), TOCSIN_PASSPHRASE_FILE=self.passphrases[owner],
                    TOCSIN_ROOT_PASSPHRASE_FILE=self.roots, TOCSIN_NEW_PASSPHRASE_FILE=self.secret("new.passphrase", "a quite new passphrase"),
                    TOCSIN_LISTEN=self.listen.get(machine, "127.0.0.1:0"))

    def start(self, machine, command):
        environment = self.environment(machine)
        before, command = re.match(r"(?:(\w+=\S+) )?(.*)", command).groups()
        if before:  # what a service manager gives: then no passphrase is at hand
            name, value = before.split("=")
            environment[name] = os.path.join(self.stick, value)
            del environment["TOCSIN_PASSPHRASE_FILE"]
        with open(self.home(machine) + ".log", "a") as log:
            process = subprocess.Popen(shlex.split(command), cwd=self.stick, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
        self.running[machine] = process
        line = process.stdout.readline()
        self.assertTrue(line.startswith("ready "), f"{machine}$ {command}: did not get ready; see {log.name}")
        self.listen[machine] = re.search(r"listen=(\S+)", line)[1]

    def end(self, machine, how=signal.SIGTERM):
        """Its exit code; without a signal it ends by itself."""
        process = self.running.pop(machine)
        if how and process.poll() is None:
            process.send_signal(how)
        process.stdout.close()
        return process.wait(30)

    def shell(self, machine, command):
        return subprocess.run(["sh", "-c", command], cwd=self.stick, env=self.environment(machine), text=True, capture_output=True, timeout=120)

    def ask(self, machine, *words):
        done = self.shell(machine, shlex.join(["tocsin", *words]))
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    # What a line of the document does.
    def filled(self, match):
        kind, machine = match.groups()
        if match[0] == "LAST_GOOD":
            return str(self.last_good)
        if not kind:
            return self.report
        machine = machine.lower()
        if kind == "WORDS":
            return self.ask(machine, "card", "show")["words"]
        return self.known[machine][{"NODE": "node_id", "REQUEST": "request", "RECOVERY_KEY": "recovery_key"}[kind]]

    def line(self, machine, command, ends, what, end):
        if end:
            self.assertEqual(self.end(machine), 0)
            return
        command = PLACEHOLDER.sub(self.filled, command)
        if re.search(r"(^| )tocsin run$", command):
            self.start(machine, command)
            return
        limit = time.monotonic() + 60
        while True:
            done = self.shell(machine, command)
            code = json.loads(done.stderr)["code"] if done.stderr.startswith("{") else None
            if code == "home_in_use" and machine in self.running and time.monotonic() < limit:
                time.sleep(0.1)  # just wiped, it is still ending
                continue
            said = f"{machine}$ {command}\nended with {done.returncode}: {done.stdout[:600]}{done.stderr[:600]}"
            if ends == "refused":
                self.assertNotEqual(done.returncode, 0, said)
                self.assertEqual(code, what, said)
                return
            self.assertEqual(done.returncode, 0, said)
            if ends is None or what in done.stdout:
                break
            self.assertLess(time.monotonic(), limit, "never showed " + what + "\n" + said)
            time.sleep(0.1)
        self.last = json.loads(done.stdout) if done.stdout.startswith("{") else None
        if verb(command) in ("init", "backup restore"):
            self.known[machine] = self.last
        if verb(command) == "report new" and "id" in self.last:
            self.report = self.last["id"]
        if verb(command) == "key passphrase":
            self.passphrases[machine] = self.secret(machine + ".passphrase", "a quite new passphrase")

    # What a person sees in the end.
    def titles(self, machine):
        return sorted(r["title"] for r in self.ask(machine, "report", "list")["items"])

    def members(self, machine):
        return sorted(m["name"] for m in self.ask(machine, "channel", "show", "river")["members"])

    def states(self, machine):
        return {n["node_id"]: n["state"] for n in self.ask(machine, "org", "show")["nodes"]}

    def node_of(self, machine):
        return self.known[machine]["node_id"]

    def founded(self):
        org = self.ask("watch", "org", "show")
        self.assertEqual((len(org["roots"]), org["threshold"], len(org["nodes"])), (3, 2, 1))
        self.assertEqual(len([w for w in self.ask("watch", "status")["warnings"] if self.stick in w]), 6)
        self.first_roots = org["roots"]

    def verified(self):
        for machine, peers in (("watch", ["Lake Aid", "Regional Body"]), ("region", ["River Watch"]), ("aid", ["River Watch"])):
            items = self.ask(machine, "peer", "list")["items"]
            self.assertEqual(sorted((p["name"], p["state"]) for p in items), [(name, "verified") for name in peers])

    def joined(self):
        for machine in ("watch", "region", "aid"):
            wait_until("it knows the others", lambda: self.members(machine) == ["Lake Aid", "Regional Body", "River Watch"], 30)
        self.assertNotIn("invited", [c["state"] for c in self.ask("watch", "channel", "list")["items"]])

    def read(self):
        readers = self.ask("watch", "report", "readers", self.report)["readers"]
        self.assertEqual(sorted(r["name"] for r in readers if r["name"] != "River Watch"), ["Lake Aid", "Regional Body"])

    def granted(self):
        for machine in ("watch", "region", "aid"):
            given = lambda: [(g["name"], g["from_epoch"]) for g in self.ask(machine, "channel", "show", "river")["grants"]]
            wait_until("everybody sees it", lambda: given() == [("Regional Body", 1)], 30)

    def removed(self):
        self.assertEqual(self.members("watch"), ["Regional Body", "River Watch"])
        self.assertEqual(self.titles("aid"), ["Boats without lights", "Village burnt"], "what it had stays, and nothing came")
        self.assertEqual(self.titles("region"), ["Boats on the river", "Village burnt"])
        self.assertEqual(self.ask("watch", "sync", "explain", self.report, "Lake Aid")["state"], "not_shared")
        self.assertEqual(self.ask("watch", "peer", "show", "Lake Aid")["state"], "blocked")
        self.epoch = self.ask("watch", "channel", "show", "river")["epoch"]

    def rotated(self):
        self.assertEqual(self.ask("watch", "channel", "show", "river")["epoch"], self.epoch + 1)

    def further(self):
        self.assertEqual(self.states("watch"), {self.node_of("watch"): "live", self.node_of("laptop"): "live"})
        joined = lambda: {c["state"] for c in self.ask("laptop", "channel", "list")["items"]}
        wait_until("it is in every channel", lambda: joined() == {"joined"}, 30)
        wait_until("and has what came before", lambda: self.titles("laptop") == ["Boats on the river", "Boats without lights", "Village burnt"], 60)
        self.epoch = self.ask("watch", "channel", "show", "river")["epoch"]

    def transport_since(self):
        return next(k["since"] for k in self.ask("laptop", "key", "status")["items"] if k["name"] == "transport key")

    def before_renewal(self):
        self.since = self.transport_since()

    def renewed(self):
        wait_until("the new transport key counts", lambda: self.transport_since() > self.since, 30)
        wait_until("the chair makes a new key", lambda: self.ask("watch", "channel", "show", "river")["epoch"] > self.epoch, 60)
        self.epoch = self.ask("watch", "channel", "show", "river")["epoch"]
        self.assertEqual(self.states("watch"), {self.node_of("watch"): "live", self.node_of("laptop"): "live"})
        wait_until("they go on talking", lambda: self.ask("laptop", "status")["peers_connected"] > 0, 30)

    def unlocked(self):
        for machine in ("laptop", "watch"):
            self.assertTrue(self.ask(machine, "status")["unlocked"])

    def backed_up(self):
        self.assertEqual([c["state"] for c in self.last["checks"] if c["name"] == "backup"], ["ok"])

    def warned(self):
        self.assertEqual(self.titles("aid"), ["Boats without lights", "Village burnt"])
        self.assertNotIn("Boats without lights", self.titles("region"))
        self.assertEqual([m["name"] for m in self.ask("watch", "channel", "show", "warnings")["members"]], ["River Watch"])

    def left(self):
        self.assertEqual(self.states("watch"), {self.node_of("watch"): "live", self.node_of("laptop"): "revoked"})
        wait_until("the channel has a new key", lambda: self.ask("watch", "channel", "show", "river")["epoch"] > self.epoch, 30)
        self.assertEqual(self.end("laptop", None), 0, "the wiped node has ended")
        self.assertEqual(os.listdir(os.path.join(self.home("laptop"), "keys")), [])
        self.assertFalse(os.path.exists(os.path.join(self.stick, "watch-1.backup")))

    def restored(self):
        found = self.states("new")
        self.assertEqual((found[self.node_of("watch")], found[self.node_of("new")]), ("revoked", "live"))
        everything = ["After the backup", "Boats on the river", "From the new server", "Village burnt"]
        self.assertEqual(self.titles("new"), sorted(everything + ["Boats without lights"]))
        self.assertEqual(self.titles("region"), everything)

    def recovered(self):
        wait_until("what the backup held is read", lambda: self.titles("spare") == ["Boats on the river", "Boats without lights", "Village burnt"], 30)

    def stolen(self):
        """What the procedure is for: with two of the roots somebody certifies a node of its own, and revokes the server."""
        self.last_good = self.ask("new", "org", "show")["entries"]
        self.shell("new", "tocsin card show > new.card")
        done = self.shell("mallory", "tocsin init --join new.card --name Mallory")
        self.assertEqual(done.returncode, 0, done.stderr)
        made = json.loads(done.stdout)
        self.mallory = made["node_id"]
        with open(os.path.join(self.stick, "mallory.txt"), "w") as out:
            out.write(made["request"] + "\n")
        self.shell("new", "tocsin org certify mallory.txt --request-out theft.txt")
        for number in (1, 3):
            self.shell("away", f"tocsin org sign theft.txt --root root-{number}/root-{number}.key --out theft.{number}")
        done = self.shell("new", "tocsin org certify mallory.txt --signature theft.1 --signature theft.3")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.states("new")[self.mallory], "live")

    def taken_over(self):
        org = self.ask("new", "org", "show")
        self.assertFalse(set(org["roots"]) & set(self.first_roots))
        self.assertNotIn(self.mallory, self.states("new"))
        self.assertEqual([(e["change"], e["node_id"]) for e in org["superseded"]], [("certify", self.mallory)])
        self.assertEqual(org["superseded"][0]["entry"], self.last_good + 1)
        self.assertEqual((len(org["roots"]), org["threshold"]), (3, 2))
        # Others that the partner knows by a roster alone may stand there, too.
        connected = lambda: [p["name"] for p in self.ask("region", "peer", "list")["items"] if p["connected"]]
        wait_until("the partner goes on with it", lambda: connected() == ["River Watch"], 60)

    def wiped(self):
        self.assertEqual(self.end("spare", None), 0, "the wiped node has ended")
        self.assertEqual(os.listdir(os.path.join(self.home("spare"), "keys")), [])

    OUTCOMES = {"Found an organisation, its roots kept apart": founded, "Exchange cards and verify the words": verified,
                "Make a channel, invite, accept": joined, "See who can read": read,
                "Let somebody warn who is shown nobody": warned,
                "Give a newcomer what was written before it joined": granted, "Remove a member, and see that it ended": removed,
                "Make a new key for a channel": rotated, "Add a further node, signing on a machine without a network": further,
                "Give a node new keys": renewed,
                "Lock and unlock": unlocked, "Start again without a person": unlocked, "Back up, and prove the backup": backed_up,
                "Someone has left": left, "Restore after a loss": restored, "The passphrase is lost": recovered,
                "Our root keys were stolen: let the next roots take over": taken_over, "Wipe": wiped}

    BEFORE = {"Give a node new keys": before_renewal, "Our root keys were stolen: let the next roots take over": stolen}

    def test_every_command_of_the_document_runs_and_ends_as_it_says(self):
        with open(DOCUMENT) as file:
            found = procedures(file.read())
        self.assertEqual([heading for heading, lines, _ in found if lines], list(self.OUTCOMES), "procedures that end in something seen")
        run = {verb(line["command"]) for _, lines, _ in found for line in lines if line["command"]}
        for heading, _, prose in found:
            for named in re.findall(r"`(tocsin [a-z][^`]*)`", prose):
                self.assertIn(verb(named), run, f"named in {heading}, and run nowhere")
        for heading, lines, _ in found:
            if heading in self.BEFORE:
                self.BEFORE[heading](self)
            for line in lines:
                self.line(**line)
            if lines:
                self.OUTCOMES[heading](self)
