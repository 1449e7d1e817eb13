"""What a person reads has figures as everywhere; what a program reads has every digit."""

import json

from holdfast.cli.actions import inspection
from holdfast.cli.live import loop
from holdfast.portfolio.explain import Explanation, Section
from holdfast.portfolio.status import DecisionLine

RAW = "1484.883373359742510522406536"
LINE = DecisionLine("hf-1p", 0, "ETH/USDT.SIM", "exited", f"signal at {RAW}: +0.49")
TOLD = Explanation("", "ETH/USDT.SIM", "why not", (Section("Limits", (f"exposure asset: {RAW} of 0.4 is used",)),))


def test_lines_of_a_run_and_of_status_are_rounded(capsys):
    loop._print([LINE])
    inspection._print_decisions([LINE])
    shown = capsys.readouterr().out
    assert shown.count("signal at 1484.8834: +0.49") == 2
    assert RAW not in shown


def test_a_story_is_rounded_for_a_person_and_exact_for_a_program(capsys):
    inspection._tell(TOLD, is_json=False)
    shown = capsys.readouterr().out
    assert "exposure asset: 1484.8834 of 0.4" in shown
    inspection._tell(TOLD, is_json=True)
    assert RAW in json.dumps(json.loads(capsys.readouterr().out))
