"""Who calls: access tokens and the principal that they prove."""
