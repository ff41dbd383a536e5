"""What the mentions table calls a run's ontologies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.jobs.link.routes import ontology_names

PARTS = st.lists(st.sampled_from(["a", "b", "ontology.arrow", "medic.arrow"]), min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["/home/me/medic.arrow"], ["medic.arrow"]),
        (["/home/me/data/ontology.arrow"], ["data/ontology.arrow"]),
        (["/ontology.arrow"], ["ontology.arrow"]),
        (["/x/ncbi/ontology.arrow", "/x/cdr/ontology.arrow"], ["ncbi/ontology.arrow", "cdr/ontology.arrow"]),
        (["/x/1/data/o.json.gz", "/x/2/data/o.json.gz"], ["1/data/o.json.gz", "2/data/o.json.gz"]),
        (["/x/1/data/o.arrow", "/x/2/data/p.arrow"], ["o.arrow", "p.arrow"]),
        (["s3://b/k/ontology.json.gz?endpoint_override=x", "/k/mesh.arrow"], ["k/ontology.json.gz", "mesh.arrow"]),
        (["/data/o.arrow", "/x/data/o.arrow"], ["data/o.arrow", "x/data/o.arrow"]),
        (["/x/o.arrow", "/x/o.arrow"], ["o.arrow", "o.arrow"]),
    ],
)
def test_names(paths, names):
    assert ontology_names(paths) == names


@given(st.lists(PARTS.map(lambda parts: "/" + "/".join(parts)), min_size=1, max_size=5))
def test_a_name_is_one_ontologys_whatever_is_above_all_of_them(paths):
    names = ontology_names(paths)
    assert len(set(names)) == len(set(paths))
    assert all(path.endswith(name) for path, name in zip(paths, names, strict=True))
    deeper = ["/home/me" + path for path in paths]
    if len(set(paths)) == 1 or all(path.strip("/") != name for path, name in zip(paths, names, strict=True)):
        assert all(name.endswith(earlier) for name, earlier in zip(ontology_names(deeper), names, strict=True))
