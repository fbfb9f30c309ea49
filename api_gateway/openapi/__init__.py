"""The contract as people and programs read it: API description, error pages, proto archive."""
