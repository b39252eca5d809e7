# shellcheck shell=bash
# Where jobs run: $cmd [--gpu N] [JOB=1:N] LOG COMMAND …
#   audiolm launch --backend local               processes of this machine, one a core at a time
#   audiolm launch --backend local --max_jobs 2  … two at a time
export cmd="audiolm launch --backend local"
