#!/usr/bin/env bash
# shellcheck disable=SC2034 # the options are for textlm.sh
# A text LM of what the voices of egs/mini/dialogue1 say: dialogues by a grammar, as text, on a laptop's CPU, with nothing
# downloaded. The place to see how a text LM is trained, and to try one of your own.
#
#   ./run.sh                                        everything; again: only what is missing or changed
#   ./run.sh --textlm.temporal.layers 2 --dir work/2 another model: any key of conf/textlm.yaml
#   ./run.sh --textlm_init DIR                      from a trained one: of a recipe, or a Llama-shaped one of transformers
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh
. ./cmd.sh

# Begin configuration.
hours=40                     # hours of dialogue to make for training, at the speed of the voices that could speak it
eval_minutes=60              # minutes of dialogue to make for dev, and for test
data_options="hours eval_minutes seed" # which of these options local/data.sh takes
nj=2                         # parts that array stages are cut into
tokenizer_args=(--vocab_size 420) # every word of the grammar is one piece
# End configuration.

. ./textlm.sh
