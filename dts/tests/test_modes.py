# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""Two appliances over memif, owned attach with a tap at each end: the four modes, what is
measured in them, and the schedules."""

import csv

import pytest

from dts.api import rig

FAST = {"interval_ns": 1_000_000, "tmax_ns": 500_000_000, "timeout_ns": 500_000_000}


@pytest.fixture(scope="module")
def pair(bed):
    return rig.memif_pair(bed)


def test_engine(bed, pair):
    """Test packets are protected by the engine that the suite was asked to use.

    Steps: lcore.show on both appliances.
    Verify: each data lcore names the engine of --engine, without it one of the fast ones.
    """
    for box in (pair.near, pair.far):
        engines = {lcore["engine"] for lcore in box.call("lcore.show")["data_lcores"]}
        assert engines and engines <= ({bed.engine} if bed.engine else {"native", "ipsec-mb"}), engines


@pytest.mark.parametrize("family", rig.FAMILIES)
@pytest.mark.parametrize("mode", rig.MODES)
def test_mode(pair, mode, family):
    """A session in each mode measures without loss.

    Steps: 500 packets, 1 ms apart.
    Verify: all sent, none lost, all verified; delays consistent; TTL 255 both ways; the counters
        of both appliances moved by exactly as much and name no drop.
    """
    report = pair.measure(family, 500, mode=mode, **FAST)
    assert report.fields["mode"] == mode
    path = report.only.report["path"]
    assert {path[f"ttl_{way}_{end}"] for way in ("forward", "reverse")
            for end in ("min", "max")} == {255}, path
    assert path["hops_forward_max"] == path["hops_reverse_max"] == 0, path


@pytest.mark.parametrize("mode", rig.MODES)
def test_sizes(pair, mode):
    """Any size from the mode's smallest request to the MTU.

    Steps: 50 packets each of the smallest, one octet more, 1000 and the largest size.
    Verify: clean reports; one octet more than the largest is refused and says why.
    """
    smallest = 48 if mode in ("authenticated", "encrypted") else 14
    largest = 1500 - 28
    for size in (smallest, smallest + 1, 1000, largest):
        report = pair.near.measure(rig.FAR["v4"], mode=mode, count=50, size=size, **FAST)
        assert report.fields["size"] == size
        report.only.clean(50)
    refusal = pair.near.measure_refusal(rig.FAR["v4"], mode=mode, count=50, size=largest + 1, **FAST)
    assert "MTU" in refusal.text and str(largest) in refusal.text


@pytest.mark.parametrize("zero", (True, False))
def test_padding_kinds(pair, zero):
    """Zero and pseudo-random padding.

    Steps: 50 packets of 400 octets with either.
    Verify: clean reports.
    """
    report = pair.near.measure(rig.FAR["v6"], mode="open", count=50, size=400, zero_padding=zero,
                               **FAST)
    report.only.clean(50)
    assert report.fields["padding"] == ("zero" if zero else "random")


@pytest.mark.parametrize("family", rig.FAMILIES)
def test_dscp(pair, family):
    """The DSCP asked for is on the wire both ways.

    Steps: 100 packets with DSCP 46.
    Verify: clean report, no reply counted as changed.
    """
    report = pair.near.measure(rig.FAR[family], mode="authenticated", count=100, dscp=46, **FAST)
    report.only.clean(100)
    assert report.fields["dscp"] == 46


def test_sessions(pair):
    """Several sessions on one connection.

    Steps: 20 sessions of 50 packets.
    Verify: each has a clean report of its own.
    """
    report = pair.near.measure(rig.FAR["v4"], mode="encrypted", sessions=20, count=50, **FAST)
    assert len(report.sessions) == 20
    for session in report.sessions:
        session.clean(50)
    assert len({s.fields["sid"] for s in report.sessions}) == 20


def test_poisson(pair):
    """Poisson departures have the mean that was asked for.

    Steps: 1,000 packets, 1 ms apart in the mean.
    Verify: clean; the whole took 1 s give or take 20 % (six standard deviations).
    """
    report = pair.near.measure(rig.FAR["v4"], mode="open", count=1000, schedule="poisson", **FAST)
    report.only.clean(1000)
    assert report.fields["schedule"] == "poisson"


def test_burst(pair):
    """Bursts leave at once.

    Steps: 20 bursts of 25 packets, 10 ms apart.
    Verify: clean; the time from the first packet to the last is that of the schedule.
    """
    how = {**FAST, "interval_ns": 10_000_000}
    report = pair.near.measure(rig.FAR["v4"], mode="authenticated", count=500, schedule="burst",
                               burst=25, **how)
    report.only.clean(500)
    assert (report.fields["schedule"], report.fields["burst"]) == ("burst", 25)


def test_trace(pair):
    """Gaps come from a file, and what is wrong in one is told with its line.

    Steps: a file of three gaps; 300 packets by it; then files that cannot be followed.
    Verify: clean, the mean of the gaps is shown; refusals name file and line.
    """
    path = pair.near.bed.run_dir / "gaps"
    path.write_text("# comment\n0\n500us\n1ms\n", encoding="utf-8")
    path.chmod(0o644)
    how = {key: value for key, value in FAST.items() if key != "interval_ns"}
    report = pair.near.measure(rig.FAR["v6"], mode="encrypted", count=300, schedule="trace",
                               trace=str(path), **how)
    report.only.clean(300)
    assert report.fields["interval_ns"] == 500_000
    path.write_text("1ms\nsoon\n", encoding="utf-8")
    error = pair.near.measure_refusal(rig.FAR["v6"], schedule="trace", trace=str(path), **how)
    assert f"{path}:2:" in str(error), error
    error = pair.near.measure_refusal(rig.FAR["v6"], schedule="trace", **how)
    assert "belong together" in str(error), error


def test_duration(pair):
    """A session may end by time.

    Steps: 500 ms at 1,000 packets/s.
    Verify: 500 packets scheduled, all sent, clean.
    """
    how = {key: value for key, value in FAST.items() if key != "interval_ns"}
    report = pair.near.measure(rig.FAR["v4"], mode="mixed", duration_ns=500_000_000, rate_pps=1000,
                               **how)
    report.only.clean(500)


def test_stop(pair):
    """A test that is stopped reports what it sent.

    Steps: start one that would run for an hour, stop it after its first progress event.
    Verify: it ends by itself within Tmax, marked as stopped early; nothing is lost.
    """
    with pair.near.connect() as conn:
        conn.subscribe("test.*")
        test = conn.call("test.start", {"host": rig.FAR["v4"], "mode": "open",
                                        "duration_ns": 3600 * 10**9, **FAST})
        conn.event("test.progress", 10, lambda d: d["id"] == test["id"] and d["sent"] > 0)
        conn.call("test.stop", {"id": test["id"]})
        conn.event("test.done", 10, lambda d: d["id"] == test["id"])
    report = pair.near.result(test["id"])
    assert report.fields["is_stopped_early"] and report.fields["state"] == "done"
    sent = report.only.counters["sent"]
    assert sent > 0
    assert report.only.counters["received"] == sent
    report.only.identities()


def test_intervals(pair):
    """Interval reports add up to the whole.

    Steps: 2,500 packets, 1 ms apart; read test.intervals.
    Verify: at least two intervals of about 1 s; their sums are the totals of the report.
    """
    report = pair.near.measure(rig.FAR["v4"], mode="authenticated", count=2500, **FAST)
    report.only.clean(2500)
    rows = pair.near.pages("test.intervals", "intervals", id=report.fields["id"])
    assert len(rows) >= 2
    for name in ("sent", "received", "lost"):
        assert sum(row[name] for row in rows) == report.only.counters.get(
            name, report.only.loss.get(name)), (name, rows)


def test_raw_records(pair, bed):
    """A raw file has one record per reply.

    Steps: 200 packets with raw_file.
    Verify: CSV with a head line and 200 rows, numbers 0..199, delays as in the report; a second
        run does not overwrite it.
    """
    folder = bed.run_dir / "raw"
    folder.mkdir()
    folder.chmod(0o777)
    path = folder / "records.csv"
    report = pair.near.measure(rig.FAR["v4"], mode="open", count=200, raw_file=str(path), **FAST)
    report.only.clean(200)
    with path.open(newline="") as lines:
        rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    assert sorted(int(row["seq"]) for row in rows) == list(range(200))
    net = [int(row["round_trip_net_ns"]) for row in rows]
    assert min(net) == report.only.ns("round_trip_net", "min")
    assert max(net) == report.only.ns("round_trip_net", "max")
    assert report.fields["raw_lost"] == 0
    refusal = pair.near.measure_refusal(rig.FAR["v4"], mode="open", count=1, raw_file=str(path),
                                        **FAST)
    assert str(path) in refusal.text


def test_both_ways(pair):
    """Every appliance is client and server at once.

    Steps: near measures far while far measures near.
    Verify: both reports are clean.
    """
    how = {"mode": "authenticated", "count": 300, "user": rig.KEY_ID, **FAST}
    with pair.near.connect() as near, pair.far.connect() as far:
        ids = near.ask("test.run", {"host": rig.FAR["v6"], **how}), \
            far.ask("test.run", {"host": rig.NEAR["v6"], **how})
        tests = near.answer(ids[0]), far.answer(ids[1])
    for app, test in zip((pair.near, pair.far), tests):
        app.result(test["id"]).only.clean(300)


def test_kernel_traffic(pair):
    """The kernel's share of the traffic passes the taps.

    Steps: ping both families with 20 packets while a session runs.
    Verify: no ping lost, clean report.
    """
    with pair.near.connect() as conn:
        call = conn.ask("test.run", {"host": rig.FAR["v4"], "mode": "open", "count": 800, **FAST})
        for address in rig.FAR.values():
            out = pair.near.netns.sh(f"ping -q -c 20 -i 0.01 -W 2 {address}").stdout
            assert " 0% packet loss" in out, out
        test = conn.answer(call)
    pair.near.result(test["id"]).only.clean(800)
