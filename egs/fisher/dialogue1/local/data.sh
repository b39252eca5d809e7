#!/usr/bin/env bash
# Fisher English as Kaldi data directories: two recordings a call, utterances, speakers, turns (rttm). Calls whose speakers are
# in dev or test are left out of train.
#
#   local/data.sh --dir work/demo --corpus_dir /data/ldc
set -euo pipefail

# Begin configuration.
dir=work/demo          # the recipe's working directory
sets="train dev test"  # names of the sets
corpus_dir=            # the folder that holds the LDC's packages
releases="1 2"         # parts of the corpus that are there
held_out=50            # calls of dev, and of test
corpus_rejected=1%     # largest share of a set that may be at fault
nj=8                   # files that are opened at a time
seed=0                 # of the draw of calls
# End configuration.
. utils/parse_options.sh

# shellcheck disable=SC2086 # sets and releases are lists of words
audiolm corpus fisher --corpus_dir "$corpus_dir" --dir "$dir" --sets $sets --releases $releases --held_out "$held_out" \
  --seed "$seed" --max_rejected "$corpus_rejected" --nj "$nj"
# shellcheck disable=SC2086
for set in $sets; do audiolm datadir validate "$dir/data/$set"; done
