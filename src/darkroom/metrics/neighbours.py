"""The nearest of many features: fast in float32, and exact where it matters."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64
from torch import Tensor

from darkroom.images import Features


class Rows(NamedTuple):
    """Squared distances of some queries to all keys, by one product of matrices.

    Attributes:
        rows: Which queries.
        squared: [rows, keys]. |q|^2 - 2 q.k + |k|^2 cancels for neighbours, so the rounding error
            is not relative to the distance but to the lengths of both.
        slack: [rows, keys]. By how much `squared` can be wrong.
    """

    rows: slice
    squared: Float32[Tensor, "rows keys"]
    slack: Float32[Tensor, "rows keys"]


def nearest(
    queries: Float[Tensor, "n d"],
    keys: Float[Tensor, "m d"],
    k: int,
    exclude_self: bool = False,
    own: Int64[Tensor, " n"] | None = None,
) -> tuple[Float64[Tensor, "n k"], Int64[Tensor, "n k"]]:
    """The k nearest keys of each query: Euclidean distances, ascending, and places.

    A few more than k candidates are found in float32; their distances are then taken from their
    differences, so that those of near-identical features are right and of identical ones 0.

    Args:
        queries: [n, d].
        keys: [m, d].
        k: How many.
        exclude_self: Query i is key i, which does not count; an equal key elsewhere does.
        own: [n]. For each query the place of the key that is itself, if it is another one.

    Raises:
        ValueError: If there are fewer than k keys to choose from.
    """
    if exclude_self:
        assert own is None, "a query has one place among the keys"
        assert len(queries) == len(keys), "exclude_self means that query i is key i"
        own = torch.arange(len(keys), device=keys.device)
    there = len(keys) - (own is not None)
    if not 1 <= k <= there:
        raise ValueError(f"{k} nearest of {there} images: give more images or a smaller k.")
    candidates = min(k + _SPARE, there)
    distances, places = [], []
    for rows, squared, _ in squared_distances(queries, keys):
        if own is not None:
            squared.scatter_(1, own[rows, None], torch.inf)
        # in the order of their places, which the stable sort below keeps among equal candidates
        found = squared.topk(candidates, largest=False, sorted=False).indices.sort(1).values
        exact = _distances(queries[rows], keys, found)
        order = exact.argsort(dim=1, stable=True)[:, :k]
        distances.append(exact.gather(1, order))
        places.append(found.gather(1, order))
    if not distances:
        return torch.zeros(0, k, dtype=torch.float64), torch.zeros(0, k, dtype=torch.int64)
    return torch.cat(distances), torch.cat(places)


def reaches(
    distances: Rows,
    queries: Float[Tensor, "n d"],
    keys: Float[Tensor, "m d"],
    radii: Float64[Tensor, "#rows #m"],
) -> Bool[Tensor, "rows m"]:
    """Which pairs are no farther apart than the radius; the doubtful ones are measured exactly.

    A feature is often right on the border of a ball, as the radius is its distance, and then
    rounding must not decide.
    """
    rows, squared, slack = distances
    limits = radii.square().float()
    within = squared <= limits
    q, k = ((squared - limits).abs() <= slack).nonzero(as_tuple=True)
    if len(q) > 0:
        exact = torch.cat(
            [
                _distances(queries[rows][some_q], keys, some_k[:, None])[:, 0]
                for some_q, some_k in zip(q.split(_PAIRS), k.split(_PAIRS), strict=True)
            ]
        )
        # the same difference is summed up in either case; the last bit may still differ
        within[q, k] = exact <= radii.expand(within.shape)[q, k] * (1 + 1e-12)
    return within


def squared_distances(queries: Float[Tensor, "n d"], keys: Float[Tensor, "m d"]) -> Iterator[Rows]:
    """All squared distances, in rows that fit into memory."""
    centre = keys.mean(0, dtype=torch.float64)  # shorter vectors have smaller rounding errors

    def centred(features: Features) -> Float32[Tensor, "n d"]:
        return (features - centre.to(_exact(features).dtype)).float()

    k = centred(keys)
    k_squared = k.square().sum(1)
    step = max(1, _MATRIX // max(1, len(keys)))
    for start in range(0, len(queries), step):
        rows = slice(start, min(start + step, len(queries)))
        q = centred(queries[rows])
        lengths = q.square().sum(1)[:, None] + k_squared
        yield Rows(rows, torch.addmm(lengths, q, k.T, alpha=-2), lengths * _ROUNDING)


def _distances(
    queries: Float[Tensor, "n d"], keys: Float[Tensor, "m d"], places: Int64[Tensor, "n c"]
) -> Float64[Tensor, "n c"]:
    """Of each query to its candidates, from the differences."""
    step = max(1, _MATRIX // max(1, places.shape[1] * queries.shape[1]))
    return torch.cat(
        [
            torch.linalg.vector_norm(
                _exact(q)[:, None] - _exact(keys[k]), dim=-1, dtype=torch.float64
            )
            for q, k in zip(queries.split(step), places.split(step), strict=True)
        ]
    )


def _exact(features: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Half precision has no room for the differences of neighbours."""
    return features if features.dtype == torch.float64 else features.float()


_SPARE = 8
_MATRIX = 1 << 23  # numbers at a time: 32 MiB of float32
_PAIRS = 1 << 14
_ROUNDING = 1e-5  # a product of 1,280 terms in float32 is wrong by some 1e-6 of the lengths
