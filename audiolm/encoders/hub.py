"""Weights that are named by a path or by a hub id: found before any work starts, or one line says what to do.

Hub ids are looked up in the local cache first; only what is missing there is fetched. Hubs are asked only where their
host can be reached: their own clients retry for half a minute.
"""

import os
import re
import socket
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from audiolm.errors import AudiolmError, first_line

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
PATIENCE = 5.0  # seconds until a host counts as out of reach
TABLES = ("*.json", "*.txt", "*.yaml", "*.model")  # configurations and vocabularies


def find_weights(name: str, what: str, config: str, weights: Sequence[str] = (), also: Sequence[str] = ()) -> Path:
    """The local folder of a model: ``name`` itself if it is one, else that of the hub's copy.

    Args:
        name: folder, or hub id such as ``openai/whisper-medium``.
        what: the model is, for messages: "Whisper model".
        config: file that the folder must hold.
        weights: patterns of weight files of which one must match, the preferred first; only that one's are fetched.
        also: patterns of other files to fetch with the config.

    Raises:
        AudiolmError: neither a folder with these files nor a hub id that can be had.
    """
    folder = Path(name)
    if folder.is_dir():
        missing = _missing(folder, config, weights)
        if missing:
            raise AudiolmError(f"{folder} holds no {missing}, expected the folder of a {what}")
        return folder
    if folder.exists() or not HUB_ID.fullmatch(name) or name.startswith("."):
        raise AudiolmError(f"no {what} '{name}': expected an existing folder with {config}, or a hub id (owner/name)")
    return _cached(name, config, weights) or _fetched(name, what, config, weights, also)


def reachable(url: str) -> bool:
    """Whether a connection to a URL's host, or to the proxy that serves it, can be opened now."""
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    if proxy:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname, port), PATIENCE).close()
    except (OSError, ValueError):
        return False
    return True


def _missing(folder: Path, config: str, weights: Sequence[str]) -> str:
    """Which of what a folder must hold it lacks; empty if nothing."""
    if not (folder / config).is_file():
        return config
    if weights and not any(any(folder.glob(pattern)) for pattern in weights):
        return " or ".join(weights)
    return ""


def _cached(name: str, config: str, weights: Sequence[str]) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, local_files_only=True))
    except (LocalEntryNotFoundError, HfHubHTTPError):
        return None
    return None if _missing(folder, config, weights) else folder


def _fetched(name: str, what: str, config: str, weights: Sequence[str], also: Sequence[str]) -> Path:
    from huggingface_hub import constants, snapshot_download

    offline = constants.HF_HUB_OFFLINE or os.environ.get("HF_HUB_OFFLINE", "") in ("1", "true")
    if offline or not reachable(constants.ENDPOINT):
        why = "HF_HUB_OFFLINE is set" if offline else f"{constants.ENDPOINT} cannot be reached"
        raise AudiolmError(
            f"no {what} '{name}' in the cache {constants.HF_HUB_CACHE}, and {why}: fetch it where there is a network "
            f"('hf download {name}') and name its folder"
        )
    try:
        folder = Path(snapshot_download(name, allow_patterns=[*TABLES, config, *also]))
        for pattern in weights:
            folder = Path(snapshot_download(name, allow_patterns=[pattern]))
            if any(folder.glob(pattern)):
                break
    except Exception as error:  # a client's error classes change from version to version, its message says enough
        raise AudiolmError(
            f"cannot fetch {what} '{name}': {first_line(error)}; a gated one needs its conditions accepted at "
            f"{constants.ENDPOINT}/{name} and 'hf auth login'"
        ) from None
    if missing := _missing(folder, config, weights):
        raise AudiolmError(f"'{name}' on the hub holds no {missing}, expected a {what}")
    return folder
