"""QR codes, for what is printed or shown on another screen."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=256)
def svg(text: str, css_class: str) -> str:
    """The text as a QR code: an SVG of one path, without a style or a script in it, safe to put into a page."""
    import segno

    drawn = segno.make(text, error="m", micro=False)
    return str(drawn.svg_inline(border=4, dark="#000", light="#fff", omitsize=True, svgclass=css_class, lineclass=None))
