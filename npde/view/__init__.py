"""Views: a layer graph as text, data or picture. They read records and are imported by nothing in the pipeline."""

from npde.view.render import FORMATS, Format, render

__all__ = ["FORMATS", "Format", "render"]
