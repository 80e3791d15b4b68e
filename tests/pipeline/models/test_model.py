"""A model is an ordinary object that holds its parts and the services made from them."""

from pathlib import Path

import pytest

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.models.model import Model


@pytest.fixture(scope="module")
def loaded(sd_folder: Path) -> Model:
    return TextToImagePipeline.from_pretrained(sd_folder, device="cpu").model


def made_again(model: Model, name: str) -> Model:
    """Another model of the same parts."""
    return Model(
        name=name,
        family=model.family,
        unet=model.unet,
        vae=model.vae,
        text=model.text,
        scheduler_config=model.scheduler_config,
        hash=model.hash,
    )


def test_services_made_from_its_parts_are_its_own(loaded: Model) -> None:
    other = made_again(loaded, "other")
    for name in ("adapters", "preview", "prompt_cache", "schedulers"):
        assert getattr(other, name) is not getattr(loaded, name)
    with loaded.prompt_cache.rows([loaded.text.prompt("a cat")]):
        assert len(loaded.prompt_cache.pages) == 1
    assert len(other.prompt_cache.pages) == 0
    assert other.enlarger.name == "shock filter"


def test_it_can_be_changed_and_compared_as_any_object(loaded: Model) -> None:
    other = made_again(loaded, "other")
    other.name = "renamed"
    assert other.name == "renamed"
    assert other != made_again(loaded, "renamed")
    assert len({loaded, other}) == 2
    assert set(vars(other)) == {
        "name",
        "family",
        "unet",
        "vae",
        "text",
        "scheduler_config",
        "hash",
        "vocabulary",
        "best_maps",
        "enlarger",
        "folder",
        "adapters",
        "preview",
        "prompt_cache",
        "schedulers",
    }
