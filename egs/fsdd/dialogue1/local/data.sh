#!/usr/bin/env bash
# The Free Spoken Digit Dataset as Kaldi data directories: strings of digits of one speaker, joined with random gaps, with
# exact words (ctm) and turns (rttm); the speakers of dev and test are in no other set. Without --corpus_dir the corpus is
# fetched with git (about 30 MB) into <dir>/data/local/fsdd.
set -euo pipefail

# Begin configuration.
dir=work/demo             # the recipe's working directory
sets="train dev test"     # names of the three sets
corpus_dir=               # a copy of the corpus: the folder above its recordings/
hours=1                   # of train: the same takes in ever new strings
eval_minutes=5            # of dev and of test
sides=1                   # 1: a recording is one string; 2: two channels that take turns
digits="2 4"              # least and most in a string
speeds="0.8 0.9 1.0 1.12 1.25" # of speech in train: four speakers sound like more
dev_speakers=yweweler     # speakers of dev (its accent is also in train)
test_speakers=theo        # speakers of test (likewise)
seed=0                    # of every random choice
# shellcheck disable=SC2034 # every local/data.sh takes it
nj=1                      # jobs at a time: not used, this takes seconds
corpus_url=https://github.com/Jakobovski/free-spoken-digit-dataset # where git finds the corpus
corpus_commit=26eb9aaf76e81b692f806f9140c2d2777410d7a1             # its state that is used
# End configuration.
. utils/parse_options.sh

if [[ -z $corpus_dir ]]; then
  corpus_dir=$dir/data/local/fsdd
  if [[ ! -d $corpus_dir ]]; then
    rm -rf "$corpus_dir.part"
    mkdir -p "$corpus_dir.part"
    echo "fetching $corpus_url"
    if ! { git init -q "$corpus_dir.part" &&
      GIT_TERMINAL_PROMPT=0 git -C "$corpus_dir.part" fetch -q --depth 1 "$corpus_url" "$corpus_commit" &&
      git -C "$corpus_dir.part" checkout -q FETCH_HEAD; }; then
      echo "local/data.sh: error: cannot fetch $corpus_url (see above); without a network, copy it here by other means" \
        "and name its folder with --corpus_dir" >&2
      exit 1
    fi
    mv "$corpus_dir.part" "$corpus_dir"
  fi
fi

# shellcheck disable=SC2086 # sets, digits, speeds and speakers are lists of words
audiolm corpus fsdd --corpus_dir "$corpus_dir" --dir "$dir" --sets $sets --hours "$hours" \
  --eval_minutes "$eval_minutes" --sides "$sides" --digits $digits --speeds $speeds --dev_speakers $dev_speakers \
  --test_speakers $test_speakers --seed "$seed"
# shellcheck disable=SC2086
for set in $sets; do audiolm datadir validate "$dir/data/$set"; done
