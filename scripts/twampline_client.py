# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""JSON-RPC client of a twampline appliance, for twampctl and for programs of yours:

    with Client("/run/twampline/default/rpc.sock") as client:
        print(client.call("system.version"))

Python standard library only.
"""

import json
import os
import select
import socket
import time

RUN_DIR = "/run/twampline"
API_MAJOR = "1"
TIMEOUT = 60.0
FAILED, NO_APPLIANCE = 1, 3


class CtlError(Exception):
    """What to tell the user, and the exit status."""

    def __init__(self, text, status=FAILED):
        super().__init__(text)
        self.status = status


class CallError(CtlError):
    """An error answer of the appliance."""

    def __init__(self, method, error):
        data = error.get("data") or {}
        self.code = error.get("code")
        self.message = error.get("message")
        self.reason = data.get("reason")
        self.field = data.get("field")
        self.hint = data.get("hint")
        text = f"{method}: {self.message}"
        if self.hint:
            text += f": {self.hint}"
        super().__init__(f"{text} [{self.reason}]")


class Client:
    """A connection to the JSON socket. Events that arrive between answers are kept."""

    def __init__(self, path, timeout=None):
        self.path = path
        self.timeout = TIMEOUT if timeout is None else timeout
        self.events = []
        self._id = 0
        self._buf = b""
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._sock.connect(path)
        except OSError as e:
            self._sock.close()
            raise CtlError(_why_no_socket(path, e), NO_APPLIANCE) from e

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        self._sock.close()

    def fileno(self):
        return self._sock.fileno()

    def _line(self, deadline):
        """One line without its end, None at the deadline."""
        while b"\n" not in self._buf:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return None
            if not select.select([self._sock], [], [], left)[0]:
                return None
            try:
                data = self._sock.recv(65536)
            except OSError as e:
                raise CtlError(f"{self.path}: {e.strerror}: has the appliance stopped?",
                               NO_APPLIANCE) from e
            if not data:
                raise CtlError(f"{self.path}: the appliance closed the connection: has it stopped?",
                               NO_APPLIANCE)
            self._buf += data
        line, self._buf = self._buf.split(b"\n", 1)
        return line

    def _message(self, deadline):
        line = self._line(deadline)
        if line is None:
            return None
        try:
            return json.loads(line)
        except ValueError as e:
            raise CtlError(f"{self.path}: the answer is not JSON: is this a twampline socket?",
                           NO_APPLIANCE) from e

    def call(self, method, params=None, timeout=None):
        """The result; raises CallError for an error answer."""
        self._id += 1
        request = {"jsonrpc": "2.0", "id": self._id, "method": method}
        if params:
            request["params"] = params
        limit = self.timeout if timeout is None else timeout
        deadline = None if limit == 0 else time.monotonic() + limit
        try:
            self._sock.sendall(json.dumps(request).encode() + b"\n")
        except OSError as e:
            raise CtlError(f"{self.path}: {e.strerror}: has the appliance stopped?",
                           NO_APPLIANCE) from e
        while True:
            answer = self._message(deadline)
            if answer is None:
                raise CtlError(f"{method}: no answer within {limit:g} s; raise --timeout")
            if answer.get("method") == "event":
                self.events.append(answer["params"])
            elif answer.get("id") in (self._id, None):
                if "error" in answer:
                    raise CallError(method, answer["error"])
                return answer.get("result")

    def event(self, timeout=None):
        """The next event, None if none comes within `timeout` seconds."""
        if self.events:
            return self.events.pop(0)
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            message = self._message(deadline)
            if message is None:
                return None
            if message.get("method") == "event":
                return message["params"]

    def pages(self, method, key, params=None):
        """All entries of a paged list."""
        params = dict(params or {})
        while True:
            result = self.call(method, params)
            yield from result[key]
            if result.get("next") is None:
                return
            params["cursor"] = result["next"]


def _why_no_socket(path, error):
    if isinstance(error, PermissionError):
        return (f"{path}: permission denied: run as root, or as a member of the socket's group "
                "(setting rpc_group)")
    if isinstance(error, ConnectionRefusedError):
        return f"{path}: nobody answers: the appliance has ended; start twampline again"
    if isinstance(error, FileNotFoundError):
        parent = os.path.dirname(os.path.dirname(path))
        try:
            names = sorted(n for n in os.listdir(parent)
                           if os.path.exists(os.path.join(parent, n, "rpc.sock")))
        except OSError:
            names = []
        mend = f"choose one with --name: {', '.join(names)}" if names else "start twampline first"
        return f"{path}: no such socket: {mend}"
    return f"{path}: {error.strerror or error}"


def check_version(client):
    version = client.call("system.version")
    api = str(version.get("api_version", "?"))
    if api.split(".", 1)[0] != API_MAJOR:
        raise CtlError(f"the appliance speaks interface {api}, this twampctl {API_MAJOR}.x: use "
                       "the twampctl of the same release", NO_APPLIANCE)
