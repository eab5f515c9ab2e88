# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""Two appliances with keys of the IKE SAs of two strongSwan daemons, end to end (RFC 7717)."""

import contextlib
import os
import pathlib
import time

import pytest

from dts.api import ike_rig, peer, rig
from dts.api.exchange import Exchange
from dts.api.ike_steps import FAST, attach, attached, known, loses_nothing, measure, spis_of

# rekeyings within one session, and seconds of it: the whole claim is 100,60
REKEYS, SECONDS = (int(n) for n in os.environ.get("DTS_IKE_REKEYS", "10,3").split(","))
# first and further set-ups and deletes of the test that nothing grows: the claim is 250,2000
WARM_UP, CYCLES = (int(n) for n in os.environ.get("DTS_IKE_CYCLES", "100,100").split(","))
ENDS = rig.NEAR["v4"], rig.FAR["v4"]
MODES = ("authenticated", "encrypted", "mixed")
LIBIPSEC = "plugins { kernel-libipsec { load = yes } }"


@pytest.fixture(scope="module")
def pair(bed):
    """Appliances on an interface that is the kernel's, so that the daemons share it."""
    return rig.veth_pair(bed, settings=("set config ike_initiate_interval_ns 0",))


@pytest.fixture(scope="module")
def duo(bed, pair):
    """The daemons, connected to the appliances: any of their connections will do."""
    children = [{"children": {"net": {"local_ts": f"10.90.{mine}.0/24",
                                      "remote_ts": f"10.90.{other}.0/24"}}}
                for mine, other in ((1, 2), (2, 1))]
    made = ike_rig.duo(
        bed, {"ecdsa": ("ecdsa", *children), "rsa": ("rsa", {}, {}), "psk": ("psk", {}, {})},
        kinds=("ecdsa", "rsa"), extra=ike_rig.IMPATIENT + LIBIPSEC, pair=pair, ends=ENDS,
        owner=pair.near.socket.stat().st_uid)
    for app, daemon in zip((pair.near, pair.far), made.both):
        attach(app, daemon)
    return made


