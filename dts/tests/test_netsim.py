# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""The simulated wire: one appliance measures itself over it and is held against what it did."""

import csv
import json
import re
import statistics
import subprocess
import time

import pytest

from dts.api import appliance

FAR = "127.0.2.2"
CONFIG = ("set config idle sleep", "set config server_allow_open 127.0.0.0/8")
# no packet is skipped or late because others use the box, too
FAST = {"mode": "open", "interval_ns": 1_000_000, "tmax_ns": 500_000_000,
        "timeout_ns": 300_000_000, "max_lag_ns": 10_000_000_000}
LATE_NS = 500_000  # an lcore that sleeps stamps in the middle of what it does not know


def start(bed, netns, name, config, **how):
    """An appliance whose clocks have the time."""
    box = appliance.start(bed, netns, name, config, **how)
    deadline = time.monotonic() + 10
    while not all(c["epoch"] for c in box.call("clock.list")["clocks"]):
        assert time.monotonic() < deadline, box.log
        time.sleep(0.05)  # a clock has no event of its own
    return box


@pytest.fixture(scope="module")
def box(bed):
    return start(bed, bed.netns("sim"), "box", CONFIG, options=("--netsim",))


def measured(box, count, **how):
    """(report, rows of the truth)"""
    path = box.folder / "truth.csv"
    path.unlink(missing_ok=True)
    box.call("netsim.clear")
    report = box.measure(FAR, count=count, **{**FAST, **how}).only.report
    box.call("netsim.dump", file=str(path))
    with open(path, newline="", encoding="utf-8") as f:
        return report, list(csv.DictReader(f))


def impair(box, **how):
    for end in (0, 1):
        box.call("netsim.impair", end=end, **{"delay_ns": 0, "loss_ppm": 0, "loss_every": 0,
                                              "dup_ppm": 0, **how})


def test_truth(box):
    """Without further words --netsim gives a wire that can be measured over, and its truth.

    Steps: 200 packets over 1 ms one way and 2 ms back; dump.
    Verify: nothing is lost; every packet and reply is in the dump, a reply with the number of its
        request; true delays are those set or more; no reported one is far below the least true one.
    """
    impair(box)
    box.call("netsim.impair", end=0, delay_ns=1_000_000)
    box.call("netsim.impair", end=1, delay_ns=2_000_000)
    report, rows = measured(box, 200)
    assert report["counters"]["received"] == 200, report["counters"]
    by_dir = {d: [r for r in rows if r["is_reply"] == d] for d in "01"}
    for d, delay in (("0", 1_000_000), ("1", 2_000_000)):
        assert [int(r["no"]) for r in by_dir[d]] == list(range(200))
        true = [int(r["arrive_ns"]) - int(r["depart_ns"]) for r in by_dir[d]]
        assert min(true) >= delay, (d, min(true))
        said = report["forward" if d == "0" else "reverse"]["min"]["value_ns"]
        assert said >= min(true) - LATE_NS, (d, said, min(true))
    assert [r["answers"] for r in by_dir["1"]] == [r["no"] for r in by_dir["0"]]


def test_faults(box):
    """Loss and duplicates are told as they were made, for each direction.

    Steps: every 7th packet is lost one way; then a tenth of the replies comes twice.
    Verify: forward loss is certain but for the last packets, reverse is none; duplicates of
        replies are as many as the wire made.
    """
    impair(box)
    box.call("netsim.impair", end=0, loss_every=7, seed=5)
    report, rows = measured(box, 300)
    lost = sum(r["fate"] == "lost-every" for r in rows)
    assert lost == 42 and report["loss"]["lost"] == 42, (lost, report["loss"])
    loss = report["loss"]
    assert loss["lost_reverse"] == 0 and loss["lost_forward"] > 0, loss
    assert loss["lost_forward"] + loss["lost_undetermined"] == 42, loss
    impair(box)
    box.call("netsim.impair", end=1, dup_ppm=100_000, seed=6)
    report, rows = measured(box, 300)
    twice = sum(bool(r["arrive_copy_ns"]) for r in rows)
    assert twice > 0 and report["counters"]["duplicates_reverse"] == twice, report["counters"]
    assert report["counters"]["duplicates_forward"] == 0


def test_seeds(box):
    """The same seed loses the same packets.

    Steps: three times 200 packets with 20 % loss, seeds 1, 1 and 2.
    Verify: equal sets of lost packets for equal seeds, another one for another.
    """
    lost = []
    for seed in (1, 1, 2):
        impair(box)
        box.call("netsim.impair", end=0, loss_ppm=200_000, seed=seed)
        _, rows = measured(box, 200)
        lost.append({r["no"] for r in rows if r["fate"] == "lost-random"})
    assert lost[0] == lost[1] and lost[0] and lost[0] != lost[2]


