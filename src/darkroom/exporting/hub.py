"""to=hub: a folder as the Hugging Face Hub takes it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import yaml

from darkroom.checkpoint import SavedRun
from darkroom.evaluation.record import Evaluation
from darkroom.evaluation.wording import label_of
from darkroom.exporting.card import PICTURE, finite
from darkroom.exporting.facts import Facts
from darkroom.exporting.safetensors import Safetensors
from darkroom.exporting.shipment import Shipment
from darkroom.provenance.origin import SAMPLES, Origin, png
from darkroom.sampling import Samples, no_images

BATCH_SIZE = 64
TASK = "unconditional-image-generation"

UPLOAD = """
To publish this folder: fill in what is marked, read the rest, and type
`hf upload <you>/<name> <this folder>`.
"""


class Hub(Safetensors):
    """The safetensors, a picture, and a model card whose first lines the Hub reads."""

    def packed(self, saved: SavedRun, facts: Facts) -> Shipment:
        shipment = super().packed(saved, facts)
        return replace(
            shipment,
            files={**shipment.files, PICTURE: _picture(saved)},
            use=shipment.use + UPLOAD,
            header=header(facts),
        )


def header(facts: Facts) -> str:
    """The YAML between two lines of dashes; `license` is to be filled in."""
    kind = "vae" if "network" in facts.parts else "gan"
    tree: dict[str, Any] = {
        "library_name": "darkroom",
        "pipeline_tag": TASK,
        "tags": ["darkroom", "pytorch", "image-generation", kind],
        "license": "other",
        "license_name": "fill-in",
    }
    if facts.dataset:
        tree["datasets"] = [facts.dataset]
    results = [result for each in facts.evaluations for result in _results(each, facts)]
    if results:
        tree["model-index"] = [{"name": facts.run, "results": results}]
    return f"---\n{yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)}---\n"


def _results(evaluation: Evaluation, facts: Facts) -> Iterator[dict[str, Any]]:
    """What was measured, each number with the protocol that it was measured by."""
    protocol = evaluation.protocol
    arguments = {
        "features": protocol.instrument.name,
        "form": protocol.instrument.form,
        "weights": protocol.instrument.weights,
        "samples": protocol.samples,
        "reference": protocol.reference,
        "fingerprint": protocol.data,
    }
    metrics = [
        {"type": name, "name": label_of(name), "value": number.value, "args": arguments}
        for name, number in {**evaluation.numbers, **evaluation.latents}.items()
        if finite(number.value) is not None
    ]
    if metrics:
        yield {
            "task": {"type": TASK, "name": "Image generation"},
            "dataset": {
                "name": facts.data,
                "type": facts.dataset or "own",
                "split": protocol.split,
            },
            "metrics": metrics,
        }


def _picture(saved: SavedRun) -> bytes:
    """The images of the first seeds, not chosen, as sample.py draws them; it says what made it."""
    samples = Samples(64)
    sheet = samples(saved.system, no_images, BATCH_SIZE)
    draw = {"_target_": SAMPLES, "n": samples.n, "first_seed": samples.first_seed}
    return png(sheet.grid, Origin.of(saved, draw, batch_size=BATCH_SIZE))
