"""What a program that is no browser sends to the page's server."""

import json
from pathlib import Path

import psutil
import pytest

from darkroom.demo.page import WAITING
from darkroom.demo.uploads import LARGEST
from tests.demo import strange_files
from tests.demo.explored import AS_TYPED
from tests.demo.served import Served, served

pytestmark = pytest.mark.slow

SECRET = b"root:x:0"
MANNER = list(AS_TYPED)


def form(content: bytes, name: str = "a.png") -> tuple[bytes, dict[str, str]]:
    """A file as a browser uploads it."""
    head = f'--x\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
    kind = {"content-type": "multipart/form-data; boundary=x"}
    return head.encode() + content + b"\r\n--x--\r\n", kind


def uploaded(page: Served, content: bytes, name: str = "a.png") -> str:
    """Where an upload lies on the server."""
    status, body = page.ask("POST", "/gradio_api/upload", *form(content, name))
    assert status == 200
    return str(json.loads(body)[0])


def looked_at(page: Served, path: str, session: str) -> dict[str, object]:
    """What becomes of it if this path is handed in as the uploaded picture."""
    number = page.event("upload", 1, "upload")
    picture = {"path": path, "meta": {"_type": "gradio.FileData"}}
    assert page.join(number, [picture], session)[0] == 200
    return page.outcome(session)


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=../../../../etc/passwd",
        "/gradio_api/file=%2e%2e/%2e%2e/etc/passwd",
        "/gradio_api/file=file:///etc/passwd",
        "/gradio_api/file=http://127.0.0.1:1/secret",
        "/gradio_api/file/etc/passwd",
        "/file=/etc/passwd",
        "/assets/../../../../../../etc/passwd",
        "/static/..%2f..%2f..%2fetc%2fpasswd",
        "/gradio_api/proxy=http://127.0.0.1:1/",
    ],
)
@pytest.mark.promise(
    "A request names a file outside of what the page has made, in any spelling",
    "It is refused: 403 or 404, and nothing of the file is told.",
)
def test_no_other_file_is_served(page_of_gan: Served, path: str) -> None:
    status, body = page_of_gan.ask("GET", path)
    assert status in (403, 404)
    assert SECRET not in body


def test_the_folder_of_the_run_is_not_served(page_of_gan: Served, runs: tuple[Path, Path]) -> None:
    for name in ("config.yaml", "checkpoints/last.ckpt"):
        assert page_of_gan.ask("GET", f"/gradio_api/file={runs[0] / name}")[0] == 403


@pytest.mark.promise(
    "A file of the server is handed in as if it had been uploaded",
    "It is not read.",
)
def test_only_what_was_uploaded_is_read(page_of_gan: Served) -> None:
    said = looked_at(page_of_gan, "/etc/passwd", "foreign")
    assert said["success"] is False
    assert SECRET not in json.dumps(said).encode()


@pytest.mark.promise(
    "An uploaded file is called like a path that leads elsewhere",
    "It lies in the page's own folder all the same.",
)
def test_an_upload_stays_in_the_folder_of_the_page(page_of_gan: Served) -> None:
    path = Path(uploaded(page_of_gan, strange_files.good(), "../../../../../tmp/evil.png"))
    assert "darkroom-demo-" in str(path)
    assert path.resolve().parts[-3] == "cache"


@pytest.mark.promise(
    "A file over the limit is uploaded", "It is refused: 413, and nothing of it is kept."
)
def test_an_upload_over_the_limit_is_refused(page_of_gan: Served) -> None:
    assert page_of_gan.ask("POST", "/gradio_api/upload", *form(bytes(LARGEST + 5000)))[0] == 413
    assert page_of_gan.ask("POST", "/gradio_api/upload", *form(bytes(3 * LARGEST)))[0] == 413


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (strange_files.bomb(), "decompression bomb"),
        (b"just a text", "cannot be read"),
        (strange_files.good()[:200], "cannot be read"),
    ],
    ids=["bomb", "text", "torn"],
)
def test_what_is_no_picture_is_refused_in_words(
    page_of_gan: Served, content: bytes, said: str
) -> None:
    outcome = looked_at(page_of_gan, uploaded(page_of_gan, content), f"strange-{len(content)}")
    error = json.dumps(outcome)
    assert outcome["success"] is False
    assert said in error
    assert "Traceback" not in error
    assert "/tmp" not in error


