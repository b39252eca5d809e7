#!/usr/bin/env bash
# Cut a data directory into N parts, data/train/splitN/1 … N, speakers kept together.
#   utils/split_data_dir.sh [--per-utt] data/train 4
exec audiolm datadir split "$@"
