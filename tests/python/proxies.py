"""Proxies that the tests talk to: HTTP with CONNECT, and SOCKS 4 and 5. Each leads to one port."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable


class Proxy:
    """A proxy at a port of its own. `seen` has what each connection asked for, as text."""

    def __init__(self, target: int, answer: bytes = b"HTTP/1.1 200 OK\r\n\r\n") -> None:
        self.target, self.answer = target, answer
        self.login: str | None = None
        self.seen: list[str] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.speak: Callable[[socket.socket], bool] = self.http
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                if self.speak(connection):
                    with socket.create_connection(("127.0.0.1", self.target)) as there:
                        other = threading.Thread(target=carry, args=(there, connection), daemon=True)
                        other.start()
                        carry(connection, there)
                        other.join()
            except OSError:
                pass

    def http(self, connection: socket.socket) -> bool:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connection.recv(4096)
            if not piece:
                return False
            head += piece
        self.seen.append(head.decode())
        connection.sendall(self.answer)
        return head.startswith(b"CONNECT") and self.answer.startswith(b"HTTP/1.1 2")

    def socks(self, connection: socket.socket) -> bool:
        version = exactly(connection, 1)[0]
        return self._socks4(connection) if version == 4 else self._socks5(connection)

    def _socks4(self, connection: socket.socket) -> bool:
        _, port, address = struct.unpack("!BH4s", exactly(connection, 7))
        until_zero(connection)
        named = address[:3] == b"\0\0\0"
        host = until_zero(connection).decode() if named else socket.inet_ntoa(address)
        self.seen.append(f"{host}:{port}")
        connection.sendall(b"\0\x5a" + b"\0" * 6)
        return True

    def _socks5(self, connection: socket.socket) -> bool:
        methods = exactly(connection, exactly(connection, 1)[0])
        wanted = 0 if self.login is None else 2
        if wanted not in methods:
            self.seen.append("no login")
            connection.sendall(b"\x05\xff")
            return False
        connection.sendall(bytes([5, wanted]))
        if self.login is not None:
            exactly(connection, 1)
            user, password = (exactly(connection, exactly(connection, 1)[0]).decode() for _ in range(2))
            fits = f"{user}:{password}" == self.login
            connection.sendall(b"\x01\x00" if fits else b"\x01\x01")
            if not fits:
                self.seen.append("wrong login")
                return False
        kind = exactly(connection, 4)[3]
        if kind == 3:
            host = exactly(connection, exactly(connection, 1)[0]).decode()
        elif kind == 1:
            host = socket.inet_ntoa(exactly(connection, 4))
        else:
            host = socket.inet_ntop(socket.AF_INET6, exactly(connection, 16))
        (port,) = struct.unpack("!H", exactly(connection, 2))
        self.seen.append(f"{host}:{port}")
        connection.sendall(b"\x05\x00\x00\x01" + b"\0" * 6)
        return True


def exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise ConnectionError
        data += piece
    return data


def until_zero(connection: socket.socket) -> bytes:
    data = b""
    while (byte := exactly(connection, 1)) != b"\0":
        data += byte
    return data


def carry(source: socket.socket, sink: socket.socket) -> None:
    try:
        while piece := source.recv(65536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass
