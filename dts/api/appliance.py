# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""An appliance under test: its process in a namespace and a typed JSON-RPC client.

The client is twampctl's own, so that what users script with is what is tested.
"""

import importlib.machinery
import importlib.util
import os
import pathlib
import select
import socket
import time

TOP = pathlib.Path(__file__).resolve().parents[2]


def _load_twampctl():
    loader = importlib.machinery.SourceFileLoader("twampctl", str(TOP / "scripts" / "twampctl"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("twampctl", loader))
    loader.exec_module(module)
    return module


twampctl = _load_twampctl()


class Appliance:
    """Started by `start`; stops with its bed."""

    def __init__(self, bed, netns, name, process, run_dir):
        self.bed = bed
        self.netns = netns
        self.name = name
        self.process = process
        self.socket = run_dir / name / "rpc.sock"
        self.log_path = bed.folder / f"{name}.log"

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def call(self, method, **params):
        """One call on a connection of its own."""
        with twampctl.Client(str(self.socket)) as client:
            return client.call(method, params)

    def shell(self, *lines):
        """Lines as an operator would type them, by twampctl's own parser of key=value words."""
        for noun_verb, params in lines:
            self.call(noun_verb, **params)

    def counters(self, group):
        return self.call("stats.show", all=True)[group]

    def measure(self, host, **params):
        """test.run to its end; the result."""
        return self.call("test.run", host=host, **params)

    def add_port(self, name, **params):
        return self.call("port.add", name=name, **params)


def start(bed, netns, name, config=(), lcores="0@0,1@0,2@1", options=(), eal=()):
    """Start one and wait until it serves (READY=1 of sd_notify, or its end)."""
    run_dir = bed.folder / "run"
    config_path = bed.folder / f"{name}.cfg"
    config_path.write_text("".join(f"{line}\n" for line in config), encoding="utf-8")
    notify = bed.folder / f"{name}.notify"
    notify.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
        ready.bind(str(notify))
        os.chmod(notify, 0o666)
        process = bed.spawn(netns, [
            "env", f"NOTIFY_SOCKET={notify}", bed.build / "app" / "twampline",
            "--lcores", lcores, "--no-pci", "--in-memory", *eal, "--", "--name", name,
            "--run-dir", run_dir, "--config", config_path, "--log", "stderr", *options], name)
        app = Appliance(bed, netns, name, process, run_dir)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and process.poll() is None:
            if select.select([ready], [], [], 0.2)[0] and b"READY=1" in ready.recv(4096):
                return app
    raise RuntimeError(f"appliance {name} is not ready\n{app.log}")
