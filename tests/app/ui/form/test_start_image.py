"""Images to start from: which uploads are accepted."""

import base64
import io
import struct
import zlib
from types import SimpleNamespace

import pytest
from PIL import Image

from limelight.app.ui.access.limits import Limits
from limelight.app.ui.actions import handlers
from limelight.app.ui.form.settings import Settings, requests_of
from limelight.app.ui.form.start_image import images_of, size_for
from limelight.pipeline.errors import UsageError
from tests.app.ui.in_time import run


def _url(image: Image.Image, kind: str = "png") -> str:
    buffer = io.BytesIO()
    image.save(buffer, format=kind)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _bomb() -> str:
    """A PNG of a few bytes that says it is 60,000 pixels wide and high."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, format="PNG")
    data = buffer.getvalue()
    head = b"IHDR" + struct.pack(">II", 60_000, 60_000) + data[24:29]
    data = data[:12] + head + struct.pack(">I", zlib.crc32(head)) + data[33:]
    return "data:image/png;base64," + base64.b64encode(data).decode()


GREY = _url(Image.new("RGB", (64, 48), "grey"))
WHITE = _url(Image.new("L", (64, 48), "white"))


def test_an_image_and_its_mask_become_the_requests_own():
    start = {"image": GREY, "mask": WHITE}
    (request,) = requests_of(Settings(prompt="a", start=start), Limits(), (64, 64), record=False)
    assert (request.width, request.height) == (64, 48)
    assert request.image.size == request.mask.size == (64, 48)
    assert images_of({"image": GREY, "mask": None}, Limits())[1] is None
    assert images_of(None, Limits()) == (None, None)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ("/etc/passwd", "did not arrive as one"),
        ({"image": "/etc/passwd"}, "the image is no PNG, JPEG or WebP"),
        ({"image": "http://127.0.0.1/x.png"}, "the image is no PNG, JPEG or WebP"),
        ({"image": "data:image/svg+xml;base64,PHN2Zz4="}, "the image is no PNG, JPEG or WebP"),
        ({"image": {"path": "/etc/passwd"}}, "the image is no PNG, JPEG or WebP"),
        ({"image": "data:image/png;base64,%%%"}, "did not arrive whole"),
        ({"image": "data:image/png;base64,AAAA"}, "is not an image that can be read"),
        ({"image": _bomb()}, "pixels; at most"),
        ({"image": "data:image/png;base64," + "A" * 23_000_000}, "at most 16,777,216"),
        ({"mask": WHITE}, "mask is given and image is not"),
        ({"image": GREY, "mask": _url(Image.new("L", (8, 8)))}, "mask is 8x8 and the image 64x48"),
        ({"image": GREY, "mask": _url(Image.new("L", (64, 48)))}, "mask has no white"),
    ],
)
def test_data_that_is_no_image_is_refused_with_a_message(start, message):
    with pytest.raises(UsageError) as refusal:
        requests_of(Settings(prompt="a", start=start), Limits(), (64, 64))
    assert message in str(refusal.value)
    assert "BytesIO" not in str(refusal.value)


@pytest.mark.parametrize("image", [(64, 64), (640, 480), (1024, 683), (300, 1000), (8, 8), (1024, 100)])
def test_the_picture_takes_the_images_shape_and_the_models_pixels(image):
    width, height = size_for(image, (64, 64), Limits())
    assert 0.5 <= width * height / 64**2 <= 2
    url = _url(Image.new("RGB", image))
    requests_of(
        Settings(prompt="a", width=width, height=height, start={"image": url}),
        Limits(),
        (64, 64),
        record=False,
    )


def _studio(**sizes):
    models = {name: SimpleNamespace(model=SimpleNamespace(native_size=size)) for name, size in sizes.items()}
    return SimpleNamespace(pipelines=models, limits=Limits())


def test_a_model_brings_its_size_and_an_image_its_shape():
    studio = _studio(small=(64, 64), large=(512, 768))
    assert handlers.choose(studio, "large").settings == {"width": 768, "height": 512}
    assert handlers.choose(studio, "../x").kind == "error"
    change = handlers.fit({"width": 200, "height": 100}, studio, "small")
    assert change.settings == {"width": 88, "height": 48}
    assert change.text == "88 x 48 pixels, as the image is."
    assert handlers.fit({"width": "x"}, studio, "small").kind == "error"


def test_a_word_is_weighed_in_a_picture_of_an_image_only_with_that_image(studio):
    from limelight.app.ui.access.visitor import Visitor

    (request,) = requests_of(
        Settings(prompt="a cat", num_steps=2, start={"image": GREY}), Limits(), (64, 64), record=False
    )
    event = {"settings": request.to_dict(), "span": [2, 5], "weight": 1.5, "model": "default"}

    async def last(start):
        return [message async for message in handlers.again(studio, Visitor("a"), event, start)][-1]

    other = _url(Image.new("RGB", (64, 48), "red"))
    for start in (None, {"image": other}):
        assert "than the one that is chosen now" in run(last(start))["error"]
    message = run(last({"image": GREY, "mask": WHITE}))  # what has been painted since is not its mask
    (picture,) = message["pictures"]
    assert picture["state"] == "done"
    assert picture["settings"]["image"] == request.to_dict()["image"]
    assert picture["settings"]["mask"] is None
