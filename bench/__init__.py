"""``python -m bench``: what the product costs, beside named competitors and a floor.

Every figure is a ratio of CPU seconds taken in one run: each case in a process of its own, the
cases in turn, the median of the turns. Cases and ``meter`` run in the competitors' environments
too, so they import the standard library and what that environment holds, nothing else.
"""
