# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""Runs of scripts/accuracy: an appliance with a simulated wire, a measurement over it, and the
samples of both records, what it reported and what the wire knows, joined packet by packet.
"""

import bisect
import concurrent.futures
import contextlib
import csv
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

from twampline_client import CallError, Client

TOP = pathlib.Path(__file__).resolve().parent.parent
NEAR, FAR = "127.0.2.1", "127.0.2.2"
MARGIN_NS = 100  # a gap this near to a stamp touches it
UNSURE_NS = 1000  # the wire itself does not know an arrival better: it was away just then


class Appliance:
    """One process with both ends of the wire, gone when the block ends."""

    def __init__(self, build, wire, lcores=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="accuracy-"))
        self.name = f"accuracy-{os.getpid()}"  # two runs may share a host
        self.socket = str(self.folder / self.name / "rpc.sock")
        self.config = ["set config server_allow_open 127.0.0.0/8", "set config clock_floor_ns 0",
                       f"add key accuracy file {self.folder / 'key'}",
                       "add netsim " + " ".join(f"{k} {v}" for k, v in wire.items())]
        self.argv = [str(build / "app" / "twampline"), *(["--lcores", lcores] if lcores else []),
                     "--no-pci", "--in-memory", "--", "--name", self.name, "--keep-root",
                     "--run-dir", str(self.folder), "--log", "stderr",
                     "--config", str(self.folder / "config")]

    def __enter__(self):
        (self.folder / "key").write_text("known to both ends\n")
        (self.folder / "config").write_text("".join(f"{line}\n" for line in self.config))
        with open(self.folder / "log", "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(self.argv, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while not os.path.exists(self.socket) and time.monotonic() < deadline and \
                self.process.poll() is None:
            time.sleep(0.02)
        try:
            self.client = Client(self.socket, timeout=120)
            self._wait_clocks()
        except Exception as err:
            self._end()
            raise RuntimeError("the appliance does not serve: " + self.log[-2000:]) from err
        return self

    def _wait_clocks(self):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            clocks = self.call("clock.list")["clocks"]
            if len(clocks) > 2 and all(c["epoch"] > 0 for c in clocks):
                return
            time.sleep(0.05)
        raise RuntimeError("the simulated clocks do not start")

    def _end(self):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log = (self.folder / "log").read_text(errors="replace")
        shutil.rmtree(self.folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.rmdir(f"/run/dpdk/twampline-{self.name}")

    def __exit__(self, kind, value, trace):
        self.client.close()
        self._end()
        if kind is not None:
            print(self.log[-3000:])

    def call(self, method, **params):
        return self.client.call(method, params)

    def impair(self, both=None, forward=None, reverse=None):
        for end, own in enumerate((forward, reverse)):
            self.call("netsim.impair", end=end, **(both or {}), **(own or {}))

    def measure(self, rate_pps, seconds, spins=None, **params):
        """A test to its end: (its answer, rows of its replies, rows of the truth, gaps). With
        `spins` the lcores stop now and then to spin, and what that found is added there."""
        files = {name: self.folder / f"{name}.csv" for name in ("raw", "truth", "gaps")}
        for path in files.values():
            path.unlink(missing_ok=True)
        self.call("netsim.clear")
        begin = self.call("netsim.show")["wire_time_ns"]
        ask = lambda: self.client.call("test.run", {
            "host": FAR, "rate_pps": rate_pps, "count": rate_pps * seconds, "mode": "open",
            "tmax_ns": 1_000_000_000, "timeout_ns": 500_000_000,
            "max_lag_ns": 10_000_000_000, "raw_file": str(files["raw"]),
            **params}, timeout=seconds + 60)
        answer = ask() if spins is None else self._between_spins(ask, spins)
        end = self.call("netsim.show")["wire_time_ns"]
        self.call("netsim.dump", file=str(files["truth"]), gaps_file=str(files["gaps"]))
        return answer, rows(files["raw"]), rows(files["truth"]), Gaps(files["gaps"], begin, end)

    def warm(self, nic, tries=6):
        """Measure a little until both ports stamp by what their NIC offers: each has to stand a
        test first, on packets."""
        wanted = {"rx": "nic"} if "rx" in nic else {}
        if "scheduled" in nic:
            wanted["tx"] = "scheduled"
        for _ in range(tries if wanted else 0):
            self.client.call("test.run", {
                "host": FAR, "rate_pps": 1000, "count": 500, "mode": "open",
                "tmax_ns": 500_000_000, "timeout_ns": 100_000_000}, timeout=60)
            try:
                ways = [self.call("port.show", name=f"sim{end}", what="timestamps")
                        for end in (0, 1)]
            except CallError:
                return  # an appliance that stamps by software only
            if all(way.get(k) == v for way in ways for k, v in wanted.items()):
                return

    def _between_spins(self, ask, spins):
        """What `ask` answers; meanwhile all polling lcores spin for 20 ms of every 100."""
        with Client(self.socket, timeout=120) as other, \
                concurrent.futures.ThreadPoolExecutor(1) as pool:
            running = pool.submit(ask)
            time.sleep(0.2)
            while not running.done():
                spins.take(other)
                time.sleep(0.08)
            return running.result()


class Spins:
    """What bare spinners found, and when they ran: what arrives then waits."""

    LENGTH_NS, AFTER_NS = 20_000_000, 2_000_000

    def __init__(self):
        self.windows, self.lost, self.spun = [], {}, {}

    def take(self, client):
        now = lambda: client.call("netsim.show")["wire_time_ns"]
        begin = now()
        answer = client.call("netsim.spin", {"duration_ns": self.LENGTH_NS})["spinners"]
        self.windows.append((begin, now() + self.AFTER_NS))
        for s in answer:
            lcore = f"{s['role']}{s['idx']}" if s["role"] == "data" else s["role"]
            self.lost[lcore] = self.lost.get(lcore, 0) + s["gaps_ns"]
            self.spun[lcore] = self.spun.get(lcore, 0) + s["spun_ns"]

    def share_pct(self):
        return {lcore: 100 * self.lost[lcore] / self.spun[lcore] for lcore in self.spun}

    def touch(self, wire_ns):
        i = bisect.bisect_right(self.windows, (wire_ns, 1 << 62))
        return i > 0 and self.windows[i - 1][1] >= wire_ns


def rows(path):
    with open(path, newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


class Gaps:
    """Turns in which each polling lcore was away, between two wire times: (begin, end); and how much
    of them was lost."""

    def __init__(self, path, begin, end):
        self.by_lcore, self.lost, self.span = {}, {}, end - begin
        for row in rows(path):
            a, b = int(row["begin_ns"]), int(row["end_ns"])
            if b > begin and a < end:
                self.by_lcore.setdefault(row["lcore"], []).append((a, b))
                self.lost.setdefault(row["lcore"], []).append(int(row["lost_ns"]))

    def share_pct(self, lcore, spins):
        """Of the time between spins."""
        span = self.span - sum(b - a for a, b in spins.windows)
        return 100 * sum(lost for (a, b), lost in zip(self.by_lcore.get(lcore, ()),
                                                      self.lost.get(lcore, ()))
                         if not (spins.touch(a) or spins.touch(b))) / span

    def lcores(self):
        return sorted(self.by_lcore)

    def touch(self, lcore, lo, hi):
        """Was that lcore away at some time between?"""
        gaps = self.by_lcore.get(lcore, ())
        i = bisect.bisect_right(gaps, (hi, 0))
        return i > 0 and gaps[i - 1][1] >= lo or i > 1 and gaps[i - 2][1] >= lo

    def touch_stamp(self, at, error):
        """Was a data lcore away between a stamp and what it is of?"""
        return any(self.touch(lcore, min(at, at + error) - MARGIN_NS,
                              max(at, at + error) + MARGIN_NS)
                   for lcore in self.by_lcore if lcore != "wire")


class Sample:
    """One answered packet: errors of its four stamps against the clocks they were taken by, and
    of the delays made from them; negative is early."""

    __slots__ = ("seq", "stamp", "delay", "bound", "reported", "true", "is_gap", "depart",
                 "whole")

    def __init__(self, raw, fwd, rev, gaps):
        ns = lambda row, key: int(row[key])
        true = [(ns(fwd, "depart_ns"), ns(fwd, "depart_reference_ns")),
                (ns(fwd, "arrive_ns"), ns(fwd, "arrive_reference_ns")),
                (ns(rev, "depart_ns"), ns(rev, "depart_reference_ns")),
                (ns(rev, "arrive_ns"), ns(rev, "arrive_reference_ns"))]
        said = [int(raw[f"t{i}_utc_ns"]) for i in (1, 2, 3, 4)]
        e = [t - ref for t, (_, ref) in zip(said, true)]
        self.seq, self.depart, self.stamp = int(raw["seq"]), true[0][0], e
        self.delay = {"forward": e[1] - e[0], "reverse": e[3] - e[2],
                      "round_trip": e[3] - e[0] - (e[2] - e[1])}
        self.reported = {"forward": said[1] - said[0], "reverse": said[3] - said[2],
                         "round_trip": said[3] - said[0] - (said[2] - said[1])}
        self.true = {"forward": true[1][0] - true[0][0], "reverse": true[3][0] - true[2][0]}
        self.true["round_trip"] = self.true["forward"] + self.true["reverse"]
        # what the bound of the round trip covers: with residence
        self.whole = e[3] - e[0]
        known = lambda text: int(text) if text else None
        self.bound = {what: known(raw[f"{what}_error_ns"]) for what in self.reported}
        # between a stamp and what it is of, the lcore that took it was away; or the wire was, while
        # it noted an arrival. Elsewhere a gap makes delays longer and no stamp wrong
        self.is_gap = max(ns(fwd, "arrive_error_ns"), ns(rev, "arrive_error_ns")) > UNSURE_NS or \
            any(gaps.touch_stamp(w, err) for (w, _), err in zip(true, e))


def join(raw, truth, gaps, spins=None):
    """Samples of the packets whose first reply was reported and that met no spinner."""
    fwd, rev = {}, {}
    for row in truth:
        if row["is_reply"] == "0":
            fwd[int(row["no"])] = row
        elif row["answers"]:
            rev.setdefault(int(row["answers"]), []).append(row)
    samples = []
    for r in raw:
        seq = int(r["seq"])
        request, replies = fwd.get(seq), rev.get(seq, [])
        # a packet that met duplicates has no single truth here
        if request is None or request["arrive_copy_ns"] or len(replies) != 1 or \
                replies[0]["arrive_copy_ns"] or not replies[0]["arrive_ns"] or not r["t2_utc_ns"]:
            continue
        if spins is not None and any(spins.touch(int(row[key])) for row in (request, replies[0])
                                     for key in ("depart_ns", "arrive_ns")):
            continue
        samples.append(Sample(r, request, replies[0], gaps))
    return samples


def build(tree):
    """The appliance of a build tree, made if it is not there."""
    if not (tree / "app" / "twampline").exists():
        if not (tree / "build.ninja").exists():
            subprocess.run(["meson", "setup", str(tree), "--buildtype=debugoptimized",
                            "-Dtests=false"], cwd=TOP, check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["ninja", "-C", str(tree), "app/twampline"], check=True,
                       stdout=subprocess.DEVNULL)
    return tree


class Hugepages:
    """Enough of them while the block runs."""

    WANTED = 192
    PATH = pathlib.Path("/proc/sys/vm/nr_hugepages")

    def __enter__(self):
        self.before = int(self.PATH.read_text())
        free = int(next(line.split()[1] for line in open("/proc/meminfo", encoding="utf-8")
                        if line.startswith("HugePages_Free")))
        if free < self.WANTED:
            self.PATH.write_text(str(self.before + self.WANTED - free))
        return self

    def __exit__(self, *unused):
        if int(self.PATH.read_text()) != self.before:
            self.PATH.write_text(str(self.before))


def cpus():
    return sorted(os.sched_getaffinity(0))
