"""to=onnx: what runs nearly everywhere: in browsers, game engines, C++, C#, on phones."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from darkroom.checkpoint import SavedRun
from darkroom.exporting.extra import needed
from darkroom.exporting.facts import Facts
from darkroom.exporting.graphs import Graph, Values, graphs_of
from darkroom.exporting.parity import Parity, compared
from darkroom.exporting.shipment import Shipment
from darkroom.exporting.tracing import first_line, traced

LARGEST = 2_000_000_000  # bytes; a protocol buffer ends at 2 GiB


class ONNX:
    """An .onnx file for each computation, weights included, for any number of images.

    Args:
        most_positions: Codes that may be drawn one after another. ONNX has no such loop that torch
            could write, so each is a copy of the prior's transformer: its file and the time to
            write it grow with their number, and more than so many are left out.

    Raises:
        ValueError: If the number makes no sense, or the extra is not installed.
    """

    def __init__(self, most_positions: int = 16) -> None:
        if most_positions < 0:
            raise ValueError(f"to.most_positions={most_positions}: type a number from 0 on.")
        needed("to=onnx", "onnx", "onnxruntime", "onnxscript")
        self.most_positions = most_positions

    def packed(self, saved: SavedRun, facts: Facts) -> Shipment:
        files, parities, written, left_out = {}, [], [], []
        for graph in graphs_of(saved.system):
            if graph.positions > self.most_positions:
                left_out.append(_too_long(graph, self.most_positions))
                continue
            content = _converted(graph, facts.metadata)
            parities.append(_run(graph, content))
            files[f"{graph.name}.onnx"] = content
            written.append(graph)
        return Shipment(files, _use(written, facts), tuple(parities), tuple(left_out))


def _converted(graph: Graph, metadata: dict[str, str]) -> bytes:
    try:
        program = torch.onnx.export(
            traced(graph),
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            dynamo=True,
            verbose=False,
            custom_translation_table={torch.ops.aten.erf.default: _erf()},
        )
    except RuntimeError as error:
        raise ValueError(
            f"ONNX cannot say what the {graph.name} does: {first_line(error)} Type to=program."
        ) from error
    assert program is not None, "torch returns a program if it is given no path"
    proto = program.model_proto
    del proto.graph.value_info[:]  # sizes within, named by symbols that converters stumble over
    for tensor in (*proto.graph.input, *proto.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "batch"
    for key, value in metadata.items():
        proto.metadata_props.add(key=key, value=value)
    if proto.ByteSize() > LARGEST:
        raise ValueError(
            f"The {graph.name} has {proto.ByteSize():,} bytes: more than an ONNX file of one piece "
            "can hold. Type to=program."
        )
    content: bytes = proto.SerializeToString()
    return content


def _erf() -> Callable[..., Any]:
    """The error function in single precision, as onnxruntime has it, whatever is asked for."""
    from onnxscript import opset18

    op: Any = opset18  # its own types fit what is written in its own language

    def erf(self: Any) -> Any:
        return op.CastLike(op.Erf(op.Cast(self, to=1)), self)

    return erf


def _run(graph: Graph, content: bytes) -> Parity:
    from onnxruntime import InferenceSession

    session = InferenceSession(content, providers=["CPUExecutionProvider"])

    def exported(inputs: Values) -> Sequence[Tensor]:
        named = dict(zip(graph.inputs, (each.numpy() for each in inputs), strict=True))
        return [torch.from_numpy(each) for each in session.run(list(graph.outputs), named)]

    return compared(graph, exported)


def _too_long(graph: Graph, most: int) -> str:
    return (
        f"{graph.name}.onnx: its prior draws {graph.positions} codes, each given those before it, "
        f"and more than {most} copies of its transformer would be written. "
        f"`to.most_positions={graph.positions}` writes them all the same; to=program does as well."
    )


def _use(graphs: list[Graph], facts: Facts) -> str:
    meanings = "\n".join(
        f"- `{graph.name}.onnx`: {', '.join(graph.inputs)} to {', '.join(graph.outputs)}. "
        f"{graph.meaning}"
        for graph in graphs
    )
    return f"""
{meanings}

All take any number of images. `latents` and `images` are float32, `images` [batch, channels,
height, width] in -1..1, `labels` int64, and `pixels` grey levels 0..255 of 8 bits, [batch, height,
width, channels]: to be shown as they are. The models' own metadata say the rest.
{"".join(_example(graph, facts) for graph in graphs[:1])}"""


def _example(graph: Graph, facts: Facts) -> str:
    given, back = graph.inputs[0], graph.outputs[-1]
    shape = (16, *(facts.size if given == "images" else (facts.latent_dim,)))
    labels = f', "labels": np.arange(16) % {len(facts.class_names)}' if facts.class_names else ""
    return f"""
```python
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("{graph.name}.onnx")
{given} = np.random.default_rng(0).standard_normal({shape}, dtype=np.float32)
({back},) = session.run(["{back}"], {{"{given}": {given}{labels}}})
```
"""
