# shellcheck shell=bash
# Where jobs run: $cmd [--gpu N] [JOB=1:N] LOG COMMAND … for data, generation and scores, $train_cmd for training.
#   audiolm launch --backend local               processes of this machine, one a core at a time
#   audiolm launch --backend local --max_jobs 2  … two at a time
#   audiolm launch --backend slurm --partition cpu --cpus 2 --mem 8G --time 4:00:00 --retries 1 --max_jobs 100
#                                                array jobs of a cluster; audiolm launch --help lists the options
# Of an option given twice the last counts: train_cmd="$cmd --partition gpu --cpus 8 --mem 64G --time 2-0".
export cmd=${cmd:-audiolm launch --backend local}
export train_cmd=${train_cmd:-$cmd}
