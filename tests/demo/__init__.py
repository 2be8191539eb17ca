"""The demo's own processes: the toy LLM server, and the program that starts it."""
