# shellcheck shell=bash
# Finds audiolm; what this recipe needs on PATH besides goes below.
. "$(dirname "${BASH_SOURCE[0]}")/utils/path.sh"
