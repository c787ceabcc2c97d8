"""How good a generator is, measured from end to end."""

from darkroom.evaluation.record import Evaluation, Number, Protocol

__all__ = ["Evaluation", "Number", "Protocol"]
