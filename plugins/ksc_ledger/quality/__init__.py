"""Judge data before figures rest on it: suites of expectations, verdicts, quarantine.

Great Expectations and pandas are loaded by ``engine`` and ``frames`` only, and those by ``gate``
when it judges: importing this package costs nothing.
"""
