"""How a prior is told the classes of the images whose latents it draws."""

from darkroom.images import Labels


def check_classes(num_classes: int) -> None:
    """Refuses what is no number of classes.

    Raises:
        ValueError: If it is negative.
    """
    if num_classes < 0:
        raise ValueError(
            f"model.prior.num_classes={num_classes}: type the number of classes, or 0 for "
            "images without classes."
        )


def told(labels: Labels | None, num_classes: int) -> Labels:
    """The labels, which there have to be.

    Raises:
        ValueError: If there are none.
    """
    if labels is None:
        raise ValueError(
            f"The prior draws latents of {num_classes} classes and was given no labels: give it "
            f"one of 0 to {num_classes - 1} for each image."
        )
    return labels
