"""What is behind the notebooks (docs/architecture.md). Dependencies point one way:
run -> report -> recognition -> audit, methods -> the modules here -> readers, tools."""

import os
import sys

if "FER_HEADLESS" in os.environ:
    # nbformat imports jsonschema, whose unused grammar of web addresses takes two seconds to build.
    sys.modules.setdefault("rfc3987_syntax", None)
