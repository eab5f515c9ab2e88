# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""A thousand sessions at once, and a hundred thousand packets a second, over memif.

Losses are allowed only as far as a counter of one of the two boxes names them.
"""

import os
import pathlib

import pytest

from dts.api import rig

ROUNDS = int(os.environ.get("DTS_ROUNDS", "4"))

DRAIN = {"tmax_ns": 500_000_000, "timeout_ns": 500_000_000}


@pytest.fixture(scope="module")
def pair(bed):
    return rig.memif_pair(bed)


def device_losses(app):
    """What devices say they lost, all ports together."""
    return sum(row.get(name) or 0 for row in app.call("port.show")["ports"]
               for name in ("rx_missed", "rx_errors", "rx_no_mbuf", "tx_errors"))


def named_losses(pair, before):
    """Packets whose end a counter of either box names."""
    total = 0
    for app, old, lost in zip((pair.near, pair.far), *before):
        moved = rig.moved(old, app.counters())
        total += sum(value for name, value in moved.items() if name.startswith("drop."))
        total += device_losses(app) - lost
    return total


def snapshot(pair):
    return pair.counters(), (device_losses(pair.near), device_losses(pair.far))


def settle(sessions, packets, named):
    """All sent as scheduled; what is lost has a name. Returns the loss."""
    lost = 0
    for session in sessions:
        session.identities()
        assert session.sender["scheduled"] == packets and session.sender["skipped"] == 0, session.sender
        assert session.counters["sent"] == packets, session.sender
        lost += session.loss["lost"]
    assert lost <= named, f"{lost} lost, counters name {named}"
    return lost


def test_thousand_sessions(pair):
    """1,000 sessions at 100 packets/s for 10 s while others come and go.

    Steps: start one test of 1,000 sessions; until it is done, run tests of 10 sessions for half a
        second, one after the other. A packet may be late by 8 s, lest a busy machine skips some.
    Verify: every session sent what was scheduled; losses are zero or named.
    """
    before = snapshot(pair)
    with pair.near.connect() as conn:
        conn.subscribe("test.*")
        many = conn.call("test.start", {
            "host": rig.FAR["v4"], "mode": "authenticated", "user": rig.KEY_ID, "sessions": 1000,
            "count": 1000, "interval_ns": 10_000_000, **DRAIN})
        conn.event("test.progress", 30, lambda d: d["id"] == many["id"] and d["sent"] > 0)
        churn = []
        while pair.near.call("test.show", id=many["id"], limit=1)["state"] == "running":
            churn.append(pair.near.measure(
                rig.FAR["v6"], mode=("open", "encrypted")[len(churn) % 2], sessions=10, count=50,
                interval_ns=10_000_000, **DRAIN))
        conn.event("test.done", 60, lambda d: d["id"] == many["id"])
    report = pair.near.result(many["id"])
    named = named_losses(pair, before)
    assert len(report.sessions) == 1000 and len(churn) >= 3
    lost = settle(report.sessions, 1000, named)
    for part in churn:
        assert len(part.sessions) == 10
        lost += settle(part.sessions, 50, named)
    assert lost <= named
    assert report.fields["sent"] == 1_000_000


def test_hundred_thousand_a_second(pair):
    """One authenticated session at 100,000 packets/s for 10 s.

    Steps: 1,000,000 packets, 10 us apart.
    Verify: all are sent; losses are zero or named; the sending took 10 s.
    """
    before = snapshot(pair)
    report = pair.near.measure(rig.FAR["v4"], mode="authenticated", count=1_000_000,
                               rate_pps=100_000, **DRAIN)
    settle([report.only], 1_000_000, named_losses(pair, before))
    assert report.only.counters["received"] > 900_000


def resident_kib(app):
    for line in pathlib.Path(f"/proc/{app.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


def footprint(app):
    """What may not grow: secret memory, descriptors but those of held ports, resident memory."""
    counters = app.counters()
    held = counters["usage.held_ports"]
    return (counters["usage.secret_memory"], len(app.descriptors()) - held, resident_kib(app))


def test_growth(pair):
    """Sessions that are over cost nothing.

    Steps: rounds of 200 sessions of 10 packets, modes in turn, forgotten by test.remove; compare
        after the first rounds and at the end.
    Verify: secret memory and descriptors are the same give or take a session, resident memory
        within 8 MiB however many rounds there were: the allocator may keep that much.
    """
    first = None
    for number in range(4 + ROUNDS):
        if number == 4:
            first = footprint(pair.near), footprint(pair.far)
        report = pair.near.measure(rig.FAR["v4"], mode=rig.MODES[number % 4], sessions=200, count=10,
                                   interval_ns=10_000_000, **DRAIN)
        assert len(report.sessions) == 200
        pair.near.call("test.remove", id=report.fields["id"])
    for old, new in zip(first, (footprint(pair.near), footprint(pair.far))):
        assert abs(new[0] - old[0]) < 65536, (old, new)
        assert abs(new[1] - old[1]) <= 4, (old, new)
        assert new[2] - old[2] < 8192, (old, new)
