#!/usr/bin/env bash
# Two-speaker conversations spoken by espeak-ng, as Kaldi data directories with exact words (ctm) and turns (rttm):
# scripts by a grammar, their audio by array jobs, the tables from both. data/local/words.txt is the vocabulary.
set -euo pipefail

# Begin configuration.
dir=work/demo          # the recipe's working directory
sets="train dev test"  # all three are made; their voices, numbers and dialogues differ
hours=6                # of train
eval_minutes=8         # of dev and of test
fs=16000               # sample rate of the corpus (Hz)
nj=2                   # jobs at a time
seed=0                 # of every random choice
# End configuration.
. utils/parse_options.sh
# shellcheck source=../cmd.sh
. ./cmd.sh

audiolm simulate scripts --dir "$dir" --hours "$hours" --eval_minutes "$eval_minutes" --seed "$seed"
# shellcheck disable=SC2086 # cmd and the names of sets are lists of words
$cmd JOB=1:"$nj" "$dir/log/simulate.JOB.log" \
  audiolm simulate speak --dir "$dir" --sets $sets --fs "$fs" --seed "$seed" --job JOB --num_jobs "$nj"
# shellcheck disable=SC2086
audiolm simulate tables --dir "$dir" --sets $sets ||
  { rm -f "$dir"/log/simulate.*.done; exit 1; } # what is refused is spoken again, once it is mended
