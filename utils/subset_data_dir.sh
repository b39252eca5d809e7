#!/usr/bin/env bash
# Write a part of a data directory: N utterances evenly spread, or those that an option or a list picks.
#   utils/subset_data_dir.sh [--first|--last|--shortest|--speakers|--per-spk] data/train 1000 data/train_1k
#   utils/subset_data_dir.sh --utt-list|--spk-list LIST data/train data/train_part
exec audiolm datadir subset "$@"
