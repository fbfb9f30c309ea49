"""Tools of the build. Nothing here is imported by a service."""
