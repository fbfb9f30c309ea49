"""Every environment variable of call_manager (`VBMESH_<FIELD>`)."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Self

from pydantic import Field, field_validator, model_validator

from call_manager.dialer.equipment import DialerSettings
from call_manager.media.capture import CaptureLimits
from call_manager.outbound_config.number_types import (
    TOLL_FRAUD_FILE,
    Prefixes,
    PrefixesInvalid,
    read_prefixes,
)
from call_manager.sip.settings import SipSettings, TlsListener
from call_manager.speech.voices import SpeechEngine, voices
from mesh.settings import MeshSettings, SettingsMistake, check_address

MIB: Final = 1024 * 1024


class CallSettings(MeshSettings):
    """What call_manager can be told."""

    route_manager_address: str = Field(
        description="route_manager's gRPC address: `host:port`, or any gRPC target (`dns:///…`)."
    )
    flow_manager_address: str = Field(
        description="flow_manager's gRPC address: `host:port`, or any gRPC target (`dns:///…`)."
    )
    sip_listen: str = Field(
        default="127.0.0.1:5060",
        description="The `host:port` (an IP address) that SIP is sent from and answered at, over"
        " UDP and TCP."
        " Keep it over restarts: what a dead process left on the wire is ended from there.",
    )
    sip_advertised: str | None = Field(
        default=None,
        description="The `host:port` carriers reach us at, where it differs from the one we"
        " listen on (NAT).",
    )
    sip_tls_listen: str | None = Field(
        default=None,
        description="The `host:port` (an IP address) that SIP over TLS is answered at; needs a"
        " certificate and its key. Carriers are called over TLS without it, but those that open"
        " connections of their own need it to hang up.",
    )
    sip_tls_cert: Path | None = Field(
        default=None,
        description="The file of our certificate for SIP over TLS, and those up to its root (PEM).",
    )
    sip_tls_key: Path | None = Field(
        default=None, description="The file of that certificate's private key (PEM)."
    )
    sip_tls_advertised: str | None = Field(
        default=None,
        description="The `host:port` carriers reach us at over TLS, where it differs; the host may"
        " be a name, which the certificate must then be for.",
    )
    sip_user_agent: str = Field(
        default="voipbin-mesh",
        pattern=r"^[!-~][ -~]{0,63}$",
        description="The User-Agent header; 1 to 64 printable ASCII characters.",
    )
    rtp_listen: str | None = Field(
        default=None,
        description="The IP address RTP is received at; the host of the SIP address when not set.",
    )
    rtp_port_first: int = Field(
        default=20_000, ge=1024, le=65_534, description="The lowest UDP port used for RTP."
    )
    rtp_port_last: int = Field(
        default=29_998, ge=1025, le=65_535, description="The highest UDP port used for RTP."
    )
    rtp_capture_mib_max: int = Field(
        default=16,
        ge=0,
        le=1024,
        description="The most RTP that is captured of one leg, in MiB; 16 are a quarter of an hour"
        " both ways.",
    )
    rtp_capture_packets_max: int = Field(
        default=200_000,
        ge=0,
        le=500_000,
        description="The most RTP and RTCP packets that are captured of one leg.",
    )
    legs_max: int = Field(
        default=500, ge=1, le=10_000, description="The most legs on the wire at once."
    )
    probes_max: int = Field(
        default=200,
        ge=1,
        le=10_000,
        description="The most carriers that are asked at once whether they are there (OPTIONS).",
    )
    ring_timeout_s: float = Field(
        default=60.0,
        gt=0.0,
        le=180.0,
        description="Seconds a call may go unanswered before it is cancelled.",
    )
    call_duration_max_s: float = Field(
        default=3600.0,
        gt=0.0,
        le=14_400.0,
        description="Seconds a call may last before it is ended.",
    )
    speech: SpeechEngine = Field(
        default=SpeechEngine.AUTO,
        description="Who speaks: `embedded` (SVOX Pico: English, French, German, Italian, Spanish),"
        " `espeak-ng` (the program, which must be installed), or `auto`: the embedded voice, and"
        " espeak-ng, where it is installed, for other languages.",
    )
    recording_duration_max_s: float = Field(
        default=3600.0,
        gt=0.0,
        le=14_400.0,
        description="Seconds one recording may last before it is ended.",
    )
    dial_window_s: float = Field(
        default=30.0,
        gt=0.0,
        le=300.0,
        description="Seconds after their record in which calls of `POST /v1.0/calls` may still be"
        " dialled.",
    )
    blocked_prefixes_file: Path | None = Field(
        default=None,
        description="The file of number prefixes that are known for toll fraud, one a line in"
        " E.164 form, `#` begins a comment; read at the start. Not set: the list that comes with"
        " the platform.",
    )
    live_calls_grace_s: float = Field(
        default=40.0,
        ge=0.0,
        le=300.0,
        description="Seconds that live calls get to end on the wire when the node stops; a BYE"
        " that nobody answers takes 32.",
    )

    @field_validator("sip_listen", "sip_advertised", "sip_tls_listen", "sip_tls_advertised")
    @classmethod
    def _check_sip_address(cls, value: str | None) -> str | None:
        return value if value is None else check_address(value)

    @field_validator("speech")
    @classmethod
    def _check_speech(cls, value: SpeechEngine) -> SpeechEngine:
        if not voices(value):
            raise SettingsMistake("there is no program espeak-ng here")
        return value

    @field_validator("blocked_prefixes_file")
    @classmethod
    def _check_prefixes(cls, value: Path | None) -> Path | None:
        try:
            read_prefixes(value or TOLL_FRAUD_FILE)
        except PrefixesInvalid as error:
            raise SettingsMistake(str(error)) from error
        return value

    def blocked_prefixes(self) -> Prefixes:
        """Return the prefixes known for toll fraud. Raises PrefixesInvalid."""
        return read_prefixes(self.blocked_prefixes_file or TOLL_FRAUD_FILE)

    @model_validator(mode="after")
    def _check_sip(self) -> Self:
        # A leg takes an even port and leaves the odd one above it for RTCP (RFC 3550 section 11).
        if self.rtp_port_last - self.rtp_port_first < 2:
            raise SettingsMistake("VBMESH_RTP_PORT_LAST must be above VBMESH_RTP_PORT_FIRST by 2")
        tls = (self.sip_tls_listen, self.sip_tls_cert, self.sip_tls_key)
        if any(tls) and not all(tls):
            raise SettingsMistake(
                "VBMESH_SIP_TLS_LISTEN, VBMESH_SIP_TLS_CERT and VBMESH_SIP_TLS_KEY are needed"
                " together"
            )
        try:
            self.sip()
        except ValueError as error:
            named = (
                "VBMESH_SIP_LISTEN, VBMESH_SIP_ADVERTISED, VBMESH_SIP_TLS_LISTEN or"
                " VBMESH_RTP_LISTEN is wrong: "
            )
            raise SettingsMistake(f"{named}{error}") from error
        return self

    def sip(self) -> SipSettings:
        """Return the channel's settings; raises ValueError for what cannot work."""
        return SipSettings(
            listen=self.sip_listen,
            advertised=self.sip_advertised,
            rtp_listen=self.rtp_listen,
            rtp_ports=(self.rtp_port_first, self.rtp_port_last),
            capture=CaptureLimits(self.rtp_capture_packets_max, self.rtp_capture_mib_max * MIB),
            # A carrier on loopback or in a private network is a test's, or an attack's.
            allow_private=self.lab,
            user_agent=self.sip_user_agent,
            legs_max=self.legs_max,
            tls=self._tls(),
        )

    def _tls(self) -> TlsListener | None:
        if self.sip_tls_listen is None or self.sip_tls_cert is None or self.sip_tls_key is None:
            return None
        return TlsListener(
            self.sip_tls_listen, self.sip_tls_cert, self.sip_tls_key, self.sip_tls_advertised
        )

    def dialer(self) -> DialerSettings:
        """Return the dialer's settings."""
        return DialerSettings(
            legs_max=self.legs_max,
            ring_timeout_s=self.ring_timeout_s,
            longest_call_s=self.call_duration_max_s,
            recording_s_max=self.recording_duration_max_s,
            capture_bytes_max=self.rtp_capture_mib_max * MIB,
            stop_grace_s=self.live_calls_grace_s,
        )
