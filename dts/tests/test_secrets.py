# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""Passphrases and keys show in no log, answer, error or core."""

import contextlib
import json
import pathlib
import secrets as random
import subprocess

import pytest

from dts.api import ike_stub, needles, peer, rig, rpc
from dts.api.exchange import Exchange

FAST = {"interval_ns": 5_000_000, "tmax_ns": 500_000_000, "timeout_ns": 500_000_000}


def fresh(name):
    return f"{name}-{random.token_hex(12)}"


@pytest.fixture(scope="module")
def hidden():
    """Passphrases by the way they come in."""
    made = needles.Secrets()
    for way in ("json", "shell", "hex", "wrong", "inline"):
        made.passphrase(way, fresh(way))
    made.passphrase("file", rig.SECRET)
    return made


@pytest.fixture(scope="module")
def lab(bed):
    return rig.kernel_lab(bed, settings=["set config server_count 2048",
                                         f"set config ike_socket {bed.run_dir}/ike.sock"])


@pytest.fixture(scope="module")
def sas(lab, bed, hidden):
    """Keys of IKE SAs by what became of them: in use, superseded, ended; of both ends."""
    made = {state: ike_stub.Sa(rig.NEAR["v4"]) for state in ("ended", "superseded", "live")}
    with ike_stub.Stub(bed.run_dir / "ike.sock", uid=lab.box.socket.stat().st_uid) as stub:
        with lab.box.connect() as conn:
            conn.subscribe("ike.*")
            stub.open()
            conn.event("ike.daemon", where=lambda d: d["is_connected"])
            for state in ("ended", "superseded"):
                stub.up(made[state])
            stub.rekey(made["superseded"], made["live"])
            stub.down(made["ended"])
            conn.event("ike.sa_down")
        for state, sa in made.items():
            # PBKDF2 takes it for the key of an HMAC
            hidden.octets[f"IKE {state} HMACK"] = sa.key
        yield made


def told(box):
    """Everything the box says without being asked about secrets."""
    said = [box.log]
    for method in box.pages("rpc.methods", "methods"):
        if method["privilege"] == "read" and not method["params"].get("required"):
            try:
                said.append(json.dumps(box.call(method["name"])))
            except rpc.RpcError as error:  # of what not every appliance has: a simulated wire
                said.append(error.text)
    return "\n".join(said)


def test_answers_and_logs(lab, hidden):
    """Keys by JSON, file and twampctl; wrong ones; measurements; then everything that can be read.

    Steps: add keys each way, fail in every way that touches a secret, measure with an inline one.
    Verify: no answer, error, log line or listing contains a secret.
    """
    texts = []
    way = {name: octets.decode() for name, octets in hidden.octets.items()}
    texts.append(str(lab.box.call("key.add", id="json", passphrase=way["json"])))
    texts.append(lab.box.refusal("key.add", id="json", passphrase=way["wrong"]).text)
    texts.append(str(lab.box.call("key.add", id="hex", hex=way["hex"].encode().hex())))
    texts.append(lab.box.refusal("key.add", id="x", passphrase=way["wrong"] * 60).text)
    texts.append(lab.box.refusal("key.add", id="x", base64=way["wrong"]).text)
    texts.append(lab.box.refusal("key.add", id="x", hex=way["wrong"]).text)
    texts.append(lab.box.refusal("key.add", id=way["wrong"] * 4, passphrase="p").text)
    texts.append(lab.box.refusal("key.add", id="x", passphrase={"p": way["wrong"]}).text)
    texts.append(lab.box.refusal("test.run", host=rig.NEAR["v4"], user="u", secret=way["wrong"],
                                 nonsense=way["wrong"]).text)
    done = lab.box.twampctl("key.add", "id=ctl", f"passphrase={way['wrong']}")
    texts += [done.stdout, done.stderr]
    with lab.server(key_id="inline", secret=way["inline"]):
        report = lab.box.measure(rig.NEAR["v4"], user="inline", secret=way["inline"], count=20,
                                 mode="encrypted", **FAST)
        report.only.clean(20)
        texts.append(json.dumps(report.fields))
        texts.append(lab.box.refusal("test.run", host=rig.NEAR["v4"], user="inline",
                                     secret=way["wrong"], **FAST).text)
    with lab.client("v4") as client:
        assert client.set_up(peer.AUTHENTICATED, b"json", way["wrong"].encode()) == 1
    texts.append(told(lab.box))
    assert not hidden.in_text("\n".join(texts))


def ike_client(lab, sa, stack):
    """A control connection of the peer with the key of an SA, set up."""
    with lab.there.inside():
        client = stack.enter_context(peer.Client(rig.FAR["v4"]))
    assert client.set_up(peer.AUTHENTICATED | peer.IKEV2, sa.spis, sa.key) == 0
    return client


