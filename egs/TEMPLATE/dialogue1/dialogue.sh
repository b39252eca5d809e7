# shellcheck shell=bash disable=SC2034,SC2086 # options are for the functions of utils/; some are lists of words
# Full-duplex dialogue models in the manner of Moshi (Défossez et al., 2024): from a corpus of conversations to a model
# that listens and speaks. A recipe's run.sh sets what is particular to its corpus and sources this.

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
frame_rate=12.5         # the codec's, and so of all token streams (Hz)
dedup=false             # leave out copies among the recordings of all sets, found by fingerprints
one_microphone=false    # a recording holds several speakers: part one of them from the others, by who speaks when
train_diarizer=channels # speaker turns of the first two sets: channels (one speaker each), given (an rttm), embedded, resemblyzer, pyannote
diarizer=embedded       # speaker turns of the other sets: found in the mix of their channels
teacher=recognizer      # of the codec's level 1: recognizer (trained on the corpus' transcripts), a WavLM, HuBERT, Whisper … (folder, hub id), none
recognizer=             # a trained recogniser: none is trained then
train_aligner=ctc       # words of the first two sets: given (a ctm), pocketsphinx, ctc, wav2vec2; or heard, without transcripts: whisper_timestamped, whisper, faster_whisper, pocketsphinx_transcribe
aligner=pocketsphinx    # words of the other sets: any of these
tokenizer=              # a trained text tokenizer, or the released LM that has it; empty: lm_init's where there; new: train one
codec=                  # a trained codec, or a released one (kyutai/mimi)
codec_levels=           # of a released codec, so many of its first levels; empty: all
lm_init=                # a trained LM that the phases start from, or a released one (kyutai/moshiko-pytorch-bf16; a Llama)
recognizer_config=conf/recognizer.yaml # of the recogniser's training
codec_config=conf/codec.yaml   # of the codec's
textlm_config=conf/textlm.yaml # of the text LM's
lm_config=conf/lm.yaml  # of the dialogue LM's
heard=false             # codes of training's users also as heard on a call: gain, noise, echo (phases with data.heard: true)
codec_init=false        # the embeddings of codes start from the codec's codebooks (true), or at random
phases="conf/phases/*.yaml" # the LM's training phases, over lm_config, in the order of their names
audio_args=()           # --audio.longest 600: cut at pauses; --audio.min_snr 10 and other limits on quality
diarize_args=()         # --diarize.num_speakers 2
align_args=()           # --align.model large-v3
tokenizer_args=()       # --tokenizer.vocab_size 8000
text_args=()            # --text.turns: streams of all speakers' words, BOS and EOS at turns (audiolm say --turns)
recognizer_args=()      # settings over those of the config, such as --recognizer.trainer.max_steps 100
codec_args=()           # --codec.quantizer.n_q 16
textlm_args=()          # --textlm.trainer.max_steps 100
lm_args=()              # --lm.trainer.batch_size 8: in every phase
generate_args=()        # --generate.num_continue 16
export_args=()          # --export.to moshi --export.task dialogue --export.main_only
judge=                  # what hears the words that are scored: pocketsphinx, ctc, faster_whisper, whisper, whisper_timestamped, or several; empty: ctc and pocketsphinx
judge_model=            # weights of a Whisper that judges: folder, file, hub id or size
score_args=()           # --score.asr pocketsphinx
# End configuration.

. utils/stages.sh
. utils/verbs.sh

dir=${dir:-work/$budget}
read -r train_set valid_set test_sets <<<"$sets"
train=$dir/dump/$train_set valid=$dir/dump/$valid_set
recognizer_dir=${recognizer:-$dir/exp/recognizer}
start=textlm shape=() released_lm= # a released LM becomes exp/lm_init, whose shape the phases take
if [[ -n $lm_init && ! -f $lm_init/config.yaml ]]; then
  released_lm=$lm_init start=lm_init shape=(--config "$dir/exp/lm_init/shape.yaml")
  if [[ -n $tokenizer ]]; then shape+=(--new_tokenizer true); fi
fi
taken= # the LM whose tokenizer is used
if [[ -n $lm_init && -z $tokenizer && (-n $released_lm || -f $lm_init/tokenizer.model || -f $lm_init/tokenizer.json) ]]; then
  taken=$lm_init
