# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""Commands of strongSwan's control socket, as far as a suite needs them quickly: flat requests, and
an answer that says success or why not. Everything else goes through swanctl.
"""

import socket
import struct

REQUEST, RESPONSE = 0, 1
SECTION_START, SECTION_END, KEY_VALUE, LIST_START, LIST_ITEM, LIST_END = range(1, 7)


class Failed(RuntimeError):
    """The daemon says that a command failed."""


def encoded(fields):
    out = b""
    for key, value in fields.items():
        key, value = key.encode(), str(value).encode()
        out += struct.pack("!BB", KEY_VALUE, len(key)) + key + struct.pack("!H", len(value)) + value
    return out


def decoded(data):
    """Key-value pairs of the outermost section; lists and sections are skipped."""
    fields, depth, at = {}, 0, 0
    while at < len(data):
        kind = data[at]
        at += 1
        name = b""
        if kind in (SECTION_START, KEY_VALUE, LIST_START):
            name = data[at + 1:at + 1 + data[at]]
            at += 1 + data[at]
        if kind in (KEY_VALUE, LIST_ITEM):
            size = struct.unpack_from("!H", data, at)[0]
            value = data[at + 2:at + 2 + size]
            at += 2 + size
            if kind == KEY_VALUE and depth == 0:
                fields[name.decode()] = value.decode(errors="replace")
        depth += {SECTION_START: 1, LIST_START: 1, SECTION_END: -1, LIST_END: -1}.get(kind, 0)
    return fields


def call(path, command, **fields):
    """One command on a connection of its own; raises Failed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(60)
        sock.connect(str(path))
        name = command.encode()
        body = struct.pack("!BB", REQUEST, len(name)) + name + encoded(fields)
        sock.sendall(struct.pack("!I", len(body)) + body)
        stream = sock.makefile("rb")
        size = struct.unpack("!I", stream.read(4))[0]
        data = stream.read(size)
    if data[0] != RESPONSE:
        raise Failed(f"{command}: answer of type {data[0]}")
    answer = decoded(data[1:])
    if answer.get("success", "yes") != "yes":
        raise Failed(f"{command} {fields}: {answer.get('errmsg')}")
    return answer
