"""A small classifier that is taught once for each labelled data set."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from darkroom import randomness
from darkroom.images import Features, Labels, Pixels, composited, to_float
from darkroom.metrics.features import weights as files
from darkroom.metrics.features.applying import Frozen, resized
from darkroom.metrics.features.contracts import Instrument, Lesson

RECIPE = 1  # to be counted up with every change below that makes other weights
SEED = 0
BATCH = 128
LEARNING_RATE = 4e-3
WIDTHS = 16, 32, 64
FEATURES = 128
LARGEST = 32  # pixels that the first pooling sees; what is larger is strided over
SMALLEST = 8
HELD_OUT = 10  # one of so many images of each class is not learnt from
EPOCHS = 3
AT_LEAST, AT_MOST = 30_000, 180_000  # images seen
MOST_EPOCHS = 60  # however few the images


class Classifier:
    """What a class looks like in these very data; for grey images the best there is.

    It is taught when it is first asked for, on the CPU, and kept. The features are the last layer
    but one, and the classes of images come with them. They are taken before their activation: there
    they have both signs and full rank, as the Fréchet distance's Gaussians have, and show blur more
    clearly. After it, missing classes would be clearer; but those are counted by themselves.

    Args:
        cache: Folder in which taught networks are kept. It can be deleted at any time.
        batch_size: Images computed at once.
        device: What looks at images: cpu, cuda, mps; auto takes the accelerator, if there is one.

    Source: Binkowski et al. 2018, arXiv 1801.01401, who judge digits by a LeNet of their own.
    """

    def __init__(
        self, cache: str = "data/features", batch_size: int = 256, device: str = "auto"
    ) -> None:
        self.cache, self.batch_size, self.device = cache, batch_size, device

    def fitted(self, lesson: Lesson) -> "Taught":
        """The network for these data: out of the cache, or taught now.

        Raises:
            ValueError: If the data have no classes to learn, or the folder cannot be written.
        """
        if len(lesson.class_names) < 2:
            raise ValueError(
                "features=classifier needs labelled images of two classes at least, and these have "
                "none. Type features=lite0 or features=thumbnail."
            )
        if min(lesson.pixels.shape[2:]) < SMALLEST:
            height, width = lesson.pixels.shape[2:]
            raise ValueError(
                f"features=classifier: images of {height}x{width} are too small for it. Type "
                "features=thumbnail."
            )
        path = self._path(lesson)
        known = _recalled(lesson, path)
        if known is None:
            known = _taught(lesson)
            _keep(known, path)
        return Taught(known, lesson, self.batch_size, self.device)

    def _path(self, lesson: Lesson) -> Path:
        made_of = (lesson.fingerprint, lesson.pixels.shape, len(lesson.class_names), RECIPE)
        name = sha256(repr(tuple(map(str, made_of))).encode()).hexdigest()[:32]
        folder = Path(self.cache).expanduser()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(
                f"features.cache={self.cache}: {error.strerror}. Type features.cache=<a folder>."
            ) from error
        return folder / f"classifier-{name}.pt"


class Taught:
    """A taught classifier.

    Attributes:
        instrument: What its numbers carry.
        accuracy: The share of held-out images of the lesson that it tells right; for images with a
            class for each channel, of single channels. NaN, if there were too few to hold any out.
        balanced_accuracy: The same with equal weight for each class.
    """

    def __init__(self, known: "_Known", lesson: Lesson, batch_size: int, device: str) -> None:
        self._look, self.per_channel = Frozen(known.network, batch_size, device), lesson.per_channel
        self.colours, self.n_classes = _colours(lesson), len(lesson.class_names)
        self.accuracy, self.balanced_accuracy = known.accuracy, known.balanced_accuracy
        height, width = lesson.pixels.shape[2:]
        colours = "each channel" if self.per_channel else "grey" if self.colours == 1 else "RGB"
        form = f"{height}x{width} bilinear antialiased, {colours}, transparency over grey"
        self.instrument = Instrument("classifier", _hash(known.network), form)

    def __call__(self, pixels: Pixels) -> Features:
        """[batch, 128], float32; of each channel one after the other, where each has a class."""
        return self._rows(pixels)[..., :FEATURES].flatten(1)

    def probabilities(self, pixels: Pixels) -> Float[Tensor, "batch classes"]:
        """Of each class, as if all classes were equally frequent."""
        channels = self._rows(pixels)[..., FEATURES:].softmax(-1)
        joint = channels[:, 0]
        for digit in channels.unbind(1)[1:]:
            joint = (joint[:, :, None] * digit[:, None, :]).flatten(1)
        return joint

    def classes(self, pixels: Pixels) -> Labels:
        """The most probable class; that of the first channel is the most significant digit."""
        digits = self._rows(pixels)[..., FEATURES:].argmax(-1)
        places = torch.arange(digits.shape[1] - 1, -1, -1)
        return (digits * self.n_classes**places).sum(1)

    def _rows(self, pixels: Pixels) -> Float[Tensor, "batch parts values"]:
        """Features and logits of each image, or of each of its channels."""
        seen = composited(pixels)
        count, channels = seen.shape[:2]
        if self.per_channel:
            return self._look(seen.flatten(0, 1)[:, None]).unflatten(0, (count, channels))
        if channels > self.colours:
            raise ValueError(
                "features=classifier was taught with grey images, and these have colours. Give "
                "grey ones, or type features=lite0."
            )
        return self._look(seen.expand(-1, self.colours, -1, -1))[:, None]


class _Network(nn.Module):
    """Pixels to features and logits, side by side [batch, 128 + classes]."""

    def __init__(self, colours: int, classes: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size
        stride = 1
        while max(size) > LARGEST * stride:
            stride *= 2
        kernel = 2 * stride + 3
        narrow, middle, wide = WIDTHS
        self.body = nn.Sequential(
            nn.Conv2d(colours, narrow, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(narrow),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(narrow, middle, 3, padding=1, bias=False),
            nn.BatchNorm2d(middle),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(middle, wide, 3, padding=1, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(16 * wide, FEATURES, bias=False),
            nn.BatchNorm1d(FEATURES),
        )
        self.head = nn.Linear(FEATURES, classes)

    def forward(self, pixels: Pixels) -> Float[Tensor, "batch values"]:
        images = resized(to_float(pixels), self.size, "bilinear")
        features = self.body(images.contiguous(memory_format=torch.channels_last))
        return torch.cat([features, self.head(features.relu())], dim=1)


@dataclass(frozen=True)
class _Known:
    """A taught network, and how well it knows its lesson."""

    network: _Network
    accuracy: float
    balanced_accuracy: float


def _untaught(lesson: Lesson) -> _Network:
    height, width = lesson.pixels.shape[2:]
    with randomness.initialisation(SEED):
        return _Network(_colours(lesson), len(lesson.class_names), (height, width))


def _taught(lesson: Lesson) -> _Known:
    """The same for the same lesson."""
    learnt, held_out = _parts(lesson.labels, len(lesson.class_names))
    print(
        f"features=classifier: a small network learns {len(lesson.class_names)} classes from "
        f"{len(learnt):,} images. This happens once."
    )
    # a training around this one, or a validation, may have set another mode
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast("cpu", enabled=False):
        network = _untaught(lesson).to(memory_format=torch.channels_last)
        _teach(network, lesson, learnt)
    rows = Frozen(network, BATCH, "cpu")(composited(lesson.pixels[held_out]))
    return _Known(network, *_accuracies(rows[:, FEATURES:].argmax(1), lesson.labels[held_out]))


def _teach(network: _Network, lesson: Lesson, learnt: Int64[Tensor, " n"]) -> None:
    """AdamW with one cycle of the learning rate, over images that are shifted a little.

    The logits are raised by the logarithm of how frequent each class is, so that the bare ones
    judge rare classes as fairly as frequent ones.

    Source: Menon et al. 2021, arXiv 2007.07314, equation 10.
    """
    counts = lesson.labels[learnt].bincount(minlength=len(lesson.class_names))
    prior = (counts.clamp(min=1) / len(learnt)).log()
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.01)
    steps = list(_steps(len(learnt)))
    network.train()
    for step, (epochs, order) in enumerate(steps):
        places = learnt[order]
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * _cycle((step + 0.5) / len(steps))
        images = _shifted(composited(lesson.pixels[places]), epochs, places)
        logits = network(images)[:, FEATURES:] + prior
        optimizer.zero_grad()
        functional.cross_entropy(logits, lesson.labels[places]).backward()
        optimizer.step()


def _steps(n: int) -> Iterator[tuple[Int64[Tensor, " batch"], Int64[Tensor, " batch"]]]:
    """Epochs and places of the images of each step, one order after the other."""
    seen = min(max(EPOCHS * n, AT_LEAST), MOST_EPOCHS * n, AT_MOST)
    epochs = range(-(-seen // n))
    order = torch.cat([randomness.permutation(n, SEED, "classifier", epoch) for epoch in epochs])
    epoch = torch.arange(len(epochs)).repeat_interleave(n)
    for start in range(0, max(1, seen - BATCH + 1), BATCH):  # a rest of one has no variance
        part = slice(start, start + BATCH)
        yield epoch[part], order[part]


def _cycle(progress: float) -> float:
    """Up in the first fifth, then down along a cosine."""
    if progress < 0.2:
        return progress / 0.2
    return 0.5 + 0.5 * math.cos(math.pi * (progress - 0.2) / 0.8)


def _shifted(
    pixels: Pixels, epochs: Int64[Tensor, " batch"], places: Int64[Tensor, " batch"]
) -> Pixels:
    """Each image moved by up to a sixteenth of its sides; the border is repeated."""
    purpose = randomness.key(SEED, "classifier shift")
    lines = []
    for axis, side in enumerate(pixels.shape[2:]):
        furthest = side // 16
        draws = randomness.uniform(purpose + axis, epochs, places)
        shifts = (draws * (2 * furthest + 1)).long() - furthest
        lines.append((torch.arange(side) + shifts[:, None]).clamp(0, side - 1))
    rows, columns = lines
    every = torch.arange(len(pixels))[:, None, None]
    moved = pixels.permute(0, 2, 3, 1)[every, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)


def _parts(labels: Labels, classes: int) -> tuple[Int64[Tensor, " learnt"], Int64[Tensor, " held"]]:
    """Places to learn from and to hold out, of each class its share, in the order of the data."""
    order = randomness.permutation(len(labels), SEED, "classifier held out")
    held_out = torch.zeros(len(labels), dtype=torch.bool)
    for number in range(classes):
        places = order[labels[order] == number]
        held_out[places[: len(places) // HELD_OUT]] = True
    return (~held_out).nonzero().flatten(), held_out.nonzero().flatten()


def _accuracies(said: Labels, true: Labels) -> tuple[float, float]:
    right = (said == true).double()
    if not len(right):
        return math.nan, math.nan
    each = [float(right[true == number].mean()) for number in true.unique()]
    return float(right.mean()), sum(each) / len(each)


def _colours(lesson: Lesson) -> int:
    return 1 if lesson.pixels.shape[1] <= 2 else 3


def _hash(network: nn.Module) -> str:
    """Of the numbers and not of the file, whose layout is PyTorch's affair."""
    weights = sorted(network.state_dict().items())
    return files.short(
        b"".join(name.encode() + value.cpu().numpy().tobytes() for name, value in weights)
    )


def _recalled(lesson: Lesson, path: Path) -> _Known | None:
    """What the cache holds; None if nothing, or nothing that can be used."""
    if not path.is_file():
        return None
    network = _untaught(lesson)
    try:
        saved = files.tensors(files.content_of(path, "features.cache"), path, "features.cache")
        accuracies = saved.pop("accuracies").tolist()
        network.load_state_dict(saved)
        return _Known(network, *accuracies)
    except (ValueError, KeyError, AttributeError, TypeError, RuntimeError):
        print(f"features=classifier: {path} is broken and is made anew.")
        return None


def _keep(known: _Known, path: Path) -> None:
    """Writes the file, whole or not at all."""
    content = BytesIO()
    accuracies = torch.tensor([known.accuracy, known.balanced_accuracy], dtype=torch.float64)
    torch.save({**known.network.state_dict(), "accuracies": accuracies}, content)
    partial = path.with_suffix(f".{os.getpid()}.part")
    try:
        partial.write_bytes(content.getvalue())
        partial.replace(path)
    except OSError as error:
        raise ValueError(
            f"features.cache={path.parent}: {error.strerror}. Type features.cache=<a folder>."
        ) from error
