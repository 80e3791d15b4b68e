"""Actions of a visitor on the page."""

import base64
import io
from pathlib import Path

import axe_playwright_python
from PIL import Image
from PIL.PngImagePlugin import PngInfo

DROP = """([data, name]) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, {type: "image/png"}));
  const options = {bubbles: true, cancelable: true, dataTransfer: transfer};
  document.body.dispatchEvent(new DragEvent("drop", options));
}"""

# What axe-core finds wrong, once `axe()` has been evaluated: each rule, and where.
RULES = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations.map(({ id, nodes }) => [id, ...nodes.slice(0, 3).map((node) => node.target.join(" "))]);
}"""


def axe():
    """The source of axe-core."""
    return next(Path(axe_playwright_python.__file__).parent.rglob("axe.min.js")).read_text()


def put(field, value):
    """Types into a field until it keeps the text. For some milliseconds after a part of the page has
    appeared, gradio sets its fields to their first values.

    For some milliseconds after a part of the page has appeared, gradio sets its fields to their first values.
    """
    for _ in range(10):
        field.fill(str(value))
        field.press("Tab")
        field.page.wait_for_timeout(60)
        if field.input_value() == str(value):
            return
    raise AssertionError(f"the field holds {field.input_value()!r} instead of {value!r}")


def draw(page, prompt="a red apple on a blue background"):
    put(page.locator("#prompt textarea"), prompt)
    page.click("#draw")
    wait_for(page, "done")


def wait_for(page, state):
    page.wait_for_function(f"window.limelight.picture?.state === '{state}'")


def wait_for_value(page, selector, value):
    page.wait_for_function(
        "([at, value]) => document.querySelector(at)?.value === value", arg=[selector, value]
    )


def set_steps(page, steps):
    page.get_by_text("Steps and guidance").click()
    put(page.locator("#steps input[type=number]"), steps)


def png(**text):
    chunks, buffer = PngInfo(), io.BytesIO()
    for key, value in text.items():
        chunks.add_itxt(key, value)
    Image.new("RGB", (8, 8)).save(buffer, format="PNG", pnginfo=chunks)
    return base64.b64encode(buffer.getvalue()).decode()


def set_size(page, side):
    for label in ("Width", "Height"):
        put(page.get_by_label(label), side)


def draw_seed(page, prompt, seed):
    """Types a prompt and its seed, draws, and waits until the page shows the finished picture."""
    put(page.get_by_label("Seed", exact=True), seed)
    draw(page, prompt)
    page.wait_for_function("prompt => limelight.picture.prompt === prompt", arg=prompt)
    page.wait_for_function("limelight.message.is_over && limelight.lens.finished")
