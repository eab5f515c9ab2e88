# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""Hostile peers and clients while a session runs: it must lose nothing, and nothing may leak."""

import collections
import json
import os
import random
import socket
import struct
import subprocess
import threading
import time

import pytest

from dts.api import appliance, peer, rig
from dts.api.exchange import Exchange

STREAMS = int(os.environ.get("DTS_STREAMS", "100000"))
WORKERS = 2
SOURCES = [f"10.77.0.{n}" for n in range(16, 32)]
SEED = int(os.environ.get("DTS_SEED", "0")) or random.SystemRandom().getrandbits(32)


@pytest.fixture(scope="module")
def lab(bed):
    # a damaged Timeout may ask for minutes of reflecting after the end
    made = rig.kernel_lab(bed, settings=["set config server_trusted_timeout 2",
                                         "set config server_other_timeout 2"])
    made.there.address("eth0", *(f"{source}/24" for source in SOURCES))
    # closed connections by the ten thousand need no memory of themselves
    made.there.sh("sysctl -qw net.ipv4.tcp_max_tw_buckets=256")
    return made


class Witness:
    """A session of an honest peer, 100 packets/s, beside whatever happens."""

    def __init__(self, lab, mode="authenticated"):
        self.lab, self.mode = lab, mode
        self.stop = threading.Event()
        self.missing = []
        self.sent = 0

    def __enter__(self):
        self.context = self.lab.client("v4", self.mode)
        self.client = self.context.__enter__()
        self.ex = Exchange(self.lab, self.client, timeout=0.0)
        assert self.client.start() == 0
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        return self

    def run(self):
        while not self.stop.wait(0.01):
            self.ex.send()
            self.sent += 1
            if self.ex.reply(2.0) is None:
                self.missing.append(self.ex.seq - 1)

    def __exit__(self, *failure):
        self.stop.set()
        self.thread.join()
        self.ex.sock.close()
        if failure[0] is None:
            self.client.stop()
        self.context.__exit__(*failure)


def quiet(lab, patience=20):
    """Until the server has no connection, no session and no port of one left: a port is held for
    2 s after its session's end."""
    deadline = time.monotonic() + patience
    while True:
        left = (lab.box.call("server.connections")["connections"],
                lab.box.call("session.show")["sessions"],
                lab.box.counters()["usage.held_ports"])
        if left == ([], [], 0):
            return
        assert time.monotonic() < deadline, left
        time.sleep(0.2)  # nothing announces the end of the last connection


def descriptors(lab, patience=20):
    """Those of the appliance, once it has no client of the JSON socket left from earlier calls:
    one of those would stand for one that is kept."""
    deadline = time.monotonic() + patience
    while True:
        found = lab.box.descriptors()
        if found.count(f"socket unix {lab.box.socket}") == 1:  # who listens
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.01)  # nothing announces a closed descriptor


def descriptors_return(lab, before, patience=20):
    """Until the appliance has no descriptor more than before: closed clients are noticed late. Each
    kind by itself, so that what goes away meanwhile, as a port held for a session of an earlier
    case, makes up for nothing; a failure tells which it is."""
    deadline = time.monotonic() + patience
    while True:
        more = collections.Counter(lab.box.descriptors()) - collections.Counter(before)
        if not more:
            return
        assert time.monotonic() < deadline, dict(more)
        time.sleep(0.1)  # nothing announces a closed descriptor


