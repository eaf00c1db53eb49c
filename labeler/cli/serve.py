"""`labeler serve`."""

import typer

from labeler.cli.console import say, show_json
from labeler.cli.options import CONFIG, AsJson, Config
from labeler.settings import load_settings
from labeler.wiring import serve as run_service

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: labeler serve --config /etc/labeler/labeler.toml")
def serve(config: Config = CONFIG, as_json: AsJson = False) -> None:
    """Run the service until SIGTERM or Ctrl-C.

    SIGHUP reads the policy file again. The log goes to stderr, one JSON object a line.
    """
    settings = load_settings(config)
    did = settings.service.did

    def ready(url: str) -> None:
        if as_json:
            show_json({"url": url, "did": did})
        else:
            say(f"{did} listens on {url}; Ctrl-C stops it")

    run_service(settings, ready=ready)
