# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""Client of the socket protocol for IKEv2-derived keys (app/ikeshim/SOCKET.md), written from that
text and sharing no code with the daemon's side. Offsets are those of ippm_socket.h.
"""

import dataclasses
import ipaddress
import select
import socket
import struct
import time

VERSION = 1
STATUS, SUBSCRIBE, LIST, LOOKUP_SPI, LOOKUP_PEER, INITIATE = range(1, 7)
HELLO, RESULT, SA = 64, 65, 66
EVENTS = {128: "connecting", 129: "up", 130: "rekeyed", 131: "moved", 132: "child", 133: "down",
          134: "failed"}
STATUSES = ("ok", "already", "not_found", "no_connection", "failed", "timed_out", "busy",
            "bad_request", "bad_version")
STATES = {1: "connecting", 2: "established", 3: "superseded", 4: "gone"}
ROLES = {1: "initiator", 2: "responder"}
REASONS = ("none", "deleted", "rekeyed", "dead", "shutdown", "failed")
SA_FLAGS = {0x01: "local_id_cut", 0x02: "remote_id_cut", 0x04: "vip_cut", 0x08: "ts_cut",
            0x10: "ppk", 0x20: "local_nat", 0x40: "remote_nat"}
PEER_FLAGS = {0x100: "known_peer", 0x200: "any_peer", 0x400: "setting_up"}
HEADER = struct.Struct("!HHIQ")
SIZES = {HELLO: 120, RESULT: 136, SA: 1504}
VIP_MAX, TS_MAX, PAGE = 4, 16, 32


class Closed(Exception):
    """The daemon has closed the connection."""


def flags(value, table):
    return {name for bit, name in table.items() if value & bit}


def text(octets):
    return octets.rstrip(b"\0").decode()


def address(octets):
    """(address or None, port) of struct ippm_addr."""
    family, _, port = struct.unpack_from("!BBH", octets)
    if family == 0:
        return None, port
    return str(ipaddress.ip_address(octets[4:8] if family == 4 else octets[4:20])), port


def identity(octets):
    """(type, text) of struct ippm_id."""
    kind, _, length = struct.unpack_from("!BBH", octets)
    assert length <= 252
    return kind, octets[4:4 + length].decode()


def selector(octets):
    """(from, to, protocol, from port, to port) of struct ippm_ts."""
    family, proto, low, high = struct.unpack_from("!BBHH", octets)
    size = 4 if family == 4 else 16
    ends = [str(ipaddress.ip_address(octets[at:at + size])) for at in (8, 24)]
    return (*ends, proto, low, high)


@dataclasses.dataclass
class Sa:
    """struct ippm_sa; `event` is the name of the event, or None in an answer."""

    event: str
    serial: int
    spi_i: bytes
    spi_r: bytes
    old: tuple
    new: tuple
    established: int
    state: str
    role: str
    reason: str
    flags: set
    local: tuple
    remote: tuple
    prf: int
    key: bytes
    local_id: tuple
    remote_id: tuple
    connection: str
    vips: list
    selectors: list

    @property
    def spis(self):
        return self.spi_i, self.spi_r

    @classmethod
    def parse(cls, kind, data):
        key_len = struct.unpack_from("!H", data, 130)[0]
        vip_cnt, ts_cnt = struct.unpack_from("!HH", data, 776)
        assert key_len in (0, 16, 20, 32, 48, 64), key_len
        assert vip_cnt <= VIP_MAX and ts_cnt <= TS_MAX
        assert not any(data[136 + key_len:200]), "octets behind the key"
        return cls(
            event=EVENTS.get(kind), serial=struct.unpack_from("!Q", data, 16)[0],
            spi_i=data[24:32], spi_r=data[32:40], old=(data[40:48], data[48:56]),
            new=(data[56:64], data[64:72]), established=struct.unpack_from("!Q", data, 72)[0],
            state=STATES[data[80]], role=ROLES[data[81]], reason=REASONS[data[82]],
            flags=flags(struct.unpack_from("!I", data, 84)[0], SA_FLAGS),
            local=address(data[88:108]), remote=address(data[108:128]),
            prf=struct.unpack_from("!H", data, 128)[0], key=data[136:136 + key_len],
            local_id=identity(data[200:456]), remote_id=identity(data[456:712]),
            connection=text(data[712:776]),
            vips=[address(data[784 + 20 * n:804 + 20 * n])[0] for n in range(vip_cnt)],
            selectors=[selector(data[864 + 40 * n:904 + 40 * n]) for n in range(ts_cnt)])


@dataclasses.dataclass
class Hello:
    """struct ippm_hello."""

    versions: tuple
    sa_cnt: int
    boot_id: bytes
    started: int
    name: str
    release: str
    not_shown: int

    @classmethod
    def parse(cls, data):
        low, high, cnt = struct.unpack_from("!HHI", data, 16)
        return cls(versions=(low, high), sa_cnt=cnt, boot_id=data[24:40],
                   started=struct.unpack_from("!Q", data, 40)[0], name=text(data[48:80]),
                   release=text(data[80:112]), not_shown=struct.unpack_from("!I", data, 112)[0])


@dataclasses.dataclass
class Result:
    """struct ippm_result, and the records that came before it."""

    status: str
    request: int
    flags: set
    cursor: int
    text: str
    sas: list

    @property
    def sa(self):
        assert len(self.sas) == 1, self
        return self.sas[0]


def packed_address(host=None, port=0):
    if host is None:
        return bytes(20)
    octets = ipaddress.ip_address(host).packed
    return struct.pack("!BBH16s", 4 if len(octets) == 4 else 6, 0, port, octets)


def packed_id(name=""):
    octets = name.encode()
    return struct.pack("!BBH252s", 0, 0, len(octets), octets)


def request(kind, body=b"", seq=0, version=VERSION, size=None):
    size = HEADER.size + len(body) if size is None else size
    return HEADER.pack(version, kind, size, seq) + body


def lookup_peer(host, remote_id=""):
    return packed_address(host) + bytes(4) + packed_id(remote_id)


def initiate(host, local=None, deadline_ms=5000, connection="", remote_id=""):
    return (packed_address(host) + packed_address(local) + struct.pack("!II", deadline_ms, 0)
            + struct.pack("!64s", connection.encode()) + packed_id(remote_id))


class Client:
    """A connection; events are kept until they are asked for."""

    def __init__(self, path, patience=10):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        deadline = time.monotonic() + patience
        while True:
            try:
                self.sock.connect(str(path))
                break
            except (FileNotFoundError, ConnectionRefusedError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        self.events, self.seq, self.answers, self.records = [], 0, {}, {}
        self.hello = Hello.parse(self.packet(patience)[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def packet(self, patience=10):
        """(type, whole record, seq) of the next packet."""
        if not select.select([self.sock], [], [], patience)[0]:
            raise TimeoutError("nothing from the daemon")
        try:
            data = self.sock.recv(4096)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Closed
        version, kind, size, seq = HEADER.unpack_from(data)
        assert version == VERSION and size == len(data), (version, kind, size, len(data))
        assert size == SIZES.get(kind, 1504), (kind, size)
        return kind, data, seq

    def turn(self, patience=10):
        """Take one packet and put it where it belongs."""
        kind, data, seq = self.packet(patience)
        if kind in EVENTS:
            assert seq == 0
            self.events.append(Sa.parse(kind, data))
        elif kind == RESULT:
            status, asked, bits, cursor, cnt = struct.unpack_from("!HHIQI", data, 16)
            sas = self.records.pop(seq, [])
            assert cnt == len([r for r in sas if isinstance(r, Sa)]), (cnt, sas)
            self.answers[seq] = Result(STATUSES[status], asked, flags(bits, PEER_FLAGS), cursor,
                                       text(data[40:136]), sas)
        else:
            record = Hello.parse(data) if kind == HELLO else Sa.parse(kind, data)
            self.records.setdefault(seq, []).append(record)

    def ask(self, kind, body=b""):
        """Send a request; its number, for `answer`."""
        self.seq += 1
        self.sock.send(request(kind, body, self.seq))
        return self.seq

    def answer(self, seq, patience=10):
        deadline = time.monotonic() + patience
        while seq not in self.answers:
            self.turn(max(0, deadline - time.monotonic()))
        return self.answers.pop(seq)

    def call(self, kind, body=b"", patience=10):
        return self.answer(self.ask(kind, body), patience)

    def status(self):
        return self.call(STATUS).sas[0]

    def subscribe(self):
        assert self.call(SUBSCRIBE).status == "ok"
        return self

    def listing(self):
        """All SAs, page by page."""
        sas, cursor = [], 0
        while True:
            page = self.call(LIST, struct.pack("!Q", cursor))
            assert page.status == "ok" and len(page.sas) <= PAGE
            sas += page.sas
            cursor = page.cursor
            if cursor == 0:
                return sas
            assert len(page.sas) == PAGE and page.sas[-1].serial == cursor

    def by_spi(self, spis):
        return self.call(LOOKUP_SPI, b"".join(spis))

    def by_peer(self, host, remote_id=""):
        return self.call(LOOKUP_PEER, lookup_peer(host, remote_id))

    def initiate(self, host, patience=20, **how):
        return self.call(INITIATE, initiate(host, **how), patience)

    def event(self, *names, patience=10, where=lambda sa: True):
        """The next event of these names, taken out; others stay."""
        deadline = time.monotonic() + patience
        at = 0
        while True:
            for n in range(at, len(self.events)):
                if self.events[n].event in names and where(self.events[n]):
                    return self.events.pop(n)
            at = len(self.events)
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no {names} among {[e.event for e in self.events]}")
            try:
                self.turn(left)
            except TimeoutError:
                pass

    def quiet(self):
        """Events that came so far; the answer to a request orders them before now."""
        self.status()
        events, self.events = self.events, []
        return events
