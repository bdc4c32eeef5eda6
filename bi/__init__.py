"""The dashboard "Tình hình KSC" in Apache Superset, over the published file (`make bi`).

It runs in an environment of its own and reads what everybody's BI may read: the masked file, by its
link, read-only. Of the product it imports ``settings`` and ``errors`` only.
"""
