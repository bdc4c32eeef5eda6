"""How a KSC server is asked: who it is, the wire, and the few questions this product may put.

``endpoint`` names a server and its limits, ``transport`` carries one call at a time over one
verified connection, ``wire`` reads answers strictly, ``client`` puts the questions. Every fault
is classified once, here, into ``errors.SourceFault``.
"""
