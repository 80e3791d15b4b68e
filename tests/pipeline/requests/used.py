"""Where each field of a request is used: the files that may name it, outside its table."""

from tests.pipeline.requests import expert_fields, steering_fields

_PAGE = ("app/ui/page/controls.py",)  # where it stands on the page
_PASSES = ("pipeline/sampling/passes.py",)  # what is done with it
_SHOWN = ("app/ui/output/frames.py", "pipeline/results/light_page.py")  # with the picture
_MASKED = "pipeline/sampling/masked_part.py"  # draws a part of an image at a size of its own
_SEEING = "app/ui/actions/seeing.py"  # a picture of the page is checked again
_CHANGES = "app/ui/form/changes.py"  # of a picture that there is
_RESTORE = "app/ui/form/restore.py"  # a picture that is no edit empties the field
_SIZE = (
    *(_SEEING, "pipeline/describer/pixels.py"),  # of a picture that is read
    *("pipeline/reading/change_mask.py", "pipeline/reading/check.py", "pipeline/reading/word_mask.py"),
    "pipeline/reading/losses.py",
    "app/commands/usual_size.py",  # that follows from an image's
    "pipeline/sampling/edits/editing.py",  # of the latent
    "pipeline/sampling/passes.py",  # latents have it
    _MASKED,
    "pipeline/results/segmentation.py",  # keys of COCO
    "app/ui/studio/measure.py",  # of a picture that is timed
    "app/ui/studio/pace.py",  # the time of a step
    *_PAGE,
    *_PASSES,
    "app/commands/backends.py",  # plans a size
    "app/tables.py",
    "app/ui/actions/handlers.py",  # a model's own size, an image's shape
    "app/ui/form/settings.py",  # the page's limit
    "app/ui/output/payload.py",
    "pipeline/batch/rows/manifest.py",  # of one column
    "pipeline/batch/run.py",  # rows of one size are drawn together
    "pipeline/maps/request_maps.py",
    "pipeline/results/png.py",  # both stand in one
    "pipeline/sampling/coverage.py",  # masks have a shape
    "pipeline/sampling/engine.py",
)
_MAPS = ("app/ui/output/pictures.py", "pipeline/batch/rows/rows.py", "pipeline/maps/request_maps.py")
_FOUND = (  # draw what a mask is read from, or a picture that is checked
    "pipeline/reading/change_mask.py",
    "pipeline/reading/check.py",
    "pipeline/reading/losses.py",
    "pipeline/reading/word_mask.py",
)
_FALLBACK = "app/ui/studio/recording_fallback.py"  # records less where memory is short
_EDIT_ROOM = "pipeline/sampling/edits"
_OF_IMAGE = ("app/commands/edit.py", f"{_EDIT_ROOM}/inversion.py", f"{_EDIT_ROOM}/start.py")
_SETTINGS = "app/ui/form/settings.py"