def test_keys_of_ike_sas(lab, hidden, sas):
    """Keys that the IKE daemon serves show nowhere.

    Steps: both roles with keys of SAs, in success and failure.
    Verify: no answer, error, log line or listing contains one of them.
    """
    live, texts = sas["live"], []
    with contextlib.ExitStack() as stack:
        ike_client(lab, live, stack)
        ike_client(lab, sas["superseded"], stack)
        texts.append(json.dumps(lab.box.call("server.connections")))
    with lab.client() as client:
        bits = peer.AUTHENTICATED | peer.IKEV2
        assert client.set_up(bits, sas["ended"].spis, sas["ended"].key) == 6
    for known in ({live.spis: live.key}, {live.spis: b"another key than that"}, {}):
        with lab.server(offer=15 | peer.IKEV2, ike_keys=known):
            how = {"host": rig.NEAR["v4"], "ike": True, "count": 5, **FAST}
            texts.append(json.dumps(lab.box.call("test.run", **how)) if known.get(
                live.spis) == live.key else lab.box.refusal("test.run", **how).text)
    texts += [json.dumps(lab.box.call("ike.show", spis=live.name)), told(lab.box)]
    assert live.name in texts[-1]
    assert not hidden.in_text("\n".join(texts))


def test_raw_lines(lab, hidden):
    """Lines that are no request at all do not come back either.

    Steps: a line with a passphrase cut short, one with trailing garbage, one in a batch.
    Verify: errors without the passphrase.
    """
    secret = hidden.octets["wrong"].decode()
    request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "key.add",
                          "params": {"id": "k", "passphrase": secret}})
    for line in (request[:-3], request + "x", f"[{request[:-1]},}}]", request.replace("key.", "no.")):
        with lab.box.connect() as conn:
            conn.send_raw(line.encode() + b"\n")
            assert not hidden.in_text(json.dumps(conn.line()))
    assert not hidden.in_text(lab.box.log)


def take_core(box, folder):
    """A core of the running appliance with all memory but unchanged pages of files, hugepages too."""
    pathlib.Path(f"/proc/{box.pid}/coredump_filter").write_text("0x73")
    # where root may not raise it, gcore does not care
    subprocess.run(["prlimit", "--pid", str(box.pid), "--core=unlimited"], check=False)
    done = subprocess.run(["gcore", "-o", str(folder / "core"), str(box.pid)], check=False,
                          capture_output=True, text=True, timeout=120)
    path = folder / f"core.{box.pid}"
    assert path.exists(), done.stdout + done.stderr
    return path


def test_core(lab, bed, hidden, sas):
    """A core taken by root while sessions live holds no key.

    Steps: sessions in three modes from the peer and one with the key of an IKE SA, beside SAs
        superseded and ended; one session of our own against the peer; note every key both
        know; take a core with gcore, RLIMIT_CORE unlimited, all mappings asked for.
    Verify: a canary shows that the core has the heap; no key or passphrase does, binary,
        hexadecimal, expanded, or as HMAC state; the sessions go on. When no packet flows no
        register of any thread holds one either.
    """
    canary = fresh("canary")
    lab.box.call("key.add", id=canary, passphrase=fresh("other"))
    kept = []
    with contextlib.ExitStack() as stack:
        for mode in ("authenticated", "encrypted", "mixed"):
            client = stack.enter_context(lab.client("v4", mode))
            ex = stack.enter_context(Exchange(lab, client))
            assert client.start() == 0
            ex.ask()
            kept.append((client, ex))
            hidden.stream(f"server {mode}", client.stream)
            hidden.token_key(f"server {mode}", rig.SECRET, client.greeting)
            hidden.session(f"server {mode}", ex.session)
        client = ike_client(lab, sas["live"], stack)
        ex = stack.enter_context(Exchange(lab, client))
        assert client.start() == 0
        ex.ask()
        kept.append((client, ex))
        hidden.stream("server IKE", client.stream)
        hidden.token_key("server IKE", sas["live"].key, client.greeting)
        known = []
        server = stack.enter_context(lab.server())
        server.on_session = lambda stream, session: known.append((stream, session))
        with lab.box.connect() as conn:
            conn.subscribe("test.*")
            test = conn.call("test.start", {"host": rig.NEAR["v4"], "user": rig.KEY_ID,
                                            "mode": "encrypted", "duration_ns": 600 * 10**9, **FAST})
            conn.event("test.progress", 10, lambda d: d["received"] > 0)
            hidden.stream("client", known[0][0])
            hidden.session("client", known[0][1])
            core = take_core(lab.box, bed.folder)
            memory = needles.dumped(core)
            print(f"core of {core.stat().st_size} octets, {len(memory)} of them not zero")
            core.unlink()
            assert canary.encode() in memory, "this core shows nothing"
            assert not hidden.in_memory(memory)
            conn.call("test.stop", {"id": test["id"]})
            conn.event("test.done", 10, lambda d: d["id"] == test["id"])
        for client, ex in kept:
            ex.ask()
        core = take_core(lab.box, bed.folder)
        threads = needles.registers(core)
        core.unlink()
        assert len(threads) > 10 * 512, "these are not the registers of all threads"
        assert not hidden.in_memory(threads)
        for client, ex in kept:
            client.stop()
