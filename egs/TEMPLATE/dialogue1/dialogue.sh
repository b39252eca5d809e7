# shellcheck shell=bash disable=SC2034,SC2086,SC2154 # options are for groups of stages, and theirs are for this
# Full-duplex dialogue models in the manner of Moshi (Défossez et al., 2024): from a corpus of conversations to a model
# that listens and speaks. A recipe's run.sh sets what is particular to its corpus and sources this.

groups="common audio diarization words recognizer tokenizer streams codec textlm dialogue scores"
. utils/groups.sh

judges=(--recognizer "$own_judge") # of words, beside PocketSphinx
if [[ -z $own_judge ]]; then judges=(--metrics annotation codec lm asr tts --asr pocketsphinx); fi
checkable="both lm_phases scores" # functions that call verbs and nothing else

stage_corpus
stage_audio
stage_diarize
stage_recognizer
stage_align
stage_tokenizer "$text_stage" "$text"
stage_text
stage_codec
stage_codes
stage_start
stage_phases
stage_generate
stage score "Scores beside baselines" --out "exp/*/scores" \
  --after "diarize recognizer align text codec codes lm generate" -- \
  scores "${judges[@]}" --codec "$codec_dir" --lm "$lm_dir" --diarizer "$diarizer" \
  --aligner "$aligner" --measures mel_distance si_sdr stoi pesq "${score_args[@]}" "${judge_args[@]}"
stage_report --codec "$codec_dir" --tokenizer "$tokenizer_dir"
stage_bundle
run_stages audiolm results --dir "$dir"
