"""Whether a theme is new, grows or shrinks: Fisher's exact test on users, over all themes together.

Compared are the shares of complaining users who raise a theme, of the newest two weeks and of the weeks before. A user
counts once in each period, whatever the number of comments, so a flood from one person is no trend. The test
(hypergeometric, two-sided) is asked at 1 % divided by the number of themes (Bonferroni). A theme that nobody had raised
before is new only where the test says so too. It misleads where the users of the two periods differ in other ways: a
new group of users brings its own complaints.
"""

from __future__ import annotations

from typing import Literal

LEVEL = 0.01
LEAST_USERS = 20

Trend = Literal["new", "growing", "shrinking", "steady", "too_few"]


def trend(recent: int, recent_users: int, earlier: int, earlier_users: int, themes: int) -> Trend:
    """The trend of a theme that `recent` of `recent_users` raised lately and `earlier` of `earlier_users` before."""
    if min(recent_users, earlier_users) < LEAST_USERS:
        return "too_few"
    from scipy.stats import fisher_exact

    table = [[recent, recent_users - recent], [earlier, earlier_users - earlier]]
    if float(fisher_exact(table).pvalue) * max(themes, 1) >= LEVEL:
        return "steady"
    if recent * earlier_users < earlier * recent_users:
        return "shrinking"
    return "growing" if earlier else "new"
