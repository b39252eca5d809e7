"""Write names and shapes of the paper's Mimi as its released file has them, 32 levels; run with moshi's own Python.

    $AUDIOLM_MOSHI_PYTHON tests/codec/write_moshi_names.py > tests/codec/moshi_names.txt

moshi 0.2.13 keeps attention's matrices in lists; the file has them under the names that its loading hook and rustymimi
read.
"""

from moshi.models.loaders import get_mimi

for name, tensor in sorted(get_mimi(None, num_codebooks=32).state_dict().items()):
    name = name.replace("self_attn.in_projs.0.weight", "self_attn.in_proj_weight")
    print(name.replace("out_projs.0.weight", "out_proj.weight"), *tensor.shape)
