# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""Keys of IKE SAs (RFC 7717) at the client: which SA is taken, what happens without one, and what
no server can talk it into. Against the independent server, with a stub of an IKE daemon."""

import re

import pytest

from dts.api import ike_stub, ippm, peer, rig
from dts.api.ike_lab import (  # noqa: F401  (fixtures are used by name)
    daemon, FAST, ike_server, known, lab, lost, measure, MODES, NEAR, refusal, sa_up, stub)
from dts.api.ike_stub import Sa


@pytest.mark.parametrize("family", rig.FAMILIES)
@pytest.mark.parametrize("mode", MODES)
def test_client(lab, stub, mode, family):
    """A measurement with the key of the SA with its server.

    Steps: an SA; a server that knows it; twampctl ping --ike.
    Verify: a clean report with key source and SPIs; Mode with bit 7; KeyID is the SPIs, then zeros.
    """
    host = rig.NEAR[family]
    sa = sa_up(lab, stub, Sa(host, key=b"\0" * 63 + b"\1"))
    with ike_server(lab, sa, family=family) as there:
        report = measure(lab, host, mode=[mode], floor=mode)
        assert (report["key_source"], report["received"]) == ("ikev2", 20)
        assert f"{report['spi_i']}_{report['spi_r']}" == sa.name
        assert report["ike_remote_id"] == "far.lab" and not report["is_ike_fallback"]
        done = lab.box.twampctl("ping", host, "--ike", "--mode", mode, "-c", "5", "-i", "0.002", "-L",
                                "0.3", "--reflector-timeout", "0.3")
        assert done.returncode == 0, done.stdout + done.stderr
        assert sa.name in done.stdout, done.stdout
    bits = peer.MODES[mode] | peer.IKEV2
    assert there.selected == [(bits, sa.spis + bytes(64))] * 2


def test_client_takes_the_sa_it_has(lab, stub):
    """Without user and ike: the key of an SA if there is one, else what it always was.

    Steps: a test without an SA; with one.
    Verify: refused for want of a key; measured with that of the SA.
    """
    error = lab.box.refusal("test.run", host=NEAR, count=5, **FAST)
    assert "ike" in error.text and "user" in error.text
    sa = sa_up(lab, stub, Sa(NEAR))
    with ike_server(lab, sa):
        report = lab.box.call("test.run", host=NEAR, count=5, **FAST)
    assert report["key_source"] == "ikev2"


def test_newest_sa(lab, stub):
    """Of several SAs the newest of the identity wanted is named.

    Steps: three SAs with a server, two identities; a test for each; a rekeying.
    Verify: the SPIs in the KeyID.
    """
    first = sa_up(lab, stub, Sa(NEAR, remote_id="a.lab"))
    second = sa_up(lab, stub, Sa(NEAR, remote_id="a.lab"))
    third = sa_up(lab, stub, Sa(NEAR, remote_id="b.lab"))
    with ike_server(lab, first, second, third) as there:
        measure(lab)
        measure(lab, ike_peer="a.lab")
        measure(lab, ike_peer="*.lab")
        error = refusal(lab, ike_peer="c.lab", ike_on_missing="fail")
        assert "c.lab" in error.text and error.code == -32013
    assert [key_id[:16] for _, key_id in there.selected] == [third.spis, second.spis, third.spis]
    new = Sa(NEAR, remote_id="b.lab")
    with lab.box.connect() as conn:
        conn.subscribe("ike.sa_rekeyed")
        stub.rekey(third, new)
        conn.event("ike.sa_rekeyed")
    with ike_server(lab, new) as there:
        measure(lab)
    assert there.selected[0][1][:16] == new.spis


def test_missing_fail(lab, stub):
    """ike_on_missing fail: nothing is sent.

    Steps: no SA; a server that would take anything.
    Verify: refused with a hint; no connection, no initiation.
    """
    with ike_server(lab) as there:
        error = refusal(lab, ike_on_missing="fail")
    assert "no IKE SA" in error.text and "initiate" in error.text
    assert there.selected == [] and ippm.INITIATE not in [kind for kind, _ in stub.asked]


def test_missing_initiate(lab, stub):
    """ike_on_missing initiate, the default: the daemon is asked, then the SA is used.

    Steps: no SA; a daemon that sets one up, one that fails, one without a connection, one that
        never answers.
    Verify: a report with the SA's SPIs and a log line; refusals that say what the daemon said; no
        connection to the server.
    """
    sa = Sa(NEAR)

    def come_up(daemon, _peer):
        daemon.up(sa)
        return ike_stub.OK, sa

    stub.on_initiate = come_up
    since = len(lab.box.log)
    with ike_server(lab, sa) as there:
        report = measure(lab)
        assert f"{report['spi_i']}_{report['spi_r']}" == sa.name
    assert f"asking the IKE daemon for an SA with {NEAR}" in lab.box.log[since:]
    stub.down(sa)
    known(lab, 0)
    with ike_server(lab, sa) as there:
        for answer, words in (((ike_stub.SET_UP_FAILED, None), "failed"),
                              ((ike_stub.NO_CONNECTION, None), "no connection"),
                              ((ike_stub.TIMED_OUT, None), "in time")):
            stub.on_initiate = lambda *_, a=answer: a
            error = refusal(lab)
            assert words in error.text and "says the stub" in error.text, error.text
        lab.box.call("config.set", key="ike_initiate_ns", value="200ms")
        lab.box.call("config.set", key="ike_initiate_interval_ns", value="0")
        stub.on_initiate = lambda *_: None
        assert "does not answer" in refusal(lab).text
        lab.box.call("config.set", key="ike_initiate_ns", value="10s")
        lab.box.call("config.set", key="ike_initiate_interval_ns", value="1s")
        assert there.selected == []


def test_missing_for_many(lab, stub):
    """Tests that miss the same SA at once share its initiation.

    Steps: five tests with one server, no SA; a daemon that answers when all have asked.
    Verify: five clean reports with the same SPIs.
    """
    sa, asked = Sa(NEAR), []

    def come_up(daemon, _peer):
        asked.append(1)
        if len(asked) == 1:
            daemon.up(sa)
        return ike_stub.OK, sa

    stub.on_initiate = come_up
    with ike_server(lab, sa) as there:
        ids = [lab.box.call("test.start", host=NEAR, count=5, ike=True, **FAST)["id"]
               for _ in range(5)]
        rig.until(lambda: all(lab.box.call("test.show", id=n)["state"] in ("done", "failed")
                          for n in ids))
    shown = [lab.box.call("test.show", id=n) for n in ids]
    assert [(t["received"], t["spi_i"]) for t in shown] == [(5, sa.spis[:8].hex())] * 5
    assert len(there.selected) == 5


def test_client_goes_on(lab, stub):
    """A test that runs is untouched by the end of its SA and of the daemon.

    Steps: 300 packets; the SA is deleted, then the daemon, while they flow.
    Verify: a clean report.
    """
    sa = sa_up(lab, stub, Sa(NEAR))
    with ike_server(lab, sa), lab.box.connect() as conn:
        conn.subscribe("test.*")
        test = conn.call("test.start", {"host": NEAR, "count": 300, "ike": True,
                                        "interval_ns": 5_000_000, "tmax_ns": 2_000_000_000,
                                        "timeout_ns": 2_000_000_000,
                                        "max_lag_ns": 20_000_000_000})["id"]
        conn.event("test.started", where=lambda d: d["id"] == test)
        stub.down(sa)
        known(lab, 0)
        stub.close()
        lost(lab)
        conn.event("test.done", where=lambda d: d["id"] == test)
        lab.box.result(test).only.clean(300)


def test_client_loses_its_sa(lab, stub):
    """The SA ends when the client is about to derive its key, or does: no Token of it, and no other.

    Steps: a server with Count 32768; the SA is deleted just before its greeting is sent.
    Verify: refused; what was sent, if anything, is no Token.
    """
    sa = sa_up(lab, stub, Sa(NEAR))

    def delete(octets):
        if sa.serial in stub.sas:
            stub.down(sa)
        return octets

    with ike_server(lab, sa, count=32768, hooks={"greeting": delete}) as there:
        error = refusal(lab, ike_on_missing="fail")
    assert "IKE SA" in error.text
    assert {mode for mode, _ in there.selected} <= {0}, there.selected


def test_missing_fallback(lab, stub):
    """ike_on_missing fallback, per test or per server: a passphrase, and an error in the log.

    Steps: no SA, fallback said by the test; by ike_fallback; with a floor the server cannot meet.
    Verify: reports with key source passphrase that say so; log lines of level error; a refusal.
    """
    since = len(lab.box.log)
    with lab.server() as there:
        report = measure(lab, user=rig.KEY_ID, ike_on_missing="fallback")
        assert (report["key_source"], report["is_ike_fallback"]) == ("passphrase", True)
        error = refusal(lab, user=rig.KEY_ID)
        assert "two keys" in error.text
        lab.box.call("config.set", key="ike_fallback", value="10.77.0.0/24")
        report = measure(lab, user=rig.KEY_ID)
        assert report["key_source"] == "passphrase"
        lab.box.call("config.set", key="ike_fallback", value="none")
    assert [mode for mode, _ in there.selected] == [peer.ENCRYPTED] * 2
    assert len(re.findall(r"going on without an IKEv2-derived key", lab.box.log[since:])) == 2
    with lab.server(offer=peer.OPEN | peer.MIXED) as there:
        refusal(lab, user=rig.KEY_ID, ike_on_missing="fallback")
    assert there.reflected == 0


def test_stripped_offer(lab, stub):
    """A greeting without bit 7 never leads to a passphrase or a weaker mode.

    Steps: an SA; a greeting that offers all but bit 7.
    Verify: refused, Mode 0 was sent; and no Token of a passphrase.
    """
    sa_up(lab, stub, Sa(NEAR))
    with lab.server() as there:
        error = refusal(lab)
        assert "offers no IKEv2-derived keys" in error.text
        assert lab.box.refusal("test.run", host=NEAR, count=5, **FAST)
    assert there.selected == [(0, bytes(80))] * 2


def test_accept_6(lab, stub):
    """Accept 6: the daemon is asked once more, one more connection, and that is it.

    Steps: a server that does not know the SA; one to whom a new SA was told meanwhile; one with
        fallback set.
    Verify: two connections and a refusal; two, the second with the new SPIs; a third with a
        passphrase.
    """
    sa = sa_up(lab, stub, Sa(NEAR))
    with ike_server(lab) as there:
        error = refusal(lab, ike_on_missing="initiate")
        assert "knows no IKE SA" in error.text and "6" in error.text
    assert [key_id[:16] for _, key_id in there.selected] == [sa.spis] * 2
    assert (ippm.LOOKUP_PEER, NEAR) in stub.asked
    newer = Sa(NEAR)
    with ike_server(lab, newer) as there:
        there.hooks["server_start"] = lambda octets: stub.add(newer) and octets \
            if newer.serial == 0 else octets
        report = measure(lab)
    assert [key_id[:16] for _, key_id in there.selected] == [sa.spis, newer.spis]
    assert report["spi_i"] == newer.spis[:8].hex()
    with ike_server(lab) as there:
        report = measure(lab, user=rig.KEY_ID, ike_on_missing="fallback")
    assert report["key_source"] == "passphrase" and len(there.selected) == 3


