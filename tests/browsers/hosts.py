"""Which hosts does a browser of ours find? These, all of them on this machine."""

HOSTS = (
    "example.com",
    "app.example.com",
    "api.example.com",
    "pr-7.preview.example.com",
    "app.example.org",
    "app.one.co.uk",
    "api.two.co.uk",
)
