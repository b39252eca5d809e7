# shellcheck shell=bash disable=SC2034,SC2154 # variables are for other groups
# The text tokenizer

# Begin configuration.
tokenizer=              # a trained text tokenizer, or the released LM that has it; empty: that of the LM to start from where there is one; new: train one
tokenizer_args=()       # --tokenizer.vocab_size 8000, --tokenizer.character_coverage 0.9995
# End configuration.

group_tokenizer() {
  local lm=${lm_init:-${textlm:-${textlm_init:-}}} # whose tokenizer is taken where none is named
  taken=
  if [[ -n $lm && -z $tokenizer && (! -f $lm/config.yaml || -f $lm/tokenizer.model || -f $lm/tokenizer.json) ]]; then
    taken=$lm
  elif [[ -n $tokenizer && $tokenizer != new && ! -f $tokenizer && ! -f $tokenizer/tokenizer.model &&
    ! -f $tokenizer/tokenizer.json ]]; then
    taken=$tokenizer
  fi
  named_tokenizer=$tokenizer
  if [[ -n $taken || $tokenizer == new ]]; then tokenizer=; fi
  tokenizer_dir=${tokenizer:-$dir/exp/tokenizer}
}

stage_tokenizer() { # AFTER TEXT: the stage that writes the text to learn from, and that text
  stage tokenizer "Train the text tokenizer" --after "$1" --out exp/tokenizer \
    --unless "${tokenizer:+--tokenizer names a trained one}" -- \
    make_tokenizer "$taken" --text "$2" "${tokenizer_args[@]}"
}
