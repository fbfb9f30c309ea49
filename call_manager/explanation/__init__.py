"""What happened to a call, in plain sentences, by rules anybody can read."""

from call_manager.explanation.explain import explain
from call_manager.explanation.rule import Explanation, Rule

__all__ = ["Explanation", "Rule", "explain"]
