"""Command-line chats whose models may fail: with OpenAI, Anthropic and LangChain."""
