"""Random examples are drawn from the same seed each time: what a unit test finds, it finds everywhere."""

from hypothesis import settings

settings.register_profile("repository", derandomize=True, deadline=None)
settings.load_profile("repository")
