"""`jobs`: lists, the bill, cancelling, moving to another account, letting a stopped lane buy again."""

from __future__ import annotations

import csv
from collections.abc import Callable

from tests.cli.shell import Shell
from tests.fakes import FakeServer
from tests.jobs.station import until

Make = Callable[..., Shell]
Serve = Callable[..., FakeServer]

PAID = ("make", "a boat", "--model", "paid/quick", "--duration", "4", "--resolution", "180p", "--yes", "--json")


def test_a_list_and_the_money_so_far(shell: Make, serve: Serve) -> None:
    used = shell(serve())
    limits = "; the user allows $5.00 a job"
    none = f"today (UTC) $0 of $20.00: $0 spent, $0 reserved; all days: $0 spent, $0 reserved{limits}"
    assert used.done("jobs").lines == ["no jobs", none]
    one = used.done(*PAID, "--label", "boat", "--no-wait").json
    two = used.done(*PAID, "--label", "boat", "--take", "2", "--no-wait").json
    used.done("jobs", "watch")
    ended = used.done("jobs")
    assert ended.lines[0].split("\t") == ["job", "state", "model", "label", "cost", "created", "file"]
    assert [line.split("\t")[0] for line in ended.lines[1:3]] == [two["job_id"], one["job_id"]]
    cells = ended.lines[1].split("\t")
    assert cells[1:5] == ["succeeded", "paid/quick", "boat take 2", "$0.40"] and cells[6] == "boat_take02.mp4"
    assert ended.lines[-2] == f"files are in {used.station.settings().output}"
    spent = "today (UTC) $0.80 of $20.00: $0.80 spent, $0 reserved; all days: $0.80 spent, $0 reserved"
    assert ended.lines[-1] == spent + limits
    assert used.done("jobs", "list", "--limit", "1").lines[-1] == "there are older ones: --limit shows more"
    assert len(used.done("jobs", "list", "--label", "other", "--json").json["jobs"]) == 0
    shown = used.done("jobs", "show", one["job_id"]).lines
    assert f"job_id: {one['job_id']}" in shown and "cost_usd: 0.4" in shown and "label: boat" in shown


def test_the_bill_by_label_and_day(shell: Make, serve: Serve) -> None:
    used = shell(serve())
    for take, label in ((1, "boat, red"), (2, "boat, red"), (3, "")):
        used.done(*PAID, "--take", str(take), "--label", label, "--no-wait")
    used.done("jobs", "watch")
    rows = list(csv.DictReader(used.done("jobs", "--by", "label", "--csv").lines))
    assert rows == [
        {"label": "", "jobs": "1", "settled_usd": "0.4", "held_usd": "0"},
        {"label": "boat, red", "jobs": "2", "settled_usd": "0.8", "held_usd": "0"},
    ]
    (day,) = used.done("jobs", "--by", "day", "--json").json["rows"]
    assert (day["jobs"], day["settled_usd"], day["held_usd"]) == (3, 1.2, 0.0)
    assert used.done("jobs", "--by", "day").lines[-1] == "in all $1.20 settled, $0 held for jobs that are not settled"
    listed = list(csv.DictReader(used.done("jobs", "--csv").lines))
    assert [row["take"] for row in listed] == ["3", "2", "1"]


def test_cancel_tells_what_becomes_of_the_money(shell: Make, serve: Serve) -> None:
    server = serve(life={"until_told": True})
    used = shell(server)
    job = used.done(*PAID, "--no-wait").json["job_id"]
    until(lambda: used.station.row(job)["state"] == "running", "the job runs")
    assert used.done("jobs", "cancel", job).lines[0] in (f"{job}: running, cancelling requested", f"{job}: cancelled")
    ended = used.run("jobs", "watch", job)
    assert ended.code == 1 and f"{job} cancelled" in ended.lines
    assert "billed" in " ".join(used.done("jobs", "show", job).lines)


def test_a_queued_job_moves_to_the_account_that_is_set_now(shell: Make, serve: Serve) -> None:
    server = serve()
    server.script("submit", {"status": 401})
    used = shell(server)
    used.run(*PAID)  # refused key: the lane buys nothing more
    (lane,) = used.station.rows("SELECT key, breaker FROM lanes")
    assert lane["breaker"]
    told = used.refused("jobs", "resume", "no|such|lane")
    assert "there is no provider or account 'no|such|lane'; there are: paid, " + lane["key"] in told
    assert used.done("jobs", "resume", "paid").lines == [f"{lane['key']}: paid jobs start again"]
    assert used.done("jobs", "resume", "paid").lines == ["no account was paused"]
    assert used.done("jobs", "resume", "--all").lines == ["no account was paused"]

    server.set(life={"until_told": True}, max_open=1)
    blocking = used.done(*PAID, "--take", "2", "--no-wait").json["job_id"]
    until(lambda: used.station.row(blocking)["state"] == "running", "the first job runs")
    queued = used.done(*PAID, "--take", "3", "--no-wait").json["job_id"]
    until(lambda: used.station.row(queued)["attempts"] >= 1, "the second is put back by the service")
    assert "belongs to the account that is set now already" in used.refused("jobs", "rebind", queued)
    used.station.env = {**used.station.env, "PAID_API_KEY": "sk-another-account"}
    server.set(max_open=None, life={"polls": 1})
    assert used.done("jobs", "rebind", queued).lines == [f"{queued}: queued, on the account that is set now"]
    assert used.done("jobs", "watch", queued, "--json").json[0]["state"] == "succeeded"
    moved, stayed = used.station.row(queued), used.station.row(blocking)
    assert moved["lane"] != stayed["lane"] and used.station.entry(queued)["lane"] == moved["lane"]
    accounts = {job["job_key"]: job["account"] for job in server.jobs()}
    assert accounts[queued] != accounts[blocking]
    assert "only a queued job can move" in used.refused("jobs", "rebind", queued)
    assert server.counters()["charges"] == 2


def test_resume_wants_one_lane_or_all(shell: Make) -> None:
    told = "name a provider or an account (reelwright doctor lists them), or give --all"
    assert told in shell().refused("jobs", "resume")