@pytest.mark.parametrize("mode", ("authenticated", "encrypted"))
def test_secure(bed, mode):
    """Numbers and requests of packets are told where the packets do not show them.

    Steps: an appliance of its own, with a key; 100 packets in a secure mode; dump.
    Verify: each reply names its request, in order.
    """
    key = bed.run_dir / "netsim-key"
    key.write_text("of both ends\n", encoding="utf-8")
    box = start(bed, bed.netns(f"sec{mode[:1]}"), f"box-{mode[:4]}",
                          (*CONFIG, f"add key {appliance.KEY_ID} file {key}", "add netsim"))
    report, rows = measured(box, 100, mode=mode)
    assert report["counters"]["received"] == 100, report["counters"]
    assert [int(r["answers"]) for r in rows if r["is_reply"] == "1"] == list(range(100))
    box.stop()


def test_clocks(bed):
    """One clock a second off moves one-way delays by a second and the round trip by nothing.

    Steps: two appliances, references of end 1 even and 1 s ahead; 100 packets each.
    Verify: least forward and reverse delays differ by 1 s, round trips by less than 5 ms.
    """
    least = {}
    for ahead in (0, 1_000_000_000):
        name = f"clock{ahead != 0:d}"
        box = start(bed, bed.netns(name), name, (
            *CONFIG, f"add netsim offset1_ns {ahead} max_error_ns 2s"))
        path = box.folder / "raw.csv"
        box.measure(FAR, count=100, raw_file=str(path), **FAST)
        with open(path, newline="", encoding="utf-8") as f:
            rows = list(csv.DictReader(f))
        # the least ones: others wait for a busy box
        least[ahead] = {d: min(int(r[f"{d}_ns"]) for r in rows)
                        for d in ("forward", "reverse", "round_trip_net")}
        box.stop()
    by = {d: least[1_000_000_000][d] - least[0][d] for d in least[0]}
    assert abs(by["round_trip_net"]) < 5_000_000, by
    assert abs(by["forward"] - 1e9) < 5e6 and abs(by["reverse"] + 1e9) < 5e6, by


NIC_CLOCKS = "nic_drift_ppb 20000 max_error_ns 0 drift0_ppb 10000 drift1_ppb -15000"
STAMP_NS = 1000  # the median of errors of stamps by NICs, whatever else the box does


def nic_box(bed, name, nic):
    """An appliance whose NICs have stood their test, or failed it."""
    box = start(bed, bed.netns(name), name,
                (*CONFIG, f"add netsim nic0 {nic} nic1 {nic} {NIC_CLOCKS}"))
    for _ in range(20):
        box.measure(FAR, count=100, **FAST)
        ways = [box.call("port.show", name=f"sim{end}", what="timestamps") for end in (0, 1)]
        if not any("waiting" in w[side]["verdict"] for w in ways
                   for side in ("arrivals", "departures")):
            return box, ways
    return box, ways


def stamp_errors(box):
    """Medians of what T1 to T4 are off, against the references of their ends."""
    path = box.folder / "raw.csv"
    path.unlink(missing_ok=True)
    report, rows = measured(box, 200, raw_file=str(path))
    with open(path, newline="", encoding="utf-8") as f:
        raw = {r["seq"]: r for r in csv.DictReader(f)}
    request = {r["no"]: r for r in rows if r["is_reply"] == "0"}
    off = {n: [] for n in (1, 2, 3, 4)}
    for reply in (r for r in rows if r["is_reply"] == "1" and r["arrive_ns"]):
        of, said = request[reply["answers"]], raw[reply["answers"]]
        if not said["t2_utc_ns"]:
            continue  # stamps that contradict each other are counted, not shown
        for n, row, key in ((1, of, "depart"), (2, of, "arrive"), (3, reply, "depart"),
                            (4, reply, "arrive")):
            off[n].append(abs(int(said[f"t{n}_utc_ns"]) - int(row[f"{key}_reference_ns"])))
    return report, {n: statistics.median(values) for n, values in off.items()}


