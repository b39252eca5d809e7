"""How fast one thread reads the training windows of codecs, resampled and brought to a level if asked.

    python benchmarks/crops.py --data egs/librispeech/codec1/work/demo/dump/train/audio --fs 24000 --seconds 1 12
    python benchmarks/crops.py --data DIR --fs 24000 --seconds 12 --loudness -30 -20

Prints one JSON line a length: windows a second, and seconds of audio a second of the clock and of processor time.
"""

import argparse
import json
import time

from audiolm.codec.crops import Crops
from audiolm.codec.quantize import QuantizerConfig
from audiolm.train.randomness import Key


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True, help="data directories")
    parser.add_argument("--fs", type=int, default=24000, help="Hz of the windows")
    parser.add_argument("--seconds", type=float, nargs="+", default=[1.0, 12.0], help="lengths of windows")
    parser.add_argument("--loudness", type=float, nargs=2, help="level to bring windows to")
    parser.add_argument("--count", type=int, default=200, help="windows read of each length")
    args = parser.parse_args()
    for seconds in args.seconds:
        crops = Crops(args.data, round(seconds * args.fs), args.fs, 0.0, QuantizerConfig(), level=args.loudness)
        for index in range(20):  # files that others have read are in memory too, or none is
            crops(Key(0, index))
        clock, processor = time.perf_counter(), time.process_time()
        for index in range(args.count):
            crops(Key(1, index))
        clock, processor = time.perf_counter() - clock, time.process_time() - processor
        read = args.count * seconds
        rates = {"windows_per_s": args.count / clock, "s_per_s": read / clock, "s_per_processor_s": read / processor}
        print(json.dumps({"seconds": seconds, **{name: round(rate) for name, rate in rates.items()}}), flush=True)


if __name__ == "__main__":
    main()
