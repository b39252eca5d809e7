# shellcheck shell=bash disable=SC2034,SC2154 # variables are for other groups
# Audio as the models get it

# Begin configuration.
fs=24000                # sample rate of models and of audio made for them (Hz)
dedup=false             # leave out copies among the recordings of all sets, found by fingerprints
audio_args=()           # --audio.longest 600: cut at pauses; --audio.min_snr 10 and other limits on quality
# End configuration.

group_audio() {
  speech=audio audio_out="dump/*/audio" # the stage that writes the models' audio, dump/<set>/audio
}

stage_audio() {
  stage audio "Resample, one channel a file" --after corpus --out "$audio_out" -- \
    prepare_audio "$dedup" --fs "$fs" "${audio_args[@]}"
}
