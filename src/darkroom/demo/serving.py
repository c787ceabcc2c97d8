"""Serves the page to this machine: from an empty folder, and without a connection to any other."""

import logging
import os
import socket
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from darkroom.demo.course import Course
from darkroom.demo.explorer import Explorer
from darkroom.demo.guard import App, Guard
from darkroom.demo.uploads import LARGEST
from darkroom.provenance.credentials import Signer

HOST = "127.0.0.1"
AROUND = 1 << 16  # bytes that a browser puts around an uploaded file
SETTINGS = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_SERVER_NAME": HOST,
    "HF_HUB_OFFLINE": "1",
    "NO_PROXY": HOST,
}


def serve(
    explorers: Sequence[Explorer],
    courses: Sequence[Course],
    port: int,
    signer: Signer | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Serves the page until it is interrupted.

    Args:
        explorers: The runs.
        courses: How each of them went.
        port: Where.
        signer: Signs what is taken away; None for nobody.
        say: Is told where the page is, as soon as it can be seen.

    Raises:
        ValueError: If the port is taken, or Gradio is not installed.
    """
    listener = _listener(port)
    here = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="darkroom-demo-") as made:
        folder = Path(made)
        (folder / "empty").mkdir()
        os.chdir(folder / "empty")
        try:
            _settle(folder)
            app = _app(explorers, courses, signer, folder)
            _run(app, listener, say)
        finally:
            os.chdir(here)


def _listener(port: int) -> socket.socket:
    """A socket that only this machine reaches.

    Raises:
        ValueError: If there is none to be had.
    """
    if not 0 <= port <= 65535:
        raise ValueError(f"port={port}: type a number from 1024 to 65535, or 0 for any free one.")
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise ValueError(
            f"port={port} cannot be had: {error.strerror}. Type another one, such as "
            f"port={port + 1 if 1023 < port < 65535 else 7860}, or port=0 for any free one."
        ) from error
    return listener


def _settle(folder: Path) -> None:
    """Sets what Gradio reads from its environment when it is imported, and nothing else of it."""
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]
    os.environ |= SETTINGS | {"GRADIO_TEMP_DIR": str(folder / "cache")}


def _app(
    explorers: Sequence[Explorer], courses: Sequence[Course], signer: Signer | None, folder: Path
) -> App:
    try:
        import gradio
        from fastapi import FastAPI
    except ModuleNotFoundError as error:
        raise ValueError("demo.py needs `pip install -e '.[demo]'`.") from error

    from darkroom.demo.downloads import Shelf
    from darkroom.demo.handlers import Handlers
    from darkroom.demo.page import HEAD, page, theme

    blocks = page(Handlers(explorers, Shelf(folder / "cache" / "made"), signer), courses)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    gradio.mount_gradio_app(
        app,
        blocks,
        path="/",
        server_name=HOST,
        allowed_paths=[],
        show_error=False,
        max_file_size=LARGEST,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        theme=theme(),
        head=HEAD,
    )
    return Guard(app, LARGEST + AROUND)


def _run(app: App, listener: socket.socket, say: Callable[[str], None]) -> None:
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            say(f"The page is at http://{HOST}:{listener.getsockname()[1]} (Ctrl-C ends it)")

    logging.getLogger("httpx").setLevel(logging.WARNING)
    server = Server(
        uvicorn.Config(app, log_level="error", access_log=False, timeout_graceful_shutdown=2)
    )
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
