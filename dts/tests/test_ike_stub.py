# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""Keys of IKE SAs (RFC 7717) at the server, from a daemon that can do what a real one cannot; and
what becomes of the appliance when that daemon errs."""

import os
import re
import struct
import threading

import pytest

from dts.api import ike_stub, ippm, peer, rig
from dts.api.exchange import Exchange
from dts.api.ike_lab import (  # noqa: F401  (fixtures are used by name)
    accept_of, counters, daemon, FAST, known, lab, lines_with, lost, measure, MODES, NEAR,
    NEAR6, refusal, sa_up, set_up, stub)
from dts.api.ike_stub import Sa


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
        rig.until(lambda: conn.call("server.show")["key_derivations"] > 0)
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
    rig.until(lambda: lab.box.call("ike.status")["counters"]["sa_not_taken"]
          - before["sa_not_taken"] >= 2951)
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
    rig.until(lambda: lab.box.call("ike.status")["reason"] == os.strerror(13))
    daemon.uid = uid
    assert "must belong to the user" in lab.box.log[since:]
    assert daemon.path in lab.box.log[since:]
    daemon.close()
