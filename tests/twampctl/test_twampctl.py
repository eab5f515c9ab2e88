# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""twampctl against a fake appliance that answers from a script: what it sends, what it prints, and
its exit status."""

import contextlib
import importlib.machinery
import importlib.util
import io
import json
import os
import pathlib
import signal
import socket
import sys
import tempfile
import threading
import time
import unittest

PATH = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "twampctl"


def load():
    sys.dont_write_bytecode = True
    loader = importlib.machinery.SourceFileLoader("twampctl", str(PATH))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("twampctl", loader))
    loader.exec_module(module)
    return module


twampctl = load()
FIGURE = {"value_ns": 1500000, "error_ns": 2000, "state": "finite", "is_valid": True,
          "reason": None, "is_below_resolution": False}
DELAY = {k: FIGURE for k in ("min", "mean", "median", "p50", "p90", "p95", "p99", "p99_9", "max",
                             "p95_minus_p50")}
PDV = {k: FIGURE for k in ("p50", "p95", "p99", "p99_9", "range")}
IPDV = {k: FIGURE for k in ("min", "p5", "p50", "p95", "max", "smoothed")}


def report(received):
    counters = {k: 0 for k in (
        "sent", "received", "late", "duplicates_forward", "duplicates_reverse", "reordered_forward",
        "reordered_reverse", "reordered_round_trip", "invalid_auth")}
    counters.update(sent=10, received=received)
    return {
        "counters": counters,
        "loss": {"lost": 10 - received, "lost_pct": 10.0 * (10 - received), "lost_forward": 0,
                 "lost_reverse": None, "lost_undetermined": 0},
        "path": {"hops_forward_min": 0, "hops_forward_max": 2, "hops_reverse_min": None,
                 "hops_reverse_max": None},
        "clock": {"is_synced_own": True, "is_synced_peer": False, "error_own_ns": 1000,
                  "error_peer_ns": None},
        **{k: DELAY for k in ("round_trip", "round_trip_net", "forward", "reverse", "residence")},
        **{"pdv_" + k: PDV for k in ("round_trip_net", "forward", "reverse")},
        **{"ipdv_" + k: IPDV for k in ("round_trip_net", "forward", "reverse")}}


def schema(kind, types="string", **more):
    return {"description": "words", "type": types, "x-type": kind, **more}


METHODS = [{"name": "key.add", "shell": "add key", "help": "Add a key", "params": {
    "properties": {"id": schema("text"), "secret": schema("secret"),
                   "count": schema("number", "integer"), "wait_ms": schema("duration"),
                   "on": schema("on|off", "boolean"),
                   "modes": schema("word", ["array", "string"], items={"type": "string"})},
    "required": ["id"]}}]


class Appliance(threading.Thread):
    """Answers on a socket; `results` are per method: a value, an exception dict, or a function."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.path = os.path.join(folder, "default", "rpc.sock")
        os.makedirs(os.path.dirname(self.path))
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(8)
        self.calls = []
        self.results = {"system.version": {"product": "twampline", "api_version": "1.0"},
                        "rpc.methods": {"methods": METHODS, "next": None},
                        "event.subscribe": {"topics": []}}
        self.start()

    def run(self):
        while True:
            try:
                conn = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        with conn, conn.makefile("rwb") as stream:
            for line in stream:
                request = json.loads(line)
                self.calls.append((request["method"], request.get("params", {})))
                result = self.results.get(request["method"])
                if callable(result):
                    result = result(request.get("params", {}), stream)
                answer = {"jsonrpc": "2.0", "id": request["id"]}
                if isinstance(result, dict) and "code" in result:
                    answer["error"] = result
                else:
                    answer["result"] = result
                stream.write(json.dumps(answer).encode() + b"\n")
                stream.flush()

    def sent(self, method):
        return [p for m, p in self.calls if m == method]


def event(stream, topic, seq, **data):
    params = {"topic": topic, "seq": seq, "dropped": 0, "time": "2026-01-01T00:00:00.000Z",
              "data": data}
    stream.write(json.dumps({"jsonrpc": "2.0", "method": "event", "params": params}).encode()
                 + b"\n")
    stream.flush()


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        os.environ["TWAMPLINE_RUN_DIR"] = self.folder

    def appliance(self):
        box = Appliance(self.folder)
        self.addCleanup(box.listener.close)
        return box

    def run_ctl(self, *argv):
        """(status, standard output, standard error)"""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = twampctl.main(list(argv))
            except SystemExit as e:
                status = e.code
        return status, out.getvalue(), err.getvalue()

    def key_file(self, text="correct horse\n"):
        path = os.path.join(self.folder, "key")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, 0o600)
        return path


