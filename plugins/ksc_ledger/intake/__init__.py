"""What units send by file: read in a process apart, recognised, answered with a receipt.

``readers`` and what they use run inside ``worker``, a process without rights to speak of; the
rest of the product only sees plain cells of text. Importing this package costs nothing.
"""
