from tests.scenarios.conftest import embedded_cloud, fresh

__all__ = ["embedded_cloud", "fresh"]
