# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""The set-ups that suites run on: two appliances over memif or veth, or one beside a kernel peer.

Addresses are the same everywhere: .1 and ::1 measure, .2 and ::2 answer. Data lcores of two
appliances sit on different CPUs; everything sleeps when idle, since CPUs are shared.
"""

import contextlib
import dataclasses
import time

from dts.api import appliance, peer, vlans
from dts.framework import bed as beds

KEY_ID = appliance.KEY_ID
SECRET = "Correct-Horse-Battery-0815"
MODES = ("open", "authenticated", "encrypted", "mixed")
FAMILIES = ("v4", "v6")
NEAR = {"v4": "10.77.0.1", "v6": "fd77::1"}
FAR = {"v4": "10.77.0.2", "v6": "fd77::2"}
PREFIX_LEN = {"v4": 24, "v6": 64}
LCORES = ("0@0,1@0,2@1", "0@1,1@1,2@0")
# Count 1024: tests are about everything but the cost of PBKDF2
SETTINGS = (
    "set config idle sleep",
    "set config server_allow_open 10.77.0.0/24,fd77::/64",
    "set config server_count 1024",
)


@dataclasses.dataclass
class Pair:
    """Two appliances: `near` measures, `far` answers."""

    near: appliance.Appliance
    far: appliance.Appliance

    def reports_agree(self, before, packets):
        """Counters of both moved by exactly so many packets since `before`, and dropped none."""
        near, far = moved(before[0], self.near.counters()), moved(before[1], self.far.counters())
        assert near.get("tx.sent") == packets, near
        assert far.get("out.reflected") == packets, far
        assert near.get("out.collected") == packets, near
        for side in (near, far):
            assert not [name for name in side if name.startswith("drop.")], side

    def counters(self):
        return self.near.counters(), self.far.counters()

    def measure(self, family, packets, **how):
        """near measures far: a clean report, and counters of both that agree with it."""
        before = self.counters()
        report = self.near.measure(FAR[family], count=packets, **how)
        try:
            report.only.clean(packets)
        except AssertionError:
            for app, old in zip((self.near, self.far), before):
                print(app.name, moved(old, app.counters()), app.call("port.show"))
            raise
        self.reports_agree(before, packets)
        return report


@dataclasses.dataclass
class Lab:
    """One appliance on a shared port, and a namespace with kernel sockets on the same cable."""

    box: appliance.Appliance
    there: beds.Netns     # of the kernel peer
    device: str           # its end of the cable

    @contextlib.contextmanager
    def client(self, family="v4", mode=None, key_id=KEY_ID, secret=SECRET, source=None):
        """A control connection from the peer to the box, set up if a mode is named."""
        with self.there.inside():
            client = peer.Client(FAR[family], source=source)
        with client:
            if mode is not None:
                accept = client.set_up(peer.MODES[mode], key_id.encode(), secret.encode())
                assert accept == 0, f"set-up refused with Accept {accept}"
            yield client

    @contextlib.contextmanager
    def server(self, family="v4", secret=SECRET, key_id=KEY_ID, **how):
        """The independent server at the peer's address, with one key."""
        with contextlib.ExitStack() as stack:
            with self.there.inside():  # its threads inherit the namespace
                made = stack.enter_context(peer.Server(
                    NEAR[family], keys={key_id.encode(): secret.encode()}, **how))
            yield made

    def socket(self, family="v4", port=0, dscp=0):
        """A UDP socket at the peer."""
        with self.there.inside():
            return peer.test_socket(NEAR[family], port, dscp)


def moved(before, after):
    """Counters that changed, and by how much; info counters aside."""
    return {name: value - before.get(name, 0) for name, value in after.items()
            if value != before.get(name, 0) and not name.startswith("info.")}


def addresses(table):
    return [f"{table[family]}/{PREFIX_LEN[family]}" for family in FAMILIES]


