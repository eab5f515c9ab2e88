# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""The plugin in two real daemons: what happens to IKE SAs, as its socket tells it."""

import pytest

from dts.api import charon, ike_rig, ippm

MANY = 400
# a peer that sets up many SAs at a time is taken for no attack
BUSY = "dos_protection = no\n"


@pytest.fixture(scope="module")
def duo(bed):
    plain = {}
    connections = {
        # far answers every PSK peer with its first such connection
        "psk": ("psk", plain, {"mobike": "yes"}),
        "rsa": ("rsa", plain, plain),
        "ecdsa": ("ecdsa", plain, plain),
        "mobike": ("psk", {"mobike": "yes"}, {"mobike": "yes"}),
        "dpd": ("psk", {"dpd_delay": "1s"}, plain),
        # the responder's own proposals have nothing of this one
        "odd": ("psk", {"proposals": "aes256-sha512-modp2048"}, {"remote_addrs": "203.0.113.1"}),
        "silent": ("psk", {"remote_addrs": "10.88.0.77"}, plain),
        "many": ("psk", {"remote_addrs": "10.89.0.0/16", "unique": "never"},
                 {"remote_addrs": "10.88.0.0/24", "unique": "never"}),
    }
    return ike_rig.duo(bed, connections, kinds=("rsa", "ecdsa"),
                       extra=ike_rig.IMPATIENT + BUSY)


@pytest.fixture
def clients(duo):
    """Subscribed clients of both daemons; no SA is left when the test is over."""
    near, far = duo.clients()
    with near, far:
        yield near, far
        for daemon in duo.both:
            with daemon.client().subscribe() as client:
                left = client.listing()
                for name in {sa.connection for sa in left} - {""}:
                    daemon.terminate(name, force=True)
                for sa in left:
                    client.event("down", "failed", where=lambda end: end.serial == sa.serial)


def both_up(clients, name, host=ike_rig.FAR, **how):
    """Set up through the plugin of near; the SA of both ends."""
    result = clients[0].initiate(host, connection=name, **how)
    assert result.status == "ok", result
    up = [client.event("up") for client in clients]
    assert up[0].spis == up[1].spis == result.sa.spis and up[0].key == up[1].key
    return up


def check_ends(near, far, role="initiator"):
    """Each end's record mirrors the other's."""
    assert (near.role, far.role) == (("initiator", "responder") if role == "initiator"
                                     else ("responder", "initiator"))
    assert near.local[0] == far.remote[0] == ike_rig.NEAR
    assert near.remote[0] == far.local[0] == ike_rig.FAR
    assert near.local_id == far.remote_id == (2, "near.lab")
    assert near.remote_id == far.local_id == (2, "far.lab")
    assert near.state == far.state == "established"
    assert not near.flags and not far.flags
    assert near.vips == near.selectors == [] and near.prf == 5


@pytest.mark.parametrize("auth", ("psk", "rsa", "ecdsa"))
@pytest.mark.parametrize("role", ("initiator", "responder"))
def test_set_up(duo, clients, auth, role):
    """An SA set up through the plugin is known on both ends, whoever asked.

    Steps: INITIATE on one end, with a PSK and with certificates of either kind.
    Verify: OK with the SA; CONNECTING without a key, then UP; both ends agree on SPIs, key,
    addresses and identities; look-up by SPIs, by address and by identity finds it; a second
    INITIATE finds it there.
    """
    order = clients if role == "initiator" else clients[::-1]
    host = ike_rig.FAR if role == "initiator" else ike_rig.NEAR
    result = order[0].initiate(host, connection=auth)
    assert result.status == "ok" and result.flags == {"known_peer"}, result
    near, far = (client.event("up") for client in clients)
    check_ends(near, far, role)
    assert near.spis == far.spis and near.key == far.key and len(near.key) == 32
    assert result.sa.spis == near.spis and result.sa.connection == auth
    for client, up in zip(clients, (near, far)):
        hint = client.event("connecting")
        assert hint.serial == up.serial and hint.key == b"" and hint.established == 0
        assert client.by_spi(up.spis).sa.serial == up.serial
        assert client.by_spi(up.spis[::-1]).status == "not_found"
        assert client.by_peer(up.remote[0]).sa.serial == up.serial
        assert client.by_peer(up.remote[0], up.remote_id[1]).sa.serial == up.serial
        assert client.by_peer(up.remote[0], "other.lab").status == "not_found"
    again = order[0].initiate(host)
    assert again.status == "already" and again.sa.spis == near.spis
    duo.near.terminate(near.connection)
    for client in clients:
        down = client.event("down")
        assert down.spis == near.spis and down.reason == "deleted" and down.key == b""


