"""The watchdog: a small process outside Airflow, because a dead scheduler cannot mail about itself.

``judging`` decides (pure), ``looking`` sees what stands still, ``writing`` makes the mail,
``process`` puts one look together and keeps its memory, ``__main__`` repeats it.
"""

from __future__ import annotations
