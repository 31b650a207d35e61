"""A few simulated rollouts: traffic is what was asked for, rules stop what they are said to stop, and the sections are written."""

import numpy as np
import pytest

from benchmarks.verdicts import guards, topic
from benchmarks.verdicts.rules import argo, flagger, least_minutes, ours, z_test
from benchmarks.verdicts.traffic import Scene, Traffic, simulated


@pytest.mark.parametrize("clustered", [False, True])
def test_traffic_has_the_asked_rates_and_ratios_and_clusters_where_asked(clustered: bool) -> None:
    traffic = simulated(Scene(5.0, 0.02, clustered), 200, 30, np.random.default_rng(0))
    for bad, total, rate in ((traffic.bad_old, traffic.total_old, 15.0), (traffic.bad_new, traffic.total_new, 5.0)):
        assert total.mean() / 10 == pytest.approx(rate, rel=0.03)
        assert bad.sum() / total.sum() == pytest.approx(0.02, rel=0.06)
        assert (bad <= total).all()
    dispersion = traffic.bad_old.var() / traffic.bad_old.mean()
    assert bool(dispersion > 3) is clustered


def constant(ratio: float, minutes: int = 60) -> Traffic:
    """Ten requests in each block of either arm, of which so many of the new one fail."""
    shape = 1, minutes * 6
    return Traffic(
        np.zeros(shape, dtype=np.int64),
        np.full(shape, 10),
        np.full(shape, round(10 * ratio)),
        np.full(shape, 10),
    )


def test_the_samples_of_the_tools_stop_as_documented() -> None:
    assert argo(constant(0.1)) == [15.0], "the third measurement of five minutes"
    assert flagger(constant(0.1)) == [10.0], "the tenth check"
    assert argo(constant(0.0)) == flagger(constant(0.0)) == z_test(constant(0.0), 0.05) == [np.inf]
    assert ours(constant(0.1), [0.05])[0] < 3
    assert ours(constant(0.0), [0.05])[0] == [np.inf]
    assert least_minutes(Scene(5.0, 0.001, factor=2.0), 0.05) == pytest.approx(26, abs=1)


def test_the_sections_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("RATES", {5.0: 10}), ("BASES", (0.02,)), ("DETECTION_MINUTES", {10.0: 10, 2.0: 10})):
        monkeypatch.setattr(topic, name, value)
    monkeypatch.setattr(topic, "PATIENCE_MINUTES", 30)
    for name, value in (("MINUTES", 6), ("LOOKS", (2,)), ("SHADOWED", 200)):
        monkeypatch.setattr(guards, name, value)
    sections = (
        topic.measure_false_stops(lambda line: None, 100),
        topic.measure_detection(lambda line: None, 20),
        guards.measure_guards(lambda line: None, 1),
    )
    assert [len(section.rows) for section in sections] == [2, 4, 8]
    assert sections[0].bars[0].kept
    assert sections[1].bars[0].kept
    assert all(section.title in section.markdown() for section in sections)
