#!/usr/bin/env bash
# Two-speaker conversations by a grammar, as text: data/<set>/text, a dialogue a line, each turn after its speaker.
set -euo pipefail

# Begin configuration.
dir=work/demo          # the recipe's working directory
sets="train dev test"  # all three are made; their numbers and dialogues differ
hours=40               # of train
eval_minutes=60        # of dev and of test
# shellcheck disable=SC2034
nj=2                   # not needed: one job writes all in seconds
seed=0                 # of every random choice
# End configuration.
. utils/parse_options.sh

audiolm simulate scripts --dir "$dir" --hours "$hours" --eval_minutes "$eval_minutes" --seed "$seed"
# shellcheck disable=SC2086 # sets is a list of names
audiolm simulate text --dir "$dir" --sets $sets
