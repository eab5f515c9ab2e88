# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""An appliance under test: its process in a namespace, called over its JSON socket."""

import contextlib
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import time

from dts.api import report, rpc

KEY_ID = "dts-key"  # what every rig adds, with the secret of rig.SECRET

REPORTS = 16  # sessions of a test whose whole reports fit one answer

TOP = pathlib.Path(__file__).resolve().parents[2]
TWAMPCTL = TOP / "scripts" / "twampctl"


class Appliance:
    """Started by `start`; stops with its bed."""

    def __init__(self, bed, netns, name, process):
        self.bed = bed
        self.netns = netns
        self.name = name
        self.process = process
        self.folder = bed.run_dir / name
        self.socket = self.folder / "rpc.sock"
        self.log_path = bed.folder / f"{name}.log"

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    @property
    def pid(self):
        """Of the appliance itself: `ip netns exec` and `env` both become it."""
        return self.process.pid

    def connect(self):
        return rpc.Connection(self.socket)

    def call(self, method, /, **params):
        """One call on a connection of its own."""
        with self.connect() as conn:
            return conn.call(method, params)

    def refusal(self, method, /, **params):
        """The error of a call that must fail."""
        try:
            result = self.call(method, **params)
        except rpc.RpcError as err:
            return err
        raise AssertionError(f"{method} {params} was not refused: {result}")

    def pages(self, method, key, /, **params):
        """All entries of a paged list."""
        entries, cursor = [], 0
        while cursor is not None:
            page = self.call(method, cursor=cursor, **params)
            entries += page[key]
            cursor = page.get("next")
        return entries

    def result(self, test_id):
        """The report of a test that has ended."""
        return self._whole(self.call("test.show", id=test_id, limit=REPORTS))

    def measure(self, host, /, **params):
        """test.run to its end; the report. The key is that of the rig unless said otherwise."""
        return self._whole(self.call("test.run", host=host, **self._with_key(params)))

    def _whole(self, fields):
        """The report of a test of which an answer holds the beginning."""
        if len(fields["results"]) > REPORTS:
            fields = self.call("test.show", id=fields["id"], limit=REPORTS)
        rows = list(fields["results"])
        while fields["next"] is not None:
            fields = self.call("test.show", id=fields["id"], limit=REPORTS, cursor=fields["next"])
            rows += fields["results"]
        return report.Report(fields, rows)

    def measure_refusal(self, host, /, **params):
        """The error of a measurement that must fail."""
        return self.refusal("test.run", host=host, **self._with_key(params))

    @staticmethod
    def _with_key(params):
        if params.get("mode") == "open" or params.get("ike") or "user" in params:
            return params
        return {**params, "user": KEY_ID}

    def counters(self):
        """Every counter of `stats.show` as "group.name"."""
        shown = self.call("stats.show")
        return {f"{group}.{name}": value for group, rows in shown.items()
                if isinstance(rows, dict) and group != "help" for name, value in rows.items()}

    def twampctl(self, *words, stdin="", check=False, timeout=120):
        """twampctl as a user runs it."""
        argv = ["/usr/bin/python3", "-B", TWAMPCTL, "--socket", self.socket, *words]
        done = subprocess.run([str(w) for w in argv], input=stdin, capture_output=True, text=True,
                              timeout=timeout, check=False)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def threads(self):
        """(name, status fields) of each thread."""
        for task in sorted(pathlib.Path(f"/proc/{self.pid}/task").iterdir()):
            status = dict(line.split(":\t", 1) for line in
                          (task / "status").read_text().splitlines() if ":\t" in line)
            yield status["Name"], status

    def descriptors(self):
        """What each open descriptor is: a path, or the kind of a socket with its address."""
        known = self._sockets()
        made = []
        for entry in pathlib.Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                target = os.readlink(entry)
                inode = re.fullmatch(r"socket:\[(\d+)\]", target)
                made.append(known.get(inode[1], "socket") if inode else
                            re.sub(r":\[\d+\]$", "", target))
        return sorted(made)

    def _sockets(self):
        """Sockets of the appliance by inode, as descriptors() tells of them: kind, and the local
        path, or the peer of a connection, or the local port. A Unix socket that was accepted
        belongs to the namespace of who connected, which is ours."""
        made = {}
        for kind, process, inode, address in (
                ("unix", "self", 6, 7), ("unix", self.pid, 6, 7), ("tcp", self.pid, 9, 2),
                ("tcp6", self.pid, 9, 2), ("udp", self.pid, 9, 1), ("udp6", self.pid, 9, 1),
                ("netlink", self.pid, 9, 1), ("packet", self.pid, 8, 3)):
            table = pathlib.Path(f"/proc/{process}/net/{kind}")
            for row in table.read_text().splitlines()[1:] if table.exists() else ():
                fields = row.split() + [""]
                made[fields[inode]] = f"socket {kind} {fields[address]}".rstrip()
        return made

    def stop(self, how=signal.SIGTERM, patience=20):
        """End it; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(patience)


def leave(folder):
    """Remove the folder that an appliance cannot, being root no more, if nothing is in it."""
    with contextlib.suppress(OSError):
        folder.rmdir()


def command(bed, name, config=None, lcores="0@0,1@0,2@1", options=(), eal=("--in-memory",)):
    """The command line of an appliance of this bed."""
    bed.stack.callback(leave, pathlib.Path("/run/dpdk", f"twampline-{name}"))
    argv = [bed.build / "app" / "twampline", "--lcores", lcores, "--no-pci", *eal, "--",
            "--name", name, "--run-dir", bed.run_dir, "--log", "stderr", *options]
    if config is not None:
        path = bed.run_dir / f"{name}.cfg"
        if bed.engine is not None:
            config = (f"set config engine {bed.engine}", *config)
        path.write_text("".join(f"{line}\n" for line in config), encoding="utf-8")
        argv += ["--config", path]
    return [str(word) for word in argv]


def start(bed, netns, name, config=(), patience=30, before=(), **how):
    """Start one, by the command `before` if given, and wait until it serves (READY=1 of sd_notify)
    or ends."""
    notify = bed.run_dir / f"{name}.notify"
    notify.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
        ready.bind(str(notify))
        os.chmod(notify, 0o666)
        process = bed.spawn(netns, ["env", f"NOTIFY_SOCKET={notify}", *before,
                                    *command(bed, name, config, **how)], name)
        app = Appliance(bed, netns, name, process)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and process.poll() is None:
            if select.select([ready], [], [], 0.2)[0] and b"READY=1" in ready.recv(4096):
                return app
    raise RuntimeError(f"appliance {name} is not ready\n{app.log}")


def run_to_end(bed, netns, argv, patience=60):
    """Run an appliance that is expected to give up; (status, everything it said)."""
    done = subprocess.run(netns.argv(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=patience, check=False)
    (bed.folder / "last-refusal.log").write_text(done.stdout)
    return done.returncode, done.stdout
