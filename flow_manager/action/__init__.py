"""Actions: the steps of a flow, and the registry of what a step may be.

One file per family of actions (`call`, `control`, `media`). A new action is one `ActionType` in
one of them; a new family is a new file, which the registry finds by itself.
"""
