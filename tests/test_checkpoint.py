"""What is saved comes back; what is damaged, foreign or hostile does not get in."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from darkroom import checkpoint
from tests.saved import saved, small


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    return small()


class Hostile:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


def test_a_system_comes_back_with_its_weights_and_its_clock(
    content: dict[str, Any], tmp_path: Path
) -> None:
    saved(tmp_path, content)
    run = checkpoint.load(tmp_path)
    weights = run.system.state_dict()
    assert weights.keys() == content["state_dict"].keys()
    for name, value in content["state_dict"].items():
        assert not torch.is_tensor(value) or torch.equal(weights[name], value), name
    assert (run.images_seen, run.system.images_seen, run.system.training) == (48, 48, False)


def test_a_save_that_fails_leaves_the_last_checkpoint_whole(tmp_path: Path) -> None:
    before = {"config": "before", "images_seen": 16}
    path = saved(tmp_path, before)
    with pytest.raises(Exception, match="pickle"):
        saved(tmp_path, {"config": "after", "cannot be saved": lambda: None})
    assert checkpoint.read(path) == before
    assert [each.name for each in path.parent.iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
@pytest.mark.promise("A checkpoint is cut off", "It is refused by its path.")
def test_a_damaged_file_is_refused(share: float, content: dict[str, Any], tmp_path: Path) -> None:
    path = saved(tmp_path, content)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
        checkpoint.load(tmp_path)


@pytest.mark.promise(
    "A checkpoint holds a pickle that runs code", "It is refused, and nothing runs."
)
def test_a_checkpoint_never_runs_code(content: dict[str, Any], tmp_path: Path) -> None:
    saved(tmp_path, content | {"hostile": Hostile(tmp_path / "trace")})
    with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
        checkpoint.load(tmp_path)
    assert not (tmp_path / "trace").exists()


@pytest.mark.promise(
    "torch's protection is switched off by an environment variable",
    "Nothing is loaded until it is unset.",
)
def test_torchs_protection_cannot_be_switched_off(
    content: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(tmp_path, content)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(ValueError, match="Unset it"):
        checkpoint.load(tmp_path)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"config": "seed: 1"}, "data is not set"),
        ({"config": "nonsense: 1"}, "The config cannot be read"),
        ({"config": "{"}, "The config cannot be read"),
    ],
)
def test_a_config_within_a_checkpoint_is_checked_like_any_other(
    changed: dict[str, Any], said: str, content: dict[str, Any], tmp_path: Path
) -> None:
    saved(tmp_path, content | changed)
    with pytest.raises(ValueError, match=said):
        checkpoint.load(tmp_path)


@pytest.mark.promise("A config inside a checkpoint names os.system", "It is refused by name.")
def test_a_config_within_a_checkpoint_can_name_only_allowed_classes(
    content: dict[str, Any], tmp_path: Path
) -> None:
    hostile = content["config"].replace("darkroom.objectives.NonSaturating", "os.system")
    assert hostile != content["config"]
    saved(tmp_path, content | {"config": hostile})
    with pytest.raises(ValueError, match=re.escape("model.objective._target_=os.system")):
        checkpoint.load(tmp_path)


@pytest.mark.promise("A checkpoint holds weights of another architecture", "They are refused.")
def test_weights_of_another_architecture_are_refused(
    content: dict[str, Any], tmp_path: Path
) -> None:
    wider = content["config"].replace("width: 2", "width: 3")
    saved(tmp_path, content | {"config": wider})
    with pytest.raises(ValueError, match="holds another architecture"):
        checkpoint.load(tmp_path)


def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    saved(tmp_path, {"state_dict": {}})
    with pytest.raises(ValueError, match="darkroom did not write it"):
        checkpoint.load(tmp_path)


@pytest.mark.promise(
    "The newest checkpoint is cut off, or a bit of it is flipped",
    "The one before it is used, and both are named.",
)
@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_one_is_replaced_by_the_one_before(damage, content, tmp_path, capsys) -> None:
    saved(tmp_path, content)
    last = saved(tmp_path, content | {"images_seen": 96})
    whole = bytearray(last.read_bytes())
    if damage == "cut":
        whole = whole[: len(whole) // 2]
    else:
        weight = content["state_dict"]["generator.layers.0.weight"]
        whole[whole.index(bytes(weight.untyped_storage())) + 9] ^= 1
    last.write_bytes(whole)
    run = checkpoint.load(tmp_path)
    assert (run.path.name, run.images_seen) == ("previous.ckpt", 48)
    said = capsys.readouterr().err
    assert f"{last} cannot be read as a checkpoint" in said
    assert f"{run.path}, 48 images" in said


@pytest.mark.promise(
    "SIGKILL between the two renames of a save", "The checkpoint before it is used."
)
def test_between_two_renames_the_one_before_is_used(content, tmp_path) -> None:
    saved(tmp_path, content).rename(tmp_path / "checkpoints" / "previous.ckpt")
    assert checkpoint.load(tmp_path).images_seen == 48
