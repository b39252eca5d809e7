# shellcheck shell=bash disable=SC2034,SC2086 # options are for the functions of utils/; some are lists of words
# Neural codecs: from a corpus of any sound to a model that turns it into tokens and back, and its scores. A recipe's
# run.sh sets what is particular to its corpus and sources this.

# Begin configuration.
budget=demo             # sizes and schedules: conf/budgets/<budget>.sh
dir=                    # everything is written here (default: work/<budget>)
sets="train dev test"   # data sets: to train on, to validate on, and others to score on
nj=4                    # parts that array stages are cut into; cmd.sh says how many run at a time
ngpu=0                  # GPUs of a machine; 0: train on CPU
num_nodes=1             # machines with ngpu GPUs each, where cmd.sh has several
seed=0                  # of every random draw
max_rejected=1%         # a stage stops when it rejects more of its input
data_options=           # which of these options local/data.sh takes
fs=24000                # sample rate of models and of audio made for them (Hz)
dedup=false             # leave out copies among the recordings of all sets, found by fingerprints
teacher=recognizer      # of level 1: recognizer (trained on the corpus' transcripts), a WavLM, HuBERT, Whisper … (folder, hub id), config (codec_config names it), none
recognizer=             # a trained recogniser: none is trained then
phones=pocketsphinx     # whose phones ABX is of: pocketsphinx (aligns English transcripts), a .item file, none
codec=                  # a trained codec, or a released one (kyutai/mimi): only tokens, scores and report are made
codec_levels=           # of a released codec, so many of its first levels; empty: all
recognizer_config=conf/recognizer.yaml # of the recogniser's training
codec_config=conf/codec.yaml   # of the codec's; of several files the later ones override: "base.yaml more.yaml"
audio_args=()           # --audio.longest 600: cut at pauses; --audio.min_snr 10 and other limits on quality
recognizer_args=()      # settings over those of the config, such as --recognizer.trainer.max_steps 100
codec_args=()           # --codec.quantizer.n_q 16
judge=                  # what hears the words that are scored: pocketsphinx, ctc, faster_whisper, whisper, whisper_timestamped, or several; empty: ctc and pocketsphinx
judge_model=            # weights of a Whisper that judges: folder, file, hub id or size
score_args=()           # --score.asr pocketsphinx; no speech: --asr and no name, --measures mel_distance si_sdr visqol
# End configuration.

. utils/stages.sh
. utils/verbs.sh

dir=${dir:-work/$budget}
read -r train_set valid_set test_sets <<<"$sets"
train=$dir/dump/$train_set valid=$dir/dump/$valid_set
recognizer_dir=${recognizer:-$dir/exp/recognizer}
released= # a codec of another layout, or on the hub
if [[ -n $codec && ! -f $codec/config.yaml ]]; then released=$codec codec=; fi
codec_dir=${codec:-$dir/exp/codec}
teacher_args=() spared=${recognizer:+--recognizer names a trained one}
own_judge=$recognizer_dir # the recipe's recogniser, which hears words beside PocketSphinx
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
if [[ $teacher != recognizer && -z $recognizer ]]; then spared="--teacher is $teacher" own_judge=; fi
judge_args=()
if [[ -n $judge ]]; then judge_args=(--asr $judge ${judge_model:+--asr_model "$judge_model"}); fi
codec_configs=()
for file in $codec_config; do codec_configs+=(--config "$file"); done
data_args=()
for option in $data_options; do data_args+=("--$option" "${!option}"); done

metrics=(${own_judge:+recognizer} codec)
case $phones in
  none) ;;
  pocketsphinx) metrics+=(abx) ;;
  *) metrics+=(abx) score_args+=(--items "$phones") ;;
esac

checkable=scores # functions that call verbs and nothing else
scores() { # OPTION…
  for set in $test_sets; do
    once score --dir "$dir" --set "$set" --train_set "$train_set" "$@"
  done
}

stage corpus "Prepare the corpus" --out "data/*/wav.scp data/*" -- \
  corpus local/data.sh --sets "$sets" "${data_args[@]}"
stage audio "Resample, one channel a file" --after corpus --out "dump/*/audio" -- \
  prepare_audio "$dedup" --fs "$fs" "${audio_args[@]}"
stage recognizer "Train the recogniser" --after audio --out exp/recognizer/model.safetensors \
  --unless "$spared" -- \
  train recognizer --config "$recognizer_config" --train_data "$train/audio" --valid_data "$valid/audio" \
  --trainer.seed "$seed" "${recognizer_args[@]}"
stage codec "Train the codec" --after "audio recognizer" --out exp/codec/model.safetensors \
  --unless "${codec:+--codec names a trained one}" -- \
  make_codec "$released" "$codec_levels" "${codec_configs[@]}" --train_dir "$train/audio" --valid_dir "$valid/audio" \
  "${teacher_args[@]}" --trainer.seed "$seed" "${codec_args[@]}"
stage codes "Codec tokens" --after "audio codec" --out "dump/*/codes" -- \
  each_set --gpu codes --codec "$codec_dir"
stage score "Scores beside baselines" --after "audio recognizer codec codes" --out "exp/*/scores" -- \
  scores --metrics "${metrics[@]}" ${own_judge:+--recognizer "$own_judge"} --codec "$codec_dir" "${score_args[@]}" "${judge_args[@]}"
stage report "The page" --after score --out report.html -- \
  once report --dir "$dir" --budget "$budget" --set "${test_sets%% *}" --codec "$codec_dir" --title "A neural codec"
run_stages audiolm results --dir "$dir"
