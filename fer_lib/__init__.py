"""fer_lib: the model, the noise and the metrics behind the notebooks.

Modules depend on each other in one direction only:
config -> data, noise, models, metrics, stats -> training -> evaluation -> figures, report -> cli.
"""
