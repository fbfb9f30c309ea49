"""A carrier to call when there is none yet: a SIP endpoint whose answer the number decides.

It plays the called side over UDP with the channel's own transactions, dialogs and media, and
runs alone: `python -m call_manager.simulator`. docs/simulator.md has the table of numbers.
"""
