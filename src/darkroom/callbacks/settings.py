"""What changes by a schedule."""

from darkroom.callbacks.every import EveryImages
from darkroom.schedules import changing
from darkroom.systems import System
from darkroom.trainer import Trainer


class Settings(EveryImages):
    """Logs `settings/<name>`: learning rates, betas, penalties' weights and half-lives that change.

    Those that stay what they are stand in the run's config.

    Args:
        every: Interval in images.
    """

    def act(self, trainer: Trainer, system: System) -> None:
        now = changing(system.settings(), system.images_seen)
        if now:
            system.write({f"settings/{name}": value for name, value in now.items()})
