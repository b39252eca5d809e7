# shellcheck shell=bash disable=SC2034,SC2154 # variables are for other groups
# The codec and its tokens

# Begin configuration.
teacher=recognizer      # of level 1: recognizer (trained on the corpus' transcripts), a WavLM, HuBERT, Whisper … (folder, hub id), config (codec_config names it), none
codec=                  # a trained codec, or a released one (kyutai/mimi)
codec_levels=           # of a released codec, so many of its first levels; empty: all
codec_config=conf/codec.yaml   # of the codec's training; of several files the later ones override: "base.yaml more.yaml"
codec_args=()           # --codec.quantizer.n_q 16
# End configuration.

group_codec() {
  local file
  released= # a codec of another layout, or on the hub
  if [[ -n $codec && ! -f $codec/config.yaml ]]; then released=$codec codec=; fi
  codec_dir=${codec:-$dir/exp/codec}
  codec_configs=() codes_out="dump/*/codes"
  for file in $codec_config; do codec_configs+=(--config "$file"); done
  teacher_args=()
  case $teacher in
    recognizer) teacher_args=(--teacher.path "$recognizer_dir") ;;
    config) ;;
    none) teacher_args=(--teacher null) ;;
    *)
      if ! named_teacher "$teacher"; then
        echo "${0##*/}: error: --teacher '$teacher' is none of: recognizer, config, none, a folder, a hub id (owner/name)" >&2
        exit 1
      fi ;;
  esac
}

stage_codec() {
  stage codec "Train the codec" --after "$speech recognizer" --out exp/codec/model.safetensors \
    --unless "${codec:+--codec names a trained one}" -- \
    make_codec "$released" "$codec_levels" "${codec_configs[@]}" --train_dir "$train/audio" --valid_dir "$valid/audio" \
    "${teacher_args[@]}" --trainer.seed "$seed" "${codec_args[@]}"
}

stage_codes() {
  local make=(each_set --gpu codes)
  if [[ -n ${heard:-} ]]; then make=(make_codes "$heard" "$seed"); fi # a task's option: codes as heard on a call too
  stage codes "Codec tokens" --after "$speech codec" --out "$codes_out" -- \
    "${make[@]}" --codec "$codec_dir"
}
