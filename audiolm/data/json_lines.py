"""JSON lines, gzipped or not: what other tools' manifests are written in."""

import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from audiolm.data.files import atomic
from audiolm.errors import AudiolmError


def write_json_lines(path: Path, items: Iterable[dict]) -> None:
    """Write objects as JSON lines, gzipped where the name ends in ``.gz``: atomically, the same bytes every time."""
    with atomic(path, "wb") as raw:
        if path.suffix == ".gz":
            with gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0) as file:
                file.writelines(f"{json.dumps(item, ensure_ascii=False)}\n".encode() for item in items)
        else:
            raw.writelines(f"{json.dumps(item, ensure_ascii=False)}\n".encode() for item in items)


def read_json_lines(path: Path) -> Iterator[tuple[int, dict]]:
    """Yield (line number, object) of a file of JSON lines, gzipped or not, with a byte-order mark or not.

    Raises:
        AudiolmError: it cannot be read, or a line is no JSON object.
    """
    number = 0
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as file:
            for number, line in enumerate(file, 1):
                line = line.decode("utf-8-sig" if number == 1 else "utf-8")  # some tools write a byte-order mark
                if line.strip():
                    item = json.loads(line)
                    if not isinstance(item, dict):
                        raise AudiolmError(f"{path}:{number}: found '{line.strip()[:60]}', expected a JSON object")
                    yield number, item
    except (OSError, EOFError) as error:
        raise AudiolmError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    except ValueError as error:
        raise AudiolmError(f"{path}:{number} is not JSON lines: {error}") from None
