#!/usr/bin/env bash
# An environment of the peers that do not install beside audiolm (moshi needs torch < 2.10), with random Mimi weights.
#
#   benchmarks/peers/moshi_env.sh DIR        # 7 GB; DIR/bin/python goes to the benchmarks' --peers
set -euo pipefail
dir=${1:?usage: $0 DIR}
"${PYTHON:-python3.11}" -m venv "$dir"
"$dir/bin/pip" install --quiet moshi==0.2.13 rustymimi==0.4.1
"$dir/bin/python" "$(dirname "$0")/random_mimi.py" "$dir/mimi.safetensors"
echo "$dir/bin/python"
