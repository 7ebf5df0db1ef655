"""Certificates and TLS servers for the tests, made with the openssl program."""

from __future__ import annotations

import http.server
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ANSWER = b'{"job_id":"j1","status":"pending"}'


class Certificates:
    """A certification authority."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority = directory / "ca.pem"
        self.openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes", "-days", "2",
            "-subj", "/CN=Test CA", "-keyout", "ca.key", "-out", "ca.pem",
        )  # fmt: skip

    def sign(self, name: str, days: int = 2, curve: str = "prime256v1", digest: str = "sha256") -> None:
        """Makes `server.pem` and `server.key` for this name."""
        (self.directory / "names").write_text(f"subjectAltName={name}\nbasicConstraints=CA:FALSE\n")
        self.openssl(
            "req", "-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{curve}", "-nodes",
            "-subj", "/CN=server", "-keyout", "server.key", "-out", "server.csr",
        )  # fmt: skip
        self.openssl(
            "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-extfile", "names", "-days", str(days), f"-{digest}", "-out", "server.pem",
        )  # fmt: skip

    def server(self, name: str, days: int = 2) -> ssl.SSLContext:
        self.sign(name, days)
        return self.context("server")

    def context(self, name: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.directory / f"{name}.pem", self.directory / f"{name}.key")
        return context

    def openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.directory, check=True, capture_output=True)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers every request in the same way."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    """A server whose clients may hang up."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # A client that does not trust the server hangs up.


def serving(context: ssl.SSLContext) -> Iterator[int]:
    """A TLS server; yields its port."""
    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


served = contextmanager(serving)
"""A TLS server for a `with` statement."""
