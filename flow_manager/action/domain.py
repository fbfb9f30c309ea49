"""What an action is, before and after it was accepted. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from flow_manager.action.option import Option, OptionMistake, OptionValue
from flow_manager.errors import (
    InvalidActionOption,
    InvalidActionTarget,
    InvalidActionType,
)


@dataclass(frozen=True, slots=True)
class StatedAction:
    """An action as a client wrote it: nothing is checked but its form."""

    type: str
    id: UUID | None = None
    """None: to be minted."""
    next_id: UUID | None = None
    """None: the next action in the list follows."""
    option: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Action:
    """An action of a flow: its type is known, its options are canonical."""

    id: UUID
    type: str
    next_id: UUID | None = None
    option: Mapping[str, OptionValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ActionType:
    """One thing a call can do: its name in flows, its meaning, its options."""

    name: str
    meaning: str
    options: tuple[Option, ...] = ()
    ends_flow: bool = False
    """Whether the flow is over here: such an action is never handed out."""
    needs_call: bool = True
    """Whether only a call can do it; what needs none flow_manager does itself."""
    wait_ms: Callable[[Mapping[str, OptionValue]], int] = lambda _option: 0
    """How long it takes where flow_manager does it itself, in milliseconds."""

    def accept(self, index: int, stated: Mapping[str, object]) -> Mapping[str, OptionValue]:
        """Return the options in canonical form, those left out (or null) left out.

        `index` is the action's place in its flow, for the error. Raises InvalidActionOption.
        """
        known = {option.name for option in self.options}
        for name in sorted(stated.keys() - known):
            allowed = f"; {self.name} has {', '.join(sorted(known)) or 'no options'}"
            raise InvalidActionOption(index, self.name, name, "is unknown" + allowed)
        accepted: dict[str, OptionValue] = {}
        for option in self.options:
            value = stated.get(option.name)
            try:
                if value is not None:
                    accepted[option.name] = option.accept(value)
                elif option.required:
                    raise OptionMistake(f"is missing. {option.meaning.rstrip('.')}")
            except OptionMistake as mistake:
                raise InvalidActionOption(index, self.name, option.name, str(mistake)) from None
        return accepted

    def resolve(
        self, stored: Mapping[str, OptionValue], variables: Mapping[str, str]
    ) -> Mapping[str, OptionValue]:
        """Return the options with every `${name}` replaced.

        What then breaks its option's rule is left out: a flow that runs cannot be refused.
        """
        known = {option.name: option for option in self.options}
        resolved: dict[str, OptionValue] = {}
        for name, value in stored.items():
            # An option that a later version no longer knows goes out as it was accepted.
            found = known[name].resolve(value, variables) if name in known else value
            if found is not None:
                resolved[name] = found
        return resolved


class ActionTypes:
    """The action types that are known, by name."""

    def __init__(self, types: Iterable[ActionType]) -> None:
        self._by_name: dict[str, ActionType] = {}
        for one in types:
            if one.name in self._by_name:
                raise ValueError(f"two action types are called {one.name}")
            self._by_name[one.name] = one

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all types, in alphabetical order."""
        return tuple(sorted(self._by_name))

    def get(self, name: str) -> ActionType | None:
        """Return the type of that name, or None."""
        return self._by_name.get(name)

    def resolve(self, action: Action, variables: Mapping[str, str]) -> Action:
        """Return the action as it is handed out: every `${name}` in its options replaced."""
        known = self._by_name.get(action.type)
        if known is None:
            return action
        option = known.resolve(action.option, variables)
        return action if option == action.option else replace(action, option=option)

    def accept(
        self, stated: Sequence[StatedAction], mint: Callable[[], UUID]
    ) -> tuple[Action, ...]:
        """Check a flow's actions and mint the ids that are unset.

        Raises, for the first action that is wrong, InvalidActionType or InvalidActionOption; then
        InvalidActionTarget when ids repeat or a `next_id` names no action of the flow.
        """
        accepted = tuple(self._accept_one(index, one, mint) for index, one in enumerate(stated))
        _check_targets(accepted)
        return accepted

    def _accept_one(self, index: int, stated: StatedAction, mint: Callable[[], UUID]) -> Action:
        found = self._by_name.get(stated.type)
        if found is None:
            raise InvalidActionType(index, stated.type, self.names)
        option = found.accept(index, stated.option)
        return Action(stated.id or mint(), stated.type, stated.next_id, option)


def _check_targets(actions: Sequence[Action]) -> None:
    seen: set[UUID] = set()
    for index, action in enumerate(actions):
        if action.id in seen:
            raise InvalidActionTarget.repeated(index, action.id)
        seen.add(action.id)
    for index, action in enumerate(actions):
        if action.next_id is not None and action.next_id not in seen:
            raise InvalidActionTarget.unknown(index, action.next_id)
