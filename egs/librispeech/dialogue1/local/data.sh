#!/usr/bin/env bash
# LibriSpeech as Kaldi data directories: an utterance is a recording.
#
#   local/data.sh --dir work/demo --corpus_dir /data/LibriSpeech
set -euo pipefail

# Begin configuration.
dir=work/demo          # the recipe's working directory
sets="train dev test"  # names of the sets
corpus_dir=            # the folder LibriSpeech, with SPEAKERS.TXT and the parts
parts="train-clean-100 dev-clean test-clean" # of each set; several of one set joined by '+'
corpus_rejected=1%     # largest share of a set that may be at fault
nj=4                   # files that are opened at a time
# End configuration.
. utils/parse_options.sh

# shellcheck disable=SC2086 # sets and parts are lists of words
audiolm corpus librispeech --corpus_dir "$corpus_dir" --dir "$dir" --sets $sets --parts $parts \
  --max_rejected "$corpus_rejected" --nj "$nj"
# shellcheck disable=SC2086
for set in $sets; do audiolm datadir validate "$dir/data/$set"; done
