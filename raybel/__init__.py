"""raybel links biomedical text to ontologies, as one batch job on Ray.

The functions and configurations that the command line uses:

    import raybel as rb

    rb.read_bioc("corpus/")               # a Ray Dataset of chunks of documents
    rb.read_mentions("corpus/")           # a Ray Dataset of mentions
    rb.prepare_ncbi_disease(rb.NcbiDiseaseConfig(...))
    rb.train_ngrams(rb.TrainNgramsConfig(...))
    rb.index_dense(rb.IndexDenseConfig(...))
    rb.train_sapbert(rb.TrainSapbertConfig(...))
    rb.train_crossencoder(rb.TrainCrossEncoderConfig(...))
    rb.train_detector(rb.TrainDetectorConfig(...))
    rb.tune_ngrams(rb.TuneNgramsConfig(...))
    rb.tune_crossencoder(rb.TuneCrossEncoderConfig(...))
    rb.link(rb.LinkConfig(...))
    rb.make_lookup(rb.LookupConfig(...))
    rb.sample(rb.SampleConfig(...))
    rb.export(rb.ExportConfig(...))
    rb.evaluate(rb.EvaluateConfig(...))
    rb.compare(rb.CompareConfig(...))
    rb.write_report(rb.ReportConfig(...))

A name is imported when it is first used, so that `import raybel` needs no Ray.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "DetectConfig": "jobs.detect.config",
    "DetectionOptions": "config",
    "InputOptions": "jobs.run_options",
    "LinkConfig": "jobs.link.config",
    "detect": "jobs.detect.job",
    "Resources": "config",
    "ReadOptions": "corpus.documents",
    "Concept": "ontology",
    "Ontology": "ontology",
    "NgramParameters": "candidates.parameters",
    "NgramGenerator": "candidates.ngrams",
    "LookupGenerator": "candidates.lookup",
    "DenseGenerator": "candidates.dense",
    "AlignmentParameters": "candidates.training.parameters",
    "NcbiDiseaseConfig": "prepare.ncbi_disease",
    "prepare_ncbi_disease": "prepare.ncbi_disease",
    "Bc5cdrConfig": "prepare.bc5cdr",
    "prepare_bc5cdr": "prepare.bc5cdr",
    "Outputs": "prepare.outputs",
    "MedicConfig": "prepare.medic",
    "prepare_medic": "prepare.medic",
    "MeshConfig": "prepare.mesh",
    "prepare_mesh": "prepare.mesh",
    "OboConfig": "prepare.obo",
    "prepare_obo": "prepare.obo",
    "SelectConfig": "prepare.select",
    "select_concepts": "prepare.select",
    "EnrichConfig": "prepare.enrich",
    "enrich_ontology": "prepare.enrich",
    "StripConfig": "prepare.alias_sources",
    "strip_aliases": "prepare.alias_sources",
    "MergeConfig": "prepare.merge",
    "merge_ontologies": "prepare.merge",
    "TableConfig": "prepare.table",
    "prepare_table": "prepare.table",
    "TrainNgramsConfig": "jobs.train.config",
    "train_ngrams": "jobs.train.ngrams",
    "IndexDenseConfig": "jobs.index.config",
    "index_dense": "jobs.index.job",
    "TrainSapbertConfig": "jobs.train.config",
    "train_sapbert": "jobs.train.sapbert",
    "TrainCrossEncoderConfig": "jobs.train.config",
    "train_crossencoder": "jobs.train.crossencoder",
    "TrainDetectorConfig": "jobs.train.config",
    "train_detector": "jobs.train.detector",
    "DetectorParameters": "detection.training.parameters",
    "TokenClassifier": "detection.token_classifier",
    "CalibrateConfig": "jobs.calibrate.config",
    "calibrate_generator": "jobs.calibrate.job",
    "calibrate_reranker": "jobs.calibrate.job",
    "SweepConfig": "tuning.config",
    "TrackingConfig": "tuning.config",
    "TuneNgramsConfig": "jobs.tune.config",
    "tune_ngrams": "jobs.tune.ngrams",
    "TuneCrossEncoderConfig": "jobs.tune.config",
    "tune_crossencoder": "jobs.tune.crossencoder",
    "CrossEncoderParameters": "rerank.parameters",
    "Reranker": "rerank.reranker",
    "GeneratorPaths": "config",
    "MentionOptions": "config",
    "ModelPaths": "config",
    "Workers": "jobs.train.config",
    "EvaluateConfig": "evaluation.config",
    "evaluate": "evaluation.evaluate",
    "ExportConfig": "exports.config",
    "export": "exports.export",
    "CompareConfig": "evaluation.config",
    "compare": "evaluation.compare",
    "PubmedConfig": "jobs.pubmed.config",
    "pubmed": "jobs.pubmed.job",
    "RunResult": "jobs.shard_job",
    "evaluate_spans": "evaluation.evaluate_spans",
    "ReportConfig": "report.config",
    "write_report": "report.write",
    "link": "jobs.link.job",
    "LookupConfig": "jobs.lookup.config",
    "make_lookup": "jobs.lookup.job",
    "SampleConfig": "jobs.sample.config",
    "sample": "jobs.sample.job",
    "read_bioc": "jobs.datasets",
    "read_mentions": "jobs.datasets",
}

__all__ = sorted(_HOMES)


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__


def __getattr__(name: str) -> Any:
    """Import a public name from its module."""
    if name not in _HOMES:
        raise AttributeError(f"module 'raybel' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"raybel.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
