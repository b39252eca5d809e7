#!/usr/bin/env bash
# Sort a data directory's tables and drop what is wrong, named in rejected.tsv; the tables as they were go to .backup.
#   utils/fix_data_dir.sh data/train
exec audiolm datadir fix "$@"
