"""The fields of a request that most pictures need, in order."""

from collections.abc import Mapping

from limelight.pipeline.requests.edits import Edits, Factors, Scales, Words
from limelight.pipeline.requests.fields.field import (
    MAX_BLENDED,
    MAX_CACHE_INTERVAL,
    MAX_CLIP_SKIP,
    MAX_FREEU,
    MAX_GUIDANCE,
    MAX_HEADS,
    MAX_HIRES_SCALE,
    MAX_PAINTED,
    MAX_PERTURBED,
    MAX_PICK,
    MAX_PLADIS,
    MAX_REGIONS,
    MAX_SCALED,
    MAX_SEED,
    MAX_SIDE,
    MAX_STEPS,
    RECORD_EXTRAS,
    Field,
)
from limelight.pipeline.requests.fields.numbers import Point
from limelight.pipeline.requests.pixels import SIZE_MULTIPLE
from limelight.pipeline.requests.steering import HeadScale, Painted, Region, WordScale
from limelight.pipeline.requests.values import (
    Detail,
    Expanded,
    ImageFile,
    Items,
    Name,
    Number,
    Scheduler,
    Syntax,
    Text,
    Whole,
)

TABLE: Mapping[str, Field] = {
    "prompt": Field(Text(), "Prompt", "What to draw", is_offered=True),
    "negative_prompt": Field(
        Text(), "Negative prompt", "What the picture should not show", option="--negative", is_offered=True
    ),
    "seed": Field(
        Whole(0, MAX_SEED), "Seed", "Of the initial noise", option="--seed", is_offered=True, a1111="Seed"
    ),
    "num_steps": Field(
        Whole(1, MAX_STEPS),
        "Steps",
        "Scheduler steps",
        option="--steps",
        is_offered=True,
        a1111="Steps",
        diffusers="num_inference_steps",
    ),
    "guidance_scale": Field(
        Number(0, MAX_GUIDANCE),
        "Guidance",
        "Guidance scale; the model's own if omitted",
        option="--guidance",
        alias="--cfg",
        is_offered=True,
        a1111="CFG scale",
    ),
    "scheduler": Field(
        Scheduler(),
        "Scheduler",
        "By its name here or in AUTOMATIC1111's web UI; the model's own if omitted",
        option="--scheduler",
        is_offered=True,
        a1111="Sampler",
    ),
    "width": Field(
        Whole(SIZE_MULTIPLE, MAX_SIDE, SIZE_MULTIPLE),
        "Width",
        "In pixels",
        option="--width",
        is_offered=True,
        is_off_at_0=True,
        a1111="Size",
    ),
    "height": Field(
        Whole(SIZE_MULTIPLE, MAX_SIDE, SIZE_MULTIPLE),
        "Height",
        "In pixels",
        option="--height",
        is_offered=True,
        is_off_at_0=True,
        a1111="Size",
    ),
    "image": Field(ImageFile("RGB"), "Image", "To begin from, or to edit; gives the size", option="--image"),
    "mask": Field(
        ImageFile("L"),
        "Mask",
        "Of the image's size; white where the picture is drawn again, black where it stays",
        option="--mask",
        needs="image",
        diffusers="mask_image",
    ),
    "strength": Field(
        Number(0, 1),
        "Strength",
        "How far the image is redrawn; 0.8 if omitted, or 1 with a mask",
        option="--strength",
        needs="image",
        is_offered=True,
        is_off_at_0=True,
        a1111="Denoising strength",
    ),
    "image_guidance_scale": Field(
        Number(1, MAX_GUIDANCE),
        "Image guidance",
        "How closely a model that edits images keeps to the image; 1.5 if omitted",
        option="--image-guidance",
        needs="image",
    ),
    "hires_scale": Field(
        Number(1, MAX_HIRES_SCALE),
        "Times larger",
        "Enlarge the picture so many times, and sample it once more",
        option="--hires",
        is_offered=True,
        is_off_at_0=True,
        a1111="Hires upscale",
    ),
    "hires_strength": Field(
        Number(0, 1),
        "How far that redraws it",
        "How far the second pass redraws the picture; 0.5 if omitted",
        option="--hires-strength",
        needs="hires_scale",
        is_offered=True,
        is_off_at_0=True,
        a1111="Denoising strength",
    ),
    "clip_skip": Field(
        Whole(1, MAX_CLIP_SKIP),
        "CLIP skip",
        "Layer of the text encoder, from its end; 1 is the model's own",
        option="--clip-skip",
        is_offered=True,
        a1111="Clip skip",
    ),
    "prompt_syntax": Field(
        Syntax(),
        "Prompt syntax",
        "What brackets mean and where a long prompt is cut: limelight, or a1111 as AUTOMATIC1111's web UI",
        option="--prompt-syntax",
        is_offered=True,
        a1111="Prompt syntax",
    ),
    "guidance_rescale": Field(
        Number(0, 1),
        "Guidance rescale",
        "How far to take back the contrast that guidance adds",
        option="--guidance-rescale",
        is_offered=True,
    ),
    "guidance_start": Field(
        Number(0, 1),
        "Guidance from",
        "Fraction of the steps at which guidance begins",
        option="--guidance-interval",
    ),
    "guidance_end": Field(
        Number(0, 1), "Guidance to", "fraction at which it ends", option="--guidance-interval"
    ),
    "lossy_cache_interval": Field(
        Whole(1, MAX_CACHE_INTERVAL),
        "Lossy cache",
        "1 is exact. More is faster and changes the picture: one step in so many is computed whole",
        option="--lossy-cache",
        is_offered=True,
        a1111="Lossy cache interval",
    ),
    "paint": Field(
        Edits(Painted, MAX_PAINTED), "Painted words", "Where a word of the prompt shall be", option="--paint"
    ),
    "regions": Field(
        Edits(Region, MAX_REGIONS),
        "Regions",
        "A part of the picture with a prompt of its own",
        option="--region",
    ),
    "heads": Field(
        Edits(HeadScale, MAX_HEADS),
        "Heads",
        "Attention heads to scale, or to switch off by 0",
        option="--head",
    ),
    "pag_scale": Field(
        Number(0, MAX_PERTURBED),
        "PAG",
        "Guidance away from a picture whose parts do not see each other; 0 is none, 3 usual",
        option="--pag",
        is_offered=True,
    ),
    "seg_scale": Field(
        Number(0, MAX_PERTURBED),
        "SEG",
        "Guidance away from a picture whose parts all see the same; 0 is none, 3 usual",
        option="--seg",
        is_offered=True,
    ),
    "freeu": Field(
        Factors(("b1", "b2", "s1", "s2"), 0, MAX_FREEU),
        "FreeU",
        "How much the backbone of the U-Net counts, and its skips, at the two lowest levels",
        option="--freeu",
        is_offered=True,
    ),
    "pladis": Field(
        Number(0, MAX_PLADIS),
        "PLADIS",
        "Experimental: how far words are seen more sharply than the model sees them; 0 is none, 2 usual",
        option="--pladis",
        is_offered=True,
    ),
    "pick": Field(
        Whole(1, MAX_PICK),
        "Starts",
        "Try so many starts, from the seed on, and draw the one in which each word has a place of its own",
        option="--pick",
        is_offered=True,
    ),
    "scale_words": Field(
        Scales(WordScale, MAX_SCALED),
        "Weights of words",
        "Look at a word of the prompt so many times as much; 1 is as it is",
        option="--scale-word",
    ),
    "edit_of": Field(
        Text(), "Edit of", "The prompt of a picture that is kept where both agree", option="--edit-of"
    ),
    "keep": Field(
        Factors(("cross", "self"), 0, 1),
        "Keep",
        "Until which fractions of the steps an edit looks as the picture that it keeps",
    ),
    "blend_words": Field(
        Words(MAX_BLENDED),
        "Change only",
        "Words of an edit outside whose places the picture stays what it was",
        option="--blend-word",
    ),
    "blend": Field(
        Factors(("threshold", "start"), 0, 1),
        "Blend",
        "The part of a map's maximum above which a word has a place, and the fraction of the steps after "
        "which the rest stays",
    ),
    "record": Field(Detail(), "Maps of", "Which attention maps to keep"),
    "record_extras": Field(Items(Name("extra", RECORD_EXTRAS)), "Also", "What to keep with the maps"),
    "record_points": Field(Items(Point()), "Points", "Pixels whose self-attention to keep, with the maps"),
    "record_queries": Field(
        Items(Whole(0, 2 * MAX_STEPS), is_sorted=True),
        "Queries",
        "Predictions whose queries to keep, with the maps",
    ),
    "expansion": Field(Expanded(), "Expansion", "How a language model came to make the prompt longer"),
}
