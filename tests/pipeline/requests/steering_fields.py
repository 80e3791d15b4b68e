"""Where the fields of steering and edits are used: the files that may name them, outside their table."""

_PAGE = ("app/ui/page/controls.py",)  # where it stands on the page
_PASSES = ("pipeline/sampling/passes.py",)  # what is done with it
_SETTINGS = "app/ui/form/settings.py"
_CHANGES = "app/ui/form/changes.py"  # of a picture that there is
_RESTORE = "app/ui/form/restore.py"  # a picture that is no edit empties the field
_SAID = "app/record_lines.py"  # of edits alone
_EDITS = ("app/commands/edit.py", "app/ui/actions/handlers.py", *_PAGE)  # of a picture that there is
_EDIT_ROOM = "pipeline/sampling/edits"
_OF_IMAGE = ("app/commands/edit.py", f"{_EDIT_ROOM}/inversion.py", f"{_EDIT_ROOM}/start.py")
_STEERING = (
    "pipeline/sampling/coverage.py",
    "pipeline/sampling/engine.py",
    "pipeline/sampling/steering.py",
    "app/ui/form/places.py",  # as a browser sends them
)

USED: dict[str, tuple[str, ...]] = {
    "paint": (*_STEERING, "pipeline/sampling/firm.py", "pipeline/sampling/passes.py"),
    "regions": (
        *("pipeline/maps/request_maps.py", "pipeline/sampling/begin.py", "pipeline/sampling/job.py"),
        *_STEERING,
    ),
    "heads": (
        "pipeline/maps/request_maps.py",  # of maps
        "pipeline/models/best_maps.py",  # of maps
        "pipeline/results/maps_export.py",  # of maps
        *_STEERING,
        "app/ui/output/payload.py",  # of maps
        "app/ui/studio/timing.py",
        "pipeline/maps/heatmaps.py",
        "pipeline/maps/layers.py",
    ),
    "pag_scale": _PASSES,
    "seg_scale": _PASSES,
    "freeu": ("pipeline/sampling/predict.py", _RESTORE),
    "pladis": ("pipeline/sampling/steering.py",),
    "scale_words": ("pipeline/sampling/word_factors.py", _CHANGES, *_EDITS),
    "edit_of": (
        *_OF_IMAGE,
        *("pipeline/sampling/begin.py", "pipeline/maps/request_maps.py", "app/ui/studio/pace.py"),
        *(_SETTINGS, _CHANGES, _RESTORE, *_EDITS, _SAID),
    ),
    "keep": (f"{_EDIT_ROOM}/editing.py", *_EDITS, _SAID),
    "blend_words": (
        *_OF_IMAGE,
        *("pipeline/sampling/begin.py", f"{_EDIT_ROOM}/blend.py", f"{_EDIT_ROOM}/editing.py"),
        *("pipeline/sampling/job.py", _CHANGES, *_EDITS),
    ),
    "blend": ("pipeline/sampling/edits/blend.py", *_EDITS, _SAID),
}
