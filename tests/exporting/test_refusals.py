"""What cannot leave the house is refused before anything is written."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from darkroom.exporting import ONNX, Safetensors, extra, onnx
from darkroom.exporting.graphs import Graph, graphs_of
from darkroom.exporting.tracing import traced
from tests.commands import call
from tests.conftest import tiny_system


@pytest.mark.parametrize(
    ("verb", "arguments", "said"),
    [
        ("export", ["run=any", "to=pack"], "to=pack is for prepare.py. export.py takes to="),
        ("export", ["run=any", "to=zip"], "to=zip is for sample.py. export.py takes to=hub, onnx"),
        ("prepare", ["data.root=.", "to=onnx"], "to=onnx is for export.py. prepare.py takes to="),
        ("sample", ["run=any", "to=hub"], "to=hub is for export.py. sample.py takes to="),
        ("export", [], "run is not set. Type run=<value>."),
    ],
)
def test_a_refusal_says_what_to_type(
    tmp_path: Path, verb: str, arguments: list[str], said: str
) -> None:
    done = call(tmp_path, verb, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", [ONNX, Safetensors])
@pytest.mark.promise(
    "a library that exporting needs is not installed",
    "The extra to install is named, before the run is read.",
)
def test_a_missing_library_is_named(form: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs `pip install -e '\.\[export\]'`: there is no"):
        form()


def test_a_number_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match=r"to\.most_positions=-1: type a number from 0 on"):
        ONNX(most_positions=-1)


class Undecided(nn.Module):
    """A network whose way depends on its numbers."""

    def forward(self, latents: Tensor) -> tuple[Tensor, ...]:
        return (latents if latents.sum() > 0 else -latents,)


class Eigenvalues(nn.Module):
    """A network that ONNX has no words for."""

    def forward(self, latents: Tensor) -> tuple[Tensor, ...]:
        return (torch.linalg.eigvals(latents[:, :, None] * latents[:, None]).abs(),)


@pytest.fixture
def graph() -> Graph:
    generator = graphs_of(tiny_system("gan").eval())[0]
    return replace(generator, outputs=("images",), network=Undecided())


def test_a_network_that_torch_cannot_follow_is_named(graph: Graph) -> None:
    with pytest.raises(ValueError, match=r"torch\.export cannot follow the generator: .* Type to="):
        traced(graph)


def test_a_network_that_onnx_has_no_words_for_is_named(graph: Graph) -> None:
    with pytest.raises(ValueError, match=r"ONNX cannot say what the generator does: .* to=program"):
        onnx._converted(replace(graph, network=Eigenvalues()), {})


def test_a_program_of_one_piece_has_an_end(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx, "LARGEST", 10)
    with pytest.raises(ValueError, match="more than an ONNX file of one piece can hold"):
        onnx._converted(replace(graph, network=Twice()), {})


class Twice(nn.Module):
    def forward(self, latents: Tensor) -> tuple[Tensor, ...]:
        return (2 * latents,)