def test_nic_stamps(bed):
    """NICs that keep what they offer stamp arrivals and send on schedule, with clocks of their own.

    Steps: NICs with arrival stamps and schedule at both ends; tests until they have been judged; 200
        packets with raw records; dump.
    Verify: both ports stamp so; the report names the sources; stamps are right to 1 us.
    """
    box, ways = nic_box(bed, "nics", "rx,timesync,scheduled")
    assert [(w["rx"], w["tx"]) for w in ways] == [("nic", "scheduled")] * 2, ways
    report, off = stamp_errors(box)
    assert report["clock"]["t1_sources"] == ["nic-tx"], report["clock"]
    assert report["clock"]["t4_sources"] == ["nic-rx"], report["clock"]
    assert max(off.values()) < STAMP_NS, off
    sess = box.call("session.show")["sessions"]
    if sess:  # the last one waits for REFWAIT, or is gone already
        shown = box.call("session.show", id=sess[-1]["id"])
        assert (shown["t2_source"], shown["t3_source"]) == ("nic-rx", "nic-tx"), shown
    box.stop()


def test_nic_fails(bed):
    """A NIC that does not keep what it offers is found out, and software stamps instead.

    Steps: NICs that stamp arrivals by a clock that is not theirs and send at once whatever the
        schedule; tests until they have been judged; 200 packets.
    Verify: arrivals are stamped by software; departures are not scheduled; the verdicts say why; no
        result comes from the NIC's arrival stamps, which are 1 ms off.
    """
    box, ways = nic_box(bed, "liars", "wrong-rx,timesync,wrong-schedule")
    assert all(w["rx"] == "software" and w["tx"] != "scheduled" for w in ways), ways
    assert all(w["arrivals"]["implausible"] > 0 and w["departures"]["off_schedule"] > 0
               for w in ways), ways
    report, _ = stamp_errors(box)
    assert report["clock"]["t4_sources"] == ["tsc-rx"], report["clock"]
    assert "nic-tx" not in report["clock"]["t1_sources"], report["clock"]
    box.stop()


def test_kernel_traffic(bed):
    """Owned ends are interfaces of the kernel, and its traffic crosses the wire.

    Steps: attach owned, the interface of end 1 in another namespace; 5 ms each way; ping.
    Verify: answers, none before 10 ms.
    """
    here, there = bed.netns("own"), bed.netns("own2")
    box = start(bed, here, "own", (*CONFIG, "add netsim attach owned"),
                          options=("--keep-root",))
    port = {p["name"]: p["interface"] for p in box.call("port.show")["ports"]}
    for end in (0, 1):
        box.call("netsim.impair", end=end, delay_ns=5_000_000)
    subprocess.run(["ip", "-n", here.name, "link", "set", port["sim1"], "netns", there.name],
                   check=True)
    for netns, device, address in ((here, port["sim0"], "10.78.0.1/24"),
                                   (there, port["sim1"], "10.78.0.2/24")):
        netns.sh(f"ip addr add {address} dev {device}")
        netns.sh(f"ip link set {device} up")
    out = here.sh("ping -c 5 -i 0.2 -W 2 10.78.0.2").stdout
    times = [float(t) for t in re.findall(r"time=([\d.]+) ms", out)]
    assert len(times) == 5 and min(times) >= 10, out
    box.stop()


def test_config(box, bed):
    """`show config` makes the same wire again.

    Steps: set impairments; config.show; an appliance from these lines.
    Verify: the impairments of both ends are the same.
    """
    impair(box, delay_ns=123_000, loss_ppm=77, jitter="normal", jitter_ns=1000)
    lines = [line for line in box.call("config.show")["lines"].splitlines() if "netsim" in line]
    again = start(bed, bed.netns("conf"), "again", lines)
    ends = [[e["impairments"] for e in b.call("netsim.show")["ends"]] for b in (box, again)]
    assert ends[0] == ends[1]
    again.stop()
    impair(box, jitter="none", jitter_ns=0)


def test_accuracy(bed):
    """The accuracy script prints a line of JSON per quantity, with the fields users were promised.

    Steps: scripts/accuracy, the software case, one second.
    Verify: the fields; samples; errors that are no larger than gaps make them.
    """
    done = subprocess.run(
        [str(appliance.TOP / "scripts" / "accuracy"), "--build", str(bed.build), "--json",
         "--case", "software", "--seconds", "1", "--quick", "--plot", str(bed.folder / "a.svg")],
        capture_output=True, text=True, timeout=60, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["quantity"] for line in lines} == {"forward", "reverse", "round_trip"}, done
    for line in lines:
        assert {"case", "stamp", "samples", "bias_ns", "p99_ns", "p999_ns", "max_ns", "within_pct",
                "gaps", "budget_bias_ns", "budget_p999_ns"} <= set(line)
        assert line["case"] == "software" and line["samples"] > 0
    assert "<svg" in (bed.folder / "a.svg").read_text()
    assert statistics.median(abs(line["bias_ns"]) for line in lines) < 10_000_000
