# shellcheck shell=bash disable=SC2034,SC2086,SC2154,SC2206 # variables are for templates; some are lists of words
# The dialogue LM

# Begin configuration.
lm_init=                # a trained LM that the phases start from, or a released one (kyutai/moshiko-pytorch-bf16; a Llama)
lm_config=conf/lm.yaml  # of the dialogue LM's training
heard=false             # codes of training's users also as heard on a call: gain, noise, echo (phases with data.heard: true)
codec_init=false        # the embeddings of codes start from the codec's codebooks (true), or at random
phases="conf/phases/*.yaml" # the LM's training phases, over lm_config, in the order of their names
lm_args=()              # --lm.trainer.batch_size 8: in every phase
generate_args=()        # --generate.num_continue 16
export_args=()          # --export.to moshi --export.task dialogue --export.main_only
# End configuration.

group_dialogue() {
  local file
  start=textlm shape=() released_lm= # a released LM becomes exp/lm_init, whose shape the phases take
  if [[ -n $lm_init && ! -f $lm_init/config.yaml ]]; then
    released_lm=$lm_init start=lm_init shape=(--config "$dir/exp/lm_init/shape.yaml")
    lm_init=''
    if [[ -n $named_tokenizer ]]; then shape+=(--new_tokenizer true); fi
  fi
  init=${lm_init:-$dir/exp/$start}
  phase_files=()
  for file in $phases; do phase_files+=("$file"); done
  lm=$(phase_name "${phase_files[-1]}")
  lm_dir=$dir/exp/$lm
  if [[ $heard == true ]]; then codes_out+=" dump/$train_set/heard"; fi
  codec_init_args=()
  if [[ $codec_init == true ]]; then codec_init_args=(--codec_init "$codec_dir"); fi
}

phase_name() { basename "$1" .yaml | sed 's/^[0-9]*_/lm_/'; } # 2_speech.yaml: lm_speech

# Each phase starts from the model of the one before it, the first from INIT.
lm_phases() { # INIT CONFIG PHASE… -- [OPTION…]
  local from=$1 config=$2 phase todo=()
  shift 2
  while [[ $1 != -- ]]; do
    todo+=("$1")
    shift
  done
  for phase in "${todo[@]}"; do
    train "$(phase_name "$phase")" --config "$config" --config "$phase" --init "$from" "${@:2}"
    from=$dir/exp/$(phase_name "$phase")
  done
}

stage_start() {
  stage textlm "Train the text LM" --after text --out "exp/$start/model.safetensors" \
    --unless "${lm_init:+--lm_init names a trained LM}" -- \
    make_start "$released_lm" "${textlm_configs[@]}" --train "$train" --valid "$valid" --tokenizer "$tokenizer_dir" \
    --trainer.seed "$seed" "${textlm_args[@]}"
}

stage_phases() {
  stage lm "Train the dialogue LM, phase by phase" --after "text codes textlm" --out "exp/$lm/model.safetensors" -- \
    lm_phases "$init" "$lm_config" "${phase_files[@]}" -- --data.train "$train" --data.valid "$valid" --trainer.seed "$seed" \
    "${shape[@]}" "${codec_init_args[@]}" "${lm_args[@]}"
}

stage_generate() {
  stage generate "Continue, transcribe and speak" --after "text codes lm" --out "exp/$lm/generate" -- \
    once generate --dir "$dir" --sets $test_sets --lm "$lm_dir" --codec "$codec_dir" --tokenizer "$tokenizer_dir" \
    --seed "$seed" "${generate_args[@]}"
}

stage_bundle() {
  stage export "Layouts that other tools load" --after "tokenizer codec lm" --out "exp/$lm/export" -- \
    once export --lm "$lm_dir" --codec "$codec_dir" --tokenizer "$tokenizer_dir" --out "$lm_dir/export" "${export_args[@]}"
}
