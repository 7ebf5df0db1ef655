"""TLS and proxies: which server is trusted, and what each of them sees."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from conftest import Script, run_python

import perceptis
from certificates import Certificates, serving

KEY = "sk-test-very-secret"


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
        with pytest.raises(perceptis.TransportError, match=r"certificate.*ca_file") as caught:
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
        # The server accepts no connection: once the queue is full, a further connect hangs.
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

    # This proxy does not exist: requests to this machine do not use it.
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    assert run_python("-c", PROGRAM, script.base_url).stdout == "directly\n"
    assert run_python("-c", PROGRAM, script.base_url.replace("127.0.0.1", "localhost")).stdout == "directly\n"
