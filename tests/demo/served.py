"""demo.py in a process of its own, as a user starts it, and what can be sent to it by hand."""

import json
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic
from typing import Any

from tests.commands import command, environment

WAIT = 240  # seconds, on a busy machine


class Served:
    """A page that is served.

    Attributes:
        process: The server.
        port: Where it is.
    """

    def __init__(self, cwd: Path, *arguments: str, **variables: str) -> None:
        self.process = subprocess.Popen(
            command("demo", *arguments, "port=0"),
            cwd=cwd,
            env=environment() | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        assert self.process.stdout is not None
        watchdog = threading.Timer(WAIT, self.process.kill)
        watchdog.start()
        line = self.process.stdout.readline()
        watchdog.cancel()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        if found is None:
            self.process.kill()
            raise AssertionError(line + self.process.communicate()[1])
        self.port = int(found[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def interrupted(self) -> tuple[int, str]:
        """Exit status and what was said, after Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out + err

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Status and body of an answer; no path is tidied up on its way."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def config(self) -> dict[str, Any]:
        tree: dict[str, Any] = json.loads(self.ask("GET", "/config")[1])
        return tree

    def event(self, target: str, inputs: int, event: str) -> int:
        """The number of the function that a component's event calls.

        Args:
            target: The component's elem_id or label.
            inputs: How many values it takes.
            event: Such as click.
        """
        tree = self.config()
        ids = [
            part["id"]
            for part in tree["components"]
            if target in (part["props"].get("elem_id"), part["props"].get("label"))
        ]
        for each in tree["dependencies"]:
            triggers = [tuple(trigger) for trigger in each["targets"]]
            if len(each["inputs"]) == inputs and any((k, event) in triggers for k in ids):
                return int(each["id"])
        raise AssertionError(f"{target} calls nothing with {inputs} values")

    def join(self, number: int, data: list[Any], session: str, **more: Any) -> tuple[int, bytes]:
        """Puts a call into the queue."""
        body = {"data": data, "fn_index": number, "session_hash": session, **more}
        return self.ask(
            "POST",
            "/gradio_api/queue/join",
            json.dumps(body).encode(),
            {"content-type": "application/json"},
        )

    def outcome(self, session: str) -> dict[str, Any]:
        """What became of the call of a session."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", f"/gradio_api/queue/data?session_hash={session}")
        answer, end = connection.getresponse(), monotonic() + 60
        try:
            while monotonic() < end:
                line = answer.readline().decode()
                if line.startswith("data:"):
                    said: dict[str, Any] = json.loads(line[5:])
                    if said["msg"] == "process_completed":
                        return said
        finally:
            connection.close()
        raise AssertionError("nothing became of it")


@contextmanager
def served(cwd: Path, *arguments: str, **variables: str) -> Iterator[Served]:
    """A page, and its end.

    Args:
        cwd: Where demo.py is started.
        arguments: What is typed.
        variables: Of the environment.
    """
    page = Served(cwd, *arguments, **variables)
    try:
        yield page
    finally:
        page.process.kill()
        page.process.wait()
