"""The canonical tables: a subset of OMOP CDM v5.4 as typed polars frames, columns and rows in a fixed order.

Every table carries ``patient`` (the pseudonym). Integer identifiers are derived from pseudonyms, so they do not depend
on which other patients are there. Beside each ``*_source_value`` stands the triple ``code``, ``code_system``,
``code_version``. Columns outside the CDM: ``patient``, that triple, ``age_band``, ``region``, ``visit_order``
(1, 2, ... within a patient, also where a source has no dates), ``department`` and ``hospital`` (the mapping's word).

Source: OMOP CDM v5.4 (https://ohdsi.github.io/CommonDataModel/cdm54.html), field names and concept identifiers.
"""

from hashlib import blake2b

import polars as pl

from deid.mapping import TARGETS

_TRIPLE = {"code": pl.String, "code_system": pl.String, "code_version": pl.String}

SCHEMAS: dict[str, dict[str, type[pl.DataType]]] = {
    "person": {
        "patient": pl.String,
        "person_id": pl.Int64,
        "gender_concept_id": pl.Int32,
        "year_of_birth": pl.Int32,
        "race_concept_id": pl.Int32,
        "ethnicity_concept_id": pl.Int32,
        "gender_source_value": pl.String,
        "race_source_value": pl.String,
        "age_band": pl.String,
        "region": pl.String,
    },
    "visit_occurrence": {
        "patient": pl.String,
        "visit_occurrence_id": pl.Int64,
        "person_id": pl.Int64,
        "visit_concept_id": pl.Int32,
        "visit_start_date": pl.Date,
        "visit_end_date": pl.Date,
        "visit_order": pl.Int32,
        "visit_source_value": pl.String,
        "admitted_from_source_value": pl.String,
        "discharged_to_source_value": pl.String,
        "department": pl.String,
        "hospital": pl.String,
    },
    "condition_occurrence": {
        "patient": pl.String,
        "condition_occurrence_id": pl.Int64,
        "person_id": pl.Int64,
        "visit_occurrence_id": pl.Int64,
        "condition_concept_id": pl.Int32,
        "condition_start_date": pl.Date,
        "condition_status_source_value": pl.String,
        "condition_source_value": pl.String,
        "condition_source_name": pl.String,
        **_TRIPLE,
        "hospital": pl.String,
    },
    "measurement": {
        "patient": pl.String,
        "measurement_id": pl.Int64,
        "person_id": pl.Int64,
        "visit_occurrence_id": pl.Int64,
        "measurement_concept_id": pl.Int32,
        "measurement_date": pl.Date,
        "operator_concept_id": pl.Int32,
        "value_as_number": pl.Float64,
        "unit_code": pl.String,
        "range_source_value": pl.String,
        "measurement_source_value": pl.String,
        "value_source_value": pl.String,
        "unit_source_value": pl.String,
        **_TRIPLE,
        "hospital": pl.String,
    },
    "observation": {
        "patient": pl.String,
        "observation_id": pl.Int64,
        "person_id": pl.Int64,
        "visit_occurrence_id": pl.Int64,
        "observation_concept_id": pl.Int32,
        "observation_date": pl.Date,
        "value_as_number": pl.Float64,
        "value_as_string": pl.String,
        "observation_source_value": pl.String,
        "unit_source_value": pl.String,
        **_TRIPLE,
        "hospital": pl.String,
    },
    "drug_exposure": {
        "patient": pl.String,
        "drug_exposure_id": pl.Int64,
        "person_id": pl.Int64,
        "visit_occurrence_id": pl.Int64,
        "drug_concept_id": pl.Int32,
        "drug_exposure_start_date": pl.Date,
        "drug_exposure_end_date": pl.Date,
        "quantity": pl.Float64,
        "dose_unit_source_value": pl.String,
        "route_source_value": pl.String,
        "drug_source_value": pl.String,
        **_TRIPLE,
        "hospital": pl.String,
    },
    "note": {
        "patient": pl.String,
        "note_id": pl.Int64,
        "person_id": pl.Int64,
        "visit_occurrence_id": pl.Int64,
        "note_date": pl.Date,
        "note_title": pl.String,
        "note_text": pl.String,
        "hospital": pl.String,
    },
    "image_occurrence": {
        "patient": pl.String,
        "image_occurrence_id": pl.Int64,
        "person_id": pl.Int64,
        "visit_occurrence_id": pl.Int64,
        "image_occurrence_date": pl.Date,
        "modality_source_value": pl.String,
        "anatomic_site_source_value": pl.String,
        "dicom": pl.Binary,
        "hospital": pl.String,
    },
}
