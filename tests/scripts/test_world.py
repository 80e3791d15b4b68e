"""The world's captions say what its scenes hold, nothing held out leaks, and a wrong package is refused."""

import re

import numpy as np
import pytest

from scripts.world.captions import describe, parse
from scripts.world.scene import Mixture, is_held_out, sample_scene
from scripts.world.sources import UNICODE_NAMES, IntegrityError, fetch
from scripts.world.vocabulary import NOUNS, pair_is_held_out


def test_captions_parse_back_to_their_scenes() -> None:
    rng = np.random.default_rng(0)
    for _ in range(2000):
        scene = sample_scene(rng, Mixture())
        caption = describe(scene, rng)
        assert parse(caption.upper()) == scene, caption


@pytest.mark.parametrize("held_out", [False, True])
def test_held_out_pairs_never_leak(held_out: bool) -> None:
    rng = np.random.default_rng(1)
    scenes = [sample_scene(rng, Mixture(held_out=held_out)) for _ in range(1000)]
    assert {is_held_out(scene) for scene in scenes} == {held_out}


def test_a_tenth_of_the_pairs_is_held_out() -> None:
    words = [noun.word for noun in NOUNS]
    pairs = [(a, b) for i, a in enumerate(words) for b in words[:i]]
    assert 0.08 < np.mean([pair_is_held_out(*pair) for pair in pairs]) < 0.12
    assert all(pair_is_held_out(a, b) == pair_is_held_out(b, a) for a, b in pairs)


def test_a_package_with_another_hash_is_refused_and_not_kept(tmp_path) -> None:
    archive = tmp_path / f"{UNICODE_NAMES.stem}.tgz"
    archive.write_bytes(b"something else")
    expected = re.escape(UNICODE_NAMES.integrity)
    with pytest.raises(IntegrityError, match=f"unicode-emoji-json@0.9.0: expected {expected}, found sha512-"):
        fetch(UNICODE_NAMES, tmp_path)
