import pytest

from limelight.app.ui.form.emoji import noun_of, spelled_out

NOUNS = ("apple", "frog", "sun", "car", "heart", "cat", "ufo", "dinosaur")


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a green 🐸 on a 🍎", "a green frog on a apple"),
        ("(🍎:1.3)", "(apple:1.3)"),
        ("🍎🐸", "apple frog"),
        ("a🍎", "a apple"),
        ("☀️ and ❤️", "sun and heart"),
        ("a 🚗 and a 🐱", "a car and a cat"),
        ("a 🏰", "a 🏰"),
        ("a 🛸 and two 🦖", "a ufo and two dinosaur"),
        ("a red apple", "a red apple"),
        ("", ""),
    ],
)
def test_an_emoji_of_a_known_noun_stands_for_it(prompt, expected):
    assert spelled_out(prompt, NOUNS)[0] == expected


def test_replaced_emoji_are_listed():
    assert spelled_out("🐸 🍎 🐸", NOUNS)[1] == {"🐸": "frog", "🍎": "apple"}


def test_no_other_letter_stands_for_a_word():
    assert all(noun_of(letter, NOUNS) is None for letter in "a1©\u200d\U0010ffff字")


def test_every_noun_of_the_default_model_but_a_few_has_an_emoji(pipe):
    nouns = pipe.model.vocabulary.groups["nouns"]
    emoji = (
        chr(code)
        for block in ((0x2600, 0x2800), (0x2B50, 0x2B51), (0x1F300, 0x1FAFF))
        for code in range(*block)
    )
    found = {noun_of(letter, nouns) for letter in emoji}
    assert set(nouns) - found == set()
