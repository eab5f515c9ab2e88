# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""An independent TWAMP peer over kernel sockets, written from the RFCs alone.

It shares no code with the appliance, so that a fault common to both of our machines shows. Every
step is a method of its own: a suite can leave one out, repeat it or send it altered. Blocking
sockets with a deadline; one thread per peer.
"""

import contextlib
import hashlib
import hmac
import os
import socket
import struct
import threading
import time

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

OPEN, AUTHENTICATED, ENCRYPTED, MIXED = 1, 2, 4, 8
IKEV2 = 128  # RFC 7717: KeyID is SPIi and SPIr, the secret prf(SK_d, "IPPM")
MODES = {"open": OPEN, "authenticated": AUTHENTICATED, "encrypted": ENCRYPTED, "mixed": MIXED}
NTP_UNIX = 2208988800
IP_RECVTTL = 12  # not in the socket module
UNSYNCHRONISED = 0x0001  # S=0: the value says nothing


class PeerError(Exception):
    """The other side broke the protocol, refused or went away."""


def ntp_now():
    ns = time.time_ns()
    return ((ns // 10**9 + NTP_UNIX) << 32) | ((ns % 10**9 << 32) // 10**9)


def ecb(key, block):
    enc = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return enc.update(block) + enc.finalize()


def ecb_open(key, block):
    dec = Cipher(algorithms.AES(key), modes.ECB()).decryptor()
    return dec.update(block) + dec.finalize()


def cbc(key, iv, text):
    enc = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return enc.update(text) + enc.finalize()


def cbc_open(key, iv, text):
    dec = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    return dec.update(text) + dec.finalize()


def mac(key, text):
    return hmac.new(key, text, hashlib.sha1).digest()[:16]


def token_key(secret, salt, count):
    return hashlib.pbkdf2_hmac("sha1", secret, salt, count, 16)


def test_keys(sid, aes_key, hmac_key):
    """RFC 4656 4.1.2: the keys of one session from its SID."""
    return ecb(sid, aes_key), cbc(sid, bytes(16), hmac_key)


class Stream:
    """The TCP connection: clear until `secure`, then one CBC chain and one HMAC per direction."""

    def __init__(self, sock, timeout):
        self.sock = sock
        sock.settimeout(timeout)
        self.aes_key = None
        self.hmac_key = None
        self.out_iv = self.in_iv = None
        self.out_text = self.in_text = b""

    def secure(self, aes_key, hmac_key, out_iv, in_iv):
        self.aes_key, self.hmac_key = aes_key, hmac_key
        self.out_iv, self.in_iv = out_iv, in_iv

    def send(self, text):
        if self.aes_key:
            self.out_text += text
            text = cbc(self.aes_key, self.out_iv, text)
            self.out_iv = text[-16:]
        self.sock.sendall(text)

    def send_message(self, text):
        """`text` is the message up to its HMAC."""
        if not self.aes_key:
            self.send(text + bytes(16))
            return
        tag = mac(self.hmac_key, self.out_text + text)
        self.send(text + tag)
        self.out_text = b""

    def recv(self, size):
        raw = b""
        while len(raw) < size:
            try:
                more = self.sock.recv(size - len(raw))
            except socket.timeout as err:
                raise PeerError(f"no answer within {self.sock.gettimeout()} s") from err
            except OSError as err:
                raise PeerError(f"connection failed: {err}") from err
            if not more:
                raise PeerError(f"connection closed after {len(raw)} of {size} octets")
            raw += more
        if not self.aes_key:
            return raw
        text = cbc_open(self.aes_key, self.in_iv, raw)
        self.in_iv = raw[-16:]
        self.in_text += text
        return text

    def recv_message(self, size):
        """A message of `size` octets with its HMAC checked and cut off."""
        text = self.recv(size)
        if self.aes_key:
            want = mac(self.hmac_key, self.in_text[:-16])
            if not hmac.compare_digest(want, text[-16:]):
                raise PeerError("HMAC of a control message is wrong")
            self.in_text = b""
        return text[:-16]

    def close(self):
        self.sock.close()


def pack_address(addr):
    family = socket.AF_INET6 if ":" in addr else socket.AF_INET
    return socket.inet_pton(family, addr).ljust(16, b"\0")


class Session:
    """One accepted test session, as either side keeps it."""

    def __init__(self, mode, sid, keys, padding, dscp=0):
        self.mode = mode
        self.sid = sid
        self.aes_key, self.hmac_key = keys
        self.padding = padding
        self.dscp = dscp
        self.secure = mode in (AUTHENTICATED, ENCRYPTED)

    def request(self, seq, t1=None, error=UNSYNCHRONISED, padding=None):
        t1 = ntp_now() if t1 is None else t1
        fill = os.urandom(self.padding) if padding is None else padding
        if not self.secure:
            return struct.pack("!IQH", seq, t1, error) + fill
        head = struct.pack("!I12xQH6x", seq, t1, error)
        return self._seal(head, 16 if self.mode == AUTHENTICATED else 32) + fill

    def reply(self, seq, t2, ttl, req, raw, error=UNSYNCHRONISED):
        """`req` as read_request gave it, `raw` the packet it came in."""
        if not self.secure:
            head = struct.pack("!IQH2xQIQH2xB", seq, ntp_now(), error, t2, *req, ttl)
            return head + raw[14:14 + max(0, len(raw) - 41)]
        s, t1, e1 = req
        head = struct.pack("!I12xQH6xQ8xI12xQH6xB15x", seq, ntp_now(), error, t2, s, t1, e1, ttl)
        sealed = self._seal(head, 16 if self.mode == AUTHENTICATED else 96)
        return sealed + raw[48:48 + max(0, len(raw) - 112)]

    def read_request(self, raw):
        """Sequence number, T1 and Error Estimate of a sender packet."""
        if not self.secure:
            if len(raw) < 14:
                raise PeerError("sender packet too short")
            return struct.unpack_from("!IQH", raw)
        head = self._open(raw, 48, 32, 16 if self.mode == AUTHENTICATED else 32)
        return struct.unpack_from("!I12xQH", head)

    def read_reply(self, raw):
        """Fields of a reflector packet by name."""
        names = ("seq", "t3", "error", "t2", "sender_seq", "t1", "sender_error", "ttl")
        if not self.secure:
            if len(raw) < 41:
                raise PeerError("reflector packet too short")
            return dict(zip(names, struct.unpack_from("!IQH2xQIQH2xB", raw)))
        head = self._open(raw, 112, 96, 16 if self.mode == AUTHENTICATED else 96)
        return dict(zip(names, struct.unpack_from("!I12xQH6xQ8xI12xQH6xB", head)))

    def _seal(self, head, cover):
        tag = mac(self.hmac_key, head[:cover])
        if cover == 16:
            return ecb(self.aes_key, head[:16]) + head[16:] + tag
        return cbc(self.aes_key, bytes(16), head[:cover]) + head[cover:] + tag

    def _open(self, raw, size, tag_at, cover):
        if len(raw) < size:
            raise PeerError("packet too short")
        if cover == 16:
            clear = ecb_open(self.aes_key, raw[:16])
        else:
            clear = cbc_open(self.aes_key, bytes(16), raw[:cover])
        if not hmac.compare_digest(mac(self.hmac_key, clear), raw[tag_at:tag_at + 16]):
            raise PeerError("HMAC of a test packet is wrong")
        return clear + raw[cover:tag_at]


class Client:
    """Control-Client and Session-Sender."""

    def __init__(self, host, port=862, source=None, timeout=10.0):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.settimeout(timeout)
        if source:
            sock.bind((source, 0))
        try:
            sock.connect((host, port))
        except OSError as err:
            sock.close()
            raise PeerError(f"connect to {host} port {port}: {err}") from err
        self.stream = Stream(sock, timeout)
        self.local, self.remote = sock.getsockname()[0], host
        self.mode = 0
        self.offered = 0
        self.greeting = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()

    def read_greeting(self):
        self.greeting = self.stream.recv(64)
        self.offered, = struct.unpack_from("!I", self.greeting, 12)
        return self.offered

    def set_up(self, mode, key_id=b"", secret=b"", alter=None):
        """Greeting to Server-Start; returns the Accept code. `alter` may change the octets."""
        if not self.greeting:
            self.read_greeting()
        self.mode = mode & 15
        challenge, salt = self.greeting[16:32], self.greeting[32:48]
        count, = struct.unpack_from("!I", self.greeting, 48)
        aes_key, hmac_key, iv = os.urandom(16), os.urandom(32), os.urandom(16)
        message = struct.pack("!I", mode) + bytes(160)
        if mode != OPEN and mode != 0:
            token = cbc(token_key(secret, salt, count), bytes(16), challenge + aes_key + hmac_key)
            message = struct.pack("!I80s", mode, key_id) + token + iv
        self.stream.send(alter(message) if alter else message)
        start = self.stream.recv(32)
        if start[15]:
            return start[15]
        if self.mode != OPEN:
            self.stream.secure(aes_key, hmac_key, iv, start[16:32])
        self.stream.recv(16)
        return 0

    def request(self, sender_port, receiver_port, padding=None, timeout=2.0, dscp=0, type_p=None,
                conf=(0, 0), sender=None, receiver=None, ipvn=None, alter=None):
        """Request-TW-Session; returns (Accept, port, Session or None)."""
        secure = self.mode in (AUTHENTICATED, ENCRYPTED)
        if padding is None:
            padding = 64 if secure else 27
        v6 = ":" in self.remote
        message = struct.pack("!BBBBIIHH16s16s16xIQQI8x", 5, ipvn or (6 if v6 else 4), *conf, 0, 0,
                              sender_port, receiver_port,
                              pack_address(sender) if sender else bytes(16),
                              pack_address(receiver) if receiver else bytes(16), padding, 0,
                              int(timeout * 2**32), dscp << 24 if type_p is None else type_p)
        self.stream.send_message(alter(message) if alter else message)
        answer = self.stream.recv_message(48)
        accept, port, sid = struct.unpack_from("!BxH16s", answer)
        if accept:
            return accept, port, None
        keys = (b"", b"")
        if secure:
            keys = test_keys(sid, self.stream.aes_key, self.stream.hmac_key)
        return 0, port, Session(self.mode, sid, keys, padding, dscp)

    def start(self):
        self.stream.send_message(struct.pack("!B15x", 2))
        return self.stream.recv_message(32)[0]

    def stop(self, sessions=1, accept=0):
        self.stream.send_message(struct.pack("!BBxxI8x", 3, accept, sessions))


def test_socket(addr, port=0, dscp=0):
    """A UDP socket for test packets; replies' TTL and TOS come as ancillary data."""
    v6 = ":" in addr
    sock = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
    if v6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 255)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, dscp << 2)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, dscp << 2)
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    sock.bind((addr, port))
    return sock


