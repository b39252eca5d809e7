# shellcheck shell=bash disable=SC2034,SC2154 # options are for groups of stages, and theirs are for this
# Neural codecs: from a corpus of any sound to a model that turns it into tokens and back, and its scores. A recipe's
# run.sh sets what is particular to its corpus and sources this.

# Begin configuration.
phones=pocketsphinx     # whose phones ABX is of: pocketsphinx (aligns English transcripts), a .item file, none
# End configuration.

groups="common audio recognizer codec scores"
. utils/groups.sh

metrics=(${own_judge:+recognizer} codec)
case $phones in
  none) ;;
  pocketsphinx) metrics+=(abx) ;;
  *) metrics+=(abx) score_args+=(--items "$phones") ;;
esac
checkable=scores # functions that call verbs and nothing else

stage_corpus
stage_audio
stage_recognizer
stage_codec
stage_codes
stage score "Scores beside baselines" --after "audio recognizer codec codes" --out "exp/*/scores" -- \
  scores --metrics "${metrics[@]}" ${own_judge:+--recognizer "$own_judge"} --codec "$codec_dir" "${score_args[@]}" "${judge_args[@]}"
stage_report --codec "$codec_dir" --title "A neural codec"
run_stages audiolm results --dir "$dir"
