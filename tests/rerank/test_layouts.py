from raybel.rerank.layouts import LAYOUTS
from raybel.rerank.parameters import CONTEXTS, CROSSTYPES


def test_each_type_has_a_layout():
    assert tuple(LAYOUTS) == CROSSTYPES
    assert {layout.context for layout in LAYOUTS.values()} <= {None, *CONTEXTS}


def test_the_order_of_candidates_matters_where_they_see_each_other():
    matters = {name for name, layout in LAYOUTS.items() if layout.order_matters}
    assert matters == {"parallel", "multi", "passage", "document"}
