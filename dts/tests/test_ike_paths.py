# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""Appliances with keys of IKE SAs whose addresses are not what they seem: two peers behind one NAT,
and an SA that moves (MOBIKE)."""

import dataclasses

import pytest

from dts.api import appliance, charon, ike_rig, peer, rig
from dts.api.ike_steps import FAST, attach, established, known, loses_nothing, measure, spis_of

GATE, SERVER = "10.91.0.254", "10.91.0.2"
MASQUERADE = """table ip nat {
	chain post {
		type nat hook postrouting priority srcnat
		oifname "out" masquerade
	}
}
"""


@dataclasses.dataclass
class Site:
    """A namespace with an appliance and a daemon of its own."""

    app: appliance.Appliance
    daemon: charon.Daemon
    address: str


def site(bed, plugins, netns, address, cpu):
    """An appliance on eth0 of a namespace, and its daemon, not started."""
    name = netns.name.rpartition("-")[2].rpartition(".")[2]
    app = appliance.start(bed, netns, name, lcores=rig.LCORES[cpu], config=[
        "set config idle sleep", "set config server_count 1024",
        "set config ike_initiate_interval_ns 0", "add port net0 profile af_packet dev eth0"])
    daemon = charon.Daemon(bed, netns, f"ike-{name}", plugins, app.socket.stat().st_uid,
                           ike_rig.IMPATIENT)
    return Site(app, daemon, address)


def gateway(bed, inside):
    """A namespace that masquerades whoever is behind it; device -> namespace and network inside."""
    gate = bed.netns("gate")
    for device, (netns, net) in inside.items():
        bed.veth(gate, device, netns, "eth0")
        gate.address(device, f"10.{net}.0.254/24")
        netns.address("eth0", f"10.{net}.0.1/24")
        netns.sh(f"ip route add default via 10.{net}.0.254")
    gate.sh("sysctl -qw net.ipv4.ip_forward=1")
    rules = bed.run_dir / "masquerade.nft"
    rules.write_text(MASQUERADE, encoding="ascii")
    done = gate.sh(f"nft -f {rules}", check=False)
    if done.returncode:
        pytest.skip(f"this kernel has no NAT (CONFIG_NFT_MASQ): {done.stderr.strip()}")
    return gate


@pytest.fixture(scope="module")
def sites(bed):
    """near and second behind one address of a gate, far beyond it; all with daemons."""
    plugins = charon.needs_strongswan(bed)
    near, second, far = bed.netns("near"), bed.netns("second"), bed.netns("far")
    gate = gateway(bed, {"in1": (near, 92), "in2": (second, 93)})
    bed.veth(gate, "out", far, "eth0")
    gate.address("out", f"{GATE}/24")
    far.address("eth0", f"{SERVER}/24")
    made = [site(bed, plugins, *what) for what in
            ((near, "10.92.0.1", 0), (second, "10.93.0.1", 1), (far, SERVER, 1))]
    for one, name in zip(made, ("near.lab", "second.lab")):
        one.daemon.configure({"gate": charon.connection(name, "far.lab", remote_addrs=SERVER)})
    made[2].daemon.configure({"any": charon.connection("far.lab", "%any", remote_addrs="%any")})
    for one in made:
        one.daemon.start()
        attach(one.app, one.daemon)
    return made


def run_both(sites, count, **how):
    """near and second measure far at once; their reports."""
    calls = []
    for one, port in zip(sites, (50001, 50101)):
        conn = one.app.connect()
        calls.append((one, conn, conn.ask("test.run", {
            "host": SERVER, "ike": True, "nat": True, "count": count, "sender_port": port, **FAST,
            **how})))
    reports = []
    for one, conn, call in calls:
        with conn:
            reports.append(one.app.result(conn.answer(call)["id"]))
    return reports


def test_two_behind_a_nat(sites):
    """Two peers behind one address: each measures with the key of its own SA.

    Steps: a gate that masquerades; near and second, behind it, initiate; both measure far at once in
    each mode; from second, a connection with near's SPIs and second's key; then second's SA is
    deleted, and both measure again.
    Verify: far lists both SAs with the gate's address, behind a NAT, their identities apart; nothing
    is lost, and each report names its own SPIs; far's sessions are from the gate's address; the
    connection with the SPIs of the other is refused; second measures with a new SA, near with the
    one it had.
    """
    near, second, far = sites
    for one in (near, second):
        one.daemon.initiate("gate")
        known((one.app,))
    with far.app.connect() as conn:
        conn.subscribe("ike.*")
        while len(established(far.app)) != 2:
            conn.line()
    sas = {sa["remote_id"]: sa for sa in established(far.app)}
    assert set(sas) == {"near.lab", "second.lab"}
    assert {sa["remote_addr"] for sa in sas.values()} == {GATE}
    shown = far.app.call("ike.show", spis=sas["near.lab"]["spis"])
    assert shown["remote"]["is_behind_nat"] and not shown["local"]["is_behind_nat"], shown
    own = [(sas[name]["spi_i"], sas[name]["spi_r"]) for name in ("near.lab", "second.lab")]
    for mode in ("authenticated", "encrypted", "mixed"):
        reports = run_both(sites, 200, mode=[mode], floor=mode)
        for report, spis in zip(reports, own):
            loses_nothing(report, 200)
            assert report.fields["key_source"] == "ikev2" and spis_of(report) == spis
            assert report.fields["ike_remote_id"] == "far.lab"
    with second.daemon.client() as client:
        key = client.listing()[0].key
    with second.daemon.netns.inside():
        stranger = peer.Client(SERVER)
    with stranger:
        assert stranger.set_up(peer.ENCRYPTED | peer.IKEV2, bytes.fromhex("".join(own[0])), key) != 0
    second.daemon.terminate("gate")
    known((second.app,), 0)
    reports = run_both(sites, 100)
    for report in reports:
        loses_nothing(report, 100)
    assert spis_of(reports[0]) == own[0] and spis_of(reports[1]) not in own


@pytest.fixture(scope="module")
def moving(bed):
    """Two appliances and daemons on one cable; near has two addresses and prefers the best path."""
    with bed.inner("move") as part:
        pair = rig.veth_pair(part, settings=("set config ike_initiate_interval_ns 0",))
        pair.near.netns.sh("ip addr add 10.77.0.11/24 dev eth0")
        for app in (pair.near, pair.far):  # or the SA moves to them
            app.netns.sh("ip -6 addr flush dev eth0")
        duo = ike_rig.duo(part, {"mobike": ("psk", {"mobike": "yes"}, {"mobike": "yes",
                                                                       "remote_addrs": "%any"})},
                          extra=ike_rig.IMPATIENT + "prefer_best_path = yes\n", pair=pair,
                          ends=(rig.NEAR["v4"], rig.FAR["v4"]),
                          owner=pair.near.socket.stat().st_uid)
        for app, daemon in zip((pair.near, pair.far), duo.both):
            attach(app, daemon)
        yield pair, duo


def remote_of(app):
    return {sa["remote_addr"] for sa in established(app)}


def test_move(moving):
    """MOBIKE: sessions and keys stay when the SA moves to another address.

    Steps: an SA from .1; a session of 1.5 s; meanwhile the route to far prefers .11, and the SA moves;
    measure again, from the address the route says and from the old one; take the old one away, and
    measure once more.
    Verify: the session loses nothing; far lists the SA at .11, its SPIs as before; the next run is
    from .11 with these SPIs; the one from .1 is refused, since no SA is with that address any more.
    """
    pair, duo = moving
    duo.near.initiate("mobike")
    spis, = known((pair.near, pair.far))
    assert remote_of(pair.far) == {"10.77.0.1"}
    with pair.near.connect() as conn:
        conn.subscribe("test.started")
        call = conn.ask("test.run", {"host": "10.77.0.2", "ike": True, "count": 1500, **FAST,
                                     "interval_ns": 1_000_000, "tmax_ns": 1_000_000_000})
        conn.event("test.started")
        duo.near.netns.sh("ip route add 10.77.0.2/32 dev eth0 src 10.77.0.11")
        rig.until(lambda: remote_of(pair.far) == {"10.77.0.11"})
        report = pair.near.result(conn.answer(call)["id"])
    loses_nothing(report, 1500)
    assert report.only.fields["sender_addr"] == "10.77.0.1" and spis_of(report) == spis
    assert known((pair.near, pair.far)) == {spis}
    again = measure(pair.near, "10.77.0.2")
    loses_nothing(again, 100)
    assert again.only.fields["sender_addr"] == "10.77.0.11" and spis_of(again) == spis
    error = pair.near.refusal("test.run", host="10.77.0.2", ike=True, ike_on_missing="fail", count=5,
                              source="10.77.0.1")
    assert "6" in error.text and "IKE SA" in error.text, error.text
    duo.near.netns.sh("sysctl -qw net.ipv4.conf.all.promote_secondaries=1")
    duo.near.netns.sh("ip addr del 10.77.0.1/24 dev eth0")
    last = measure(pair.near, "10.77.0.2")
    loses_nothing(last, 100)
    assert spis_of(last) == spis
