"""fer_lib: the model, the noise and the metrics behind the notebooks; docs/architecture.md.

Dependencies point one way: run -> report -> audit, methods -> the modules here -> readers, tools.
"""

import os
import sys

if "FER_HEADLESS" in os.environ:
    # nbformat imports jsonschema, which would build a grammar of web addresses that nothing here
    # uses: two seconds in every process of a run. A process of the user's own keeps it.
    sys.modules.setdefault("rfc3987_syntax", None)
