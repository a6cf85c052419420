"""Membership: who takes part in the job from one epoch on. The daemon decides it; every rank is told the same."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Member:
    """One slot as the daemon sees it."""

    slot: int
    address: str  # "host:port" where its mesh listens; empty until it said so
    host: str  # members with the same text share memory
    peer: str  # "host:port" of its side channel: positions and states for those who join
    state: str  # live, leaving, joining or gone


@dataclasses.dataclass(frozen=True)
class Membership:
    """The slots of one epoch. A later epoch replaces an earlier one whole."""

    epoch: int
    world: int  # how many slots the job has, those that leave not counted
    members: tuple

    @staticmethod
    def of_message(message):
        members = tuple(
            sorted(
                (
                    Member(
                        slot=int(one["slot"]),
                        address=one.get("address") or "",
                        host=one.get("host") or "",
                        peer=one.get("peer") or "",
                        state=one.get("state") or "live",
                    )
                    for one in message.get("members") or ()
                ),
                key=lambda member: member.slot,
            )
        )
        return Membership(int(message["epoch"]), int(message.get("world") or len(members)), members)

    @property
    def live(self):
        """Those who are in the mesh whatever they are doing."""
        return tuple(member for member in self.members if member.state == "live" and member.address)

    @property
    def leaving(self):
        """Those who are in the mesh until the next step boundary at which ranks may go."""
        return tuple(member for member in self.members if member.state == "leaving" and member.address)

    @property
    def joining(self):
        """Those who have caught up and wait to be let in at a step boundary."""
        return tuple(member for member in self.members if member.state == "joining" and member.address)

    def state(self, slot):
        """live, leaving, joining or gone; a slot that is not listed is gone."""
        return next((member.state for member in self.members if member.slot == slot), "gone")
