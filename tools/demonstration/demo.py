"""The main job of Tocsin, shown with real processes and real data. Started by tools/demo."""
import csv
import datetime
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from nodes import Failed, Node, introduce, join, wait_until
from slow_road import SlowRoad

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.environ["BUILD"]
GED = os.path.join(ROOT, "tests", "data", "ged", "ged191-myanmar-bangladesh.csv")
GED_ROWS = 3194
ROUTINE, SEVERE = 220, 20
SLOW = 900_000  # bytes a second: a bad satellite link

START = time.monotonic()


def step(text):
    print(f"\n[{time.monotonic() - START:5.1f} s] {text}", flush=True)


def note(text):
    print("          " + text, flush=True)


def require(condition, text):
    if not condition:
        raise Failed(text)


def progress(text):
    if sys.stdout.isatty():
        print("\r\033[K          " + text, end="", flush=True)


def progress_end():
    if sys.stdout.isatty():
        print("\r\033[K", end="", flush=True)


def routine_reports(path):
    """What comes in on an ordinary day: situation reports of the last weeks, some of them severe."""
    today = datetime.datetime.now(datetime.timezone.utc)
    places = ["Maungdaw", "Buthidaung", "Rathedaung", "Sittwe", "Cox's Bazar", "Teknaf", "Mrauk-U", "Kyauktaw"]
    items = []
    for i in range(ROUTINE):
        seen = today - datetime.timedelta(days=1 + i % 25, hours=i % 12)
        items.append({
            "kind": "situation", "status": "Actual", "tlp": "GREEN",
            "severity": "Severe" if i < SEVERE else ("Moderate", "Minor")[i % 2],
            "urgency": "Expected" if i < SEVERE else "Future", "certainty": "Likely",
            "observed_from": seen.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "place": {"iso3": "MMR" if i % 4 else "BGD", "name": places[i % len(places)]},
            "language": "en", "title": f"Weekly situation, {places[i % len(places)]}, no. {i + 1}",
            "text": "Movement, markets and aid deliveries as reported by the local team."})
    with open(path, "w") as out:
        json.dump(items, out)


def kill_in_the_middle(region, roads, entries_before, entries_all):
    """Starts the node behind a slow road and kills it while 20 to 80 % of what is missing has become durable."""
    for road in roads.values():
        road.bytes_per_second = SLOW
    region.start()
    roads["region"].target = region.listen
    missing = entries_all - entries_before

    def share():
        done = region.run("status")["entries"] - entries_before
        progress(f"received {done} of {missing}")
        return done / missing

    wait_until("a third of the entries is durable", lambda: share() > 0.33, 60)
    region.end(signal.SIGKILL)
    progress_end()
    durable = region.run("fsck")["entries"] - entries_before
    require(0.2 <= durable / missing <= 0.8, f"killed at {durable} of {missing} entries, not between 20 and 80 %")
    for road in roads.values():
        road.bytes_per_second = 0
    return durable, missing


def check_outsider(outsider, government, ngo, channel, folder):
    cards = {}
    for node in (outsider, ngo):
        cards[node.name] = os.path.join(folder, os.path.basename(node.home) + ".card")
        with open(cards[node.name], "w") as out:
            out.write(node.run("card", "show")["card"] + "\n")
    report = ngo.run("report", "list", "--limit", "1")["items"][0]["id"]
    log = ngo.run("report", "show", report)["entry"]["log"]
    outsider.end()  # a node has one link to a peer: the probe takes its place
    asked = subprocess.run([os.path.join(ROOT, "tools", "probe"), "--home", outsider.home, "--card", cards[outsider.name], "--peer", cards[ngo.name],
                            "--channel", channel, "--log", log, "--address", ngo.listen], env=outsider.environment, text=True, capture_output=True, timeout=60)
    require(asked.returncode == 0, f"the probe: exit {asked.returncode}: {(asked.stdout + asked.stderr).strip()[:400]}")
    answer = json.loads(asked.stdout)
    note(f"asked for the channel: {', '.join(answer['asked']['answers'])}")
    note(f"asked for one that does not exist: {', '.join(answer['nonexistent']['answers'])} - the same")
    outsider.start()
    require(outsider.count() == 0, "the outsider sees reports")

    stolen = os.path.join(folder, "stolen-home")
    government.end()
    shutil.copytree(government.home, stolen)
    government.start()
    environment = dict(outsider.environment, TOCSIN_HOME=stolen)
    opened = subprocess.run([outsider.program, "--output", "json", "run", "--listen", "127.0.0.1:0"], env=environment, text=True, capture_output=True, timeout=60)
    require(opened.returncode == 4, f"a copied home without its passphrase: exit {opened.returncode} instead of 4")
    needles = [b"Rohingya", b"Government of Myanmar", b"Weekly situation", b"rakhine"]
    for where, _, files in os.walk(stolen):
        for name in files:
            with open(os.path.join(where, name), "rb") as file:
                content = file.read()
            require(not any(needle in content for needle in needles), f"{name} of the copied home holds readable text")
    note("a copy of the government's home: the passphrase is refused (exit 4), and no file of it holds a readable word")


