"""What the local stack tells its services, and what whoever starts it may say otherwise."""

from localstack.environment import wanted


def test_limits_and_logs_of_the_local_stack_are_those_that_one_asks_for() -> None:
    asked = {"RATE_LIMIT_WRITES": "5 per minute", "LOG_LEVEL": "debug"}
    assert wanted(asked) == asked


def test_what_must_fit_together_is_not_taken_from_outside() -> None:
    assert wanted({"COMMAND_API_DATABASE_URL": "postgresql://elsewhere", "JWT_ISSUER": "x", "PATH": "/bin"}) == {}
