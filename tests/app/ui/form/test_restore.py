import base64
import io
import json

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from limelight.app.ui.access.limits import Limits
from limelight.app.ui.actions import handlers
from limelight.app.ui.form.restore import request_of_png, settings_of_record
from limelight.app.ui.form.settings import Settings, requests_of
from limelight.pipeline.errors import UsageError


def settings_of_png(data, limits):
    return settings_of_record(request_of_png(data, limits), limits)


def _png(record, key="limelight", size=(8, 8)) -> bytes:
    chunks, buffer = PngInfo(), io.BytesIO()
    chunks.add_itxt(key, record if isinstance(record, str) else json.dumps(record), zip=True)
    Image.new("L", size).save(buffer, format="PNG", pnginfo=chunks)
    return buffer.getvalue()


def test_settings_of_a_drawn_picture_come_back(pipe):
    fields = {"seed": 2**60, "num_steps": 3, "scheduler": "euler", "lossy_cache_interval": 2}
    result = pipe("two (stars:1.2)", negative_prompt="blue", **fields)
    buffer = io.BytesIO()
    from limelight.app.ui.output.pictures import plain_info
    from limelight.pipeline.results.png import png_bytes

    buffer.write(png_bytes(result.image, plain_info(result)))
    found = settings_of_png(buffer.getvalue(), Limits())
    (request,) = requests_of(Settings(**found, record="off"), Limits(), (64, 64))
    assert request.to_dict() == result.request.to_dict()


def test_a_picture_of_another_program_comes_back_as_far_as_it_can():
    text = "a cat\nNegative prompt: blue\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 64x64"
    found = settings_of_png(_png(text, key="parameters"), Limits())
    assert found["prompt"] == "a cat"
    assert found["scheduler"] == "euler-a"
    assert found["seed"] == "5"


def test_models_files_and_unknown_fields_are_passed_over():
    record = {
        "request": {
            "prompt": "a",
            "image": "/etc/passwd",
            "model": "http://127.0.0.1/x",
            "self_attention": "x",
        },
        "model": {"name": "../../etc/passwd"},
    }
    assert settings_of_png(_png(record), Limits()) == {"prompt": "a", "places": None}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is not a PNG, JPEG or WebP image"),
        (b"GIF89a", "the file is not a PNG, JPEG or WebP image"),
        (_png("a" * 60_000_000), "unpacks to more than 4,194,304 bytes"),
        (_png("{"), "not valid JSON"),
        (_png({"request": {"prompt": 5}}), "the record has no prompt"),
        (_png({"request": {"prompt": "a" * 5000}}), "the prompt has 5,000 characters; at most 2,000"),
        (_png({"request": {"prompt": "a", "width": 100_000}}), "width is 100000; at most 1024 here"),
        (
            _png({"request": {"prompt": "a", "num_steps": "many"}}),
            "num_steps is 'many'; must be a whole number",
        ),
        (_png({"request": {"prompt": "a", "seed": "1; rm -rf"}}), "seed is '1; rm -rf'"),
    ],
)
def test_values_that_no_control_can_give_are_refused(data, message):
    with pytest.raises(UsageError) as refusal:
        settings_of_png(data, Limits())
    assert message in str(refusal.value)


def test_a_picture_that_would_unpack_to_gigabytes_is_not_unpacked():
    bomb = _png({"request": {"prompt": "a"}}).replace(
        (8).to_bytes(4, "big") * 2, (60_000).to_bytes(4, "big") * 2, 1
    )
    assert settings_of_png(bomb, Limits()) == {
        "prompt": "a",
        "places": None,
    }  # its text is read, and no pixel


def test_a_file_that_is_too_large_is_not_read(studio):
    limits = Limits(max_file_bytes=100)
    with pytest.raises(UsageError, match=r"the file has 101 bytes; at most 100"):
        settings_of_png(b"a" * 101, limits)
    for event in (None, {}, {"data": 5}, {"data": "%%%"}, {"data": base64.b64encode(b"x").decode()}):
        assert handlers.restore(event, studio).kind == "error"


def test_the_browsers_history_is_checked_as_any_input(studio):
    assert handlers.recall({"settings": {"prompt": "a", "num_steps": 10**9}}, studio).kind == "error"
    assert handlers.recall({"settings": {"seed": "x"}, "kind": "seed"}, studio).kind == "error"
    assert handlers.recall({"settings": {"seed": "12"}, "kind": "seed"}, studio).settings == {"seed": "12"}
