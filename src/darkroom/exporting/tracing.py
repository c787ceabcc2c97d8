"""A computation as torch.export sees it: a graph of operations, for any number of images."""

import warnings

import torch
from torch.export import Dim, ExportedProgram

from darkroom.exporting.graphs import Graph

EXAMPLE = 3  # images; 1 could be taken for a number that is always 1


def traced(graph: Graph) -> ExportedProgram:
    """The program of a graph, whose batch may have any size.

    Raises:
        ValueError: If torch cannot follow the computation.
    """
    batch = Dim("batch")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about torch's own ways
            # strict: only so does len() of a batch stay a symbol
            return torch.export.export(
                graph.network,
                graph.example(EXAMPLE),
                dynamic_shapes={name: {0: batch} for name in graph.inputs},
                strict=True,
            )
    except RuntimeError as error:
        raise ValueError(
            f"torch.export cannot follow the {graph.name}: {first_line(error)} Type to=safetensors."
        ) from error


def first_line(error: Exception) -> str:
    """What torch says before it explains itself."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), repr(error))
