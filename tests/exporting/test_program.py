"""What leaves as a program of torch.export is the model, to the last bit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from darkroom import checkpoint
from darkroom.exporting.graphs import graphs_of
from tests.commands import ROOT
from tests.exporting.elsewhere import runs_exported

pytestmark = pytest.mark.slow

MODELS = {
    "gan": ("model=gan",),
    "sigma_vae": ("model=sigma_vae", "data.num_classes=3"),
    "vq_vae": ("model=vq_vae", "model.network.downsampling=8"),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs_exported(tmp_path_factory.mktemp("runs"), "program", MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_a_program_gives_the_models_images_for_any_number_of_them(runs: Path, name: str) -> None:
    for graph in graphs_of(checkpoint.load(runs / name).system):
        told = {"metadata.json": ""}
        path = runs / name / "exported" / "program" / f"{graph.name}.pt2"
        program = torch.export.load(path, extra_files=told).module()
        assert '"latent_dim"' in told["metadata.json"]
        for batch in (1, 5, 33):
            inputs = graph.example(batch)
            for mine, theirs in zip(graph.reference(*inputs), program(*inputs), strict=True):
                torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=0)


def test_keras_runs_a_program_as_the_documentation_says(runs: Path, monkeypatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.setenv("KERAS_HOME", str(runs))
    pytest.importorskip("keras")
    text = (ROOT / "docs" / "shipping.md").read_text()
    (lines,) = (block for block in text.split("```python\n")[1:] if "keras" in block)
    monkeypatch.chdir(runs / "gan" / "exported" / "program")
    system = checkpoint.load(runs / "gan").system
    told: dict[str, Any] = {}
    exec(lines.partition("```")[0].replace("100", str(system.latent_dim)), told)
    latents = told["keras"].random.normal((16, system.latent_dim), seed=0)
    with torch.no_grad():
        assert np.array_equal(told["images"], system(latents.cpu()).numpy())
