"""Reads stored traces with tshark, the way a person would: as the pcap that is downloaded."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from call_manager.channel import Transport, WireMessage
from call_manager.sip.trace import call_id_of
from call_manager.timeline.pcap import Datagram, Endpoint, Recorder, file_header


def a_pcap(messages: Sequence[WireMessage]) -> bytes:
    """Write messages as the timeline does."""
    recorder, parts = Recorder(), [file_header()]
    for message in sorted(messages, key=lambda message: message.at):
        ends = [Endpoint.parse(message.local_address), Endpoint.parse(message.remote_address)]
        source, destination = ends if message.sent else reversed(ends)
        stream = message.transport in {Transport.TCP, Transport.TLS}
        parts.append(
            recorder.records(Datagram(message.at, source, destination, message.raw, stream))
        )
    return b"".join(parts)


def read_back(messages: Sequence[WireMessage]) -> Counter[str]:
    """How many SIP messages tshark finds for each Call-ID."""
    ports = {int(message.local_address.rpartition(":")[2]) for message in messages}
    return found_in(a_pcap(messages), ports)


def found_in(pcap: bytes, ports: Collection[int]) -> Counter[str]:
    """How many SIP messages tshark finds in a file for each Call-ID; SIP is at these ports."""
    program = shutil.which("tshark")
    assert program is not None, "apt-get install tshark"
    decode = [
        word
        for port in sorted(ports)
        for kind in ("udp", "tcp")
        for word in ("-d", f"{kind}.port=={port},sip")
    ]
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "trace.pcap")
        path.write_bytes(pcap)
        fields = ("-Y", "sip", "-T", "fields", "-e", "sip.Call-ID")
        read = subprocess.run(
            [program, "-r", str(path), *decode, *fields],
            check=True,
            capture_output=True,
            timeout=60,
        )
    return Counter(
        call_id
        for line in read.stdout.decode().splitlines()
        for call_id in line.split(",")
        if call_id
    )


def stored(messages: Sequence[WireMessage]) -> Counter[str]:
    """How many messages are stored for each Call-ID."""
    return Counter(call_id_of(message.raw) for message in messages)
