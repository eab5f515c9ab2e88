# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""One appliance between the independent peer and a stub of an IKE daemon: fixtures and steps."""

import pytest

from dts.api import ike_stub, peer, rig

FAST = {"interval_ns": 2_000_000, "tmax_ns": 500_000_000, "timeout_ns": 500_000_000}
NEAR = rig.NEAR["v4"]
NEAR6 = rig.NEAR["v6"]
MODES = {name: bits for name, bits in peer.MODES.items() if name != "open"}


@pytest.fixture(scope="module")
def lab(bed):
    """The box at .2, the independent peer at .1; the daemon's socket is not there yet."""
    return rig.kernel_lab(bed, settings=[f"set config ike_socket {bed.run_dir}/ike.sock"])


@pytest.fixture(scope="module")
def daemon(lab, bed):
    """The stub, not serving yet."""
    with ike_stub.Stub(bed.run_dir / "ike.sock", uid=lab.box.socket.stat().st_uid) as made:
        yield made


@pytest.fixture
def stub(lab, daemon):
    """The stub without SAs, and the box is connected to it."""
    daemon.open()
    known(lab, 0)
    yield daemon
    daemon.open()
    daemon.forget()
    known(lab, 0)


def known(lab, count):
    """Until the box knows so many SAs of a daemon it is connected to."""
    with lab.box.connect() as conn:
        conn.subscribe("ike.*")
        while True:
            status = conn.call("ike.status")
            if status["sas"] == count and status["is_connected"]:
                return
            line = conn.line()
            assert line is not None


def lost(lab):
    """Until the box knows that the daemon is gone."""
    with lab.box.connect() as conn:
        conn.subscribe("ike.daemon")
        if conn.call("ike.status")["is_connected"]:
            conn.event("ike.daemon", where=lambda d: not d["is_connected"])


def sa_up(lab, stub, sa):
    """Announce an SA; back when the box has it."""
    with lab.box.connect() as conn:
        conn.subscribe("ike.sa_up")
        stub.up(sa)
        conn.event("ike.sa_up", where=lambda d: d["spi_i"] + "_" + d["spi_r"] == sa.name)
    return sa


def set_up(lab, sa, mode="authenticated", key=None, tail=b"", family="v4"):
    """A control connection that names the SA; (Accept, connection)."""
    with lab.there.inside():
        client = peer.Client(rig.FAR[family])
    client.read_greeting()
    accept = client.set_up(peer.MODES[mode] | peer.IKEV2, sa.spis + tail, key or sa.key)
    return accept, client


def accept_of(lab, sa, **how):
    accept, client = set_up(lab, sa, **how)
    client.stream.close()
    return accept


def lines_with(lab, sa, since):
    """Log lines of the server about this SA's SPIs."""
    said = lab.box.log[since:].splitlines()
    return [line for line in said if sa.spis[:8].hex() in line and sa.spis[8:].hex() in line
            and "control" in line]


def counters(lab):
    return lab.box.call("server.counters")["counters"]


def ike_server(lab, *sas, **how):
    return lab.server(offer=15 | peer.IKEV2, ike_keys={sa.spis: sa.key for sa in sas}, **how)


def measure(lab, host=NEAR, **how):
    return lab.box.call("test.run", host=host, count=20, **{**FAST, "ike": True, **how})


def refusal(lab, host=NEAR, **how):
    return lab.box.refusal("test.run", host=host, count=20, **{**FAST, "ike": True, **how})
