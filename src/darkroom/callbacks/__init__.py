"""Observers: they look, log and save. They never change a weight."""

from darkroom.callbacks.checkpoints import Checkpoints
from darkroom.callbacks.codes import Codes
from darkroom.callbacks.dead_units import DeadUnits
from darkroom.callbacks.diagnosis import Diagnosis
from darkroom.callbacks.every import EveryImages
from darkroom.callbacks.finite import Finite
from darkroom.callbacks.game import Game
from darkroom.callbacks.gradient_norms import GradientNorms
from darkroom.callbacks.interruptions import Interrupted, Interruptions
from darkroom.callbacks.measurement import Measurement
from darkroom.callbacks.memory import Memory
from darkroom.callbacks.pictures import Pictures, ReconstructionGrid, SampleGrid
from darkroom.callbacks.posterior import Posterior
from darkroom.callbacks.profile import Profile
from darkroom.callbacks.progress import Progress
from darkroom.callbacks.quality import Quality
from darkroom.callbacks.settings import Settings
from darkroom.callbacks.spread import Spread
from darkroom.callbacks.throughput import Throughput

__all__ = [
    "Checkpoints",
    "Codes",
    "DeadUnits",
    "Diagnosis",
    "EveryImages",
    "Finite",
    "Game",
    "GradientNorms",
    "Interrupted",
    "Interruptions",
    "Measurement",
    "Memory",
    "Pictures",
    "Posterior",
    "Profile",
    "Progress",
    "Quality",
    "ReconstructionGrid",
    "SampleGrid",
    "Settings",
    "Spread",
    "Throughput",
]
