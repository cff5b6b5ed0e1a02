"""What about the containment roles is left to people: decisions that no run may make, each with its command."""

from collections.abc import Mapping, Sequence

from muster.domain import stack_set_commands as commands
from muster.domain.containment import count_accounts
from muster.domain.desired import DesiredContainment, DesiredStackSet, ExistingRoles
from muster.domain.observed import Known, Observed, Unknown
from muster.domain.outcomes import Handoff, HandoffTo, Notice
from muster.domain.stack_sets import StackSet

MAX_NAMED = 50
"""How many accounts a handoff names; the document of the run has them all."""


def find_obstacle(wanted: DesiredContainment, by_hand: Mapping[str, Observed[bool]]) -> tuple[Handoff, ...]:
    """Return why no instance may be created now: roles made by hand would let some of them fail.

    ``by_hand`` says of every account without an instance whether roles of the two names were found there.
    """
    found = tuple(sorted(each for each, has_roles in by_hand.items() if has_roles == Known(value=True)))
    if found and wanted.existing is ExistingRoles.STOP:
        handoff = Handoff(
            HandoffTo.PERSON,
            f"decide about the containment roles that were made by hand in {count_accounts(len(found))}",
            "an instance fails where a role of its name exists, so nothing was deployed",
            "delete the roles there, or set containment.existing: adopt to leave these accounts out of the StackSet; "
            "then run: muster push FILE && muster onboard",
            found[:MAX_NAMED],
        )
        return (handoff,)
    why = next((each.why for _, each in sorted(by_hand.items()) if isinstance(each, Unknown)), None)
    if why is None or wanted.canary_unit:
        return ()
    number = sum(isinstance(each, Unknown) for each in by_hand.values())
    handoff = Handoff(
        HandoffTo.MANAGEMENT_TEAM,
        "let Muster see whether containment roles were made by hand, before it deploys any",
        f"in {count_accounts(number)} they could not be looked for ({why}), and an instance fails where one exists",
        "deploy stacks/member-account.yaml into the members and the application with MemberAccess=read, "
        "or begin with a unit in containment.canary_unit",
    )
    return (handoff,)


def name_the_other(wanted: DesiredContainment, others: tuple[str, ...]) -> Handoff:
    """Leave it to people what to do about a StackSet of another known name."""
    where = wanted.stack_set
    names = ", ".join(others)
    adopt = (
        f"write containment.stack_set.name: {others[0]}, and deploy stacks/management-account.yaml with "
        f"ContainmentStackSetName={others[0]}"
    )
    return Handoff(
        HandoffTo.PERSON,
        f"decide about StackSet {names} in {where.region}, which also deploys the containment roles",
        f"there is no StackSet {where.name}; another one beside {others[0]} would fail in every account, "
        f"so nothing was deployed",
        adopt
        if wanted.existing is ExistingRoles.ADOPT
        else f"to adopt it, {adopt}, with containment.existing: adopt; or delete it yourself",
    )


def name_one_of_the_organization(where: DesiredStackSet) -> Handoff:
    """Leave it to people to name a StackSet that follows the organization."""
    return Handoff(
        HandoffTo.PERSON,
        f"name another StackSet than {where.name}",
        "its permissions are not service-managed, so it does not follow the organization",
        "write another containment.stack_set.name; then run: muster push FILE && muster onboard",
    )


type Left = tuple[tuple[Handoff, ...], tuple[Notice, ...]]


def left_to_people(wanted: DesiredContainment, stack_set: StackSet, *, is_ours: bool) -> Left:
    """Return what would replace or reduce what is deployed: never a run's own decision."""
    where = wanted.stack_set
    if not is_ours:
        handoff = Handoff(
            HandoffTo.MANAGEMENT_TEAM,
            f"replace the template of StackSet {where.name}",
            "its roles are those of AWS's templates before 2026-03-27"
            if stack_set.is_old_generation
            else "its template is not the one of this version of Muster",
            commands.update_stack_set(where, ec2_triage=wanted.ec2_triage, template=True),
        )
        if stack_set.is_old_generation or wanted.existing is ExistingRoles.STOP:
            return (handoff,), ()
        return (), (Notice(f"StackSet {where.name} is adopted with a template of its own", "it was left as it is"),)
    if stack_set.has_ec2_triage and not wanted.ec2_triage:
        handoff = Handoff(
            HandoffTo.MANAGEMENT_TEAM,
            f"switch off EC2 triage of StackSet {where.name}",
            "the desired state says false, but it reduces what responders may do",
            commands.update_stack_set(where, ec2_triage=False),
        )
        return (handoff,), ()
    return (), ()


def replace_instances(where: DesiredStackSet, target: str, account_ids: Sequence[str]) -> tuple[Handoff, ...]:
    """Leave it to the management team to take instances away whose roles no update brings back.

    CloudFormation changes a role that is there, and fails on one that somebody deleted.
    """
    if not account_ids:
        return ()
    some = tuple(sorted(account_ids)[:MAX_NAMED])
    rest = len(account_ids) - len(some)
    more = f"; {rest:,} more come after them" if rest else ""
    return (
        Handoff(
            HandoffTo.MANAGEMENT_TEAM,
            f"delete the instances of StackSet {where.name} in {count_accounts(len(account_ids))}",
            f"their containment roles were deleted or stay altered after an update, and a run takes nothing away; "
            f"the next run deploys them anew{more}",
            commands.delete_instances(where, target, some),
        ),
    )
