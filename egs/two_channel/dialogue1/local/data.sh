#!/usr/bin/env bash
# A folder of two-channel files as Kaldi data directories: two recordings a file; utterances, speakers and turns from STM files
# beside them, where there are any.
#
#   local/data.sh --dir work/demo --corpus_dir /data/calls
set -euo pipefail

# Begin configuration.
dir=work/demo          # the recipe's working directory
sets="train dev test"  # names of the sets
corpus_dir=            # the folder, searched to any depth
held_out=1             # files of dev, and of test
corpus_rejected=1%     # largest share of a set that may be at fault
nj=4                   # files that are opened at a time
seed=0                 # of the draw of files
# End configuration.
. utils/parse_options.sh

# shellcheck disable=SC2086 # sets is a list of words
audiolm corpus two_channel --corpus_dir "$corpus_dir" --dir "$dir" --sets $sets --held_out "$held_out" --seed "$seed" \
  --max_rejected "$corpus_rejected" --nj "$nj"
# shellcheck disable=SC2086
for set in $sets; do audiolm datadir validate "$dir/data/$set"; done
