"""What every test shares: Hypothesis without deadlines, and a longer profile for the full run.

Deadlines would turn a busy machine into a failed property; the number of examples is what is bounded instead. The full
run draws the same examples every time, so that it fails for a change and not by chance; other runs explore.
"""

from hypothesis import settings

settings.register_profile("default", deadline=None, max_examples=50)
settings.register_profile("ci", deadline=None, max_examples=100, derandomize=True, print_blob=True)
settings.load_profile("default")