USED: dict[str, tuple[str, ...]] = {
    "prompt": (
        *(*_OF_IMAGE, *_FOUND, _SEEING, _CHANGES),
        *("pipeline/reading/agreement.py", "pipeline/reading/described_check.py"),
        "app/commands/check.py",
        "pipeline/sampling/edits/editing.py",  # whose row it is
        "pipeline/sampling/word_factors.py",
        "app/commands/word_mask.py",
        "pipeline/results/result.py",
        "pipeline/sampling/sampler.py",
        "pipeline/sampling/job.py",
        "pipeline/sampling/begin.py",
        "pipeline/sampling/firm.py",
        "pipeline/sampling/pick.py",
        "app/ui/output/unknown.py",  # words that the model does not know
        "app/ui/studio/measure.py",  # of a picture that is timed
        "app/ui/studio/studio.py",  # what is said of a prompt
        *_PAGE,
        _SETTINGS,
        "app/commands/backends.py",
        "app/commands/generate.py",
        "app/ui/actions/api.py",
        "app/ui/actions/handlers.py",
        "app/ui/form/restore.py",
        *_SHOWN,
        "app/ui/page/page.py",
        "app/ui/studio/expansions.py",
        "pipeline/batch/rows/csv_cells.py",  # tells a header
        "pipeline/batch/rows/expand.py",  # alternatives
        "pipeline/batch/rows/file_names.py",
        "pipeline/batch/rows/rows.py",
        "pipeline/batch/run.py",
        "pipeline/batch/summary/gallery.py",
        "pipeline/batch/summary/summary.py",
        "pipeline/batch/worker.py",
        "pipeline/maps/heatmaps.py",
        "pipeline/maps/request_maps.py",
        "pipeline/results/png.py",
        "pipeline/results/maps_export.py",
        "pipeline/sampling/sampler.py",  # whose row it is
        "pipeline/sampling/steering.py",  # which tokens a painted word has
        "pipeline/text_to_image.py",
    ),
    "negative_prompt": (
        *_OF_IMAGE,
        "pipeline/sampling/begin.py",
        "app/ui/studio/studio.py",  # what is said of a prompt
        *_PAGE,
        _SETTINGS,
        *_SHOWN,
        "pipeline/batch/rows/expand.py",  # alternatives
        "pipeline/batch/run.py",
        "pipeline/maps/request_maps.py",
        "pipeline/results/png.py",
    ),
    "seed": (
        *(_SEEING, _CHANGES),
        "app/commands/check.py",  # printed
        "pipeline/text_to_image.py",
        *_FOUND,
        "app/commands/replay.py",  # in the file's name
        "app/commands/generate.py",  # printed
        "app/ui/studio/measure.py",  # of a picture that is timed
        "pipeline/sampling/engine.py",  # of a sheet
        "pipeline/sampling/begin.py",
        "pipeline/sampling/pick.py",
        *_PAGE,
        *_PASSES,
        _SETTINGS,  # random if empty
        "app/commands/generate.py",  # random if omitted
        "app/ui/actions/api.py",
        "app/ui/actions/handlers.py",
        "app/ui/form/restore.py",
        *_SHOWN,
        "pipeline/batch/rows/expand.py",  # of `count` pictures
        "pipeline/batch/rows/rows.py",
        "pipeline/batch/rows/seeds.py",  # of rows that name none
        "pipeline/batch/run.py",
        "pipeline/batch/summary/gallery.py",
        "pipeline/batch/summary/summary.py",
        "pipeline/results/maps_export.py",
        "pipeline/results/result.py",  # in the file's name
    ),
    "num_steps": (
        *(*_OF_IMAGE, *_FOUND),
        *_PAGE,
        *_PASSES,
        _SETTINGS,
        *_SHOWN,
        "pipeline/results/result.py",
        "app/ui/studio/measure.py",
    ),
    "guidance_scale": (
        *(*_OF_IMAGE, *_SHOWN, _RESTORE),
        *_FOUND,
        *_PAGE,
        *_PASSES,
        "pipeline/sampling/predict.py",
    ),
    "scheduler": (
        *(*_OF_IMAGE, *_SHOWN),
        "pipeline/sampling/passes.py",  # takes eta or not
        "pipeline/models/configs/index.py",  # the part of a model
        *_PAGE,
        *_PASSES,
        "app/ui/form/restore.py",
        "pipeline/models/folder.py",  # the part of a model
        "pipeline/models/save.py",
        "pipeline/results/png.py",  # by label
    ),
    "width": (*_OF_IMAGE, *_SIZE),
    "height": (*_OF_IMAGE, *_SIZE),
    "image": (
        "app/commands/generate.py",  # whether there is one
        "app/commands/usual_size.py",
        *(*_OF_IMAGE, *_FOUND, _SEEING, "app/ui/page/page.py"),
        "app/commands/word_mask.py",
        "app/ui/output/pictures.py",
        "pipeline/text_to_image.py",
        _MASKED,
        "pipeline/results/png.py",  # as it was drawn
        *_PASSES,
        _SETTINGS,
        "app/ui/actions/api.py",  # the finished picture
        "app/ui/actions/handlers.py",
        "app/ui/form/restore.py",
        "app/ui/form/start_image.py",
        *_SHOWN,
        "pipeline/batch/worker.py",  # the VAE encodes it
        "pipeline/results/png.py",  # which a file does not hold
    ),
    "mask": (
        "app/ui/form/places.py",
        "pipeline/sampling/steering.py",
        *_FOUND,
        "app/commands/word_mask.py",
        _MASKED,
        *_PASSES,
        _SETTINGS,
        "app/ui/form/restore.py",
        "app/ui/form/start_image.py",
    ),
    "strength": (
        *_FOUND,
        *_PAGE,
        *_PASSES,
        "pipeline/results/png.py",
    ),
    "image_guidance_scale": _PASSES,
    "hires_scale": (
        *(*_FOUND, _RESTORE),
        *_PAGE,
        *_PASSES,
        "pipeline/batch/worker.py",
        "app/ui/studio/pace.py",
    ),
    "hires_strength": (*_FOUND, *_PAGE, *_PASSES, "pipeline/results/png.py"),
    "enlarge": (
        "pipeline/batch/run.py",  # whose picture it is
        "pipeline/sampling/engine.py",
        "app/commands/generate.py",  # why a file is larger
        "pipeline/results/maps_export.py",  # labels of its pixels
        *(*_PAGE, _RESTORE, _SETTINGS),
    ),
    "clip_skip": (
        *(*_FOUND, _SEEING),
        "pipeline/sampling/begin.py",
        *_PAGE,
        "pipeline/sampling/steering.py",  # of regions' prompts
        "pipeline/batch/worker.py",
        "pipeline/maps/request_maps.py",
        "pipeline/sampling/engine.py",
    ),
    "prompt_syntax": (
        *(*_FOUND, _SEEING),
        "pipeline/sampling/begin.py",
        *_PAGE,
        "app/ui/studio/studio.py",  # what is said of a prompt
        "pipeline/batch/worker.py",
        "pipeline/maps/request_maps.py",
    ),
    "guidance_rescale": (*_PAGE, *_PASSES),
    "guidance_start": _PASSES,
    "guidance_end": _PASSES,
    "lossy_cache_interval": (
        *_FOUND,
        "pipeline/sampling/pick.py",
        "app/ui/studio/pace.py",  # the time of a step
        "pipeline/sampling/compiled.py",  # refuses it
        "pipeline/sampling/job.py",  # which prediction is computed whole
        *_PAGE,
        *_PASSES,
        "pipeline/sampling/predict.py",
    ),
    "pick": (
        *_PAGE,
        _SETTINGS,
        *_SHOWN,
        "app/commands/generate.py",
        "pipeline/sampling/begin.py",
        "pipeline/sampling/pick.py",
    ),
    "record": (
        "pipeline/sampling/begin.py",
        "pipeline/sampling/job.py",
        "app/commands/word_mask.py",  # which keeps the pixels outside, unless maps are wanted
        *_FOUND,
        "pipeline/sampling/pick.py",
        *_PAGE,
        *_MAPS,
        _FALLBACK,
        _SETTINGS,
        "app/commands/batch.py",  # --maps
        "pipeline/batch/run.py",
        "app/commands/generate.py",
        "app/ui/actions/api.py",
        "pipeline/results/maps_export.py",
    ),
    "record_extras": (
        *_FOUND,
        *_PAGE,
        *_MAPS,
        _FALLBACK,
        _SETTINGS,
        "pipeline/sampling/pick.py",
    ),
    "record_points": (*_FOUND, *_FOUND, *_MAPS, _FALLBACK, _SETTINGS, "pipeline/sampling/pick.py"),
    "record_queries": (*_FOUND, *_FOUND, *_MAPS, "pipeline/sampling/pick.py"),
    "expansion": ("app/commands/edit.py", "app/commands/generate.py", "app/ui/studio/expansions.py"),
    **steering_fields.USED,
    **expert_fields.USED,
}