def secret_file(bed, secret=SECRET, name="secret"):
    """A passphrase in a file that the service user may read."""
    path = bed.run_dir / name
    path.write_text(secret + "\n", encoding="utf-8")
    path.chmod(0o644)
    return path


def memif_pair(bed, settings=(), stack=(), before=None):
    """Owned attach: a memif cable, and a tap at each end for the kernel's share, or for the VLANs of
    `stack` upon it. `before`: commands to start either by, as in appliance.start, by name."""
    apps = []
    for name, role, table, lcores in (("far", "server", FAR, LCORES[0]),
                                      ("near", "client", NEAR, LCORES[1])):
        netns = bed.netns(name)
        how = {"lcores": lcores, "before": (*vlans.environment(bed, netns, stack),
                                            *(before or {}).get(name, ()))}
        app = appliance.start(bed, netns, name, **how, config=[
            *SETTINGS, *settings, f"add key {KEY_ID} file {secret_file(bed)}",
            f"add port net0 profile memif args role={role},socket={bed.run_dir}/far/memif.sock "
            f"tap tap0"])
        netns.sh("ip link set tap0 up")
        netns.address(vlans.make(bed, netns, "tap0", stack), *addresses(table))
        apps.append(app)
    pair = Pair(near=apps[1], far=apps[0])
    wait_link(pair.near, "net0")
    wait_link(pair.far, "net0")
    return pair


def until(what, patience=30):
    """Ask again until it holds: `what` makes a call."""
    deadline = time.monotonic() + patience
    while not what():
        assert time.monotonic() < deadline, what


def wait_link(app, port, patience=20):
    """Until the port has its link: by event, unless it has it already."""
    with app.connect() as conn:
        conn.subscribe("port.state")
        shown = conn.call("port.show", {"name": port})
        if not shown["is_up"]:
            conn.event("port.state", patience,
                       lambda data: data["port"] == port and data["is_up"])


def veth_pair(bed, settings=(), stack=(), middle=None):
    """Shared attach: a veth cable whose ends the kernels keep. `stack` are VLANs upon it, outer first,
    the last of which has the addresses. `middle` is a namespace with a bridge to run the cable
    through: at the ends the kernel shows captures only what arrives."""
    spaces = bed.netns("near"), bed.netns("far")
    if middle is None:
        bed.veth(spaces[0], "eth0", spaces[1], "eth0")
    else:
        middle.sh("ip link add br0 type bridge")
        middle.sh("ip link set br0 up")
        for space, port in zip(spaces, ("near", "far")):
            bed.veth(space, "eth0", middle, port)
            middle.sh(f"ip link set {port} master br0")
    apps = []
    for netns, table, lcores in zip(spaces, (NEAR, FAR), LCORES):
        before = vlans.environment(bed, netns, stack)
        netns.address(vlans.make(bed, netns, "eth0", stack), *addresses(table))
        apps.append(appliance.start(bed, netns, netns.name.rpartition("-")[2], lcores=lcores, before=before,
            config=[*SETTINGS, *settings, f"add key {KEY_ID} file {secret_file(bed)}",
                    "add port net0 profile af_packet dev eth0"]))
    return Pair(*apps)


def kernel_lab(bed, settings=(), offload=False, stack=()):
    """One appliance at the far addresses, kernel sockets at the near ones; both on the last VLAN of
    `stack`, if there is one."""
    here, there = bed.netns("far"), bed.netns("near")
    bed.veth(here, "eth0", there, "eth0", offload)
    here.address(vlans.make(bed, here, "eth0", stack), *addresses(FAR))
    there.address(vlans.make(bed, there, "eth0", stack), *addresses(NEAR))
    box = appliance.start(bed, here, "far", before=vlans.environment(bed, here, stack), config=[
        *SETTINGS, *settings, f"add key {KEY_ID} file {secret_file(bed)}",
        "add port net0 profile af_packet dev eth0"])
    return Lab(box, there, "eth0")
