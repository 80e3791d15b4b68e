"""The attention backends that the page offers, and the reasons why others cannot run."""

from html import escape

from limelight.app.ui.form.settings import AUTO
from limelight.app.ui.studio.studio import Studio
from limelight.attention import AttentionSpec, backends


def backend_choices(studio: Studio) -> list[tuple[str, str]]:
    """Label and name of every backend; those that cannot run here say so."""
    reasons = refusals(studio)
    offered = [("Automatic", AUTO)]
    offered += [
        (f"{backend.name} (cannot run here)" if reasons[backend.name] else backend.name, backend.name)
        for backend in backends
    ]
    return offered


def refusals(studio: Studio) -> dict[str, list[str]]:
    """Backend -> why it cannot run the sites of the first model at its own size; empty if it can."""
    specs = _specs(studio)
    return {
        backend.name: list(dict.fromkeys(reason for spec in specs for reason in backend.refusals(spec)))
        for backend in backends
    }


def refusals_html(studio: Studio) -> str:
    """The reasons as a list that can be opened."""
    rows = [
        f"<dt>{escape(name)}</dt><dd>{escape('; '.join(reasons))}</dd>"
        for name, reasons in refusals(studio).items()
        if reasons
    ]
    if not rows:
        return ""
    return (
        '<details class="refusals"><summary>Attention backends that cannot run here, and why</summary>'
        f"<dl>{''.join(rows)}</dl></details>"
    )


def _specs(studio: Studio) -> set[AttentionSpec]:
    pipe = next(iter(studio.pipelines.values()))
    model = pipe.model
    _, height, width = model.latent_shape(*model.native_size)
    return set(model.unet.attention_specs(height, width, model.text.length, batch=2).values())
