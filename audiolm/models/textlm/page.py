"""A text LM on the page: what it is and has read, and how it goes on with texts."""

from html import escape
from pathlib import Path

from audiolm.data.documents import Counts
from audiolm.data.json_lines import read_json_lines
from audiolm.train import saved

SAMPLES_LEAD = (
    "The model goes on with the first words of documents of the test set, and twice from nothing. Each token is drawn "
    "from the {top_k} likeliest at temperature {temperature:g}."
)


def cards(work: Path, name: str) -> str:
    """Shape of every text LM on documents, and a row of numbers for each set that was packed; empty where none is."""
    dump = work / "dump"
    if not any(dump.glob("*/tokens/documents.json")):
        return ""
    return "".join(map(_card, _experiments(work))) + _sets(dump)


def continuations(work: Path, name: str) -> str:
    """What every text LM has gone on with; empty where none has."""
    files = [exp / "generate/text/samples.jsonl" for exp in _experiments(work)]
    return "".join(samples(path) for path in files if path.is_file())


def _experiments(work: Path) -> list[Path]:
    found = sorted(path.parent for path in (work / "exp").glob("*/config.yaml"))
    return [exp for exp in found if saved.system_of(exp) == "textlm"]


def _card(exp: Path) -> str:
    settings = saved.load(exp)[1]
    shape = settings.temporal
    rows = {
        "transformer": f"{shape.layers} layers of {shape.dim} channels, {shape.heads} heads"
        + (f", {shape.kv_heads} of keys and values" if shape.kv_heads not in (None, shape.heads) else "")
        + f", feed-forward {shape.ffn_dim}",
        "parameters": f"{_parameters(exp) / 1e6:.1f} M" if (exp / "model.safetensors").is_file() else "",
        "vocabulary": f"{settings.text_vocab} ids",
        "training sequence": f"{settings.tokens} tokens",
    }
    lines = "".join(f"<tr><td>{escape(k)}</td><td>{escape(v)}</td></tr>" for k, v in rows.items() if v)
    return f'<div class="wide"><table class="card">{lines}</table></div>'


def _parameters(exp: Path) -> int:
    from safetensors import safe_open

    with safe_open(exp / "model.safetensors", framework="np") as file:
        shapes = [file.get_slice(name).get_shape() for name in file.keys()]
    total = 0
    for shape in shapes:
        size = 1
        for length in shape:
            size *= length
        total += size
    return total


def _sets(dump: Path) -> str:
    rows = []
    for path in sorted(dump.glob("*/tokens/documents.json")):
        counts = Counts.read(path)
        left_out = counts.inputs - counts.documents
        numbers = (counts.documents, left_out, counts.words, counts.tokens, counts.bytes)
        cells = "".join(f"<td>{number:,}</td>" for number in numbers)
        each = f"<td>{counts.tokens / max(counts.words, 1):.2f}</td>"
        rows.append(f"<tr><td>{escape(path.parents[1].name)}</td>{cells}{each}</tr>")
    names = ("set", "documents", "left out", "words", "tokens", "bytes", "tokens a word")
    head = "".join(f"<th>{name}</th>" for name in names)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def samples(path: Path) -> str:
    """How tokens were drawn, and a table of prompts, what the model made of them, and how the documents go on."""
    items = [item for _, item in read_json_lines(path)]
    rows = "".join(
        f"<tr><td>{escape(item['prompt']) or '<i>nothing</i>'}</td><td><ins>{escape(item['continuation'])}</ins></td>"
        f"<td>{escape(item['original'])}</td></tr>"
        for item in items
    )
    head = "<tr><th>given</th><th>continuation</th><th>as the document goes on</th></tr>"
    table = f'<div class="wide"><table class="transcripts"><thead>{head}</thead><tbody>{rows}</tbody></table></div>'
    return f"<p>{SAMPLES_LEAD.format(**items[0])}</p>{table}"
