# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""Operations by JSON and shell, several appliances on one host, privileges, start and end."""

import json
import os
import pathlib
import re
import signal
import socket
import stat
import subprocess

import pytest

from dts.api import appliance, rig, rpc

FAST = {"mode": "open", "interval_ns": 2_000_000, "tmax_ns": 500_000_000,
        "timeout_ns": 200_000_000}


@pytest.fixture(scope="module")
def pair(bed):
    return rig.memif_pair(bed)


@pytest.fixture(scope="module")
def methods(pair):
    return {m["name"]: m for m in pair.near.pages("rpc.methods", "methods")}


def test_nouns(methods):
    """All that users were promised is there.

    Steps: rpc.methods.
    Verify: the nouns and the verbs of test; every method has help, a shell form and a schema.
    """
    nouns = {name.partition(".")[0] for name in methods}
    assert {"system", "port", "lcore", "server", "key", "test", "session", "stats", "config",
            "event", "rpc"} <= nouns
    assert {"test.run", "test.start", "test.stop", "test.show"} <= set(methods)
    for name, method in methods.items():
        assert method["help"] and method["result"], name
        schema = method["params"]
        assert schema["type"] == "object" and schema["additionalProperties"] is False, name
        assert set(schema.get("required", [])) <= set(schema["properties"]), name
        for key, field in schema["properties"].items():
            assert field.get("description"), (name, key)
            assert "type" in field or "enum" in field or "anyOf" in field, (name, key, field)


def wrong_values(schema):
    """Values that cannot fit any key."""
    return [{"no_such_key": 1}, *({key: {"an": "object"}} for key in schema["properties"])]


def test_bad_params(pair, methods):
    """Every method refuses what does not fit, before it does anything.

    Steps: call each method with an unknown key, with an object for each of its keys, and without
        its required keys.
    Verify: code -32602 each, with a field or a reason, and words.
    """
    with pair.near.connect() as conn:
        for name, method in methods.items():
            schema = method["params"]
            cases = wrong_values(schema) + ([{}] if schema.get("required") else [])
            for params in cases:
                with pytest.raises(rpc.RpcError) as caught:
                    conn.call(name, params)
                error = caught.value
                assert error.code == -32602, (name, params, error.code, error.text)
                assert error.data.get("reason") and error.message, (name, params, error.text)


def test_reading(pair, methods):
    """Every method that only reads answers without parameters, or asks for the required ones.

    Steps: call each method of privilege read that requires nothing.
    Verify: a result, or not_found where there is nothing to read; the same by the shell form that
        rpc.methods names.
    """
    lines = []
    for name, method in methods.items():
        if method["privilege"] != "read" or method["params"].get("required"):
            continue
        try:
            assert isinstance(pair.near.call(name), dict), name
        except rpc.RpcError as error:  # of what not every appliance has: a simulated wire
            assert error.data["reason"] == "not_found", (name, error)
        if method.get("shell"):
            lines.append(method["shell"].split(" [")[0])
    assert len(lines) >= 10


def test_error_codes(pair):
    """rpc.errors names the codes that occur.

    Steps: rpc.errors; provoke not_found, exists, bad key.
    Verify: their codes are in the list under their reasons.
    """
    codes = {row["reason"]: row["code"] for row in pair.near.call("rpc.errors")["errors"]}
    for method, params, reason in (
            ("test.show", {"id": 4_000_000}, "not_found"),
            ("key.remove", {"id": "nobody"}, "not_found"),
            ("key.add", {"id": rig.KEY_ID, "passphrase": "x"}, "exists"),
            ("port.remove", {"name": "nowhere"}, "not_found")):
        error = pair.near.refusal(method, **params)
        assert (error.code, error.data["reason"]) == (codes[reason], reason), error.text
    error = pair.near.refusal("no.method")
    assert error.code == -32601


def test_events(pair):
    """Events of a test arrive in order, for those who asked only.

    Steps: subscribe to test.*, run a test of 1.5 s; another connection subscribes to nothing.
    Verify: started, progress, done, with sequence numbers without gap and no drops.
    """
    with pair.near.connect() as conn, pair.near.connect() as deaf:
        conn.subscribe("test.*")
        test = conn.call("test.start", {"host": rig.FAR["v4"], "count": 750, **FAST,
                                        "user": rig.KEY_ID, "mode": "authenticated"})
        seen = []
        while not seen or seen[-1]["topic"] != "test.done":
            line = conn.line(20)
            assert line["jsonrpc"] == "2.0" and line["method"] == "event", line
            seen.append(line["params"])
        assert deaf.call("system.version") and not deaf.events
    mine = [e for e in seen if e["data"]["id"] == test["id"]]
    assert [e["topic"] for e in mine][0] == "test.started"
    assert "test.progress" in [e["topic"] for e in mine]
    numbers = [e["seq"] for e in seen]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert all(e["dropped"] == 0 for e in seen)


