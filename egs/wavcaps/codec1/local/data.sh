#!/usr/bin/env bash
# WavCaps as Kaldi data directories: a clip is a recording, its caption is its text.
#
#   local/data.sh --dir work/demo --corpus_dir /data/WavCaps
set -euo pipefail

# Begin configuration.
dir=work/demo          # the recipe's working directory
sets="train dev test"  # names of the sets
corpus_dir=            # the folder with json_files and the unpacked Zip_files
sources=SoundBible     # what to take: FreeSound, BBC_Sound_Effects, SoundBible, AudioSet_SL
held_out=60            # clips for each set but the first
corpus_rejected=1%     # largest share of a set that may be at fault
seed=0                 # of the draw of clips
nj=4                   # files that are opened at a time
# End configuration.
. utils/parse_options.sh

# shellcheck disable=SC2086 # sets and sources are lists of words
audiolm corpus wavcaps --corpus_dir "$corpus_dir" --dir "$dir" --sets $sets --sources $sources --held_out "$held_out" \
  --seed "$seed" --max_rejected "$corpus_rejected" --nj "$nj"
# shellcheck disable=SC2086
for set in $sets; do audiolm datadir validate "$dir/data/$set"; done
