"""Where the page is served, and from what."""

import os
import socket
from pathlib import Path

import pytest

from darkroom import config
from darkroom.demo import serving
from darkroom.verbs import demo as verbs_demo
from tests.commands import call
from tests.composed import composed


def test_only_this_machine_reaches_the_page() -> None:
    with serving._listener(0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


@pytest.mark.promise(
    "The port is taken by another program", "demo.py says so, and which option to type."
)
def test_a_port_that_is_taken_is_said() -> None:
    with serving._listener(0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ValueError, match=f"port={port} cannot be had: .* Type another one"):
            serving._listener(port)


@pytest.mark.parametrize("port", [-1, 70_000])
def test_a_port_that_there_is_not_is_refused(port: int) -> None:
    with pytest.raises(ValueError, match=f"port={port}"):
        serving._listener(port)


@pytest.mark.promise(
    "The environment asks Gradio to share the page or to serve other folders",
    "It is not heard: all of Gradio's variables are the page's own.",
)
def test_the_environment_cannot_open_the_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as patch:
        for name in ("SHARE", "ALLOWED_PATHS", "ROOT_PATH", "MCP_SERVER", "SERVER_NAME"):
            patch.setenv(f"GRADIO_{name}", "0.0.0.0")
        for name in (*serving.SETTINGS, "GRADIO_TEMP_DIR"):
            patch.setenv(name, os.environ.get(name, ""))  # so that it is put back
        serving._settle(tmp_path)
        theirs = {name for name in os.environ if name.startswith("GRADIO_")}
        assert theirs == {"GRADIO_ANALYTICS_ENABLED", "GRADIO_SERVER_NAME", "GRADIO_TEMP_DIR"}
        assert os.environ["GRADIO_SERVER_NAME"] == "127.0.0.1"


def test_nothing_to_show_is_said(tmp_path: Path) -> None:
    done = call(tmp_path, "demo")
    assert done.returncode == 2
    assert "Type either run=<folder> or runs=" in done.stderr


def test_too_many_runs_are_refused() -> None:
    tree = composed("demo", "runs=[a,b,c,d,e]")
    config.check(tree)
    with pytest.raises(ValueError, match="at most 4"):
        verbs_demo.demo(tree)


@pytest.mark.promise(
    "The page is asked to have what it signs stamped by an authority elsewhere",
    "demo.py refuses: the page connects to nothing.",
)
def test_no_time_stamp_is_fetched() -> None:
    tree = composed("demo", "run=a", "provenance.timestamp=http://example.invalid")
    config.check(tree)
    with pytest.raises(ValueError, match="connects to nothing"):
        verbs_demo.demo(tree)


def test_a_port_is_tried_before_anything_is_built() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ValueError, match="cannot be had"):
            serving.serve([], [], taken.getsockname()[1])
