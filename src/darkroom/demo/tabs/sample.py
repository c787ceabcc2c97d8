"""Images of seeds, of which one is chosen."""

from typing import Any

import gradio as gr

from darkroom.demo import handlers as limits
from darkroom.demo.handlers import ANY, Handlers
from darkroom.demo.tabs.asking import html, on, safe

CHOOSING = """
element.addEventListener('change', (event) => {
  const seed = event.target.value;
  for (const cell of element.querySelectorAll('[data-seed]')) {
    const is = cell.dataset.seed === seed;
    cell.classList.toggle('chosen', is);
    cell.querySelector('input').checked = is;
  }
  trigger('select', {seed: Number(seed)});
});
"""
EARLIER = "(seed, n) => Math.max(0, seed - n)"
LATER = f"(seed, n) => Math.min({limits.SEEDS} - n, seed + n)"
ANYWHERE = "() => Math.floor(Math.random() * 1000000)"


class Sample:
    """Images of seeds, of which one is chosen."""

    def __init__(self, handlers: Handlers) -> None:
        with gr.Row(elem_classes="desk"):
            with gr.Column(scale=2, min_width=240, elem_classes="controls"):
                with gr.Row(elem_classes="tight"):
                    self.seed = gr.Number(
                        0, label="First seed", precision=0, minimum=0, maximum=limits.SEEDS
                    )
                with gr.Row(elem_classes="tight buttons"):
                    self.earlier = gr.Button("Earlier", size="sm", min_width=60)
                    self.later = gr.Button("Later", size="sm", min_width=60)
                    self.anywhere = gr.Button("Random", size="sm", min_width=60, variant="primary")
                self.n = gr.Slider(1, limits.IMAGES, 16, step=1, label="Images", buttons=[])
                self.label = gr.Dropdown(
                    [ANY, *handlers.class_names],
                    value=ANY,
                    label="Class",
                    visible=bool(handlers.class_names),
                )
                self.truncation = gr.Slider(
                    limits.LEAST_TRUNCATION,
                    limits.NO_TRUNCATION,
                    limits.NO_TRUNCATION,
                    step=0.1,
                    label="Truncation",
                    info="Less is less various. At the right end there is none.",
                    buttons=[],
                )
                self.prior = gr.Radio(
                    [("learned", "learned"), ("N(0, I)", "standard")],
                    value="learned",
                    label="Prior",
                    visible=handlers.has_priors,
                )
            with gr.Column(scale=5, min_width=300):
                self.sheet = html("", js_on_load=CHOOSING, elem_id="sheet")
                self.archive = gr.DownloadButton("Download all (ZIP)", size="sm", elem_id="all")
            with gr.Column(scale=2, min_width=220, elem_classes="chosen-one"):
                self.detail = html("", elem_id="detail")
                self.png = gr.DownloadButton("Download PNG", size="sm", elem_id="one")
                with gr.Row(elem_classes="tight buttons"):
                    self.walk_from = gr.Button("Walk from", size="sm", min_width=60)
                    self.walk_to = gr.Button("Walk to", size="sm", min_width=60)
                    self.edit = gr.Button("Edit", size="sm", min_width=60)

    @property
    def manner(self) -> list[Any]:
        return [self.truncation, self.label, self.prior]

    def listen(self, handlers: Handlers, chosen: gr.State) -> None:
        def draw(seed: object, n: object, picked: object, *manner: object) -> tuple[Any, ...]:
            asked = handlers.manner(*manner)
            sheet = handlers.sheet(seed, n, picked, asked)
            detail = handlers.chosen(sheet.chosen, asked)
            return safe(sheet.view), sheet.archive, sheet.chosen, safe(detail.view), *detail.files

        def choose(event: gr.EventData, *manner: object) -> tuple[Any, ...]:
            picked = event._data.get("seed") if isinstance(event._data, dict) else None
            detail = handlers.chosen(picked, handlers.manner(*manner))
            return int(picked), safe(detail.view), *detail.files  # type: ignore[arg-type]

        choose.__annotations__["event"] = gr.EventData
        shown = [self.sheet, self.archive, chosen, self.detail, self.png]
        inputs = [self.seed, self.n, chosen, *self.manner]
        changes = [part.change for part in (self.seed, self.n, *self.manner)]
        blocks = gr.context.Context.root_block
        assert blocks is not None, "it listens within a page"
        for trigger in (blocks.load, *changes):
            on(trigger, draw, inputs, shown)
        on(self.sheet.select, choose, self.manner, [chosen, self.detail, self.png])
        for button, script in (
            (self.earlier, EARLIER),
            (self.later, LATER),
            (self.anywhere, ANYWHERE),
        ):
            button.click(None, [self.seed, self.n], self.seed, js=script, api_visibility="private")
