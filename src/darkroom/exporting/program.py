"""to=program: what torch.export makes, to run where PyTorch is and darkroom is not."""

import json
from io import BytesIO
from typing import cast

import torch
from torch import nn

from darkroom.checkpoint import SavedRun
from darkroom.exporting.facts import Facts
from darkroom.exporting.graphs import Graph, graphs_of
from darkroom.exporting.parity import Parity, compared
from darkroom.exporting.shipment import Shipment
from darkroom.exporting.tracing import traced

METADATA = "metadata.json"


class Program:
    """A .pt2 file for each computation."""

    def packed(self, saved: SavedRun, facts: Facts) -> Shipment:
        files, parities, graphs = {}, [], graphs_of(saved.system)
        for graph in graphs:
            content = BytesIO()
            torch.export.save(
                traced(graph), content, extra_files={METADATA: json.dumps(facts.metadata)}
            )
            files[f"{graph.name}.pt2"] = content.getvalue()
            parities.append(_read_back(graph, content))
        return Shipment(files, _use(graphs), tuple(parities))


def _read_back(graph: Graph, content: BytesIO) -> Parity:
    content.seek(0)
    program = cast(nn.Module, torch.export.load(content).module())
    return compared(graph, lambda inputs: program(*inputs))


def _use(graphs: list[Graph]) -> str:
    lines = "\n".join(_line(graph) for graph in graphs)
    return f"""
With PyTorch alone, for any number of images. Load programs only from people whom you trust.

```python
import torch

{lines}
```

`pixels` are grey levels 0..255, [batch, height, width, channels]. What the files say of themselves
is a text within them, which `torch.export.load(..., extra_files={{"{METADATA}": ""}})` fills in.
"""


def _line(graph: Graph) -> str:
    given, back = ", ".join(graph.inputs), ", ".join(graph.outputs)
    comma = "," if len(graph.outputs) == 1 else ""
    return (
        f"# {graph.meaning}\n"
        f'{graph.name} = torch.export.load("{graph.name}.pt2").module()\n'
        f"{back}{comma} = {graph.name}({given})"
    )
