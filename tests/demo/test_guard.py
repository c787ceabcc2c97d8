"""What stands before the server, asked without one."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from darkroom.demo.guard import LARGEST, Guard, Receive, Scope, Send


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the number of bytes that it was sent."""
    received, more = 0, True
    while more:
        message = await receive()
        received += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(received).encode()})


def ask(
    path: str, host: str = "127.0.0.1:7860", parts: tuple[bytes, ...] = (b"",), length: str = ""
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer."""
    answer: list[MutableMapping[str, Any]] = []
    left = list(parts)
    headers = [(b"host", host.encode())] + (
        [(b"content-length", length.encode())] if length else []
    )

    async def receive() -> MutableMapping[str, Any]:
        body = left.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(left)}

    async def send(message: MutableMapping[str, Any]) -> None:
        answer.append(message)

    scope = {"type": "http", "path": path, "headers": headers}
    asyncio.run(Guard(echo, largest_upload=4 * LARGEST)(scope, receive, send))
    said = {name.decode(): value.decode() for name, value in answer[0]["headers"]}
    return answer[0]["status"], said, answer[1]["body"]


@pytest.mark.parametrize("path", ["/", "/config", "/assets/a.js", "/gradio_api/queue/join"])
def test_what_the_page_needs_goes_through(path: str) -> None:
    assert ask(path)[0] == 200
    assert ask(path, host="localhost:9")[0] == 200


@pytest.mark.promise(
    "A page of a stranger leads a name of its own to this machine (DNS rebinding)",
    "Requests under any other name than this machine's are refused: 403.",
)
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "0.0.0.0:7860", ""])
def test_another_name_is_refused(host: str) -> None:
    assert ask("/", host=host)[0] == 403


@pytest.mark.parametrize(
    "path",
    [
        "/docs",
        "/openapi.json",
        "/gradio_api/info",
        "/gradio_api/openapi.json",
        "/gradio_api/run/predict",
        "/gradio_api/call/predict",
        "/gradio_api/proxy=http://example.com",
        "/gradio_api/mcp/sse",
        "/gradio_api/vibe-edit",
        "/gradio_api/component_server",
        "/monitoring",
        "/login",
        "/svelte/x",
        "/configuration",
    ],
)
def test_what_the_page_does_not_need_is_not_there(path: str) -> None:
    assert ask(path)[0] == 404


@pytest.mark.promise(
    "The page's server is sent more than any of the page's requests has",
    "It is refused before it fills the memory: 413, whatever length it claimed.",
)
@pytest.mark.parametrize("length", [str(LARGEST + 1), "5", "", "-1", "many"])
def test_a_request_over_the_limit_is_refused(length: str) -> None:
    parts = (b"x" * LARGEST, b"xxxxxx")
    assert ask("/gradio_api/queue/join", parts=parts, length=length)[0] == 413


def test_an_upload_may_be_larger() -> None:
    status, _, body = ask("/gradio_api/upload", parts=(b"x" * LARGEST, b"x" * LARGEST))
    assert (status, body) == (200, str(2 * LARGEST).encode())


def test_a_browser_is_told_to_connect_to_nothing_else() -> None:
    for path in ("/", "/docs"):
        headers = ask(path)[1]
        assert headers["content-security-policy"].startswith("default-src 'self' ")
        assert "http" not in headers["content-security-policy"]
