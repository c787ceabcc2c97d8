"""A path between two images."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from darkroom.demo import handlers as limits
from darkroom.demo import views
from darkroom.demo.handlers import Handlers
from darkroom.demo.tabs.asking import html, on, outcome
from darkroom.demo.tabs.sample import Sample


class Walk:
    """A path between two images."""

    def __init__(self) -> None:
        with gr.Row(elem_classes="desk"):
            with gr.Column(scale=2, min_width=240, elem_classes="controls"):
                with gr.Row(elem_classes="tight"):
                    self.start, self.end = (
                        gr.Number(
                            seed,
                            label=label,
                            precision=0,
                            minimum=0,
                            maximum=limits.SEEDS,
                            min_width=80,
                        )
                        for seed, label in ((0, "From seed"), (1, "To seed"))
                    )
                self.steps = gr.Slider(3, limits.FRAMES, 12, step=1, label="Steps", buttons=[])
                html(views.note("Class, truncation and prior are those of Sample."))
            with gr.Column(scale=7, min_width=300):
                self.view = html("", elem_id="walk-view")
                with gr.Row(elem_classes="tight buttons"):
                    self.film = gr.DownloadButton("Download film (GIF)", size="sm", elem_id="film")
                    self.strip = gr.DownloadButton(
                        "Download strip (PNG)", size="sm", elem_id="strip"
                    )

    @property
    def outputs(self) -> list[Any]:
        return [self.view, self.film, self.strip]

    def inputs(self, sample: Sample) -> list[Any]:
        return [self.start, self.end, self.steps, *sample.manner]

    def shown(self, handlers: Handlers) -> Callable[..., tuple[Any, ...]]:
        def walk(start: object, end: object, steps: object, *manner: object) -> tuple[Any, ...]:
            return outcome(handlers.walk(start, end, steps, handlers.manner(*manner)))

        return walk

    def listen(self, handlers: Handlers, sample: Sample) -> None:
        for part in (self.start, self.end, self.steps):
            on(part.change, self.shown(handlers), self.inputs(sample), self.outputs)
