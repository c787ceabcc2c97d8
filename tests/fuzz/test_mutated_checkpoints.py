"""A checkpoint with something wrong in it is what was saved, to the last bit, or refused."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given

from darkroom import checkpoint
from tests.fuzz.mutations import bounded, few_or_many, mutated


def content() -> dict[str, Any]:
    """What a checkpoint holds, but small."""
    generator = torch.Generator().manual_seed(0)
    weights = {f"layers.{k}.weight": torch.randn(3, 5, generator=generator) for k in range(3)}
    return {
        "config": "seed: 1\n",
        "images_seen": 48,
        "state_dict": weights | {"steps": torch.tensor(7), "averaged._extra_state": 48},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(5, dtype=torch.bfloat16)}}}],
        "callbacks": {"best": math.pi, "none": None, "names": ["a", "b"]},
    }


def same(one: Any, other: Any) -> bool:
    if torch.is_tensor(one):
        return torch.is_tensor(other) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and list(one) == list(other)
            and all(same(value, other[key]) for key, value in one.items())
        )
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


@pytest.mark.promise(
    "bytes of a checkpoint are flipped, cut, put in, taken out or swapped",
    "it is refused and the file is named, or what it held is there to the last bit",
)
@few_or_many(200, 2000)
def test_a_mutated_checkpoint_is_refused_or_holds_what_was_saved(
    examples: int, tmp_path: Path
) -> None:
    path, expected = tmp_path / "last.ckpt", content()
    torch.save(expected, path)
    whole, refused = path.read_bytes(), []
    assert same(checkpoint.read(path), expected)

    @bounded(examples)
    @given(mutated(whole))
    def read(damaged: bytes) -> None:
        path.write_bytes(damaged)
        try:
            found = checkpoint.read(path)
        except ValueError as error:
            refused.append(str(error))
        else:
            assert same(found, expected), "it was read, and is another one"

    read()
    assert len(refused) > examples // 2
    assert all(said.startswith(f"{path} ") for said in refused)


def test_a_flipped_bit_anywhere_is_found_or_means_nothing(
    tmp_path: Path,
) -> None:
    path, expected = tmp_path / "last.ckpt", {"config": "", "images_seen": 1, "w": torch.ones(2)}
    torch.save(expected, path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            found = checkpoint.read(path)
        except ValueError:
            continue
        assert same(found, expected), place
