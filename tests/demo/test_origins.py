"""What was taken from the page is drawn again by verify.py, bit for bit."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as transforms

from darkroom import config
from darkroom.demo.downloads import Shelf
from darkroom.demo.handlers import Handlers
from darkroom.provenance import origin
from darkroom.provenance.certificates import CERTIFICATE, KEY, ROOT, make_test_chain
from darkroom.provenance.credentials import Signer, State, check
from darkroom.verbs import demo as verbs_demo
from darkroom.verbs.redrawing import AbsentError, Redrawer
from tests.composed import composed
from tests.demo.explored import AS_TYPED, explorer

pytestmark = pytest.mark.slow


def opened(run: Path, folder: Path) -> Handlers:
    tree = composed("demo", f"run={run}")
    config.check(tree)
    explorers, _ = verbs_demo.opened(tree)
    return Handlers(explorers, Shelf(folder))


@pytest.mark.parametrize(
    ("place", "manner"),
    [
        (0, (4.0, "any", "learned")),
        (0, (1.5, "7", "learned")),
        (1, (4.0, "any", "learned")),
        (1, (2.0, "any", "standard")),
    ],
    ids=["gan", "class and truncation", "vae", "standard prior"],
)
def test_a_sample_is_drawn_again(
    runs: tuple[Path, Path], tmp_path: Path, place: int, manner: tuple[float, str, str]
) -> None:
    handlers = opened(runs[place], tmp_path)
    (path,) = handlers.chosen(5, handlers.manner(*manner)).files
    claim = origin.read(Path(str(path)))
    assert claim is not None
    redrawn = Redrawer(str(runs[place]), None, "cpu")(claim)
    with Image.open(str(path)) as image:
        assert torch.equal(transforms.pil_to_tensor(image), redrawn.picture)
    assert redrawn.is_claimed


def test_what_is_taken_away_is_signed_where_that_is_asked_for(tmp_path: Path) -> None:
    make_test_chain(tmp_path / "keys")
    signer = Signer(*(str(tmp_path / "keys" / name) for name in (CERTIFICATE, KEY)))
    handlers = Handlers([explorer("gan")], Shelf(tmp_path / "shelf"), signer)
    manner = handlers.manner(*AS_TYPED)
    _, strip = handlers.walk(1, 2, 3, manner).files
    for path in (*handlers.chosen(5, manner).files, strip):
        signature = check(Path(str(path)).read_bytes(), (tmp_path / "keys" / ROOT).read_text())
        assert signature.state is State.TRUSTED


def test_of_an_edit_the_run_is_known_and_not_more(runs: tuple[Path, Path], tmp_path: Path) -> None:
    handlers = opened(runs[0], tmp_path)
    edit = handlers.begun(5, handlers.manner(4.0, "any", "learned"))
    (path,) = handlers.edited(handlers.moved(edit, "Directions 1-6", [1, 0, 0, 0, 0, 0])).files
    claim = origin.read(Path(str(path)))
    assert claim is not None
    assert claim.run == runs[0].name
    with pytest.raises(AbsentError, match=r"no drawing of sample\.py"):
        Redrawer(str(runs[0]), None, "cpu")(claim)
