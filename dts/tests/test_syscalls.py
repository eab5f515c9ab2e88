# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""A data lcore that polls asks the kernel for nothing, allocates nothing, takes no lock and gets no
signal while packets flow: on rings and on memif, in every mode, sending and reflecting.

Counted from outside: system calls and signals by strace, calls of allocators and locks (of the C
library and of DPDK) by a library that is loaded before the others, tests/watch. What compilers put
in line is beyond that: atomic operations, spinlocks of DPDK.

DTS_SYSCALL_SECONDS is the time each is watched, default 1; the whole claim is 10.
"""

import contextlib
import os
import pathlib
import signal
import struct
import subprocess
import threading
import time

import pytest

from dts.api import appliance, rig

FAR = "127.0.2.2"
SECONDS = int(os.environ.get("DTS_SYSCALL_SECONDS", "1"))
COUNT = 1000 * (SECONDS + 2)  # 1,000 a second, with time to attach
MODES = ("open", "authenticated", "encrypted")
RECORD = struct.Struct("<4Q")  # of tests/watch: thread, allocations, frees, locks
POLL = "set config idle poll"


class Watch:
    """Allocations and locks of an appliance's threads, as the preloaded library counts them."""

    def __init__(self, bed, name):
        self.path = bed.folder / f"{name}.watch"
        self.path.unlink(missing_ok=True)
        library = bed.build / "tests" / "watch" / "watch.so"
        self.before = ("env", f"LD_PRELOAD={library}", f"TW_WATCH={self.path}")

    def counts(self):
        """(allocations, frees, locks) by thread id."""
        return {row[0]: row[1:] for row in RECORD.iter_unpack(self.path.read_bytes()) if row[0]}


@pytest.fixture(scope="module")
def watches(bed):
    return {name: Watch(bed, name) for name in ("poll", "near", "far")}


@pytest.fixture(scope="module", params=("rings", "memif"))
def polling(request, bed, watches):
    """Appliances that poll, the sender last; their watches; the address to measure.

    rings: one appliance, both ends on the simulated wire. One rig at a time: the other one's
    polling lcores would take the CPUs.
    """
    if request.param == "rings":
        key = rig.secret_file(bed)
        box = appliance.start(bed, bed.netns("poll"), "poll", before=watches["poll"].before, config=(
            POLL, "set config server_allow_open 127.0.0.0/8", "set config server_count 1024",
            f"add key {rig.KEY_ID} file {key}"), options=("--netsim",))
        yield (box,), (watches["poll"],), FAR
        box.stop()
    else:
        pair = rig.memif_pair(bed, settings=(POLL,),
                              before={name: watch.before for name, watch in watches.items()})
        yield (pair.far, pair.near), (watches["far"], watches["near"]), rig.FAR["v4"]


def data_thread(box):
    """Thread id of the data lcore: the last one EAL started."""
    workers = sorted((name, status["Pid"]) for name, status in box.threads()
                     if name.startswith("rte-worker"))
    return workers[-1][1]


@contextlib.contextmanager
def traced(bed, tid, calls):
    """strace on one thread; afterwards `calls` holds what it counted, and the signals, by name."""
    path = bed.folder / f"strace.{tid}"
    with subprocess.Popen(["strace", "-C", "-o", path, "-p", tid], stderr=subprocess.PIPE,
                          text=True) as tracer:
        said = tracer.stderr.readline()
        if "attached" not in said:
            tracer.kill()
            pytest.skip(f"strace: {said.strip()}")
        try:
            yield
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait(20)
    for line in path.read_text().splitlines():
        row = line.split()
        if line.startswith("---"):
            calls[row[1]] = calls.get(row[1], 0) + 1
        elif len(row) >= 5 and row[3].isdigit() and row[-1] != "total":
            calls[row[-1]] = int(row[3])


def watched(bed, boxes, watches, seconds):
    """What the data lcores did in this time: name of a call, a signal, "allocations", ...: how often."""
    calls = {}
    with contextlib.ExitStack() as stack:
        tids = [data_thread(box) for box in boxes]
        for tid in tids:
            stack.enter_context(traced(bed, tid, calls))
        before = [watch.counts().get(int(tid), (0, 0, 0)) for tid, watch in zip(tids, watches)]
        time.sleep(seconds)  # the length of the measurement, not a wait for something
        after = [watch.counts().get(int(tid), (0, 0, 0)) for tid, watch in zip(tids, watches)]
    for old, new in zip(before, after):
        for name, a, b in zip(("allocations", "frees", "locks"), old, new):
            if a != b:
                calls[name] = b - a
    # the library works: what control does is counted
    assert all(sum(count[0] for count in watch.counts().values()) > 100 for watch in watches)
    return calls


def check(bed, boxes, watches, host, mode):
    """A session of 1,000 packets a second from the last box; the data lcores of all meanwhile."""
    done = {}

    def measure():
        done["report"] = boxes[-1].measure(host, mode=mode, count=COUNT, interval_ns=1_000_000,
                                           tmax_ns=500_000_000, timeout_ns=500_000_000)

    with boxes[0].connect() as conn:
        before = conn.call("stats.show")["out"]["reflected"]
        runner = threading.Thread(target=measure)
        runner.start()
        deadline = time.monotonic() + 30
        while conn.call("stats.show")["out"]["reflected"] < before + 100:
            assert time.monotonic() < deadline, boxes[0].log
            time.sleep(0.05)  # a counter has no event
        calls = watched(bed, boxes, watches, SECONDS)
        flowed = conn.call("stats.show")["out"]["reflected"] - before
    runner.join(60)
    assert flowed > 100 + 1000 * SECONDS // 2, flowed
    assert done["report"].only.counters["received"] > COUNT // 2
    assert not calls, calls


@pytest.mark.parametrize("mode", MODES)
def test_polling(bed, polling, mode):
    """A polling sender and a polling reflector, on one data lcore or on one each.

    Steps: idle poll; 1,000 packets a second; strace and the counting library on the data lcores.
    Verify: packets flowed; no system call, no signal, no allocation, no lock on any.
    """
    boxes, watches, host = polling
    check(bed, boxes, watches, host, mode)
