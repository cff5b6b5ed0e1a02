import pytest

from muster_local import switches
from muster_local.switches import Switches, SwitchValueError, UnknownSwitchError


def test_every_switch_starts_at_its_default() -> None:
    assert Switches().as_dict() == {switch.name: switch.default for switch in switches.ALL}


def test_every_switch_has_a_name_of_its_own_one_question_and_at_least_two_answers() -> None:
    assert len(switches.BY_NAME) == len(switches.ALL)
    for switch in switches.ALL:
        assert switch.question.endswith("?")
        assert len(set(switch.values)) == len(switch.values) >= 2


@pytest.mark.parametrize("switch", switches.ALL, ids=lambda switch: switch.name)
def test_every_switch_takes_each_of_its_values(switch: switches.Switch) -> None:
    positions = Switches()
    for value in switch.values:
        positions.set(switch.name, value)
        assert positions.get(switch.name) == value


def test_a_value_that_a_switch_does_not_have_is_refused_with_those_it_has() -> None:
    with pytest.raises(SwitchValueError, match="one of service, nobody, not 'everybody'"):
        Switches().set("triage_role_creator", "everybody")


def test_an_unknown_switch_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownSwitchError, match=r"no switch 'weather'.*triage_role_creator"):
        Switches().get("weather")
    with pytest.raises(UnknownSwitchError):
        Switches().set("weather", "fine")
