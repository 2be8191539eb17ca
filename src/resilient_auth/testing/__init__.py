"""What a test of resilient-auth, or of an app built on it, needs."""
