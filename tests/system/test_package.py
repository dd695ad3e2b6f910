"""The Debian package: what is in it, who may read it, and the program in it under a service manager, without installing anything."""
import hashlib
import os
import re
import select
import shutil
import signal
import socket
import stat
import subprocess
import time

from support import BUILD, PROGRAM, ROOT, NodesTestCase
from nodes import Node

FILES = {
    "usr/bin/tocsin": 0o755,
    "usr/lib/systemd/system/tocsin.service": 0o644,
    "usr/lib/sysusers.d/tocsin.conf": 0o644,
    "usr/lib/tmpfiles.d/tocsin.conf": 0o644,
    "usr/share/bash-completion/completions/tocsin": 0o644,
    "usr/share/doc/tocsin/README.Debian": 0o644,
    "usr/share/doc/tocsin/changelog.gz": 0o644,
    "usr/share/doc/tocsin/copyright": 0o644,
    "usr/share/doc/tocsin/operator.md.gz": 0o644,
    "usr/share/man/man1/tocsin.1.gz": 0o644,
}
WATCHDOG_USEC = 2_000_000


def output(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


class ServiceManager:
    """The socket that a service reports to."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)

    def hear(self, seconds):
        """The next message, or nothing."""
        if not select.select([self.socket], [], [], seconds)[0]:
            return None
        return self.socket.recv(4096).decode()

    def drain(self):
        while self.hear(0):
            pass


class Package(NodesTestCase):
    @classmethod
    def setUpClass(cls):
        cls.out = os.path.join(BUILD, "package-test")
        shutil.rmtree(cls.out, ignore_errors=True)
        made = [subprocess.run([os.path.join(ROOT, "tools", "package"), "--program", PROGRAM, "--out", os.path.join(cls.out, n)],
                               check=True, capture_output=True, text=True).stdout.strip() for n in ("first", "second")]
        cls.deb, cls.again = made
        cls.tree, cls.scripts = os.path.join(cls.out, "tree"), os.path.join(cls.out, "scripts")
        subprocess.run(["dpkg-deb", "-x", cls.deb, cls.tree], check=True)
        subprocess.run(["dpkg-deb", "-e", cls.deb, cls.scripts], check=True)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.out, ignore_errors=True)

    def manager(self, folder):
        made = ServiceManager(folder)
        self.addCleanup(made.socket.close)
        return made

    def text(self, path, folder=None):
        with open(os.path.join(folder or self.tree, path)) as file:
            return file.read()

    def test_control_says_what_it_is_and_needs(self):
        fields = dict(line.split(": ", 1) for line in output("dpkg-deb", "-f", self.deb).splitlines() if re.match(r"^\S+: ", line))
        version = output(PROGRAM, "--version").split()[-1]
        self.assertEqual((fields["Package"], fields["Version"]), ("tocsin", version))
        self.assertEqual(fields["Architecture"], output("dpkg", "--print-architecture").strip())
        self.assertEqual(os.path.basename(self.deb), f"tocsin_{version}_{fields['Architecture']}.deb")
        for needed in ("libc6 (>=", "libsodium23 (>=", "liblmdb0 (>=", "libsqlite3-0 (>=", "systemd (>= 252)"):
            self.assertIn(needed, fields["Depends"])
        self.assertTrue(set(fields) >= {"Maintainer", "Installed-Size", "Section", "Priority", "Description"})

    def test_every_file_is_there_roots_and_readable_and_nothing_else(self):
        listed = output("dpkg-deb", "-c", self.deb).splitlines()
        for line in listed:
            self.assertEqual(line.split()[1], "root/root", line)
        found = {os.path.relpath(os.path.join(where, name), self.tree): stat.S_IMODE(os.lstat(os.path.join(where, name)).st_mode)
                 for where, _, names in os.walk(self.tree) for name in names}
        self.assertEqual(found, FILES)
        sums = dict(reversed(line.split("  ", 1)) for line in self.text("md5sums", self.scripts).splitlines())
        self.assertEqual(set(sums), set(FILES))
        for path, known in sums.items():
            with open(os.path.join(self.tree, path), "rb") as file:
                self.assertEqual(hashlib.md5(file.read()).hexdigest(), known)

    def test_one_program_packs_to_the_same_bytes(self):
        with open(self.deb, "rb") as first, open(self.again, "rb") as second:
            self.assertEqual(hashlib.sha256(first.read()).hexdigest(), hashlib.sha256(second.read()).hexdigest())

    def test_scripts_are_sound_shell_and_delete_nothing(self):
        self.assertEqual(sorted(os.listdir(self.scripts)), ["control", "md5sums", "postinst", "postrm", "prerm"])
        for name in ("postinst", "postrm", "prerm"):
            subprocess.run(["sh", "-n", os.path.join(self.scripts, name)], check=True)
            self.assertNotRegex(re.sub(r'echo ".*"', "", self.text(name, self.scripts)), r"\b(rm|rmdir|userdel|deluser)\b")
        # As dpkg calls them, in a root of their own that has none of the commands: nothing fails, nothing is touched.
        environment = {"PATH": "/usr/bin:/bin", "DPKG_ROOT": self.folder}
        os.makedirs(os.path.join(self.folder, "var/lib/tocsin"))
        with open(os.path.join(self.folder, "var/lib/tocsin/home"), "w") as file:
            file.write("tocsin home 1\n")
        for script, words in (("prerm", ["upgrade", "9"]), ("prerm", ["remove"]), ("postrm", ["remove"]), ("postrm", ["purge"])):
            done = subprocess.run(["sh", os.path.join(self.scripts, script), *words], env=environment, capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        self.assertIn("/var/lib/tocsin", done.stderr, "purge says where the keys still are")
        self.assertTrue(os.path.exists(os.path.join(self.folder, "var/lib/tocsin/home")))

    def test_the_service_is_what_the_documents_say(self):
        unit = self.text("usr/lib/systemd/system/tocsin.service")
        for line in ("Type=notify", "User=tocsin", "StateDirectory=tocsin", "StateDirectoryMode=0700", "Environment=TOCSIN_HOME=/var/lib/tocsin",
                     "LoadCredential=tocsin.storage", "Restart=on-failure", "NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet=",
                     "LimitCORE=0", "MemoryDenyWriteExecute=yes", "PrivateDevices=yes"):
            self.assertIn("\n" + line + "\n", unit)
        self.assertRegex(unit, r"\nWatchdogSec=\d+\n")
        self.assertIn("tocsin", self.text("usr/lib/sysusers.d/tocsin.conf"))
        self.assertIn("d /var/lib/tocsin 0700 tocsin tocsin", self.text("usr/lib/tmpfiles.d/tocsin.conf"))
        if not shutil.which("systemd-analyze"):
            return
        there = os.path.join(self.folder, "tocsin.service")
        with open(there, "w") as file:
            file.write(unit.replace("/usr/bin/tocsin", os.path.join(self.tree, "usr/bin/tocsin")))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", there], capture_output=True, text=True)
        self.assertNotIn("tocsin.service:", done.stderr, "verify finds nothing to say")
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", there], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout[-300:])

    def test_manual_and_completion_are_those_of_the_program(self):
        manual = output("zcat", os.path.join(self.tree, "usr/share/man/man1/tocsin.1.gz"))
        self.assertEqual(manual, output(PROGRAM, "man"))
        path = os.path.join(self.tree, "usr/share/bash-completion/completions/tocsin")
        answered = output("bash", "-c", f"source {path}; COMP_WORDS=(tocsin migr); COMP_CWORD=1; _tocsin; echo ${{COMPREPLY[@]}}")
        self.assertEqual(answered.strip(), "migrate")

    def test_its_program_reports_to_the_service_manager_from_start_to_end(self):
        manager = self.manager(self.folder)
        node = Node(self.folder, "Packaged", "ngo", "BGD", program=os.path.join(self.tree, "usr/bin/tocsin"))
        self.nodes.append(node)
        node.environment.update(NOTIFY_SOCKET=manager.path, WATCHDOG_USEC=str(WATCHDOG_USEC))
        node.start()
        self.assertEqual(manager.hear(5), "READY=1")
        # Half of what is allowed passes between two of them; the whole of it must never.
        for _ in range(5):
            begin = time.monotonic()
            self.assertEqual(manager.hear(WATCHDOG_USEC / 1e6), "WATCHDOG=1")
        self.assertGreater(time.monotonic() - begin, WATCHDOG_USEC / 1e6 / 4, "and it does not babble")
        self.assertEqual(node.run("status")["reports"], 0)
        # A process that is stuck is silent.
        node.process.send_signal(signal.SIGSTOP)
        manager.drain()
        self.assertIsNone(manager.hear(2 * WATCHDOG_USEC / 1e6))
        node.process.send_signal(signal.SIGCONT)
        self.assertEqual(manager.hear(5), "WATCHDOG=1")
        manager.drain()
        self.assertEqual(node.end(), 0)
        said = []
        while (message := manager.hear(0)) is not None:
            said.append(message)
        self.assertEqual([m for m in said if m != "WATCHDOG=1"], ["STOPPING=1"])

    def test_a_watchdog_for_another_process_is_none_of_ours(self):
        for number, changes in enumerate(({"WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "0"})):
            folder = os.path.join(self.folder, str(number))
            os.mkdir(folder)
            manager = self.manager(folder)
            node = self.node(f"Unwatched {number}", start=False)
            node.environment.update({"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": str(WATCHDOG_USEC), **changes})
            node.start()
            self.assertEqual(manager.hear(5), "READY=1")
            self.assertIsNone(manager.hear(WATCHDOG_USEC / 1e6))
