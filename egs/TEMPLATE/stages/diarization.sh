# shellcheck shell=bash disable=SC2034,SC2154 # variables are for other groups
# Who speaks when

# Begin configuration.
one_microphone=false    # a recording holds several speakers: part one of them from the others, by who speaks when
train_diarizer=channels # speaker turns of the first two sets: channels (one speaker each), given (an rttm), embedded, resemblyzer, pyannote
diarizer=embedded       # speaker turns of the other sets: found in the mix of their channels
diarize_args=()         # --diarize.num_speakers 2
# End configuration.

group_diarization() {
  diarize_out="dump/*/diarize"
  if [[ $one_microphone == true ]]; then # audio writes dump/<set>/mix, of which diarize makes two channels of speech
    audio_args+=(--mix) diarize_args+=(--streams)
    speech=diarize audio_out="dump/*/mix" diarize_out+=" dump/*/audio"
  fi
}

# Training and validation by one backend, the other sets by another: training takes what is exact, scoring what it would
# get elsewhere.
both() { # VERB TRAIN-BACKEND TEST-BACKEND [OPTION…]
  part --sets "$train_set $valid_set" "$1" --backend "$2" "${@:4}"
  if [[ -n $test_sets ]]; then part --sets "$test_sets" "$1" --backend "$3" "${@:4}"; fi
}

stage_diarize() {
  stage diarize "Who speaks when" --after audio --out "$diarize_out" -- \
    both diarize "$train_diarizer" "$diarizer" --seed "$seed" "${diarize_args[@]}"
}
