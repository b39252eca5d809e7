# shellcheck shell=bash disable=SC2034,SC2154 # options are for groups of stages, and theirs are for this
# Text language models in the manner of Helium (Moshi, section 3.2): from documents of text to a model whose weights start
# the temporal transformer of a dialogue model. A recipe's run.sh sets what is particular to its corpus and sources this.

# Begin configuration.
layout=lines            # of plain text: a document a line (lines), or blank lines between documents (paragraphs)
textlm=                 # a trained text LM, or a Llama-shaped one by folder or hub id: only scores and report are made
textlm_init=            # a text LM of either kind that training starts from, with its tokenizer
export_layout=transformers # of the export stage: transformers (LlamaForCausalLM), audiolm
# End configuration.

groups="common tokenizer textlm scores"
. utils/groups.sh

textlm_dir=$dir/exp/textlm
checkable=scores # functions that call verbs and nothing else

stage_corpus "data/*"
stage_tokenizer corpus "$dir/data/$train_set"
stage tokens "Documents as tokens, packed" --after "corpus tokenizer" --out "dump/*/tokens" -- \
  each_set tokens --tokenizer "$tokenizer_dir" --layout "$layout"
stage textlm "Train the text LM" --after tokens --out exp/textlm/model.safetensors -- \
  make_textlm "$textlm" "${textlm_configs[@]}" --train "$train" --valid "$valid" --tokenizer "$tokenizer_dir" \
  --trainer.seed "$seed" ${textlm_init:+--init "$textlm_init"} "${textlm_args[@]}"
stage score "Scores beside baselines, and continuations" --after "tokens textlm" --out "exp/*/scores" -- \
  scores --metrics textlm --textlm "$textlm_dir" "${score_args[@]}"
stage_report --title "A text language model"
stage export "A layout that other tools load" --after textlm --out exp/textlm/export -- \
  once export --textlm "$textlm_dir" --to "$export_layout" --out "$textlm_dir/export"
run_stages audiolm results --dir "$dir"
