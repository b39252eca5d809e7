#!/usr/bin/env bash
# shellcheck disable=SC2034 # the options are for codec.sh
# A codec of CORPUS.
#
#   ./run.sh --corpus_dir /data/CORPUS     everything; again: only what is missing or changed
#   ./run.sh --stage codec                 from a stage on; --list prints them, --dry_run what they would cost
#   ./run.sh --teacher none                without distillation: for sounds, and for speech without transcripts
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh
. ./cmd.sh

# Begin configuration.
corpus_dir=                    # the corpus as it is distributed
data_options="corpus_dir"      # which of the options local/data.sh takes
fs=8000                        # sample rate of models and of audio made for them (Hz), as in conf/*.yaml
# seconds, that 99 % of utterances fit into, slowed down
recognizer_args=(--model.window 20 --trainer.batch_size 3)
# End configuration.

. ./codec.sh
