"""Statistics of the maps of words, for each site."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor

from limelight.pipeline.maps import numbers
from limelight.pipeline.maps.lookup import tokens_of
from limelight.pipeline.text.encoder import Word


class SiteMeasures(ABC):
    """Statistics of maps that are known for each site."""

    __slots__ = ()

    @abstractmethod
    def words(self) -> tuple[Word, ...]:
        """The words of the prompt, in order."""

    @abstractmethod
    def site_maps(self, tokens: Sequence[int]) -> Mapping[str, Float[Tensor, "k h w"]]:
        """Site -> the maps of some tokens there. Raises NoSuchMap if sites are not recorded."""

    def concentration(self, word: str) -> dict[str, float]:
        """Site -> the concentration of a word's map: 0 for a uniform map, 1 for a single position.

        Raises:
            NoSuchMap: the prompt does not contain the word, or sites are not recorded.
        """
        found = self.site_maps(tokens_of(self.words(), word, None))
        return {site: numbers.concentration(maps.sum(0)) for site, maps in found.items()}

    def overlap(self, word: str, other: str) -> dict[str, float]:
        """Site -> the overlap of the maps of two words, 0 to 1.

        Raises:
            NoSuchMap: the prompt does not contain a word, or sites are not recorded.
        """
        one, two = (self.site_maps(tokens_of(self.words(), each, None)) for each in (word, other))
        return {site: numbers.overlap(one[site].sum(0), two[site].sum(0)) for site in one}

    def outliers(self, threshold: float = 3.5) -> dict[str, float]:
        """Site -> its distance from the others, for sites whose maps differ most from the rest; largest
        first.

        Args:
            threshold: robust z-score, in median absolute deviations, above which a site is returned.

        Raises:
            NoSuchMap: sites are not recorded.
        """
        tokens = [i for word in self.words() for i in word.tokens]
        return numbers.outliers(self.site_maps(tokens), threshold)
