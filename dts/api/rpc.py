# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""The JSON socket of an appliance, as raw lines or as calls and events, each with a deadline."""

import json
import select
import socket
import time

PATIENCE = 60.0


class RpcError(Exception):
    """An error answer: code, message and data as the appliance gave them."""

    def __init__(self, error):
        super().__init__(f"{error.get('message')} {error.get('data', '')}")
        self.code = error.get("code")
        self.message = error.get("message", "")
        self.data = error.get("data") or {}

    @property
    def text(self):
        """All that an operator gets to read."""
        return json.dumps([self.message, self.data])


class Connection:
    """One connection. Events that come between an answer and its question are kept."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(path))
        self.rest = b""
        self.last_id = 0
        self.events = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send_raw(self, octets):
        self.sock.sendall(octets)

    def line(self, patience=PATIENCE):
        """The next line, decoded; None when the appliance has closed the connection."""
        deadline = time.monotonic() + patience
        while b"\n" not in self.rest:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.sock], [], [], left)[0]:
                raise TimeoutError(f"no line from the JSON socket within {patience} s")
            try:
                more = self.sock.recv(1 << 20)
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            self.rest += more
        line, _, self.rest = self.rest.partition(b"\n")
        return json.loads(line)

    def ask(self, method, params=None):
        """Send a call; its id."""
        self.last_id += 1
        request = {"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params or {}}
        self.send_raw(json.dumps(request).encode() + b"\n")
        return self.last_id

    def answer(self, call_id, patience=PATIENCE):
        """The result of that call."""
        deadline = time.monotonic() + patience
        while True:
            line = self.line(max(0.0, deadline - time.monotonic()))
            if line is None:
                raise ConnectionError("the appliance closed the JSON socket")
            if "method" in line:
                self.events.append(line["params"])
            elif line.get("id") == call_id:
                if "error" in line:
                    raise RpcError(line["error"])
                return line["result"]

    def call(self, method, params=None, patience=PATIENCE):
        return self.answer(self.ask(method, params), patience)

    def subscribe(self, *topics):
        self.call("event.subscribe", {"topics": list(topics)})

    def event(self, topic, patience=PATIENCE, where=lambda data: True):
        """Wait for an event of this topic whose data fits; its data."""
        deadline = time.monotonic() + patience
        while True:
            while self.events:
                params = self.events.pop(0)
                if params["topic"] == topic and where(params.get("data", {})):
                    return params.get("data", {})
            line = self.line(max(0.0, deadline - time.monotonic()))
            if line is None:
                raise ConnectionError("the appliance closed the JSON socket")
            if "method" in line:
                self.events.append(line["params"])
