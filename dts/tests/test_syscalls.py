# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""A data lcore that polls asks the kernel for nothing."""

import signal
import subprocess
import threading
import time

import pytest

from dts.api import appliance

FAR = "127.0.2.2"
CONFIG = ("set config idle poll", "set config server_allow_open 127.0.0.0/8")
SECONDS = 3
COUNT = 6000


@pytest.fixture(scope="module")
def box(bed):
    return appliance.start(bed, bed.netns("poll"), "poll", CONFIG, options=("--netsim",))


def data_thread(box):
    """Thread id of the data lcore: the last one EAL started."""
    workers = sorted((name, status["Pid"]) for name, status in box.threads()
                     if name.startswith("rte-worker"))
    return workers[-1][1]


def traced(bed, tid, seconds):
    """What strace counted in this time on one thread, by name of the call."""
    path = bed.folder / "strace.txt"
    with subprocess.Popen(["strace", "-c", "-o", path, "-p", tid], stderr=subprocess.PIPE,
                          text=True) as tracer:
        said = tracer.stderr.readline()
        if "attached" not in said:
            tracer.kill()
            pytest.skip(f"strace: {said.strip()}")
        time.sleep(seconds)  # the length of the measurement, not a wait for something
        tracer.send_signal(signal.SIGINT)
        tracer.wait(20)
    rows = [line.split() for line in path.read_text().splitlines()]
    return {row[-1]: int(row[3]) for row in rows if len(row) >= 5 and row[3].isdigit()
            and row[-1] != "total"}


def test_no_system_call(bed, box):
    """While packets flow a polling data lcore makes no system call.

    Steps: idle poll; two ends over the simulated wire exchange 1,000 packets a second; strace -c
        on the thread of the data lcore meanwhile.
    Verify: packets came back, most of them on the busiest machine, and strace counted no call.
    """
    done = {}

    def measure():
        done["report"] = box.measure(FAR, mode="open", count=COUNT, interval_ns=1_000_000,
                                     tmax_ns=500_000_000, timeout_ns=500_000_000)

    tid = data_thread(box)
    runner = threading.Thread(target=measure)
    runner.start()
    with box.connect() as conn:
        deadline = time.monotonic() + 20
        while conn.call("stats.show")["out"]["reflected"] < 100:
            assert time.monotonic() < deadline, box.log
            time.sleep(0.05)  # a counter has no event
    calls = traced(bed, tid, SECONDS)
    runner.join(60)
    assert done["report"].only.counters["received"] > COUNT // 2
    assert not calls, calls
