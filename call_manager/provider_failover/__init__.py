"""Showing after which answers of a carrier a call goes on to the next one."""