@pytest.mark.parametrize("side", (0, 1))
def test_rekey(duo, clients, side):
    """A rekeying is told with both SAs; the initiator of the rekeying has the first SPI.

    Steps: rekey an SA from one side.
    Verify: REKEYED names the old SPIs and has another key; then DOWN of the old one, reason
    REKEYED, names the new; the roles follow the rekeying; only the new one is listed.
    """
    old = both_up(clients, "psk")
    duo.both[side].rekey(old[side].connection)
    new = [client.event("rekeyed") for client in clients]
    assert new[0].spis == new[1].spis != old[0].spis
    assert new[0].key == new[1].key != old[0].key
    assert new[side].role == "initiator" and new[1 - side].role == "responder"
    for client, sa in zip(clients, new):
        assert sa.old == old[0].spis and sa.new == (bytes(8), bytes(8))
        down = client.event("down")
        assert down.spis == old[0].spis and down.new == sa.spis and down.reason == "rekeyed"
        assert down.key == b"" and down.state == "gone"
        assert [listed.serial for listed in client.listing()] == [sa.serial]
        assert client.by_spi(down.spis).status == "not_found"


def test_reauthentication(duo, clients):
    """Reauthentication of an SA without children ends it: whoever needs it initiates again.

    Steps: reauthenticate; INITIATE.
    Verify: DOWN, reason deleted, without a successor; then OK with other SPIs.
    """
    old = both_up(clients, "psk")
    duo.near.rekey("psk", reauth=True)
    for client in clients:
        down = client.event("down")
        assert down.spis == old[0].spis and down.reason == "deleted"
        assert down.new == (bytes(8), bytes(8))
    assert clients[0].listing() == []
    new = both_up(clients, "psk")
    assert new[0].spis != old[0].spis


@pytest.mark.parametrize("side", (0, 1))
def test_delete(duo, clients, side):
    """Either side may delete.

    Steps: set up, terminate on one side.
    Verify: DOWN on both, reason deleted, without a key.
    """
    old = both_up(clients, "psk")
    duo.both[side].terminate(old[side].connection)
    for client in clients:
        down = client.event("down")
        assert (down.spis, down.reason, down.key) == (old[0].spis, "deleted", b"")


def test_dead_peer(duo, clients):
    """A peer that is gone is noticed and said to be dead.

    Steps: set up with dead-peer detection, take the cable down.
    Verify: DOWN with reason dead on the end that looks.
    """
    both_up(clients, "dpd")
    duo.far.netns.sh("ip link set eth0 down")
    try:
        assert clients[0].event("down", patience=20).reason == "dead"
    finally:
        duo.far.netns.sh("ip link set eth0 up")


def test_move(duo, clients):
    """MOBIKE: an SA that moves to another address keeps SPIs and key.

    Steps: give near a second address, take the first away while an SA stands.
    Verify: MOVED on both ends with the new address, same SPIs and key; look-up by the new address
    finds it, by the old one does not.
    """
    netns = duo.near.netns
    netns.sh("sysctl -qw net.ipv4.conf.all.promote_secondaries=1")
    netns.sh("ip addr add 10.88.0.11/24 dev eth0")
    try:
        old = both_up(clients, "mobike")
        netns.sh(f"ip addr del {ike_rig.NEAR}/24 dev eth0")
        moved = [clients[0].event("moved", where=lambda sa: sa.local[0] == "10.88.0.11"),
                 clients[1].event("moved", where=lambda sa: sa.remote[0] == "10.88.0.11")]
        for sa in moved:
            assert sa.spis == old[0].spis and sa.key == old[0].key and sa.state == "established"
        assert clients[1].by_peer("10.88.0.11").sa.spis == old[0].spis
        assert clients[1].by_peer(ike_rig.NEAR).status == "not_found"
        duo.near.terminate("mobike")
        clients[1].event("down")
    finally:
        netns.sh(f"ip addr add {ike_rig.NEAR}/24 dev eth0", check=False)
        netns.sh("ip addr del 10.88.0.11/24 dev eth0", check=False)


def test_refusals(duo, clients):
    """INITIATE says what went wrong, and in time.

    Steps: INITIATE to an unknown peer, by an unknown connection, to a silent one with a deadline,
    with nothing in common, wanting another identity.
    Verify: the status of each; FAILED has words; a failed set-up is told as FAILED; no SA is left.
    """
    near = clients[0]
    assert near.initiate("10.99.0.1").status == "no_connection"
    assert near.initiate(ike_rig.FAR, connection="nowhere").status == "no_connection"
    assert near.initiate(ike_rig.FAR, remote_id="other.lab").status == "no_connection"
    assert near.initiate("10.88.0.77", deadline_ms=300).status == "timed_out"
    assert near.by_peer("10.88.0.77").flags == {"known_peer", "setting_up"}
    near.event("failed", where=lambda sa: sa.remote[0] == "10.88.0.77")
    result = near.initiate(ike_rig.FAR, connection="odd")
    assert result.status == "failed" and result.text == "no proposal in common", result
    assert near.event("failed").reason == "failed"
    silent = near.initiate("10.88.0.77", deadline_ms=10000)
    assert silent.status == "failed" and silent.text == "the peer does not answer", silent
    assert near.listing() == []


