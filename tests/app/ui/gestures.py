"""What a visitor does on the page."""

import base64
import io

from PIL import Image
from PIL.PngImagePlugin import PngInfo

DROP = """([data, name]) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, {type: "image/png"}));
  const options = {bubbles: true, cancelable: true, dataTransfer: transfer};
  document.body.dispatchEvent(new DragEvent("drop", options));
}"""


def draw(page, prompt="a red apple on a blue background"):
    page.fill("#prompt textarea", prompt)
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
    page.fill("#steps input[type=number]", str(steps))
    page.press("#steps input[type=number]", "Tab")


def png(**text):
    chunks, buffer = PngInfo(), io.BytesIO()
    for key, value in text.items():
        chunks.add_itxt(key, value)
    Image.new("RGB", (8, 8)).save(buffer, format="PNG", pnginfo=chunks)
    return base64.b64encode(buffer.getvalue()).decode()


def set_size(page, side):
    for label in ("Width", "Height"):
        page.get_by_label(label).fill(str(side))
        page.get_by_label(label).press("Tab")
