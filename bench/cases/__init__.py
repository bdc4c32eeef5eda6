"""One module a case, each run as a process of its own: ``python -m bench.cases.<name> ORDER``."""
