import pytest
from hypothesis import given
from hypothesis import strategies as st

from limelight.pipeline.errors import RequestError, UnknownName
from limelight.pipeline.requests.request import MAX_SEED, GenerationRequest
from limelight.pipeline.requests.schedulers import SCHEDULERS, scheduler_label


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"width": 500}, "width is 500; must be a multiple of 8 (504 is the nearest)"),
        ({"height": 0}, "height is 0; must be from 8 to 1048576"),
        ({"width": -8}, "width is -8; must be from 8 to 1048576"),
        ({"num_steps": 0}, "num_steps is 0; must be from 1 to 1000"),
        ({"num_steps": 10**9}, "num_steps is 1000000000; must be from 1 to 1000"),
        ({"num_steps": 2.5}, "num_steps is 2.5; must be a whole number"),
        ({"num_steps": True}, "num_steps is True; must be a whole number"),
        ({"seed": -1}, f"seed is -1; must be from 0 to {MAX_SEED}"),
        ({"seed": 2**64}, f"seed is {2**64}; must be from 0 to {MAX_SEED}"),
        ({"guidance_scale": float("nan")}, "guidance_scale is nan; must be a finite number"),
        ({"guidance_scale": float("inf")}, "guidance_scale is inf; must be a finite number"),
        ({"guidance_scale": -1.0}, "guidance_scale is -1.0; must be from 0 to 100"),
        ({"record": "heads"}, "record is 'heads'; must be False, 'grid', 'site' or 'head'"),
        ({"prompt": None}, "prompt is None; must be text"),
        ({"prompt": "a" * 20_001}, "prompt has 20,001 characters; at most 20,000"),
        (
            {"prompt": "a\ud800"},
            "prompt is not valid text: character 1 is a lone surrogate; remove it",
        ),
    ],
)
def test_a_field_out_of_range_is_refused_with_value_limit_and_remedy(
    fields: dict[str, object], message: str
) -> None:
    with pytest.raises(RequestError) as refusal:
        GenerationRequest(**({"prompt": "apple"} | fields))
    assert str(refusal.value) == message


def test_a_size_beyond_the_machine_is_refused_with_the_largest_to_try() -> None:
    with pytest.raises(
        RequestError, match=r"100000x100000 needs at least 9,537 GiB; this machine has .* to try"
    ):
        GenerationRequest(prompt="apple", width=100_000, height=100_000)


def test_an_unknown_scheduler_is_refused_with_the_nearest_and_the_valid_ones() -> None:
    with pytest.raises(UnknownName) as refusal:
        GenerationRequest(prompt="apple", scheduler="eular")
    message = str(refusal.value)
    assert message.startswith("unknown scheduler 'eular' (did you mean 'euler'?); valid: model, ")
    assert all(name in message for name in SCHEDULERS)


@pytest.mark.parametrize("ours", SCHEDULERS)
def test_a_scheduler_may_be_given_by_the_label_of_other_programs(ours: str) -> None:
    request = GenerationRequest(prompt="apple", scheduler=scheduler_label(ours))
    assert request == GenerationRequest(prompt="apple", scheduler=ours)


def test_the_labels_are_those_of_automatic1111() -> None:
    assert scheduler_label("dpm++2m-karras") == "DPM++ 2M Karras"
    assert scheduler_label("euler-a") == "Euler a"
    assert scheduler_label("model") == "model"


def test_count_is_refused_by_the_request() -> None:
    with pytest.raises(RequestError, match="count is 1000000; must be from 1 to 10000"):
        GenerationRequest(prompt="apple").repeated(10**6)


def test_repeated_counts_the_seed_up() -> None:
    assert [r.seed for r in GenerationRequest(prompt="apple", seed=5).repeated(3)] == [5, 6, 7]


def test_the_models_values_fill_only_unset_fields() -> None:
    given = GenerationRequest(prompt="apple", width=64, guidance_scale=0.0)
    resolved = given.resolved(width=512, height=512, guidance_scale=7.5, scheduler="ddim")
    assert (resolved.width, resolved.height, resolved.guidance_scale) == (64, 512, 0.0)
    assert resolved.scheduler == "ddim"


def test_true_records_the_grid() -> None:
    assert GenerationRequest(prompt="apple", record=True).record == "grid"


@given(
    prompt=st.text(max_size=200).filter(lambda text: text.isprintable()),
    seed=st.integers(0, MAX_SEED),
    width=st.none() | st.integers(1, 128).map(lambda n: 8 * n),
    num_steps=st.integers(1, 1000),
    guidance_scale=st.none() | st.floats(0, 100),
    scheduler=st.none() | st.sampled_from(sorted(SCHEDULERS)),
)
def test_a_stored_request_comes_back_equal(**fields: object) -> None:
    request = GenerationRequest(**fields)
    assert GenerationRequest.from_dict(request.to_dict()) == request


def test_a_stored_request_is_held_to_the_same_limits() -> None:
    with pytest.raises(RequestError, match=r"unknown fields \['modle'\]; known: .*prompt"):
        GenerationRequest.from_dict({"prompt": "apple", "modle": "x"})
    with pytest.raises(RequestError, match="the field prompt is missing"):
        GenerationRequest.from_dict({})
    with pytest.raises(RequestError, match="num_steps is 0"):
        GenerationRequest.from_dict({"prompt": "apple", "num_steps": 0})
