# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""Network namespaces, links and processes of one suite, all removed at its end.

Everything made here is found again by its name prefix, so that `sweep` removes what an
interrupted run left behind.
"""

import contextlib
import ctypes
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import tempfile
import time

PREFIX = os.environ.get("DTS_PREFIX", "dts-")  # another one: a second run beside the first
RUN_DIR = pathlib.Path("/run")
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def run(command, check=True, **options):
    """Run a command to its end; its output is in the error if it fails."""
    argv = shlex.split(command) if isinstance(command, str) else command
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, **options)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def sweep():
    """Remove namespaces of earlier runs, the processes in them and their sockets."""
    for line in run("ip netns list").stdout.splitlines():
        name = line.split()[0]
        if name.startswith(PREFIX):
            remove_netns(name)
    for folder in RUN_DIR.glob(f"{PREFIX}*"):
        shutil.rmtree(folder, ignore_errors=True)


def remove_netns(name):
    for pid in run(f"ip netns pids {name}", check=False).stdout.split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    run(f"ip netns del {name}", check=False)


class Netns:
    """One namespace with its loopback up."""

    def __init__(self, name):
        self.name = PREFIX + name
        run(f"ip netns add {self.name}")
        self.sh("ip link set lo up")
        # addresses must be usable at once, not after duplicate address detection
        self.sh("sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0")

    def argv(self, command):
        argv = shlex.split(command) if isinstance(command, str) else [str(c) for c in command]
        return ["ip", "netns", "exec", self.name, *argv]

    def sh(self, command, check=True):
        """Run a command in the namespace to its end."""
        return run(self.argv(command), check=check)

    @contextlib.contextmanager
    def inside(self):
        """Sockets made in this block by this thread belong to the namespace."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        try:
            _setns(there)
            yield self
        finally:
            _setns(home)
            os.close(home)
            os.close(there)

    def address(self, device, *addresses):
        for address in addresses:
            self.sh(f"ip addr add {address} dev {device}")
        self.sh(f"ip link set {device} up")


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET):
        err = ctypes.get_errno()
        raise OSError(err, f"setns: {os.strerror(err)}")


class Bed:
    """What one suite made, in the order it was made."""

    def __init__(self, folder, build, tag="", engine=None):
        self.tag = tag  # before the names of namespaces: those of the bed around it may be the same
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.build = pathlib.Path(build)
        self.engine = engine  # crypto engine of its appliances; None: their own choice
        self.stack = contextlib.ExitStack()
        # sockets: a short path that the service user may walk, wherever the tree lies
        self.run_dir = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX, dir=RUN_DIR))
        self.run_dir.chmod(0o755)
        self.stack.callback(shutil.rmtree, self.run_dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()

    @contextlib.contextmanager
    def inner(self, name):
        """A bed for a part of the suite, in a folder of its own."""
        with Bed(self.folder / name, self.build, f"{self.tag}{name}.") as part:
            yield part

    def netns(self, name, *devices):
        """A namespace; devices named are ends of cables to nowhere."""
        netns = Netns(self.tag + name)
        self.stack.callback(remove_netns, netns.name)
        for device in devices:
            netns.sh(f"ip link add {device} type veth peer name {device}-end")
            netns.sh(f"ip link set {device} up")
        return netns

    def veth(self, left, left_device, right, right_device, offload=False):
        """A cable; without offload the kernel computes every checksum."""
        run(f"ip link add {left_device} netns {left.name} type veth "
            f"peer name {right_device} netns {right.name}")
        for netns, device in ((left, left_device), (right, right_device)):
            if not offload:
                netns.sh(f"ethtool -K {device} tx off")
            netns.sh(f"ip link set {device} up")

    def spawn(self, netns, command, name):
        """A process in a namespace, its output in the suite's folder, ended with the suite."""
        log = open(self.folder / f"{name}.log", "w", encoding="utf-8")
        self.stack.callback(log.close)
        process = subprocess.Popen(netns.argv(command), stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=subprocess.STDOUT)
        self.stack.callback(end, process)
        return process

    def capture(self, netns, device, name, expression=""):
        """Capture to NAME.pcap until the returned function is called; it returns the path."""
        path = self.folder / f"{name}.pcap"
        argv = netns.argv(["tcpdump", "-i", device, "-U", "--immediate-mode", "-w", path,
                           *shlex.split(expression)])
        process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
        self.stack.callback(end, process)
        for line in process.stderr:  # it listens from this line on
            if "listening on" in line:
                break
        else:
            raise RuntimeError(f"tcpdump on {device} ended at once")

        def finish():
            settle(path)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=20)
            return path

        return finish


    def tshark(self, path, *options):
        """Read a capture with every check on; what tshark prints."""
        checks = ("ip.check_checksum", "udp.check_checksum", "tcp.check_checksum")
        argv = ["tshark", "-n", "-r", path]
        for check in checks:
            argv += ["-o", f"{check}:TRUE"]
        return run([str(word) for word in (*argv, *options)]).stdout


def settle(path, quiet=0.4, patience=10):
    """Wait until a file has not grown for a while: tcpdump drops what it has not read when it is
    told to end, and the last words of a connection come after the report."""
    deadline = time.monotonic() + patience
    size = -1
    while size != path.stat().st_size and time.monotonic() < deadline:
        size = path.stat().st_size
        time.sleep(quiet)


def end(process, patience=20):
    """Terminate, and kill only if that does not help."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(patience)
    return process.returncode
