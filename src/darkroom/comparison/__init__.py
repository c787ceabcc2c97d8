"""Runs side by side: which numbers may be ranked, and what they say together."""

from darkroom.comparison.comparison import Comparison, compare
from darkroom.comparison.entries import Entry, Refusal, by_protocol, numbers_of, varied
from darkroom.comparison.ranking import Ranking, told_apart

__all__ = [
    "Comparison",
    "Entry",
    "Ranking",
    "Refusal",
    "by_protocol",
    "compare",
    "numbers_of",
    "told_apart",
    "varied",
]
