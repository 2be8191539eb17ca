"""The tests; a package, so that drivers and benchmarks can be imported."""
