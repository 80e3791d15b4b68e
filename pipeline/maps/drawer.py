"""The interface of objects that draw heat maps over a picture."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from PIL import Image

from limelight.pipeline.maps.selection import NoSuchMap

if TYPE_CHECKING:  # optional
    from matplotlib.figure import Figure

Scale = Literal["shared", "own"]  # colours up to the largest value of all words, or of the word


@runtime_checkable
class Drawer(Protocol):
    """Draws heat maps over its picture."""

    def overlay(self, maps: Any, word: str, scale: Scale) -> Image.Image:
        """The map of a word over the picture."""

    def sheet(self, maps: Any, scale: Scale) -> Image.Image:
        """The picture, and the map of every word over it."""

    def plot(self, maps: Any, words: tuple[str, ...], scale: Scale) -> "Figure":
        """The same as a figure of matplotlib."""

    def html(self, maps: Any) -> str:
        """The picture, its words, and the light of the one that is chosen."""


class Drawn(ABC):
    """Maps of a picture that can be drawn once it is finished."""

    __slots__ = ()

    @property
    @abstractmethod
    def drawer(self) -> Drawer | None:
        """Draws them; None before the picture is finished."""

    def overlay(self, word: str, *, scale: Scale = "shared") -> Image.Image:
        """The picture with the light of a word, or of several, over it.

        Args:
            scale: of the colours: to the most that any word has, or to the word's `own` most.

        Raises:
            NoSuchMap: the prompt does not have the word, or the picture is not finished.
        """
        return self._drawer.overlay(self, word, scale)

    def sheet(self, *, scale: Scale = "shared") -> Image.Image:
        """The picture, and the light of every word over it; otherwise as `overlay`."""
        return self._drawer.sheet(self, scale)

    def plot(self, *words: str, scale: Scale = "shared") -> "Figure":
        """A figure of matplotlib for a paper: the picture, the light of each word, and a scale; otherwise as
        `overlay`.

        Args:
            words: those of the prompt, all of them if none is given.

        Raises:
            UsageError: matplotlib is not installed.
        """
        return self._drawer.plot(self, words, scale)

    def _repr_html_(self) -> str | None:
        """Shown by a notebook: the picture, and its words to light up."""
        return None if self.drawer is None else self.drawer.html(self)

    @property
    def _drawer(self) -> Drawer:
        if self.drawer is None:
            raise NoSuchMap("the picture is not finished; its result's maps can be drawn")
        return self.drawer
