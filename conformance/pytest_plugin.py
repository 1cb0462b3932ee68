"""The pytest plugin. `pytest --pyargs espproof.conformance --adapter NAME` runs the suite as tests."""
