"""The command line: one thin module per verb. A verb's module has ``add_arguments(parser)`` and ``run(args)``."""
