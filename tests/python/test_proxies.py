"""Proxies: which one is asked for what, what they say, and that their passwords stay secret."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Script

import perceptis
from certificates import Certificates, served
from proxies import Proxy

KEY = "sk-test-very-secret"
PASSWORD = "p@ss-w0rd"


@pytest.fixture
def proxy(certificates: Certificates) -> Iterator[Proxy]:
    """A proxy that leads to a TLS server of `perceptis.test` and 2001:db8::1."""
    with served(certificates.server("DNS:perceptis.test,IP:2001:db8::1")) as target:
        proxy = Proxy(target)
        yield proxy
        proxy.close()


def client(url: str, certificates: Certificates | None = None) -> perceptis.Client:
    trusted = {} if certificates is None else {"ca_file": certificates.authority}
    return perceptis.Client(api_key=KEY, api_base_url=url, allow_http=True, **trusted)


@pytest.mark.parametrize("answer", ["200 Established", "200", "201 Created", "204 No Content", "299 Fine"])
def test_any_2xx_opens_the_tunnel(
    proxy: Proxy, certificates: Certificates, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    proxy.answer = f"HTTP/1.1 {answer}\r\nVia: 1.1 proxy\r\n\r\n".encode()
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
    with client("https://perceptis.test", certificates) as asking:
        assert asking.get_status("j1", timeout=20).status == "pending"
        assert asking.get_status("j1", timeout=20).status == "pending"
    assert [head.splitlines()[0] for head in proxy.seen] == ["CONNECT perceptis.test:443 HTTP/1.1"]
    assert KEY not in proxy.seen[0]


def test_an_ipv6_address_behind_a_proxy(
    proxy: Proxy, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", f"127.0.0.1:{proxy.port}")
    with client("https://[2001:db8::1]", certificates) as asking:
        assert asking.get_status("j1", timeout=20).status == "pending"
    assert proxy.seen[0].startswith("CONNECT [2001:db8::1]:443 HTTP/1.1\r\nhost: [2001:db8::1]:443\r\n")


@pytest.mark.parametrize("status", [403, 502, 301, 503])
def test_a_refusal_names_the_proxy_and_its_status(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    proxy.answer = f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode()
    monkeypatch.setenv("https_proxy", f"http://me:{PASSWORD}@127.0.0.1:{proxy.port}")
    with client("https://perceptis.test") as asking:
        with pytest.raises(perceptis.TransportError) as caught:
            asking.get_status("j1", timeout=3)
    assert f"the proxy http://127.0.0.1:{proxy.port} refused" in str(caught.value)
    assert str(status) in str(caught.value) and "perceptis.test:443" in str(caught.value)
    assert caught.value.retryable and caught.value.http_status == status
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("url", ["https://perceptis.test", "http://perceptis.test"])
def test_a_proxy_that_wants_a_login_is_asked_once(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    proxy.answer = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    for name in ("https_proxy", "http_proxy"):
        monkeypatch.setenv(name, f"http://me:{PASSWORD}@127.0.0.1:{proxy.port}")
    with client(url) as asking:
        calls = [
            lambda: asking.get_status("j1", timeout=20),
            lambda: asking.wait("j1", timeout=20),
            lambda: asking.generate("p", output_type="deck", timeout=20),
        ]
        for number, call in enumerate(calls, 1):
            says = f"127.0.0.1:{proxy.port}.*407.*https_proxy"
            with pytest.raises(perceptis.TransportError, match=says) as caught:
                call()
            assert len(proxy.seen) == number, "accounts are locked by a few wrong passwords"
            assert PASSWORD not in str(caught.value) and not caught.value.retryable
    assert caught.value.billed == "no"


def test_a_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", f"http://me:{PASSWORD}@127.0.0.1:9")
    with client("https://perceptis.test") as asking:
        says = "the proxy http://127.0.0.1:9 could not be reached"
        with pytest.raises(perceptis.TransportError, match=says):
            asking.get_status("j1", timeout=2)


def test_a_signed_url_goes_through_a_proxy_byte_for_byte(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = "http://files.test/it's%27/a?sig='%7E~+/=&x=%2f"
    answer = b'{"job_id":"j1","status":"completed","downloads":[{"url":"%s","format":"bin"}]}' % url.encode()
    proxy = Proxy(9, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    with client("http://perceptis.test") as asking:
        asking.download("j1", directory=tmp_path, timeout=20)
    proxy.close()
    (asked,) = [head for head in proxy.seen if "files.test" in head]
    assert asked.startswith(f"GET {url} HTTP/1.1\r\n") and KEY not in asked


def test_a_password_reaches_the_proxy_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A run through a proxy for plain http, with a file on another host."""
    files = b'[{"url":"http://files.test/a","format":"bin"}]'
    answer = b'{"job_id":"j1","status":"completed","downloads":' + files + b"}"
    proxy = Proxy(9, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))
    monkeypatch.setenv("http_proxy", f"http://me:p%40ss%3Aword@127.0.0.1:{proxy.port}")
    with client("http://perceptis.test") as asking:
        asking.download("j1", directory=tmp_path, timeout=20)
    status, file = proxy.seen[0].lower(), proxy.seen[-1].lower()
    expected = base64.b64encode(b"me:p@ss:word").decode().lower()
    for head in (status, file):
        assert f"proxy-authorization: basic {expected}" in head
    assert status.startswith("get http://perceptis.test/api/v1/status/j1 ") and KEY in status
    assert file.startswith("get http://files.test/a ") and KEY not in file
    proxy.close()


