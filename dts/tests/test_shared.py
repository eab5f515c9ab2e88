# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""Two appliances that share a kernel interface."""

import pytest

from dts.api import rig

FAST = {"interval_ns": 2_000_000, "tmax_ns": 500_000_000, "timeout_ns": 500_000_000}


@pytest.fixture(scope="module")
def pair(bed):
    return rig.veth_pair(bed)


@pytest.mark.parametrize("family", rig.FAMILIES)
@pytest.mark.parametrize("mode", rig.MODES)
def test_mode(pair, mode, family):
    """A session in each mode measures without loss through the kernel's own interface.

    Steps: 300 packets, 2 ms apart.
    Verify: a clean report; the counters of both appliances moved by exactly as much.
    """
    path = pair.measure(family, 300, mode=mode, **FAST).only.report["path"]
    assert path["hops_forward_max"] == path["hops_reverse_max"] == 0, path


def test_kernel_traffic(pair):
    """The kernels keep their traffic.

    Steps: ping both families while a session runs.
    Verify: no ping is lost or answered twice; the report is clean.
    """
    with pair.near.connect() as conn:
        call = conn.ask("test.run", {"host": rig.FAR["v4"], "mode": "open", "count": 400, **FAST})
        for address in rig.FAR.values():
            out = pair.near.netns.sh(f"ping -q -c 20 -i 0.01 -W 2 {address}").stdout
            assert " 0% packet loss" in out and "duplicates" not in out, out
        test = conn.answer(call)
    pair.near.result(test["id"]).only.clean(400)


def test_largest(pair):
    """The MTU of the interface bounds a packet, and the largest passes.

    Steps: 50 packets of the largest UDP payload that fits the MTU, both ways.
    Verify: a clean report.
    """
    report = pair.near.measure(rig.FAR["v6"], mode="encrypted", count=50, size=1500 - 48, **FAST)
    report.only.clean(50)


def test_link(bed):
    """The state of a shared port is that of its interface, whatever the driver says.

    Steps: take the far end of the cable down, and up again.
    Verify: event port.state and port.show tell both.
    """
    with bed.inner("link") as part:
        pair = rig.veth_pair(part)
        with pair.near.connect() as conn:
            conn.subscribe("port.state")
            for state in ("down", "up"):
                pair.far.netns.sh(f"ip link set eth0 {state}")
                told = conn.event("port.state", 10, lambda data: data["port"] == "net0")
                assert told["is_up"] == (state == "up"), told
                assert conn.call("port.show", {"name": "net0"})["is_up"] == (state == "up")
