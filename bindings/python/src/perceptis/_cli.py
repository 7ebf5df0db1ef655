"""The command line: the library's calls, with a line that shows their state."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from typing import Callable, Optional, Sequence

from ._codes import Code
from ._version import __version__
from ._watch import watched
from .client import Client
from .errors import Error, IncompleteError
from .ledger import Job, Recovered, Recovery
from .results import Result

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
    Code.LEDGER: 13,
    Code.TIMEOUT: 124,
}

_UNSETTLED = 14
_SHOWN = 5
"""The largest number of unsettled submissions that a run names."""

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
  13   the ledger can't be used; nothing was sent
  14   recover has left something unsettled
  124  the time is over; the job goes on: wait for it, then download it
  130  interrupted; the job goes on, as with 124
  1    anything else
"""


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Runs the command line and returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        # Not "with": close() waits for calls, and after Ctrl-C a call still runs.
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

    def command(
        name: str, run: Callable[[Client, argparse.Namespace], int], text: str
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(command=run)
        added.add_argument("--json", action="store_true", help="print results and errors as JSON")
        return added

    def timeout(added: argparse.ArgumentParser) -> None:
        added.add_argument("--timeout", type=float, metavar="SECONDS", help="for all of it")

    def resubmit(added: argparse.ArgumentParser) -> None:
        text = (
            "repeat a submission in doubt also when the service may have forgotten it, "
            "and may bill a second job"
        )
        added.add_argument("--resubmit", action="store_true", help=text)

    def target(added: argparse.ArgumentParser) -> None:
        added.add_argument(
            "-o", "--directory", metavar="DIRECTORY", help="where files go; made if it is missing"
        )
        added.add_argument("--name", help="the files' name without .pptx (default: the job's id)")
        added.add_argument("--overwrite", action="store_true", help="replace a file of that name")

    run = command("run", _run, "make a deck or slide and put it on disk")
    run.add_argument("prompt", help="what to make; - reads it from standard input")
    run.add_argument(
        "--type", choices=("deck", "single_slide"), default="deck", help="what kind (default: deck)"
    )
    target(run)
    timeout(run)
    run.add_argument("--variants", type=int, metavar="N", help="how many variants (single_slide)")
    run.add_argument("--template", metavar="NAME", help="a template that the organization can see")
    run.add_argument(
        "--image", action="append", default=[], metavar="FILE", help="a reference image (single_slide)"
    )
    run.add_argument("--web-search", action="store_true", help="let the service search the web")
    run.add_argument("--knowledge-base", action="store_true", help="let the service use the knowledge base")
    run.add_argument(
        "--idempotency-key", metavar="KEY", help="the same key with the same request is the same job"
    )
    run.add_argument(
        "--no-adopt", action="store_true", help="buy anew, even if an equal run was left unfinished"
    )
    text = "what to do under an idempotency key that is known under another API key (default: refuse)"
    run.add_argument("--on-other-key", choices=("refuse", "submit"), help=text)
    resubmit(run)
    for name, function, text in (
        ("status", _status, "print the state of a job"),
        ("wait", _wait, "wait until a job is completed"),
        ("download", _download, "fetch the files of a completed job"),
    ):
        added = command(name, function, text)
        added.add_argument("job_id", metavar="JOB", help="the job's id")
        timeout(added)
        if name == "download":
            target(added)

    jobs = command("jobs", _jobs, "list what the ledger knows: state, job, key, last change, place")
    jobs.add_argument("job", nargs="?", metavar="JOB", help="a job's id or an idempotency key")
    jobs.add_argument(
        "--unsettled", action="store_true", default=None, help="only what waits for `perceptis recover`"
    )
    jobs.add_argument("--state", help="only this state: accepted, settled, ...")
    jobs.add_argument(
        "--max-age", type=float, metavar="SECONDS", help="only what has changed within this time"
    )
    jobs.add_argument("--limit", type=int, metavar="N", help="how many at most (default: 1000)")
    jobs.add_argument("--history", action="store_true", help="with what happened to each")
    recover = command(
        "recover", _recover, "settle what earlier runs left: fetch what was bought, buy nothing"
    )
    recover.add_argument(
        "job", nargs="?", metavar="JOB", help="a job's id or an idempotency key (default: all)"
    )
    timeout(recover)
    resubmit(recover)
    forget = command(
        "forget", _forget, "take a submission out of the ledger; its job and files are not touched"
    )
    forget.add_argument("job", nargs="?", metavar="JOB", help="a job's id or an idempotency key")
    forget.add_argument("--settled", action="store_true", help="instead, all that are settled")
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
            adopt=not options.no_adopt,
            on_other_key=options.on_other_key,
            resubmit=options.resubmit,
            timeout=options.timeout,
        )

    _say_unsettled(client, options.json)
    return _print_result(watched(client, run, options.json), options)


