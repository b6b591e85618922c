"""Large WebSocket messages: an upstream that sends or takes them, and a client that asks for them.

Bytes are counted and never looked at, so that neither end is what is measured. Fragments are taken as they come.
"""

import base64
import hashlib
import multiprocessing
import os
import socket
import struct
import threading
import time

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9
CHUNK = 1 << 20
MASK = bytes.fromhex("37fa213d")


class Frames:
    """The messages that come over a socket, by kind and length; of short ones the bytes as well."""

    def __init__(self, stream, rest=b""):
        self.stream, self.buffer = stream, bytearray(CHUNK)
        self.buffer[: len(rest)] = rest
        self.start, self.end = 0, len(rest)

    def more(self):
        """Reads behind what is there."""
        if self.start == self.end:
            self.start = self.end = 0
        elif self.end == len(self.buffer):
            kept = self.buffer[self.start : self.end]
            self.buffer[: len(kept)] = kept
            self.start, self.end = 0, len(kept)
        count = self.stream.recv_into(memoryview(self.buffer)[self.end :])
        if not count:
            raise ConnectionError("the connection ended")
        self.end += count

    def need(self, count):
        while self.end - self.start < count:
            self.more()

    def message(self):
        """Waits for a message: its kind, its length, and its bytes if they are few."""
        kind, length, text = None, 0, b""
        while True:
            self.need(2)
            first, second = self.buffer[self.start], self.buffer[self.start + 1]
            size = second & 0x7F
            extra = {126: 2, 127: 8}.get(size, 0)
            head = 2 + extra + (4 if second & 0x80 else 0)
            self.need(head)
            if extra:
                size = int.from_bytes(self.buffer[self.start + 2 : self.start + 2 + extra], "big")
            mask = self.buffer[self.start + head - 4 : self.start + head] if second & 0x80 else bytes(4)
            self.start += head
            if first & 0x0F == PING:
                self.skip(size)
                continue
            if first & 0x0F == CLOSE:
                raise ConnectionError("closed")
            kind, length = kind or first & 0x0F, length + size
            if size < 1000:
                self.need(size)
                text = bytes(byte ^ mask[at % 4] for at, byte in enumerate(self.buffer[self.start : self.start + size]))
            self.skip(size)
            if first & 0x80:
                return kind, length, text

    def skip(self, count):
        while True:
            here = min(count, self.end - self.start)
            self.start, count = self.start + here, count - here
            if not count:
                return
            self.more()


def frame(kind, length, mask=b""):
    """The header of a whole message, a client's with its mask."""
    masked = 0x80 if mask else 0
    if length < 126:
        head = struct.pack("!BB", 0x80 | kind, masked | length)
    elif length < 1 << 16:
        head = struct.pack("!BBH", 0x80 | kind, masked | 126, length)
    else:
        head = struct.pack("!BBQ", 0x80 | kind, masked | 127, length)
    return head + mask


def head_of(stream):
    """The head of a request or an answer, and what came behind it."""
    text = b""
    while b"\r\n\r\n" not in text:
        read = stream.recv(65536)
        if not read:
            raise ConnectionError("no head")
        text += read
    return text.split(b"\r\n\r\n", 1)


def serve(stream, payload):
    """Answers `down` with a large message, and any large message with `got`."""
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        head, rest = head_of(stream)
        key = next(line.split(b":", 1)[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()
        stream.sendall(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n".encode())
        frames = Frames(stream, rest)
        while True:
            _, length, text = frames.message()
            if length > 1000:
                stream.sendall(frame(TEXT, 3) + b"got")
            elif text == b"down":
                stream.sendall(frame(BINARY, len(payload)))
                stream.sendall(payload)
    except (OSError, StopIteration):
        stream.close()


def listen(ready, size):
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    ready.put(listener.getsockname()[1])
    payload = os.urandom(size)
    while True:
        stream, _ = listener.accept()
        threading.Thread(target=serve, args=(stream, payload), daemon=True).start()


class Source:
    """The upstream, in a process of its own."""

    def __init__(self, size):
        ready = multiprocessing.Queue()
        self.process = multiprocessing.Process(target=listen, args=(ready, size), daemon=True)
        self.process.start()
        self.port = ready.get()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.join()


class Client:
    """A connection through whatever listens at this port."""

    def __init__(self, port, size):
        self.stream = socket.create_connection(("127.0.0.1", port))
        self.stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(os.urandom(16)).decode()
        self.stream.sendall(f"GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
        head, rest = head_of(self.stream)
        assert b" 101 " in head.split(b"\r\n")[0], head
        self.frames = Frames(self.stream, rest)
        self.size, self.payload = size, None

    def down(self):
        """Seconds from asking for a large message to the end of it."""
        began = time.perf_counter()
        self.stream.sendall(frame(TEXT, 4, MASK) + bytes(byte ^ mask for byte, mask in zip(b"down", MASK)))
        _, length, _ = self.frames.message()
        assert length == self.size, length
        return time.perf_counter() - began

    def up(self):
        """Seconds from the start of a large message to the answer."""
        self.payload = self.payload or os.urandom(self.size)
        began = time.perf_counter()
        self.stream.sendall(frame(BINARY, self.size, MASK))
        self.stream.sendall(self.payload)
        _, _, text = self.frames.message()
        assert text == b"got", text
        return time.perf_counter() - began

    def close(self):
        self.stream.close()