def receive(sock, timeout):
    """One datagram: (octets, sender, TTL, TOS), or None when the time is over."""
    sock.settimeout(timeout)
    try:
        raw, ancillary, _, sender = sock.recvmsg(65535, 256)
    except (socket.timeout, ConnectionRefusedError):
        return None
    ttl = tos = None
    for level, kind, data in ancillary:
        value = int.from_bytes(data[:4].ljust(4, b"\0"), "little")
        if (level, kind) in ((socket.IPPROTO_IP, socket.IP_TTL),
                             (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT)):
            ttl = value
        if (level, kind) in ((socket.IPPROTO_IP, socket.IP_TOS),
                             (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)):
            tos = value
    return raw, (sender or ("", 0))[:2], ttl, tos  # no sender: the socket was shut down


class Server(threading.Thread):
    """Server and Session-Reflector for one control connection after the other.

    `hooks` maps a step to a function that may change its octets or raise PeerError to break off:
    greeting, server_start, accept_session, start_ack. Those of request and reply, the two ways of
    test packets, may also return None (lost) or a list (copies, or others held back before).
    """

    def __init__(self, addr, port=862, keys=None, offer=15, count=2048, hooks=None, ike_keys=None):
        super().__init__(daemon=True)
        self.addr, self.keys, self.offer, self.count = addr, keys or {}, offer, count
        self.ike_keys = ike_keys or {}  # by both SPIs
        self.selected = []   # (Mode, KeyID) of each Set-Up-Response
        self.hooks = hooks or {}
        family = socket.AF_INET6 if ":" in addr else socket.AF_INET
        self.listener = socket.socket(family, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((addr, port))
        self.listener.listen(8)
        self.port = self.listener.getsockname()[1]
        self.stopping = threading.Event()
        self.failures = []   # what went wrong, in order, for the suite to look at
        self.reflected = 0
        self.rejected = 0    # test packets that did not verify
        self.stops = []      # (Accept, Number of Sessions) of each Stop-Sessions
        self.asked = []      # (Sender Address, Receiver Address) of each request, as in it
        self.current = None  # socket of the connection being served
        self.on_session = lambda stream, session: None  # told of each session accepted

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.join(10)

    def run(self):
        while not self.stopping.is_set():
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.current = sock
            try:
                _Connection(self, sock).serve()
            except (PeerError, OSError) as err:
                self.failures.append(str(err))
            finally:
                sock.close()

    def cut(self):
        """Close the control connection being served, as a server that dies."""
        self.current.shutdown(socket.SHUT_RDWR)

    def hook(self, step, octets):
        return self.hooks[step](octets) if step in self.hooks else octets

    def passed(self, way, octets):
        """What comes out of a way of test packets when these octets go in."""
        out = self.hook(way, octets)
        if out is None:
            return []
        return out if isinstance(out, list) else [out]


class _Connection:
    """One client at the Server."""

    def __init__(self, server, sock):
        self.server = server
        self.stream = Stream(sock, 30.0)
        self.local, self.remote = sock.getsockname()[0], sock.getpeername()[0]
        self.mode = 0
        self.waiting = []    # accepted, not started: (Session, socket, peer)
        self.running = []    # (socket, thread)

    def serve(self):
        try:
            self.set_up()
            while self.command():
                pass
        finally:
            self.stop_reflectors()

    def set_up(self):
        server = self.server
        challenge, salt = os.urandom(16), os.urandom(16)
        greeting = struct.pack("!12xI16s16sI12x", server.offer, challenge, salt, server.count)
        self.stream.send(server.hook("greeting", greeting))
        message = self.stream.recv(164)
        self.mode, key_id, token, client_iv = struct.unpack("!I80s64s16s", message)
        server.selected.append((self.mode, key_id))
        if self.mode == 0:
            raise PeerError("client chose no mode")
        accept = 0
        keys = None
        secret = server.keys.get(key_id.rstrip(b"\0"), b"?")
        if self.mode & IKEV2:
            secret = server.ike_keys.get(key_id[:16])
        self.mode &= 15
        if secret is None:
            self.stream.send(server.hook("server_start", bytes(15) + b"\x06" + bytes(32)))
            raise PeerError("client named an unknown IKE SA")
        if self.mode != OPEN:
            clear = cbc_open(token_key(secret, salt, server.count), bytes(16), token)
            keys = clear[16:32], clear[32:64]
            accept = int(clear[:16] != challenge)
        server_iv = os.urandom(16) if keys and not accept else bytes(16)
        self.stream.send(server.hook("server_start", bytes(15) + bytes([accept]) + server_iv))
        if keys and not accept:
            self.stream.secure(*keys, server_iv, client_iv)
        self.stream.send(struct.pack("!Q8x", 0 if accept else ntp_now()))
        if accept:
            raise PeerError(f"client {key_id.rstrip(bytes(1))!r} did not know the secret")

    def command(self):
        try:
            first = self.stream.recv(16)
        except PeerError as err:
            if "closed after 0" in str(err):
                return False
            raise
        handler = {5: self.request, 2: self.start, 3: self.stop}.get(first[0])
        if handler is None:
            raise PeerError(f"unexpected command {first[0]}")
        handler(first)
        return True

    def request(self, first):
        message = first + self.stream.recv_message(96)
        sender_port, receiver_port = struct.unpack_from("!HH", message, 12)
        padding, = struct.unpack_from("!I", message, 64)
        dscp = message[84] & 0x3f
        self.server.asked.append((message[16:32], message[32:48]))
        local, remote = self.local, self.remote
        family = socket.AF_INET6 if ":" in local else socket.AF_INET
        size = 16 if family == socket.AF_INET6 else 4
        if any(message[16:32]):
            remote = socket.inet_ntop(family, message[16:16 + size])
        if any(message[32:48]):
            local = socket.inet_ntop(family, message[32:32 + size])
        try:
            sock = test_socket(local, receiver_port, dscp)
        except OSError:
            sock = test_socket(local, 0, dscp)
        sid = os.urandom(16)
        keys = (b"", b"")
        if self.mode in (AUTHENTICATED, ENCRYPTED):
            keys = test_keys(sid, self.stream.aes_key, self.stream.hmac_key)
        session = Session(self.mode, sid, keys, padding, dscp)
        self.waiting.append((session, sock, (remote, sender_port)))
        self.server.on_session(self.stream, session)
        answer = struct.pack("!BxH16s12x", 0, sock.getsockname()[1], sid)
        self.stream.send_message(self.server.hook("accept_session", answer))

    def start(self, _first):
        self.stream.recv_message(16)
        for session, sock, peer in self.waiting:
            thread = threading.Thread(target=self.reflect, args=(session, sock, peer), daemon=True)
            thread.start()
            self.running.append((sock, thread))
        self.waiting = []
        self.stream.send_message(self.server.hook("start_ack", bytes(16)))

    def stop(self, first):
        self.stream.recv_message(16)
        accept, sessions = struct.unpack_from("!xBxxI", first)
        self.server.stops.append((accept, sessions))
        if sessions != len(self.running):
            raise PeerError(f"Stop-Sessions counts {sessions}, {len(self.running)} are running")
        self.stop_reflectors()

    def stop_reflectors(self):
        for sock, thread in self.running:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            sock.close()
        self.running = []

    def reflect(self, session, sock, peer):
        seq = 0
        while True:
            try:
                got = receive(sock, None)
            except OSError:
                return
            if got is None:
                continue
            raw, sender, ttl, _ = got
            if not raw:
                return
            if sender != peer:
                continue
            t2 = ntp_now()
            for arrived in self.server.passed("request", raw):
                seq += self.answer(session, sock, peer, seq, t2, ttl, arrived)

    def answer(self, session, sock, peer, seq, t2, ttl, raw):
        """Numbers consumed: 1 for a packet that verifies, else 0."""
        try:
            request = session.read_request(raw)
        except PeerError:
            self.server.rejected += 1
            return 0
        for reply in self.server.passed("reply", session.reply(seq, t2, ttl, request, raw)):
            with contextlib.suppress(BrokenPipeError):  # the session was ended meanwhile
                sock.sendto(reply, peer)
        self.server.reflected += 1
        return 1
