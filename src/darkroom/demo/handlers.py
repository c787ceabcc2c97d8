"""What happens when somebody uses the page: checked arguments, a model's answer, a view of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from markupsafe import Markup

from darkroom.demo import downloads, views
from darkroom.demo.arguments import number, one_of, whole
from darkroom.demo.downloads import Shelf
from darkroom.demo.explorer import PRIORS, Explorer, Manner, Move, Place
from darkroom.demo.watching import Report
from darkroom.evaluation.wording import percent
from darkroom.provenance.credentials import Signer

SEEDS = 2**31 - 1  # the largest seed
IMAGES = 64  # of a sheet, at most
FRAMES = 32  # of a walk, at most
LEAST_TRUNCATION, NO_TRUNCATION = 0.3, 4.0  # beyond four standard deviations nothing lies
STEPS = 50, 1000  # of an inversion
REACH = 3.0  # standard deviations to either side
SLIDERS = 6  # at a time
GROUPS = 4  # of sliders, for each kind of ways, at most
ANY = "any"
"""The class of a seed's own."""

KINDS = {"direction": "Directions", "latent": "Single latents"}

UNUSUAL = (
    "A score says what looks unusual, not what is ill. Smooth images get good bounds even if their "
    "like was never seen; the excess takes the size of a PNG file off."
)


class Sheet(NamedTuple):
    """Images of seeds.

    Attributes:
        view: The images.
        archive: The path of a ZIP with all of them.
        chosen: The seed that is chosen.
    """

    view: Markup
    archive: str
    chosen: int


class Shown(NamedTuple):
    """Something to look at, and the paths of files to take away, where there are any."""

    view: Markup
    files: tuple[str | None, ...]


@dataclass(frozen=True)
class Edit:
    """Images that are edited, one of each run.

    Attributes:
        places: Where they are without any move.
        title: What they are.
        given: What the visitor gave to them.
        moves: How far they are moved along ways, by kind and number.
    """

    places: tuple[Place, ...]
    title: str
    given: tuple[str, ...] = ()
    moves: Mapping[tuple[str, int], float] = field(default_factory=dict)


