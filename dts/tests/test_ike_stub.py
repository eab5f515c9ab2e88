# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""Keys of IKE SAs (RFC 7717) from a daemon that can do what a real one cannot: the appliance as
server and as client against the independent peer, and what becomes of it when the daemon errs."""

import os
import re
import struct
import threading

import pytest

from dts.api import ike_stub, ippm, peer, rig
from dts.api.exchange import Exchange
from dts.api.ike_stub import Sa

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


@pytest.fixture(name="stub")
def _stub(lab, daemon):
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


# ---- the server ----

@pytest.mark.parametrize("size", (16, 20, 32, 48, 64))
@pytest.mark.parametrize("mode", MODES)
def test_server(lab, stub, mode, size):
    """The key of an SA authenticates in each secure mode, whatever its octets.

    Steps: an SA with a key full of zeros and line ends; a client that names it, garbage in the rest
        of the KeyID; a session with three packets.
    Verify: Accept 0, replies that verify, the connection shows its key source and SPIs.
    """
    key = (b"\0\n\xff\r" * 16)[:size - 1] + b"\0"
    sa = sa_up(lab, stub, Sa(NEAR, key=key))
    accept, client = set_up(lab, sa, mode, tail=os.urandom(64))
    assert accept == 0
    with client, Exchange(lab, client) as ex:
        shown, = lab.box.call("server.connections")["connections"]
        assert (shown["key_source"], shown["user"]) == ("ikev2", None)
        assert f"{shown['spi_i']}_{shown['spi_r']}" == sa.name
        assert client.start() == 0
        for _ in range(3):
            ex.ask()
        client.stop()


def test_offered_with_a_daemon_only(lab, daemon):
    """Bit 7 is offered while the daemon serves keys, and not if the policy says no.

    Steps: greetings without a daemon, with one, with server_ike_offer 0.
    Verify: bit 7 in the second alone; passphrases work beside it.
    """
    def offered():
        with lab.client() as client:
            return client.read_greeting() & peer.IKEV2

    daemon.close()
    lost(lab)
    assert not offered()
    daemon.open()
    known(lab, 0)
    assert offered()
    with lab.client(mode="encrypted"):
        pass
    lab.box.call("config.set", key="server_ike_offer", value="0")
    assert not offered()
    lab.box.call("config.set", key="server_ike_offer", value="1")


def test_unknown_sa(lab, stub):
    """Without the SA: Accept 6, one line with both SPIs; only peers that may get one are waited for.

    Steps: random SPIs from a peer nobody knows; from one the daemon's configuration knows; with
        the open mode; with swapped SPIs.
    Verify: Accept 6, 6, 3, 6; one log line each; the second one alone was waited for.
    """
    since = len(lab.box.log)
    stranger, friend = Sa(NEAR), Sa(NEAR6)
    before = counters(lab)
    assert accept_of(lab, stranger) == 6
    assert counters(lab)["ike_waits_over"] == before["ike_waits_over"]
    stub.wait(lambda s: (ippm.LOOKUP_PEER, NEAR) in s.asked)
    stub.flags[NEAR6] = ike_stub.KNOWN_PEER
    before = counters(lab)
    assert accept_of(lab, friend, family="v6") == 6
    assert counters(lab)["ike_waits"] == before["ike_waits"] + 1
    for sa in (stranger, friend):
        assert len(lines_with(lab, sa, since)) == 1, lab.box.log[since:]
    assert accept_of(lab, stranger, mode="open") == 3
    sa = sa_up(lab, stub, Sa(NEAR))
    assert accept_of(lab, Sa(NEAR, key=sa.key, spis=sa.spis[8:] + sa.spis[:8])) == 6


def test_late_sa(lab, stub):
    """A client may name an SA before the server's daemon tells of it.

    Steps: an SA being set up; a client that names it; once the server waits the SA comes up.
    Verify: Accept 0; another that fails instead: Accept 6.
    """
    for does_come, wanted in ((True, 0), (False, 6)):
        sa = stub.connecting(Sa(NEAR))
        got = []
        thread = threading.Thread(target=lambda s=sa: got.append(accept_of(lab, s)))
        with lab.box.connect() as conn:
            thread.start()
            while conn.call("server.show")["waiting_for_ike_sa"] == 0:
                assert thread.is_alive(), got
            if does_come:
                stub.up(sa)
        thread.join(20)
        assert got == [wanted]


def test_wrong_key(lab, stub):
    """Two ends with different keys do not authenticate.

    Steps: a client with another key than the daemon's.
    Verify: Accept 1; the log says what differs.
    """
    since = len(lab.box.log)
    sa = sa_up(lab, stub, Sa(NEAR))
    assert accept_of(lab, sa, key=os.urandom(32)) == 1
    line, = lines_with(lab, sa, since)
    assert "different keys" in line


def test_addresses(lab, stub):
    """A client connects from an address of the SA it names, unless the operator waives that.

    Steps: SAs with another remote address, with the peer as virtual IP, inside a selector, outside.
    Verify: Accept 1, 0, 0, 1; all 0 with ike_check_peer no; a move follows.
    """
    other = "192.0.2.77"
    sas = [Sa(other), Sa(other, vips=[NEAR]), Sa(other, selectors=[("10.77.0.0", "10.77.0.1")]),
           Sa(other, selectors=[("10.77.0.2", "10.77.0.255")])]
    for sa in sas:
        sa_up(lab, stub, sa)
    assert [accept_of(lab, sa) for sa in sas] == [1, 0, 0, 1]
    lab.box.call("config.set", key="ike_check_peer", value="no")
    assert [accept_of(lab, sa) for sa in sas] == [0, 0, 0, 0]
    lab.box.call("config.set", key="ike_check_peer", value="yes")
    with lab.box.connect() as conn:
        conn.subscribe("ike.sa_moved")
        sas[0].remote = NEAR
        stub.send(sas[0].record(ike_stub.MOVED))
        conn.event("ike.sa_moved")
    assert accept_of(lab, sas[0]) == 0


def test_identities(lab, stub):
    """Policy by the identity the peer authenticated with.

    Steps: two identities, of which one is allowed; one the daemon had to cut.
    Verify: Accept 0 and 1; the cut one is refused even by a pattern for all.
    """
    good = sa_up(lab, stub, Sa(NEAR, remote_id="C=CH, O=lab, CN=good"))
    bad = sa_up(lab, stub, Sa(NEAR, remote_id="C=CH, O=lab, CN=bad"))
    odd = sa_up(lab, stub, Sa(NEAR, remote_id="odd\x01"))
    lab.box.call("config.set", key="ike_ids", value="*CN=good")
    assert [accept_of(lab, sa) for sa in (good, bad, odd)] == [0, 1, 1]
    lab.box.call("config.set", key="ike_ids", value="*")
    assert [accept_of(lab, sa) for sa in (good, bad, odd)] == [0, 0, 1]
    lab.box.call("config.set", key="ike_ids", value="none")


def test_grace(lab, stub):
    """A superseded key serves for a while, a deleted one does not, nor one of a daemon long lost.

    Steps: rekey; delete the successor; rekey again and let the grace end; lose the daemon.
    Verify: Accept 0 for old and new; 6 for both; 6 for the old one alone; 0, and 6 when told that
        the keys are gone; bit 7 is no longer offered then.
    """
    old, new = sa_up(lab, stub, Sa(NEAR)), Sa(NEAR)
    with lab.box.connect() as conn:
        conn.subscribe("ike.*")
        stub.rekey(old, new)
        told = conn.event("ike.sa_rekeyed")
        assert f"{told['old_spi_i']}_{told['old_spi_r']}" == old.name
        assert accept_of(lab, old) == 0 and accept_of(lab, new) == 0
        assert lab.box.call("ike.show", spis=old.name)["successor"] == new.name
        stub.down(new)
        known(lab, 0)
        assert accept_of(lab, old) == 6 and accept_of(lab, new) == 6
        lab.box.call("config.set", key="ike_grace_ns", value="300ms")
        old, new = sa_up(lab, stub, Sa(NEAR)), Sa(NEAR)
        stub.rekey(old, new)
        conn.event("ike.sa_down", where=lambda d: d["spi_i"] == old.spis[:8].hex())
        assert accept_of(lab, old) == 6 and accept_of(lab, new) == 0
        stub.close()
        conn.event("ike.sa_down", where=lambda d: d["spi_i"] == new.spis[:8].hex())
        with lab.client() as client:
            assert not client.read_greeting() & peer.IKEV2
        assert accept_of(lab, new) in (3, 6)
        lab.box.call("config.set", key="ike_grace_ns", value="30s")
        stub.open()
        conn.event("ike.sa_up", where=lambda d: d["spi_i"] == new.spis[:8].hex())
        assert accept_of(lab, new) == 0


def test_live_session(lab, stub):
    """What is set up goes on without its SA and without the daemon.

    Steps: a running session; delete the SA, kill the daemon; another run of it without SAs.
    Verify: packets are answered throughout, Stop-Sessions is taken.
    """
    sa = sa_up(lab, stub, Sa(NEAR))
    accept, client = set_up(lab, sa, "encrypted")
    assert accept == 0
    with client, Exchange(lab, client) as ex:
        assert client.start() == 0
        ex.ask()
        stub.down(sa)
        known(lab, 0)
        ex.ask()
        stub.restart()
        known(lab, 0)
        ex.ask()
        client.stop()


def test_deleted_while_deriving(lab, stub):
    """An SA that ends while PBKDF2 runs: no set-up, no harm.

    Steps: 40 clients of one SA at Count 32768; the SA is deleted when all have answered the
        greeting.
    Verify: each gets Accept 0 or 6, most get 6; the box goes on.
    """
    lab.box.call("config.set", key="server_count", value="32768")
    sa = sa_up(lab, stub, Sa(NEAR))
    clients = []
    with lab.there.inside():
        for _ in range(40):
            clients.append(peer.Client(rig.FAR["v4"]))
    for client in clients:
        client.read_greeting()
        client.stream.send(struct.pack("!I80s", peer.AUTHENTICATED | peer.IKEV2, sa.spis) + bytes(80))
    with lab.box.connect() as conn:
        while conn.call("server.show")["key_derivations"] == 0:
            pass
    stub.down(sa)
    got = []
    for client in clients:
        got.append(client.stream.recv(32)[15])
        client.stream.close()
    # a Token of zeros opens with no key: who was derived before the end is refused by 1
    assert set(got) <= {1, 6} and got.count(6) > 20, got
    lab.box.call("config.set", key="server_count", value="1024")
    assert accept_of(lab, sa_up(lab, stub, Sa(NEAR))) == 0


def test_random_spis(lab, stub):
    """A flood of SPIs that nobody knows does not keep a good client out.

    Steps: 300 connections with random SPIs, from a peer the daemon knows so that they wait; a good
        client in the middle.
    Verify: Accept 0 for the good one; the flood gets Accept 6; waiters stay within their limits.
    """
    stub.flags[NEAR] = ike_stub.KNOWN_PEER
    sa = sa_up(lab, stub, Sa(NEAR6))
    flood, most = [], 0
    with lab.there.inside():
        for _ in range(300):
            flood.append(peer.Client(rig.FAR["v4"]))
    for client in flood:
        client.read_greeting()
        client.stream.send(
            struct.pack("!I80s", peer.AUTHENTICATED | peer.IKEV2, os.urandom(16)) + bytes(80))
        most = max(most, lab.box.call("server.show")["waiting_for_ike_sa"])
        if client is flood[150]:
            assert accept_of(lab, sa, family="v6") == 0
    assert 0 < most <= 256
    assert [client.stream.recv(32)[15] for client in flood] == [6] * 300
    for client in flood:
        client.stream.close()


# ---- the client ----

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


# ---- operations, and a daemon that errs ----

def test_operations(lab, stub):
    """List in pages, show, initiate; never a key.

    Steps: 300 SAs; list them; show one; one that is not there; initiate.
    Verify: all are listed once; fields of one; errors; the events came.
    """
    sas = [stub.add(Sa(NEAR, key=os.urandom(20))) for _ in range(299)]
    sa = sa_up(lab, stub, Sa(NEAR6, vips=["10.0.0.9"], selectors=[("10.1.0.0", "10.1.0.255")]))
    stub.close()
    lost(lab)
    stub.open()
    known(lab, 300)
    listed = lab.box.pages("ike.list", "sas")
    assert sorted(row["spis"] for row in listed) == sorted(s.name for s in (*sas, sa))
    shown = lab.box.call("ike.show", spis=sa.name)
    assert shown["remote"]["addr"] == NEAR6 and shown["remote"]["id"] == "far.lab"
    assert shown["virtual_ips"] == ["10.0.0.9"]
    assert shown["remote_selectors"] == ["10.1.0.0-10.1.0.255"]
    assert shown["prf"] == "HMAC_SHA2_256" and shown["key_size"] == 32
    assert sa.key.hex() not in str(shown)
    assert lab.box.refusal("ike.show", spis="0" * 16 + "_" + "0" * 16).code == -32001
    assert lab.box.refusal("ike.show", spis="x" * 33).data["field"] == "spis"
    error = lab.box.refusal("ike.initiate", peer="192.0.2.9")
    assert "no connection" in error.text
    stub.on_initiate = lambda *_: (ike_stub.ALREADY, sa)
    assert lab.box.call("ike.initiate", peer=NEAR6)["spis"] == sa.name
    assert lab.box.call("ike.status")["daemon"] == "stub"


def test_version(lab, daemon):
    """A daemon of another version: said once, nothing else changes.

    Steps: HELLO of version 2 only, several connections long; a measurement with a passphrase.
    Verify: one error in the log that names both; ike.status tells; bit 7 is not offered.
    """
    daemon.close()
    lost(lab)
    since = len(lab.box.log)
    daemon.hello = lambda octets: octets[:16] + b"\0\2\0\7" + octets[20:]
    connects = daemon.connects
    daemon.open()
    daemon.wait(lambda s: s.connects >= connects + 3)
    assert "another version" in lab.box.call("ike.status")["reason"]
    with lab.client() as client:
        assert not client.read_greeting() & peer.IKEV2
    with lab.server():
        lab.box.measure(NEAR, count=5, mode="authenticated", **FAST).only.clean(5)
    daemon.hello = lambda octets: octets
    said = [line for line in lab.box.log[since:].splitlines() if "versions 2 to 7" in line]
    assert len(said) == 1, lab.box.log[since:]


def test_bad_records(lab, stub):
    """Half a record, lies and noise end the connection; what was known is kept.

    Steps: an SA; then half a record, an impossible state, noise, an answer to nothing.
    Verify: the box connects again each time and still has the SA; one log line for a series.
    """
    sa = sa_up(lab, stub, Sa(NEAR))
    since = len(lab.box.log)
    good = Sa(NEAR).record(ike_stub.UP)
    for octets in (good[:700], good[:80] + b"\7" + good[81:], os.urandom(1504),
                   ippm.request(ippm.RESULT, bytes(120), 1 << 60)):
        connects = stub.connects
        stub.send(octets)
        stub.wait(lambda s, n=connects: s.connects > n and s.subscribers)
        assert accept_of(lab, sa) == 0
    known(lab, 1)
    assert "not valid" in lab.box.log[since:]


def test_flood(lab, stub):
    """A daemon that floods: bounded, and the box serves on.

    Steps: ike_sas_max 50; 3,000 SAs, 3,000 that are coming, events nobody knows.
    Verify: 50 SAs, the others counted; the box answers; a client with a good SA is served.
    """
    lab.box.call("config.set", key="ike_sas_max", value="50")
    before = lab.box.call("ike.status")["counters"]
    good = sa_up(lab, stub, Sa(NEAR))
    for _ in range(3000):
        stub.up(Sa("192.0.2.5"))
        stub.connecting(Sa("192.0.2.6"))
        stub.send(ippm.request(999, bytes(8)))
    known(lab, 50)
    while True:
        status = lab.box.call("ike.status")
        if status["counters"]["sa_not_taken"] - before["sa_not_taken"] == 2951:
            break
    assert accept_of(lab, good) == 0
    lab.box.call("config.set", key="ike_sas_max", value="10000")


def rss_kib(box):
    with open(f"/proc/{box.pid}/smaps_rollup", encoding="ascii") as f:
        return int(re.search(r"^Private_Dirty: +(\d+) kB", f.read(), re.M)[1])


def cycles(lab, stub, count):
    """SAs set up and deleted, each as the box hears of it."""
    with lab.box.connect() as conn:
        conn.subscribe("ike.sa_down")
        for n in range(count):
            sa = stub.up(Sa(NEAR))
            stub.down(sa)
            if n % 50 == 49:
                conn.event("ike.sa_down", where=lambda d, s=sa: d["spi_i"] == s.spis[:8].hex())


def test_nothing_grows(lab, stub):
    """2,000 set-ups and deletes leave nothing behind.

    Steps: 250 cycles to warm up, 2,000 more.
    Verify: private memory of the box grew by less than 1 MB.
    """
    cycles(lab, stub, 250)
    before = rss_kib(lab.box)
    cycles(lab, stub, 2000)
    grown = rss_kib(lab.box) - before
    print(f"grew by {grown} KiB")
    assert grown < 1024


def test_socket_of_another(lab, daemon):
    """A socket the box may not use is said to be so.

    Steps: a socket of root alone, mode 0600.
    Verify: the log names the path and whose it must be; ike.status has the reason.
    """
    uid = daemon.uid
    if uid == 0:
        pytest.skip("the box runs as root")
    daemon.close()
    lost(lab)
    since = len(lab.box.log)
    daemon.uid = 0
    daemon.open()
    with lab.box.connect() as conn:
        while conn.call("ike.status")["reason"] != os.strerror(13):
            pass
    daemon.uid = uid
    assert "must belong to the user" in lab.box.log[since:]
    assert daemon.path in lab.box.log[since:]
    daemon.close()
