"""What a run has cost, and what its images cost."""

import time
from collections.abc import Mapping
from itertools import islice

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from darkroom.curves import Curve
from darkroom.evaluation.subject import Samples
from darkroom.sampling import labels_of, latents_of
from darkroom.systems import System

TIMED = 8  # chunks of samples
STEADY = 4  # points of quality that a spread needs at least


def cost_of(
    system: System, curves: Mapping[str, Curve], batch_size: int, quality: str = "quality/"
) -> dict[str, float]:
    """Costs by name; what a run did not log is absent.

    Args:
        system: The trained system, on the device that samples.
        curves: What the run has logged.
        batch_size: Samples computed at once.
        quality: How the name of the quality series begins.

    Returns:
        `training_seconds`, `training_images`, `training_images_per_second`,
        `training_peak_memory_mib`, `trained_parameters`; `flops_per_sample` and
        `sampling_images_per_second` on this machine; and `stability`, the spread of the quality
        over the last third of the run relative to its median, where lower is steadier.
    """
    curves = {name: curve.finite for name, curve in curves.items() if len(curve.finite)}
    costs: dict[str, float] = {"training_images": float(system.images_seen)}
    logged = {
        "training_seconds": "throughput/seconds",
        "training_peak_memory_mib": "throughput/peak_memory_mib",
    }
    costs |= {name: float(curves[k].values[-1]) for name, k in logged.items() if k in curves}
    if "throughput/images_per_second" in curves:
        speed = float(np.median(curves["throughput/images_per_second"].values))
        costs["training_images_per_second"] = speed
        costs.setdefault("training_seconds", system.images_seen / speed)
    trained = [p for part in system.trained_parts() for p in part.parameters()]
    costs["trained_parameters"] = float(sum(p.numel() for p in trained))
    costs["flops_per_sample"] = _flops(system, batch_size)
    costs["sampling_images_per_second"] = _speed(Samples(system, 10**6, 0, batch_size))
    measured = next((curve for name, curve in curves.items() if name.startswith(quality)), None)
    if measured is not None and len(last := measured.tail(1 / 3)) >= STEADY:
        centre = float(np.median(last.values))
        if centre > 0:
            costs["stability"] = float(last.values.std()) / centre
    return costs


@torch.inference_mode()
def _flops(system: System, batch_size: int) -> float:
    """Floating-point operations for one sample; a product that is added on counts as two."""
    with FlopCounterMode(display=False) as counter:
        seeds = range(batch_size)
        system(latents_of(seeds, system.latent_dim), labels_of(seeds, system))
    return counter.get_total_flops() / batch_size


def _speed(samples: Samples) -> float:
    """Images per second from latents to pixels on the CPU."""
    stream = samples.batches()
    next(stream)  # memory is taken, kernels are chosen
    began = time.perf_counter()
    images = sum(len(pixels) for pixels in islice(stream, TIMED))
    return images / (time.perf_counter() - began)
