"""Real Tocsin nodes driven by their command line: what the demonstration and the system tests stand on."""
import json
import os
import signal
import subprocess
import time


class Failed(Exception):
    """Something did not go as it must; the text says what."""


class Node:
    """One home and, while it runs, one process. `extra` goes to `tocsin init`; with `join`, a card's file, it is a further node."""

    def __init__(self, folder, name, kind, country, *extra, program, environment=None, join=None, passphrase=None):
        self._take(os.path.join(folder, name.replace(" ", "-").lower()), name, passphrase or f"six words that only {name} knows", program, environment)
        founding = ["--join", join, "--name", name] if join else ["--org", name, "--kind", kind, "--country", country]
        made = self.run("init", *founding, *extra)
        self.org_id, self.node_id, self.request = made["org_id"], made["node_id"], made.get("request")
        self.recovery_key = made["recovery_key"]

    @classmethod
    def existing(cls, home, name, passphrase, program, environment=None):
        """A home that is there already; its ids are known once it has been started."""
        node = cls.__new__(cls)
        node._take(home, name, passphrase, program, environment)
        node.org_id, node.node_id, node.request = None, None, None
        return node

    def _take(self, home, name, passphrase, program, environment):
        self.name, self.program, self.home = name, program, home
        self.process, self.listen, self.log = None, None, None
        self.passphrase_file = self.home + ".passphrase"
        with open(os.open(self.passphrase_file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as out:
            out.write(passphrase + "\n")
        self.environment = dict(os.environ, TOCSIN_HOME=self.home, TOCSIN_PASSPHRASE_FILE=self.passphrase_file, **(environment or {}))

    def raw(self, *words, stdin=None, timeout=120, environment=None):
        return subprocess.run([self.program, "--output", "json", "--yes", *words], env=dict(self.environment, **(environment or {})),
                              text=True, input=stdin, capture_output=True, timeout=timeout)

    def run(self, *words, allowed=(0,), stdin=None):
        """The answer as an object; Failed on an exit code that is not allowed."""
        done = self.raw(*words, stdin=stdin)
        if done.returncode not in allowed:
            raise Failed(f"{self.name}: tocsin {' '.join(words)[:120]} ended with {done.returncode}: {(done.stderr or done.stdout).strip()[:400]}")
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def start(self, listen="127.0.0.1:0"):
        self.log = open(self.home + ".log", "a")
        self.process = subprocess.Popen([self.program, "run", "--listen", listen], env=self.environment, stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("ready "):
            code = self.process.wait(30)
            raise Failed(f"{self.name}: did not get ready (exit {code}); see {self.home}.log")
        self.listen = dict(part.split("=", 1) for part in line.split()[1:])["listen"]
        if self.node_id is None:
            status = self.run("status")
            self.org_id, self.node_id = status["org"]["org_id"], status["node_id"]
        return self

    def end(self, how=signal.SIGTERM):
        """Exit code, or None when it did not run."""
        if not self.process:
            return None
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(30)
        self.process.stdout.close()
        self.log.close()
        self.process = None
        return code

    def count(self):
        return self.run("report", "list", "--count")["count"]

    def memory_kib(self, key="RssAnon"):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith(key + ":"))


def wait_until(what, check, seconds=60, every=0.05):
    """The first true answer of `check`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = check()
        if answer:
            return answer
        time.sleep(every)
    raise Failed(f"not within {seconds} s: {what}")


def introduce(a, b, folder):
    """Cards go both ways, and both read their words out to each other."""
    for here, there in ((a, b), (b, a)):
        card = there.run("card", "show")
        path = os.path.join(folder, os.path.basename(there.home) + ".card")
        with open(path, "w") as out:
            out.write(card["card"] + "\n")
        here.run("peer", "add", path)
        here.run("peer", "verify", there.org_id, card["words"])


def join(owner, channel, member):
    owner.run("channel", "add", channel, member.org_id)
    wait_until(f"{member.name} is offered the channel",
               lambda: any(c["channel_id"] == channel for c in member.run("channel", "list")["items"]))
    member.run("channel", "accept", channel)