def test_mutated_streams(lab, bed):
    """100,000 damaged control streams, Count 1024, while a session runs.

    Steps: two processes write damaged conversations from 16 addresses (mutate.py); the seed is
        printed; an honest session goes on at 100 packets/s.
    Verify: every stream came to an end, some got as far as being answered; the session lost
        nothing; afterwards no connection, session or descriptor is left and a set-up works.
    """
    print(f"seed {SEED}")
    quiet(lab)
    before = descriptors(lab)
    env = {**os.environ, "MUTATE_KEY_ID": rig.KEY_ID, "MUTATE_SECRET": rig.SECRET}
    with Witness(lab) as witness:
        workers = [subprocess.Popen(
            lab.there.argv(["/usr/bin/python3", "-B", appliance.TOP / "dts" / "api" / "mutate.py",
                            rig.FAR["v4"], STREAMS // WORKERS, SEED + n, *SOURCES[n::WORKERS]]),
            env=env, stdout=subprocess.PIPE, text=True) for n in range(WORKERS)]
        results = [json.loads(worker.communicate(timeout=300)[0]) for worker in workers]
    assert lab.box.process.poll() is None, lab.box.log[-4000:]
    assert sum(r["streams"] for r in results) == STREAMS // WORKERS * WORKERS
    assert sum(r["stuck"] for r in results) == 0, results
    assert sum(r["answered"] for r in results) > STREAMS // 10, results
    assert witness.sent > 50 and not witness.missing, (witness.sent, witness.missing)
    quiet(lab)
    descriptors_return(lab, before)
    with Witness(lab, "encrypted"):
        pass


def torture():
    """Lines that are no good request, by name."""
    call = '{"jsonrpc":"2.0","id":1,"method":"system.version"}'
    return {
        "empty": b"\n", "blank": b"   \n", "null": b"null\n", "number": b"17\n", "text": b'"a"\n',
        "garbage": b"\x00\xff\xfe\x80garbage\n", "open": b"{\n", "nul": b'{"a":"\x00"}\n',
        "utf8": b'{"jsonrpc":"2.0","id":1,"method":"\xc3\x28"}\n',
        "surrogate": b'{"jsonrpc":"2.0","id":1,"method":"\\ud800"}\n',
        "deep": b"[" * 100000 + b"]" * 100000 + b"\n",
        "deep_object": b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"\n",
        "big_number": b'{"jsonrpc":"2.0","id":1,"method":"test.show","params":{"id":1e999}}\n',
        "big_integer": b'{"jsonrpc":"2.0","id":1,"method":"test.show","params":{"id":'
                       + b"9" * 400 + b"}}\n",
        "big_id": b'{"jsonrpc":"2.0","id":' + b"9" * 400 + b',"method":"system.version"}\n',
        "long_id": b'{"jsonrpc":"2.0","id":"' + b"x" * 100000 + b'","method":"system.version"}\n',
        "object_id": b'{"jsonrpc":"2.0","id":{},"method":"system.version"}\n',
        "version": call.replace("2.0", "1.0").encode() + b"\n",
        "no_method": b'{"jsonrpc":"2.0","id":1}\n',
        "odd_params": b'{"jsonrpc":"2.0","id":1,"method":"system.version","params":7}\n',
        "list_params": b'{"jsonrpc":"2.0","id":1,"method":"system.version","params":[1]}\n',
        "duplicate": b'{"jsonrpc":"2.0","id":1,"id":2,"method":"system.version"}\n',
        "unknown": call.replace("version", "nonsense").encode() + b"\n",
        "empty_batch": b"[]\n", "bad_batch": b"[1,2,3]\n",
        "long_line": b'{"a":"' + b"x" * (2 << 20) + b'"}\n',
    }


@pytest.mark.parametrize("case", torture())
def test_json_line(lab, case):
    """A line that is no good request gets an error, and the next one an answer.

    Steps: send it, then a good request, on one connection.
    Verify: an error answer with a code for what is no blank line; then the answer of the good
        request, or the connection was closed after the error and a new one serves.
    """
    line = torture()[case]
    with lab.box.connect() as conn:
        try:
            conn.send_raw(line)
        except OSError:
            pass  # closed in the middle of a line without end
        good = json.dumps({"jsonrpc": "2.0", "id": "good", "method": "system.version"}).encode()
        try:
            conn.send_raw(good + b"\n")
        except OSError:
            pass
        answers = []
        while (answer := conn.line(10)) is not None:
            answers.append(answer)
            if isinstance(answer, dict) and answer.get("id") == "good":
                break
    if line.strip():
        errors = answers[0] if isinstance(answers[0], list) else [answers[0]]
        for error in errors:
            assert "error" in error or "result" in error, answers
    assert lab.box.call("system.version")["product"]


def test_json_clients(lab):
    """Clients that do not read, do not finish, or come in crowds.

    Steps: 3,000 requests without reading an answer; 200 connections with half a line; a client
        that leaves in the middle of a running call.
    Verify: the others are served meanwhile; all 3,000 answers come; descriptors return.
    """
    before = descriptors(lab)
    with lab.box.connect() as greedy:
        greedy.sock.setblocking(False)
        left = b"".join(json.dumps({"jsonrpc": "2.0", "id": n, "method": "rpc.methods"}).encode()
                        + b"\n" for n in range(3000))
        try:
            while left:
                left = left[greedy.sock.send(left):]
        except BlockingIOError:
            pass
        assert lab.box.call("system.version")["product"]
        greedy.sock.setblocking(True)
        feeder = threading.Thread(target=greedy.send_raw, args=(left,))
        feeder.start()
        for n in range(3000):
            assert greedy.line()["id"] == n
        feeder.join()
    crowd = []
    try:
        for _ in range(200):
            conn = lab.box.connect()
            crowd.append(conn)
            try:
                conn.send_raw(b'{"jsonrpc":"2.0",')
            except OSError:
                pass  # above the limit of clients
    finally:
        for conn in crowd:
            conn.sock.close()
    with lab.box.connect() as leaver:
        leaver.ask("test.run", {"host": rig.NEAR["v4"], "mode": "open", "connect_ns": 10**9})
    descriptors_return(lab, before)
    assert lab.box.call("system.version")["product"]


# ---- frames ----

def checksum(octets):
    octets += b"\0" * (len(octets) % 2)
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Frames:
    """Raw frames to the running session of an Exchange."""

    def __init__(self, lab, ex):
        self.ex = ex
        with lab.there.inside():
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.sock.bind((lab.device, 0))
        self.src_mac = self.sock.getsockname()[4]
        shown = lab.box.netns.sh("cat /sys/class/net/eth0/address").stdout
        self.dst_mac = bytes.fromhex(shown.strip().replace(":", ""))
        self.payload = ex.session.request(1 << 20)

    def udp(self, payload=None, length=None, sum_=None, pseudo=b""):
        payload = self.payload if payload is None else payload
        length = 8 + len(payload) if length is None else length
        head = struct.pack("!HHHH", self.ex.port, self.ex.far_port, length, 0)
        if sum_ is None:
            sum_ = checksum(pseudo + head + payload) or 0xffff
        return head[:6] + struct.pack("!H", sum_) + payload

    def v4(self, version=0x45, total=None, bad_sum=0, frag=0, ttl=64, udp_sum=None, **udp):
        source, target = (socket.inet_aton(table["v4"]) for table in (rig.NEAR, rig.FAR))
        payload = udp.get("payload") or self.payload
        pseudo = source + target + struct.pack("!HH", 17, 8 + len(payload))
        data = self.udp(sum_=udp_sum, pseudo=pseudo, **udp)
        total = 20 + len(data) if total is None else total
        head = struct.pack("!BBHHHBBH4s4s", version, 0, total, 0, frag, ttl, 17, 0, source, target)
        head = head[:10] + struct.pack("!H", checksum(head) ^ bad_sum) + head[12:]
        return self.dst_mac + self.src_mac + b"\x08\0" + head + data

    def v6(self, sum_=None, length=None):
        source, target = (socket.inet_pton(socket.AF_INET6, table["v6"]) for table in
                          (rig.NEAR, rig.FAR))
        size = 8 + len(self.payload)
        pseudo = source + target + struct.pack("!II", size, 17)
        data = self.udp(sum_=sum_, pseudo=pseudo)
        head = struct.pack("!IHBB16s16s", 6 << 28, size if length is None else length, 17, 255,
                           source, target)
        return self.dst_mac + self.src_mac + b"\x86\xdd" + head + data

    def send(self, frame):
        self.sock.send(frame)


V4_FAULTS = {
    "bad_ip_cksum": lambda f: f.v4(bad_sum=1),
    "bad_udp_cksum": lambda f: f.v4(udp_sum=0x1234),
    "bad_udp_len": lambda f: f.v4(length=4),
    "bad_ip_len": lambda f: f.v4(total=10),
}


@pytest.mark.parametrize("name", V4_FAULTS)
def test_damaged_v4(lab, name):
    """Test packets with damaged headers are dropped under the right name.

    Steps: a running open session; 50 frames that are damaged, otherwise its own.
    Verify: none is answered; a drop of that name is counted for each; then a good one is number 0.
    """
    with lab.client("v4", "open") as client, Exchange(lab, client) as ex:
        assert client.start() == 0
        frames = Frames(lab, ex)
        before = lab.box.counters()
        for _ in range(50):
            frames.send(V4_FAULTS[name](frames))
        assert ex.silent()
        moved = rig.moved(before, lab.box.counters())
        assert moved.get(f"drop.{name}") == 50, moved
        assert ex.ask().fields["seq"] == 0
        client.stop()


@pytest.mark.parametrize("name,fault", (("no_udp_cksum", {"sum_": 0}),
                                        ("bad_udp_cksum", {"sum_": 0x1234})))
def test_damaged_v6(lab, name, fault):
    """The UDP checksum is mandatory over IPv6 (RFC 8200 8.1).

    Steps: 50 frames of a running session without, or with a wrong checksum.
    Verify: none is answered, each is counted under its name.
    """
    with lab.client("v6", "open") as client, Exchange(lab, client, "v6") as ex:
        assert client.start() == 0
        frames = Frames(lab, ex)
        before = lab.box.counters()
        for _ in range(50):
            frames.send(frames.v6(**fault))
        assert ex.silent()
        moved = rig.moved(before, lab.box.counters())
        assert moved.get(f"drop.{name}") == 50, moved
        assert ex.ask().fields["seq"] == 0
        client.stop()


def test_reset_when_full(lab):
    """A peer that asks without reading until both directions are full, then resets.

    Steps: three such peers in open mode, beside an honest session.
    Verify: their connections are gone at once, not after T_msg; the session loses nothing.
    """
    request = bytearray(112)
    request[0:3] = 5, 4, 1  # Conf-Sender: refused, which costs an answer each
    peers = []
    with Witness(lab) as witness:
        for _ in range(3):
            with lab.there.inside():
                sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.settimeout(2)
            sock.connect((rig.FAR["v4"], 862))
            assert len(sock.recv(64, socket.MSG_WAITALL)) == 64
            sock.sendall(struct.pack("!I160x", peer.OPEN))
            with pytest.raises(TimeoutError):
                sock.sendall(bytes(request) * 400_000)
            peers.append(sock)
        for sock in peers:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
        deadline = time.monotonic() + 5
        while lab.box.call("server.show")["connections"] > 1 and time.monotonic() < deadline:
            time.sleep(0.1)  # nothing announces the end of a connection
        assert lab.box.call("server.show")["connections"] == 1
    assert witness.sent > 0 and witness.missing == []


def test_flood(lab):
    """Random datagrams and frames at a running session.

    Steps: 20,000 datagrams of random length and content to its port from its peer's own port and
        from others, and 5,000 random frames, while an honest session runs beside.
    Verify: nothing but what is a valid packet is answered; the honest session loses nothing.
    """
    rng = random.Random(SEED)
    print(f"seed {SEED}")
    with Witness(lab) as witness, lab.client("v4", "encrypted") as client, \
            Exchange(lab, client) as ex, lab.socket("v4") as other:
        assert client.start() == 0
        frames = Frames(lab, ex)
        good = frames.v4()
        for n in range(20000):
            octets = rng.randbytes(rng.choice((0, 1, 13, 14, 47, 48, 49, 112, 500, 1400)))
            (ex.sock if n % 2 else other).sendto(octets, (rig.FAR["v4"], ex.far_port))
            if n % 4 == 0:
                frame = bytearray(good)
                for _ in range(rng.randrange(1, 8)):
                    frame[rng.randrange(12, 42)] = rng.randrange(256)
                frames.send(bytes(frame[:rng.randrange(14, len(frame) + 1)]).ljust(14, b"\0"))
        assert peer.receive(other, 0.2) is None
        while (reply := peer.receive(ex.sock, 0.2)) is not None:
            # a copy of the good packet may have come through undamaged where it counts
            assert ex.session.read_reply(reply[0])["sender_seq"] == 1 << 20
        ex.ask()
        client.stop()
    assert witness.sent > 10 and not witness.missing, (witness.sent, witness.missing)
