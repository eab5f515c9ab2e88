# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""Two appliances that share a kernel interface, plain and with VLANs upon it."""

import dataclasses
import itertools

import pytest

from dts.api import rig, vlans
from dts.api.exchange import Exchange

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


VLAN = (vlans.Vlan("eth0.7", "eth0", vlans.TPID_C, 7),)
QINQ = (vlans.Vlan("eth0.7", "eth0", vlans.TPID_S, 7), vlans.Vlan("eth0.7.9", "eth0.7", vlans.TPID_C, 9))


STACKS = pytest.mark.parametrize("stack", (VLAN, QINQ), ids=("802.1Q", "802.1ad"))


@STACKS
def test_tagged(bed, stack):
    """VLAN interfaces upon a shared port.

    Steps: addresses on a VLAN, or a VLAN in a VLAN; measure in the four modes, v4 and v6; ping.
    Verify: clean reports, counters of both agree, no ping lost; what arrives from the reflector has
    the tags of the interface, of the right kind.
    """
    with bed.inner(stack[-1].name) as cable:
        pair = rig.veth_pair(cable, stack=stack)
        finish = cable.capture(pair.near.netns, "eth0", "tagged")
        for mode in rig.MODES:
            for family in rig.FAMILIES:
                pair.measure(family, 100, mode=mode, **FAST)
        seen = cable.tshark(finish(), "-Y", "udp", "-T", "fields", "-e", "eth.type", "-e",
                            "ieee8021ad.id", "-e", "vlan.id")
        out = pair.near.netns.sh(f"ping -q -c 20 -i 0.01 -W 2 {rig.FAR['v4']}").stdout
        assert " 0% packet loss" in out, out
        kinds = {line.split("\t")[0].split(",")[0] for line in seen.splitlines()}
        assert kinds == {f"0x{stack[0].tpid:04x}"}, set(seen.splitlines())


def mac(netns):
    return bytes.fromhex(netns.sh("cat /sys/class/net/eth0/address").stdout.strip().replace(":", ""))


@dataclasses.dataclass
class TaggedLab(rig.Lab):
    """The peer's test packets travel in frames with these tags."""

    tags: tuple = ()

    def socket(self, family="v4", port=0, dscp=0):
        macs = mac(self.there), mac(self.box.netns)
        return vlans.Socket(self.there, "eth0", macs, self.tags, super().socket(family, port, dscp))


@pytest.mark.parametrize("stack,tags", (
    ((), ((vlans.TPID_C, 6 << 13),)),
    (VLAN, ((vlans.TPID_C, 5 << 13 | 7),)),
    (QINQ, ((vlans.TPID_S, 5 << 13 | 7), (vlans.TPID_C, 3 << 13 | 9))),
), ids=("priority", "802.1Q", "802.1ad"))
def test_tagged_peer(bed, stack, tags):
    """The tags of a request come back as they were, priority included.

    Steps: a peer on the box's VLAN, or with a priority tag on none, sends 20 packets a mode in frames
    of its own, v4 and v6; then one with the number of another VLAN.
    Verify: each reply has the tags of its request, the same kinds, priorities and numbers, and is
    right itself; the last one is not answered.
    """
    with bed.inner("peer-" + (stack[-1].name if stack else "eth0")) as cable:
        plain = rig.kernel_lab(cable, stack=stack)
        lab = TaggedLab(plain.box, plain.there, plain.device, tags)
        for mode, family in itertools.product(rig.MODES, rig.FAMILIES):
            with lab.client(family, mode) as client, Exchange(lab, client, family) as ex:
                assert client.start() == 0
                for n in range(20):
                    reply = ex.ask()
                    assert ex.sock.seen == tags, (mode, family, ex.sock.seen)
                    assert reply.ttl == 255 and reply.fields["sender_seq"] == n, reply
                    assert reply.fields["ttl"] == 255
                ex.sock.tags = (*tags[:-1], (tags[-1][0], tags[-1][1] + 1))
                ex.send()
                assert ex.silent()
                client.stop()


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
