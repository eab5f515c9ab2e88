# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""strongSwan daemons with the plugin `ippm`, each in a namespace of a suite (scripts/charon-ns)."""

import contextlib
import pathlib
import re
import shutil
import subprocess

import pytest

from dts.api import ippm, vici
from dts.framework import bed as beds

TOP = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = str(TOP / "scripts" / "charon-ns")
DAEMON = "/usr/sbin/charon-systemd"
PSK = "not-the-secret-of-a-test-session"
# of IKE SAs between the two ends of a rig, unless a case says otherwise
DEFAULTS = {"version": 2, "mobike": "no", "proposals": "aes128-sha256-x25519",
            "childless": "allow", "dpd_delay": "0", "rekey_time": "0"}


def needs_strongswan(bed):
    """The plugin folder of a suite; the suite is skipped where strongSwan is not installed."""
    if shutil.which(DAEMON) is None or shutil.which("swanctl") is None:
        pytest.skip("strongSwan is not installed (packages charon-systemd, strongswan-swanctl)")
    folder = bed.run_dir / "plugins"
    done = subprocess.run([SCRIPT, "plugins", folder], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"the plugin cannot be built: {(done.stdout + done.stderr).strip()}")
    return folder


def certificates(bed, kind, *names):
    """A folder with a CA and a certificate for each name."""
    folder = bed.run_dir / f"certs-{kind}"
    beds.run([SCRIPT, "certs", str(folder), kind, *names])
    return folder


def section(name, content, depth=0):
    """A section of swanctl.conf from nested dictionaries."""
    pad = "    " * depth
    lines = [f"{pad}{name} {{"]
    for key, value in content.items():
        if isinstance(value, dict):
            lines.append(section(key, value, depth + 1))
        else:
            lines.append(f"{pad}    {key} = {value}")
    return "\n".join((*lines, f"{pad}}}"))


def connection(mine, other, auth="psk", **how):
    """A connection between two identities, authenticated the same way on both sides."""
    sides = {side: {"auth": "psk" if auth == "psk" else "pubkey", "id": name}
             for side, name in (("local", mine), ("remote", other))}
    if auth != "psk":
        sides["local"]["certs"] = f"{mine}-certs-{auth}.pem"
    return {**DEFAULTS, **sides, **how}


class Daemon:
    """Set up by the constructor, started by `start`, ended with its bed."""

    def __init__(self, bed, netns, name, plugins, owner=0, extra=""):
        self.bed, self.netns, self.name = bed, netns, name
        self.folder = bed.run_dir / name
        self.socket = self.folder / "charon.ippm"
        self.process = None
        beds.run([SCRIPT, "setup", str(self.folder), str(plugins), str(owner)],
                 env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "EXTRA": extra})
        bed.stack.callback(self.keep_log)

    def keep_log(self):
        """The folder in /run goes with the bed: what the daemon said stays with the suite."""
        if self.log_path.exists():
            shutil.copy(self.log_path, self.bed.folder / f"{self.name}.charon.log")

    def trust(self, certs, name):
        beds.run([SCRIPT, "trust", str(self.folder), str(certs), name])

    def configure(self, connections, secrets=None, **more):
        """Write swanctl.conf; `load` or `start` makes it known. The PSK is everybody's."""
        secrets = {"ike-all": {"secret": PSK}, **(secrets or {})}
        text = "\n".join(section(name, content) for name, content in (
            ("connections", connections), ("secrets", secrets), *more.items()))
        (self.folder / "swanctl" / "swanctl.conf").write_text(text + "\n", encoding="utf-8")

    def start(self):
        # once more: a suite may restart a daemon, each start with an output of its own
        self.process = subprocess.Popen(
            [SCRIPT, "run", self.netns.name, str(self.folder)], stdin=subprocess.DEVNULL,
            stdout=open(self.bed.folder / f"{self.name}.out", "a", encoding="utf-8"),
            stderr=subprocess.STDOUT)
        self.bed.stack.callback(beds.end, self.process)
        self.load()
        return self

    def load(self):
        beds.run([SCRIPT, "load", self.netns.name, str(self.folder)])

    def stop(self):
        return beds.end(self.process)

    def kill(self):
        self.process.kill()
        self.process.wait(20)

    @property
    def pid(self):
        """Of charon: every step before it becomes the next."""
        return self.process.pid

    def swanctl(self, *words, check=True):
        return beds.run([SCRIPT, "swanctl", self.netns.name, str(self.folder), *words], check=check)

    def vici(self, command, **fields):
        return vici.call(self.folder / "vici", command, **fields)

    def initiate(self, name, child=None):
        """Wait until the SA of a connection, or a Child SA, is there."""
        return self.vici("initiate", timeout=10000, **({"child": child} if child else {"ike": name}))

    def rekey(self, name, reauth=False):
        return self.vici("rekey", ike=name, reauth="yes" if reauth else "no")

    def terminate(self, name, force=False):
        """Wait until the SAs of a connection are gone."""
        how = {"ike": name, "force": "yes" if force else "no", "timeout": 10000}
        try:
            return self.vici("terminate", **how)
        except vici.Failed as err:
            if "not all" not in str(err):
                raise
        # one of them was on its way out, as after a rekeying
        with contextlib.suppress(vici.Failed):
            self.vici("terminate", **how)
        return {}

    def client(self):
        return ippm.Client(self.socket)

    @property
    def log_path(self):
        return self.folder / "charon.log"

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def dumps(self, what):
        """Octets the log of level 4 shows under a name, in the order they were written."""
        found = []
        pattern = re.compile(rf"^\S+ (\d+)\[\w+\] {what} => (\d+) bytes @ \S+$")
        lines = self.log.splitlines()
        for at, line in enumerate(lines):
            match = pattern.match(line)
            if not match:
                continue
            octets = b""
            for more in lines[at + 1:]:
                # lines of other threads may stand between
                dump = re.match(rf"^\S+ {match[1]}\[\w+\] +\d+: ((?:[0-9A-F]{{2}} )+)", more)
                if dump:
                    octets += bytes.fromhex(dump[1])
                if len(octets) >= int(match[2]):
                    break
            found.append(octets[:int(match[2])])
        return found

    def rss_kib(self):
        status = pathlib.Path(f"/proc/{self.pid}/smaps_rollup").read_text(encoding="ascii")
        return int(re.search(r"^Private_Dirty: +(\d+) kB", status, re.M)[1])
