"""Models as data: one TOML file a provider; loader, rules (validate), price (estimate), choose (rank)."""

from backends.catalog.choice import Choice
from backends.catalog.choose import choose
from backends.catalog.loader import Catalog, load
from backends.catalog.price import Estimate, estimate
from backends.catalog.ranking import Offer, Ranking, rank
from backends.catalog.rules.check import check
from backends.catalog.rules.checked import Checked
from backends.catalog.schema.row import Mode, Row
from backends.catalog.views import compact

__all__ = [
    "Catalog",
    "Checked",
    "Choice",
    "Estimate",
    "Mode",
    "Offer",
    "Ranking",
    "Row",
    "check",
    "choose",
    "compact",
    "estimate",
    "load",
    "rank",
]
