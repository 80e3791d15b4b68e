import pytest

from limelight.app.ui.form.emoji import spelled_out
from limelight.pipeline.text.near import Near

SHOWN = (
    "🍎 apple",
    "🐸 frog",
    "☀ sun",
    "❤ heart",
    "❤‍🔥 heart",
    "🚗 car",
    "🐱 cat",
    "🐈‍⬛ black cat",
    "🏖 beach",
)
NEAR = Near(
    words={"🦁": ("cat",), "lion": ("cat",)}, emoji={k: (v,) for k, v in (e.split(" ", 1) for e in SHOWN)}
)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a green 🐸 on a 🍎", "a green frog on an apple"),
        ("(🍎:1.3)", "(apple:1.3)"),
        ("🍎🐸", "apple frog"),
        ("a🍎", "an apple"),
        ("An  🐸", "A  frog"),
        ("a red 🍎 in Rita 🍎", "a red apple in Rita apple"),
        ("🍎red", "apple red"),
        ("☀️ and ❤️", "sun and heart"),
        ("☀️❤️‍🔥,", "sun heart,"),
        ("a 🚗 and a 🐱", "a car and a cat"),
        ("a 🐈‍⬛ on a 🏖️", "a black cat on a beach"),
        ("a 🏰", "a 🏰"),
        ("a 🦁 and a lion", "a 🦁 and a lion"),  # near words are only offered
        ("🏰🏰 a🏰", "🏰🏰 a🏰"),
        ("a red  apple\n", "a red  apple\n"),
        ("", ""),
    ],
)
def test_an_emoji_of_a_known_thing_stands_for_it(prompt, expected):
    assert spelled_out(prompt, NEAR)[0] == expected


def test_replaced_emoji_are_listed():
    assert spelled_out("🐸 🍎 🐸", NEAR)[1] == {"🐸": "frog", "🍎": "apple"}


def test_no_other_letter_stands_for_a_word(pipe):
    text = "a1©\u200d\U0010ffff字 dog ☪ ✡ ⌥"
    assert spelled_out(text, pipe.model.vocabulary.near) == (text, {})


def test_every_noun_of_the_default_model_has_an_emoji_and_the_command_line_offers_it(pipe):
    vocabulary = pipe.model.vocabulary
    shown = {emoji: spelled_out(emoji, vocabulary.near)[0] for emoji in vocabulary.near.emoji}
    assert set(vocabulary.groups["nouns"]) <= set(shown.values())
    assert all(vocabulary.offers([emoji])[0].words == (words,) for emoji, words in shown.items())