def test_session_events(pair):
    """The reflector tells of its sessions.

    Steps: subscribe at far to session.*, measure from near.
    Verify: session.started, then session.ended.
    """
    with pair.far.connect() as conn:
        conn.subscribe("session.*")
        pair.near.measure(rig.FAR["v4"], count=10, **FAST).only.clean(10)
        conn.event("session.started", 10)
        conn.event("session.ended", 10)


def test_pages(pair):
    """Lists come in pages of at most 256 entries.

    Steps: 300 keys; key.show by pages of 256 and of 7.
    Verify: no page is longer than asked; all keys are there once; a limit of 257 is refused.
    """
    names = {f"page-{n:03}" for n in range(300)}
    with pair.near.connect() as conn:
        for name in names:
            conn.call("key.add", {"id": name, "passphrase": name})
        try:
            first = conn.call("key.show")
            assert len(first["keys"]) == 256 and first["next"] is not None
            for limit in (256, 7):
                shown = [k["id"] for k in pair.near.pages("key.show", "keys", limit=limit)]
                assert len(shown) == len(set(shown)) and names <= set(shown)
            assert pair.near.refusal("key.show", limit=257).code == -32602
        finally:
            for name in names:
                conn.call("key.remove", {"id": name})


def test_config_show(bed, pair):
    """`show config` reproduces the state.

    Steps: change settings, listen on another port, then start a second appliance in a namespace of
        its own from the lines; ports are left out, and keys, which are but named in a comment, are
        added from the file they came from.
    Verify: its own `show config` is the same.
    """
    def lines(app):
        return [line for line in app.call("config.show")["lines"].splitlines()
                if line and line.split()[1] != "port"]

    pair.far.call("config.set", key="server_t_setup", value=17)
    pair.far.call("config.set", key="server_senders", value="10.80.0.0/16")
    pair.far.call("server.listen", addr="0.0.0.0", port=8620)
    told = lines(pair.far)
    assert any("server_t_setup 17" in line for line in told), told
    assert any(re.search(r"listen.*8620", line) for line in told), told
    assert any(line.startswith("#") and rig.KEY_ID in line for line in told), told
    copy = appliance.start(bed, bed.netns("copy"), "copy", config=[
        *told, f"add key {rig.KEY_ID} file {rig.secret_file(bed)}"])
    try:
        assert lines(copy) == told
        assert copy.call("key.show")["keys"] == pair.far.call("key.show")["keys"]
    finally:
        copy.stop()
        pair.far.call("server.unlisten", addr="0.0.0.0", port=8620)


def test_config_hostile_names(pair):
    """A name from outside never becomes a line of `show config`.

    Steps: add keys whose names hold a line end, quotes, a comment sign.
    Verify: every line of the configuration is a comment or begins with a verb that was there before.
    """
    before = {line.split()[0] for line in pair.near.call("config.show")["lines"].splitlines()}
    names = ("a\nstop system", "a\rstop system", "# b", 'c" d', "e\\", "f g")
    try:
        for name in names:
            try:
                pair.near.call("key.add", id=name, passphrase="Long-Enough-For-Everybody")
            except rpc.RpcError as err:
                assert err.data["reason"] in ("bad_value", "bad_text"), err.text
        told = pair.near.call("config.show")["lines"].splitlines()
        assert {line.split()[0] for line in told} <= before | {"#"}, told
        assert any(line == '# add key "f g" file PATH_OF_ITS_SECRET' for line in told), told
    finally:
        for key in pair.near.call("key.show")["keys"]:
            if key["id"] != rig.KEY_ID:
                pair.near.call("key.remove", id=key["id"])


