"""2,000 pictures whose records were spoilt at random: each is read, or refused in words, soon and in little
memory."""

import io
import json
import random
import resource
import time
import warnings
from typing import Any

import pytest

from limelight.pipeline.errors import UsageError
from limelight.pipeline.results.foreign.record import foreign_record
from limelight.pipeline.results.png import NoRecord, read_record, request_of
from tests.pipeline.results.foreign.pictures import chunk, png, png_of, saved
from tests.pipeline.results.foreign.test_containers import TEXT
from tests.pipeline.results.foreign.test_programs import CASES, FOOOCUS, INVOKE, SWARM, comfyui, second_pass

pytestmark = pytest.mark.slow

MAX_SECONDS, MAX_MEGABYTES = 2.0, 300
ODD: tuple[Any, ...] = (
    *(
        None,
        True,
        0,
        -1,
        2**64,
        10**30,
        1e300,
        float("inf"),
        float("nan"),
        "",
        "x",
        "\0",
        "\x1b[2J",
        "a" * 9999,
    ),
    *([], {}, [[]], ["6", 0], [[[[1]]]], {"x": 1}, "9" * 5000, "../../etc/passwd", "\u202e", "\ud800"),
)
PIECES = (
    *(
        "Steps: 3",
        ", ",
        "Seed: ",
        "Size: 64x48",
        "\n",
        "Negative prompt: ",
        '"',
        "\\",
        ":",
        "Hires upscale: 2",
    ),
    *(
        "Denoising strength: ",
        "nan",
        "1e999",
        "Template: ",
        "<lora:x:1>",
        "Sampler: Euler a",
        "a" * 3000,
        "é猫",
    ),
    *(
        "Hires resize: 0x0",
        "First pass size: 9x9",
        "9" * 60,
        "-1",
        "\0",
        "CFG scale: ",
        "Model: ",
        "Version: ",
    ),
)


def spoilt(value: Any, chance: random.Random) -> Any:
    """JSON with a few of its values replaced, removed or nested."""
    value = json.loads(json.dumps(value))
    for _ in range(chance.randrange(1, 4)):
        inner = value
        while isinstance(inner, dict) and inner:
            key = chance.choice(list(inner))
            if isinstance(inner[key], dict) and chance.random() < 0.8:
                inner = inner[key]
                continue
            if chance.random() < 0.3:
                del inner[key]
            else:
                inner[key] = chance.choice(ODD)
            break
    return value


def text_of(chance: random.Random) -> str:
    if chance.random() < 0.5:
        source = chance.choice((comfyui(), second_pass(), SWARM, FOOOCUS, INVOKE))
        return json.dumps(spoilt(source, chance) if chance.random() < 0.7 else source)
    return TEXT + "".join(chance.choices(PIECES, k=chance.choice((0, 1, 2, 40))))


def picture(number: int, chance: random.Random) -> bytes:
    """One of the four kinds of faults: of a value, of a text, of a container, of bytes."""
    kind = chance.choice(("PNG", "JPEG", "WEBP"))
    match number % 4:
        case 0:
            text = text_of(chance).encode("utf-8", "surrogatepass")
            is_graph = b"class_type" in text
            names = (
                b"prompt" if is_graph else b"parameters",
                b"invokeai_metadata",
                b"sd-metadata",
                b"limelight",
            )
            return png(chunk(b"tEXt", chance.choices(names, (9, 1, 1, 1))[0] + b"\0" + text))
        case 1:
            text = text_of(chance)
            code = chance.choice(("utf-16-le", "utf-16-be", "utf-8", "utf-32"))
            return saved(kind, b"UNICODE\0" + text.encode(code, "surrogatepass")[:60_000])
        case 2:
            data = bytearray(chance.choice(list(CASES.values()))[0])
        case _:
            data = bytearray(saved(kind, b"ASCII\0\0\0" + TEXT.encode()))
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(data))
        data[at : at + chance.randrange(3)] = bytes(chance.choices(range(256), k=chance.randrange(4)))
    return bytes(data[: chance.randrange(len(data))] if chance.random() < 0.2 else data)


def test_2000_records_are_read_or_refused_with_a_message() -> None:
    chance, longest, read = random.Random(2000), 0.0, 0
    pictures = [picture(number, chance) for number in range(2000)]
    read_record(io.BytesIO(png_of(parameters=TEXT)), name="it")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for data in pictures:
            began = time.process_time()
            try:
                record = read_record(io.BytesIO(data), name="it")
                read += 1
                assert isinstance(record["request"], dict)
                request_of(record)
            except UsageError as refusal:
                assert len(str(refusal)) < 5000
            longest = max(longest, time.process_time() - began)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert longest < MAX_SECONDS and grown < MAX_MEGABYTES, (longest, grown)
    assert 300 < read < 1900  # of both kinds there are many


def test_2000_sets_of_texts_have_a_record_or_none() -> None:
    chance = random.Random(5)
    names = ("parameters", "prompt", "workflow", "Comment", "Software", "Description", "Dream", "sd-metadata")
    for _ in range(2000):
        texts = {name: text_of(chance) for name in chance.sample(names, chance.randrange(4))}
        if chance.random() < 0.3:
            texts["Software"] = "NovelAI"
        try:
            record = foreign_record(texts)
            assert record is None or set(record) == {"program", "version", "request", "model", "ignored"}
        except UsageError as refusal:
            assert not isinstance(refusal, NoRecord)
