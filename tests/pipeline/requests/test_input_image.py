"""Images of a request: refusals, derived values, and what is stored."""

import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from limelight.pipeline.errors import RequestError
from limelight.pipeline.requests import input_image
from limelight.pipeline.requests.input_image import InputImage, fit
from limelight.pipeline.requests.request import GenerationRequest


def request(**fields: object) -> GenerationRequest:
    return GenerationRequest(**({"prompt": "apple", "image": Image.new("RGB", (32, 16), "red")} | fields))


def message_of(**fields: object) -> str:
    with pytest.raises(RequestError) as refusal:
        request(**fields).opened()
    return str(refusal.value)


def white(width: int = 32, height: int = 16) -> Image.Image:
    return Image.new("L", (width, height), 255)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"image": 5}, "image is 5; must be a PIL image or the path of a file"),
        ({"image": Image.new("RGB", (40, 7))}, "image has 40x7 pixels; at least 8 each way are needed"),
        (
            {"width": 64, "height": 64},
            "image is 32x16 and the picture 64x64, which is another shape; crop the image, or draw 64x32",
        ),
        ({"mask": white(16, 16)}, "mask is 16x16 and the image 32x16; must be equal"),
        (
            {"mask": Image.new("L", (32, 16))},
            "mask has no white; paint what shall be drawn again white, and the rest black",
        ),
        (
            {"image": None, "mask": white()},
            "mask is given and image is not; give an image, or leave mask out",
        ),
        (
            {"image": None, "strength": 0.5},
            "strength is given and image is not; give an image, or leave strength out",
        ),
        (
            {"image": None, "image_guidance_scale": 1.5},
            "image_guidance_scale is given and image is not; "
            "give an image, or leave image_guidance_scale out",
        ),
        ({"strength": 1.5}, "strength is 1.5; must be from 0 to 1"),
        ({"strength": "all"}, "strength is 'all'; must be a finite number"),
        (
            {"strength": 0.01},
            "strength is 0.01, less than one step of 25; must be at least 0.04, or 0 for none",
        ),
        (
            {"strength": 0.3, "num_steps": 3},
            "strength is 0.3, less than one step of 3; must be at least 0.334, or 0 for none",
        ),
        ({"image_guidance_scale": 0.5}, "image_guidance_scale is 0.5; must be from 1 to 100"),
        ({"hires_scale": 9}, "hires_scale is 9; must be from 1 to 8"),
        ({"hires_scale": 2, "hires_strength": 2.0}, "hires_strength is 2.0; must be from 0 to 1"),
        (
            {"hires_strength": 0.5},
            "hires_strength is given and hires_scale is not; give both, or leave hires_strength out",
        ),
        (
            {"hires_scale": 2, "mask": white()},
            "hires_scale and mask are given; a masked picture has no second pass: give one",
        ),
        ({"guidance_rescale": 1.2}, "guidance_rescale is 1.2; must be from 0 to 1"),
        ({"guidance_end": None}, "guidance_end is None; must be a finite number"),
        (
            {"guidance_start": 0.5, "guidance_end": 0.5},
            "guidance_start is 0.5 and guidance_end 0.5; the start must be smaller "
            "(to have no guidance, set guidance_scale to 1)",
        ),
    ],
)
def test_images_that_do_not_fit_are_refused_with_a_message(fields: dict[str, object], message: str) -> None:
    assert message_of(**fields) == message


def test_a_second_pass_beyond_the_machine_is_refused() -> None:
    with pytest.raises(RequestError, match=r"32768x32768 needs at least 1,024 GiB; this machine has"):
        GenerationRequest(prompt="", width=4096, height=4096, hires_scale=8)