class Calls(Case):
    def test_says_what_to_do_without_an_appliance(self):
        status, _, err = self.run_ctl("system.version")
        self.assertEqual(status, 3)
        self.assertIn("start twampline first", err)
        self.appliance()
        status, _, err = self.run_ctl("--name", "other", "system.version")
        self.assertEqual(status, 3)
        self.assertIn("choose one with --name: default", err)

    def test_says_that_a_dead_socket_is_dead(self):
        box = self.appliance()
        box.listener.shutdown(socket.SHUT_RDWR)
        box.listener.close()
        status, _, err = self.run_ctl("system.version")
        self.assertEqual(status, 3)
        self.assertIn("nobody answers", err)

    def test_converts_words_to_the_types_of_the_method(self):
        box = self.appliance()
        box.results["key.add"] = {"id": "a"}
        status, out, _ = self.run_ctl("key.add", "id=a", "count=0x10", "wait_ms=2.5", "on=yes",
                                      "modes=open,mixed", f"secret=@{self.key_file()}")
        self.assertEqual((status, out), (0, "id: a\n"))
        self.assertEqual(box.sent("key.add"), [{
            "id": "a", "count": 16, "wait_ms": 2.5, "on": True, "modes": ["open", "mixed"],
            "secret": "correct horse"}])

    def test_prints_json_on_demand_on_either_side_of_the_method(self):
        self.appliance().results["key.add"] = {"id": "a", "n": None}
        for argv in (("--json", "key.add"), ("key.add", "--json")):
            status, out, _ = self.run_ctl(*argv)
            self.assertEqual((status, json.loads(out)), (0, {"id": "a", "n": None}))

    def test_shows_errors_with_their_hint(self):
        self.appliance().results["key.add"] = {
            "code": -32002, "message": "the key exists",
            "data": {"field": "id", "reason": "exists", "hint": "remove it first"}}
        status, out, err = self.run_ctl("key.add", "id=a")
        self.assertEqual((status, out), (1, ""))
        self.assertEqual(err, "twampctl: key.add: the key exists: remove it first [exists]\n")

    def test_refuses_words_that_are_no_parameters(self):
        self.appliance()
        self.assertEqual(self.run_ctl("key.add", "alone")[0], 2)
        self.assertEqual(self.run_ctl("key.add", "id=a", "id=b")[0], 2)
        self.assertEqual(self.run_ctl("no.such")[0], 2)
        self.assertEqual(self.run_ctl()[0], 2)
        self.assertEqual(self.run_ctl("--colour", "key.add")[0], 2)

    def test_follows_pages(self):
        box = self.appliance()
        box.results["rpc.methods"] = lambda p, _: {
            "methods": [dict(METHODS[0], name=f"n.{p.get('cursor', 0)}")],
            "next": 1 if p.get("cursor", 0) == 0 else None}
        status, out, _ = self.run_ctl("--json", "methods")
        self.assertEqual(status, 0)
        self.assertEqual([m["name"] for m in json.loads(out)], ["n.0", "n.1"])

    def test_gives_up_after_the_timeout(self):
        box = self.appliance()
        box.results["key.add"] = lambda *_: time.sleep(2)
        status, _, err = self.run_ctl("--timeout", "0.2", "key.add")
        self.assertEqual(status, 1)
        self.assertIn("no answer within 0.2 s", err)

    def test_keeps_terminal_sequences_of_peers_off_the_terminal(self):
        self.appliance().results["key.add"] = {"id": "\x1b[2Jx"}
        self.assertEqual(self.run_ctl("key.add")[1], "id: ?[2Jx\n")


