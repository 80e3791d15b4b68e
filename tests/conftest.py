"""Settings for all tests."""

from hypothesis import HealthCheck, settings

# How fast an example runs says nothing on a busy machine: a test must not fail by chance.
settings.register_profile("limelight", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("limelight")
