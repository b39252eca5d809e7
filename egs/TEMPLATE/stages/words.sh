# shellcheck shell=bash disable=SC2034,SC2154 # variables are for other groups
# Words and their times

# Begin configuration.
train_aligner=ctc       # words of the first two sets: given (a ctm), pocketsphinx, ctc, wav2vec2; or heard, without transcripts: whisper_timestamped, whisper, faster_whisper, pocketsphinx_transcribe
aligner=pocketsphinx    # words of the other sets: any of these
align_args=()           # --align.model large-v3
# End configuration.

group_words() {
  ctc=
  if [[ "$train_aligner $aligner" == *ctc* ]]; then ctc=recognizer; fi # the stage that its aligner comes from
  text=$train/audio/text text_stage=$speech # of untranscribed recordings, the words that were found
  if [[ $train_aligner == *whisper* || $train_aligner == pocketsphinx_transcribe ]]; then text=$train/align/ctm text_stage=align; fi
  untranscribed= # where the recipe can tell so before it has made its data directories
  if declare -F has_transcripts >/dev/null && ! has_transcripts; then untranscribed=true; fi
}

stage_align() {
  stage align "Words and their times" --after "$speech $ctc" --out "dump/*/align" -- \
    both align "$train_aligner" "$aligner" ${ctc:+--recognizer "$recognizer_dir"} "${align_args[@]}"
}
