"""The configuration of the JupyterHub of `hub`; what changes from run to run comes from the environment."""

import os
from pathlib import Path

folder = Path(os.environ["BENCH_FOLDER"])
port = int(os.environ["BENCH_PORT"])

c = get_config()  # noqa: F821 (JupyterHub defines it)
c.JupyterHub.bind_url = f"http://127.0.0.1:{port}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{port + 1}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{port + 2}"
c.ConfigurableHTTPProxy.command = os.environ["BENCH_PROXY"]
c.JupyterHub.cookie_secret_file = str(folder / "cookie_secret")
c.JupyterHub.db_url = f"sqlite:///{folder / 'hub.sqlite'}"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"  # as the user who runs the bench: no accounts have to be made
c.SimpleLocalProcessSpawner.home_dir_template = str(folder / "home" / "{username}")
c.Spawner.notebook_dir = str(folder / "home" / "{username}" / "notebooks")
c.Spawner.args = ["--allow-root"]
# What the guide for teachers recommends (site/guides/teacher.md, "On a shared machine"); a test compares the two.
c.Spawner.start_timeout = 600
c.Spawner.http_timeout = 600
c.JupyterHub.concurrent_spawn_limit = 100
c.JupyterHub.services = [{"name": "bench", "api_token": os.environ["BENCH_TOKEN"]}]
c.JupyterHub.load_roles = [
    {"name": "bench", "services": ["bench"], "scopes": ["admin:users", "admin:servers", "access:servers"]}
]
