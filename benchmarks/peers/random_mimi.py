"""Write random weights of Mimi's shape in the layout of the released files, which moshi and rustymimi read.

python benchmarks/peers/random_mimi.py mimi.safetensors        # in the environment of moshi_env.sh
"""

import sys

import torch
from moshi.models import loaders
from safetensors.torch import save_file

NAMES = {"in_projs.0.weight": "in_proj_weight", "out_projs.0.weight": "out_proj.weight"}  # moshi's own -> released

torch.manual_seed(0)
weights = {}
for name, tensor in loaders.get_mimi(None).state_dict().items():
    if name.endswith("embedding_sum"):
        tensor = torch.randn_like(tensor)
    elif name.endswith(("cluster_usage", "_initialized")):
        tensor = torch.ones_like(tensor)
    for own, released in NAMES.items():
        name = name.replace(own, released)
    weights[name] = tensor.clone().contiguous()
save_file(weights, sys.argv[1])
