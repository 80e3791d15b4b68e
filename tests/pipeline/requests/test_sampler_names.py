"""Samplers under the names of other programs."""

import pytest

from limelight.pipeline.errors import UnknownName
from limelight.pipeline.requests.schedulers import SCHEDULERS, scheduler_for_label, scheduler_name


@pytest.mark.parametrize("name", SCHEDULERS)
def test_our_names_and_labels_mean_themselves(name: str) -> None:
    assert scheduler_name(name) == scheduler_name(name.upper()) == name
    assert scheduler_name(SCHEDULERS[name].label or name) == name


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("Euler Ancestral", "euler-a"),
        ("euler_ancestral", "euler-a"),
        ("k_euler_a", "euler-a"),
        ("EulerAncestralDiscreteScheduler", "euler-a"),
        ("dpmpp_2m", "dpm++2m"),
        ("dpmpp_2m_k", "dpm++2m-karras"),
        ("DPM++ 2M karras", "dpm++2m-karras"),
        ("dpmpp_2m_sde_gpu", "dpm++2m-sde"),
        ("DPMSolverMultistepScheduler", "dpm++2m"),
        ("DPMSolverSinglestepScheduler", "dpm++2s"),
        ("kdpm_2", "dpm2"),
        ("dpm_2_ancestral", "dpm2-a"),
        ("uni_pc", "unipc"),
        ("UniPCMultistepScheduler", "unipc"),
        ("PLMS", "pndm"),
    ],
)
def test_a_name_of_another_program_is_known(theirs: str, ours: str) -> None:
    assert scheduler_name(theirs) == ours


@pytest.mark.parametrize(
    ("label", "schedule", "ours"),
    [
        ("dpmpp_2m", "karras", "dpm++2m-karras"),
        ("euler", "normal", "euler"),
        ("DPM++ 2M", "Automatic", "dpm++2m-karras"),
        ("Euler a", "Karras", None),
        ("Euler Ancestral Karras", "", None),
        ("lms", "", None),
    ],
)
def test_a_schedule_may_be_named_apart(label: str, schedule: str, ours: str | None) -> None:
    assert scheduler_for_label(label, schedule) == ours


def test_an_unknown_name_is_refused_with_a_near_one() -> None:
    with pytest.raises(UnknownName, match=r"unknown scheduler 'eular' \(did you mean 'euler'\?\)"):
        scheduler_name("eular")


@pytest.mark.parametrize("name", [["euler"], {}, 5, None, "x" * 100_000])
def test_a_text_that_is_no_name_is_refused_briefly(name: object) -> None:
    with pytest.raises(UnknownName) as refusal:
        scheduler_name(name)  # type: ignore[arg-type]
    assert len(str(refusal.value)) < 1000
