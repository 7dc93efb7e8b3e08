"""A plugin that Hydra discovers: it adds the user's own `configs/` to the search path of dltrain's commands."""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin


class DltrainSearchPath(SearchPathPlugin):
    """Appends `configs/` in the working directory to the search path, in dltrain's own commands only."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Appends the user's folder, if there is one and dltrain composes the config."""
        from dltrain.config.options import config_dir, local_config_dir

        main = [item.path for item in search_path.get_path() if item.provider == "main"]
        if str(config_dir()) not in [str(path).removeprefix("file://") for path in main]:
            return
        folder = local_config_dir()
        if folder is not None:
            search_path.append("dltrain-local", f"file://{folder}")
