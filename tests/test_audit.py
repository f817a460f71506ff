"""`make audit`: what could not be looked up is never called safe."""

import json

from scripts.audit import exit_code, read_page, read_python


def test_a_vulnerable_package_is_named() -> None:
    python = read_python(
        json.dumps(
            {
                "dependencies": [
                    {"name": "good", "version": "1", "vulns": []},
                    {"name": "bad", "version": "2", "vulns": [{"id": "PYSEC-1"}]},
                ]
            }
        ),
        "",
    )
    assert (python.looked_up, python.vulnerable, python.unknown) == (2, ["bad 2: PYSEC-1"], [])
    page = read_page(
        json.dumps(
            {
                "vulnerabilities": {"left-pad": {"severity": "high"}},
                "metadata": {"dependencies": {"total": 7}},
            }
        )
    )
    assert (page.looked_up, page.vulnerable, page.unknown) == (7, ["left-pad: high"], [])
    clean = read_page('{"vulnerabilities": {}, "metadata": {"dependencies": {"total": 7}}}')
    assert [exit_code(x) for x in ([python], [page], [clean], [])] == [1, 1, 0, 0]


def test_what_a_database_does_not_answer_for_is_not_called_safe() -> None:
    skipped = read_python('{"dependencies": [{"name": "odd", "skip_reason": "not found"}]}', "")
    assert (skipped.looked_up, skipped.unknown) == (0, ["odd"])
    broken = read_python("", "Traceback\n  ...\nConnectionError: no route\n")
    assert broken.unknown == ["ConnectionError: no route"]
    refused = read_page('{"message": "405 Method Not Allowed\\n", "method": "POST"}')
    assert refused.unknown == ["405 Method Not Allowed"]
    assert read_page("").unknown == ["npm gave no report"]
    assert {exit_code([one]) for one in (skipped, broken, refused)} == {2}
