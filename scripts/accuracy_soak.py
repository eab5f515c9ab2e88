# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""A long session over the simulated wire with default settings: what is lost is explained, memory
stays flat, and the error of the least delay does not drift. The truth is taken in windows of two
seconds, since it does not fit memory for all packets.
"""

import concurrent.futures
import datetime
import statistics
import time

import accuracy_run as run
from twampline_client import Client

RATE = 10_000
WINDOW_S, EVERY_S = 2.5, 15
DRIFT_NS = 100
MEMORY_KIB = 1024
WARM_S = 60  # until then memory may be touched for the first time
WHAT = ("forward", "reverse", "round_trip")


def utc_ns(text):
    """2026-11-28T23:15:55.748491008Z as ns since 1970."""
    whole, _, rest = text.rstrip("Z").partition(".")
    at = datetime.datetime.fromisoformat(whole + "+00:00")
    return int(at.timestamp()) * 1_000_000_000 + int(rest.ljust(9, "0"))


def memory_kib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


class Window:
    """True delays of the replies that came within some seconds, by the sender's clock."""

    def __init__(self, rows):
        requests = {int(r["no"]): r for r in rows if r["is_reply"] == "0" and r["arrive_ns"]}
        self.samples = []
        for r in rows:
            if r["is_reply"] == "0" or not r["answers"] or not r["arrive_ns"]:
                continue
            request = requests.get(int(r["answers"]))
            if request is not None:
                self.samples.append((int(r["arrive_reference_ns"]), delays(request, r)))
        self.begin = min(at for at, _ in self.samples) if self.samples else 0
        self.end = max(at for at, _ in self.samples) if self.samples else 0

    def least(self, begin, end):
        """Least true delays of what came between; None if none."""
        inside = [d for at, d in self.samples if begin <= at <= end]
        return {what: min(d[what] for d in inside) for what in WHAT} if inside else None


def delays(request, reply):
    """By the references that the stamps are of."""
    at = lambda row, key: int(row[f"{key}_reference_ns"])
    t1, t2 = at(request, "depart"), at(request, "arrive")
    t3, t4 = at(reply, "depart"), at(reply, "arrive")
    return {"forward": t2 - t1, "reverse": t4 - t3, "round_trip": t4 - t1}


def window(box, client):
    path = box.folder / "window.csv"
    client.call("netsim.clear")
    time.sleep(WINDOW_S)
    path.unlink(missing_ok=True)
    client.call("netsim.dump", {"file": str(path)})
    return Window(run.rows(path))


def all_intervals(box, test):
    got, cursor = [], 0
    while cursor is not None:
        page = box.call("test.intervals", id=test, session=1, cursor=cursor)
        got += page["intervals"]
        cursor = page["next"]
    return got


def errors(windows, intervals):
    """(reported - true) least delays of the intervals that lie in a window: rows of WHAT."""
    out = []
    for i in intervals:
        begin, end = utc_ns(i["begin"]), utc_ns(i["end"])
        w = next((w for w in windows if w.begin <= begin and end <= w.end), None)
        least = w.least(begin, end) if w is not None else None
        if least is not None and i["forward_min_ns"] is not None:
            out.append({what: i[f"{what}_min_ns"] - least[what] for what in WHAT})
    return out


def drift(rows, what):
    """Median of the last quarter less that of the first."""
    quarter = max(1, len(rows) // 4)
    middle = lambda part: statistics.median(row[what] for row in part)
    return round(middle(rows[-quarter:]) - middle(rows[:quarter])) if rows else None


def watch(box, running, seconds):
    """(windows, memory by time) until the run ends."""
    windows, memory, begin = [], [], time.monotonic()
    with Client(box.socket, timeout=120) as client:
        while not running.done():
            left = seconds - (time.monotonic() - begin)
            if left > 2 * WINDOW_S:
                windows.append(window(box, client))
            memory.append((time.monotonic() - begin, memory_kib(box.process.pid)))
            concurrent.futures.wait([running], timeout=EVERY_S - WINDOW_S)
    return windows, memory


def line(args, build, minutes):
    seconds = int(minutes * 60)
    with run.Appliance(build, {"seed": args.seed}, args.lcores) as box, \
            concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(box.client.call, "test.run", {
            "host": run.FAR, "rate_pps": RATE, "count": RATE * seconds, "mode": "open"},
            timeout=seconds + 120)
        windows, memory = watch(box, running, seconds)
        answer = running.result()
        rows = errors(windows, all_intervals(box, answer["id"]))
        wire = box.call("netsim.show")
    return judged(answer, rows, memory, wire)


def judged(answer, rows, memory, wire):
    result = answer["results"][0]
    counts, report = result["sender"], result["report"]
    settled = [kib for at, kib in memory if at >= WARM_S] or [kib for _, kib in memory[1:]] or [0]
    drifts = {what: drift(rows, what) for what in WHAT}
    lost = report["loss"]["lost"]
    # the wire with default settings loses nothing but what finds a full ring
    explained = sum(end["counters"]["lost_full"] + end["counters"]["no_room"]
                    for end in wire["ends"])
    made = {"case": "soak", "quantity": "minimum", "stamp": "software", "samples": len(rows),
            "sent": counts["sent"], "scheduled": counts["scheduled"],
            "skipped": counts["skipped"], "late": counts["late"], "lost": lost,
            "explained": explained, "drift_ns": drifts, "memory_kib": settled,
            "grown_kib": max(settled) - settled[0], "bias_ns": None, "p99_ns": None,
            "p999_ns": None, "max_ns": max((abs(d) for d in drifts.values() if d is not None),
                                           default=None),
            "within_pct": None, "gaps": counts["gaps"], "budget_bias_ns": None,
            "budget_p999_ns": None, "budget_drift_ns": DRIFT_NS}
    made["ok"] = (bool(rows) and made["max_ns"] < DRIFT_NS and lost <= explained and
                  counts["sent"] + counts["skipped"] == counts["scheduled"] and
                  made["grown_kib"] <= MEMORY_KIB)
    return made
