# shellcheck shell=bash disable=SC2034,SC2086,SC2154,SC2206 # variables are for other groups and templates; some are lists of words
# The run: its size, where it is written, and the corpus

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
# End configuration.

group_common() {
  local option
  dir=${dir:-work/$budget}
  read -r train_set valid_set test_sets <<<"$sets"
  train=$dir/dump/$train_set valid=$dir/dump/$valid_set
  data_args=()
  for option in $data_options; do data_args+=("--$option" "${!option}"); done
}

stage_corpus() { # [WHAT]: what it writes, where that is not data directories of recordings
  stage corpus "Prepare the corpus" --out "${1:-data/*/wav.scp data/*}" -- \
    corpus local/data.sh --sets "$sets" "${data_args[@]}"
}
