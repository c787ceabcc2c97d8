"""What stands before the server: only what the page itself asks for goes through."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HOSTS = ("127.0.0.1", "localhost")
LARGEST = 1 << 20  # bytes of a request that is no upload

OPEN = (
    "/config",
    "/favicon.ico",
    "/manifest.json",
    "/theme.css",
    "/gradio_api/cancel",
    "/gradio_api/queue/data",
    "/gradio_api/queue/join",
    "/gradio_api/reset",
    "/gradio_api/upload",
    "/gradio_api/upload_progress",
)
BELOW = ("/assets/", "/static/", "/gradio_api/file=", "/gradio_api/heartbeat/")
"""What the page asks for. Gradio offers more: lists of functions, a proxy, an editor of code."""

HEADERS = {
    # a browser that obeys connects to nothing else, whatever is on the page
    "content-security-policy": "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class TooLargeError(Exception):
    """A request that goes on for longer than any of the page's."""


class Guard:
    """An ASGI application in front of another one.

    A page of a stranger in the same browser can send requests here under a name of its own that
    leads to 127.0.0.1, so the name is checked. What the page does not need is not there.

    Args:
        app: What is guarded.
        largest_upload: Bytes of an upload, with what a browser puts around the file.
    """

    def __init__(self, app: App, largest_upload: int) -> None:
        self.app, self.largest_upload = app, largest_upload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        path = scope["path"]
        if headers.get("host", "").partition(":")[0] not in HOSTS:
            await _answer(send, 403, "This page can be seen on its own machine only.")
        elif not (path == "/" or path in OPEN or path.startswith(BELOW)):
            await _answer(send, 404, "There is nothing here.")
        else:
            await self._pass(scope, receive, send, headers.get("content-length", "0"))

    async def _pass(self, scope: Scope, receive: Receive, send: Send, length: str) -> None:
        most = self.largest_upload if scope["path"] == "/gradio_api/upload" else LARGEST
        if not length.isdecimal() or int(length) > most:
            await _answer(send, 413, f"At most {most:,} bytes are taken.")
            return
        received, answered = 0, False

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > most:
                raise TooLargeError
            return message

        async def shielded(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                message["headers"] = [*message.get("headers", []), *_encoded(HEADERS)]
            await send(message)

        try:
            await self.app(scope, counted, shielded)
        except TooLargeError:
            if not answered:
                await _answer(send, 413, f"At most {most:,} bytes are taken.")


async def _answer(send: Send, status: int, text: str) -> None:
    headers = _encoded({"content-type": "text/plain; charset=utf-8", **HEADERS})
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]
