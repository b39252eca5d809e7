#!/usr/bin/env bash
# Write one data directory of several.
#   utils/combine_data.sh data/train data/train_a data/train_b
exec audiolm datadir combine "$@"
