"""What an action is, before and after it was accepted. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

from flow_manager.action.option import Option, OptionMistake, OptionValue
from flow_manager.errors import (
    ActionNeedsCall,
    InvalidActionOption,
    InvalidActionTarget,
    InvalidActionType,
)

START_ID: Final = UUID(int=1)
"""As a target: the first action of the same flow (CONTRACT.md section 2.7)."""

FINISH_ID: Final = UUID(int=2)
"""As a target: the end of the same flow."""

NEXT_ID: Final = UUID(int=3)
"""As a target: the next action in the list."""

RESERVED_IDS: Final = frozenset({START_ID, FINISH_ID, NEXT_ID})
"""What may be named as a target in every flow, and be no action's own id."""


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
class Resolved:
    """An action as it is handed out: every `${name}` in its options replaced."""

    action: Action
    broken: Mapping[str, str] = field(default_factory=dict)
    """The options that then broke their rule, and were left out: what each has to be, by name."""


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
    steers: bool = False
    """Whether flow_manager does it itself on calls, too, at once: it is never handed out."""
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
                if not option.is_unset(value):
                    accepted[option.name] = option.accept(value)
                elif option.required:
                    raise OptionMistake(f"is missing. {option.meaning.rstrip('.')}")
            except OptionMistake as mistake:
                raise InvalidActionOption(index, self.name, option.name, str(mistake)) from None
        return accepted

    def resolve(self, action: Action, variables: Mapping[str, str]) -> Resolved:
        """Return the action with every `${name}` in its options replaced."""
        known = {option.name: option for option in self.options}
        resolved: dict[str, OptionValue] = {}
        broken: dict[str, str] = {}
        for name, value in action.option.items():
            try:
                # An option that a later version no longer knows goes out as it was accepted.
                found = known[name].resolve(value, variables) if name in known else value
                resolved[name] = found
            except OptionMistake as mistake:
                broken[name] = str(mistake)
        if resolved == action.option:
            return Resolved(action)
        return Resolved(replace(action, option=resolved), broken)

    def failure(self, resolved: Resolved) -> str:
        """Return why the action cannot be done as it was resolved, or nothing.

        An option that has to be there fails it. So does any other of what flow_manager does
        itself: to go elsewhere than was meant would be worse than not to go.
        """
        needed = {option.name for option in self.options if option.required or self.steers}
        for name, problem in resolved.broken.items():
            if name in needed:
                return f"With its variables replaced, the option {name!r} {problem}."
        return ""

    def targets(self, action: Action) -> Iterable[tuple[str, UUID]]:
        """Return the actions that the options name, each with the place where it is named."""
        for option in self.options:
            value = action.option.get(option.name) if option.is_target else None
            if isinstance(value, Mapping):
                yield from ((f"{option.name}.{key}", UUID(str(one))) for key, one in value.items())
            elif value is not None:
                yield option.name, UUID(str(value))


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

    def resolve(self, action: Action, variables: Mapping[str, str]) -> Resolved:
        """Return the action as it is handed out: every `${name}` in its options replaced.

        What then breaks its option's rule is left out, and told.
        """
        known = self._by_name.get(action.type)
        return Resolved(action) if known is None else known.resolve(action, variables)

    def accept(
        self, stated: Sequence[StatedAction], mint: Callable[[], UUID]
    ) -> tuple[Action, ...]:
        """Check a flow's actions and mint the ids that are unset.

        Raises, for the first action that is wrong, InvalidActionType or InvalidActionOption; then
        InvalidActionTarget when ids repeat or are reserved, or when a `next_id` or an option names
        no action of the flow.
        """
        accepted = tuple(self._accept_one(index, one, mint) for index, one in enumerate(stated))
        self._check_targets(accepted)
        return accepted

    def check_need_no_call(self, actions: Sequence[Action]) -> None:
        """Raise ActionNeedsCall for the first action that only a call can do."""
        able = tuple(name for name in self.names if not self._needs_call(name))
        for index, action in enumerate(actions):
            if self._needs_call(action.type):
                raise ActionNeedsCall(index, action.type, able)

    def _needs_call(self, name: str) -> bool:
        known = self._by_name.get(name)
        return known is None or known.needs_call

    def _accept_one(self, index: int, stated: StatedAction, mint: Callable[[], UUID]) -> Action:
        found = self._by_name.get(stated.type)
        if found is None:
            raise InvalidActionType(index, stated.type, self.names)
        option = found.accept(index, stated.option)
        return Action(stated.id or mint(), stated.type, stated.next_id, option)

    def _check_targets(self, actions: Sequence[Action]) -> None:
        names = RESERVED_IDS | _own_ids(actions)
        for index, action in enumerate(actions):
            if action.next_id is not None and action.next_id not in names:
                raise InvalidActionTarget.unknown(index, action.next_id)
            for place, target in self._by_name[action.type].targets(action):
                if target not in names:
                    raise InvalidActionTarget.of_option(index, action.type, place, target)


def _own_ids(actions: Sequence[Action]) -> frozenset[UUID]:
    seen: set[UUID] = set()
    for index, action in enumerate(actions):
        if action.id in seen:
            raise InvalidActionTarget.repeated(index, action.id)
        if action.id in RESERVED_IDS:
            raise InvalidActionTarget.reserved(index, action.id)
        seen.add(action.id)
    return frozenset(seen)
