"""The program's exit codes where no service is asked."""

import pytest

from service.cli.main import main


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["nonsense"], 2),
        (["submission", "create"], 2),
        (["--no-such-option"], 2),
        (["run", "submit", "--epsilon"], 2),
        (["deid", "text", "no-such-file"], 2),
        ([], 2),
    ],
)
def test_a_command_that_is_not_understood_leaves_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], code: int
) -> None:
    monkeypatch.setattr("sys.argv", ["medtrain", *words])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == code
    said = capsys.readouterr()
    assert "defect" not in said.err + said.out


def test_the_version_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["medtrain", "--version"])
    main()
    assert capsys.readouterr().out.strip() == "0.1.0"


def test_a_defect_says_its_kind_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("a value")

    monkeypatch.setattr("service.guard.check_import_names", broken)
    monkeypatch.setattr("sys.argv", ["medtrain", "demo"])
    with pytest.raises(SystemExit) as left:
        main()
    said = capsys.readouterr().err
    assert left.value.code == 1
    assert "ZeroDivisionError" in said
    assert "a value" not in said