@pytest.mark.parametrize(
    "data",
    [
        [0, 10_000, 0, *MANNER],
        [-5, 4, 0, *MANNER],
        [0, "many", 0, *MANNER],
        [0, 4, 0, 99, "any", "learned"],
        [0, 4, 0, 4.0, "../../etc", "learned"],
        [0, 4, 0, 4.0, "any", {"path": "/etc/passwd"}],
        [None, None, None, None, None, None],
    ],
)
def test_values_out_of_range_are_answered_in_words(page_of_gan: Served, data: list[object]) -> None:
    session = f"range-{data}".replace(" ", "").replace("/", "")[:60].encode().hex()
    assert page_of_gan.join(page_of_gan.event("First seed", 6, "change"), data, session)[0] == 200
    outcome = page_of_gan.outcome(session)
    assert outcome["success"] is False
    assert "Traceback" not in json.dumps(outcome)
    assert "darkroom/" not in json.dumps(outcome)


def test_a_chosen_seed_is_checked_too(page_of_gan: Served) -> None:
    number = page_of_gan.event("sheet", 3, "select")
    for place, seed in enumerate((-1, "x", None, [1], 1e99)):
        page_of_gan.join(number, MANNER, f"chosen-{place}", event_data={"seed": seed})
        assert page_of_gan.outcome(f"chosen-{place}")["success"] is False


@pytest.mark.promise(
    "The page is flooded with more calls than its queue holds",
    "Those that find it full are refused (503), and the page answers as before.",
)
def test_a_flood_is_refused(page_of_gan: Served) -> None:
    number = page_of_gan.event("First seed", 6, "change")
    calls = [[seed, 64, 0, *MANNER] for seed in range(6 * WAITING)]
    answers = [page_of_gan.join(number, call, f"flood-{k}") for k, call in enumerate(calls)]
    refused = [body for status, body in answers if status == 503]
    assert len(refused) > WAITING
    assert all(b"full" in body for body in refused)
    assert page_of_gan.outcome("flood-0")["success"] is True
    assert page_of_gan.ask("GET", "/")[0] == 200


def test_functions_are_not_listed_and_not_called_past_the_queue(page_of_gan: Served) -> None:
    for path in ("/gradio_api/info", "/gradio_api/openapi.json", "/docs", "/openapi.json"):
        assert page_of_gan.ask("GET", path)[0] == 404
    for path in ("/gradio_api/run/draw", "/gradio_api/call/draw", "/gradio_api/api/draw"):
        assert page_of_gan.ask("POST", path, b'{"data": []}')[0] == 404


def test_another_name_of_this_machine_is_refused(page_of_gan: Served) -> None:
    assert page_of_gan.ask("GET", "/", headers={"host": "evil.example"})[0] == 403


def test_the_server_listens_here_only(page_of_gan: Served) -> None:
    process = psutil.Process(page_of_gan.process.pid)
    listening = [each.laddr.ip for each in process.net_connections("inet") if not each.raddr]
    assert listening == ["127.0.0.1"]


WATCH = """
import sys

def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        with open({log!r}, "a") as log:
            print(event, arguments[-1] if event == "socket.connect" else arguments[0], file=log)

sys.addaudithook(watch)
open({log!r}, "a").close()
"""


@pytest.mark.promise(
    "The page is started in an environment that allows telemetry, and used",
    "The server looks up no name and connects to nothing but itself.",
)
def test_the_server_connects_to_nothing(runs: tuple[Path, Path], tmp_path: Path) -> None:
    log = tmp_path / "log"
    (tmp_path / "sitecustomize.py").write_text(WATCH.format(log=str(log)))
    asked = {"GRADIO_ANALYTICS_ENABLED": "True", "GRADIO_SHARE": "True", "HF_HUB_OFFLINE": "0"}
    with served(tmp_path, f"run={runs[0]}", PYTHONPATH=str(tmp_path), **asked) as page:
        assert page.ask("GET", "/")[0] == 200
        number = page.event("First seed", 6, "change")
        page.join(number, [0, 4, 0, *MANNER], "watched")
        assert page.outcome("watched")["success"] is True
        page.interrupted()
    assert [line for line in log.read_text().splitlines() if "127.0.0.1" not in line] == []


def test_ctrl_c_ends_it_quietly_and_nothing_is_left(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    with served(tmp_path, f"run={runs[0]}") as page:
        made = Path(uploaded(page, strange_files.good())).parents[2]
        assert made.name.startswith("darkroom-demo-")
        assert page.interrupted() == (0, "")
        assert not made.exists()
    assert list(tmp_path.iterdir()) == []
