"""Lets Hydra find the user's own `configs/` beside dltrain's."""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin


class DltrainSearchPath(SearchPathPlugin):
    """Appends the working directory's `configs/`, in dltrain's own commands only."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        from dltrain.config.options import config_dir, local_config_dir

        main = [item.path for item in search_path.get_path() if item.provider == "main"]
        if str(config_dir()) not in [str(path).removeprefix("file://") for path in main]:
            return
        folder = local_config_dir()
        if folder is not None:
            search_path.append("dltrain-local", f"file://{folder}")
