"""prepare.py: inspects and packs images, and recommends a command."""

from collections.abc import Callable
from pathlib import Path

import torch
from omegaconf import DictConfig

from darkroom import config, inspection
from darkroom.advice import advise
from darkroom.data import ImageData, Packed
from darkroom.data.division import divide
from darkroom.findings import findings
from darkroom.probe import Estimate, probe
from darkroom.reports import Preparation, write_table


def prepare(
    composed: DictConfig,
    typed: list[str],
    model: str,
    train_config: Callable[[list[str]], DictConfig],
) -> None:
    """Packs images, says what they are, and recommends a command.

    Args:
        composed: A checked prepare config.
        typed: What was typed.
        model: Name of the model's config.
        train_config: Composes the config of train.py for overrides.
    """
    data, to = config.build(composed.data), config.build(composed.to)
    if not isinstance(data, Packed):
        raise ValueError(
            f"{type(data).__name__} comes prepared. Type data=folder data.root=<path>."
        )
    to.check(data)
    data.prepare_data()
    images = data.read()
    division = divide(len(images), data.validation, data.split_seed, images.splits, images.groups)
    found = inspection.inspect(images, division, data.left_out, data.listing.ignored)
    report = Path(composed.run_dir)
    report.mkdir(parents=True, exist_ok=True)
    table = report / "images.csv"
    write_table(table, images, found, data.known, data.pack.errors)
    prepared = to.take(data, images, found, typed, table)
    accelerated = torch.accelerator.is_available()
    advice = advise(found, prepared.overrides, model, accelerated, prepared.table)
    notable = list(findings(found, images.pack.reading, prepared.remedy))
    estimate = _estimate(train_config(advice.overrides), composed.probe)
    preparation = Preparation(data.origin, images, found, notable, advice, estimate)
    preparation.write(report)
    print(f"\n{preparation.text()}\n")
    print(f"report  {report / 'report.html'}")
    print(f"table   {table}{' (data.table=... takes it back, edited)' if data.takes_table else ''}")


def _estimate(recommended: DictConfig, seconds: float) -> Estimate | str:
    """What the recommended command would take; or why it would not run."""
    try:
        data: ImageData = config.build(recommended.data)
        data.setup()
        return probe(recommended, data, seconds) if seconds else "not timed"
    except (ValueError, torch.OutOfMemoryError) as error:
        return f"It would not run: {error}"
