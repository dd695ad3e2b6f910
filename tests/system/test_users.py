"""People of an organisation: what each may do, on the socket and over TCP, at each of its nodes, and what is written down."""
import http.client
import json
import os
import subprocess
import time

from support import PROGRAM, NodesTestCase, wait_until


class Users(NodesTestCase):
    def with_tcp(self, node):
        """The same node, started again with an API on a loopback address."""
        node.end()
        node.log = open(node.home + ".log", "a")
        node.process = subprocess.Popen([PROGRAM, "run", "--listen", node.listen or "127.0.0.1:0", "--api", "127.0.0.1:0"],
                                        env=node.environment, stdout=subprocess.PIPE, stderr=node.log, text=True)
        first, second = node.process.stdout.readline(), node.process.stdout.readline()
        node.listen = dict(part.split("=", 1) for part in first.split()[1:])["listen"]
        node.api = second.strip().split("api=http://")[1]
        return node

    def http(self, node, method, path, body=None, token=None, **headers):
        """Status and answer."""
        connection = http.client.HTTPConnection(node.api, timeout=30)
        if token:
            headers["Authorization"] = "Bearer " + token
        connection.request(method, "/api/v1" + path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text)

    def code(self, *call, **more):
        status, answer = self.http(*call, **more)
        return status, answer.get("code")

    def add(self, node, name, role, password=None):
        if not password:
            return node.run("user", "add", name, "--role", role)
        done = node.raw("user", "add", name, "--role", role, "--password",
                        environment={"TOCSIN_USER_PASSWORD_FILE": self.secret("password", password)})
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    REPORT = {"report": {"kind": "incident", "title": "seen"}}

    def test_each_role_does_what_it_may_and_no_more(self):
        node = self.with_tcp(self.node("Watch"))
        token = {}
        for role in ("admin", "analyst", "trainee", "reader"):
            self.add(node, role + " one", role)
            token[role] = node.run("user", "token", role + " one")["token"]
        self.assertEqual(self.code(node, "GET", "/reports"), (401, "unauthorised"))
        self.assertEqual(self.code(node, "GET", "/reports", token="tocsintoken1aaaa"), (401, "unauthorised"))
        for role, good in token.items():
            for path in ("/status", "/reports", "/inbox", "/channels", "/alerts"):
                self.assertEqual(self.http(node, "GET", path, token=good)[0], 200, (role, path))
            self.assertEqual(self.code(node, "GET", "/sources", token=good), (403, "denied"), role)
        # A doctor that may not ask says so, and who may: the node is there.
        asks = {"TOCSIN_TOKEN_FILE": self.secret("token", token["reader"])}
        done = node.raw("doctor", environment=asks)
        self.assertEqual((done.returncode, done.stdout, json.loads(done.stderr)["code"]), (4, "", "denied"))
        self.assertEqual(json.loads(done.stderr)["detail"], "this takes the role admin, and reader one is reader")
        done = node.raw("doctor", environment={"TOCSIN_TOKEN_FILE": self.secret("token", token["admin"])})
        self.assertTrue(json.loads(done.stdout)["checks"], done.stderr)
        done = node.raw("doctor", environment={"TOCSIN_TOKEN_FILE": "/missing"})
        self.assertEqual((done.returncode, json.loads(done.stderr)["code"]), (1, "file_not_readable"))
        draft = {"report": dict(self.REPORT["report"], status="Exercise")}
        allowed = lambda method, path, body=None: [r for r in token if self.http(node, method, path, body, token[r])[0] < 300]
        self.assertEqual(allowed("POST", "/reports", self.REPORT), ["admin", "analyst"])
        self.assertEqual(allowed("POST", "/reports", draft), ["admin", "analyst", "trainee"])
        self.assertEqual(allowed("GET", "/reports/export?format=json"), ["admin", "analyst"])
        self.assertEqual(allowed("GET", "/users"), ["admin"])
        self.assertEqual(allowed("GET", "/audit"), ["admin"])
        self.assertEqual(allowed("POST", "/channels", {"name": "theirs"}), ["admin"])
        self.assertEqual(self.code(node, "POST", "/channels", {"name": "x"}, token["analyst"]), (403, "denied"))

    def test_a_token_is_good_within_its_scope_until_it_is_revoked_or_its_user_removed(self):
        node = self.with_tcp(self.node("Watch"))
        self.add(node, "Ada", "analyst")
        made = node.run("user", "token", "Ada", "--scope", "read", "--days", "2")
        read, write = made["token"], node.run("user", "token", "Ada")["token"]
        self.assertEqual(made["scope"], "read")
        self.assertEqual(self.http(node, "GET", "/reports", token=read)[0], 200)
        self.assertEqual(self.code(node, "POST", "/reports", self.REPORT, read), (403, "denied"))
        self.assertEqual(self.http(node, "POST", "/reports", self.REPORT, write)[0], 201)
        self.problem(node, "user", "token", "Ada", "--scope", "admin", exit=1, code="scope_above_role")
        self.problem(node, "user", "token", "Ada", "--days", "367", exit=1, code="bad_expiry")
        self.problem(node, "user", "token", "Bob", exit=1, code="unknown_user")
        self.problem(node, "user", "add", "Ada", "--role", "reader", exit=1, code="user_exists")
        self.problem(node, "user", "add", "owner", "--role", "admin", exit=1, code="user_exists")
        node.run("user", "token", "Ada", "--revoke", made["token_id"][:8])
        self.assertEqual(self.code(node, "GET", "/reports", token=read), (401, "unauthorised"))
        self.assertEqual(self.http(node, "GET", "/reports", token=write)[0], 200)
        # The command line says who it is by a token, too; a file that others may read is none.
        named = lambda *words: node.raw(*words, environment={"TOCSIN_TOKEN_FILE": self.secret("token", write)})
        self.assertEqual(named("report", "list").returncode, 0)
        self.assertEqual(named("user", "list").returncode, 4)
        path = self.secret("exposed", write)
        os.chmod(path, 0o644)
        done = node.raw("report", "list", environment={"TOCSIN_TOKEN_FILE": path})
        self.assertEqual(json.loads(done.stderr)["code"], "exposed_file")
        # All of it outlives a restart, and ends with the user.
        self.with_tcp(node)
        self.assertEqual(self.http(node, "GET", "/reports", token=write)[0], 200)
        self.assertEqual([u["name"] for u in node.run("user", "list")["items"]], ["Ada"])
        node.run("user", "remove", "Ada")
        self.assertEqual(self.code(node, "GET", "/reports", token=write), (401, "unauthorised"))
        self.assertEqual(named("report", "list").returncode, 4)
        self.assertEqual(node.run("user", "list")["items"], [])

    def test_a_password_gives_a_token_of_a_day_and_a_wrong_one_a_pause(self):
        node = self.with_tcp(self.node("Watch"))
        self.add(node, "Ada", "analyst", "horse staple battery")
        self.add(node, "Bob", "reader")
        login = lambda name, password: self.http(node, "POST", "/login", {"user": name, "password": password})
        status, answer = login("Ada", "horse staple battery")
        self.assertEqual((status, answer["role"], answer["scope"]), (200, "analyst", "write"))
        self.assertEqual(self.http(node, "POST", "/reports", self.REPORT, answer["token"])[0], 201)
        self.assertEqual(login("Bob", "horse staple battery")[1]["code"], "wrong_login")
        self.assertEqual(login("Nobody", "horse staple battery")[1]["code"], "wrong_login")
        self.assertEqual(login("Ada", "horse staple batterie")[1]["code"], "wrong_login")
        status, answer = login("Ada", "horse staple battery")
        self.assertEqual((status, answer["code"]), (429, "too_many_attempts"))
        wait_until("the pause is over", lambda: login("Ada", "horse staple battery")[0] == 200, 20, every=0.5)
        done = node.raw("user", "add", "Cy", "--role", "reader", "--password",
                        environment={"TOCSIN_USER_PASSWORD_FILE": self.secret("short", "short")})
        self.assertEqual(json.loads(done.stderr)["code"], "weak_password")

    def test_no_page_of_another_site_reaches_the_address(self):
        node = self.with_tcp(self.node("Watch"))
        self.add(node, "Ada", "reader")
        good = node.run("user", "token", "Ada")["token"]
        self.assertEqual(self.code(node, "GET", "/reports", token=good, Host="evil.example"), (403, "wrong_host"))
        self.assertEqual(self.code(node, "GET", "/reports", token=good, Host="127.0.0.1.evil.example"), (403, "wrong_host"))
        self.assertEqual(self.code(node, "GET", "/reports", token=good, Origin="http://evil.example"), (403, "wrong_host"))
        self.assertEqual(self.http(node, "GET", "/reports", token=good, Host="localhost:1")[0], 200)
        self.assertEqual(self.http(node, "GET", "/reports", token=good, Origin="http://" + node.api)[0], 200)

    def test_what_admins_and_users_do_is_written_down_and_a_second_node_has_it(self):
        first = self.node("Watch")
        self.add(first, "Ada", "analyst", "horse staple battery")
        early = first.run("user", "token", "Ada")["token"]
        card = os.path.join(self.folder, "card")
        with open(card, "w") as out:
            out.write(first.run("card", "show")["card"])
        second = self.node("Laptop", join=card)
        request = os.path.join(self.folder, "request")
        with open(request, "w") as out:
            out.write(second.request)
        done = first.raw("org", "certify", request, environment={"TOCSIN_ROOT_PASSPHRASE_FILE": first.passphrase_file})
        self.assertEqual(done.returncode, 0, done.stderr)
        # It was told of Ada, although she was added before it joined (rule 34).
        users = lambda: [u["name"] for u in second.run("user", "list")["items"]] if second.run("channel", "list")["items"] else []
        wait_until("the second node knows her", lambda: users() == ["Ada"], 60)
        self.with_tcp(second)
        wait_until("and her token", lambda: self.http(second, "GET", "/reports", token=early)[0] == 200, 30)
        status, login = self.http(second, "POST", "/login", {"user": "Ada", "password": "horse staple battery"})
        self.assertEqual(status, 200, login)
        status, report = self.http(second, "POST", "/reports", {"report": {"kind": "incident", "title": "unspeakable"}}, login["token"])
        self.assertEqual(status, 201, report)
        acts = lambda node, *words: [(i["user"], i["act"]) for i in node.run("audit", "list", *words)["items"]]
        wait_until("the first has what she did", lambda: ("Ada", "Write a report") in acts(first), 30)
        item = first.run("audit", "list", "--user", "Ada", "--limit", "1")["items"][0]
        self.assertEqual((item["act"], item["names"], item["node_id"]), ("Write a report", [report["id"]], second.node_id))
        channel = second.run("channel", "create", "shared")["channel_id"]
        second.run("channel", "create", "other", "--class", "alert")
        second.run("report", "new", "--kind", "incident", "--title", "by the owner")
        self.assertEqual(acts(second, "--limit", "2"), [("owner", "Make a channel")] * 2)
        newest = second.run("audit", "list", "--limit", "2")
        self.assertIn(channel, newest["items"][1]["names"])
        self.assertEqual(acts(second, "--limit", "1", "--after", newest["next"])[0], ("Ada", "Write a report"))
        self.assertEqual(acts(second, "--since", "2100-01-01"), [])
        before = len(acts(second, "--limit", "500"))
        second.raw("channel", "create", "")
        second.run("sync", "now")
        second.run("peer", "list")
        self.assertEqual(len(acts(second, "--limit", "500")), before, "what failed, read, or changed nothing is no act")
        # Removed at one node, she is nobody at the other.
        first.run("user", "remove", "Ada")
        wait_until("she is nobody", lambda: self.http(second, "GET", "/reports", token=early)[0] == 401, 30)
        self.assertEqual(second.run("user", "list")["items"], [])
        # A locked node knows nobody, and the lock itself is written down before.
        second.run("lock")
        status = lambda: second.raw("status")
        wait_until("it is locked", lambda: (lambda done: done.returncode == 0 and not json.loads(done.stdout)["unlocked"])(status()), 30)
        self.assertEqual(self.code(second, "GET", "/status", token=login["token"])[1], "locked")
        wait_until("the first has read of the lock", lambda: acts(first, "--limit", "1") == [("owner", "Forget the signing and reading keys now")], 30)
        self.nothing_in_the_clear([first, second], [early, login["token"], "horse staple battery", "unspeakable", "Ada"])

    def nothing_in_the_clear(self, nodes, secrets):
        """Neither in what a node has on disk nor in its log."""
        for node in nodes:
            node.end()
            for where, _, files in os.walk(node.home):
                for name in files:
                    with open(os.path.join(where, name), "rb") as file:
                        text = file.read()
                    for secret in secrets:
                        self.assertNotIn(secret.encode(), text, f"{name}: {secret[:12]}")
            with open(node.home + ".log", "rb") as file:
                text = file.read()
            for secret in secrets:
                self.assertNotIn(secret.encode(), text, node.name)


if __name__ == "__main__":
    import unittest
    unittest.main()
