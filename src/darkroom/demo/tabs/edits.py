"""An image that is moved by sliders."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from darkroom.demo import handlers as limits
from darkroom.demo import views
from darkroom.demo.handlers import Edit, Handlers
from darkroom.demo.tabs.asking import html, on, outcome, reporting


class Edits:
    """An image that is moved by sliders."""

    def __init__(self, handlers: Handlers) -> None:
        with gr.Row(elem_classes=["desk", "editing"]):
            with gr.Column(scale=3, min_width=260, elem_classes="controls"):
                self.group = gr.Dropdown(
                    list(handlers.groups), value=next(iter(handlers.groups)), label="Move along"
                )
                self.sliders = [
                    gr.Slider(
                        -limits.REACH,
                        limits.REACH,
                        0,
                        step=0.1,
                        label=str(k + 1),
                        buttons=[],
                        elem_classes="centred",
                    )
                    for k in range(handlers.at_a_time)
                ]
                self.reset = gr.Button("Reset", size="sm", elem_id="reset")
            with gr.Column(scale=6, min_width=300):
                self.view = html("", elem_id="edit-view")
                self.png = gr.DownloadButton("Download PNG", size="sm", elem_id="edited")
                html(
                    views.note(
                        "Directions were found without labels, the strongest first; a percentage "
                        "is a direction's share of all that changes."
                        if len(handlers.explorers) == 1
                        else "Each model has directions of its own, the strongest first; they "
                        "were found without labels."
                    )
                )

    @property
    def outputs(self) -> list[Any]:
        return [*self.sliders, self.view, self.png]

    def opened(self, handlers: Handlers) -> Callable[..., tuple[Any, ...]]:
        def show(edit: Edit, group: object, progress: Any = None) -> tuple[Any, ...]:
            report = reporting(progress, "Looking for directions")
            named = handlers.sliders(edit, group, report)
            sliders = [gr.Slider(label=label, value=value) for label, value in named]
            return *sliders, *outcome(handlers.edited(edit, report))

        show.__defaults__ = (gr.Progress(),)
        return show

    def listen(self, handlers: Handlers, edit: gr.State) -> None:
        def move(known: Edit | None, group: object, *values: object) -> tuple[Any, ...]:
            moved = handlers.moved(_begun(known), group, values)
            return moved, *outcome(handlers.edited(moved))

        def reset(known: Edit | None) -> Edit:
            return handlers.unmoved(_begun(known))

        for slider in self.sliders:
            inputs = [edit, self.group, *self.sliders]
            for trigger in (slider.input, slider.release):  # the latter when a number is typed
                on(trigger, move, inputs, [edit, self.view, self.png], hidden=True)
        on(self.group.input, self.opened(handlers), [edit, self.group], self.outputs)
        done = on(self.reset.click, reset, [edit], [edit])
        on(done.success, self.opened(handlers), [edit, self.group], self.outputs)


def _begun(edit: Edit | None) -> Edit:
    if not isinstance(edit, Edit):
        raise ValueError("Nothing is being edited yet. Choose an image under Sample first.")
    return edit
