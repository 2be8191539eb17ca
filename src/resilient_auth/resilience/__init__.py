"""Calls that go out: retry, breaker, deadline, bulkhead and stream integrity."""