def test_wrong_secret(duo, clients):
    """Who cannot authenticate never gets a key shown.

    Steps: change the secret of far, INITIATE on near; put it back.
    Verify: FAILED with words on near; far tells CONNECTING and FAILED, no UP, never a key.
    """
    conf = duo.far.folder / "swanctl" / "swanctl.conf"
    good = conf.read_text(encoding="utf-8")
    conf.write_text(good.replace(charon.PSK, "another-secret"), encoding="utf-8")
    duo.far.swanctl("--load-creds", "--clear")
    try:
        result = clients[0].initiate(ike_rig.FAR, connection="psk")
        assert result.status == "failed" and "authentica" in result.text, result
        clients[1].event("failed")
        told = clients[0].quiet() + clients[1].quiet()
        assert {sa.event for sa in told} <= {"connecting", "failed"}
        assert all(sa.key == b"" for sa in told)
    finally:
        conf.write_text(good, encoding="utf-8")
        duo.far.swanctl("--load-creds", "--clear")


def test_local_address(duo, clients):
    """INITIATE takes a local address, and a subnet of a connection leads to any host in it.

    Steps: INITIATE from near's second address to an address inside the subnet of a connection.
    Verify: OK; the SA is between these two addresses; the flags say the peer is known.
    """
    duo.near.netns.sh("ip addr add 10.88.0.12/24 dev eth0")
    try:
        near, far = both_up(clients, "psk", local="10.88.0.12")
        assert near.local[0] == far.remote[0] == "10.88.0.12"
        assert clients[0].by_peer("10.89.3.4").flags == {"known_peer"}
        assert clients[0].by_peer("10.99.0.1").flags == set()
    finally:
        duo.near.terminate("psk", force=True)
        duo.near.netns.sh("ip addr del 10.88.0.12/24 dev eth0")


def test_restart(duo, clients):
    """A daemon that was restarted, or killed, says so by its boot id.

    Steps: set up, stop charon in order, start it; set up, kill -9, start it.
    Verify: in order: DOWN, reason shutdown, then the end of the connection; killed: the end at once.
    The new daemon has another boot id and lists nothing; the other end's SA is still listed.
    """
    both_up(clients, "psk")
    boots = {clients[0].hello.boot_id}
    with duo.near.client().subscribe() as client:
        duo.near.stop()
        assert client.event("down").reason == "shutdown"
        with pytest.raises(ippm.Closed):
            client.packet()
    duo.near.start()
    with duo.near.client().subscribe() as client:
        boots.add(client.hello.boot_id)
        assert client.listing() == []
        both_up((client, clients[1]), "psk")
        duo.near.kill()
        with pytest.raises(ippm.Closed):
            while True:
                client.packet()
    duo.near.start()
    with duo.near.client() as client:
        boots.add(client.hello.boot_id)
        assert client.listing() == [] and client.hello.sa_cnt == 0
    assert len(boots) == 3
    assert len(clients[1].listing()) == 1
    duo.far.terminate(clients[1].listing()[0].connection, force=True)


def test_many(duo):
    """Hundreds of SAs are listed page by page, each once.

    Steps: initiate 400 SAs to as many addresses of far, 4 at a time; list while they are there.
    Verify: every INITIATE is OK; the listing has 400 SAs in pages of at most 32, serial numbers
    ascending, keys equal on both ends; HELLO counts them.
    """
    hosts = [f"10.89.{n // 200}.{n % 200 + 1}" for n in range(MANY)]
    batch = "".join(f"addr add {host}/32 dev lo\n" for host in hosts)
    (duo.far.folder / "addresses").write_text(batch, encoding="ascii")
    duo.far.netns.sh(["ip", "-batch", duo.far.folder / "addresses"])
    duo.near.netns.sh(f"ip route add 10.89.0.0/16 via {ike_rig.FAR}")
    with duo.near.client() as near, duo.far.client() as far:
        asked = []
        for host in hosts:
            if len(asked) == 4:
                assert near.answer(asked.pop(0), 30).status == "ok"
            asked.append(near.ask(ippm.INITIATE, ippm.initiate(host, deadline_ms=30000)))
        assert {near.answer(seq, 30).status for seq in asked} == {"ok"}
        lists = near.listing(), far.listing()
        assert near.status().sa_cnt == MANY
    assert len(lists[0]) == len(lists[1]) == MANY
    assert {sa.remote[0] for sa in lists[0]} == set(hosts)
    assert {sa.spis: sa.key for sa in lists[0]} == {sa.spis: sa.key for sa in lists[1]}
    assert len({sa.key for sa in lists[0]}) == MANY
    serials = [sa.serial for sa in lists[0]]
    assert serials == sorted(serials)
