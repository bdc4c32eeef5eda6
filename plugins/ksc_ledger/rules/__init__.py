"""Pure rules: names, deadlines, working days, organisation, text, numbers.

Nothing here opens a file, asks a server or looks at a clock: what a rule needs is an argument.
"""
