"""The example chatbot: log in, chat, break it, and read how it was survived."""
