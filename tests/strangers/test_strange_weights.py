"""Files of weights and of data: what is pickled in them does not run, and every reader says so."""

import ast
import io
import pickle
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from darkroom import checkpoint
from darkroom.data import CIFAR10
from darkroom.metrics.features import weights
from tests.strangers.traps import Trap

SRC = Path(__file__).parents[2] / "src" / "darkroom"


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """What is not there as long as no attack succeeds."""
    return tmp_path / "trace"


# --- checkpoints


def as_torch(content: dict[str, Any], path: Path) -> None:
    torch.save(content, path)


def as_torch_did_before_1_6(content: dict[str, Any], path: Path) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=False)


def as_bare_pickle(content: dict[str, Any], path: Path) -> None:
    path.write_bytes(pickle.dumps(content))


def as_torch_did_before_0_1_10(content: dict[str, Any], path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        for name in ("sys_info", "pickle", "tensors", "storages"):
            member = tarfile.TarInfo(name)
            member.size = len(pickle.dumps(content))
            archive.addfile(member, io.BytesIO(pickle.dumps(content)))


FORMS = (as_torch, as_torch_did_before_1_6, as_bare_pickle, as_torch_did_before_0_1_10)


@pytest.mark.promise(
    "a checkpoint in any of torch's formats holds a pickle that runs code",
    "it is refused, the file is named, and nothing runs",
)
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
@pytest.mark.parametrize("place", ["config", "state_dict", "hyper_parameters", "callbacks"])
def test_no_pickle_of_a_checkpoint_runs(
    form: Callable[[dict[str, Any], Path], None], place: str, trace: Path, tmp_path: Path
) -> None:
    path = tmp_path / "last.ckpt"
    form({"config": "", "state_dict": {}, "images_seen": 0, place: {"deep": [Trap(trace)]}}, path)
    with pytest.raises(ValueError, match=r"last\.ckpt cannot be read as a checkpoint"):
        checkpoint.read(path)
    assert not trace.exists()


@pytest.mark.parametrize("value", ["1", "y", "yes", "true"])
def test_the_switch_that_lets_checkpoints_run_code_is_refused(
    value: str, trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "last.ckpt"
    torch.save({"config": "", "images_seen": 0, "x": Trap(trace)}, path)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", value)
    with pytest.warns(match="forcing weights_only=False"):
        torch.load(path)  # it is real
    assert trace.exists()
    trace.unlink()
    with pytest.raises(ValueError, match="TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"):
        checkpoint.read(path)
    assert not trace.exists()


# --- weights of feature networks, and data sets


@pytest.mark.promise(
    "a file of a feature network's weights holds code, and torch's protection is switched off",
    "it is refused, and nothing runs",
)
def test_weights_of_features_run_nothing_even_if_protection_is_switched_off(
    trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"weight": Trap(trace)}, path)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(ValueError, match=r"features\.weights=.*does not hold plain weights"):
        weights.tensors(path.read_bytes(), path, "features.weights")
    assert not trace.exists()


@pytest.mark.parametrize("content", [b"", b"\x80", b"PK\3\4", b"no weights", bytes(1000)])
def test_what_is_no_file_of_weights_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not hold plain weights"):
        weights.tensors(content, tmp_path / "weights.pth", "features.weights")


@pytest.mark.parametrize(
    "held", [[1, 2], "text", 3.5, torch.zeros(3), {"a": 1}, {1: torch.ones(1)}]
)
def test_weights_are_tensors_by_name(held: Any, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(held, path)
    with pytest.raises(ValueError, match="does not hold plain weights"):
        weights.tensors(path.read_bytes(), path, "features.weights")


@pytest.mark.promise(
    "a batch of CIFAR-10, which is a pickle, was replaced by one that runs code",
    "it is not the published file, so it is not read",
)
def test_a_forged_batch_of_cifar10_is_not_unpickled(trace: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch", "batches.meta"):
        (folder / name).write_bytes(pickle.dumps(Trap(trace)))
    with pytest.raises(ValueError, match="CIFAR10 is not there"):
        CIFAR10(str(tmp_path), resolution=32, channels=3).load()
    assert not trace.exists()


# --- every place that reads

GUARDED = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
}
NEVER = (
    "pickle.load", "pickle.loads", "pickle.Unpickler", "joblib.load", "cloudpickle.load",
    "torch.hub.load", "torch.jit.load", "torch.package.PackageImporter", "yaml.load",
    "yaml.unsafe_load", "yaml.full_load", "eval", "exec", "os.system", "marshal.loads",
    "shelve.open", "runpy.run_path", "importlib.import_module",
)  # fmt: skip


def unguarded(source: str) -> Iterator[str]:
    """Calls that can run what is in a file: without their guard, or at all."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module in {"pickle", "marshal", "shelve"}:
            names = {alias.name for alias in node.names}
            yield from (f"{node.module}.{name}" for name in names)
        if isinstance(node, ast.ImportFrom) and node.module in {"torch", "numpy", "joblib"}:
            yield from (f"{node.module}.{a.name}" for a in node.names if a.name == "load")
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if name in NEVER or name.endswith((".load_from_checkpoint", ".unsafe_load")):
            yield name
        if name in GUARDED:
            guard, value = GUARDED[name]
            if given.get(guard) != str(value):
                yield name
        if name == "yaml.parse" and given.get("Loader") != "yaml.SafeLoader":
            yield name


def test_every_reader_of_arrays_and_weights_is_guarded() -> None:
    found = {path.name: [*unguarded(path.read_text())] for path in SRC.rglob("*.py")}
    # the command `darkroom` becomes the script of a verb, which it has looked up among its own
    assert {name: calls for name, calls in found.items() if calls} == {"cli.py": ["runpy.run_path"]}


@pytest.mark.parametrize(
    "source",
    [
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=safe)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "joblib.load(path)",
        "pickle.loads(content)",
        "from pickle import loads",
        "from torch import load",
        "GAN.load_from_checkpoint(path)",
        "yaml.load(text, Loader=yaml.Loader)",
        "eval(text)",
    ],
)
def test_a_planted_reader_is_found(source: str) -> None:
    assert [*unguarded(source)]
