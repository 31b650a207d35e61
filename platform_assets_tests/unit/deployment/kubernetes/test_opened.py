"""What an installation has to say before anything is deployed on a cluster."""

from pathlib import Path

import pytest

from platform_assets.deployment.callers import CallerAccess
from platform_assets.deployment.errors import TargetUnavailable
from platform_assets.deployment.kubernetes.opened import open_kubernetes_target
from platform_assets.deployment.release import Release
from platform_assets.deployment.serving_home import ServingHome
from platform_assets_tests.unit.deployment.kubernetes.objects import settings


def test_a_target_without_its_cluster_is_refused_by_the_setting(tmp_path: Path) -> None:
    with pytest.raises(TargetUnavailable, match="PLATFORM_ASSETS_KUBERNETES does not say which cluster"):
        open_kubernetes_target(tmp_path, 8700)


def test_an_image_for_each_release_is_refused_rather_than_left_out(tmp_path: Path) -> None:
    with pytest.raises(TargetUnavailable, match="set images to runtime"):
        open_kubernetes_target(tmp_path, 8700, cluster=settings(images="bento"))


def test_callers_that_this_target_would_not_check_keep_everything_from_being_deployed(tmp_path: Path) -> None:
    target = open_kubernetes_target(tmp_path, 8700, callers=CallerAccess(checked=True), cluster=settings())
    release = Release("churn", "1", ["serve", "{port}"], "/readyz", tmp_path)
    with pytest.raises(TargetUnavailable, match="have the Gateway do it"):
        target.deploy(release)


def test_the_log_is_read_where_pods_write_it(tmp_path: Path) -> None:
    cluster = settings(log_claim="log", log_folder="/srv/log")
    assert ServingHome(str(tmp_path), 8700, "kubernetes", cluster=cluster).log_folder("churn") == Path("/srv/log/churn")
    assert ServingHome(str(tmp_path), 8700, "local", cluster=cluster).log_folder("churn").is_relative_to(tmp_path)
