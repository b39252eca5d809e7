"""One Markdown table of the codecs that run.sh has scored.

    python benchmarks/codec_table/table.py --dir work/codec_table mimi no_split encodec

A column each; values with their 95 % intervals, of the test set.
"""

import argparse
import json
from pathlib import Path

# Row -> (name of its record, decimals).
ROWS = {
    "kbit/s": ("bitrate", 2),
    "ABX of level 1, within speakers, %": ("abx_within", 1),
    "ABX of level 1, across speakers, %": ("abx_across", 1),
    "ABX of all levels, within speakers, %": ("abx_all_levels", 1),
    "ViSQOL, speech": ("codec_visqol_speech", 2),
    "DNSMOS, overall": ("codec_dnsmos", 2),
    "PESQ": ("codec_pesq", 2),
    "STOI": ("codec_stoi", 3),
    "mel distance, dB": ("codec_mel_distance", 2),
    "SI-SDR, dB": ("codec_si_sdr", 1),
    "speaker similarity": ("codec_speaker_similarity", 3),
    "word errors, PocketSphinx, %": ("wer_resynthesis_pocketsphinx", 1),
    "codes of level 1 that come back, %": ("codec_idempotence_1", 1),
    "entries in use, %": ("codebook_use", 1),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, required=True, help="what run.sh wrote")
    parser.add_argument("codecs", nargs="+", help="folders in it")
    args = parser.parse_args()
    scores = {name: args.dir / name / "exp/codec/scores" for name in args.codecs}
    print("| |", " | ".join(name.replace("_", " ").replace("+", ", ") for name in scores), "|")
    print("|---" * (len(scores) + 1) + "|")
    for row, (metric, decimals) in ROWS.items():
        print("|", row, "|", " | ".join(cell(folder, metric, decimals) for folder in scores.values()), "|")


def cell(folder: Path, metric: str, decimals: int) -> str:
    """Value and interval of a record of the test set; a dash where there is none."""
    path = folder / f"{metric}.json"
    if not path.exists():
        return "–"
    record = json.loads(path.read_text(encoding="utf-8"))
    record = record[0] if isinstance(record, list) else record
    scale = 1e-3 if metric == "bitrate" else 1.0
    text = f"{record['value'] * scale:.{decimals}f}"
    if record["ci"]:
        low, high = record["ci"]
        text += f" ({low:.{decimals}f} to {high:.{decimals}f})"
    return text


if __name__ == "__main__":
    main()
