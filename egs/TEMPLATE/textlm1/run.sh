#!/usr/bin/env bash
# shellcheck disable=SC2034 # the options are for textlm.sh
# A text LM of CORPUS.
#
#   ./run.sh --corpus_dir /data/CORPUS     everything; again: only what is missing or changed
#   ./run.sh --stage textlm                from a stage on; --list prints them, --dry_run what they would cost
#   ./run.sh --textlm_init DIR             start from a trained LM: of a recipe, or a Llama-shaped one of transformers
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh
. ./cmd.sh

# Begin configuration.
corpus_dir=                    # the corpus as it is distributed
data_options="corpus_dir"      # which of the options local/data.sh takes
tokenizer_args=(--vocab_size 4000) # ids, as text_vocab in conf/textlm.yaml, or fewer
textlm_args=(--text_vocab 4000)
# End configuration.

. ./textlm.sh