def _say_unsettled(client: Client, as_json: bool) -> None:
    """Prints what earlier runs left, before another run costs money."""
    left = [entry.job for entry in client.unsettled() if entry.job is not None]
    if not left:
        return
    if as_json:
        print(json.dumps({"unsettled": [job.raw for job in left]}), file=sys.stderr)
        return
    what = (
        "1 submission of an earlier call is"
        if len(left) == 1
        else f"{len(left)} submissions of earlier calls are"
    )
    print(f"{what} unsettled; python -m perceptis recover settles what this run does not:", file=sys.stderr)
    for job in left[:_SHOWN]:
        print(f"  {_line_of(job)}", file=sys.stderr)
    if len(left) > _SHOWN:
        print(f"  and {len(left) - _SHOWN} more: python -m perceptis jobs --unsettled", file=sys.stderr)


def _jobs(client: Client, options: argparse.Namespace) -> int:
    jobs = client.jobs(
        job=options.job,
        state=options.state,
        unsettled=options.unsettled,
        max_age=options.max_age,
        limit=options.limit,
        history=options.history,
    )
    if options.json:
        print(json.dumps({"jobs": [job.raw for job in jobs]}))
        return 0
    for job in jobs:
        print(_line_of(job))
        for event in job.history or ():
            print(f"  {event.time:%Y-%m-%dT%H:%M:%SZ} {event.event}")
    return 0


def _line_of(job: Job) -> str:
    """A submission as a line: state, job, key, time, place, and notes."""
    notes = [
        note
        for note, applies in (
            ("a live process works on it", job.live),
            ("with another API key", not job.own_key),
            (f"its caller was told {job.told}", job.unsettled and not job.live and job.told is not None),
        )
        if applies
    ]
    place = (
        "no files asked for"
        if job.directory is None
        else str(job.directory / (job.name or job.job_id or "?"))
    )
    known = f"{job.state} {job.job_id or '-'} {job.idempotency_key} {job.changed:%Y-%m-%dT%H:%M:%SZ} {place}"
    return f"{known} ({', '.join(notes)})" if notes else known


def _recover(client: Client, options: argparse.Namespace) -> int:
    def recover() -> Recovery:
        return client.recover(job=options.job, resubmit=options.resubmit, timeout=options.timeout)

    recovery = watched(client, recover, options.json)
    if options.json:
        print(recovery.json)
    else:
        for job in recovery.jobs:
            _print_recovered(job)
    return _UNSETTLED if any(job.outcome in ("unknown", "unsettled") for job in recovery.jobs) else 0


def _print_recovered(job: Recovered) -> None:
    files = "" if job.result is None else "".join(f" {file.path}" for file in job.result.files)
    print(f"{job.outcome} {job.job_id or '-'} {job.idempotency_key}{files}")
    if job.message is not None:
        print(f"{job.job_id or job.idempotency_key}: {job.code}: {job.message}", file=sys.stderr)


def _forget(client: Client, options: argparse.Namespace) -> int:
    client.forget(options.job, settled=options.settled)
    return 0


def _status(client: Client, options: argparse.Namespace) -> int:
    status = client.get_status(options.job_id, timeout=options.timeout)
    print(status.json if options.json else status.status)
    return 0


def _wait(client: Client, options: argparse.Namespace) -> int:
    status = watched(client, lambda: client.wait(options.job_id, timeout=options.timeout), options.json)
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

    return _print_result(watched(client, download, options.json), options)


def _directory(options: argparse.Namespace) -> Optional[str]:
    # A directory that is named in a shell is made if it is missing, before anything is submitted.
    directory: Optional[str] = options.directory
    if directory is not None:
        # If this fails, the library says what is wrong with the directory, with its own code.
        with contextlib.suppress(OSError):
            os.makedirs(directory, exist_ok=True)
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
