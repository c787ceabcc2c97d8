"""Images and numbers as HTML; whatever came from outside is escaped."""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from math import ceil, sqrt

from markupsafe import Markup

from darkroom.demo.explorer import Score
from darkroom.evaluation.wording import label_of, rounded
from darkroom.images import Pixels, pil

COLUMNS = 8  # of a sheet, at most
SMOOTH = 128  # pixels of a side from which on single ones need not be seen

TITLES = {"excess": "Excess over a PNG file"}
UNITS = {"negative_elbo": "nats", "distortion": "nats", "rate": "nats", "excess": "bits"}

Section = tuple[str, Markup]
"""What a run shows, below its name."""


def side_by_side(sections: Sequence[Section]) -> Markup:
    """What several runs show, in columns; a single run needs no name."""
    titled = len(sections) > 1
    return Markup('<div class="runs">{}</div>').format(
        _joined(
            Markup('<section class="run">{}{}</section>').format(
                Markup("<h3>{}</h3>").format(name) if titled else "", content
            )
            for name, content in sections
        )
    )


def sheet(group: int, pixels: Pixels, seeds: Sequence[int], chosen: int) -> Markup:
    """Images of seeds of which one can be chosen, by the mouse or the arrow keys.

    Args:
        group: A number for each sheet on the page.
        pixels: The images.
        seeds: Their seeds.
        chosen: The seed that is chosen.
    """
    cells = (
        Markup(
            '<label class="cell{}" data-seed="{}"><input type="radio" name="sheet-{}" value="{}"{}>'
            "{}<span>{}</span></label>"
        ).format(
            " chosen" if seed == chosen else "",
            seed,
            group,
            seed,
            Markup(" checked") if seed == chosen else "",
            picture(pixels[k : k + 1], f"seed {seed}"),
            seed,
        )
        for k, seed in enumerate(seeds)
    )
    return Markup(
        '<div class="sheet" role="radiogroup" aria-label="Images" style="--columns: {}">{}</div>'
    ).format(min(COLUMNS, ceil(sqrt(len(seeds)))), _joined(cells))


def large(pixels: Pixels, caption: str) -> Markup:
    """One image, with what is to be said of it."""
    return Markup('<figure class="large-picture">{}<figcaption>{}</figcaption></figure>').format(
        picture(pixels, caption), caption
    )


def pair(pixels: Pixels, captions: tuple[str, str]) -> Markup:
    """Two images to compare."""
    return Markup('<div class="pair-of-pictures">{}</div>').format(
        _joined(large(pixels[k : k + 1], captions[k]) for k in range(2))
    )


def walk(film: bytes, pixels: Pixels) -> Markup:
    """A GIF, and beside it all of its images."""
    moving = Markup('<img class="film" alt="the walk as a film" src="data:image/gif;base64,{}">')
    steps = _joined(picture(pixels[k : k + 1], f"step {k + 1}") for k in range(len(pixels)))
    return Markup('<div class="walk">{}<div class="strip">{}</div></div>').format(
        moving.format(b64encode(film).decode()), steps
    )


def scores(found: Sequence[Score]) -> Markup:
    """Numbers of an image beside those of others."""
    rows = (
        Markup('<tr><th>{} <span class="unit">{}</span></th><td>{}</td><td>{}</td></tr>').format(
            TITLES.get(score.name) or label_of(score.name),
            UNITS.get(score.name, ""),
            rounded(score.value),
            "" if score.usual is None else rounded(score.usual),
        )
        for score in found
    )
    return Markup(
        '<table class="scores"><thead><tr><th></th><th>this image</th><th>unseen images, '
        "mean</th></tr></thead><tbody>{}</tbody></table>"
    ).format(_joined(rows))


def facts(known: Mapping[str, str]) -> Markup:
    """What is known of a run."""
    return Markup('<dl class="facts-list">{}</dl>').format(
        _joined(Markup("<dt>{}</dt><dd>{}</dd>").format(*pair) for pair in known.items())
    )


def note(text: str) -> Markup:
    """A quiet sentence."""
    return Markup('<p class="note">{}</p>').format(text)


def picture(pixels: Pixels, alt: str) -> Markup:
    """One image, inside the page itself."""
    kind = "smooth" if max(pixels.shape[2:]) >= SMOOTH else "pixels"
    buffer = BytesIO()
    pil(pixels[0]).save(buffer, "PNG")
    return Markup('<img class="{}" alt="{}" src="data:image/png;base64,{}">').format(
        kind, alt, b64encode(buffer.getvalue()).decode()
    )


def _joined(parts: Iterable[Markup]) -> Markup:
    return Markup("").join(parts)
