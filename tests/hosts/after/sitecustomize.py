"""The hosts' packages come after the project's own, which PYTHONPATH alone cannot say."""

import os
import sys

sys.path.append(os.environ["HOSTS"])
