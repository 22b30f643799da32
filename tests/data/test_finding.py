"""Candidates are looked for in the pools that are likely first, and in others only where they must be."""

from __future__ import annotations

from pathlib import Path

from data.building import TEST, candidate, rows, tree
from elva.data.finding import Finding
from elva.data.mbeir import MBeir


def test_other_pools_are_read_only_for_what_the_first_lack(tmp_path: Path) -> None:
    own, other = tree(tmp_path) / TEST.pool_path, tmp_path / "cand_pool/local/mbeir_other_task0_cand_pool.jsonl"
    rows(other, candidate(0, txt="another", modality="image,text"), candidate(9))
    for wanted, read, missing in ((["1000:1", "1000:0"], [own], 0), (["1000:0", "1000:9", "1000:77"], [own, other], 1)):
        data = MBeir.open(tmp_path)
        finding = Finding(data, [own])
        finding.look_for(wanted)
        found = finding.finish()
        assert sorted(found) == sorted({*wanted} - {"1000:77"})
        assert found["1000:0"].text != "another", "the first pool that holds a did gives it"
        assert (finding.missing, [*data.rows.indexed]) == (missing, read)
