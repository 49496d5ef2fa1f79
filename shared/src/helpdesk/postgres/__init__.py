"""PostgreSQL: pools, the tenant's scope, migrations."""
