"""In which unit a console's group lies. Accents are never dropped: what is unclear stays unmapped."""

from __future__ import annotations

from collections.abc import Mapping

from ksc_ledger.rules.text import matching_key

SEPARATOR = "/"


def normalised_path(group_path: str) -> str:
    """The key of a group's path: each segment levelled (``text.matching_key``), blank ones left out.

    Two spellings of one group have one key; two groups never share one by losing accents.
    """
    segments = (matching_key(segment) for segment in group_path.split(SEPARATOR))
    return SEPARATOR.join(segment for segment in segments if segment)


def mapped_unit(group_path: str | None, mappings: Mapping[str, str]) -> str | None:
    """The unit of a group by its nearest mapped ancestor (or itself); None when none is mapped.

    ``mappings`` goes from ``normalised_path`` to unit_code. The root ('') and unassigned devices
    (None) are never mapped.
    """
    segments = normalised_path(group_path or "").split(SEPARATOR)
    for length in range(len(segments), 0, -1):
        unit_code = mappings.get(SEPARATOR.join(segments[:length]))
        if unit_code is not None:
            return unit_code
    return None


def unit_of_group(
    group_path: str | None, mappings: Mapping[str, str], server_unit_code: str
) -> str:
    """The unit in which a group's devices count: its mapped unit, else the unit of its server.

    ``mapped_unit`` tells the two cases apart, where a group that nobody mapped is to be shown.
    """
    return mapped_unit(group_path, mappings) or server_unit_code
