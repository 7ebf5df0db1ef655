"""Errors of TLS: one short sentence, and what to do. Also client certificates."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import perceptis
from certificates import Certificates, served

KEY = "sk-test-very-secret"
MAX_CHARS = 200


@pytest.fixture
def own(tmp_path: Path) -> Certificates:
    """A certification authority for one test."""
    return Certificates(tmp_path)


def told(port: int, ca_file: Path | None, timeout: float = 20) -> perceptis.TransportError:
    """The error of a call; every kind of call has the same one."""
    trusted = {} if ca_file is None else {"ca_file": ca_file}
    with perceptis.Client(api_key=KEY, api_base_url=f"https://localhost:{port}", **trusted) as client:
        with pytest.raises(perceptis.TransportError) as caught:
            client.get_status("j1", timeout=timeout)
        with pytest.raises(perceptis.TransportError) as submitted:
            client.generate("p", output_type="deck", timeout=timeout)
    assert submitted.value.billed == "no"
    for error in (caught.value, submitted.value):
        assert len(str(error)) <= MAX_CHARS, str(error)
    return caught.value


def test_an_unknown_authority(own: Certificates) -> None:
    with served(own.server("DNS:localhost")) as port:
        error = told(port, None)
    assert "not trusted" in str(error) and "ca_file" in str(error) and not error.retryable


def test_an_authoritys_own_certificate(own: Certificates) -> None:
    own.openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
        "-keyout", "own.key", "-out", "own.pem",
    )  # fmt: skip
    with served(own.context("own")) as port:
        error = told(port, own.directory / "own.pem")
    assert "CA:TRUE" in str(error) and "signed" in str(error)


def test_a_time_that_is_past_or_to_come(own: Certificates) -> None:
    for first, last, word in (
        ("20200101000000Z", "20210101000000Z", "expired on 01 Jan 2021"),
        ("20900101000000Z", "20910101000000Z", "valid from 01 Jan 2090"),
    ):
        own.sign("DNS:localhost")
        for name in ("index.txt", "serial"):
            (own.directory / name).write_text("" if name == "index.txt" else "01")
        (own.directory / "ca.cnf").write_text(
            "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ncertificate=ca.pem\n"
            "private_key=ca.key\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n"
        )
        own.openssl(
            "ca", "-batch", "-config", "ca.cnf", "-in", "server.csr", "-out", "server.pem", "-notext",
            "-startdate", first, "-enddate", last, "-extfile", "names",
        )  # fmt: skip
        with served(own.context("server")) as port:
            error = told(port, own.authority)
        assert word in str(error) and "clock" in str(error), str(error)


def test_another_name(own: Certificates) -> None:
    with served(own.server("DNS:elsewhere.test,DNS:other.test")) as port:
        error = told(port, own.authority)
    assert "for elsewhere.test and others" in str(error), str(error)


def test_a_key_that_is_not_supported(own: Certificates) -> None:
    own.sign("DNS:localhost", curve="secp521r1")
    with served(own.context("server")) as port:
        error = told(port, own.authority, timeout=2)
    assert "was reached" in str(error) and "P-384" in str(error), str(error)


def test_a_signature_that_is_not_supported(own: Certificates) -> None:
    own.sign("DNS:localhost", digest="sha512")
    with served(own.context("server")) as port:
        error = told(port, own.authority)
    assert "SHA-384" in str(error) and not error.retryable, str(error)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_an_old_version(own: Certificates) -> None:
    context = own.server("DNS:localhost")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with served(context) as port:
        error = told(port, own.authority, timeout=2)
    assert "was reached" in str(error) and "TLS 1.2" in str(error), str(error)


def test_what_is_no_tls() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        error = told(listener.getsockname()[1], None, timeout=2)
    assert "was reached" in str(error) and "https" in str(error), str(error)


def test_no_certificates_on_this_machine(own: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
    with served(own.server("DNS:localhost")) as port:
        error = told(port, None)
    assert "ca_file" in str(error) and "ca-certificates" in str(error), str(error)


def test_ssl_cert_file_and_directory_are_those_of_the_clients_birth(
    own: Certificates, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "many").mkdir()
    (tmp_path / "many" / "one.pem").write_bytes(own.authority.read_bytes())
    named = (("SSL_CERT_FILE", str(own.authority)), ("SSL_CERT_DIR", f"/nonexistent:{tmp_path}/many"))
    for name, value in named:
        monkeypatch.setenv(name, value)
        with served(own.server("DNS:localhost")) as port:
            with perceptis.Client(api_key=KEY, api_base_url=f"https://localhost:{port}") as client:
                monkeypatch.delenv(name)
                assert client.get_status("j1", timeout=20).status == "pending"


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "a byte order mark": lambda pem: b"\xef\xbb\xbf" + pem,
    "CR LF": lambda pem: pem.replace(b"\n", b"\r\n"),
    "CR": lambda pem: pem.replace(b"\n", b"\r"),
    "backslash n": lambda pem: pem.replace(b"\n", b"\\n"),
    "backslash r backslash n": lambda pem: pem.replace(b"\n", b"\\r\\n"),
    "all of it": lambda pem: b"\xef\xbb\xbfsubject=/CN=a\r\n" + pem.replace(b"\n", b"\\n\r\n"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_file_as_editors_leave_it(own: Certificates, form: str) -> None:
    file = own.directory / "edited.pem"
    file.write_bytes(FORMS[form](own.authority.read_bytes()))
    with served(own.server("DNS:localhost")) as port:
        with perceptis.Client(api_key=KEY, api_base_url=f"https://localhost:{port}", ca_file=file) as client:
            assert client.get_status("j1", timeout=20).status == "pending"


@contextmanager
def asking_for_a_certificate(own: Certificates, version: ssl.TLSVersion) -> Iterator[int]:
    context = own.server("DNS:localhost")
    context.minimum_version = context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(own.authority)
    with served(context) as port:
        yield port


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_host_that_asks_for_a_clients_certificate(own: Certificates, version: ssl.TLSVersion) -> None:
    with asking_for_a_certificate(own, version) as port:
        for _ in range(10):
            error = told(port, own.authority)
            assert "client_cert_file" in str(error) and not error.retryable, str(error)
        with perceptis.Client(
            api_key=KEY, api_base_url=f"https://localhost:{port}", ca_file=own.authority
        ) as client:
            with pytest.raises(perceptis.TransportError, match="client_cert_file"):
                client.wait("j1", timeout=20)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_clients_certificate_is_shown(own: Certificates, version: ssl.TLSVersion) -> None:
    own.sign("DNS:client.test")
    for kind in ("pem", "key"):
        (own.directory / f"server.{kind}").rename(own.directory / f"client.{kind}")
    certificate, key = own.directory / "client.pem", own.directory / "client.key"
    with asking_for_a_certificate(own, version) as port:
        with perceptis.Client(
            api_key=KEY,
            api_base_url=f"https://localhost:{port}",
            ca_file=own.authority,
            client_cert_file=certificate,
            client_key_file=key,
        ) as client:
            assert client.get_status("j1", timeout=20).status == "pending"
    for files, word in (
        ({"client_cert_file": certificate}, "together"),
        ({"client_cert_file": certificate, "client_key_file": certificate}, "private key"),
        ({"client_cert_file": key, "client_key_file": key}, "no certificate"),
        ({"client_cert_file": certificate, "client_key_file": own.directory / "ca.key"}, "does not go"),
        ({"client_cert_file": certificate, "client_key_file": own.directory / "none"}, "client_key_file"),
    ):
        with pytest.raises(perceptis.ConfigurationError, match=word) as caught:
            perceptis.Client(api_key=KEY, api_base_url="https://localhost:1", **files)
        assert "BEGIN" not in str(caught.value)
