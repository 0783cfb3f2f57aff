"""The emit stage: `LayerGraph` → standalone PyTorch source; `npde.emit.live` makes a module of it (and imports torch)."""

from npde.emit.module import source

__all__ = ["source"]
