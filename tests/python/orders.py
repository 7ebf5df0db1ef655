"""The work of a test's processes, in a module of its own: a spawned process imports it without the tests."""

from __future__ import annotations

from typing import Any

import perceptis


def make(config: dict[str, Any], directory: str, orders: list[str]) -> list[tuple[str, str]]:
    """The work of one worker: every order, also those that other workers do."""
    with perceptis.Client(**config) as client:
        made = [
            client.run(
                order, output_type="single_slide", directory=directory, name=order, idempotency_key=order
            )
            for order in orders
        ]
    return [(result.job_id, result.files[0].path.name) for result in made]
