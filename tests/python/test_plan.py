"""What `--set` may do, and what it refuses in one line."""

import pytest
from bulkhead.base.errors import BulkheadError, SpecError
from bulkhead.experiment.find import find, find_all, names
from bulkhead.experiment.plan import check_policies, make_plan
from bulkhead.model.spec import WORKLOAD_PREFIX
from bulkhead.policy.tables import built_policies

BUILT = (
    "bvt",
    "credit",
    "credit2",
    "credit_sampled",
    "eevdf",
    "pinned",
    "round_robin",
    "rtds",
    "stride",
    "table",
)


def policies(kind):
    return BUILT if kind == "scheduler" else tuple(built_policies(kind))


def plan(*sets, quick=True, name="noisy_neighbour"):
    return make_plan(find(name), quick, sets, policies)


def test_every_experiment_is_declared_under_its_own_name():
    assert {"noisy_neighbour", "theft_of_service"} <= set(names())
    assert [experiment.name for experiment in find_all()] == names()


@pytest.mark.parametrize("experiment", find_all(), ids=names())
def test_every_level_of_a_declaration_is_one_that_set_would_allow(experiment):
    for quick in (True, False):
        for factor in experiment.factors:
            text = ",".join(str(level) for level in (factor.quick if quick else factor.full))
            got = make_plan(experiment, quick, [f"{factor.name}={text}"], policies).levels[factor.name]
            assert got == (factor.quick if quick else factor.full)
        for setting in experiment.settings:
            assert setting.least <= (setting.quick if quick else setting.full) <= setting.most


@pytest.mark.parametrize("experiment", find_all(), ids=names())
def test_every_quick_point_describes_a_machine_and_is_short(experiment):
    points = make_plan(experiment, True, (), policies).points
    assert len(points) <= 40
    for point in points:
        machine = experiment.machine(point)
        asked = point.duration_ns if "duration_ms" in point.settings else machine.duration
        boots = any(not guest.kernel.startswith(WORKLOAD_PREFIX) for guest in machine.guests)
        longest = 40_000 if boots else 4_000 if experiment.simulator_only else 1_500
        assert machine.duration == asked <= longest * 1_000_000
        assert len({guest.name for guest in machine.guests}) == len(machine.guests)


def test_points_are_all_combinations_in_order():
    points = plan("sched=credit,stride", "victim=compute", "hogs=0,3").points
    assert [point.label for point in points] == [
        "sched=credit,victim=compute,hogs=0",
        "sched=credit,victim=compute,hogs=3",
        "sched=stride,victim=compute,hogs=0",
        "sched=stride,victim=compute,hogs=3",
    ]


def test_all_stands_for_every_built_policy():
    assert plan("sched=all").levels["sched"] == BUILT


def test_the_guard_reaches_the_machine_of_any_experiment():
    chosen = plan("guard=strict,normal", "sched=credit", "victim=compute", "hogs=0")
    machines = [chosen.experiment.machine_of(point) for point in chosen.points]
    assert [machine.guard for machine in machines] == ["strict", "normal"]
    assert plan("hogs=0").experiment.machine_of(plan("hogs=0").points[0]).guard == "normal"
    with pytest.raises(SpecError, match="unknown level 'strikt'; did you mean 'strict'"):
        plan("guard=strikt")


def test_settings_and_parameters_reach_the_machine():
    chosen = plan("seed=7", "duration_ms=50", "warm_up_ms=10", "credit.tslice=5", "sched=credit")
    machine = chosen.experiment.machine(chosen.points[0])
    assert (machine.seed, machine.duration) == (7, 50_000_000)
    assert dict(machine.sched.parameters) == {"tslice": 5}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hogs", "write NAME=VALUE, for example --set sched=round_robin"),
        ("hogs=", "write NAME=VALUE"),
        ("hogz=1", "no such factor or setting; did you mean 'hogs'"),
        ("hogs=17", "17 is outside 0 to 16"),
        ("hogs=-1", "outside 0 to 16"),
        ("hogs=two", "'two' is not a whole number"),
        ("hogs=1,1", "names a level twice"),
        ("victim=responde", "unknown level 'responde'; did you mean 'responder'"),
        ("sched=credits", "unknown level 'credits'; did you mean 'credit'"),
        ("seed=-1", "outside 0"),
        ("duration_ms=1", "1 is outside 20"),
        ("stride.slice=1", "no point of this experiment uses a policy 'stride'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(text, message):
    with pytest.raises(SpecError) as error:
        plan(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_every_policy_and_its_parameters_are_checked_before_anything_runs():
    asked = []
    check_policies(
        plan("sched=credit,stride", "stride.slice=3"),
        lambda kind, spec: asked.append((kind, spec.name, dict(spec.parameters))),
    )
    assert asked == [("scheduler", "credit", {}), ("scheduler", "stride", {"slice": 3})]


def test_an_unknown_experiment_is_named_with_what_there_is():
    with pytest.raises(BulkheadError, match="did you mean 'noisy_neighbour'"):
        find("noisy_neighbor")


def test_a_file_that_declares_nothing_or_another_name_is_refused(tmp_path):
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "other.py").write_text(
        "from bulkhead.experiment.find import find\nEXPERIMENT = find('theft_of_service')\n"
    )
    with pytest.raises(BulkheadError, match="declares no EXPERIMENT"):
        find("empty", tmp_path)
    with pytest.raises(BulkheadError, match="give it the name of its file"):
        find("other", tmp_path)


def test_a_setting_with_several_values_becomes_a_factor():
    swept = plan("period_us=1000..1020:10", "hogs=0..2")
    assert swept.levels["period_us"] == (1000, 1010, 1020)
    assert swept.levels["hogs"] == (0, 1, 2)
    assert {point.number("period_us") for point in swept.points} == {1000, 1010, 1020}
    assert len(swept.points) == len({point.label for point in swept.points})


@pytest.mark.parametrize("text", ["hogs=3..1", "hogs=0..4:0", "hogs=0..40", "seed=1,1"])
def test_ranges_are_checked(text):
    with pytest.raises(SpecError):
        plan(text)


def test_a_linux_victim_gets_linux_hogs_and_time_for_all_to_boot():
    found = plan("victim=linux", "hogs=0,2", "sched=credit")
    machines = [find("noisy_neighbour").machine(point) for point in found.points]
    assert [len(machine.guests) for machine in machines] == [1, 3]
    assert {guest.kernel for machine in machines for guest in machine.guests} == {"debian:linux"}
    assert "sysbench" in machines[0].guests[0].cmdline and "noise" in machines[1].guests[2].cmdline
    assert machines[1].duration - machines[0].duration == 2 * 20_000 * 1_000_000
    assert machines[1].memory >= sum(guest.memory for guest in machines[1].guests) + 384 * 1024 * 1024
