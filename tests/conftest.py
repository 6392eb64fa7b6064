"""What every test shares: Hypothesis without deadlines, and a longer profile for the full run.

Deadlines would turn a busy machine into a failed property; the number of examples is what is bounded instead. The full
run draws the same examples every time, so that it fails for a change and not by chance; other runs explore.
"""

from itertools import groupby

import pytest
from hypothesis import settings

settings.register_profile("default", deadline=None, max_examples=50)
settings.register_profile("ci", deadline=None, max_examples=100, derandomize=True, print_blob=True)
settings.load_profile("default")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deal the files of real processes, which mostly wait, out among the others, which mostly compute.

    Only for several workers: each file is one worker's, so what they do at one time depends on the order of the files.
    """
    if not hasattr(config, "workerinput"):
        return
    files = [list(found) for _, found in groupby(items, lambda item: item.path)]
    waiting = [found for found in files if found[0].path.parent.name == "e2e"]
    busy = [found for found in files if found[0].path.parent.name != "e2e"]
    share = max(1, len(busy) * 3 // 4 // max(1, len(waiting)))  # the last quarter has none: a long wait ends no run
    dealt = [*busy]
    for number, found in reversed(list(enumerate(waiting))):
        dealt.insert(number * share, found)
    items[:] = [item for found in dealt for item in found]