def _png(width: int, height: int) -> bytes:
    """A PNG whose header promises a size, over a few bytes of nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "image {} cannot be read: No such file or directory"),
        (b"", "image {} is not an image that can be read; must be PNG, JPEG, WEBP, BMP, TIFF"),
        (
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n",
            "image {} is not an image that can be read; must be PNG, JPEG, WEBP, BMP, TIFF",
        ),
        (_png(9000, 9000), "image {} has 9000x9000 pixels; at most 67,108,864 (8192x8192)"),
        (_png(12000, 9000), "image {} has 12000x9000 pixels; at most 67,108,864 (8192x8192)"),
        (_png(60000, 60000), "image {} unpacks to more than 178,956,970 pixels; at most 67,108,864"),
        (_png(64, 64), "image {} cannot be read: image file is truncated (0 bytes not processed)"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "a.png"
    if content is not None:
        path.write_bytes(content)
    assert message_of(image=path) == message.format(path)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert message_of(image=tmp_path) == f"image {tmp_path} is a folder; needs a regular file"


def test_a_photograph_is_rotated_by_its_exif_orientation(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by a quarter
    Image.new("RGB", (32, 16)).save(tmp_path / "a.jpg", exif=exif)
    assert InputImage.read("image", tmp_path / "a.jpg", "RGB").size == (16, 32)


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({}, (96, 48)),
        ({"width": 200}, (200, 96)),
        ({"height": 96}, (192, 96)),
        ({"width": 50 * 8, "height": 25 * 8}, (400, 200)),
    ],
)
def test_the_picture_takes_the_shape_of_the_image(given: dict[str, int], size: tuple[int, int]) -> None:
    asked = request(image=Image.new("RGB", (100, 50)), **given)
    assert (asked.width, asked.height) == size


@given(width=st.integers(8, 400), height=st.integers(8, 400))
def test_a_size_that_followed_from_the_image_is_accepted_again(width: int, height: int) -> None:
    image = InputImage.read("image", Image.new("RGB", (width, height)), "RGB")
    derived = fit(image, None, None)
    assert fit(image, *derived) == derived
    assert all(side % 8 == 0 and side > 0 for side in derived)


def test_equal_pixels_make_equal_requests_and_a_changed_image_changes_nothing(tmp_path: Path) -> None:
    image = Image.new("RGB", (32, 16), "red")
    image.save(tmp_path / "a.png")
    asked = request(image=image)
    by_path = request(image=tmp_path / "a.png")
    assert by_path == request(image=str(tmp_path / "a.png"))
    assert asked == by_path.opened()
    assert asked.to_dict() == by_path.to_dict()
    assert hash(asked) == hash(request(image=image.copy()))
    image.putpixel((0, 0), (0, 0, 0))
    assert asked == by_path.opened() != request(image=image)


def test_a_file_is_read_when_the_request_is_resolved_and_only_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (32, 16)).save(tmp_path / "a.png")
    white().save(tmp_path / "m.png")
    opened: list[object] = []
    real = input_image.open_regular
    monkeypatch.setattr(input_image, "open_regular", lambda file: opened.append(file) or real(file))
    asked = request(image=tmp_path / "a.png", mask=tmp_path / "m.png")
    first, second = asked.repeated(2)
    assert (first.width, first.final_size, opened) == (None, (None, None), [])
    resolved = first.resolved(width=512, height=512, guidance_scale=4.0, scheduler="ddim")
    assert (resolved.width, resolved.height) == (32, 16)
    assert opened == [tmp_path / "a.png", tmp_path / "m.png"]
    again = resolved.resolved(width=512, height=512, guidance_scale=4.0, scheduler="ddim")
    assert again == resolved and again.opened() is again
    assert [each.seed for each in resolved.repeated(3)] == [0, 1, 2]
    assert len(opened) == 2
    assert second.image == tmp_path / "a.png"


def test_stored_are_size_and_hash_and_the_images_are_asked_for_again(tmp_path: Path) -> None:
    asked = request(mask=white(), strength=0.5)
    stored = asked.to_dict()
    assert stored["image"] == {"sha256": asked.image.sha256, "width": 32, "height": 16}
    assert GenerationRequest.from_dict(stored, image=asked.image, mask=white()) == asked
    with pytest.raises(RequestError) as refusal:
        GenerationRequest.from_dict(stored)
    assert str(refusal.value) == (
        f"the picture was made from image of 32x16 pixels with sha256 {asked.image.sha256[:12]}, "
        "which is not stored; give it again (in Python image=, on the command line --image)"
    )
    other = Image.new("RGB", (32, 16), "blue")
    with pytest.raises(RequestError) as refusal:
        GenerationRequest.from_dict(stored, image=other, mask=white())
    assert str(refusal.value) == (
        f"image has 32x16 pixels with sha256 {InputImage.read('', other, 'RGB').sha256[:12]}; "
        f"the picture was made from 32x16 with {asked.image.sha256[:12]}"
    )
    with pytest.raises(
        RequestError, match="mask is given and the picture was made without one; leave it out"
    ):
        GenerationRequest.from_dict(request().to_dict(), image=asked.image, mask=white())


@pytest.mark.parametrize("stored", ["/etc/passwd", {}, {"sha256": 5, "width": 1, "height": 1}])
def test_a_stored_request_opens_no_file(stored: object) -> None:
    with pytest.raises(RequestError) as refusal:
        GenerationRequest.from_dict({"prompt": "apple", "image": stored})
    assert str(refusal.value) == (
        "the stored image is not sha256, width and height; give the file itself as image"
    )