class Ping(Case):
    def script(self, box, received=10, state="done", **more):
        def start(_, stream):
            event(stream, "test.progress", 1, id=7, state="running", sent=5, received=4, lost=1,
                  elapsed_ns=500000000)
            threading.Timer(0.1, event, (stream, "test.done", 2), {"id": 7}).start()
            return {"id": 7, "state": "connecting"}

        box.results["test.start"] = start
        box.results["test.stop"] = {"id": 7}
        results = [{"session": 1, "state": "ended", "sid": "00", "report": report(received),
                    "sender_port": 50001, "receiver_port": 50002, "is_port_alternate": True,
                    "sender": {"scheduled": 10, "late": 0, "skipped": 0, "tx_refused": 0}}]
        box.results["test.show"] = {
            "id": 7, "state": state, "host": "192.0.2.1", "port": 862, "mode": "open",
            "error": None, "results": results, "next": None, "interval_ns": 1000000,
            "tmax_ns": 2000000000, **more}

    def test_measures_and_reports(self):
        box = self.appliance()
        self.script(box)
        status, out, err = self.run_ctl(
            "ping", "192.0.2.1", "--user", "alice", "--key-file", self.key_file(), "--mode",
            "encrypted", "-c", "10", "-i", "0.001", "--size", "200", "--dscp", "46", "-L", "1.5")
        self.assertEqual(status, 0, err)
        self.assertEqual(box.sent("test.start"), [{
            "host": "192.0.2.1", "mode": ["encrypted"], "user": "alice", "secret": "correct horse",
            "count": 10, "interval_ns": 1000000, "size": 200, "dscp": 46, "schedule": "periodic",
            "port": 862, "sessions": 1, "tmax_ns": 1500000000}])
        self.assertIn("5 sent, 4 received, 1 lost", err)
        self.assertIn("10 sent, 10 received, 0 lost (0.000 %)", out)
        self.assertIn("jitter                   round trip, p95 - p50 = 1.500 ms  (err 0.002 ms)", out)
        self.assertIn("PDV forward              p50/p95/p99/p99.9/range = 1.500/1.500/1.500/1.500/"
                      "1.500 ms  (err 0.002 ms)", out)
        self.assertIn("UDP port 50001 to 50002, not the one asked for", out)
        self.assertIn("round trip               1.500/1.500/", out)
        self.assertIn("lost forward 0, reverse -, undetermined 0", out)
        self.assertIn("hops forward 0 to 2, reverse unknown", out)
        self.assertIn("clock peer: not synchronised, error unknown", out)
        self.assertNotIn("correct horse", out + err)

    def test_tells_all_on_demand(self):
        box = self.appliance()
        self.script(box)
        brief = self.run_ctl("ping", "192.0.2.1", "--mode", "open", "-q")[1]
        whole = self.run_ctl("ping", "192.0.2.1", "--mode", "open", "-q", "-v")[1]
        self.assertTrue(whole.startswith(brief))
        self.assertIn("is_below_resolution: no", whole[len(brief):])

    def test_measures_with_the_key_of_an_ike_sa(self):
        box = self.appliance()
        self.script(box, key_source="ikev2", spi_i="0102030405060708", spi_r="1112131415161718",
                    ike_remote_id="b.lab", is_ike_fallback=False)
        status, out, err = self.run_ctl("ping", "192.0.2.1", "--ike-peer", "*.lab", "-c", "10",
                                        "--ike-on-missing", "fail", "-q")
        self.assertEqual(status, 0, err)
        self.assertIn("key of IKE SA 0102030405060708_1112131415161718 with b.lab", out)
        self.assertNotIn("fell back", out)
        asked = box.sent("test.start")[0]
        self.assertEqual((asked["ike"], asked["ike_peer"], asked["ike_on_missing"]),
                         (True, "*.lab", "fail"))
        self.assertNotIn("user", asked)

    def test_falls_back_only_when_told(self):
        box = self.appliance()
        self.script(box, key_source="passphrase", user="alice", is_ike_fallback=True)
        status, out, err = self.run_ctl("ping", "192.0.2.1", "--ike", "--user", "alice",
                                        "--ike-on-missing", "fallback", "-c", "10", "-q")
        self.assertEqual(status, 0, err)
        self.assertIn("key of passphrase alice", out)
        self.assertIn("fell back to a mode without IKE", out)
        asked = box.sent("test.start")[0]
        self.assertEqual((asked["ike"], asked["user"]), (True, "alice"))

    def test_has_status_4_without_verified_replies(self):
        self.script(self.appliance(), received=0)
        self.assertEqual(self.run_ctl("ping", "192.0.2.1", "--mode", "open", "-q")[0], 4)

    def test_has_status_4_if_the_server_was_not_authenticated(self):
        self.script(self.appliance(), is_results_invalid=True)
        self.assertEqual(self.run_ctl("ping", "192.0.2.1", "--mode", "open", "-q")[0], 4)

    def test_has_status_1_if_the_test_failed(self):
        self.script(self.appliance(), state="failed", error="no answer", hint="look at it",
                    results=[])
        status, out, err = self.run_ctl("ping", "192.0.2.1", "--mode", "open", "-q")
        self.assertEqual((status, out), (1, ""))
        self.assertEqual(err, "twampctl: 192.0.2.1: no answer: look at it\n")

    def test_lowers_the_floor_only_when_told(self):
        box = self.appliance()
        self.script(box)
        self.run_ctl("ping", "192.0.2.1", "--user", "a", "-q")
        self.run_ctl("ping", "192.0.2.1", "--mode", "open", "-q")
        self.assertNotIn("floor", box.sent("test.start")[0])
        self.assertNotIn("mode", box.sent("test.start")[0])
        self.assertEqual(box.sent("test.start")[1]["floor"], "open")

    def test_refuses_what_makes_no_sense(self):
        self.assertEqual(self.run_ctl("ping", "192.0.2.1")[0], 2)
        self.assertEqual(self.run_ctl("ping", "192.0.2.1", "--user", "a", "--key-file",
                                      self.key_file("\n"))[0], 2)
        self.assertEqual(self.run_ctl("ping", "192.0.2.1", "--user", "a", "--key-file",
                                      self.folder + "/none")[0], 2)
        self.assertEqual(self.run_ctl("ping", "-6", "192.0.2.1", "--mode", "open")[0], 2)

    def test_takes_only_times_that_can_be(self):
        for option in ("-i", "--duration", "-L", "--reflector-timeout"):
            for value in ("nan", "inf", "=-1", "soon"):
                word = [option + value] if value.startswith("=") and option[1] == "-" else [option, value]
                with self.assertRaises(SystemExit) as end, contextlib.redirect_stderr(io.StringIO()):
                    twampctl.main(["ping", "192.0.2.1", "--mode", "open", *word])
                self.assertEqual(end.exception.code, 2)

    def test_sends_no_key_in_open_mode(self):
        box = self.appliance()
        self.script(box)
        self.run_ctl("ping", "192.0.2.1", "--mode", "open", "--user", "a", "--key-file",
                     self.key_file(), "-q")
        self.assertNotIn("user", box.sent("test.start")[0])
        self.assertNotIn("secret", box.sent("test.start")[0])

    def test_refuses_an_appliance_of_another_interface(self):
        self.appliance().results["system.version"] = {"api_version": "2.0"}
        status, _, err = self.run_ctl("ping", "192.0.2.1", "--mode", "open")
        self.assertEqual(status, 3)
        self.assertIn("the twampctl of the same release", err)

    def test_warns_of_a_key_file_that_others_can_read(self):
        self.script(self.appliance())
        path = self.key_file()
        os.chmod(path, 0o644)
        _, _, err = self.run_ctl("ping", "192.0.2.1", "--user", "a", "--key-file", path, "-q")
        self.assertIn("can be read by others", err)

    def test_ctrl_c_stops_the_test_and_still_reports(self):
        box = self.appliance()
        self.script(box)

        def start(_, stream):
            def stop(*_):
                event(stream, "test.done", 3, id=7)
                return {"id": 7}
            box.results["test.stop"] = stop
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
            return {"id": 7}

        box.results["test.start"] = start
        status, out, _ = self.run_ctl("ping", "192.0.2.1", "--mode", "open", "-q")
        self.assertEqual(status, 0)
        self.assertEqual(box.sent("test.stop"), [{"id": 7}])
        self.assertIn("10 sent", out)

    def test_sees_the_end_even_if_its_event_was_dropped(self):
        box = self.appliance()
        self.script(box)
        box.results["test.start"] = {"id": 7}
        self.assertEqual(self.run_ctl("ping", "192.0.2.1", "--mode", "open", "-q")[0], 0)

    def test_puts_pages_of_sessions_together(self):
        box = self.appliance()
        self.script(box)
        first = box.results["test.show"]
        box.results["test.show"] = lambda p, _: dict(
            first, next=None if p.get("cursor") else 17)
        status, out, _ = self.run_ctl("--json", "ping", "192.0.2.1", "--mode", "open", "-q")
        self.assertEqual(status, 0)
        self.assertEqual(len(json.loads(out)["results"]), 2)


if __name__ == "__main__":
    unittest.main()
