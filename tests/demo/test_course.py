"""What a run's folder shows, which may be a stranger's."""

from pathlib import Path

import pytest

from darkroom.demo import course


def judged(run: Path, text: str, name: str = "a") -> Path:
    report = run / "evaluation" / name / "report.html"
    report.parent.mkdir(parents=True)
    report.write_text(text)
    return report


def test_curves_config_and_the_newest_report_are_shown(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("images_seen,name,value\n64,loss/a,2.5\n128,loss/a,1.5\n")
    judged(tmp_path, "new")
    went = course.read(tmp_path, "seed: 0")
    assert went.usual == {"loss/a": 1.5}
    assert "<svg" in went.charts()
    assert 'srcdoc="new"' in went.framed_report()


def test_a_run_without_curves_or_report_says_so(tmp_path: Path) -> None:
    went = course.read(tmp_path, "")
    assert "no curves" in went.charts()
    assert "evaluate.py" in went.framed_report()


@pytest.mark.promise(
    "A stranger's run holds a report with scripts",
    "The report is shown in a frame in which no script runs.",
)
def test_a_report_is_shut_in(tmp_path: Path) -> None:
    judged(tmp_path, '"><script>alert(1)</script>')
    frame = course.read(tmp_path, "").framed_report()
    assert "sandbox srcdoc=" in frame
    assert "<script" not in frame


@pytest.mark.promise(
    "A stranger's run links its report or its curves to a file elsewhere",
    "What lies outside the run's folder is not read.",
)
def test_links_that_lead_elsewhere_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.html"
    secret.write_text("secret")
    run = tmp_path / "run"
    judged(run, "x").unlink()
    (run / "evaluation" / "a" / "report.html").symlink_to(secret)
    (run / "metrics.csv").symlink_to(secret)
    went = course.read(run, "")
    assert (went.report, went.curves) == ("", {})
