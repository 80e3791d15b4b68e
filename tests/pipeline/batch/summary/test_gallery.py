"""The gallery's pages as text; what they do in a browser is tested with the command."""

from html.parser import HTMLParser
from typing import Any

from limelight.pipeline.batch.summary.gallery import PAGE, filters_of, pages_of


def entry(number: int = 1, **values: Any) -> dict[str, Any]:
    usual = {
        "key": f"{number:024x}",
        "id": None,
        "line": number,
        "status": "done",
        "file": f"{number}.png",
        "error": None,
        "is_constant": False,
        "seconds": 1.0,
        "maps": None,
        "prompt": "a red apple",
    }
    return usual | values


class Page(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_user_text_is_escaped() -> None:
    nasty = "--><script>alert(1)</script><!--tiles--> \"'><img src=x onerror=alert(1)>"
    entries = [entry(1, prompt=nasty, id="a", note=nasty[:50]), entry(2, note=nasty[:50]), entry(3, note="b")]
    entries.append(entry(4, status="failed", file=None, error=nasty, prompt=nasty))
    ((name, text),) = pages_of(entries)
    page = Page(text)
    assert name == "index.html"
    assert len(page.all("script")) == 1
    assert [image["src"] for image in page.all("img")] == ["1.png", "2.png", "3.png"]
    assert page.all("img")[0]["alt"] == nasty
    assert page.text.count(nasty) >= 3


def test_nothing_is_fetched_from_elsewhere() -> None:
    ((_, text),) = pages_of([entry()])
    assert "http" not in text and "//" not in text.replace("</", "")


def test_pictures_lead_to_their_maps() -> None:
    ((_, text),) = pages_of([entry(1, maps="maps/1-maps.png"), entry(2)])
    links = [link["href"] for link in Page(text).all("a")]
    assert links == ["1.png", "maps/1-maps.png", "2.png"]


def test_columns_are_filtered_by_where_pictures_share_values() -> None:
    entries = [
        entry(
            i,
            own="ab"[i % 2],
            same="x",
            each=f"{i}",
            size=[64, 128][i % 2],
            num_steps=[20, 4][i % 2],
            seed=i % 2,
        )
        for i in range(60)
    ]
    filters = filters_of(entries)
    assert filters == {"own": ["a", "b"], "size": ["64", "128"], "num_steps": ["4", "20"]}
    ((_, text),) = pages_of(entries)
    assert [select["name"] for select in Page(text).all("select")] == ["by:own", "by:size", "by:num_steps"]


def test_long_galleries_have_pages() -> None:
    pages = dict(pages_of([entry(i) for i in range(PAGE + 1)]))
    assert list(pages) == ["index.html", "index-2.html"]
    assert [len(Page(text).all("figure")) for text in pages.values()] == [PAGE, 1]
    assert 'href="index-2.html"' in pages["index.html"]
    assert "1,001 of 1,001 pictures" in pages["index-2.html"]
