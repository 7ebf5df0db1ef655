"""A program that shares a ledger with others. It makes calls through the library; its role says what else.

Usage: host.py ROLE CALLS LIBRARY...
  innocent  nothing else
  meddler   opens, reads, copies and closes the ledger's files, and reads the ledger with its own SQLite
  twins     the same as innocent, through two copies of the library
It prints a line of JSON for each thing that happened: "ready" once the ledger is open, and "done" after its
calls. It waits for a line on its standard input after both. A run that never ends is under way from "ready"
until it exits.
"""

import ctypes
import json
import os
import pathlib
import shutil
import sqlite3
import sys
import threading
import time

THREADS = 4
LEDGER = os.environ["PERCEPTIS_LEDGER"]
byref, pointer = ctypes.byref, ctypes.c_void_p
printing = threading.Lock()


def say(**what):
    with printing:
        print(json.dumps(what), flush=True)


class Client:
    """A client of one copy of the library."""

    def __init__(self, path):
        self.api = ctypes.CDLL(path)
        for name in ("perceptis_options_new", "perceptis_error_message", "perceptis_code_name"):
            getattr(self.api, name).restype = pointer
        self.client = pointer()
        self.must(self.api.perceptis_client_new, None, byref(self.client))

    def must(self, function, *arguments):
        """Raises what the library says if the call does not work."""
        error = pointer()
        code = function(*arguments, byref(error))
        if code != 0:
            name = ctypes.string_at(self.api.perceptis_code_name(code)).decode()
            message = ctypes.string_at(pointer(self.api.perceptis_error_message(error))).decode()
            self.api.perceptis_error_free(error)
            raise RuntimeError(f"{name}: {message}")

    def options(self, **pairs):
        options = pointer(self.api.perceptis_options_new())
        for key, value in {"timeout_ms": "604800000", **pairs}.items():
            self.must(self.api.perceptis_options_set, options, key.encode(), value.encode())
        return options

    def text(self, function, *arguments):
        text = pointer()
        self.must(function, self.client, *arguments, byref(text))
        read = json.loads(ctypes.string_at(text))
        self.api.perceptis_string_free(text)
        return read

    def ask(self, operation, prompt, **pairs):
        request, options = pointer(), self.options(**pairs)
        self.must(self.api.perceptis_request_new, b"deck", prompt.encode(), byref(request))
        return self.text(getattr(self.api, f"perceptis_{operation}"), request, options)

    def recover(self):
        return self.text(self.api.perceptis_recover, self.options())

    def is_held(self, name):
        jobs = self.text(self.api.perceptis_jobs, self.options(unsettled="true"))["jobs"]
        return any(job["name"] == name and job["live"] for job in jobs)

    def close(self):
        self.must(self.api.perceptis_client_close, self.client, ctypes.c_int64(60_000))


def calls(client, number, role, count):
    """One thread's calls: a run or a generate each, and now and then a recover."""
    for at in range(count):
        prompt = f"Deck {at} of thread {number} of the {role} [[sandbox: takes=1]]"
        operation, pairs = ("run", {"directory": os.environ["OUT"]}) if at % 2 else ("generate", {})
        try:
            say(call=client.ask(operation, prompt, **pairs))
            if at % 4 == number:
                say(report=client.recover())
        except RuntimeError as error:
            say(error=str(error))


def hold(client, role):
    """A run that never ends, until the client is closed."""
    try:
        client.ask("run", f"Held by {role} [[sandbox: never_ends]]", directory=os.environ["OUT"], name=role)
    except RuntimeError as error:
        say(held=str(error))


def meddle(until):
    """Every 3 ms, until told; on one thread, so that it does not break its own SQLite's locks."""
    copy, turn = pathlib.Path(os.environ["COPIES"]), 0
    while not until.is_set():
        owners = sorted(pathlib.Path(LEDGER + ".owners").glob("*"))
        for file in [LEDGER, LEDGER + "-wal", LEDGER + "-shm", *owners]:
            try:
                with open(file, "r+b" if turn % 2 else "rb") as opened:
                    opened.read()
                shutil.copy(file, copy)
            except FileNotFoundError:
                pass
        if turn % 5 == 0:
            read_with_sqlite("rw" if turn % 2 else "ro")
        turn += 1
        time.sleep(0.003)
    say(turns=turn)


def read_with_sqlite(mode):
    own = sqlite3.connect(f"file:{LEDGER}?mode={mode}", uri=True, isolation_level=None, timeout=60)
    own.execute("BEGIN")
    own.execute("SELECT count(*) FROM submissions, events").fetchone()
    checked = own.execute("PRAGMA integrity_check").fetchall()
    own.execute("COMMIT")
    own.close()
    if checked != [("ok",)]:
        say(error=f"integrity_check says {checked}")


def main():
    role, count, *libraries = sys.argv[1:]
    clients = [Client(library) for library in libraries]
    holding = threading.Thread(target=hold, args=(clients[0], role))
    holding.start()
    while not clients[0].is_held(role):
        time.sleep(0.003)
    for client in clients:
        say(report=client.recover())
    say(ready=role)
    sys.stdin.readline()
    ended = threading.Event()
    meddling = threading.Thread(target=meddle, args=(ended,))
    if role == "meddler":
        meddling.start()
    each = [
        threading.Thread(target=calls, args=(clients[number % len(clients)], number, role, int(count)))
        for number in range(THREADS)
    ]
    for thread in each:
        thread.start()
    for thread in each:
        thread.join()
    say(done=role)
    sys.stdin.readline()
    ended.set()
    if role == "meddler":
        meddling.join()
    for client in clients:
        client.close()
    holding.join()


main()
