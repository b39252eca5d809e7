"""Models in other projects' layouts: their tensors by rules that are read both ways, their configs by keys."""
