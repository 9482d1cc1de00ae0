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
        ("en", "30 Dec 2011", "9 Feb 2012"),
        ("es", "3 Feb", "16 Mar"),
        ("es", "3 feb.", "16 mar."),
        ("es", "2021-3-1T00:00", "2021-4-11T00:00"),
        ("es", "3 de abril de 2019 a las 12:30", "14 de mayo de 2019 a las 12:30"),
        ("es", "03/2019", "04/2019"),
        ("en", "05/2019", "06/2019"),
        ("es", "12/03/2019.", "22/04/2019."),
        ("es", "diciembre-03", "enero-04"),
        ("es", "27-octubre-2016", "7-diciembre-2016"),
        ("es", "año 2004", "año 2004"),
        ("es", "septiembre del año 2000", "octubre del año 2000"),
        ("es", "1º de mayo de 2010", "11º de junio de 2010"),
        ("es", "lunes 3 de abril de 2019", "martes 14 de mayo de 2019"),
        ("es", "27/011/2014", "07/01/2015"),
        ("es", "24/08//1979", "04/10//1979"),
        ("es", "12/04 /2011", "23/05 /2011"),
        ("es", "05/25/2008", "07/05/2008"),
        ("es", "31/05/2018", "11/07/2018"),
        ("es", "29/02/2004", "10/04/2004"),
        ("en", "3rd of July, 1998", "13th of August, 1998"),
        ("en", "July 21st, 1998", "August 31st, 1998"),
        ("en", "June 11th", "July 22nd"),
        ("en", "Sept 3, 98", "Oct 14, 98"),
        ("en", "12/25/2019 10:30 am", "02/04/2020 10:30 am"),
        ("sv", "den 3:e april", "den 14:e maj"),
        ("sv", "20190403", "20190514"),
        ("sv", "3/4 -19", "14/5 -19"),
        # A range, a day or a weekday alone, what is no date, and what cannot be one.
        ("es", "12-14 de marzo", None),
        ("es", "febrero y abril de 2002", None),
        ("es", "12", None),
        ("en", "Monday", None),
        ("es", "14/14/2014", None),
        ("es", "963 862 700", None),
        ("es", "39 años", None),
        ("en", "April 3, 2019, Ana Ruiz", None),
        ("es", "30/02/2019", None),
        ("es", "mayo-\N{SUPERSCRIPT TWO}\N{SUPERSCRIPT TWO}", None),
        ("es", "5\N{SUPERSCRIPT TWO}/5/2019", None),
        ("es", "hace dos días", None),
        ("es", "01/01/0001", "11/02/0001"),
    ],
)
def test_dates_are_shifted_in_their_own_format(language, before, after):
    written = dates.read(before, language)
    assert (written and written.shifted(timedelta(41))) == after
