# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""Every failure says what, where and how to mend it, and gives a status that is not 0: at the
start of the appliance, and of `twampctl ping`."""

import json
import os
import re
import socket
import subprocess
import threading

import pytest

from dts.api import appliance, peer, rig


@pytest.fixture(scope="module")
def lab(bed):
    return rig.kernel_lab(bed)


@pytest.fixture(scope="module")
def alone(bed):
    """A namespace for appliances that will not start."""
    netns = bed.netns("alone", "eth0")
    netns.address("eth0", "10.78.0.1/24")
    return netns


def gives_up(bed, netns, *words, config=None, before=(), **how):
    """Start an appliance that must fail with all these words in its last line."""
    argv = [*before, *appliance.command(bed, "fails", config, **how)]
    status, text = appliance.run_to_end(bed, netns, argv)
    assert status not in (0, None) and status > 0, (status, text)
    last = text.strip().splitlines()[-1]
    for word in words:
        assert re.search(word, last), (word, text)
    assert not (bed.run_dir / "fails" / "rpc.sock").exists()


BAD_CONFIGS = {
    "unknown_verb": ("frobnicate key", r"unknown command"),
    "unknown_noun": ("add pony", r"nothing of that name"),
    "unknown_setting": ("set config nonsense 5", r"no such setting.*show config all"),
    "bad_value": ("set config server_count lots", r"server_count|lots"),
    "out_of_range": ("set config server_count 7", r"1024"),
    "not_power_of_2": ("set config server_count 3000", r"power of 2"),
    "missing_key": ("add key", r"\bid\b"),
    "bad_address": ("listen server 10.0.0.300", r"address"),
    "foreign_address": ("listen server 192.0.2.99", r"192\.0\.2\.99"),
    "no_such_file": ("add key k file /nonexistent/secret", r"/nonexistent/secret"),
    "no_device": ("add port net0 profile af_packet dev nope0", r"nope0"),
    "no_profile": ("add port net0 profile nope", r"nope"),
    "global_fallback": ("set config ike_on_missing fallback", r"ike_fallback"),
    "unbalanced_quote": ('add key "k', r"quot|unterminated|end"),
}


@pytest.mark.parametrize("case", BAD_CONFIGS)
def test_bad_config(bed, alone, case):
    """A configuration that cannot be loaded ends the start with file and line.

    Steps: a file whose third line is wrong.
    Verify: status not 0; the message has FILE:3 and says what is wrong. Words that nobody knows
        are not repeated: one of them may be a passphrase out of place.
    """
    line, word = BAD_CONFIGS[case]
    gives_up(bed, alone, r"fails\.cfg:3:", word, config=["# a comment", "", line, "show system"])


def test_missing_config(bed, alone):
    """A configuration file that does not exist.

    Steps: --config /nonexistent.
    Verify: status not 0, the path is named.
    """
    gives_up(bed, alone, "/nonexistent", options=("--config", "/nonexistent"))


OPTIONS = {
    "unknown": (("--frobnicate",), r"frobnicate"),
    "name": (("--name", "../x"), r"--name"),
    "user": (("--user", "no-such-user"), r"no-such-user"),
    "sink": (("--log", "paper"), r"paper|stderr"),
    "level": (("--log-level", "loud"), r"loud"),
    "operand": (("something",), r"something"),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_bad_option(bed, alone, case):
    """Options that are wrong are named.

    Steps: start with each.
    Verify: status not 0, the option or its value is named.
    """
    options, word = OPTIONS[case]
    gives_up(bed, alone, word, options=options)


EAL_OPTIONS = {"lcores": ("--lcores", "abc"), "cpu": ("--lcores", "0@0,1@999,2@0"),
               "unknown": ("--frobnicate",), "misplaced": ("--name", "box")}


@pytest.mark.parametrize("case", EAL_OPTIONS)
def test_bad_eal_option(bed, alone, case):
    """Options that DPDK refuses, among them one of ours on the wrong side of `--`.

    Steps: start with each.
    Verify: status not 0; the last line says on which side the fault is; no pages of usage.
    """
    argv = [bed.build / "app" / "twampline", *EAL_OPTIONS[case], "--no-pci", "--in-memory", "--",
            "--run-dir", bed.run_dir, "--log", "stderr"]
    status, text = appliance.run_to_end(bed, alone, [str(word) for word in argv])
    lines = text.strip().splitlines()
    assert status > 0 and len(lines) < 20, text
    assert "before '--'" in lines[-1] and "--help" in lines[-1], text


def test_no_root(bed, alone):
    """Without root.

    Steps: start as nobody.
    Verify: status not 0; the message says what is missing and how to get it.
    """
    gives_up(bed, alone, r"root|capabilit", before=(
        "setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"))


def test_no_hugepages(bed, alone):
    """Without hugepages.

    Steps: in a mount namespace of its own the pool looks empty.
    Verify: status not 0; the message says how to reserve them.
    """
    fake = bed.folder / "hugepages"
    fake.mkdir(exist_ok=True)
    for size in os.listdir("/sys/kernel/mm/hugepages"):
        (fake / size).mkdir(exist_ok=True)
        for name in os.listdir(f"/sys/kernel/mm/hugepages/{size}"):
            (fake / size / name).write_text("0\n")
    script = f'mount --bind {fake} /sys/kernel/mm/hugepages && exec "$@"'
    gives_up(bed, alone, r"hugepage", r"nr_hugepages",
             before=("unshare", "--mount", "sh", "-c", script, "sh"))


def test_name_taken(bed, lab):
    """A second appliance of the same name.

    Steps: start another one named like the one that runs.
    Verify: status not 0, the message names the socket or the name; the first goes on.
    """
    argv = appliance.command(bed, lab.box.name, [])
    status, text = appliance.run_to_end(bed, lab.box.netns, argv)
    assert status > 0 and re.search(r"rpc\.sock|--name", text.strip().splitlines()[-1]), text
    assert lab.box.call("system.show")["pid"] == lab.box.pid


def test_control_port_taken(bed, alone):
    """TCP/862 held by another program.

    Steps: hold it, start.
    Verify: status not 0; the message names the port and how to find who has it.
    """
    with alone.inside():
        holder = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        holder.bind(("::", 862))
        holder.listen()
    with holder:
        gives_up(bed, alone, "862", r"use", config=["set config idle sleep"])


def test_bad_lcores(bed, alone):
    """Too few lcores.

    Steps: one lcore.
    Verify: status not 0; the message says how many are needed.
    """
    gives_up(bed, alone, "lcore", lcores="0@0")


# ---- twampctl ping ----

def ping(lab, *words, **how):
    return lab.box.twampctl("ping", *words, "-c", "5", "-i", "0.01", **how)


def ping_fails(lab, *words, match=()):
    done = ping(lab, *words)
    assert done.returncode != 0, done.stdout
    text = done.stderr + done.stdout
    for word in match:
        assert re.search(word, text), (word, text)
    return text


def as_user(lab, bed, secret=rig.SECRET, user=rig.KEY_ID):
    path = bed.run_dir / "ping-secret"
    path.write_text(secret + "\n")
    path.chmod(0o600)
    return "--user", user, "--key-file", path


@pytest.mark.parametrize("mode", rig.MODES)
def test_ping(lab, bed, mode):
    """The good case, so that failures mean something.

    Steps: ping in each mode.
    Verify: status 0, a report with the mode and all packets.
    """
    user = () if mode == "open" else as_user(lab, bed)
    with lab.server():
        done = ping(lab, rig.NEAR["v4"], "--mode", mode, *user)
    assert done.returncode == 0, done.stderr
    assert mode in done.stdout and "5" in done.stdout


def test_ping_json(lab):
    """--json gives the report as JSON.

    Steps: ping --json.
    Verify: one JSON text with 5 packets received.
    """
    with lab.server():
        done = ping(lab, rig.NEAR["v4"], "--mode", "open", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["received"] == 5


def test_ping_wrong_key(lab, bed):
    """Wrong passphrase.

    Steps: ping with another passphrase.
    Verify: status, peer's address, "secret"; the passphrase itself is not shown.
    """
    with lab.server():
        text = ping_fails(lab, rig.NEAR["v4"], *as_user(lab, bed, "Wrong-One-4711"),
                          match=(r"10\.77\.0\.1", "KeyID", "secret"))
    assert "Wrong-One" not in text


def test_ping_unknown_key_id(lab, bed):
    """Unknown KeyID at the server; unknown key name here.

    Steps: ping as nobody-knows; ping with a user without file whom the appliance has no key for.
    Verify: status and words that name the user or say to compare KeyIDs.
    """
    with lab.server():
        ping_fails(lab, rig.NEAR["v4"], *as_user(lab, bed, user="nobody-knows"), match=("KeyID",))
        ping_fails(lab, rig.NEAR["v4"], "--user", "no-key-here", match=("no-key-here", "key"))


def test_ping_refused_mode(lab, bed):
    """The server does not offer the mode.

    Steps: a server that offers encrypted alone; ping --mode authenticated.
    Verify: status and words about modes.
    """
    with lab.server(offer=peer.ENCRYPTED):
        ping_fails(lab, rig.NEAR["v4"], "--mode", "authenticated", *as_user(lab, bed),
                   match=(r"mode",))


def test_ping_nobody_listens(lab):
    """No server at the port.

    Steps: ping a host without server.
    Verify: status; address, port, refused.
    """
    ping_fails(lab, rig.NEAR["v4"], "--mode", "open", match=(r"10\.77\.0\.1", "862", "refused"))


def test_ping_no_route(lab):
    """No route; and no answer from the next hop.

    Steps: ping a network without route; a host that does not exist in the connected one.
    Verify: status; the address and route, or next hop.
    """
    ping_fails(lab, "203.0.113.9", "--mode", "open", match=(r"203\.0\.113\.9", "route|reach"))
    ping_fails(lab, "10.77.0.250", "--mode", "open", match=(r"10\.77\.0\.250",))


def test_ping_silent(lab):
    """A peer that accepts and says nothing; one that never answers a packet.

    Steps: a listener without a voice, --timeout-like connect limit; a reflector that drops.
    Verify: status not 0 in both; the report of the second shows all lost.
    """
    quiet = threading.Event()

    def hold(octets):
        quiet.wait(20)
        return octets

    with lab.server(hooks={"greeting": hold}):
        try:
            error = lab.box.measure_refusal(rig.NEAR["v4"], mode="open", count=5,
                                            connect_ns=500_000_000)
        finally:
            quiet.set()
        assert "greeting" in error.text and "10.77.0.1" in error.text
    with lab.server(hooks={"reply": lambda _: None}):
        done = ping(lab, rig.NEAR["v4"], "--mode", "open")
    assert done.returncode not in (0, 1, 2), (done.returncode, done.stderr)


def test_ping_peer_closes(lab):
    """A peer that closes mid-session.

    Steps: the server closes the control connection at the third reply.
    Verify: status not 0; the words say that the connection was closed.
    """
    with lab.server() as there:
        def reply(octets):
            if there.reflected == 2:
                there.cut()
            return octets
        there.hooks["reply"] = reply
        done = lab.box.twampctl("ping", rig.NEAR["v4"], "--mode", "open", "-c", "500", "-i", "0.01")
    assert done.returncode != 0
    assert "closed" in done.stdout + done.stderr, done.stdout + done.stderr


def test_ping_no_appliance(lab, bed):
    """No appliance behind the socket.

    Steps: twampctl with the socket of nobody.
    Verify: status not 0, the path is named.
    """
    done = subprocess.run(["/usr/bin/python3", "-B", str(appliance.TWAMPCTL), "--socket",
                           str(bed.run_dir / "nobody" / "rpc.sock"), "system.show"],
                          capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode != 0 and "nobody/rpc.sock" in done.stderr


def test_udp_port_taken(lab):
    """The sender port asked for is held by another program.

    Steps: hold UDP 50800 at the box, measure with sender_port 50800.
    Verify: an error that names the port.
    """
    with lab.box.netns.inside():
        holder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        holder.bind((rig.FAR["v4"], 50800))
    with holder, lab.server():
        error = lab.box.measure_refusal(rig.NEAR["v4"], mode="open", count=5, sender_port=50800)
    assert "50800" in error.text


def test_listen_taken(lab):
    """A server address that is taken, or not ours.

    Steps: server.listen at a port another program holds; at another host's address.
    Verify: errors with reasons in_use and no_address, naming address and port.
    """
    with lab.box.netns.inside():
        holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        holder.bind((rig.FAR["v4"], 8862))
        holder.listen()
    with holder:
        error = lab.box.refusal("server.listen", addr=rig.FAR["v4"], port=8862)
    assert error.data["reason"] == "in_use" and "8862" in error.text
    error = lab.box.refusal("server.listen", addr="192.0.2.99", port=8862)
    assert error.data["reason"] == "no_address" and "192.0.2.99" in error.text


def test_interface_taken(lab):
    """Two ports cannot share an interface: both would take its frames.

    Steps: add another port on the interface of one.
    Verify: refused, with the name of the port that has it; the appliance has one port as before.
    """
    error = lab.box.refusal("port.add", name="net1", profile="af_packet", dev="eth0")
    assert "net0" in error.text and "eth0" in error.text, error.text
    assert [port["name"] for port in lab.box.call("port.show")["ports"]] == ["net0"]
