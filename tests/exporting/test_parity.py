"""An exported computation is compared with the model, number by number."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from darkroom.exporting.graphs import Graph, Values, graphs_of
from darkroom.exporting.parity import BATCHES, TOLERANCE, compared
from tests.conftest import tiny_system


@pytest.fixture
def graph() -> Graph:
    return graphs_of(tiny_system("gan").eval())[0]


def exact(graph: Graph, inputs: Values) -> list[Tensor]:
    return [each.clone() for each in graph.reference(*inputs)]


def test_the_same_is_the_same(graph: Graph) -> None:
    parity = compared(graph, lambda inputs: graph.network(*inputs))
    assert (parity.images, parity.largest, parity.beyond) == (sum(BATCHES), 0.0, 0)


@pytest.mark.parametrize("wrong", [2 * TOLERANCE, math.nan])
@pytest.mark.promise(
    "one number of one exported image is wrong, or is none",
    "The export is refused.",
)
def test_one_wrong_number_is_enough(graph: Graph, wrong: float) -> None:
    def exported(inputs: Values) -> list[Tensor]:
        images, pixels = exact(graph, inputs)
        if len(images) == 7:
            images[3, 0, 2, 1] += wrong
        return [images, pixels]

    with pytest.raises(ValueError, match=f"generator is not the model: 1 of {sum(BATCHES)} images"):
        compared(graph, exported)


def test_a_level_is_within_rounding_and_two_are_not(graph: Graph) -> None:
    def darker(levels: int) -> list[Tensor]:
        images, pixels = exact(graph, graph.example(7))
        return [images, pixels.clamp(min=levels) - levels]

    for levels in (1, 2):

        def exported(inputs: Values, by: int = levels) -> list[Tensor]:
            return darker(by) if len(inputs[0]) == 7 else exact(graph, inputs)

        if levels == 1:
            assert compared(graph, exported).largest == 0
        else:
            with pytest.raises(ValueError, match="is not the model"):
                compared(graph, exported)


def test_where_numbers_are_rounded_to_codes_one_image_in_fifty_may_have_another(
    graph: Graph,
) -> None:
    def exported(inputs: Values) -> list[Tensor]:
        images, pixels = exact(graph, inputs)
        images[:changed] += 0.5 * (len(images) == BATCHES[-1])
        return [images, pixels]

    stepped = replace(graph, is_stepped=True)
    changed = 1
    assert compared(stepped, exported).beyond == 1
    assert "1 of 74 by a code" in str(compared(stepped, exported))
    changed = 2
    with pytest.raises(ValueError, match="2 of 74 images differ"):
        compared(stepped, exported)


def test_another_type_or_shape_is_refused(graph: Graph) -> None:
    with pytest.raises(ValueError, match=r"torch.float64 \[1, 1, 16, 16\] in the place of"):
        compared(graph, lambda inputs: [exact(graph, inputs)[0].double(), torch.zeros(1)])
