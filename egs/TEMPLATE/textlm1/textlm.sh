# shellcheck shell=bash disable=SC2034,SC2086 # options are for the functions of utils/; some are lists of words
# Text language models in the manner of Helium (Moshi, section 3.2): from documents of text to a model whose weights start
# the temporal transformer of a dialogue model. A recipe's run.sh sets what is particular to its corpus and sources this.

# Begin configuration.
budget=demo             # sizes and schedules: conf/budgets/<budget>.sh
dir=                    # everything is written here (default: work/<budget>)
sets="train dev test"   # data sets: to train on, to validate on, and others to score on
nj=4                    # parts that array stages are cut into; cmd.sh says how many run at a time
ngpu=0                  # GPUs of a machine; 0: train on CPU
num_nodes=1             # machines with ngpu GPUs each, where cmd.sh has several
seed=0                  # of every random draw
max_rejected=1%         # a stage stops when it rejects more of its input
data_options=           # which of these options local/data.sh takes
layout=lines            # of plain text: a document a line (lines), or blank lines between documents (paragraphs)
tokenizer=              # a tokenizer that is there, such as Moshi's tokenizer_spm_32k_3.model: none is trained then
textlm=                 # a trained text LM, or a Llama-shaped one by folder or hub id: only scores and report are made
textlm_init=            # a text LM of either kind that training starts from, with its tokenizer
textlm_config=conf/textlm.yaml # of the LM's; of several files the later ones override: "base.yaml more.yaml"
export_layout=transformers # of the export stage: transformers (LlamaForCausalLM), audiolm
tokenizer_args=()       # --tokenizer.vocab_size 32000, --tokenizer.character_coverage 0.9995
textlm_args=()          # settings over those of the config, such as --textlm.trainer.max_steps 100
score_args=()           # settings of audiolm score
# End configuration.

. utils/stages.sh
. utils/verbs.sh

dir=${dir:-work/$budget}
read -r train_set valid_set test_sets <<<"$sets"
train=$dir/dump/$train_set valid=$dir/dump/$valid_set
textlm_dir=$dir/exp/textlm
tokenizer_dir=${tokenizer:-$dir/exp/tokenizer}
taken=${textlm:-$textlm_init} # the LM whose tokenizer is used, where none is named
configs=()
for file in $textlm_config; do configs+=(--config "$file"); done
data_args=()
for option in $data_options; do data_args+=("--$option" "${!option}"); done

checkable=scores # functions that call verbs and nothing else
scores() { # OPTION…
  for set in $test_sets; do once score --dir "$dir" --set "$set" --train_set "$train_set" "$@"; done
}

stage corpus "Prepare the corpus" --out "data/*" -- \
  corpus local/data.sh --sets "$sets" "${data_args[@]}"
stage tokenizer "Train the text tokenizer" --after corpus --out exp/tokenizer \
  --unless "${tokenizer:+--tokenizer names a trained one}" -- \
  make_tokenizer "$taken" --text "$dir/data/$train_set" "${tokenizer_args[@]}"
stage tokens "Documents as tokens, packed" --after "corpus tokenizer" --out "dump/*/tokens" -- \
  each_set tokens --tokenizer "$tokenizer_dir" --layout "$layout"
stage textlm "Train the text LM" --after tokens --out exp/textlm/model.safetensors -- \
  make_textlm "$textlm" "${configs[@]}" --train "$train" --valid "$valid" --tokenizer "$tokenizer_dir" \
  --trainer.seed "$seed" ${textlm_init:+--init "$textlm_init"} "${textlm_args[@]}"
stage score "Scores beside baselines, and continuations" --after "tokens textlm" --out "exp/*/scores" -- \
  scores --metrics textlm --textlm "$textlm_dir" "${score_args[@]}"
stage report "The page" --after score --out report.html -- \
  once report --dir "$dir" --budget "$budget" --set "${test_sets%% *}" --title "A text language model"
stage export "A layout that other tools load" --after textlm --out exp/textlm/export -- \
  once export --textlm "$textlm_dir" --to "$export_layout" --out "$textlm_dir/export"
run_stages audiolm results --dir "$dir"