elif [[ -n $tokenizer && $tokenizer != new && ! -f $tokenizer && ! -f $tokenizer/tokenizer.model &&
  ! -f $tokenizer/tokenizer.json ]]; then
  taken=$tokenizer
fi
if [[ -n $taken || $tokenizer == new ]]; then tokenizer=; fi
if [[ -n $released_lm ]]; then lm_init=; fi
tokenizer_dir=${tokenizer:-$dir/exp/tokenizer}
released= # a codec of another layout, or on the hub
if [[ -n $codec && ! -f $codec/config.yaml ]]; then released=$codec codec=; fi
codec_dir=${codec:-$dir/exp/codec}
init=${lm_init:-$dir/exp/$start}
phase_files=()
for file in $phases; do phase_files+=("$file"); done
phase_name() { basename "$1" .yaml | sed 's/^[0-9]*_/lm_/'; } # 2_speech.yaml: lm_speech
lm=$(phase_name "${phase_files[-1]}")
lm_dir=$dir/exp/$lm
codes_out="dump/*/codes"
if [[ $heard == true ]]; then codes_out+=" dump/$train_set/heard"; fi
codec_init_args=()
if [[ $codec_init == true ]]; then codec_init_args=(--codec_init "$codec_dir"); fi
untranscribed= # where the recipe can tell so before it has made its data directories
if declare -F has_transcripts >/dev/null && ! has_transcripts; then untranscribed=true; fi
ctc=
if [[ "$train_aligner $aligner" == *ctc* ]]; then ctc=recognizer; fi # the stage that its aligner comes from
spared=${recognizer:+--recognizer names a trained one} teacher_args=(--teacher.path "$recognizer_dir")
judges=(--recognizer "$recognizer_dir") # of words, beside PocketSphinx
case $teacher in
  recognizer) ;;
  none) teacher_args=(--teacher null) ;;
  *)
    if ! named_teacher "$teacher"; then
      echo "${0##*/}: error: --teacher '$teacher' is none of: recognizer, none, a folder, a hub id (owner/name)" >&2
      exit 1
    fi ;;
esac
if [[ $teacher != recognizer && -z $recognizer && -z $ctc ]]; then # nothing is left that would want one
  spared="--teacher is $teacher" judges=(--metrics annotation codec lm asr tts --asr pocketsphinx)
fi
speech=audio audio_out="dump/*/audio" diarize_out="dump/*/diarize" # the stage that writes dump/<set>/audio, its speech
if [[ $one_microphone == true ]]; then # audio writes dump/<set>/mix, of which diarize makes two channels of speech
  audio_args+=(--mix) diarize_args+=(--streams)
  speech=diarize audio_out="dump/*/mix" diarize_out+=" dump/*/audio"
fi
text=$train/audio/text text_stage=$speech # of untranscribed recordings, the words that were found
if [[ $train_aligner == *whisper* || $train_aligner == pocketsphinx_transcribe ]]; then text=$train/align/ctm text_stage=align; fi
judge_args=()
if [[ -n $judge ]]; then judge_args=(--asr $judge ${judge_model:+--asr_model "$judge_model"}); fi
data_args=()
for option in $data_options; do data_args+=("--$option" "${!option}"); done

# Training and validation by one backend, the other sets by another: training takes what is exact, scoring what it would
# get elsewhere.
both() { # VERB TRAIN-BACKEND TEST-BACKEND [OPTION…]
  part --sets "$train_set $valid_set" "$1" --backend "$2" "${@:4}"
  if [[ -n $test_sets ]]; then part --sets "$test_sets" "$1" --backend "$3" "${@:4}"; fi
}

# Each phase starts from the model of the one before it, the first from INIT.
lm_phases() { # INIT CONFIG PHASE… -- [OPTION…]
  local from=$1 config=$2 phase todo=()
  shift 2
  while [[ $1 != -- ]]; do
    todo+=("$1")
    shift
  done
  for phase in "${todo[@]}"; do
    train "$(phase_name "$phase")" --config "$config" --config "$phase" --init "$from" "${@:2}"
    from=$dir/exp/$(phase_name "$phase")
  done
}

