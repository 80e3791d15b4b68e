"""Requests that join and leave between steps."""

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.errors import RequestError
from limelight.pipeline.results.result import Step
from limelight.pipeline.sampling.engine import Session


@pytest.fixture(scope="module")
def pipe(sd_folder: Path) -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained(sd_folder, device="cpu", max_rows=6)


def request(**fields: object) -> GenerationRequest:
    return GenerationRequest(**({"prompt": "a red apple", "seed": 3, "num_steps": 5} | fields))


def finished(session: Session) -> dict[int, Step]:
    last = {}
    while session.is_busy:
        last |= {step.id: step for step in session.step() if step.is_last}
    return last


def test_a_request_joins_those_that_are_half_way(pipe: TextToImagePipeline) -> None:
    session = pipe.engine.session()
    first = session.add(request())
    assert [(step.id, step.index) for step in session.step()] == [(first, 1)]
    second = session.add(request(seed=4, prompt="a cat"))
    assert [(step.id, step.index) for step in session.step()] == [(first, 2), (second, 1)]
    last = finished(session)
    for id, asked in ((first, request()), (second, request(seed=4, prompt="a cat"))):
        ours, alone = (np.asarray(each.image, dtype=int) for each in (last[id].result, pipe(asked)))
        assert np.abs(ours - alone).max() <= 1


def test_an_aborted_request_is_drawn_no_further_and_freed(pipe: TextToImagePipeline) -> None:
    session = pipe.engine.session()
    kept, gone = session.add(request()), session.add(request(seed=4, record="site"))
    session.step()
    held = weakref.ref(next(job.trajectory for job in session._jobs if job.id == gone))
    assert session.free_rows == 2
    assert session.abort(gone)
    assert session.free_rows == 4
    gc.collect()
    assert held() is None
    assert [step.id for step in session.step()] == [kept]
    assert not session.abort(gone)
    assert set(finished(session)) == {kept}


def test_a_refused_request_takes_a_number_and_no_room(pipe: TextToImagePipeline) -> None:
    session = pipe.engine.session()
    with pytest.raises(RequestError, match="clip_skip is 9"):
        session.add(request(clip_skip=9))
    assert not session.is_busy
    assert session.add(request()) == 1


def test_a_picture_is_decoded_later_in_another_thread(pipe: TextToImagePipeline) -> None:
    session = pipe.engine.session(later=True)
    id = session.add(request(record="grid"))
    last = finished(session)[id]
    assert last.result is None and last.finish is not None
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(last.finish).result()
    expected = pipe(request(record="grid"))
    assert result.image.tobytes() == expected.image.tobytes()
    assert result.info == expected.info
    assert np.array_equal(result.maps.word("apple"), expected.maps.word("apple"))


def test_more_requests_than_room_take_turns(pipe: TextToImagePipeline) -> None:
    session = pipe.engine.session()
    for seed in range(5):
        session.add(request(seed=seed))  # two rows each, six in a call
    stepped = [step.id for _ in range(5) for step in session.step()]
    assert sorted(stepped) == sorted([*range(5)] * 3)  # three steps each after five calls


@pytest.mark.parametrize("count", [1, 3])
def test_exact_pictures_are_the_same_bit_for_bit_in_any_company(sd_folder: Path, count: int) -> None:
    pipe = TextToImagePipeline.from_pretrained(sd_folder, device="cpu", exact=True)
    alone = pipe(request())
    beside = pipe([request(), *request(prompt="a cat BREAK a dog", seed=8).repeated(count)])
    assert beside[0].image.tobytes() == alone.image.tobytes()
