# shellcheck shell=bash disable=SC2034,SC2154 # variables are for other groups
# The recogniser: a teacher of codecs, an aligner, one judge of words

# Begin configuration.
recognizer=             # a trained recogniser: none is trained then
recognizer_config=conf/recognizer.yaml # of the recogniser's training
recognizer_args=()      # settings over those of the config, such as --recognizer.trainer.max_steps 100
# End configuration.

group_recognizer() {
  recognizer_dir=${recognizer:-$dir/exp/recognizer}
  spared=${recognizer:+--recognizer names a trained one} # why none is trained
  own_judge=$recognizer_dir                              # it hears words beside PocketSphinx
  if [[ ${teacher:-} != recognizer && -z $recognizer && -z ${ctc:-} ]]; then # nothing is left that would want one
    spared="--teacher is ${teacher:-}" own_judge=
  fi
}

stage_recognizer() {
  stage recognizer "Train the recogniser" --after "$speech" --out exp/recognizer/model.safetensors \
    --unless "$spared" -- \
    train recognizer --config "$recognizer_config" --train_data "$train/audio" --valid_data "$valid/audio" \
    --trainer.seed "$seed" "${recognizer_args[@]}"
}
