"""What emoji show, in words: the table `emoji.tsv`, made of the keywords of emojilib."""

from collections.abc import Iterator
from pathlib import Path

from scripts.second.world.nouns import NOUNS
from scripts.world import sources

TABLE = Path(__file__).with_name("emoji.tsv")
GROUPS = ("Animals & Nature", "Food & Drink", "Travel & Places", "Activities", "Objects")
EMOJILIB = sources.Package(
    client="npm",
    name="emojilib",
    version="4.0.3",
    integrity="sha512-KbWiYre9aRSaPbHrHZIz9zmoM+21LAsK1VFJtnTh1VCtWE/rNMDviGhQTmselFl95dhqtGlY22iH0leG5BuW0g==",
    licence="MIT",
    credit="emojilib, copyright (c) 2014 Mu-An Chiou",
)
HEAD = f"# {EMOJILIB.spec} ({EMOJILIB.licence}; {EMOJILIB.credit}): things and places.\n"


def fetch_table(archives: Path) -> None:
    """Writes the table again, from packages that are fetched through npm and verified.

    Raises:
        IntegrityError, FetchError: as `sources.fetch`.
    """
    words = sources.read_json(sources.fetch(EMOJILIB, archives), "package/dist/emoji-en-US.json")
    names = sources.fetch(sources.UNICODE_NAMES, archives)
    groups = sources.read_json(names, "package/data-by-emoji.json")
    nouns = {noun.emoji for noun in NOUNS}
    kept = (e for e in words if e in nouns or groups.get(e, {}).get("group") in GROUPS)
    lines = ("\t".join((emoji, *dict.fromkeys(map(_cleaned, words[emoji])))) for emoji in kept)
    TABLE.write_text(HEAD + "".join(f"{line}\n" for line in lines), encoding="utf-8")


def read_table() -> dict[str, tuple[str, ...]]:
    """Emoji -> what it shows, in one to three words, and its keywords."""
    return dict(_rows())


def _rows() -> Iterator[tuple[str, tuple[str, ...]]]:
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            emoji, *words = line.split("\t")
            yield emoji.rstrip("\ufe0f"), tuple(words)


def _cleaned(keyword: str) -> str:
    plain = keyword.lower().replace("_", " ").replace("\xa0", " ").replace("\u2019", "'")
    return plain.removesuffix(" face").strip()
