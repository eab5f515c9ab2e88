# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""The plugin's socket and log in a real daemon, against clients that are hostile or broken, two
peers behind one NAT, tunnels, and a long life."""

import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import time

import pytest

from dts.api import charon, ike_rig, ippm, needles

SEED = int(os.environ.get("DTS_SEED", random.SystemRandom().randrange(1 << 32)))
# first and further set-ups and deletes of the test that nothing grows: the claim is 250,2000
WARM_UP, CYCLES = (int(n) for n in os.environ.get("DTS_IKE_CYCLES", "100,100").split(","))
NOBODY = 65534
LIBIPSEC = "plugins { kernel-libipsec { load = yes } }"


NET, TWO = ("10.90.2.0", "10.90.2.255", 0, 0, 65535), ("10.90.4.0", "10.90.4.255", 0, 0, 65535)


@pytest.fixture(scope="module")
def duo(bed):
    print(f"DTS_SEED={SEED}")
    near, far = ({"children": {
        name: {"local_ts": f"10.90.{mine}.0/24", "remote_ts": f"10.90.{other}.0/24"}
        for name, mine, other in children}}
        for children in ((("net", 1, 2), ("two", 3, 4)), (("net", 2, 1), ("two", 4, 3))))
    made = ike_rig.duo(bed, {"psk": ("psk", near, far)}, extra=ike_rig.IMPATIENT + LIBIPSEC)
    # a route into a tunnel needs an address of its local selector
    for daemon, nets in ((made.near, (1, 3)), (made.far, (2, 4))):
        for net in nets:
            daemon.netns.sh(f"ip addr add 10.90.{net}.1/32 dev lo")
    return made


def up(duo):
    """An SA; its record on near."""
    with duo.near.client() as client:
        return client.initiate(ike_rig.FAR).sa


def still_serves(duo, sa):
    with duo.near.client() as client:
        assert client.by_spi(sa.spis).sa.key == sa.key


def hostile(rng):
    """One record that no client should send, and whether the daemon has to close after it."""
    good = rng.choice((ippm.request(ippm.STATUS), ippm.request(ippm.LIST, bytes(8)),
                       ippm.request(ippm.LOOKUP_SPI, bytes(16)),
                       ippm.request(ippm.LOOKUP_PEER, ippm.lookup_peer("192.0.2.1")),
                       ippm.request(ippm.INITIATE, ippm.initiate("192.0.2.1"))))
    kind = rng.randrange(5)
    if kind == 0:  # half a record, or a bit less
        return good[:rng.randrange(1, len(good))]
    if kind == 1:  # more than a record
        return good + rng.randbytes(rng.choice((1, 100, 2000, 60000)))
    if kind == 2:  # another type or version
        return struct.pack("!HH", rng.choice((0, 2, 0xffff)), rng.randrange(1 << 16)) + good[4:]
    if kind == 3:  # noise
        return rng.randbytes(rng.randrange(1, 3000))
    spoiled = bytearray(good)
    for _ in range(rng.randrange(1, 5)):
        spoiled[rng.randrange(len(spoiled))] = rng.randrange(256)
    return bytes(spoiled)


def test_hostile_records(duo):
    """Records that are cut, too long, of other types or versions, or noise, end their connection.

    Steps: 600 such records, one connection each; another client looks on.
    Verify: each is answered or closed; the other client is served all the time; charon lives, and
    the SA of before is served as before.
    """
    rng = random.Random(SEED)
    sa = up(duo)
    with duo.near.client().subscribe() as good:
        for _ in range(600):
            with duo.near.client() as bad:
                bad.sock.send(hostile(rng))
                try:
                    bad.packet(5)
                except (ippm.Closed, TimeoutError) as end:
                    assert isinstance(end, ippm.Closed), "neither answered nor closed"
        assert good.by_spi(sa.spis).sa.key == sa.key
    still_serves(duo, sa)
    duo.near.terminate("psk")


def test_flood(duo):
    """A client that asks without reading is slowed down and costs a bound.

    Steps: one client sends LIST as fast as the socket takes it, reading nothing, for 20,000 tries;
    another is served meanwhile. Then the first reads.
    Verify: the second gets its answers; charon's memory grows by less than 1 MiB; what the first
    asked is answered in order.
    """
    sa = up(duo)
    before = duo.near.rss_kib()
    with duo.near.client() as flood, duo.near.client() as good:
        flood.sock.setblocking(False)
        asked = 0
        for n in range(20000):
            try:
                flood.sock.send(ippm.request(ippm.LIST, bytes(8), seq=asked + 1))
                asked += 1
            except BlockingIOError:
                pass
            if n % 500 == 0:
                assert good.by_spi(sa.spis).status == "ok"
        assert duo.near.rss_kib() - before < 1024
        flood.sock.setblocking(True)
        for seq in range(1, asked + 1):
            assert flood.answer(seq).status == "ok"
    duo.near.terminate("psk")


def test_slow_subscriber(duo):
    """A subscriber that does not read is dropped; nobody waits for it.

    Steps: subscribe and read no more; make events by rekeying until it is dropped.
    Verify: another subscriber sees every event; the slow one finds its connection closed; the log
    says so.
    """
    up(duo)
    with duo.near.client().subscribe() as slow, duo.near.client().subscribe() as good:
        # a small buffer of the kernel's: fewer events until it is full
        slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(400):
            duo.near.rekey("psk")
            good.event("rekeyed")
            good.event("down")
            if "does not read its events" in duo.near.log:
                break
        with pytest.raises(ippm.Closed):
            for _ in range(1000):
                slow.packet()
    assert "ippm: a client does not read its events: closed" in duo.near.log
    duo.near.terminate("psk")


def test_strangers(duo):
    """Only the owner and root may connect, and only so many at a time.

    Steps: look at the socket; connect as another user, though the mode would let it; connect nine
    times.
    Verify: mode 0600; the stranger is closed without a HELLO; the ninth is closed, the others are
    served; when they are gone, there is room again.
    """
    assert duo.near.socket.stat().st_mode & 0o777 == 0o600
    code = ("import os, socket, sys\n"
            f"s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\nos.setuid({NOBODY})\n"
            f"s.connect({str(duo.near.socket)!r})\nsys.exit(len(s.recv(4096)))")
    python = sys.executable
    refused = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    assert "PermissionError" in refused.stderr
    os.chmod(duo.near.socket, 0o666)
    os.chmod(duo.near.folder, 0o755)
    try:
        closed = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
        assert closed.returncode == 0, closed
    finally:
        os.chmod(duo.near.socket, 0o600)
    clients = [duo.near.client() for _ in range(8)]
    with pytest.raises(ippm.Closed):
        duo.near.client()
    assert all(client.status().name == "strongswan" for client in clients)
    for client in clients:
        client.sock.close()
    deadline = time.monotonic() + 10
    while True:  # the daemon notices in its own time
        try:
            duo.near.client().sock.close()
            break
        except ippm.Closed:
            assert time.monotonic() < deadline


def test_log(duo):
    """No log of a default level shows a key, in any form.

    Steps: set up, rekey from both sides, delete; look for the keys in the logs of both daemons.
    Verify: neither holds them, in octets, hex in either case, or base64.
    """
    near, far = duo.clients()
    keys = []
    with near, far:
        near.initiate(ike_rig.FAR, connection="psk")
        keys.append(near.event("up").key)
        for daemon in duo.both:
            daemon.rekey(far.listing()[0].connection)
            keys.append(near.event("rekeyed").key)
            for client in (near, far):
                client.event("down")
        duo.near.terminate("psk")
    secrets = needles.Secrets()
    secrets.octets = {f"key {n}": key for n, key in enumerate(keys)}
    assert len(keys) == 3
    for daemon in duo.both:
        text = daemon.log_path.read_bytes().decode("latin-1")
        assert "rekeyed between" in text
        # the daemon's own dumps have a blank between octets
        assert not secrets.in_text(text) and not secrets.in_text(text.replace(" ", ""))


def test_tunnels(duo):
    """The remote traffic selectors of Child SAs stand in the record, and lead to the SA.

    Steps: set up a Child SA in user space (kernel-libipsec), a second one, end the second.
    Verify: events tell one selector, two, one; look-up by an address behind the peer finds the SA, and
    by one outside does not.
    """
    with duo.near.client().subscribe() as near:
        duo.near.initiate("psk", "net")
        near.event("up")
        spis = near.listing()[0].spis
        assert near.listing()[0].selectors == [NET]
        assert near.by_peer("10.90.2.7").sa.spis == spis
        assert near.by_peer("10.90.4.7").status == "not_found"
        duo.near.initiate("psk", "two")
        both = near.event("child", where=lambda sa: len(sa.selectors) == 2)
        assert sorted(both.selectors) == [NET, TWO] and both.spis == spis and both.key
        assert near.by_peer("10.90.4.7").sa.spis == spis
        duo.near.vici("rekey", child="net")
        duo.near.vici("terminate", child="two", timeout=10000)
        one = near.event("child", where=lambda sa: len(sa.selectors) == 1)
        assert one.selectors == [NET]
        duo.near.rekey("psk")
        assert near.event("rekeyed").selectors == [NET]
        near.event("down", where=lambda sa: sa.reason == "rekeyed")
        duo.near.terminate("psk")
        assert near.event("down", where=lambda sa: sa.reason == "deleted").key == b""


def test_virtual_ip(duo):
    """A virtual IP that the daemon gives to a peer stands in the record, and leads to the SA.

    Steps: far gives addresses of a pool, near asks for one.
    Verify: far's record has the address, also after a rekeying; look-up by it finds the SA.
    """
    duo.configure({"psk": ("psk", {"vips": "0.0.0.0"}, {"pools": "lab"})},
                  pools={"lab": {"addrs": "10.94.0.7/32"}})
    with duo.far.client().subscribe() as far:
        duo.near.initiate("psk")
        assert far.event("up").vips == ["10.94.0.7"]
        duo.near.rekey("psk")
        assert far.event("rekeyed").vips == ["10.94.0.7"]
        assert far.by_peer("10.94.0.7").sa.remote[0] == ike_rig.NEAR
        far.event("down")
        duo.near.terminate("psk")
        far.event("down")
    duo.configure({"psk": ("psk", {}, {})})


def test_long_identity(duo):
    """An identity longer than a record is cut, marked, and matches nothing.

    Steps: near authenticates by a name of 300 octets.
    Verify: far's record has the first 252 and the flag; look-up by them does not find the SA.
    """
    name = "n" * 290 + ".near.lab"
    duo.configure({"psk": ("psk", {"local": {"auth": "psk", "id": name}},
                           {"remote": {"auth": "psk", "id": name}})})
    with duo.far.client().subscribe() as far:
        duo.near.initiate("psk")
        sa = far.event("up")
        assert sa.remote_id == (2, name[:252]) and "remote_id_cut" in sa.flags
        assert far.by_peer(ike_rig.NEAR).status == "ok"
        assert far.by_peer(ike_rig.NEAR, name[:252]).status == "not_found"
        duo.near.terminate("psk")
        far.event("down")
    duo.configure({"psk": ("psk", {}, {})})


def test_ikev1(duo):
    """SAs of IKEv1 have no such key: they are not shown.

    Steps: set up an IKEv1 SA, then an IKEv2 one.
    Verify: only the second is told and listed.
    """
    duo.configure({"old": ("psk", {"version": 1}, {"version": 1}), "psk": ("psk", {}, {})})
    with duo.near.client().subscribe() as near:
        duo.near.initiate("old")
        duo.near.initiate("psk")
        assert [sa.connection for sa in near.listing()] == ["psk"]
        assert {sa.connection for sa in near.quiet()} == {"psk"}
        for name in ("old", "psk"):
            duo.near.terminate(name)
        near.event("down")
    duo.configure({"psk": ("psk", {}, {})})


def test_nat(duo, bed):
    """Two peers behind one address: two SAs, told apart by their SPIs.

    Steps: a relay with one outside address; near and a second daemon initiate through it.
    Verify: far lists both with the same remote address, different ports, identities, SPIs and keys,
    behind a NAT; each end's key is that of its SA; look-up by address and identity finds each.
    """
    gate, second = bed.netns("gate"), bed.netns("second")
    bed.veth(gate, "out", duo.far.netns, "eth1")
    bed.veth(gate, "in", second, "eth0")
    bed.veth(gate, "in2", duo.near.netns, "eth1")
    gate.address("out", "10.91.0.254/24")
    duo.far.netns.address("eth1", "10.91.0.2/24")
    gate.address("in", "10.92.0.254/24")
    second.address("eth0", "10.92.0.1/24")
    gate.address("in2", "10.93.0.254/24")
    duo.near.netns.address("eth1", "10.93.0.1/24")
    other = charon.Daemon(bed, second, "second", duo.plugins)
    for daemon, name, host in ((duo.near, "near.lab", "10.93.0.254"),
                               (other, "second.lab", "10.92.0.254")):
        daemon.configure({"gate": charon.connection(name, "far.lab", remote_addrs=host)})
    duo.near.load()
    other.start()
    duo.far.configure({"any": charon.connection("far.lab", "%any", remote_addrs="%any")})
    duo.far.load()
    relays = [ike_rig.Relay(gate, inside, "10.91.0.254", "10.91.0.2")
              for inside in ("10.92.0.254", "10.93.0.254")]
    try:
        with duo.near.client() as first, other.client() as last, duo.far.client() as far:
            mine = [client.initiate(host).sa for client, host in
                    ((first, "10.93.0.254"), (last, "10.92.0.254"))]
            assert all({"local_nat", "remote_nat"} & sa.flags for sa in mine), mine
            theirs = far.listing()
            assert len(theirs) == 2
            assert {sa.remote[0] for sa in theirs} == {"10.91.0.254"}
            assert len({sa.remote[1] for sa in theirs}) == 2
            assert all("remote_nat" in sa.flags for sa in theirs)
            assert {sa.spis: sa.key for sa in mine} == {sa.spis: sa.key for sa in theirs}
            for sa, name in zip(mine, ("near.lab", "second.lab")):
                assert far.by_peer("10.91.0.254", name).sa.spis == sa.spis
            assert far.by_peer("10.91.0.254").flags == {"any_peer"}
        for daemon in (duo.near, other):
            daemon.terminate("gate")
    finally:
        for relay in relays:
            relay.stop()
        duo.configure({"psk": ("psk", {}, {})})


def test_misfits(duo, bed):
    """A plugin made for other libraries, or without a user to serve, is not loaded; charon lives.

    Steps: start a charon whose plugin carries another build id; one whose owner does not exist.
    Verify: charon answers, its log says why, there is no socket.
    """
    netns = bed.netns("misfit")
    plugins = bed.run_dir / "misfits"
    shutil.copytree(duo.plugins, plugins)
    built = plugins / "libstrongswan-ippm.so"
    octets = built.read_bytes()
    at = octets.index(b"libcharon.so.0=") + len(b"libcharon.so.0=")
    other = bytes([octets[at] ^ 1]) if octets[at:at + 1] not in b"9f" else b"0"
    built.write_bytes(octets[:at] + other + octets[at + 1:])
    for name, folder, owner, why in (("other", plugins, 0, "built for other libraries"),
                                     ("nobody", duo.plugins, "no-such-user", "no user 'no-such-user'")):
        daemon = charon.Daemon(bed, netns, name, folder, owner).start()
        assert why in daemon.log, daemon.log
        assert not daemon.socket.exists()
        assert daemon.vici("version")["version"].startswith("5.")
        daemon.stop()


def grown_kib(daemon, client=None):
    """Set-ups and deletes; growth of the daemon's private memory after the first ones."""
    before = 0
    for n in range(WARM_UP + CYCLES):
        if n == WARM_UP:
            before = daemon.rss_kib()
        daemon.initiate("psk")
        daemon.terminate("psk")
        if client:
            client.event("up")
            client.event("down")
    return daemon.rss_kib() - before


def test_growth(duo):
    """Nothing grows with SAs that come and go (whole claim: DTS_IKE_CYCLES=250,2000).

    Steps: set-ups and deletes in a daemon with the plugin and a subscriber, then the same in a
    daemon without it.
    Verify: the first grows by less than 256 KiB more than the second.
    """
    duo.near.stop()
    duo.near.start()
    with duo.near.client().subscribe() as client:
        with_plugin = grown_kib(duo.near, client)
    duo.near.stop()
    conf = duo.near.folder / "strongswan.conf"
    conf.write_text(conf.read_text(encoding="utf-8").replace(" ippm\n", "\n"), encoding="utf-8")
    duo.near.start()
    without = grown_kib(duo.near)
    print(f"growth over {CYCLES} cycles: {with_plugin} KiB with the plugin, {without} without")
    assert with_plugin - without < 256
