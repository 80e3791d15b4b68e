"""Painted words, regions and heads of a request: how they are written, and refusals."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from limelight.pipeline import GenerationRequest
from limelight.pipeline.batch.errors import ManifestError
from limelight.pipeline.batch.rows.rows import read_rows
from limelight.pipeline.errors import RequestError
from limelight.pipeline.requests.places import MASK_SIDE, Mask
from limelight.pipeline.requests.steering import HeadScale, Painted, Region

PROMPT = "a red apple and a dog"
LEFT = (0, 0, 0.5, 1)


def request(**fields: Any) -> GenerationRequest:
    return GenerationRequest(prompt=PROMPT, **fields)


def half(size: tuple[int, int] = (200, 100)) -> Image.Image:
    """A mask, white on the left."""
    image = Image.new("L", size)
    ImageDraw.Draw(image).rectangle((0, 0, size[0] // 2 - 1, size[1]), fill=255)
    return image


@pytest.mark.parametrize(
    ("field", "text", "expected"),
    [
        ("paint", "apple@0,0,0.5,1", Painted("apple", box=LEFT)),
        ("paint", " red apple @ 0, 0, .5, 1", Painted("red apple", box=LEFT)),
        (
            "paint",
            "apple@0,0,0.5,1;strength=0.05;until=1;outside=no",
            Painted("apple", box=LEFT, strength=0.05, until=1, outside=False),
        ),
        ("regions", "a car@0,0,0.5,1", Region("a car", box=LEFT)),
        (
            "regions",
            "a, b@c at night@0,0,0.5,1;weight=2;negative_prompt=x@y",
            Region("a, b@c at night", box=LEFT, weight=2, negative_prompt="x@y"),
        ),
        ("heads", "cross=0", HeadScale("cross")),
        ("heads", "a.0.b:3=1.5;start=0.2;end=0.5", HeadScale("a.0.b", 3, 1.5, start=0.2, end=0.5)),
        ("heads", "self:0=0;negative=yes", HeadScale("self", 0, negative=True)),
    ],
)
def test_text_and_python_forms_are_equal(field: str, text: str, expected: object) -> None:
    asked = request(**{field: [text]})
    assert getattr(asked, field) == (expected,)
    assert getattr(request(**{field: text}), field) == (expected,)
    stored = json.loads(json.dumps(asked.to_dict()))
    assert GenerationRequest.from_dict(stored) == asked


def test_a_mask_goes_into_the_record_and_comes_back_without_its_file(tmp_path: Path) -> None:
    file = tmp_path / "mask.png"
    half().save(file)
    typed = request(paint=f"apple@{file}")
    assert typed.paint[0].mask == file  # nothing is opened yet
    asked = typed.opened()
    mask = asked.paint[0].mask
    assert isinstance(mask, Mask) and (mask.width, mask.height) == (MASK_SIDE, MASK_SIDE // 2)
    assert mask.levels == (b"\xff" * 32 + b"\0" * 32) * 32
    file.unlink()
    stored = json.loads(json.dumps(asked.to_dict()))
    assert GenerationRequest.from_dict(stored) == asked
    assert request(paint=[Painted("apple", mask=half())]) == asked
    assert asked.opened() is asked


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"paint": "aple@0,0,.5,1"}, "paint has 'aple', which the prompt does not have; did you mean apple?"),
        ({"paint": "zebra@0,0,.5,1"}, "does not have; its words are a, red, apple, and, a, dog"),
        ({"paint": "apple@0,0,1,1"}, "the box of the painted word 'apple' is the whole picture"),
        ({"paint": "apple@0,0,0,1"}, "must be 0 <= left < right <= 1"),
        ({"paint": "apple@0,0,1.5,1"}, "must be 0 <= left < right <= 1"),
        ({"paint": "apple"}, "'apple' cannot be read; write WORD@LEFT,TOP,RIGHT,BOTTOM or WORD@MASK.png"),
        ({"paint": "apple@0,0,.5"}, "the box of the painted word 'apple' is (0.0, 0.0, 0.5); must be left"),
        ({"paint": "apple@0,0,.5,1;force=2"}, "has an option 'force'; write WORD@"),
        ({"paint": "apple@0,0,.5,1;until=soon"}, "until is 'soon'; must be a number"),
        ({"paint": "apple@0,0,.5,1;outside=maybe"}, "outside is 'maybe'; must be yes or no"),
        (
            {"paint": "apple@0,0,.5,1;strength=nan"},
            "of the painted word 'apple' is nan; must be a finite",
        ),
        ({"paint": "apple@0,0,.5,1;strength=1e6"}, "is 1000000.0; must be from 0.001 to 1000"),
        ({"paint": [{"word": "apple"}]}, "needs a box or a mask, one of the two; none is given"),
        ({"paint": [{"word": "apple", "bx": 1}]}, "Painted has no 'bx'; it has box, mask, word, strength"),
        ({"paint": [{"box": LEFT}]}, "Painted needs word"),
        ({"paint": [7]}, "7 is no Painted; write WORD@"),
        ({"paint": 7}, "paint is 7; must be a tuple or a list"),
        ({"paint": [{"word": "", "box": LEFT}]}, "a painted word is ''; must be a word of the prompt"),
        ({"paint": [f"apple@0,0,.5,{i / 100}" for i in range(1, 18)]}, "paint has 17; at most 16"),
        ({"regions": ["a car@0,0,.5,1"] * 1000}, "regions has 1,000; at most 16"),
        ({"regions": [{"prompt": " ", "box": LEFT}]}, "a region has no prompt"),
        (
            {"regions": "a car@0,0,.5,1;weight=0"},
            "weight of the region 'a car' is 0.0; must be from 0.01",
        ),
        ({"heads": "cross:x=0"}, "'cross:x=0' cannot be read; write SITE=SCALE or SITE:HEAD=SCALE"),
        ({"heads": "cross=0;start=.5;end=.5"}, "cross is scaled from 0.5 to 0.5; start must be smaller"),
        ({"heads": "cross=-1"}, "the scale of cross is -1.0; must be from 0 to 10"),
    ],
)
def test_a_mistake_is_refused_by_the_request_with_a_message(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError) as refusal:
        request(**fields)
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("level", "words"),
    [(0, "has no white; paint white where"), (255, "is white all over, so it names no place")],
)
def test_a_mask_must_name_a_place(level: int, words: str, tmp_path: Path) -> None:
    file = tmp_path / "mask.png"
    Image.new("L", (64, 64), level).save(file)
    with pytest.raises(RequestError, match=words):
        request(paint=f"apple@{file}").opened()
    with pytest.raises(RequestError, match=words):
        request(regions=[Region("a car", mask=Image.open(file))])


def test_a_missing_mask_is_refused_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"the mask of .* 'apple' .*none\.png cannot be read"):
        request(paint=f"apple@{tmp_path / 'none.png'}").opened()


@pytest.mark.parametrize(
    "stored",
    [
        {"width": 2, "height": 2, "levels": "AAAA"},
        {"width": 2, "height": True, "levels": "AAA="},
        {"width": 10**9, "height": 1, "levels": "AAAA"},
        {"width": 2, "height": 2, "levels": 5},
        {"width": 2, "height": 2, "levels": "?"},
        {"levels": "AAAA"},
    ],
)
def test_a_damaged_mask_of_a_record_is_refused(stored: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match="is stored without width, height and levels"):
        request(paint=[{"word": "apple", "mask": stored}])


def test_manifests_have_a_column_and_masks_lie_beside_them(tmp_path: Path) -> None:
    half().save(tmp_path / "mask.png")
    manifest = tmp_path / "m.csv"
    manifest.write_text(
        "prompt,seed,paint,heads\n"
        f'{PROMPT},0,"apple@mask.png|dog@0.5,0,1,1",\n'
        f'{PROMPT},0,"[""apple@0,0,0.5,1""]",cross=0\n'
        f"{PROMPT},0,,\n"
    )
    first, second, third = (row.request().opened() for row in read_rows(manifest).rows)
    assert first.paint == request(paint=[Painted("apple", mask=half()), "dog@0.5,0,1,1"]).paint
    assert second == request(paint="apple@0,0,0.5,1", heads="cross=0")
    assert third == request()


def test_a_cell_that_does_not_parse_is_refused_with_its_line(tmp_path: Path) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_text(
        f'prompt,paint\n{PROMPT},"apple@0,0,0.5,1"\n{PROMPT},aple in the corner\n'
        f'{PROMPT},"[1"\n{PROMPT},cat@no.png\n'
    )
    with pytest.raises(ManifestError) as refusal:
        read_rows(manifest)
    message = str(refusal.value)
    assert "line 3: 'aple in the corner' cannot be read; write WORD@" in message
    assert "line 4: paint is '[1'; must be a list in JSON, or, with | between several, WORD@" in message
    assert "line 5: paint has 'cat', which the prompt does not have" in message


def test_another_place_is_another_row(tmp_path: Path) -> None:
    manifest = tmp_path / "m.jsonl"
    cells = ["apple@0,0,.5,1", "apple@0,0,1,.5", "apple@0,0,.5,1"]
    manifest.write_text(
        "\n".join(json.dumps({"prompt": PROMPT, "seed": 1, "paint": [cell]}) for cell in cells)
    )
    read = read_rows(manifest)
    assert read.rows[0].parameters != read.rows[1].parameters
    assert read.num_twins == 1


def test_a_request_can_be_changed() -> None:
    asked = request(paint="apple@0,0,.5,1")
    assert replace(asked, seed=4).paint == asked.paint
    with pytest.raises(RequestError, match="paint has 'apple'"):
        replace(asked, prompt="a dog")


def test_a_manifest_has_columns_for_guidance_by_attention_starts_and_edits(tmp_path: Path) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_text(
        "prompt,seed,pag_scale,freeu,pick,edit_of,keep,regions\n"
        f'{PROMPT},0,3,"1.5,1.6,0.9,0.2",8,,,a car@word=dog\n'
        f'{PROMPT},0,,,,a cat,"0.7,0.3",\n'
    )
    first, second = (row.request() for row in read_rows(manifest).rows)
    assert first == request(pag_scale=3, freeu=(1.5, 1.6, 0.9, 0.2), pick=8, regions="a car@word=dog")
    assert second == request(edit_of="a cat", keep=(0.7, 0.3))
    manifest.write_text(f'prompt,freeu,pick\n{PROMPT},"1,2",\n{PROMPT},,100\n')
    with pytest.raises(ManifestError) as refusal:
        read_rows(manifest)
    assert "line 2: freeu has 2 numbers; write b1,b2,s1,s2" in str(refusal.value)
    assert "line 3: pick is 100; must be from 1 to 64" in str(refusal.value)
