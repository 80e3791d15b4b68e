"""`make shapes` checks annotations: a call that breaks one is an error there."""

import jaxtyping
import pytest
import torch

from limelight.attention.masks import causal_mask
from limelight.attention.recording.contributions import contribution_norms


def test_a_wrong_shape_or_type_is_an_error(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--jaxtyping-packages", default=None):
        pytest.skip("annotations are checked by `make shapes`")
    with pytest.raises(jaxtyping.TypeCheckError, match="checking the parameters"):
        causal_mask("four", 4, torch.device("cpu"))  # type: ignore[arg-type]
    with pytest.raises(jaxtyping.TypeCheckError, match="checking the parameters"):
        contribution_norms(torch.zeros(2, 3), torch.zeros(2), torch.zeros(2, 2))