def export_all(node, folder):
    sizes = {}
    for form in ("json", "csv", "geojson"):
        path = os.path.join(folder, "reports." + form)
        node.run("report", "export", "--format", form, "--out", path)
        sizes[form] = os.path.getsize(path)
    with open(os.path.join(folder, "reports.csv"), newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    with open(os.path.join(folder, "reports.json")) as file:
        items = json.load(file)["items"]
    with open(os.path.join(folder, "reports.geojson")) as file:
        features = json.load(file)["features"]
    require(len(rows) == len(items) == len(features) >= GED_ROWS, f"exports disagree: {len(rows)}, {len(items)}, {len(features)}")
    return sizes


def table(rows):
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    for n, row in enumerate(rows):
        print("  " + "  ".join(str(cell).ljust(width) if i == 0 else str(cell).rjust(width) for i, (cell, width) in enumerate(zip(row, widths))))
        if n == 0:
            print("  " + "  ".join("-" * width for width in widths))


def demonstrate(folder, keep):
    program = os.path.join(BUILD, "tocsin")
    roads = {name: SlowRoad() for name in ("government", "region", "ngo", "outsider")}

    step("Four organisations make their nodes: keys, an organisation log, an encrypted store. Each is a process of its own on this machine.")
    make = lambda road, name, kind, country: Node(folder, name, kind, country, "--advertise", roads[road].address, program=program)
    government, region = make("government", "Government", "government", "USA"), make("region", "Regional body", "regional", "NGA")
    ngo, outsider = make("ngo", "River Watch", "ngo", "BGD"), make("outsider", "Outsider", "ngo", "FRA")
    nodes = {"government": government, "region": region, "ngo": ngo, "outsider": outsider}
    try:
        for road, node in nodes.items():
            node.start()
            roads[road].target = node.listen
            note(f"{node.name:14s} node {node.node_id[:12]}  listens on {node.listen}")

        step("They exchange cards and read eight words out to each other, so that nobody sits in between.")
        everybody = list(nodes.values())
        for i, a in enumerate(everybody):
            for b in everybody[i + 1:]:
                introduce(a, b, folder)
        note("words of River Watch: " + ngo.run("card", "show")["words"])

        step("River Watch makes the channel `rakhine`, invites the government and the regional body; both accept. The outsider is not invited.")
        channel = ngo.run("channel", "create", "rakhine")["channel_id"]
        for member in (government, region):
            join(ngo, channel, member)
        note("can read it now: " + ", ".join(m["name"] for m in ngo.run("channel", "show", channel)["members"]))

        step(f"River Watch imports UCDP GED 19.1 for Myanmar and Bangladesh ({GED_ROWS} events); the regional body is off line meanwhile.")
        region.end()
        before = region.run("fsck")["entries"]
        started = time.monotonic()
        imported = ngo.run("report", "import", GED, "--format", "ged", "--channel", channel)
        seconds_import = time.monotonic() - started
        require(imported["new"] == GED_ROWS and not imported["refused"], f"import: {imported}")
        again = ngo.run("report", "import", GED, "--format", "ged", "--channel", channel)
        require(again["new"] == 0 and again["known"] == GED_ROWS, f"second import: {again}")
        note(f"{imported['new']} new in {seconds_import:.1f} s; importing the same file again: {again['new']} new, {again['known']} known")
        require(ngo.run("alert", "list")["items"] == [], "the import raised an alert")
        started = time.monotonic()
        wait_until("the government has all", lambda: government.count() >= GED_ROWS)
        seconds_government = time.monotonic() - started
        note(f"the government has all {GED_ROWS}, {seconds_government:.1f} s after the import; its alerts: {len(government.run('alert', 'list')['items'])}")

        step("The regional body comes back over a slow link, and its power fails in the middle (SIGKILL).")
        everything = ngo.run("status")["entries"]
        base = ngo.run("report", "list", "--count")["count"]
        durable, missing = kill_in_the_middle(region, roads, before, before + base)
        note(f"when it was killed, {durable} of {missing} entries were durable ({100 * durable // missing} %); fsck finds its store sound")
        region.start()
        roads["region"].target = region.listen
        started = time.monotonic()
        second = region.run("sync", "now")
        wait_until("the regional body has all", lambda: region.count() >= GED_ROWS)
        seconds_second = time.monotonic() - started
        status = region.run("status")
        rest = status["entries"] - before - durable
        require(rest <= missing - durable + 20, f"the second sync brought {rest} entries, {missing - durable} were missing")
        note(f"started again, it received only the rest: {rest} entries in {seconds_second:.1f} s")

        step(f"An ordinary day: {ROUTINE} routine reports, {SEVERE} of them severe. Then River Watch raises one alert.")
        routine_reports(os.path.join(folder, "routine.json"))
        ngo.run("report", "import", os.path.join(folder, "routine.json"), "--format", "json", "--channel", channel)
        wait_until("the government has the routine reports", lambda: government.count() >= GED_ROWS + ROUTINE)
        started = time.monotonic()
        alert = ngo.run("alert", "raise", "--title", "Villages burning along the Mayu river, people fleeing", "--country", "MMR", "--severity", "Extreme",
                        "--urgency", "Immediate", "--tried", "embassy cable, no answer", "--channel", channel)["id"]
        wait_until("the alert heads the government's inbox",
                   lambda: (government.run("inbox", "list")["items"] or [{}])[0].get("report_id") == alert, 10)
        seconds_alert = time.monotonic() - started
        items, cursor = [], None
        while True:
            page = government.run("inbox", "list", "--limit", "500", *(["--after", cursor] if cursor else []))
            items += page["items"]
            cursor = page["next"]
            if not cursor:
                break
        others = items[1:]
        severe = sum(1 for item in others if item["severity"] == "Severe")
        require(len(others) >= 200 and severe >= SEVERE, f"the inbox has {len(others)} other items, {severe} of them severe")
        note(f"after {seconds_alert:.1f} s it heads the government's inbox, above {len(others)} other items of which {severe} are Severe:")
        shown = subprocess.run([program, "--output", "table", "inbox", "list", "--limit", "4"], env=government.environment, text=True, capture_output=True).stdout
        for line in shown.splitlines()[:5]:
            print("          | " + line)

        step("The outsider, a verified peer but no member, asks for the channel's logs by their ids, and is given a copy of a member's home.")
        check_outsider(outsider, government, ngo, channel, folder)

        step("The government exports what it has.")
        sizes = export_all(government, folder)
        note(", ".join(f"{form}: {size // 1024} KiB" for form, size in sizes.items()))

        wait_until("receipts from both members", lambda: sum(
            1 for item in ngo.run("sync", "status")["items"] if item["channel"] == channel and item["last_receipt"]) >= 2, 60, 0.5)
        receipts = {item["name"]: item["last_receipt"] for item in ngo.run("sync", "status")["items"] if item["channel"] == channel}
        step("Done.")
        rows = [("organisation", "reports", "entries", "store KiB", "seconds", "receipt to River Watch")]
        for node, seconds in ((ngo, seconds_import), (government, seconds_government), (region, seconds_second), (outsider, 0)):
            status = node.run("status")
            rows.append((node.name, node.count(), status["entries"], status["store_bytes"] // 1024, f"{seconds:.1f}" if seconds else "-",
                         receipts.get(node.name) or ("author" if node is ngo else "-")))
        table(rows)
        print(f"\n  {GED_ROWS + ROUTINE + 1} reports shared in {time.monotonic() - START:.0f} s. Data: UCDP GED 19.1, CC BY 4.0 (tests/data/ged/SOURCES.md).")
    except BaseException:
        for node in nodes.values():
            node.end(signal.SIGKILL)
        raise
    if not keep:
        for node in nodes.values():
            require(node.end() == 0, f"{node.name} did not end cleanly")
        return
    print("\n  The nodes are up. Try:\n")
    print(f"    export TOCSIN_HOME={government.home} TOCSIN_PASSPHRASE_FILE={government.passphrase_file}")
    for words in ("status", "inbox list", "report search \"Maungdaw\" --severity Severe", f"sync explain {alert[:12]} {region.org_id[:12]}", "doctor"):
        print(f"    {program} {words}")
    print(f"\n  Press Ctrl-C to end them; their homes are in {folder}")
    try:
        signal.pause()
    except KeyboardInterrupt:
        pass
    for node in nodes.values():
        node.end()


def main():
    keep = "--keep" in sys.argv[1:]
    # Unix sockets have short paths: not below a deep TMPDIR.
    folder = tempfile.mkdtemp(prefix="tocsin-demo.", dir="/tmp")
    try:
        demonstrate(folder, keep)
    except Failed as problem:
        print(f"\nerror: {problem}", file=sys.stderr)
        print(f"hint: the homes and logs are in {folder}", file=sys.stderr)
        return 1
    if not keep:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