class Handlers:
    """What the page does with what it is sent.

    Args:
        explorers: The runs, side by side.
        shelf: Where files lie that can be taken away.
        signer: Signs them; None for nobody.
    """

    def __init__(
        self, explorers: Sequence[Explorer], shelf: Shelf, signer: Signer | None = None
    ) -> None:
        self.explorers, self.shelf, self.signer = explorers, shelf, signer
        names = [name for explorer in explorers for name in explorer.class_names]
        self.class_names = tuple(dict.fromkeys(names))
        self.has_priors = any(explorer.has_priors for explorer in explorers)
        self.has_vae = any(explorer.is_vae for explorer in explorers)
        length = min(e.model(prior).latent_dim for e in explorers for prior in PRIORS)
        self.at_a_time = min(SLIDERS, length)
        self.groups = self._groups(length)

    def manner(self, truncation: object, label: object, prior: object) -> Manner:
        """How seeds become images, as the page's controls say it.

        Raises:
            ValueError: If one of them has no such value.
        """
        t = number("Truncation", truncation, LEAST_TRUNCATION, NO_TRUNCATION)
        name = one_of("Class", label, (ANY, *self.class_names))
        return Manner(
            truncation=None if t == NO_TRUNCATION else t,
            label=None if name == ANY else name,
            prior=one_of("Prior", prior, PRIORS),
        )

    def sheet(self, seed: object, n: object, chosen: object, manner: Manner) -> Sheet:
        """Images of n seeds from the given one on, of every run."""
        count = whole("Images", n, 1, IMAGES)
        first = whole("Seed", seed, 0, SEEDS - count)
        seeds = range(first, first + count)
        picked = chosen if type(chosen) is int and chosen in seeds else first
        sections, files = [], []
        for place, explorer in enumerate(self.explorers):
            pixels = explorer.samples(first, count, manner)
            view = views.sheet(place, pixels, seeds, picked)
            sections.append((explorer.name, self._said(explorer, manner, view)))
            files += [
                (
                    self._file(explorer, f"seed-{s:06d}.png"),
                    downloads.png(pixels[k : k + 1], origin, self.signer),
                )
                for k, s in enumerate(seeds)
                for origin in [explorer.origin_of(s, manner)]
            ]
        archive = self.shelf.put(f"seeds-{first}-{seeds[-1]}.zip", downloads.archive(files))
        return Sheet(views.side_by_side(sections), archive, picked)

    def chosen(self, seed: object, manner: Manner) -> Shown:
        """The image of one seed, large, of every run."""
        picked = whole("Seed", seed, 0, SEEDS)
        sections, files = [], []
        for explorer in self.explorers:
            pixels = explorer.samples(picked, 1, manner)
            label = explorer.label_of(explorer.place(picked, manner))
            caption = f"seed {picked}" + (f" · class {label}" if label else "")
            sections.append((explorer.name, views.large(pixels, caption)))
            content = downloads.png(pixels, explorer.origin_of(picked, manner), self.signer)
            files.append((self._file(explorer, f"seed-{picked:06d}.png"), content))
        return Shown(views.side_by_side(sections), (self._together(f"seed-{picked:06d}", files),))

    def walk(self, start: object, end: object, steps: object, manner: Manner) -> Shown:
        """A path from one seed's image to another's: a strip and a film, of every run."""
        a, b = whole("From seed", start, 0, SEEDS), whole("To seed", end, 0, SEEDS)
        count = whole("Steps", steps, 3, FRAMES)
        if a == b:  # on the way to choosing both
            return Shown(views.note(f"Both ends are seed {a}. Choose another one."), (None, None))
        sections, strips, films = [], [], []
        for explorer in self.explorers:
            pixels = explorer.walk(a, b, count, manner)
            facts: dict[str, Any] = {
                "from": a,
                "to": b,
                "steps": count,
                "truncation": manner.truncation,
            }
            origin = explorer.origin_by("walk", **facts, label=manner.label, prior=manner.prior)
            film = downloads.film(pixels, origin)
            view = views.walk(film, pixels)
            sections.append((explorer.name, self._said(explorer, manner, view)))
            strips.append(
                (
                    self._file(explorer, f"{a}-to-{b}.png"),
                    downloads.strip(pixels, origin, self.signer),
                )
            )
            films.append((self._file(explorer, f"{a}-to-{b}.gif"), film))
        name = f"{a}-to-{b}"
        files = self._together(f"{name}-film", films), self._together(f"{name}-strip", strips)
        return Shown(views.side_by_side(sections), files)

    def begun(self, seed: object, manner: Manner) -> Edit:
        """The images of a seed, to be edited."""
        picked = whole("Seed", seed, 0, SEEDS)
        places = tuple(explorer.place(picked, manner) for explorer in self.explorers)
        return Edit(places, f"seed {picked}")

    def sliders(
        self, edit: Edit, group: object, report: Report = lambda share: None
    ) -> list[tuple[str, float]]:
        """What a group of sliders is called, and how far each is moved."""
        kind, first = self._group(group)
        named = []
        for k in range(first, first + self.at_a_time):
            title = str(k + 1)
            if len(self.explorers) == 1:
                explorer, place = self.explorers[0], edit.places[0]
                ways = explorer.ways(kind, Manner(prior=place.prior), report)
                if kind == "latent":
                    title = f"latent {int(ways.axes[k].argmax())}"
                title += f" · {percent(float(ways.shares[k]) / 100)}"
            named.append((title, edit.moves.get((kind, k), 0.0)))
        return named

    def moved(self, edit: Edit, group: object, values: Sequence[object]) -> Edit:
        """The same images, moved as a group of sliders says."""
        kind, first = self._group(group)
        moves = dict(edit.moves)
        for k, value in enumerate(values[: self.at_a_time], start=first):
            moves[kind, k] = number(f"{KINDS[kind]} {k + 1}", value, -REACH, REACH)
        return replace(edit, moves=moves)

    def unmoved(self, edit: Edit) -> Edit:
        """The same images without any move."""
        return replace(edit, moves={})

    def edited(self, edit: Edit, report: Report = lambda share: None) -> Shown:
        """The images before and after, of every run."""
        sections, files = [], []
        moves = {f"{kind} {k}": value for (kind, k), value in edit.moves.items() if value}
        for explorer, place in zip(self.explorers, edit.places, strict=True):
            pixels = explorer.moved(place, self._offset(explorer, place, edit, report))
            view = views.pair(pixels, (edit.title, "edited"))
            sections.append((explorer.name, view))
            facts = {"of": edit.title, "prior": place.prior, "moves": moves}
            origin = explorer.origin_by("edit", edit.given, **facts)
            name = self._file(explorer, f"{edit.title.replace(' ', '-')}-edited.png")
            files.append((name, downloads.png(pixels[1:], origin, self.signer)))
        return Shown(views.side_by_side(sections), (self._together("edited", files),))

    def looked_at(self, content: object) -> Markup:
        """A picture as each run would have been trained on it."""
        return self._each(
            lambda explorer: views.large(explorer.fitted(content), "as the model sees it")
        )

    def rebuilt(self, content: object) -> Markup:
        """A picture through encoder and decoder, of every run that has them."""

        def rebuild(explorer: Explorer) -> Markup:
            if not explorer.is_vae:
                return views.note("A GAN has no encoder. Find the image instead.")
            return views.pair(explorer.rebuilt(explorer.fitted(content)), ("yours", "rebuilt"))

        return self._each(rebuild)

    def found(self, content: object, steps: object, report: Report) -> tuple[Markup, Edit]:
        """What each run draws that is most like a picture, and how to edit it."""
        count = whole("Steps", steps, *STEPS)
        sections, places = [], []
        for k, explorer in enumerate(self.explorers):
            share = _share(report, k, len(self.explorers))
            sheet, place = explorer.inverted(explorer.fitted(content), count, share)
            assert sheet.found is not None, "an inversion finds latents"
            caption = f"found · PSNR {float(sheet.found.psnr[0]):.1f} dB"
            sections.append((explorer.name, views.pair(sheet.pixels, ("yours", caption))))
            places.append(place)
        return views.side_by_side(sections), Edit(tuple(places), "your image", ("images",))

    def scored(self, content: object) -> Markup:
        """How unusual a picture looks to every run that can say it."""

        def score(explorer: Explorer) -> Markup:
            if not explorer.is_vae:
                return views.note("A GAN knows no bound of an image, so it scores none.")
            original = explorer.fitted(content)
            picture = views.large(original, "as the model sees it")
            return picture + views.scores(explorer.scored(original))

        return self._each(score) + views.note(UNUSUAL)

    def _each(self, view: Callable[[Explorer], Markup]) -> Markup:
        return views.side_by_side([(explorer.name, view(explorer)) for explorer in self.explorers])

    def _said(self, explorer: Explorer, manner: Manner, view: Markup) -> Markup:
        """A view, and that the run does not know the class that was asked for."""
        if manner.label is None or manner.label in explorer.class_names:
            return view
        knows = "other classes" if explorer.class_names else "no classes"
        return views.note(f"This model was told of {knows}: it draws any.") + view

    def _offset(self, explorer: Explorer, place: Place, edit: Edit, report: Report) -> Move:
        offset = torch.zeros_like(place.latents)
        for (kind, k), value in edit.moves.items():
            if value:
                ways = explorer.ways(kind, Manner(prior=place.prior), report)
                offset += value * ways.axes[k]
        return offset

    def _groups(self, length: int) -> dict[str, tuple[str, int]]:
        """The sliders that there are, so many at a time, by what the page calls them."""
        groups = {}
        for kind, title in KINDS.items():
            for first in range(0, length - self.at_a_time + 1, self.at_a_time)[:GROUPS]:
                groups[f"{title} {first + 1}-{first + self.at_a_time}"] = (kind, first)
        return groups

    def _group(self, name: object) -> tuple[str, int]:
        return self.groups[one_of("Sliders", name, tuple(self.groups))]

    def _file(self, explorer: Explorer, name: str) -> str:
        """A name within an archive: in a folder of the run's if there are several."""
        folder = explorer.name.replace("/", "-")
        return f"{folder}/{name}" if len(self.explorers) > 1 else name

    def _together(self, name: str, files: Sequence[tuple[str, bytes]]) -> str:
        """The path of one file, or of a ZIP of several."""
        if len(files) == 1:
            return self.shelf.put(files[0][0], files[0][1])
        return self.shelf.put(f"{name}.zip", downloads.archive(files))


def _share(report: Report, place: int, of: int) -> Report:
    """The progress of one run among several."""
    return lambda done: report((place + done) / of)
