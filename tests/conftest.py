"""What every test shares: how hypothesis searches."""

import os

from hypothesis import settings

# No deadline: tests never assert a wall-clock time. In CI a run is repeatable; at a desk each run looks somewhere new.
settings.register_profile("house", deadline=None, print_blob=True, derandomize="CI" in os.environ)
settings.load_profile("house")
