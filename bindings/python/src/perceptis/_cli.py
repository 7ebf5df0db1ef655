"""The command line: the library's calls, with a line that shows what they are doing."""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from typing import Any, Callable, Optional, Sequence, TypeVar

from ._codes import Code
from ._version import __version__
from .client import Client
from .errors import Error, IncompleteError
from .results import Activity, Result

T = TypeVar("T")

_EXIT_CODES: dict[int, int] = {
    Code.INVALID_ARGUMENT: 2,
    Code.CONFIGURATION: 3,
    Code.UNAUTHENTICATED: 4,
    Code.NOT_ELIGIBLE: 4,
    Code.NOT_FOUND: 5,
    Code.CONFLICT: 6,
    Code.REJECTED: 6,
    Code.RATE_LIMITED: 7,
    Code.SERVER: 8,
    Code.TRANSPORT: 8,
    Code.PROTOCOL: 8,
    Code.OUTCOME_UNKNOWN: 9,
    Code.JOB_FAILED: 10,
    Code.INCOMPLETE: 11,
    Code.FILE: 12,
    Code.TIMEOUT: 124,
}

_EPILOG = """\
Paths and states go to standard output, everything else to standard error. PERCEPTIS_API_KEY decides who pays.

exit codes:
  0    done
  2    the command line or an argument is wrong
  3    the configuration is wrong: no API key, a bad base URL
  4    the API key is not accepted, or its plan does not include the API
  5    no such job
  6    the service refuses the request
  7    too many requests; come back later
  8    the service can't be reached or understood
  9    unknown whether the request was accepted: run it again with the --idempotency-key that is shown
  10   the service could not make it; nothing is billed
  11   some files are missing; those that came are listed
  12   the disk or the target
  124  the time is over; the job goes on: wait for it, then download it
  130  interrupted; the job goes on, as with 124
  1    anything else
"""


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Runs the command line and returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        # Not "with": closing waits for calls, and after an interrupt there is one that goes on.
        client = Client(app_name="perceptis-python-cli")
        code: int = options.command(client, options)
        client.close()
        return code
    except Error as error:
        return _fail(error, options.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m perceptis",
        description="A prompt in, a .pptx on disk, and no deck lost or bought twice on the way.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"perceptis {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[Client, argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(command=run)
        added.add_argument("--json", action="store_true", help="print results and errors as JSON")
        added.add_argument("--timeout", type=float, metavar="SECONDS", help="for all of it")
        return added

    def target(added: argparse.ArgumentParser) -> None:
        added.add_argument("-o", "--directory", metavar="DIRECTORY", help="where files go; made if it is missing")
        added.add_argument("--name", help="the files' name without .pptx (default: the job's id)")
        added.add_argument("--overwrite", action="store_true", help="replace a file of that name")

    run = command("run", _run, "make a deck or slide and put it on disk")
    run.add_argument("prompt", help="what to make; - reads it from standard input")
    run.add_argument("--type", choices=("deck", "single_slide"), default="deck", help="what kind (default: deck)")
    target(run)
    run.add_argument("--variants", type=int, metavar="N", help="how many variants (single_slide)")
    run.add_argument("--template", metavar="NAME", help="a template that the organization can see")
    run.add_argument("--image", action="append", default=[], metavar="FILE", help="a reference image (single_slide)")
    run.add_argument("--web-search", action="store_true", help="let the service search the web")
    run.add_argument("--knowledge-base", action="store_true", help="let the service use the knowledge base")
    run.add_argument("--idempotency-key", metavar="KEY", help="the same key with the same request is the same job")
    for name, function, text in (
        ("status", _status, "print the state of a job"),
        ("wait", _wait, "wait until a job is completed"),
        ("download", _download, "fetch the files of a completed job"),
    ):
        added = command(name, function, text)
        added.add_argument("job_id", metavar="JOB", help="the job's id")
        if name == "download":
            target(added)
    return parser


def _run(client: Client, options: argparse.Namespace) -> int:
    prompt = sys.stdin.read() if options.prompt == "-" else options.prompt

    def run() -> Result:
        return client.run(
            prompt,
            output_type=options.type,
            template_name=options.template,
            variant_count=options.variants,
            images=options.image,
            use_web_search=options.web_search or None,
            use_knowledge_base=options.knowledge_base or None,
            directory=_directory(options),
            name=options.name,
            overwrite=options.overwrite,
            idempotency_key=options.idempotency_key,
            timeout=options.timeout,
        )

    return _print_result(_watched(client, run, options), options)


def _status(client: Client, options: argparse.Namespace) -> int:
    status = client.get_status(options.job_id, timeout=options.timeout)
    print(status.json if options.json else status.status)
    return 0


def _wait(client: Client, options: argparse.Namespace) -> int:
    status = _watched(client, lambda: client.wait(options.job_id, timeout=options.timeout), options)
    print(status.json if options.json else status.status)
    return 0


def _download(client: Client, options: argparse.Namespace) -> int:
    def download() -> Result:
        return client.download(
            options.job_id,
            directory=_directory(options),
            name=options.name,
            overwrite=options.overwrite,
            timeout=options.timeout,
        )

    return _print_result(_watched(client, download, options), options)


def _directory(options: argparse.Namespace) -> Optional[str]:
    # Made here, before anything is submitted: who names a directory in a shell means that it be there.
    directory: Optional[str] = options.directory
    if directory is not None:
        try:
            os.makedirs(directory, exist_ok=True)
        except OSError:
            pass  # The library says what is wrong with it, in its own words and with its own code.
    return directory


def _print_result(result: Result, options: argparse.Namespace) -> int:
    if options.json:
        print(result.json)
    else:
        for file in result.files:
            print(file.path)
            if file.note:
                print(f"{file.path}: {file.note}", file=sys.stderr)
    return 0


def _watched(client: Client, call: Callable[[], T], options: argparse.Namespace) -> T:
    """Runs a call on another thread, so that this one can show how it stands and hear Ctrl-C."""
    done = threading.Event()
    outcome: list[Any] = [None, None]

    def work() -> None:
        try:
            outcome[0] = call()
        except BaseException as error:  # handed to the other thread, whatever it is
            outcome[1] = error
        finally:
            done.set()

    # A daemon: after an interrupt the process does not wait for it.
    threading.Thread(target=work, name="perceptis-call", daemon=True).start()
    line = _Line(sys.stderr)
    last: Optional[Activity] = None
    try:
        while not done.wait(0.2):
            last = next(iter(client.activity()), last)
            if last is not None:
                line.show(last)
    except KeyboardInterrupt:
        line.end()
        _interrupted(last, options.json)
    line.end()
    if outcome[1] is not None:
        raise outcome[1]
    result: T = outcome[0]
    return result


class _Line:
    """One changing line on a terminal; elsewhere a line a change, and one every half minute."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._terminal: bool = stream.isatty()
        self._shown = ""
        self._at = 0.0

    def show(self, activity: Activity) -> None:
        state = activity.status or activity.phase if activity.phase == "waiting" else activity.phase
        job = f" {activity.job_id}" if activity.job_id else ""
        minutes, seconds = divmod(int(activity.elapsed), 60)
        text = f"{state}{job} {minutes}:{seconds:02}"
        if self._terminal:
            self._stream.write(f"\r\x1b[K{text}")
            self._stream.flush()
        elif f"{state}{job}" != self._shown or activity.elapsed - self._at >= 30:
            print(text, file=self._stream, flush=True)
            self._shown, self._at = f"{state}{job}", activity.elapsed

    def end(self) -> None:
        if self._terminal:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def _interrupted(last: Optional[Activity], as_json: bool) -> None:
    """Says how to go on, and ends: the call can't be ended from here, and its job goes on anyway."""
    if as_json:
        known = {"code": "INTERRUPTED", "job_id": last and last.job_id, "idempotency_key": last and last.idempotency_key}
        print(json.dumps(known), file=sys.stderr)
    elif last is not None and last.job_id is not None:
        print(
            f"interrupted; job {last.job_id} goes on: python -m perceptis wait {last.job_id}, "
            f"then python -m perceptis download {last.job_id}",
            file=sys.stderr,
        )
    elif last is not None and last.idempotency_key is not None:
        print(
            "interrupted; whether the request was accepted is unknown: run it again with "
            f"--idempotency-key {last.idempotency_key}, which is not billed twice",
            file=sys.stderr,
        )
    else:
        print("interrupted; nothing was submitted", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(130)


def _fail(error: Error, as_json: bool) -> int:
    code = error.code
    name = code.name if isinstance(code, Code) else str(code)
    if isinstance(error, IncompleteError):
        for file in error.result.files:
            print(file.path)
    if as_json:
        described = {"code": name, "message": error.message, **error.details}
        if isinstance(error, IncompleteError):
            described["result"] = error.result.raw
        print(json.dumps(described), file=sys.stderr)
    else:
        print(f"perceptis: {name}: {error.message}", file=sys.stderr)
    return _EXIT_CODES.get(int(code), 1)
