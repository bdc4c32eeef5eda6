"""A district that only reaches out: it collects by itself and sends what landed, signed.

``bundle`` is what travels, ``keys`` the pair that signs it; ``sending`` runs at the district without
Airflow; ``desk`` and ``web`` receive at the centre, ``taking`` makes a load of what was received, and
``signs`` tells the link watch when a site was last heard of. docs/push.md, ADR 23.
"""

from __future__ import annotations