checkable="both lm_phases scores" # functions that call verbs and nothing else
scores() { # OPTION…
  for set in $test_sets; do once score --dir "$dir" --set "$set" --train_set "$train_set" "$@"; done
}

stage corpus "Prepare the corpus" --out "data/*/wav.scp data/*" -- \
  corpus local/data.sh --sets "$sets" "${data_args[@]}"
stage audio "Resample, one channel a file" --after corpus --out "$audio_out" -- \
  prepare_audio "$dedup" --fs "$fs" "${audio_args[@]}"
stage diarize "Who speaks when" --after audio --out "$diarize_out" -- \
  both diarize "$train_diarizer" "$diarizer" --seed "$seed" "${diarize_args[@]}"
stage recognizer "Train the recogniser" --after "$speech" --out exp/recognizer/model.safetensors \
  --unless "$spared" -- \
  train recognizer --config "$recognizer_config" --train_data "$train/audio" --valid_data "$valid/audio" \
  --trainer.seed "$seed" "${recognizer_args[@]}"
stage align "Words and their times" --after "$speech $ctc" --out "dump/*/align" -- \
  both align "$train_aligner" "$aligner" ${ctc:+--recognizer "$recognizer_dir"} "${align_args[@]}"
stage tokenizer "Train the text tokenizer" --after "$text_stage" --out exp/tokenizer \
  --unless "${tokenizer:+--tokenizer names a trained one}" -- \
  make_tokenizer "$taken" --text "$text" "${tokenizer_args[@]}"
stage text "Text streams with PAD and EPAD" --after "align tokenizer" --out "dump/*/text" -- \
  each_set text --tokenizer "$tokenizer_dir" --frame_rate "$frame_rate" "${text_args[@]}"
stage codec "Train the codec" --after "$speech recognizer" --out exp/codec/model.safetensors \
  --unless "${codec:+--codec names a trained one}" -- \
  make_codec "$released" "$codec_levels" --config "$codec_config" --train_dir "$train/audio" --valid_dir "$valid/audio" \
  "${teacher_args[@]}" --trainer.seed "$seed" "${codec_args[@]}"
stage codes "Codec tokens" --after "$speech codec" --out "$codes_out" -- \
  make_codes "$heard" "$seed" --codec "$codec_dir"
stage textlm "Train the text LM" --after text --out "exp/$start/model.safetensors" \
  --unless "${lm_init:+--lm_init names a trained LM}" -- \
  make_start "$released_lm" --config "$textlm_config" --train "$train" --valid "$valid" --tokenizer "$tokenizer_dir" \
  --trainer.seed "$seed" "${textlm_args[@]}"
stage lm "Train the dialogue LM, phase by phase" --after "text codes textlm" --out "exp/$lm/model.safetensors" -- \
  lm_phases "$init" "$lm_config" "${phase_files[@]}" -- --data.train "$train" --data.valid "$valid" --trainer.seed "$seed" \
  "${shape[@]}" "${codec_init_args[@]}" "${lm_args[@]}"
stage generate "Continue, transcribe and speak" --after "text codes lm" --out "exp/$lm/generate" -- \
  once generate --dir "$dir" --sets $test_sets --lm "$lm_dir" --codec "$codec_dir" --tokenizer "$tokenizer_dir" \
  --seed "$seed" "${generate_args[@]}"
stage score "Scores beside baselines" --out "exp/*/scores" \
  --after "diarize recognizer align text codec codes lm generate" -- \
  scores "${judges[@]}" --codec "$codec_dir" --lm "$lm_dir" --diarizer "$diarizer" \
  --aligner "$aligner" --measures mel_distance si_sdr stoi pesq "${score_args[@]}" "${judge_args[@]}"
stage report "The page" --after score --out report.html -- \
  once report --dir "$dir" --budget "$budget" --set "${test_sets%% *}" --codec "$codec_dir" --tokenizer "$tokenizer_dir"
stage export "Layouts that other tools load" --after "tokenizer codec lm" --out "exp/$lm/export" -- \
  once export --lm "$lm_dir" --codec "$codec_dir" --tokenizer "$tokenizer_dir" --out "$lm_dir/export" "${export_args[@]}"
run_stages audiolm results --dir "$dir"
