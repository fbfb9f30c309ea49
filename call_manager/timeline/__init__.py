"""What happened on the wire of a call: its SIP messages, as a list and as a pcap file."""
