"""Which behaviour a call meets: a script's rules, counted, then the number."""

from __future__ import annotations

import ipaddress
import random
from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase

from call_manager.simulator.behaviour import Behaviour
from call_manager.simulator.numbers import behaviour_of, number_of
from call_manager.simulator.script import Answers, Match, Rule
from call_manager.sip.message import Request, read_name_addr


class Chooser:
    """Chooses for one carrier: its rules in order, then the number."""

    def __init__(self, answers: Answers) -> None:
        self._rules = answers.rules
        self._fitted: Counter[int] = Counter()
        # Chance that can be repeated; nothing secret is made of it.
        self._chance = random.Random(answers.seed)  # noqa: S311

    def choose(self, invite: Request, host: str) -> Behaviour:
        """Decide on a call by its INVITE and the IP address it came from, and count it."""
        number = number_of(invite.uri)
        for index, rule in enumerate(self._rules):
            if fits(rule.match, invite, number, host) and self._takes(index, rule):
                meaning = rule.meaning or rule.name or f"rule {index + 1}"
                return rule.model_copy(update={"meaning": meaning})
        return behaviour_of(number)

    def _takes(self, index: int, rule: Rule) -> bool:
        if rule.percent < 100 and self._chance.random() * 100 >= rule.percent:
            return False
        self._fitted[index] += 1
        turn = self._fitted[index] - rule.skip
        return turn > 0 and (rule.times is None or turn <= rule.times)


def fits(match: Match, invite: Request, number: str, host: str) -> bool:
    """Tell whether a call is one that a rule is for."""
    caller = read_name_addr(invite.value("From")).uri
    return (
        match.number in {None, number}
        and number.startswith(match.prefix or "")
        and number.endswith(match.suffix or "")
        and fnmatchcase(number, match.glob or "*")
        and fnmatchcase(number_of(caller), match.caller or "*")
        and (match.address is None or _within(host, match.address))
        and all(_any(glob, invite.values(name)) for name, glob in match.headers.items())
    )


def _any(glob: str, values: Sequence[str]) -> bool:
    return any(fnmatchcase(value, glob) for value in values)


def _within(host: str, network: str) -> bool:
    return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
