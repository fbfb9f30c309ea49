# What we use of PyYAML, which brings no types.

class Mark:
    line: int

class YAMLError(Exception): ...

class MarkedYAMLError(YAMLError):
    context: str | None
    context_mark: Mark | None
    problem: str | None
    problem_mark: Mark | None

class Node:
    start_mark: Mark

class ScalarNode(Node):
    value: str

class SequenceNode(Node):
    value: list[Node]

class MappingNode(Node):
    value: list[tuple[Node, Node]]

class BaseLoader: ...

def compose(stream: str, Loader: type[BaseLoader] = ...) -> Node | None: ...  # noqa: N803
