"""Copy a trained LM with its codec and tokenizer into one directory that loads anywhere, and check that it does."""


def add_arguments(parser):
    parser.add_argument("--lm", required=True, metavar="DIR", help="the LM's experiment")
    parser.add_argument("--codec", required=True, metavar="DIR", help="the codec's experiment")
    parser.add_argument("--tokenizer", required=True, metavar="DIR", help="the text tokenizer")
    parser.add_argument("--out", required=True, metavar="DIR", help="the directory to make")


def run(args):
    from audiolm.models.moshi.bundle import write_bundle

    manifest = write_bundle(args.lm, args.codec, args.tokenizer, args.out)
    sums = ", ".join(f"{part} {value}" for part, value in manifest["checksums"].items())
    print(f"exported to {args.out}: {manifest['streams']} streams at {manifest['frame_rate']:g} Hz ({sums})")
