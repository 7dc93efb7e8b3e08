"""`python -m dltrain`."""

import sys

from dltrain.cli.main import main

sys.exit(main())
