#!/usr/bin/env bash
# Dialogue scripts spoken by voices, as Kaldi data directories with the voices' own words (ctm) and turns (rttm).
#
#   local/data.sh --dir work/demo --scripts /data/scripts
set -euo pipefail

# Begin configuration.
dir=work/demo          # the recipe's working directory
sets="train dev test"  # names of the sets: <scripts>/<set>.jsonl
scripts=               # folder of the scripts
voices=espeak          # who speaks: espeak, kokoro, piper, or module:function
voices_model=          # folder of Kokoro's or Piper's weights
voices_aligner=pocketsphinx # finds the times of words where a voice knows none
voices_aligner_model=  # what it takes
corpus_fs=16000        # sample rate of the spoken corpus (Hz)
corpus_rejected=1%     # largest share of a set's dialogues that may not be spoken
nj=4                   # jobs at a time
seed=0                 # of noise and rooms
# End configuration.
. utils/parse_options.sh
# shellcheck source=../cmd.sh
. ./cmd.sh

mkdir -p "$dir/data/local/scripts"
for set in $sets; do
  if [[ ! -f $scripts/$set.jsonl ]]; then
    echo "local/data.sh: error: --scripts '$scripts' has no $set.jsonl; write one dialogue a line (see" \
      "audiolm/simulate/script.py), or examples with 'audiolm simulate scripts --dir DIR' (DIR/data/local/scripts)" >&2
    exit 1
  fi
  ! cmp -s "$scripts/$set.jsonl" "$dir/data/local/scripts/$set.jsonl" || continue
  rm -f "$dir"/log/simulate.*.done # what was spoken of other scripts
  cp "$scripts/$set.jsonl" "$dir/data/local/scripts/.$set.tmp"
  mv "$dir/data/local/scripts/.$set.tmp" "$dir/data/local/scripts/$set.jsonl"
done
# shellcheck disable=SC2086 # cmd and the names of sets are lists of words
$cmd JOB=1:"$nj" "$dir/log/simulate.JOB.log" \
  audiolm simulate speak --dir "$dir" --sets $sets --voices "$voices" --voices_model "$voices_model" \
  --aligner "$voices_aligner" --aligner_model "$voices_aligner_model" --fs "$corpus_fs" --seed "$seed" \
  --job JOB --num_jobs "$nj"
# shellcheck disable=SC2086
audiolm simulate tables --dir "$dir" --sets $sets --max_rejected "$corpus_rejected" ||
  { rm -f "$dir"/log/simulate.*.done; exit 1; } # what is refused is spoken again, once it is mended
# shellcheck disable=SC2086
for set in $sets; do audiolm datadir validate "$dir/data/$set"; done
