"""TLS and proxies: who is trusted, and who sees what."""

from __future__ import annotations

import http.server
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import perceptis

from conftest import Script, run_python

ANSWER = b'{"job_id":"j1","status":"pending"}'
KEY = "sk-test-very-secret"


class Certificates:
    """A certification authority of the test's own, made with the openssl program."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority = directory / "ca.pem"
        self._openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", "/CN=Test CA", "-keyout", "ca.key", "-out", "ca.pem",
        )  # fmt: skip

    def server(self, name: str, days: int = 2) -> ssl.SSLContext:
        (self.directory / "names").write_text(f"subjectAltName={name}\nbasicConstraints=CA:FALSE\n")
        self._openssl(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-subj", "/CN=server", "-keyout", "server.key", "-out", "server.csr",
        )  # fmt: skip
        self._openssl(
            "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-extfile", "names", "-days", str(days), "-out", "server.pem",
        )  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.directory / "server.pem", self.directory / "server.key")
        return context

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.directory, check=True, capture_output=True)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # A client that does not trust it hangs up.


def serving(context: ssl.SSLContext) -> Iterator[int]:
    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def trusted_port(certificates: Certificates) -> Iterator[int]:
    yield from serving(certificates.server("DNS:localhost,IP:127.0.0.1"))


@pytest.fixture
def other_name_port(certificates: Certificates) -> Iterator[int]:
    yield from serving(certificates.server("DNS:elsewhere.test"))


def test_a_ca_file_is_trusted_beside_the_system(trusted_port: int, certificates: Certificates) -> None:
    for host in ("localhost", "127.0.0.1"):
        with perceptis.Client(
            api_key=KEY, api_base_url=f"https://{host}:{trusted_port}", ca_file=certificates.authority
        ) as client:
            assert client.get_status("j1").status == "pending"


def test_an_unknown_authority_is_not_trusted(trusted_port: int) -> None:
    with perceptis.Client(api_key=KEY, api_base_url=f"https://127.0.0.1:{trusted_port}") as client:
        with pytest.raises(perceptis.TransportError, match="certificate.*UnknownIssuer") as caught:
            client.run("p", output_type="deck")
    assert caught.value.billed == "no", "a handshake that fails has sent nothing"
    assert not caught.value.retryable, "and is not tried for minutes"


def test_another_hosts_certificate_is_not_accepted(other_name_port: int, certificates: Certificates) -> None:
    with perceptis.Client(
        api_key=KEY, api_base_url=f"https://127.0.0.1:{other_name_port}", ca_file=certificates.authority
    ) as client:
        with pytest.raises(perceptis.TransportError, match="certificate"):
            client.get_status("j1")


def test_plain_http_on_a_tls_port_is_an_error(script: Script) -> None:
    url = script.base_url.replace("http:", "https:")
    with perceptis.Client(api_key=KEY, api_base_url=url) as client:
        with pytest.raises(perceptis.TransportError):
            client.get_status("j1", timeout=3)


def test_what_ends_before_the_first_byte_was_never_sent() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        # Nobody accepts: once the queue is full, a further connect hangs.
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        with perceptis.Client(api_key=KEY, api_base_url=url) as client:
            with pytest.raises(perceptis.TimeoutError, match="nothing was submitted") as caught:
                client.generate("p", output_type="deck", timeout=0.5)
        for one in waiting:
            one.close()
    assert caught.value.billed == "no"


PROGRAM = (
    "import sys, perceptis\n"
    f"with perceptis.Client(api_key='{KEY}', api_base_url=sys.argv[1], allow_http=True) as client:\n"
    "    print(client.get_status('j1').status)\n"
)


@pytest.mark.parametrize("variable", ["http_proxy", "all_proxy"])
def test_a_proxy_is_used_for_other_machines_only(
    script: Script, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv(variable, script.base_url)
    script.on("http://perceptis.test/api/v1/status/j1", 200, {"status": "by proxy"})
    script.on("/api/v1/status/j1", 200, {"status": "directly"})
    assert run_python("-c", PROGRAM, "http://perceptis.test").stdout == "by proxy\n"

    # A proxy that is not there: for this machine it is not asked.
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    assert run_python("-c", PROGRAM, script.base_url).stdout == "directly\n"
    assert run_python("-c", PROGRAM, script.base_url.replace("127.0.0.1", "localhost")).stdout == "directly\n"