@pytest.mark.parametrize(
    ("variables", "direct"),
    [
        ({"no_proxy": "*"}, True),
        ({"no_proxy": "0.0.0.0"}, True),
        ({"no_proxy": "0.0.0.0:PORT"}, True),
        ({"no_proxy": "0.0.0.0:9"}, False),
        ({"no_proxy": "10.0.0.0/8 0.0.0.0/8"}, True),
        ({"no_proxy": "elsewhere.test", "NO_PROXY": "*"}, False),
        ({"no_proxy": "", "NO_PROXY": "*"}, True),
        ({"NO_PROXY": "0.0.0.0"}, True),
    ],
)
def test_no_proxy_by_address(
    script: Script, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], direct: bool
) -> None:
    port = script.base_url.rpartition(":")[2]
    for name, value in variables.items():
        monkeypatch.setenv(name, value.replace("PORT", port))
    monkeypatch.setenv("http_proxy", script.base_url)
    script.on("/api/v1/status/j1", 200, {"status": "directly"})
    script.on(f"http://0.0.0.0:{port}/api/v1/status/j1", 200, {"status": "by proxy"})
    with client(f"http://0.0.0.0:{port}") as asking:
        assert asking.get_status("j1").status == ("directly" if direct else "by proxy")


@pytest.mark.parametrize(
    ("entry", "direct"),
    [
        ("NAME", True),
        ("*.NAME", True),
        (".NAME", True),
        ("NAME:PORT", True),
        ("x.NAME", False),
        ("NAME:9", False),
    ],
)
def test_no_proxy_by_name(script: Script, monkeypatch: pytest.MonkeyPatch, entry: str, direct: bool) -> None:
    name, port = socket.gethostname(), script.base_url.rpartition(":")[2]
    monkeypatch.setenv("no_proxy", entry.replace("NAME", name).replace("PORT", port))
    monkeypatch.setenv("http_proxy", script.base_url)
    script.on("/api/v1/status/j1", 200, {"status": "directly"})
    script.on(f"http://{name}:{port}/api/v1/status/j1", 200, {"status": "by proxy"})
    with client(f"http://{name}:{port}") as asking:
        assert asking.get_status("j1").status == ("directly" if direct else "by proxy")


