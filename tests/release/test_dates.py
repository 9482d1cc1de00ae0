from datetime import timedelta

import pytest

from stages.release import dates


@pytest.mark.parametrize(
    ("language", "before", "after"),
    [
        ("es", "03/04/2019", "14/05/2019"),
        ("es", "3-4-19", "14-5-19"),
        ("es", "3.12.2019", "13.1.2020"),
        ("es", "2019-12-25", "2020-02-04"),
        ("es", "3 de abril de 2019", "14 de mayo de 2019"),
        ("es", "3 de ABRIL del 2019", "14 de MAYO del 2019"),
        ("es", "abril de 2019", "mayo de 2019"),
        ("es", "25 de diciembre", "4 de febrero"),
        ("es", "25/12", "04/02"),
        ("es", "2019", "2019"),
        ("sv", "3 april 2019", "14 maj 2019"),
        ("sv", "2019-04-03", "2019-05-14"),
        ("en", "April 3, 2019", "May 14, 2019"),
        ("en", "04/03/2019", "05/14/2019"),
        ("es", "30/02/2019", None),
        ("es", "hace dos días", None),
        ("es", "01/01/0001", "11/02/0001"),
    ],
)
def test_dates_are_shifted_in_their_own_format(language, before, after):
    assert dates.shifted(before, timedelta(41), language) == after
