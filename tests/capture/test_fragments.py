"""IP datagrams are joined from any fragments, in any order; what never becomes whole is given up, and counted."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from labkit.capture.fragments import Fragment, Fragments

KEY = (b"\xc0\0\2\1\xc0\0\2\2", 7, 6)
DATAGRAMS = st.binary(min_size=1, max_size=300)


def piece(datagram, start, end, key=KEY):
    return Fragment(key, 6, start, end < len(datagram), datagram[start:end])


@st.composite
def cuts(draw):
    """A datagram, and fragments that cover it: some twice, some overlapping, in any order."""
    datagram = draw(DATAGRAMS)
    units = -(-len(datagram) // 8)
    edges = sorted({0, units, *draw(st.lists(st.integers(0, units), max_size=6))})
    spans = list(pairwise(edges))
    spans += draw(st.lists(st.sampled_from(spans), max_size=3))
    starts = draw(st.lists(st.integers(0, units - 1), max_size=3))
    spans += [(start, draw(st.integers(start + 1, units))) for start in starts]
    spans = draw(st.permutations(spans))
    return datagram, [piece(datagram, start * 8, min(end * 8, len(datagram))) for start, end in spans]


@given(cuts())
def test_a_datagram_is_whole_once_however_it_was_cut(cut):
    datagram, pieces = cut
    fragments = Fragments()
    whole = [found for found in map(fragments.add, pieces) if found]
    fragments.finish()
    assert whole == [(6, datagram)] and not fragments.given_up


@given(cuts(), cuts())
def test_datagrams_with_other_names_do_not_mix(one, other):
    fragments = Fragments()
    mixed = [
        p
        for n in range(max(len(one[1]), len(other[1])))
        for p in (one[1][n : n + 1] + [q._replace(key=(KEY[0], 8, 6)) for q in other[1][n : n + 1]])
    ]
    assert sorted(found for found in map(fragments.add, mixed) if found) == sorted([(6, one[0]), (6, other[0])])


def test_a_name_that_is_used_again_is_another_datagram():
    fragments = Fragments()
    for datagram in (b"a" * 20, b"b" * 20, b"c" * 20):
        found = [fragments.add(piece(datagram, 0, 16)), fragments.add(piece(datagram, 16, 20))]
        assert found == [None, (6, datagram)]


def test_what_is_never_whole_takes_bounded_memory_and_is_counted():
    fragments = Fragments()
    for number in range(20_000):
        fragments.add(Fragment((KEY[0], number, 6), 6, 8, True, bytes(1400)))
    assert fragments._held <= 4 << 20 and len(fragments._datagrams) < 4000
    fragments.finish()
    assert sum(frames for _, frames, _ in fragments.given_up) == 20_000


@given(
    st.lists(
        st.builds(
            Fragment,
            st.just(KEY),
            st.integers(0, 255),
            st.integers(0, 8191).map(lambda n: n * 8),
            st.booleans(),
            st.binary(max_size=40),
        ),
        max_size=20,
    )
)
def test_no_fragments_are_too_strange(pieces):
    fragments = Fragments()
    for found in map(fragments.add, pieces):
        assert found is None or len(found[1]) <= 65535
    fragments.finish()
    assert not fragments._held
