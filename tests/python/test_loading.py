"""How the package finds the library, and refuses a wrong one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import LIBRARY, ROOT, run_python

import perceptis

LOAD = "import perceptis; print(perceptis.library_version())"


def test_the_package_carries_its_library() -> None:
    package = Path(perceptis.__file__).parent
    assert "site-packages" in package.parts, "these tests are for the installed wheel"
    assert (package / "libperceptis.so.0").read_bytes() == LIBRARY.read_bytes()
    assert perceptis.library_version() == perceptis.__version__
    assert f'version = "{perceptis.__version__}"' in (ROOT / "Cargo.toml").read_text()


def test_a_named_library_is_the_one_that_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERCEPTIS_LIBRARY", str(LIBRARY))
    assert run_python("-c", LOAD).stdout.strip() == perceptis.__version__


def test_a_missing_library_tells_where_it_was_looked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for bad in (tmp_path / "missing.so", Path(__file__)):
        monkeypatch.setenv("PERCEPTIS_LIBRARY", str(bad))
        failed = run_python("-c", LOAD)
        assert failed.returncode == 1
        assert (
            "ImportError" in failed.stderr
            and str(bad) in failed.stderr
            and "PERCEPTIS_LIBRARY" in failed.stderr
        )


@pytest.mark.parametrize("version", [0, 1 << 16 | 9])
def test_another_abi_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: int) -> None:
    source = tmp_path / "other.c"
    source.write_text(f"unsigned perceptis_abi_version(void) {{ return {version}; }}")
    library = tmp_path / "other.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    monkeypatch.setenv("PERCEPTIS_LIBRARY", str(library))
    failed = run_python("-c", LOAD)
    assert "ImportError" in failed.stderr and f"C ABI {version >> 16}.{version & 0xFFFF}" in failed.stderr


def test_no_secret_is_in_a_traceback(tmp_path: Path) -> None:
    program = (
        "import perceptis\n"
        "client = perceptis.Client(api_key='sk-very-secret', api_base_url='http://127.0.0.1:9', "
        "time_scale=10000)\n"
        "print(client)\n"
        "client.get_status('j1')\n"
    )
    failed = run_python("-c", program)
    assert "TransportError" in failed.stderr or "TimeoutError" in failed.stderr
    shown = [
        line
        for line in (failed.stdout + failed.stderr).splitlines()
        if "api_key='sk-very-secret'" not in line
    ]
    assert not any("sk-very-secret" in line for line in shown)


def test_older_and_newer_interpreters_run_it(tmp_path: Path) -> None:
    found = [path for minor in (9, 10, 12, 13, 14) if (path := _interpreter(minor))]
    if not found:
        pytest.skip("no interpreter but this one is here")
    for interpreter in found:
        code = (
            f"import sys; sys.path.insert(0, {str(Path(perceptis.__file__).parents[1])!r});"
            "import perceptis, pickle;"
            "error = pickle.loads(pickle.dumps(perceptis.FileError('m', 17, {'job_id': 'j'})));"
            "assert error.job_id == 'j' and str(error) == 'm';"
            "print(perceptis.library_version())"
        )
        done = subprocess.run([str(interpreter), "-c", code], capture_output=True, text=True)
        assert done.stdout.strip() == perceptis.__version__, done.stderr


def _interpreter(minor: int) -> Path | None:
    if sys.version_info[:2] == (3, minor):
        return None
    candidates = [
        Path(f"/usr/bin/python3.{minor}"),
        *Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python"),
    ]
    return next((path for path in candidates if path.exists()), None)
