"""What leaves as ONNX computes what the model computes, for any number of images."""

import json
from pathlib import Path

import onnx
import pytest
import torch
from onnxruntime import InferenceSession
from torch import Tensor

from darkroom import checkpoint, config
from darkroom.exporting.graphs import Graph, graphs_of
from darkroom.exporting.parity import TOLERANCE
from tests.exporting.elsewhere import WRONG, exported, runs_exported
from tests.exporting.exported import run_of

MODELS = {
    "gan": ("model=gan",),
    "gan-of-classes": ("model=gan", "data.num_classes=3"),
    "rpgan": ("model=rpgan",),
    "wgan_gp": ("model=wgan_gp",),
    "sngan": ("model=sngan", "data.resolution=[16,24]"),
    "r3gan": ("model=r3gan", "data.resolution=24", "data.channels=4"),
    "r3gan_medium": ("model=r3gan_medium", "data.num_classes=3"),
    "r3gan_paper": ("model=r3gan_paper",),
    "vae": ("model=vae",),
    "vae-of-logistics": ("model=vae", "model/likelihood=logistic_mixture"),
    "sigma_vae": ("model=sigma_vae",),
    "sigma_vae-of-classes": ("model=sigma_vae", "data.num_classes=3"),
    "sigma_vae-of-a-flow": ("model=sigma_vae", "model/prior=flow_matching"),
    "hierarchical_vae": ("model=hierarchical_vae", "data.num_classes=3"),
    "vae_gan": ("model=vae_gan", "init_from=any"),
    "vq_vae": ("model=vq_vae", "model.network.downsampling=8"),
    "vq_vae-of-classes": ("model=vq_vae", "model.network.downsampling=8", "data.num_classes=3"),
    "vq_vae-of-many-codes": ("model=vq_vae", "model.network.downsampling=2"),
}
BATCHES = (1, 5, 33)  # others than were compared when it was written

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all runs, each exported."""
    return runs_exported(tmp_path_factory.mktemp("runs"), "onnx", MODELS)


def graphs(run: Path) -> list[Graph]:
    return graphs_of(checkpoint.load(run).system)


def outputs(path: Path, graph: Graph, inputs: tuple[Tensor, ...]) -> list[Tensor]:
    session = InferenceSession(path, providers=["CPUExecutionProvider"])
    named = dict(zip(graph.inputs, (each.numpy() for each in inputs), strict=True))
    return [torch.from_numpy(each) for each in session.run(list(graph.outputs), named)]


@pytest.mark.parametrize("name", [name for name in MODELS if name != "vq_vae-of-many-codes"])
def test_every_model_computes_the_same_elsewhere(runs: Path, name: str) -> None:
    folder = runs / name / "exported" / "onnx"
    expected = graphs(runs / name)
    assert sorted(path.stem for path in folder.glob("*.onnx")) == sorted(g.name for g in expected)
    for graph in expected:
        for batch in BATCHES:
            inputs = graph.example(batch)
            mine = graph.reference(*inputs)
            theirs = outputs(folder / f"{graph.name}.onnx", graph, inputs)
            for a, b in zip(mine, theirs, strict=True):
                assert a.dtype == b.dtype
                within = 1 if a.dtype == torch.uint8 else TOLERANCE * max(1, float(a.abs().max()))
                torch.testing.assert_close(a.double(), b.double(), atol=within, rtol=0)


def test_different_latents_give_different_images(runs: Path) -> None:
    for name in MODELS.keys() - {"vq_vae-of-many-codes"}:
        graph = graphs(runs / name)[0]
        path = runs / name / "exported" / "onnx" / "generator.onnx"
        images, pixels = outputs(path, graph, graph.example(5))
        assert (images[0] - images[3]).abs().max() > 10 * TOLERANCE
        assert pixels.shape == (5, *images.shape[2:], images.shape[1])


def test_the_file_says_what_it_is(runs: Path) -> None:
    model = onnx.load(runs / "gan-of-classes" / "exported" / "onnx" / "generator.onnx")
    told = {entry.key: entry.value for entry in model.metadata_props}
    assert told["latent_dim"] == str(checkpoint.load(runs / "gan-of-classes").system.latent_dim)
    assert config.problems(config.parse(told["config"])) == []
    names = [put.name for put in model.graph.input]
    assert names == ["latents", "labels"]
    assert [out.name for out in model.graph.output] == ["images", "pixels"]
    first = model.graph.input[0].type.tensor_type.shape.dim[0]
    assert first.dim_param == "batch"


def test_the_card_has_the_measured_difference(runs: Path) -> None:
    card = (runs / "sigma_vae" / "exported" / "onnx" / "README.md").read_text()
    for name in ("generator", "encoder", "decoder"):
        assert f"- {name}: largest difference" in card


def test_more_codes_than_fit_are_left_out_and_the_card_says_why(runs: Path) -> None:
    folder = runs / "vq_vae-of-many-codes" / "exported" / "onnx"
    assert {path.stem for path in folder.glob("*.onnx")} == {"encoder", "decoder"}
    card = (folder / "README.md").read_text()
    assert "generator.onnx: its prior draws 64 codes" in card
    assert json.loads((folder / "config.json").read_text())["files"].keys() == {
        "encoder.onnx",
        "decoder.onnx",
    }


@pytest.mark.promise(
    "an exported ONNX file computes something else than the model",
    "Nothing is written, and the difference is named.",
)
def test_what_differs_is_not_written(tmp_path: Path) -> None:
    run = run_of(tmp_path, "model=gan")
    done = exported(f"{WRONG}onnx@{run}")
    assert done.returncode != 0
    assert "The exported generator is not the model" in done.stderr
    assert not (run / "exported").exists()
