"""A picture that somebody brings."""

from typing import Any

import gradio as gr

from darkroom.demo import handlers as limits
from darkroom.demo import views
from darkroom.demo.handlers import Handlers
from darkroom.demo.tabs.asking import html, on, reporting, safe
from darkroom.demo.uploads import LARGEST

FILES = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".bmp", ".gif", ".tif", ".tiff", ".dcm")


class Yours:
    """A picture that somebody brings."""

    def __init__(self, handlers: Handlers) -> None:
        with gr.Row(elem_classes="desk"):
            with gr.Column(scale=2, min_width=240, elem_classes="controls"):
                self.file = gr.File(
                    label=f"A picture, at most {LARGEST >> 20} MB",
                    file_types=list(FILES),
                    type="binary",
                    height=150,
                    elem_id="upload",
                )
                with gr.Row(elem_classes="tight buttons"):
                    visible = handlers.has_vae
                    self.rebuild = gr.Button("Rebuild", size="sm", min_width=60, visible=visible)
                    self.score = gr.Button("Score", size="sm", min_width=60, visible=visible)
                    self.find = gr.Button("Find", size="sm", min_width=60, variant="primary")
                self.steps = gr.Slider(
                    *limits.STEPS, 300, step=50, label="Steps of the search", buttons=[]
                )
            with gr.Column(scale=7, min_width=300):
                self.view = html(
                    views.note(
                        "Your picture is cut and scaled like those the model was trained on. "
                        "Find looks for what the model draws that is most like it. The picture "
                        "stays on this machine."
                    ),
                    elem_id="yours-view",
                )
                self.edit = gr.Button("Edit what was found", size="sm", visible=False)

    def listen(self, handlers: Handlers, edit: gr.State) -> None:
        def look(content: object) -> tuple[Any, ...]:
            return safe(handlers.looked_at(content)), gr.Button(visible=False)

        def rebuild(content: object) -> tuple[Any, ...]:
            return safe(handlers.rebuilt(content)), gr.Button(visible=False)

        def score(content: object) -> tuple[Any, ...]:
            return safe(handlers.scored(content)), gr.Button(visible=False)

        def find(content: object, steps: object, progress: Any = None) -> tuple[Any, ...]:
            view, found = handlers.found(content, steps, reporting(progress, "Searching"))
            return safe(view), gr.Button(visible=True), found

        find.__defaults__ = (gr.Progress(),)
        shown = [self.view, self.edit]
        on(self.file.upload, look, [self.file], shown)
        on(self.rebuild.click, rebuild, [self.file], shown)
        on(self.score.click, score, [self.file], shown)
        on(self.find.click, find, [self.file, self.steps], [*shown, edit])
