"""The CTC recogniser that recipes train: for alignment, as a teacher of codecs, and as one judge of words."""

from audiolm.spec import ModelSpec

SPEC = ModelSpec(
    name="recognizer",
    system="audiolm.recognizer.system:RecognizerSystem",
    title="a recogniser",
    load="audiolm.recognizer.load:load_recognizer",
)
