"""fer_lib: the model, the noise and the metrics behind the notebooks.

Modules depend on each other in one direction only:
config -> data, noise, models, metrics, stats -> training -> evaluation -> figures, report -> cli.
"""

import os
import sys

if "FER_HEADLESS" in os.environ:
    # nbformat imports jsonschema, which would build a grammar of web addresses that nothing here
    # uses: two seconds in every process of a run. A process of the user's own keeps it.
    sys.modules.setdefault("rfc3987_syntax", None)
