"""A dialogue model written for other tools, or a released one as an experiment of ours."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from audiolm.config.schema import plain
from audiolm.config.yaml_files import write_yaml
from audiolm.errors import AudiolmError
from audiolm.lm.start import NOT_OF_WEIGHTS
from audiolm.lm.text_lm import load_released, save_text_lm
from audiolm.models.moshi.adapters import LAYOUTS, find_layout
from audiolm.models.moshi.adapters.layout import unallocated
from audiolm.models.moshi.hold import MAX_AGE
from audiolm.models.moshi.load import SHAPE, load_lm, save_lm
from audiolm.models.moshi.model import ModelConfig, MoshiModel
from audiolm.models.moshi.parts import load_parts
from audiolm.train.config import load


def export_lm(name: str, out: str | Path) -> str:
    """Write a released model into the folder ``out`` as an experiment of ours, and return how training starts from it.

    Args:
        name: see `load_lm`; or a text LM (:func:`audiolm.lm.text_lm.load_released`), of which a dialogue LM's temporal
            transformer takes weights and shape.

    Raises:
        AudiolmError: neither; ``out`` is what it is read from.
    """
    _check_out(out, name)
    if not (Path(name) / "config.yaml").is_file() and find_layout(name) is None:
        save_text_lm(load_released(name), out)
        run = load(out)[1]
        specials = {} if run.specials is None else {"specials": run.specials}
        temporal = {key: value for key, value in plain(run.temporal).items() if key not in NOT_OF_WEIGHTS}
        write_yaml(Path(out) / SHAPE, {"model": {"text_vocab": run.text_vocab, **specials, "temporal": temporal}})
    else:
        save_lm(load_lm(name)[0], out)
    return f"audiolm train --config … --config {out}/{SHAPE} --init {out}"


def export_system(
    to: str, name: str, codec: str, tokenizer: str, out: str | Path, task: str | None = None, main_only: bool = False
) -> str:
    """Write a model with its codec and tokenizer into the folder ``out``; return how the other project loads them.

    Args:
        to: the layout, "moshi" or "transformers".
        name: see `load_lm`.
        codec: see `load_codec`.
        tokenizer: folder or file.
        task: the delay pattern, of a model that has several.
        main_only: without what predicts the user.

    Raises:
        AudiolmError: a part is unfinished, or not what the model was trained with, or does not fit the layout.
    """
    _check_out(out, name, codec, tokenizer)
    parts = load_parts(name, codec, tokenizer)
    model = parts.model
    if main_only:
        model = without_user(model)
    if task is not None:
        model = for_task(model, task)
    return LAYOUTS[to].save(model, parts.codec, parts.tokenizer, Path(out))


def for_task(model: MoshiModel, task: str) -> MoshiModel:
    """A model of one delay pattern that does what ``model`` does in that task.

    What told it the task becomes part of every text token's embedding; a frame whose text is absent is not told.
    """
    index = model.config.task_index(task)
    config = replace(model.config, tasks={task: model.config.tasks[task]})
    state = model.state_dict()
    if model.task_embedding is not None:
        told = state.pop("task_embedding.weight")[index]
        table = state["backbone.text_embedding.weight"].clone()
        table[:-1] += told
        state["backbone.text_embedding.weight"] = table
    if model.hold_embedding is not None:  # its last rows but one are of the longest lag among all tasks
        lag, longest = config.hold_lag(task), max(map(model.config.hold_lag, model.config.tasks))
        first = config.text_vocab + 1 + MAX_AGE + 2  # row of lag 0
        held = state["hold_embedding.weight"]
        state["hold_embedding.weight"] = torch.cat([held[: first + 1 + lag], held[first + 1 + longest :]])
    return _model(config, state)


def without_user(model: MoshiModel) -> MoshiModel:
    """The same model without the levels that predict the user, on which the main speaker's do not depend."""
    ours, levels = model.config, model.config.levels
    if ours.predict == "main" or ours.speakers == 1:
        return model
    depth = ours.depth
    if depth is not None and depth.schedule is not None:
        depth = replace(depth, schedule=depth.schedule[:levels])
    config = replace(ours, predict="main", depth=depth)
    with unallocated():
        shapes = MoshiModel(config).state_dict()
    state = model.state_dict()
    return _model(config, {name: state[name][: len(shape)] for name, shape in shapes.items()})


def _model(config: ModelConfig, state: Mapping[str, Tensor]) -> MoshiModel:
    with unallocated():
        model = MoshiModel(config)
    model.load_state_dict(state, assign=True)
    return model.eval()


def _check_out(out: str | Path, *sources: str) -> None:
    if any(Path(out).resolve() == Path(source).resolve() for source in sources):
        raise AudiolmError(f"{out} is where the model is read from; name another --out")
