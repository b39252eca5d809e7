# shellcheck shell=bash
# Finds audiolm: the environment that "make demo" or "make setup" has made, or the one named by AUDIOLM_VENV.
AUDIOLM_ROOT=${AUDIOLM_ROOT:-$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}
AUDIOLM_VENV=${AUDIOLM_VENV:-$AUDIOLM_ROOT/.venv}
if [[ -x $AUDIOLM_VENV/bin/audiolm ]]; then PATH=$AUDIOLM_VENV/bin:$PATH; fi
if ! command -v audiolm >/dev/null; then
  echo "error: no audiolm in $AUDIOLM_VENV/bin nor on PATH; run 'make setup' in $AUDIOLM_ROOT, or set AUDIOLM_VENV" >&2
  exit 1
fi
export AUDIOLM_ROOT PATH
export LC_ALL=C            # Kaldi's order of ids
export PYTHONUTF8=1        # … and UTF-8 text all the same
export PYTHONUNBUFFERED=1  # logs grow as the work does
