"""Provider calls: real calls forced through one provider, recorded before they are placed."""