@pytest.mark.parametrize("entry", ["[2001:db8::1]", "[2001:db8::1]:443", "2001:db8::1", "2001:db8::/32", "*"])
def test_no_proxy_by_ipv6_address(proxy: Proxy, monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("no_proxy", entry)
    with client("https://[2001:db8::1]") as asking:
        with pytest.raises((perceptis.TransportError, perceptis.TimeoutError)):
            asking.get_status("j1", timeout=1)
    assert proxy.seen == []


def test_the_lower_case_wins(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", script.base_url)
    script.on("http://perceptis.test/api/v1/status/j1", 200, {"status": "by proxy"})
    with client("http://perceptis.test") as asking:
        assert asking.get_status("j1", timeout=20).status == "by proxy"


@pytest.mark.parametrize(
    ("scheme", "asked"),
    [
        ("socks5h", "perceptis.test:443"),
        ("SOCKS5H", "perceptis.test:443"),
        ("socks4a", "perceptis.test:443"),
        ("socks5", "[2001:db8::1]:443"),
        ("Socks5", "[2001:db8::1]:443"),
    ],
)
@pytest.mark.parametrize("variable", ["https_proxy", "ALL_PROXY"])
def test_socks(
    proxy: Proxy,
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    asked: str,
    variable: str,
) -> None:
    proxy.speak = proxy.socks
    monkeypatch.setenv(variable, f"{scheme}://127.0.0.1:{proxy.port}")
    with client(f"https://{asked.removesuffix(':443')}", certificates) as asking:
        assert asking.get_status("j1", timeout=20).status == "pending"
    assert proxy.seen == [asked.replace("[", "").replace("]", "")]


def test_socks_looks_names_up_here_or_there(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain http works the same; `socks5` gets an address, `socks5h` a name."""
    name, port = socket.gethostname(), int(script.base_url.rpartition(":")[2])
    script.on("/api/v1/status/j1", 200, {"status": "through"})
    for scheme, asked in (("socks5", "127.0."), ("socks", "127.0."), ("socks5h", name), ("socks4a", name)):
        proxy = Proxy(port)
        proxy.speak = proxy.socks
        monkeypatch.setenv("http_proxy", f"{scheme}://127.0.0.1:{proxy.port}")
        with client(f"http://{name}:{port}") as asking:
            assert asking.get_status("j1", timeout=20).status == "through"
        assert proxy.seen[0].startswith(asked) and proxy.seen[0].endswith(f":{port}")
        proxy.close()


def test_a_login_of_socks(proxy: Proxy, certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy.speak, proxy.login = proxy.socks, f"me:{PASSWORD}"
    monkeypatch.setenv("https_proxy", f"socks5h://me:{PASSWORD}@127.0.0.1:{proxy.port}")
    with client("https://perceptis.test", certificates) as asking:
        assert asking.get_status("j1", timeout=20).status == "pending"
    for login, seen in ((f"me:x{PASSWORD}@", "wrong login"), ("", "no login")):
        proxy.seen.clear()
        monkeypatch.setenv("https_proxy", f"socks5h://{login}127.0.0.1:{proxy.port}")
        with client("https://perceptis.test", certificates) as asking:
            with pytest.raises(perceptis.TransportError, match=f"socks5h://127.0.0.1:{proxy.port}") as caught:
                asking.get_status("j1", timeout=20)
        assert proxy.seen == [seen] and PASSWORD not in str(caught.value)


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("scheme", ["socks6", "ftp", "socks5x", "HTTPX"])
def test_what_is_no_proxy_is_a_wrong_configuration(
    monkeypatch: pytest.MonkeyPatch, variable: str, scheme: str
) -> None:
    monkeypatch.setenv(variable, f"{scheme}://me:{PASSWORD}@127.0.0.1:1")
    with pytest.raises(perceptis.ConfigurationError, match=f"{variable}.*{scheme}.*socks5h") as caught:
        client("https://perceptis.test")
    assert PASSWORD not in str(caught.value)
