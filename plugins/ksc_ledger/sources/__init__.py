"""How a KSC server is asked: who it is, the wire, and the few questions this product may put.

``endpoint`` names a server and its limits, ``transport`` carries one call at a time over one
verified connection, ``wire`` reads answers strictly, ``session`` logs in and out, ``sets`` reads
result sets whole, ``client`` puts the questions and ``records`` says what is asked for. Every
fault is classified once, here, into ``errors.SourceFault``.
"""
