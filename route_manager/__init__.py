"""Where calls go: providers, routes, dialroutes, and the provider call with its orchestration.

It owns the record of every provider call and sees it through to its end. It places no call
itself: calls are call_manager's, flows are flow_manager's, and it asks both over gRPC only.
"""