@pytest.fixture(autouse=True)
def fresh(pair, duo):
    """Each case begins without SAs."""
    for daemon in duo.both:
        with daemon.client() as client:
            names = {sa.connection for sa in client.listing()} - {""}
        for name in names:
            with contextlib.suppress(RuntimeError):  # its end may be on its way
                daemon.terminate(name, force=True)
    known((pair.near, pair.far), 0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("side", ("initiator", "responder"))
def test_modes(pair, duo, side, mode):
    """The client may be the initiator or the responder of the IKE SA.

    Steps: initiate an SA with certificates from near; measure from near, or from far, in each mode.
    Verify: nothing lost, all verified; the report names IKEv2 as the key source, the SPIs that both
    appliances list, and the identity of the other end.
    """
    duo.near.initiate("ecdsa")
    spis, = known((pair.near, pair.far))
    app, host, name = ((pair.near, ENDS[1], "far.lab") if side == "initiator"
                       else (pair.far, ENDS[0], "near.lab"))
    report = measure(app, host, mode=[mode], floor=mode, ike_peer=name)
    loses_nothing(report, 100)
    assert report.fields["key_source"] == "ikev2" and spis_of(report) == spis
    assert report.fields["ike_remote_id"] == name


@pytest.mark.parametrize("auth", ("psk", "rsa", "ecdsa"))
def test_initiate(pair, duo, auth):
    """Without an SA the appliance has one set up, whatever authenticates it.

    Steps: no SA; initiate with a connection of each kind, measure; and once with a test alone.
    Verify: a clean run with the SPIs of the SA that came up; an identity that does not fit is refused.
    """
    sa = pair.near.call("ike.initiate", peer=ENDS[1], connection=auth)
    report = measure(pair.near, ENDS[1])
    loses_nothing(report, 100)
    assert spis_of(report) == (sa["spi_i"], sa["spi_r"])
    error = pair.near.refusal("test.run", host=ENDS[1], ike=True, ike_peer="other.lab", count=5)
    assert "no connection" in error.text, error.text
    duo.near.terminate(auth)
    known((pair.near, pair.far), 0)
    report = measure(pair.near, ENDS[1])  # by whatever connection the daemon finds
    loses_nothing(report, 100)
    assert {spis_of(report)} == known((pair.near, pair.far))


def rekeyed(duo, client, side):
    """One rekeying by one side; the new SPIs."""
    with duo.both[side].client() as own:
        name = own.listing()[-1].connection
    duo.both[side].rekey(name)
    spis = client.event("rekeyed").spis
    client.event("down", where=lambda sa: sa.reason == "rekeyed")
    return tuple(spi.hex() for spi in spis)


def test_rekeys(pair, duo):
    """Rekeyings during a session harm nothing; the next connection has the new SPIs.

    Steps: 1,000 packets a second for some seconds, the IKE SA rekeyed by either side in turn
    meanwhile (whole claim: DTS_IKE_REKEYS=100,60); then measure once more.
    Verify: nothing lost, nothing invalid; every rekeying gave other SPIs; the second run used the
    newest; both appliances list only that one.
    """
    duo.near.initiate("ecdsa")
    first, = known((pair.near, pair.far))
    count = SECONDS * 1000
    seen = [first]
    with pair.near.connect() as conn, duo.near.client().subscribe() as client:
        conn.subscribe("test.started")
        call = conn.ask("test.run", {"host": ENDS[1], "ike": True, "count": count, **FAST,
                                     "interval_ns": 1_000_000, "tmax_ns": 3_000_000_000,
                                     "timeout_ns": 2_000_000_000})
        conn.event("test.started")
        begin = time.monotonic()
        for n in range(REKEYS):
            seen.append(rekeyed(duo, client, n % 2))
            left = begin + (n + 1) * SECONDS / (REKEYS + 1) - time.monotonic()
            time.sleep(max(0, left))  # spread over the session: they would be done in a moment
        test = conn.answer(call, SECONDS + 60)
    report = pair.near.result(test["id"])
    loses_nothing(report, count)
    assert spis_of(report) == first and len(set(seen)) == REKEYS + 1
    assert known((pair.near, pair.far)) == {seen[-1]}
    again = measure(pair.near, ENDS[1])
    loses_nothing(again, 100)
    assert spis_of(again) == seen[-1]


@pytest.mark.parametrize("what,side", (("delete", 1), ("kill", 0), ("kill", 1)))
def test_live_session(pair, duo, what, side):
    """A session goes on without its SA, and without the daemon.

    Steps: a session of 1.5 s; meanwhile delete the SA on one side, or kill -9 charon there.
    Verify: nothing lost, nothing invalid; the appliance says that the daemon is gone, and works with
    the one that is started anew.
    """
    duo.near.initiate("ecdsa")
    known((pair.near, pair.far))
    daemon, app = duo.both[side], (pair.near, pair.far)[side]
    with pair.near.connect() as conn:
        conn.subscribe("test.started")
        call = conn.ask("test.run", {"host": ENDS[1], "ike": True, "count": 1500, **FAST,
                                     "interval_ns": 1_000_000, "tmax_ns": 1_000_000_000})
        conn.event("test.started")
        if what == "delete":
            daemon.terminate("ecdsa")
        else:
            daemon.kill()
        test = conn.answer(call)
    loses_nothing(pair.near.result(test["id"]), 1500)
    if what == "kill":
        attached(app, False)
        daemon.start()
        attached(app)
        other = duo.both[1 - side]
        with contextlib.suppress(RuntimeError):  # it may have noticed
            other.terminate("ecdsa", force=True)
        known((pair.near, pair.far), 0)
        loses_nothing(measure(pair.near, ENDS[1]), 100)


def test_server_without_the_sa(pair, duo):
    """An SA that only the client still has: Accept 6, and then as ike_on_missing says.

    Steps: an SA; far's charon is killed and started again, near's does not notice; measure with each
    value of ike_on_missing.
    Verify: fail and initiate end in an error that names Accept 6, each with two connections and so many
    lines of far's log with both SPIs, well within the wait; fallback measures with the passphrase and
    says so in the log as an error.
    """
    pair.far.call("config.set", key="ike_grace_ns", value="0s")
    duo.near.initiate("psk")
    (spi_i, spi_r), = known((pair.near, pair.far))
    duo.far.kill()
    attached(pair.far, False)
    duo.far.start()
    attached(pair.far)
    known((pair.far,), 0)
    for way in ("fail", "initiate"):
        since, begin = len(pair.far.log), time.monotonic()
        error = pair.near.refusal("test.run", host=ENDS[1], ike=True, ike_on_missing=way, count=5)
        assert "6" in error.text and "IKE SA" in error.text, error.text
        assert time.monotonic() - begin < 10
        lines = [line for line in pair.far.log[since:].splitlines() if spi_i in line and spi_r in line]
        assert len(lines) == 2, lines
    since = len(pair.near.log)
    report = measure(pair.near, ENDS[1], user=rig.KEY_ID, ike_on_missing="fallback")
    loses_nothing(report, 100)
    assert report.fields["key_source"] == "passphrase" and report.fields["is_ike_fallback"]
    assert "IKEv2-derived key" in pair.near.log[since:]
    pair.far.call("config.set", key="ike_grace_ns", value="30s")
    duo.near.terminate("psk", force=True)


def test_tunnel(pair, duo, bed):
    """Control inside a Child SA, as RFC 7717 5.4 recommends; the key is that of its IKE SA.

    Steps: a Child SA in user space; a client connects from inside to the server's inside address, names
    the SPIs, and has packets reflected outside the tunnel; once more from an address the SA does not
    vouch for.
    Verify: Accept 0 and replies that verify; no TCP segment to the server is seen on the cable; the
    other is refused.
    """
    for daemon, net in ((duo.near, 1), (duo.far, 2)):
        daemon.netns.sh(f"ip addr replace 10.90.{net}.1/32 dev lo")
    finish = bed.capture(duo.near.netns, "eth0", "tunnel", "tcp port 862")
    duo.near.initiate("ecdsa", "net")
    known((pair.near, pair.far))
    with duo.near.client() as client:
        sa = client.by_peer("10.90.2.1").sa
    lab = rig.Lab(pair.far, duo.near.netns, "eth0")
    with duo.near.netns.inside():
        inside = peer.Client("10.90.2.1", source="10.90.1.1")
    with inside:
        assert inside.set_up(peer.ENCRYPTED | peer.IKEV2, b"".join(sa.spis), sa.key) == 0
        with Exchange(lab, inside, sender=ENDS[0], receiver=ENDS[1]) as ex:
            assert inside.start() == 0
            for _ in range(5):
                ex.ask()
            inside.stop()
    assert bed.tshark(finish()) == ""
    duo.near.netns.sh("ip addr add 10.77.0.99/24 dev eth0")
    with duo.near.netns.inside():
        stranger = peer.Client(ENDS[1], source="10.77.0.99")
    with stranger:
        assert stranger.set_up(peer.ENCRYPTED | peer.IKEV2, b"".join(sa.spis), sa.key) != 0
    duo.near.netns.sh("ip addr del 10.77.0.99/24 dev eth0")


def test_capture(pair, duo, bed):
    """The Set-Up-Response on the wire: KeyID is SPIi, SPIr, then zeros.

    Steps: capture a set-up with an IKE-derived key; read it with tshark.
    Verify: Mode has bit 7; the KeyID tshark shows is the SPIs of the SA and 64 zeros.
    """
    duo.near.initiate("ecdsa")
    (spi_i, spi_r), = known((pair.near, pair.far))
    finish = bed.capture(duo.far.netns, "eth0", "set-up", "tcp port 862")
    measure(pair.near, ENDS[1], mode=["encrypted"])
    fields = bed.tshark(finish(), "-Y", "twamp.control.keyid", "-T", "fields", "-e",
                        "twamp.control.keyid", "-e", "twamp.control.mode", "-e", "tcp.payload")
    key_id, mode, payload = fields.split()[:3]
    # tshark takes the KeyID for 40 octets long
    assert key_id == spi_i + spi_r + "00" * 24, fields
    assert payload[8:168] == spi_i + spi_r + "00" * 64, fields
    assert int(mode, 0) == 132, fields


def private_kib(app):
    """Memory that is the appliance's alone, in every mapping."""
    return sum(int(line.split()[1])
               for line in pathlib.Path(f"/proc/{app.pid}/smaps").read_text(encoding="ascii").splitlines()
               if line.startswith("Private_Dirty:"))


def test_growth(pair, duo):
    """SAs that come and go leave nothing in the appliances (whole claim: DTS_IKE_CYCLES=250,2000).

    Steps: set-ups and deletes by the daemons, each waited for in both appliances.
    Verify: the private memory of each grew by less than 1 MB after the first ones.
    """
    apps = pair.near, pair.far
    with contextlib.ExitStack() as stack:
        conns = [stack.enter_context(app.connect()) for app in apps]
        for conn in conns:
            conn.subscribe("ike.sa_down")
        for n in range(WARM_UP + CYCLES):
            if n == WARM_UP:
                before = [private_kib(app) for app in apps]
            duo.near.initiate("psk")
            duo.near.terminate("psk")
            for conn in conns:
                conn.event("ike.sa_down")
        grown = [private_kib(app) - kib for app, kib in zip(apps, before)]
    print(f"appliances grew by {grown} KiB over {CYCLES} SAs")
    assert max(grown) < 1000
