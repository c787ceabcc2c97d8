"""How good a generator is, measured from end to end."""

from darkroom.evaluation.exhibits import Exhibits
from darkroom.evaluation.judge import Judge
from darkroom.evaluation.record import Evaluation, Number, Protocol
from darkroom.evaluation.run import Bounds, Run
from darkroom.evaluation.subject import Pictures, Samples

__all__ = [
    "Bounds",
    "Evaluation",
    "Exhibits",
    "Judge",
    "Number",
    "Pictures",
    "Protocol",
    "Run",
    "Samples",
]
