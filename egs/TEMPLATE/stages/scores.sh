# shellcheck shell=bash disable=SC2034,SC2086,SC2154,SC2206 # variables are for templates; some are lists of words
# Scores

# Begin configuration.
judge=                  # what hears the words that are scored: pocketsphinx, ctc, faster_whisper, whisper, whisper_timestamped, or several; empty: ctc and pocketsphinx
judge_model=            # weights of a Whisper that judges: folder, file, hub id or size
score_args=()           # --score.asr pocketsphinx; no speech: --asr and no name, --measures mel_distance si_sdr visqol
# End configuration.

group_scores() {
  judge_args=()
  if [[ -n $judge ]]; then
    judge_args=(--asr $judge ${judge_model:+--asr_model "$judge_model"})
  fi
}

scores() { # OPTION…
  for set in $test_sets; do
    once score --dir "$dir" --set "$set" --train_set "$train_set" "$@"
  done
}

stage_report() { # [OPTION…]
  stage report "The page" --after score --out report.html -- \
    once report --dir "$dir" --budget "$budget" --set "${test_sets%% *}" "$@"
}
