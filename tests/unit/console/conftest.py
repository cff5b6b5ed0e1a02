import pytest

from tests.unit.console.fakes import FakeCloud, Operator


@pytest.fixture
def operator() -> Operator:
    return Operator()


@pytest.fixture
def cloud(operator: Operator) -> FakeCloud:
    return operator.cloud
