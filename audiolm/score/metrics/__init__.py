"""The metrics of ``audiolm score``, one module each; :mod:`audiolm.score.metric` says what a module declares."""
