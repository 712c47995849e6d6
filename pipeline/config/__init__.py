"""The configuration: from YAML to frozen, validated models."""
