"""What to type, given the options that a run has had.

Each remedy is a mapping of overrides to reasons. An option that the run does not have gives an
empty mapping, so that what is offered can be typed.
"""

from collections.abc import Iterable, Mapping

from darkroom.diagnosis.finding import Case

Remedies = Mapping[str, str]

LEARNING_RATES = (
    "model.discriminator_optimizer.lr",
    "model.generator_optimizer.lr",
    "model.optimizer.lr",
)
COUNTS = (".width", ".batch_size", ".max_images", ".half_life")
GENERATOR_WIDTHS = ("model.generator.width", "model.network.width")


def scaled(case: Case, option: str, factor: float, reason: str) -> Remedies:
    """The option times a factor; counts stay whole, and above 0."""
    value = case.number(option)
    if not value:
        return {}
    if option.endswith(COUNTS):
        count = max(1, round(value * factor))
        return {} if count == value else {f"{option}={count}": reason}
    return {f"{option}={value * factor:.3g}": reason}


def all_scaled(case: Case, options: Iterable[str], factor: float, reason: str) -> Remedies:
    """Each of the options times a factor."""
    return {k: v for option in options for k, v in scaled(case, option, factor, reason).items()}


def replaced(case: Case, option: str, bad: str, good: str, reason: str) -> Remedies:
    """Another class in the place of one whose name ends in `bad`."""
    if not str(case.options.get(option, "")).endswith(f".{bad}"):
        return {}
    return {f"{option}={good}": reason}


def more_data(case: Case) -> Remedies:
    """All images where only some are used, and augmentation where there is none."""
    remedies: dict[str, str] = {}
    if case.number("data.limit") is not None:
        remedies["data.limit=null"] = "takes all images that there are, instead of some"
    if case.options.get("data.augmentation") in ([], "[]"):
        remedies["augmentation=flip"] = "doubles the images, if their mirror images are as good"
        remedies["augmentation=wobble"] = (
            "shows each image a little differently every time, if single things on an even "
            "background stay what they are when they are turned"
        )
    return remedies


def longer(case: Case) -> Remedies:
    """Twice the images seen; and no end by epochs."""
    remedies = dict(scaled(case, "trainer.max_images", 2, "trains twice as long"))
    if (case.number("trainer.max_epochs") or -1) > 0:
        remedies["trainer.max_epochs=-1"] = "lets only trainer.max_images end the training"
    return remedies
