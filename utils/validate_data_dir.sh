#!/usr/bin/env bash
# Say what is wrong with a data directory; the status is 1 if anything is.
#   utils/validate_data_dir.sh [--audio] [--allow_pipes] data/train
set -euo pipefail
options=()
for word in "$@"; do
  case $word in
    --no-feats | --no-text) ;; # Kaldi's: neither is asked for here
    *) options+=("$word") ;;
  esac
done
exec audiolm datadir validate "${options[@]}"
