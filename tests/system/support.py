"""What the system tests share: folders of their own, real nodes that are ended whatever happens."""
import os
import shutil
import signal
import sys
import tempfile
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tools", "demonstration"))
sys.dont_write_bytecode = True
from nodes import Failed, Node, introduce, join, wait_until  # noqa: E402,F401

BUILD = os.path.abspath(os.environ["BUILD"])
PROGRAM = os.path.join(BUILD, "tocsin")
GED = os.path.join(ROOT, "tests", "data", "ged", "ged191-myanmar-bangladesh.csv")
GED_ROWS = 3194


def put_back(home, image):
    """An image of the disk: the folder stays the one it was, so that the home itself sees nothing of it (rule 21)."""
    for name in os.listdir(home):
        path = os.path.join(home, name)
        shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
    for name in os.listdir(image):
        os.rename(os.path.join(image, name), os.path.join(home, name))
    os.rmdir(image)


class NodesTestCase(unittest.TestCase):
    def setUp(self):
        # Unix sockets have short paths: not below a deep TMPDIR.
        self.folder = tempfile.mkdtemp(prefix="tocsin-test.", dir="/tmp")
        self.nodes = []

    def tearDown(self):
        for node in self.nodes:
            node.end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def node(self, name, kind="ngo", country="BGD", start=True, environment=None, extra=(), join=None):
        made = Node(self.folder, name, kind, country, *extra, program=PROGRAM, environment=environment, join=join)
        self.nodes.append(made)
        return made.start() if start else made

    def secret(self, name, *lines):
        """A file that nobody else may read."""
        path = os.path.join(self.folder, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.write("\n".join(lines) + "\n")
        return path

    def problem(self, node, *words, exit, code=None, stdin=None):
        """The command fails with this exit code, one problem object on standard error and nothing on standard output."""
        import json
        done = node.raw(*words, stdin=stdin)
        self.assertEqual(done.returncode, exit, f"{words}: {done.stdout[:300]} {done.stderr[:300]}")
        self.assertEqual(done.stdout, "")
        problem = json.loads(done.stderr)
        if code:
            self.assertEqual(problem["code"], code)
        self.assertTrue(problem["detail"])
        return problem
