"""Recordings of calls: both sides, kept while the call goes on, shown as WAV files."""