def shell(bed, netns, name, text, before=()):
    """An appliance with a shell on a pipe, from its start to the end of `text`."""
    argv = [*before, *appliance.command(bed, name, ["set config idle sleep"], options=("-i",))]
    done = subprocess.run(netns.argv(argv), input=text, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    (bed.folder / f"{name}-shell.log").write_text(done.stdout)
    return done


def test_shell(bed):
    """The shell on a pipe runs the same operations.

    Steps: lines that read, change, load a file, fail on purpose; then quit.
    Verify: the answers are there; `quit` ends the appliance; a failing line gives status 1 and
        says how to mend it.
    """
    netns = bed.netns("shell")
    secret = rig.secret_file(bed)
    more = bed.run_dir / "more.cfg"
    more.write_text("set config server_t_setup 21\nshow clock\n")
    done = shell(bed, netns, "sh", f"show system\nadd key k1 file {secret}\nshow key\n"
                 f"load {more}\nshow config server_t_setup\nhelp\nquit\n")
    assert done.returncode == 0, done.stdout
    assert "error floor" in done.stdout, done.stdout  # of the clock, from the file
    for word in ("k1", "21", "sh"):
        assert word in done.stdout
    done = shell(bed, netns, "sh", "show system\nset config server_t_setup never\n")
    assert done.returncode == 1 and "server_t_setup" in done.stdout, done.stdout


def test_names(bed):
    """Several appliances share a host, told apart by their names.

    Steps: three appliances in one namespace on different control ports; ask each; end one.
    Verify: each answers with its own name and pid; the others go on.
    """
    netns = bed.netns("crowd", "eth0")
    netns.address("eth0", "10.78.0.1/24", "10.78.0.2/24", "10.78.0.3/24")
    apps = [appliance.start(bed, netns, f"box{n}", config=[
        "set config idle sleep",
        f"listen server 10.78.0.{n}"]) for n in (1, 2, 3)]
    for app in apps:
        shown = app.call("system.show")
        assert (shown["name"], shown["pid"]) == (app.name, app.pid)
    assert apps[0].stop() == 0
    for app in apps[1:]:
        assert app.call("system.version")["product"] == "twampline"
        assert app.stop() == 0


def capabilities(names):
    """A mask in the form of /proc/PID/status."""
    numbers = {"net_bind_service": 10, "net_admin": 12, "net_raw": 13, "ipc_lock": 14}
    return sum(1 << numbers[name] for name in names)


def test_privileges(pair):
    """Every thread has exactly what it needs.

    Steps: read /proc/PID/task/*/status of a running appliance, and its sockets.
    Verify: no thread is root or may gain privileges; the control lcore keeps four capabilities,
        data lcores none, nobody more; a seccomp filter is on all that speak to others; the JSON
        socket is 0660 and its folder closed to others.
    """
    kept = capabilities(("net_bind_service", "net_admin", "net_raw", "ipc_lock"))
    control = 0
    for name, status in pair.near.threads():
        is_free = name.startswith(("rte-worker", "lcore-worker", "telemetry"))  # data lcores; not ours
        assert status["Seccomp"] == "2" or is_free, (name, status["Seccomp"])
        assert status["NoNewPrivs"] == "1", name
        assert "0" not in status["Uid"].split() and "0" not in status["Gid"].split(), (name, status)
        effective, permitted = int(status["CapEff"], 16), int(status["CapPrm"], 16)
        assert int(status["CapInh"], 16) == int(status["CapAmb"], 16) == 0, name
        if effective:
            control += 1
            assert effective == permitted == kept, (name, status["CapEff"])
        else:
            assert permitted == 0, (name, status["CapPrm"])
    assert control == 1
    assert pair.near.call("lcore.show")["data_lcores"]
    info = os.stat(pair.near.socket)
    assert stat.S_ISSOCK(info.st_mode) and stat.S_IMODE(info.st_mode) == 0o660
    assert stat.S_IMODE(os.stat(pair.near.folder).st_mode) & 0o007 in (0, 0o001, 0o005)


def test_stranger(pair):
    """A user outside the group cannot talk to the appliance.

    Steps: connect to the JSON socket as another user.
    Verify: permission denied.
    """
    done = subprocess.run(
        ["setpriv", "--reuid", "games", "--regid", "games", "--clear-groups", "/usr/bin/python3",
         "-c", f"import socket; socket.socket(socket.AF_UNIX).connect({str(pair.near.socket)!r})"],
        capture_output=True, text=True, check=False)
    assert "PermissionError" in done.stderr, done.stderr


def test_running_sessions_not_paused(pair):
    """Changes do not touch a running session.

    Steps: 1,000 packets, 1 ms apart; meanwhile add and remove keys, listeners, settings and 20
        short tests.
    Verify: a clean report.
    """
    with pair.near.connect() as conn:
        call = conn.ask("test.run", {"host": rig.FAR["v4"], "count": 1000, **FAST,
                                     "interval_ns": 1_000_000})
        for n in range(20):
            for app in (pair.near, pair.far):
                app.call("key.add", id=f"k{n}", passphrase="x")
                app.call("config.set", key="server_t_setup", value=20 + n)
                app.call("server.listen", addr="0.0.0.0", port=9000 + n)
                app.call("server.unlisten", addr="0.0.0.0", port=9000 + n)
                app.call("key.remove", id=f"k{n}")
        pair.near.measure(rig.FAR["v6"], count=5, **FAST).only.clean(5)
        test = conn.answer(call)
    pair.near.result(test["id"]).only.clean(1000)


def leftovers(bed, netns, app):
    """What an appliance that has ended left on the host."""
    left = [str(path) for path in app.folder.glob("*")] if app.folder.exists() else []
    left += [line for line in netns.sh("ip -br link").stdout.splitlines() if line.startswith("tap")]
    left += netns.sh("ss -Hltnux").stdout.splitlines() if netns.sh(
        f"ip netns pids {netns.name}", check=False).stdout.split() else []
    left += [str(path) for path in pathlib.Path("/dev/hugepages").glob(f"*{app.pid}*")]
    return left


def lost_hugepages():
    """Hugepages of 2 MiB that are neither free nor a living process's."""
    pool = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB")
    held = 0
    for status in pathlib.Path("/proc").glob("[0-9]*/status"):
        try:
            found = re.search(r"^HugetlbPages:\s+(\d+) kB", status.read_text(), re.MULTILINE)
        except OSError:
            continue
        held += int(found[1]) // 2048 if found else 0
    taken = [int((pool / name).read_text()) for name in ("nr_hugepages", "free_hugepages")]
    return taken[0] - taken[1] - held


@pytest.mark.parametrize("how", ("SIGTERM", "SIGINT", "system.stop"))
def test_clean_end(bed, how):
    """An appliance that is told to end leaves nothing.

    Steps: an appliance with a tap and a listener; SIGTERM, SIGINT or system.stop while a test
        runs; then start it again.
    Verify: status 0 within seconds; no socket, tap or file is left; hugepages are free again; the
        second start works at once.
    """
    netns = bed.netns(f"ends-{how}")
    config = ["set config idle sleep",
              f"add port net0 profile memif args role=server,"
              f"socket={bed.run_dir}/ends/memif.sock tap tap0"]
    for _ in range(2):
        app = appliance.start(bed, netns, "ends", config=config)
        netns.address("tap0", "10.79.0.1/24")
        with app.connect() as conn:
            conn.call("test.start", {"host": "10.79.0.9", "mode": "open", "count": 1000})
            if how == "system.stop":
                conn.call("system.stop")
                assert app.process.wait(20) == 0, app.log
            else:
                assert app.stop(signal.Signals[how]) == 0, app.log
        assert not leftovers(bed, netns, app)
    # others start and end meanwhile: their pages are whose they are a moment later
    rig.until(lambda: lost_hugepages() <= 0)


def test_killed(bed):
    """An appliance that was killed does not hinder its successor.

    Steps: kill -9, start again under the same name.
    Verify: it starts and serves.
    """
    netns = bed.netns("killed")
    app = appliance.start(bed, netns, "killed", config=["set config idle sleep"])
    assert app.stop(signal.SIGKILL) == -signal.SIGKILL
    assert app.socket.exists()
    again = appliance.start(bed, netns, "killed", config=["set config idle sleep"])
    assert again.call("system.show")["pid"] == again.pid
    assert again.stop() == 0


def test_service(bed):
    """Under the systemd unit root has no more capabilities than the unit names.

    Steps: start with the unit's bounding set and its RUNTIME_DIRECTORY, rpc_group set; call as a
        member of the group, as a stranger, and start a second one; kill, start again.
    Verify: it starts each time and makes the sockets of its devices; the member gets an answer, the
        stranger none; the second gives up and leaves the first reachable.
    """
    unit = (appliance.TOP / "app" / "systemd" / "twampline@.service.in").read_text()
    named = re.search("^CapabilityBoundingSet=(.*)$", unit, re.M)[1].lower().replace("cap_", "+")
    before = ("env", "RUNTIME_DIRECTORY=/run/twampline:/run/dpdk", "setpriv", "--no-new-privs",
              "--bounding-set", ",".join(["-all", *named.split()]), "--inh-caps", "-all")
    netns = bed.netns("service", "eth0")
    config = ["set config idle sleep", "set config rpc_group games",
              "add port net0 profile af_packet dev eth0",
              f"add port net1 profile memif args role=server,socket={bed.run_dir}/service/memif.sock"]

    def called_by(group):
        return subprocess.run(["setpriv", "--reuid", "daemon", "--regid", group, "--clear-groups",
                               "/usr/bin/python3", "-B", appliance.TWAMPCTL, "--socket", app.socket,
                               "system.version"], capture_output=True, check=False).returncode

    app = appliance.start(bed, netns, "service", config, before=before)
    assert (app.folder / "memif.sock").exists()
    assert (called_by("games"), called_by("mail")) == (0, 3)
    status, text = appliance.run_to_end(
        bed, netns, [*before, *appliance.command(bed, "service", config)])
    assert status > 0 and "another appliance answers there" in text, text
    assert called_by("games") == 0 and app.call("system.show")["pid"] == app.pid
    app.stop(signal.SIGKILL)
    app = appliance.start(bed, netns, "service", config, before=before)
    assert app.call("system.show")["pid"] == app.pid
    assert app.stop() == 0
    assert not list(app.folder.iterdir())


def test_port_cycle(pair, bed):
    """Ports come and go while others work.

    Steps: add a shared port on a veth at near, remove it, three times, while a session runs.
    Verify: each time it is shown and gone again; the session is clean.
    """
    pair.near.netns.sh("ip link add cyc0 type veth peer name cyc1")
    pair.near.netns.sh("ip link set cyc0 up")
    pair.near.netns.sh("ip link set cyc1 up")
    with pair.near.connect() as conn:
        call = conn.ask("test.run", {"host": rig.FAR["v4"], "count": 1500, **FAST})
        for _ in range(3):
            pair.near.call("port.add", name="cyc", profile="af_packet", dev="cyc0")
            assert {p["name"] for p in pair.near.call("port.show")["ports"]} == {"net0", "cyc"}
            pair.near.call("port.remove", name="cyc")
            assert {p["name"] for p in pair.near.call("port.show")["ports"]} == {"net0"}
        test = conn.answer(call)
    pair.near.result(test["id"]).only.clean(1500)


def test_busy_port(pair):
    """A port that sessions use cannot be removed.

    Steps: remove it while a test runs.
    Verify: busy; the test is clean.
    """
    with pair.near.connect() as conn:
        conn.subscribe("test.started")
        call = conn.ask("test.run", {"host": rig.FAR["v4"], "count": 500, **FAST})
        conn.event("test.started", 10)
        assert pair.near.refusal("port.remove", name="net0").data["reason"] == "busy"
        test = conn.answer(call)
    pair.near.result(test["id"]).only.clean(500)


def test_twampctl(pair):
    """twampctl calls any method, lists methods, and says what is wrong.

    Steps: a call in text and JSON, methods, a wrong parameter, a wrong method.
    Verify: statuses and words.
    """
    assert json.loads(pair.near.twampctl("--json", "system.version", check=True).stdout)["product"]
    assert "product" in pair.near.twampctl("system.version", check=True).stdout
    assert "test.run" in pair.near.twampctl("methods", check=True).stdout
    assert pair.near.twampctl("key.remove", "id=nobody").returncode == 1
    assert pair.near.twampctl("no.method").returncode == 2
    assert pair.near.twampctl("key.show", "nonsense=1").returncode != 0
    done = pair.near.twampctl("ping", rig.FAR["v6"], "--mode", "open", "-c", "20", "-i", "0.005")
    assert done.returncode == 0, done.stderr


def test_notify(bed):
    """sd_notify tells of readiness and of the end.

    Steps: start with NOTIFY_SOCKET, end by SIGTERM.
    Verify: READY=1 (start waits for it), then STOPPING=1.
    """
    netns = bed.netns("notify")
    path = bed.run_dir / "both.notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
        ready.bind(str(path))
        path.chmod(0o666)
        ready.settimeout(30)
        process = bed.spawn(netns, ["env", f"NOTIFY_SOCKET={path}", *appliance.command(
            bed, "both", ["set config idle sleep"])], "both")
        assert b"READY=1" in ready.recv(4096)
        process.terminate()
        assert b"STOPPING=1" in ready.recv(4096)
        assert process.wait(20) == 0
