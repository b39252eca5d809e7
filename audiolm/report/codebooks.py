"""How a codec uses its codebooks: how often every entry of every level comes, from the token archives."""

from html import escape
from pathlib import Path

import numpy as np

from audiolm.data.tokens import TokenReader
from audiolm.score.codebooks import perplexity
from audiolm.train import saved

WIDTH, HEIGHT = 260, 90
COLOURS = 9  # of page.css, line0 …
LEAD = (
    "How often each entry of a level occurs, from the most to the least frequent, on a logarithmic scale, in the codes "
    "of the set '{name}' by the trained codec. The line is an even use of all entries."
)


def beside_training(codec_dir: Path) -> str:
    """Why the learning curves may show another perplexity; empty where the codec's settings are not at hand."""
    if not (codec_dir / "config.yaml").is_file():
        return ""
    steps = round(1 / (1 - saved.load(codec_dir)[1].quantizer.decay))
    return (
        f" The perplexity among the learning curves is another one: a moving average over about the last {steps} "
        "steps of training, which begins where k-means has just spread the entries over the sounds. After fewer steps "
        "it still tells of that beginning, whatever the codec has become."
    )


def counts(archive: Path) -> list[np.ndarray]:
    """Of every level, how often each entry comes: [entries] integers."""
    reader = TokenReader(archive, "codes")
    totals = [np.zeros(size, dtype=np.int64) for size in reader.meta.vocab_sizes]
    for key in reader.keys():
        for total, codes in zip(totals, reader.read(key).T, strict=True):
            total += np.bincount(codes, minlength=len(total))
    return totals


def figure(level: int, count: np.ndarray, distilled: bool = True) -> str:
    """Shares of a level's entries from the most to the least frequent, on a logarithmic scale.

    ``distilled``: the first level learnt from a teacher, so it is called semantic and the others acoustic.
    """
    share = np.sort(count)[::-1] / max(count.sum(), 1)
    floor = 1 / max(count.sum(), 1)
    heights = np.log(np.maximum(share, floor) / floor) / np.log(max(share[0] / floor, np.e))
    x = np.linspace(0, WIDTH, len(count) + 1)
    top = [
        f"{a:.1f} {HEIGHT * (1 - h):.1f}L{b:.1f} {HEIGHT * (1 - h):.1f}"
        for a, b, h in zip(x, x[1:], heights, strict=False)
    ]
    even = np.log(max(1 / len(count) / floor, 1)) / np.log(max(share[0] / floor, np.e))
    used = int((count > 0).sum())
    kind = ", semantic" if level == 1 else ", acoustic"
    label = f"level {level}{kind if distilled else ''}"
    return (
        f'<figure class="chart"><figcaption>{escape(label)}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="entries of {escape(label)} by frequency">'
        f'<path class="area line{(level - 1) % COLOURS}" d="M0 {HEIGHT}L{"L".join(top)}L{WIDTH} {HEIGHT}Z"/>'
        f'<path class="grid" d="M0 {HEIGHT * (1 - even):.1f}H{WIDTH}"/></svg>'
        f'<div class="legend"><span>perplexity <b>{perplexity(count):.0f}</b> of {len(count)}</span>'
        f"<span>in use <b>{used}</b></span></div></figure>"
    )
