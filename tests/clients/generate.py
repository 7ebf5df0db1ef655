"""One job of the HTTP API with requests: submits, waits, downloads, and checks what came.

    PERCEPTIS_API_BASE_URL=... PERCEPTIS_API_KEY=... generate.py PROMPT DIRECTORY [deck|single_slide]

POLL_SECONDS is the pause between two polls, 5 by default. Prints a line for each file.
"""

from __future__ import annotations

import io
import os
import sys
import time
import uuid
import zipfile
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

BASE_URL = os.environ["PERCEPTIS_API_BASE_URL"].rstrip("/")
API_KEY = os.environ["PERCEPTIS_API_KEY"]
POLL_SECONDS = float(os.environ.get("POLL_SECONDS", "5"))


def session() -> requests.Session:
    """Tries again what may pass; a POST, too, as its idempotency key makes that safe."""
    again = Retry(
        total=8,
        backoff_factor=POLL_SECONDS / 10,
        status_forcelist=(408, 429, 500, 502, 503, 504),
        allowed_methods=frozenset({"GET", "POST"}),
        respect_retry_after_header=True,
    )
    made = requests.Session()
    made.mount(BASE_URL, HTTPAdapter(max_retries=again))
    return made


def submit(api: requests.Session, prompt: str, output_type: str) -> str:
    answer = api.post(
        f"{BASE_URL}/api/v1/generate",
        json={"prompt": prompt, "output_type": output_type},
        headers={"Idempotency-Key": str(uuid.uuid4())},
        timeout=60,
    )
    answer.raise_for_status()
    return str(answer.json()["job_id"])


def completed(api: requests.Session, job_id: str) -> list[dict[str, Any]]:
    """Waits for a job; its downloads."""
    while True:
        time.sleep(POLL_SECONDS)
        answer = api.get(f"{BASE_URL}/api/v1/status/{job_id}", timeout=60)
        answer.raise_for_status()
        job = answer.json()
        if job["status"] == "completed":
            return list(job["downloads"])
        if job["status"] == "failed":
            raise SystemExit(f"job {job_id} failed: {job['error']}")


def fetch(files: requests.Session, url: str, path: Path) -> None:
    answer = files.get(url, timeout=300)
    answer.raise_for_status()
    with zipfile.ZipFile(io.BytesIO(answer.content)) as package:
        if package.testzip() is not None or "ppt/presentation.xml" not in package.namelist():
            raise zipfile.BadZipFile(f"{path.name} is damaged")
    path.write_bytes(answer.content)


def main(prompt: str, directory: Path, output_type: str = "deck") -> None:
    # Two sessions: the key goes to the API alone, never to a download's host.
    with session() as api, session() as files:
        api.headers["Authorization"] = f"Bearer {API_KEY}"
        job_id = submit(api, prompt, output_type)
        directory.mkdir(parents=True, exist_ok=True)
        for left in reversed(range(5)):
            downloads = completed(api, job_id)
            paths = [directory / f"{job_id}-{download['variant']}.pptx" for download in downloads]
            try:
                if not paths:
                    raise requests.RequestException(f"job {job_id} has no files")
                for download, path in zip(downloads, paths):
                    fetch(files, download["url"], path)
                break
            except (requests.RequestException, zipfile.BadZipFile):
                # A URL holds for a short while: the next poll has a fresh one.
                if not left:
                    raise
        print(*paths, sep="\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:4])
