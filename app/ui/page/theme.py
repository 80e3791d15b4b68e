"""Colours, fonts and corners of the page; `static/styles` has the rest."""

import gradio as gr

FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Noto Sans", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


def theme() -> gr.themes.Base:
    """The theme, with system fonts, so that none is fetched. Its colours are variables of `colours.css`."""
    both = {
        "body_background_fill": "var(--ground)",
        "body_text_color": "var(--ink)",
        "body_text_color_subdued": "var(--ink-soft)",
        "background_fill_primary": "var(--panel)",
        "background_fill_secondary": "var(--panel-soft)",
        "block_background_fill": "transparent",
        "block_border_color": "var(--line)",
        "block_label_background_fill": "transparent",
        "block_label_text_color": "var(--ink-soft)",
        "block_title_text_color": "var(--ink)",
        "block_info_text_color": "var(--ink-soft)",
        "border_color_primary": "var(--line)",
        "border_color_accent": "var(--accent)",
        "color_accent_soft": "var(--accent-soft)",
        "input_background_fill": "var(--field)",
        "input_background_fill_focus": "var(--field)",
        "input_border_color": "var(--line)",
        "input_border_color_focus": "var(--accent)",
        "input_placeholder_color": "var(--ink-faint)",
        "input_shadow_focus": "0 0 0 3px var(--accent-soft)",
        "slider_color": "var(--accent)",
        "button_primary_background_fill": "var(--lime)",
        "button_primary_background_fill_hover": "var(--lime-strong)",
        "button_primary_text_color": "var(--lime-ink)",
        "button_primary_border_color": "transparent",
        "button_secondary_background_fill": "var(--field)",
        "button_secondary_background_fill_hover": "var(--panel-soft)",
        "button_secondary_text_color": "var(--ink)",
        "button_secondary_border_color": "var(--line)",
        "checkbox_background_color": "var(--field)",
        "checkbox_background_color_selected": "var(--accent)",
        "checkbox_border_color": "var(--line-strong)",
        "checkbox_border_color_selected": "var(--accent)",
        "checkbox_label_background_fill": "transparent",
        "checkbox_label_background_fill_hover": "transparent",
        "checkbox_label_background_fill_selected": "transparent",
        "checkbox_label_text_color_selected": "var(--ink)",
        "error_background_fill": "var(--panel)",
    }
    once = {
        "block_border_width": "0px",
        "block_shadow": "none",
        "block_padding": "0px",
        "block_label_border_width": "0px",
        "layout_gap": "14px",
        "input_border_width": "1px",
        "input_radius": "10px",
        "button_large_radius": "10px",
        "button_medium_radius": "10px",
        "button_small_radius": "8px",
        "container_radius": "12px",
        "block_radius": "12px",
        "button_primary_shadow": "none",
        "button_secondary_shadow": "none",
        "block_title_text_weight": "550",
        "block_label_text_weight": "550",
        "checkbox_label_border_width": "0px",
        "checkbox_label_border_width_dark": "0px",
        "checkbox_label_padding": "2px 0",
        "checkbox_label_shadow": "none",
    }
    base = gr.themes.Base(font=FONT, font_mono=MONO, text_size="sm", spacing_size="md", radius_size="md")
    values = {**both, **{f"{name}_dark": value for name, value in both.items()}, **once}
    return base.set(**values)
