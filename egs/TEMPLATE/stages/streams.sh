# shellcheck shell=bash disable=SC2034,SC2154 # its options are for the stage
# Text streams

# Begin configuration.
frame_rate=12.5         # the codec's, and so of all token streams (Hz)
text_args=()            # --text.turns: streams of all speakers' words, BOS and EOS at turns (audiolm say --turns)
# End configuration.

stage_text() {
  stage text "Text streams with PAD and EPAD" --after "align tokenizer" --out "dump/*/text" -- \
    each_set text --tokenizer "$tokenizer_dir" --frame_rate "$frame_rate" "${text_args[@]}"
}
