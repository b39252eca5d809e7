"""A dialogue model written for other tools, or a released one as an experiment of ours."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor

from audiolm.errors import AudiolmError
from audiolm.models.moshi.adapters import LAYOUTS
from audiolm.models.moshi.adapters.layout import unallocated
from audiolm.models.moshi.bundle import write_bundle
from audiolm.models.moshi.hold import MAX_AGE
from audiolm.models.moshi.load import SHAPE, load_lm, save_lm
from audiolm.models.moshi.model import ModelConfig, MoshiModel
from audiolm.models.moshi.options import Export
from audiolm.models.moshi.parts import load_parts
from audiolm.spec import ExportRequest


def export(request: ExportRequest, options: Export) -> str:
    """``audiolm export --lm``, alone or with its codec and tokenizer.

    Raises:
        AudiolmError: as the functions below; what is asked for needs other parts, or none.
    """
    parts, ours = request.parts, request.to is None
    alone = set(parts) == {"lm"}
    if (options.task or options.main_only) and (alone or ours):
        raise AudiolmError("--task and --main_only are for a dialogue LM with its parts, --to moshi or transformers")
    if alone and not ours:
        raise AudiolmError(f"--to {request.to} takes --lm, --codec and --tokenizer: loaders there want all three")
    if alone:
        return f"exported {parts['lm']} to {request.out}; training starts from it with " + export_lm(
            parts["lm"], request.out
        )
    if not ours:
        given = (parts["lm"], parts["codec"], parts["tokenizer"], request.out)
        usage = export_system(request.to, *given, **asdict(options))
        return f"exported to {request.out}; it loads with {usage}"
    manifest = write_bundle(parts["lm"], parts["codec"], parts["tokenizer"], request.out)
    sums = ", ".join(f"{part} {value}" for part, value in manifest["checksums"].items())
    return f"exported to {request.out}: {manifest['streams']} streams at {manifest['frame_rate']:g} Hz ({sums})"


def export_lm(name: str, out: str | Path) -> str:
    """Write a released model into the folder ``out`` as an experiment of ours, and return how training starts from it.

    Args:
        name: see `load_lm`.

    Raises:
        AudiolmError: as `load_lm`; ``out`` is what it is read from.
    """
    _check_out(out, name)
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
